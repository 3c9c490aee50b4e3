//! One prefix code of a block, made ready for decoding. Separate because the verdict on strange
//! codes stands here: libbz2 takes the lengths of a code as they come.
//!
//! The code is canonical: codes are numbers of their length in bits, given out in the order of
//! length, then of symbol, each the one before plus 1, with zero bits appended where the length
//! grows (`BZ2_hbAssignCodes`). If all codes are padded to the same length, they tile the numbers
//! from 0 on without a gap. Three cases follow:
//! - The codes fill their space exactly.
//! - They leave a gap at the end. Bits from there are refused when they come, not before.
//! - They need more than there is. Those beyond the space can never be read.

use super::bits_in::BitsIn;
use super::{MAX_ALPHABET, MAX_CODE_BITS};

/// Bits that are looked up at once. Two short codes are often found in one step.
const LOOKUP_BITS: u32 = 11;
const LOOKUPS: usize = 1 << LOOKUP_BITS;

/// Stands for bits that are no code. Above all symbols.
pub(super) const NO_SYMBOL: u16 = MAX_ALPHABET as u16;

/// Result of a lookup. `count` is 0 for a code of more than [`LOOKUP_BITS`] and for no code.
///
/// ```text
/// bits  0-8   first symbol
///       9-17  second symbol
///      18-21  bits of the first code
///      22-25  bits of both
///      26-27  count of symbols, 0 to 2
/// ```
#[derive(Clone, Copy, Default)]
struct LookupEntry(u32);

impl LookupEntry {
    fn one(symbol: u16, bits: u32) -> LookupEntry {
        LookupEntry(u32::from(symbol) | bits << 18 | bits << 22 | 1 << 26)
    }

    fn and(self, second: LookupEntry) -> LookupEntry {
        let both = self.bits() + second.bits();
        LookupEntry(self.0 & 0x3f_ffff | (second.0 & 0x1ff) << 9 | both << 22 | 2 << 26)
    }

    #[inline(always)]
    fn first(self) -> u16 {
        (self.0 & 0x1ff) as u16
    }

    #[inline(always)]
    fn second(self) -> u16 {
        (self.0 >> 9 & 0x1ff) as u16
    }

    #[inline(always)]
    fn first_bits(self) -> u32 {
        self.0 >> 18 & 15
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        self.0 >> 22 & 15
    }

    #[inline(always)]
    fn count(self) -> usize {
        (self.0 >> 26) as usize
    }
}

/// Codes of one length.
#[derive(Clone, Copy, Default)]
struct SameLength {
    /// The first number behind them, when codes are padded to [`MAX_CODE_BITS`].
    end: u32,
    /// The first of their symbols in `CodeTable::symbols`.
    from: u32,
}

pub(super) struct CodeTable {
    lookup: [LookupEntry; LOOKUPS],
    /// By the length of a code.
    lengths: [SameLength; MAX_CODE_BITS as usize + 1],
    /// In the order of their codes.
    symbols: [u16; MAX_ALPHABET],
}

impl CodeTable {
    pub fn new() -> CodeTable {
        CodeTable {
            lookup: [LookupEntry::default(); LOOKUPS],
            lengths: [SameLength::default(); MAX_CODE_BITS as usize + 1],
            symbols: [0; MAX_ALPHABET],
        }
    }

    /// Takes the lengths of the codes of all symbols: 1 to [`MAX_CODE_BITS`] bits, at most
    /// [`MAX_ALPHABET`] symbols.
    pub fn set(&mut self, code_bits: &[u8]) {
        self.sort(code_bits);
        self.fill_lookup(code_bits);
        self.pair_lookup();
    }

    fn sort(&mut self, code_bits: &[u8]) {
        let mut counts = [0_u32; MAX_CODE_BITS as usize + 1];
        code_bits.iter().for_each(|&bits| counts[usize::from(bits)] += 1);
        let (mut end, mut from) = (0, 0);
        let mut next = [0; MAX_CODE_BITS as usize + 1];
        for bits in 1..=MAX_CODE_BITS {
            let count = counts[bits as usize];
            end += count << (MAX_CODE_BITS - bits); // below 258 << 19
            self.lengths[bits as usize] = SameLength { end, from };
            next[bits as usize] = from as usize;
            from += count;
        }
        for (symbol, &bits) in code_bits.iter().enumerate() {
            self.symbols[next[usize::from(bits)]] = symbol as u16;
            next[usize::from(bits)] += 1;
        }
    }

    fn fill_lookup(&mut self, code_bits: &[u8]) {
        let mut at = 0;
        for &symbol in &self.symbols[..code_bits.len()] {
            let bits = u32::from(code_bits[usize::from(symbol)]);
            if bits > LOOKUP_BITS || at == LOOKUPS {
                break;
            }
            let end = at + (1 << (LOOKUP_BITS - bits)); // at most LOOKUPS: `at` is a multiple of the step
            self.lookup[at..end].fill(LookupEntry::one(symbol, bits));
            at = end;
        }
        self.lookup[at..].fill(LookupEntry::default());
    }

