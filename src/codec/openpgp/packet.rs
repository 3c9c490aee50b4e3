//! Packet headers and lengths (RFC 4880 4.2).

use std::io::{self, Read};

pub(super) const PKESK: u8 = 1;
pub(super) const SKESK: u8 = 3;
pub(super) const COMPRESSED: u8 = 8;
pub(super) const MARKER: u8 = 10;
pub(super) const LITERAL: u8 = 11;
pub(super) const SEIP: u8 = 18;

/// A new-format header with a five-octet length (RFC 4880 4.2.2.3).
pub(super) fn header(tag: u8, length: u32) -> [u8; 6] {
    let [a, b, c, d] = length.to_be_bytes();
    [0xc0 | tag, 0xff, a, b, c, d]
}

/// How far a packet's body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    /// A chunk of so many bytes, then another length (RFC 4880 4.2.2.4).
    Partial(u64),
    /// To the end of the input (RFC 4880 4.2.1).
    Open,
}

/// Reads a packet's tag and length. `None` at the end of the input; an error of kind `InvalidData`
/// if this is no packet.
pub(super) fn read_header(input: &mut impl Read) -> io::Result<Option<(u8, Length)>> {
    let mut ctb = [0];
    if input.read(&mut ctb)? == 0 {
        return Ok(None);
    }
    let [ctb] = ctb;
    match ctb >> 6 {
        0b11 => Ok(Some((ctb & 0x3f, read_length(input)?))),
        0b10 => Ok(Some((ctb >> 2 & 0x0f, read_old_length(input, ctb & 3)?))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "this is not an OpenPGP packet")),
    }
}

fn number(input: &mut impl Read, bytes: usize) -> io::Result<u64> {
    let mut number = [0; 8];
    input.read_exact(&mut number[8 - bytes..])?;
    Ok(u64::from_be_bytes(number))
}

fn read_length(input: &mut impl Read) -> io::Result<Length> {
    Ok(match number(input, 1)? {
        short @ ..192 => Length::Known(short),
        first @ 192..224 => Length::Known(((first - 192) << 8) + number(input, 1)? + 192),
        255 => Length::Known(number(input, 4)?),
        partial => Length::Partial(1 << (partial & 0x1f)),
    })
}

fn read_old_length(input: &mut impl Read, length_type: u8) -> io::Result<Length> {
    match length_type {
        3 => Ok(Length::Open),
        bytes => number(input, 1 << bytes).map(Length::Known),
    }
}

/// The body of one packet, whichever way its length is told.
#[derive(Debug)]
pub(super) struct Body<R> {
    input: R,
    length: Length,
}

impl<R: Read> Body<R> {
    pub(super) fn new(input: R, length: Length) -> Body<R> {
        Body { input, length }
    }

    /// What is left of it.
    pub(super) fn length(&self) -> Length {
        self.length
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.input
    }
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.length == Length::Partial(0) {
            self.length = read_length(&mut self.input)?;
        }
        let (left, of) = match self.length {
            Length::Open => return self.input.read(buf),
            Length::Known(left) => (left, Length::Known as fn(u64) -> Length),
            Length::Partial(left) => (left, Length::Partial as fn(u64) -> Length),
        };
        let want = left.min(buf.len() as u64) as usize;
        let read = self.input.read(&mut buf[..want])?;
        if read == 0 && want > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.length = of(left - read as u64);
        Ok(read)
    }
}
