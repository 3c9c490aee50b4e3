//! The content of a message, deciphered as it is read, and the check at its end.

use super::cfb::Cfb;
use super::error::OpenError;
use super::front::Envelope;
use super::packet::{self, Body, Length};
use super::{LITERAL_HEAD, MDC, MDC_HEAD, OVERHEAD, PREFIX, literal_head};
use sha1::{Digest as _, Sha1};
use std::io::{self, Chain, Cursor, Read};

const CHUNK: usize = 1 << 16;

/// What to do about damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tolerance {
    /// Fail.
    None,
    /// Give out what there is.
    Damage,
}

/// How far content can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// The end was not read yet: nothing is known.
    Unknown,
    /// The modification detection code agrees.
    Good,
    /// It does not: some of the content is not what was sealed.
    Damaged,
}

/// A message whose content and code disagree.
#[derive(Debug, thiserror::Error)]
#[error("its integrity check failed: it was damaged or changed after it was encrypted")]
pub struct IntegrityError;

/// A reader over the content of a message.
#[derive(Debug)]
pub struct MessageReader<R: Read> {
    literal: Body<Chain<Cursor<Vec<u8>>, PlaintextReader<R>>>,
    tolerance: Tolerance,
    integrity: Integrity,
}

impl<R: Read> MessageReader<R> {
    pub(super) fn new(
        input: R,
        envelope: Envelope,
        tolerance: Tolerance,
    ) -> Result<MessageReader<R>, OpenError> {
        let ours = expected_length(envelope.length);
        let mut plain = PlaintextReader::new(input, envelope);
        let mut head = vec![0; LITERAL_HEAD];
        plain.read_exact(&mut head).map_err(|_| OpenError::Damaged("it ends too early"))?;
        let is_ours = |length| match tolerance {
            Tolerance::None => head == literal_head(length),
            Tolerance::Damage => !is_foreign(&head, length),
        };
        let literal = match ours.filter(|&length| is_ours(length)) {
            Some(length) => {
                Body::new(Cursor::new(Vec::new()).chain(plain), Length::Known(length.into()))
            }
            None => foreign_literal(Cursor::new(head).chain(plain))?,
        };
        Ok(MessageReader { literal, tolerance, integrity: Integrity::Unknown })
    }

    /// Known once the reader returned 0.
    pub fn integrity(&self) -> Integrity {
        self.integrity
    }

    /// Reads to the end of the message and compares the code there.
    fn check(&mut self) -> io::Result<()> {
        if self.integrity == Integrity::Unknown {
            let plain = self.literal.get_mut();
            let behind = io::copy(plain, &mut io::sink()).unwrap_or(u64::MAX);
            let good = behind == 0 && plain.get_ref().1.mdc_agrees();
            self.integrity = if good { Integrity::Good } else { Integrity::Damaged };
        }
        match (self.integrity, self.tolerance) {
            (Integrity::Damaged, Tolerance::None) => Err(damaged("its checksum is wrong")),
            _ => Ok(()),
        }
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, OpenError::Damaged(what))
}

impl<R: Read> Read for MessageReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = match self.literal.read(buf) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                if self.tolerance == Tolerance::None {
                    return Err(damaged("it ends too early"));
                }
                0
            }
            other => other?,
        };
        if read == 0 && !buf.is_empty() {
            self.check()?;
        }
        Ok(read)
    }
}

/// Length of the content, if the packet is one of ours.
pub(super) fn expected_length(left: Length) -> Option<u32> {
    // The version byte and the prefix were read.
    match left {
        Length::Known(left) => {
            let length = (left + 1 + PREFIX as u64).checked_sub(OVERHEAD)?;
            u32::try_from(length).ok()
        }
        _ => None,
    }
}

