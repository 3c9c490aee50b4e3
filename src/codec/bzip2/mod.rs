//! The bzip2 format, written and read by code of this project, because that takes about half
//! of the time that the crate `bzip2` takes. The crate remains the reference.
//!
//! No standard describes bzip2. The sources named here are bzip2 1.0.8 (`compress.c`, `huffman.c`,
//! `decompress.c`), its manual, and Joe Tsai's "BZIP2: Format Specification" (2016).
//!
//! A stream is a row of bits without padding between its parts, the most significant bit of each
//! byte first:
//!
//! ```text
//! stream  "BZh", level "1" to "9", blocks, END_MAGIC (48 bits), checksum of all blocks (32),
//!         zero bits up to the next whole byte
//! block   BLOCK_MAGIC (48), CRC-32 of its raw bytes (32), a zero bit ("randomised", obsolete),
//!         row of the sorted rotations that is the block itself (24),
//!         symbol map, coding tables, symbols
//! map     16 bits: which sixteenths of the 256 byte values occur in the block;
//!         16 bits for each that does: which of its values occur
//! tables  how many there are (3), how many selectors (15), the selectors,
//!         for each table the length of the code of each symbol
//! ```
//!
//! The raw bytes of a block pass through four steps: runs of equal bytes are shortened
//! (`run_length`), the rotations of the result are sorted and give way to their last bytes
//! (`sort`), these are replaced by their ranks in a list of the latest bytes (`move_to_front`),
//! and the ranks are written by prefix codes (`huffman`).

mod bits_in;
mod bits_out;
mod block_head;
mod code_table;
mod crc;
mod decode;
#[cfg(test)]
mod decode_tests;
mod encode;
#[cfg(test)]
mod encode_tests;
mod expand_runs;
mod huffman;
mod move_to_front;
mod ranks;
mod run_length;
mod sort;
#[cfg(test)]
mod strange_tests;
mod symbols;
mod tables;
mod walk;

pub use decode::Decoder;
pub use encode::Encoder;

/// The first bytes of a stream, before its level (`BZ_HDR_B`, `BZ_HDR_Z`, `BZ_HDR_h`).
pub const STREAM_MAGIC: [u8; 3] = *b"BZh";

/// The first 48 bits of a block, the decimal digits of pi (`BZ2_compressBlock`).
pub const BLOCK_MAGIC: u64 = 0x3141_5926_5359;

/// The 48 bits after the last block, the decimal digits of the square root of pi.
pub const END_MAGIC: u64 = 0x1772_4538_5090;

/// Bits of [`BLOCK_MAGIC`] and [`END_MAGIC`].
pub const MAGIC_BITS: u32 = 48;

/// Bits of the number of the row that is the block itself (`origPtr`).
pub const ROW_BITS: u32 = 24;

/// The most bytes in a block of a level 9 stream, after runs were shortened. libbz2 stops 19 bytes
/// before (`nblockMAX`), but takes full ones (`decompress.c`).
pub const BLOCK_BYTES: usize = 900_000;

/// The most symbols: two for runs, the ranks 1 to 255, one for the end (`BZ_MAX_ALPHA_SIZE`).
pub const MAX_ALPHABET: usize = 258;

/// The symbols that write the lengths of runs of rank 0 (`BZ_RUNA`, `BZ_RUNB`).
pub const RUN_A: u16 = 0;
/// See [`RUN_A`].
pub const RUN_B: u16 = 1;

/// The fewest and the most coding tables of a block (`BZ_N_GROUPS`).
pub const MIN_TABLES: usize = 2;
/// See [`MIN_TABLES`].
pub const MAX_TABLES: usize = 6;

/// How many symbols are written by one table before the next selector counts (`BZ_G_SIZE`).
pub const GROUP_SYMBOLS: usize = 50;

/// The longest code that a reader must know (`BZ_MAX_CODE_LEN` is 23, `decompress.c` takes 20).
pub const MAX_CODE_BITS: u32 = 20;

/// Equal bytes in a row after which a byte says how many more follow (`unRLE_obuf_to_output_FAST`).
pub const RUN_HEAD: usize = 4;

/// The checksum of the stream, with one more block (`BZ2_compressBlock`).
pub fn combine(stream: u32, block: u32) -> u32 {
    stream.rotate_left(1) ^ block
}

/// This decoder did not decode the stream: it is damaged or ends early, has a randomised block
/// (obsolete since bzip2 0.9.5), or holds more than was permitted. It does not say which; the crate
/// `bzip2` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecoded;
