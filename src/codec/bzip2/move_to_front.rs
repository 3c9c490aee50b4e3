//! The third step of a block: each of the last bytes gives way to its rank in a list of bytes,
//! from which it is moved to the front. Sorted rotations bring equal bytes together, so that most
//! ranks are 0. Runs of them are written as numbers, all others as symbols of their own.

use super::{BLOCK_BYTES, MAX_ALPHABET, RUN_A, RUN_B};

/// More than the symbols of any block: one for each byte, and the end.
const MOST_SYMBOLS: usize = 1 << 20;
const _: () = assert!(BLOCK_BYTES < MOST_SYMBOLS);

/// An index that is in bounds for the compiler to see.
const MASK: usize = MOST_SYMBOLS - 1;

/// The symbols of a block.
pub struct Symbols {
    symbols: Box<[u16; MOST_SYMBOLS]>,
    len: usize,
    /// How often each symbol occurs.
    counts: [u32; MAX_ALPHABET],
    /// How many symbols there are: those of runs, one less than there are different bytes, the end.
    alphabet: usize,
}

impl Symbols {
    pub fn new() -> Symbols {
        let symbols = vec![0; MOST_SYMBOLS].into_boxed_slice().try_into();
        let symbols = symbols.unwrap_or_else(|_| unreachable!("the length is the same constant"));
        Symbols { symbols, len: 0, counts: [0; MAX_ALPHABET], alphabet: 0 }
    }

    /// Takes the bytes of a block, of which only those in `used` occur. They are at most
    /// [`BLOCK_BYTES`].
    pub fn fill(&mut self, bytes: impl Iterator<Item = u8>, used: &[bool; 256]) {
        (self.len, self.counts) = (0, [0; MAX_ALPHABET]);
        self.alphabet = used.iter().filter(|&&used| used).count() + 2;
        let mut list = RankList::new(used);
        let mut run = 0;
        for byte in bytes {
            if byte == list.front() {
                run += 1;
            } else {
                self.push_run(run);
                run = 0;
                self.push(list.move_to_front(byte) + 1);
            }
        }
        self.push_run(run);
        self.push(self.alphabet as u16 - 1);
    }

    #[inline]
    fn push(&mut self, symbol: u16) {
        self.symbols[self.len & MASK] = symbol;
        self.len += 1;
        self.counts[usize::from(symbol)] += 1;
    }

    /// Writes how long a run is: digits 1 and 2 in base 2, the lowest first.
    #[inline]
    fn push_run(&mut self, run: u32) {
        let mut rest = run;
        while rest > 0 {
            self.push(if rest & 1 == 1 { RUN_A } else { RUN_B });
            rest = (rest - 1) / 2;
        }
    }

    pub fn symbols(&self) -> &[u16] {
        &self.symbols[..self.len]
    }

    pub fn counts(&self) -> &[u32] {
        &self.counts[..self.alphabet]
    }
}

/// The bytes by rank, eight in a word, the lowest rank in the lowest byte.
struct RankList([u64; 32]);

/// A byte in each place of a word.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES << 7;

impl RankList {
    /// Used bytes in ascending order. The others follow and are never looked for.
    fn new(used: &[bool; 256]) -> RankList {
        let bytes = |wanted: bool| (0..=255_u8).filter(move |&b| used[usize::from(b)] == wanted);
        let mut list = [0; 32];
        for (rank, byte) in bytes(true).chain(bytes(false)).enumerate() {
            list[rank / 8] |= u64::from(byte) << (rank % 8 * 8);
        }
        RankList(list)
    }

    fn front(&self) -> u8 {
        self.0[0] as u8
    }

    /// Returns the rank that `byte` had.
    #[inline]
    fn move_to_front(&mut self, byte: u8) -> u16 {
        let wanted = u64::from(byte) * ONES;
        let mut pushed = u64::from(byte);
        for (at, word) in (0..).zip(&mut self.0) {
            let shifted = *word << 8 | pushed;
            let differ = *word ^ wanted;
            // Its lowest bit is the high bit of the first byte that is zero, if one is.
            let equal = differ.wrapping_sub(ONES) & !differ & HIGH_BITS;
            if equal != 0 {
                let up_to_it = equal ^ (equal - 1);
                *word = (*word & !up_to_it) | (shifted & up_to_it);
                return at * 8 + equal.trailing_zeros() as u16 / 8;
            }
            pushed = *word >> 56;
            *word = shifted;
        }
        unreachable!("all bytes are in the list")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn symbols_of(bytes: &[u8]) -> (Vec<u16>, Vec<u32>) {
        let mut used = [false; 256];
        bytes.iter().for_each(|&byte| used[usize::from(byte)] = true);
        let mut symbols = Symbols::new();
        symbols.fill(bytes.iter().copied(), &used);
        (symbols.symbols().to_vec(), symbols.counts().to_vec())
    }

    #[test]
    fn runs_are_numbers_with_the_digits_1_and_2() {
        let of_run = |run: usize| symbols_of(&vec![9; run]).0;
        assert_eq!(of_run(1), [RUN_A, 2]);
        assert_eq!(of_run(2), [RUN_B, 2]);
        assert_eq!(of_run(3), [RUN_A, RUN_A, 2]);
        assert_eq!(of_run(4), [RUN_B, RUN_A, 2]);
        assert_eq!(of_run(10), [RUN_B, RUN_B, RUN_A, 2]);
    }

    /// The ranks by a list that is searched byte by byte; runs not shortened.
    fn plain_ranks(bytes: &[u8]) -> Vec<usize> {
        let mut list: Vec<u8> = (0..=255).filter(|byte| bytes.contains(byte)).collect();
        let rank = |&byte: &u8| {
            let rank = list.iter().position(|&other| other == byte).unwrap();
            list.remove(rank);
            list.insert(0, byte);
            rank
        };
        bytes.iter().map(rank).collect()
    }

    fn ranks(symbols: &[u16]) -> Vec<usize> {
        let (mut ranks, mut digit) = (Vec::new(), 1);
        for &symbol in symbols {
            if symbol == RUN_A || symbol == RUN_B {
                ranks.extend(vec![0; digit << symbol]);
                digit *= 2;
            } else {
                ranks.push(usize::from(symbol) - 1);
                digit = 1;
            }
        }
        ranks
    }

    proptest! {
        #[test]
        fn symbols_are_the_ranks_and_the_end(
            bytes in prop::collection::vec(any::<u8>(), 1..400),
            mask in prop::sample::select(vec![1_u8, 3, 15, 255]),
        ) {
            let bytes: Vec<u8> = bytes.iter().map(|byte| byte & mask).collect();
            let (symbols, counts) = symbols_of(&bytes);
            let (end, before) = symbols.split_last().unwrap();
            prop_assert_eq!(usize::from(*end), counts.len() - 1);
            prop_assert_eq!(ranks(before), plain_ranks(&bytes));
            for (symbol, &count) in counts.iter().enumerate() {
                let seen = symbols.iter().filter(|&&other| usize::from(other) == symbol).count();
                prop_assert_eq!(count as usize, seen);
            }
        }
    }
}
