//! From the symbols of a block to the last bytes of its sorted rotations. Separate because it reads
//! the largest part of a stream: prefix codes, ranks and lengths of runs in one pass.

use super::bits_in::BitsIn;
use super::block_head::BlockHead;
use super::code_table::CodeTable;
use super::ranks::Ranks;
use super::{BLOCK_BYTES, GROUP_SYMBOLS, RUN_B, Undecoded};

/// Short runs are written in one piece of this many bytes; what is too much is written over.
const PIECE: usize = 16;

/// More run symbols in a row are refused (`decompress.c`: "N doesn't get too big"). 21 of them
/// write at least 2^21 - 1 bytes, which no block holds.
const MAX_RUN_SYMBOLS: u32 = 21;

/// Room for the symbols of a group. A power of two, so that masking an index replaces its check.
const ROOM: usize = 64;

/// The last byte of each of the sorted rotations, in order.
pub(super) struct LastBytes {
    /// [`PIECE`] bytes longer than a block.
    bytes: Vec<u8>,
    len: usize,
    /// How often each value occurs.
    counts: [u32; 256],
}

impl LastBytes {
    pub fn new() -> LastBytes {
        LastBytes { bytes: Vec::new(), len: 0, counts: [0; 256] }
    }

    /// The bytes, and how often each value occurs among them.
    pub fn parts(&mut self) -> (&mut [u8], &[u32; 256]) {
        (&mut self.bytes[..self.len], &self.counts)
    }

    /// Reads the symbols of a block that holds at most `most` bytes, up to its end.
    pub fn read(
        &mut self,
        head: &BlockHead,
        most: usize,
        bits: &mut BitsIn,
    ) -> Result<(), Undecoded> {
        self.bytes.resize(BLOCK_BYTES + PIECE, 0);
        let mut block = Block::new(&mut self.bytes, &head.bytes, most);
        for &selector in &head.selectors {
            let table = &head.tables[usize::from(selector)];
            let before = *bits;
            let mut group = [0; ROOM];
            read_group(table, bits, &mut group);
            if let Some(symbols) = block.write(&group)? {
                *bits = before;
                (0..=symbols).for_each(|_| _ = table.read_one(bits));
                (self.len, self.counts) = (block.len, block.counts);
                return Ok(());
            }
            if bits.is_beyond_end() {
                return Err(Undecoded);
            }
        }
        Err(Undecoded)
    }
}

/// Reads 50 symbols, also where the end of the block is among them: what follows it is rubbish
/// then, and the bits for it are given back later. So reading has no branch for the meaning of
/// symbols, which no processor can foresee.
#[inline(always)]
fn read_group(table: &CodeTable, bits: &mut BitsIn, group: &mut [u16; ROOM]) {
    /// Lookups of 11 bits from the 56 that are ready.
    const LOOKUPS: usize = 4;
    let mut count = 0;
    while count + 2 * LOOKUPS <= GROUP_SYMBOLS {
        bits.refill();
        for _ in 0..LOOKUPS {
            let (symbols, read) = table.read_two(bits);
            group[count % ROOM] = symbols[0];
            group[(count + 1) % ROOM] = symbols[1];
            count += read;
        }
    }
    while count < GROUP_SYMBOLS {
        group[count % ROOM] = table.read_one(bits);
        count += 1;
    }
}

/// A block that is being written.
struct Block<'a> {
    bytes: &'a mut [u8],
    len: usize,
    most: usize,
    counts: [u32; 256],
    ranks: Ranks,
    /// The symbol behind all ranks.
    end: u16,
    /// Length of the run that is being read, and of how many symbols.
    run: usize,
    run_symbols: u32,
}

impl<'a> Block<'a> {
    #[inline(always)]
    fn new(bytes: &'a mut [u8], values: &[u8], most: usize) -> Block<'a> {
        let (ranks, end) = (Ranks::new(values), values.len() as u16 + 1);
        Block { bytes, len: 0, most, counts: [0; 256], ranks, end, run: 0, run_symbols: 0 }
    }

    /// Writes what the symbols of a group mean. Returns which of them is the end, if one is.
    #[inline(always)]
    fn write(&mut self, group: &[u16; ROOM]) -> Result<Option<usize>, Undecoded> {
        for (i, &symbol) in group[..GROUP_SYMBOLS].iter().enumerate() {
            if symbol <= RUN_B {
                self.lengthen_run(symbol)?;
                continue;
            }
            if self.run_symbols > 0 {
                self.write_run()?;
            }
            if symbol >= self.end {
                return if symbol == self.end { Ok(Some(i)) } else { Err(Undecoded) };
            }
            self.write_byte(symbol)?;
        }
        Ok(None)
    }

    /// The length of a run is a number in base 2 with the digits 1 (`RUN_A`) and 2 (`RUN_B`),
    /// the lowest first.
    #[inline(always)]
    fn lengthen_run(&mut self, symbol: u16) -> Result<(), Undecoded> {
        if self.run_symbols == MAX_RUN_SYMBOLS {
            return Err(Undecoded);
        }
        self.run += (usize::from(symbol) + 1) << self.run_symbols;
        self.run_symbols += 1;
        Ok(())
    }

    #[inline(always)]
    fn write_run(&mut self) -> Result<(), Undecoded> {
        let (byte, run) = (self.ranks.latest(), self.run);
        if run > self.most - self.len {
            return Err(Undecoded);
        }
        self.bytes[self.len..self.len + PIECE].fill(byte);
        if run > PIECE {
            self.bytes[self.len..self.len + run].fill(byte);
        }
        self.counts[usize::from(byte)] += run as u32;
        self.len += run;
        (self.run, self.run_symbols) = (0, 0);
        Ok(())
    }

    /// Rank `r` has the symbol `r + 1`, as rank 0 has two.
    #[inline(always)]
    fn write_byte(&mut self, symbol: u16) -> Result<(), Undecoded> {
        if self.len == self.most {
            return Err(Undecoded);
        }
        let byte = self.ranks.take(usize::from(symbol - 1) % 256);
        self.bytes[self.len] = byte;
        self.counts[usize::from(byte)] += 1;
        self.len += 1;
        Ok(())
    }
}