    /// Adds second symbols.
    fn pair_lookup(&mut self) {
        let single = self.lookup;
        for (bits, entry) in self.lookup.iter_mut().enumerate() {
            let second = single[bits << entry.bits() & (LOOKUPS - 1)];
            let is_whole = entry.bits() + second.bits() <= LOOKUP_BITS;
            if entry.count() == 1 && second.count() == 1 && is_whole {
                *entry = entry.and(second);
            }
        }
    }

    /// Reads one symbol or two. Needs 11 bits ready in `bits` where [`CodeTable::long`] is not
    /// needed; that one refills them.
    #[inline(always)]
    pub fn read_two(&self, bits: &mut BitsIn) -> ([u16; 2], usize) {
        let entry = self.lookup[bits.next(LOOKUP_BITS) as usize];
        if entry.count() == 0 {
            return ([self.long(bits), 0], 1);
        }
        bits.skip(entry.bits());
        ([entry.first(), entry.second()], entry.count())
    }

    /// Reads one symbol.
    #[inline(always)]
    pub fn read_one(&self, bits: &mut BitsIn) -> u16 {
        bits.refill();
        let entry = self.lookup[bits.next(LOOKUP_BITS) as usize];
        if entry.count() == 0 {
            return self.long(bits);
        }
        bits.skip(entry.first_bits());
        entry.first()
    }

    /// Reads a code of more than [`LOOKUP_BITS`]. Bits that are no code are [`NO_SYMBOL`].
    #[cold]
    #[inline(never)]
    fn long(&self, bits: &mut BitsIn) -> u16 {
        bits.refill();
        let code = bits.next(MAX_CODE_BITS);
        let longer = LOOKUP_BITS as usize + 1;
        let Some(more) = self.lengths[longer..].iter().position(|same| code < same.end) else {
            bits.skip(MAX_CODE_BITS);
            return NO_SYMBOL;
        };
        let length = longer + more;
        let behind = (code - self.lengths[length - 1].end) >> (MAX_CODE_BITS - length as u32);
        bits.skip(length as u32);
        self.symbols[(self.lengths[length].from + behind) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `BZ2_hbCreateDecodeTables` and `GET_MTF_VAL` have it: a bit more until the number is at
    /// or below the limit of its length.
    fn by_limits(code_bits: &[u8], bytes: &[u8]) -> Vec<u16> {
        let mut bits = BitsIn::new(bytes);
        let mut symbols = Vec::new();
        'symbols: loop {
            let (mut code, mut first, mut before) = (0, 0, 0);
            for length in 1..=20 {
                let Ok(bit) = bits.take(1) else { return symbols };
                code = code << 1 | bit;
                let those = || (0..code_bits.len()).filter(|&s| code_bits[s] == length);
                let count = those().count() as u32;
                if code < first + count {
                    symbols.push(those().nth((code - first) as usize).unwrap() as u16);
                    continue 'symbols;
                }
                first = (first + count) << 1;
                before += count;
            }
            assert!(before as usize <= code_bits.len());
            symbols.push(NO_SYMBOL);
            return symbols;
        }
    }

    fn by_table(code_bits: &[u8], bytes: &[u8], two: bool) -> Vec<u16> {
        let mut table = Box::new(CodeTable::new());
        table.set(&[5; 7]); // what an earlier block leaves
        table.set(code_bits);
        let mut bits = BitsIn::new(bytes);
        let mut symbols = Vec::new();
        while !bits.is_beyond_end() && symbols.last() != Some(&NO_SYMBOL) {
            if two {
                bits.refill();
                let (read, count) = table.read_two(&mut bits);
                symbols.extend(&read[..count]);
            } else {
                symbols.push(table.read_one(&mut bits));
            }
        }
        symbols
    }

    fn codes() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![1_u8..=20, 6_u8..=14, 8_u8..=9, 11_u8..=13];
        prop::collection::vec(length, 3..=258)
    }

    proptest! {
        #[test]
        fn codes_of_any_lengths_are_read_as_libbz2_reads_them(
            code_bits in codes(), bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let expected = by_limits(&code_bits, &bytes);
            for two in [false, true] {
                let read = by_table(&code_bits, &bytes, two);
                prop_assert!(read.starts_with(&expected), "{:?} instead of {:?}", read, expected);
            }
        }
    }

    #[test]
    fn a_code_that_needs_more_than_there_is_keeps_its_first_symbols() {
        assert!(
            by_table(&[1, 1, 1, 1], &[0b0101_0000], true).starts_with(&[0, 1, 0, 1, 0, 0, 0, 0])
        );
        assert!(by_table(&[2, 1, 1, 1], &[0b0101_0000], true).starts_with(&[1, 2, 1, 2]));
    }

    #[test]
    fn bits_of_a_gap_are_no_symbol() {
        assert_eq!(by_table(&[2, 2, 2], &[0b0001_1011], false), [0, 1, 2, NO_SYMBOL]);
    }
}
