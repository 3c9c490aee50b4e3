//! Reading from the middle of a message: one member out of an archive, or what is left of a
//! damaged one. CFB begins at any block, with the ciphertext of the block before.

use super::cfb::{BLOCK, Cfb};
use super::error::OpenError;
use super::front::Envelope;
use super::opened::expected_length;
use super::read_at::{AtReader, ReadAt};
use super::{LITERAL_HEAD, PREFIX};
use std::io::{self, Read};

/// Read and deciphered at once; whole blocks.
const CHUNK: usize = 1 << 18;

/// A message of ours whose session key is known.
#[derive(Clone, Debug)]
pub struct Unlocked {
    cfb: Cfb,
    /// Where in the message the ciphertext begins.
    ciphertext: u64,
    length: u64,
}

impl Unlocked {
    pub(super) fn new(ciphertext: u64, envelope: &Envelope) -> Result<Unlocked, OpenError> {
        let length = expected_length(envelope.length)
            .ok_or(OpenError::Unsupported("length that is not known beforehand"))?;
        Ok(Unlocked { cfb: envelope.cfb.clone(), ciphertext, length: length.into() })
    }

    /// The content from `offset`, at most `len` bytes of it. `source` is the whole message.
    pub fn range<S: ReadAt>(&self, source: S, offset: u64, len: u64) -> RangeReader<S> {
        let offset = offset.min(self.length);
        let place = (PREFIX + LITERAL_HEAD) as u64 + offset;
        RangeReader {
            unlocked: self.clone(),
            source,
            block: place / BLOCK as u64,
            skip: (place % BLOCK as u64) as usize,
            left: len.min(self.length - offset),
            buffer: Vec::new(),
            at: 0,
        }
    }
}

/// A reader over a piece of a message's content.
#[derive(Debug)]
pub struct RangeReader<S> {
    unlocked: Unlocked,
    source: S,
    /// The next cipher block to read.
    block: u64,
    /// Bytes of it that stand before the piece.
    skip: usize,
    left: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl<S: ReadAt> RangeReader<S> {
    /// Reads the next blocks together with the one before them, which is their IV. The content
    /// begins after the first block, so there is always one.
    fn refill(&mut self) -> io::Result<()> {
        let want = (self.skip as u64 + self.left).min(CHUNK as u64) as usize;
        // After an error the buffer is empty, and the next read begins here again.
        let mut bytes = std::mem::take(&mut self.buffer);
        self.at = 0;
        bytes.resize(BLOCK + want, 0);
        let start = self.unlocked.ciphertext + (self.block - 1) * BLOCK as u64;
        AtReader { source: &self.source, at: start }.read_exact(&mut bytes)?;
        let mut iv = [0; BLOCK];
        iv.copy_from_slice(&bytes[..BLOCK]);
        self.unlocked.cfb.behind(iv).decrypt(&mut bytes[BLOCK..]);
        self.at = BLOCK + self.skip;
        self.skip = 0;
        self.block += (CHUNK / BLOCK) as u64;
        self.buffer = bytes;
        Ok(())
    }
}

impl<S: ReadAt> Read for RangeReader<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buf.is_empty() {
            return Ok(0);
        }
        if self.at == self.buffer.len() {
            self.refill()?;
        }
        let len = buf.len().min(self.buffer.len() - self.at);
        buf[..len].copy_from_slice(&self.buffer[self.at..self.at + len]);
        self.at += len;
        self.left -= len as u64;
        Ok(len)
    }
}
