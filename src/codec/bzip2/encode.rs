//! Writes streams: the steps in their order, and the parts of a block that describe it.

use super::bits_out::BitsOut;
use super::move_to_front::Symbols;
use super::sort::Sorter;
use super::tables::Tables;
use super::{BLOCK_MAGIC, END_MAGIC, MAGIC_BITS, MAX_ALPHABET, ROW_BITS, STREAM_MAGIC};
use super::{GROUP_SYMBOLS, MAX_TABLES, combine, crc, huffman, run_length};

/// Writes one stream after another with the same buffers.
pub struct Encoder {
    /// The block after its runs were shortened.
    block: Vec<u8>,
    sorter: Sorter,
    symbols: Symbols,
    tables: Tables,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::new()
    }
}

impl Encoder {
    pub fn new() -> Encoder {
        let (sorter, symbols, tables) = (Sorter::new(), Symbols::new(), Tables::new());
        Encoder { block: Vec::new(), sorter, symbols, tables }
    }

    /// Writes all of `raw` as one stream of level 9 after what `out` has already.
    ///
    /// `n` bytes after the step `run_length` become at most `1.0048 n + 200` bytes:
    ///
    /// - Each of them is at most one symbol. Plain codes, which are taken if they are shorter than
    ///   all else, have at most 8 + 4/258 bits on average, as the four rarest of 258 symbols have
    ///   9. Every 50 symbols have a selector of one bit. Together that is `1.0045 n`.
    /// - The rest of a block is at most 181 bytes: 123 bits of magic, checksum, row and numbers,
    ///   272 of the map, 1032 of two plain tables (the most is at 171 symbols, of which every other
    ///   one has the longer code), and the last symbol with its selector. All blocks but the last
    ///   have at least 899,999 bytes, so that this is `0.0002 n`.
    /// - The stream has 15 bytes around its blocks.
    ///
    /// A run of exactly four bytes becomes five. Without such runs the result is shorter than
    /// `raw + raw / 200 + 200` bytes, and below libbz2's promise of `raw + raw / 100 + 601` as long
    /// as they are at most 0.5 % of all bytes. With more of them nothing is proved. They are easy
    /// to foresee, so such data should shrink; but who relies on the promise must look.
    pub fn encode(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&STREAM_MAGIC);
        out.push(b'9');
        let mut bits = BitsOut::new(out);
        let (mut rest, mut checksum) = (raw, 0);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(run_length::fill(rest, &mut self.block));
            let block_checksum = crc::crc(now);
            checksum = combine(checksum, block_checksum);
            self.encode_block(block_checksum, &mut bits);
            rest = later;
        }
        bits.put_long(END_MAGIC, MAGIC_BITS);
        bits.put(checksum, 32);
        bits.finish();
    }

    fn encode_block(&mut self, checksum: u32, bits: &mut BitsOut) {
        let used = used(&self.block);
        let rotations = self.sorter.sort(&self.block);
        self.symbols.fill(rotations.last_bytes(), &used);
        self.tables.choose(self.symbols.symbols(), self.symbols.counts());
        bits.put_long(BLOCK_MAGIC, MAGIC_BITS);
        bits.put(checksum, 32);
        bits.put(0, 1);
        bits.put(rotations.row() as u32, ROW_BITS);
        write_map(&used, bits);
        write_selectors(&self.tables, bits);
        self.tables.lengths().for_each(|lengths| write_lengths(lengths, bits));
        write_symbols(self.symbols.symbols(), &self.tables, bits);
    }
}

fn used(block: &[u8]) -> [bool; 256] {
    let mut used = [false; 256];
    block.iter().for_each(|&byte| used[usize::from(byte)] = true);
    used
}

/// Writes which bytes occur: the sixteenths that have one, then those of each.
fn write_map(used: &[bool; 256], bits: &mut BitsOut) {
    let sixteen = |flags: &mut dyn Iterator<Item = bool>| {
        flags.fold(0, |bits, flag| bits << 1 | u32::from(flag))
    };
    bits.put(sixteen(&mut used.chunks(16).map(|part| part.contains(&true))), 16);
    for part in used.chunks(16).filter(|part| part.contains(&true)) {
        bits.put(sixteen(&mut part.iter().copied()), 16);
    }
}

/// Writes how many tables and selectors there are, and each selector as a rank: so many ones, then
/// a zero.
fn write_selectors(tables: &Tables, bits: &mut BitsOut) {
    bits.put(tables.lengths().len() as u32, 3);
    bits.put(tables.selectors().len() as u32, 15);
    tables.selector_ranks().for_each(|rank| bits.put((2 << rank) - 2, rank + 1));
}

/// Writes the lengths of a table: the first in 5 bits, then for each symbol steps up (10) or down
/// (11) from the length before, and a 0.
fn write_lengths(lengths: &[u8], bits: &mut BitsOut) {
    let mut current = lengths[0];
    bits.put(u32::from(current), 5);
    for &length in lengths {
        let step = if length > current { 0b10 } else { 0b11 };
        (0..length.abs_diff(current)).for_each(|_| bits.put(step, 2));
        bits.put(0, 1);
        current = length;
    }
}

fn write_symbols(symbols: &[u16], tables: &Tables, bits: &mut BitsOut) {
    /// A code and its length.
    type Code = (u32, u32);
    let mut codes: [[Code; MAX_ALPHABET]; MAX_TABLES] = [[(0, 0); MAX_ALPHABET]; MAX_TABLES];
    for (codes, lengths) in codes.iter_mut().zip(tables.lengths()) {
        let values = huffman::codes(lengths).into_iter().zip(lengths.iter().copied());
        codes.iter_mut().zip(values).for_each(|(code, (value, len))| *code = (value, len.into()));
    }
    for (group, &table) in symbols.chunks(GROUP_SYMBOLS).zip(tables.selectors()) {
        let codes = &codes[usize::from(table)];
        for &symbol in group {
            let (code, len) = codes[usize::from(symbol)];
            bits.put(code, len);
        }
    }
}
