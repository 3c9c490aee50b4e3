//! What stands in a block before its symbols: checksum, row, symbol map, selectors, lengths of codes.
//! Separate because none of it takes time, and because most verdicts on damaged blocks fall here.

use super::bits_in::BitsIn;
use super::code_table::CodeTable;
use super::{MAX_ALPHABET, MAX_CODE_BITS, MAX_TABLES, MIN_TABLES, ROW_BITS, Undecoded};

/// The head of the latest block. Kept from block to block for its memory.
pub(super) struct BlockHead {
    /// CRC-32 of the raw bytes of the block.
    pub crc: u32,
    /// Which of the sorted rotations is the block itself (`origPtr`).
    pub row: usize,
    /// The byte values that occur, in order.
    pub bytes: Vec<u8>,
    /// Which of the tables holds for each group of 50 symbols.
    pub selectors: Vec<u8>,
    pub tables: Vec<CodeTable>,
}

impl BlockHead {
    pub fn new() -> BlockHead {
        BlockHead {
            crc: 0,
            row: 0,
            bytes: Vec::with_capacity(256),
            selectors: Vec::new(),
            tables: std::iter::repeat_with(CodeTable::new).take(MAX_TABLES).collect(),
        }
    }

    /// Reads what follows the magic of a block.
    pub fn read(&mut self, bits: &mut BitsIn) -> Result<(), Undecoded> {
        self.crc = bits.take(32)?;
        let is_randomised = bits.take(1)? == 1; // obsolete since bzip2 0.9.5
        self.row = bits.take(ROW_BITS)? as usize;
        if is_randomised {
            return Err(Undecoded);
        }
        self.read_map(bits)?;
        let tables = bits.take(3)? as usize;
        if !(MIN_TABLES..=MAX_TABLES).contains(&tables) {
            return Err(Undecoded);
        }
        self.read_selectors(tables, bits)?;
        (0..tables).try_for_each(|table| self.read_table(table, bits))
    }

    fn read_map(&mut self, bits: &mut BitsIn) -> Result<(), Undecoded> {
        self.bytes.clear();
        let sixteenths = bits.take(16)?;
        for high in (0..16).filter(|high| sixteenths << high & 0x8000 != 0) {
            let values = bits.take(16)?;
            let low = (0..16).filter(|low| values << low & 0x8000 != 0);
            self.bytes.extend(low.map(|low| high << 4 | low));
        }
        if self.bytes.is_empty() { Err(Undecoded) } else { Ok(()) }
    }

    /// Each selector is written as its rank in a list of the tables (move to front), as that many
    /// one bits and a zero bit. There may be more than a block can need: some encoders round up.
    fn read_selectors(&mut self, tables: usize, bits: &mut BitsIn) -> Result<(), Undecoded> {
        self.selectors.clear();
        let mut latest = [0, 1, 2, 3, 4, 5];
        let count = bits.take(15)? as usize;
        for _ in 0..count {
            bits.refill();
            let rank = bits.next_ones();
            if rank as usize >= tables {
                return Err(Undecoded);
            }
            bits.skip(rank + 1);
            latest[..=rank as usize].rotate_right(1);
            self.selectors.push(latest[0]);
        }
        if count == 0 || bits.is_beyond_end() { Err(Undecoded) } else { Ok(()) }
    }

    /// The length of the first code has 5 bits. Then for each symbol: `10` makes the length 1 more,
    /// `11` 1 less, `0` ends the symbol.
    fn read_table(&mut self, table: usize, bits: &mut BitsIn) -> Result<(), Undecoded> {
        let mut lengths = [0; MAX_ALPHABET];
        let lengths = &mut lengths[..self.bytes.len() + 2];
        let mut length = bits.take(5)?;
        for symbol in lengths.iter_mut() {
            loop {
                if !(1..=MAX_CODE_BITS).contains(&length) {
                    return Err(Undecoded);
                }
                bits.refill();
                match bits.next(2) {
                    0b00 | 0b01 => break bits.skip(1),
                    0b10 => length += 1,
                    _ => length -= 1,
                }
                bits.skip(2);
            }
            *symbol = length as u8;
        }
        self.tables[table].set(lengths);
        if bits.is_beyond_end() { Err(Undecoded) } else { Ok(()) }
    }
}
