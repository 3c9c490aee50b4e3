//! Decodes a stream that is in memory. Separate from the parts of a block because the order of these,
//! and what a stream must have to be accepted, can be read here.

use super::bits_in::BitsIn;
use super::block_head::BlockHead;
use super::crc::crc;
use super::expand_runs::expand_runs;
use super::symbols::LastBytes;
use super::walk::Walk;
use super::{BLOCK_MAGIC, END_MAGIC, STREAM_MAGIC, Undecoded, combine};

/// Bytes of a block per level of its stream (`decompress.c`).
const LEVEL_BYTES: usize = 100_000;

/// Decodes streams, one after the other. Keep it: allocating its buffers anew for each stream
/// costs more than half of its speed.
pub struct Decoder {
    head: BlockHead,
    last: LastBytes,
    walk: Walk,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder { head: BlockHead::new(), last: LastBytes::new(), walk: Walk::new() }
    }

    /// Decodes the stream at the beginning of `stream` and appends what it holds to `out`, at most
    /// `at_most` bytes. Returns the length of the stream. If it is not decoded, `out` is as before.
    pub fn decode(
        &mut self,
        stream: &[u8],
        out: &mut Vec<u8>,
        at_most: usize,
    ) -> Result<usize, Undecoded> {
        let before = out.len();
        let taken = self.blocks(stream, out, before.saturating_add(at_most));
        if taken.is_err() {
            out.truncate(before);
        }
        taken
    }

    fn blocks(
        &mut self,
        stream: &[u8],
        out: &mut Vec<u8>,
        most: usize,
    ) -> Result<usize, Undecoded> {
        let mut bits = BitsIn::new(stream);
        let block_bytes = level(&mut bits)? * LEVEL_BYTES;
        let mut sum = 0;
        loop {
            match u64::from(bits.take(24)?) << 24 | u64::from(bits.take(24)?) {
                BLOCK_MAGIC => sum = combine(sum, self.block(block_bytes, &mut bits, out, most)?),
                END_MAGIC if bits.take(32)? == sum => return Ok(bits.bytes_taken()),
                _ => return Err(Undecoded),
            }
        }
    }

    /// Decodes a block and returns its checksum.
    fn block(
        &mut self,
        block_bytes: usize,
        bits: &mut BitsIn,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Result<u32, Undecoded> {
        self.head.read(bits)?;
        self.last.read(&self.head, block_bytes, bits)?;
        let (bytes, counts) = self.last.parts();
        if self.head.row >= bytes.len() {
            return Err(Undecoded);
        }
        self.walk.invert(bytes, counts, self.head.row);
        let before = out.len();
        expand_runs(bytes, out, most)?;
        if crc(&out[before..]) == self.head.crc { Ok(self.head.crc) } else { Err(Undecoded) }
    }
}

fn level(bits: &mut BitsIn) -> Result<usize, Undecoded> {
    for byte in STREAM_MAGIC {
        if bits.take(8)? != u32::from(byte) {
            return Err(Undecoded);
        }
    }
    match bits.take(8)? as u8 {
        digit @ b'1'..=b'9' => Ok(usize::from(digit - b'0')),
        _ => Err(Undecoded),
    }
}