/// Whether a message of known length has a first packet that another program wrote: it fills the
/// message to its last byte, which no damage of our own header makes of it. `length` is that of the
/// content, if it were ours.
fn is_foreign(head: &[u8], length: u32) -> bool {
    let whole = LITERAL_HEAD as u64 + u64::from(length);
    let mut rest = head;
    let Ok(Some((tag, Length::Known(body)))) = packet::read_header(&mut rest) else {
        return false;
    };
    let fills = (head.len() - rest.len()) as u64 + body == whole;
    let is_named =
        matches!(rest, [b'b' | b't' | b'u', name, ..] if *name > 0 && u64::from(*name) + 6 <= body);
    let differs = head[..6] != literal_head(length)[..6] || is_named;
    fills && differs && matches!(tag, packet::LITERAL | packet::COMPRESSED)
}

/// The literal packet of a message that another program wrote.
fn foreign_literal<T: Read>(mut plain: T) -> Result<Body<T>, OpenError> {
    let damaged = |_| OpenError::Damaged("there is no data packet in it");
    match packet::read_header(&mut plain).map_err(damaged)? {
        Some((packet::LITERAL, length)) => {
            let mut body = Body::new(plain, length);
            let mut head = [0; 2];
            body.read_exact(&mut head).map_err(damaged)?;
            // The name, which nobody asked for, and the date.
            let mut rest = vec![0; usize::from(head[1]) + 4];
            body.read_exact(&mut rest).map_err(damaged)?;
            Ok(body)
        }
        Some((packet::COMPRESSED, _)) => Err(OpenError::Unsupported("compression inside")),
        _ => Err(OpenError::Damaged("there is no data packet in it")),
    }
}

/// How the input of a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PacketEnd {
    Reached,
    /// The input ended before the packet.
    Missing,
}

/// The plaintext of an encrypted packet without prefix and code.
#[derive(Debug)]
struct PlaintextReader<R: Read> {
    body: Body<R>,
    cfb: Cfb,
    hash: Sha1,
    /// Deciphered bytes; the last 22 are held back, since they may be the code.
    buffer: Vec<u8>,
    at: usize,
    /// Ciphertext that was read already.
    start: Vec<u8>,
    end: Option<PacketEnd>,
}

impl<R: Read> PlaintextReader<R> {
    fn new(input: R, envelope: Envelope) -> PlaintextReader<R> {
        PlaintextReader {
            body: Body::new(input, envelope.length),
            cfb: envelope.cfb,
            hash: Sha1::new(),
            buffer: Vec::with_capacity(CHUNK + MDC),
            at: 0,
            start: envelope.prefix.to_vec(),
            end: None,
        }
    }

    fn ready(&self) -> usize {
        self.buffer.len().saturating_sub(MDC)
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        let old = self.buffer.len();
        let first = !self.start.is_empty();
        self.buffer.append(&mut self.start);
        self.read_chunk(CHUNK - (self.buffer.len() - old))?;
        self.cfb.decrypt(&mut self.buffer[old..]);
        self.hash.update(&self.buffer[..self.ready()]);
        self.at = if first { PREFIX.min(self.ready()) } else { 0 };
        Ok(())
    }

    /// Reads so much ciphertext, less at the end. What was read before a failure is kept.
    fn read_chunk(&mut self, want: usize) -> io::Result<()> {
        match (&mut self.body).take(want as u64).read_to_end(&mut self.buffer) {
            Ok(read) => self.end = (read < want).then_some(PacketEnd::Reached),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                self.end = Some(PacketEnd::Missing)
            }
            Err(e) => {
                // Where the next byte stands is not known any more.
                self.end = Some(PacketEnd::Missing);
                self.buffer.clear();
                self.at = 0;
                return Err(e);
            }
        }
        Ok(())
    }

    fn mdc_agrees(&self) -> bool {
        let mut hash = self.hash.clone();
        hash.update(MDC_HEAD);
        let code = &self.buffer[self.ready()..];
        self.end == Some(PacketEnd::Reached)
            && code.strip_prefix(&MDC_HEAD) == Some(&hash.finalize()[..])
    }
}

impl<R: Read> Read for PlaintextReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready() && self.end.is_none() {
            self.refill()?;
        }
        let len = buf.len().min(self.ready().saturating_sub(self.at));
        if len == 0 && !buf.is_empty() && self.end == Some(PacketEnd::Missing) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf[..len].copy_from_slice(&self.buffer[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}
