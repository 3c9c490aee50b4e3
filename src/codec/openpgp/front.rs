//! All that stands in front of a message's content: the packets with session keys, and the first
//! encrypted bytes, which show whether a key fits.

use super::PREFIX;
use super::cfb::Cfb;
use super::error::OpenError;
use super::packet::{self, Body, Length};
use super::read_at::{AtReader, ReadAt};
use sequoia_openpgp::Packet;
use sequoia_openpgp::parse::Parse;
use std::io::{self, Read};

/// No session-key packet is longer: RSA of 16,384 bits takes 2 KiB.
const MAX_KEY_PACKET: u64 = 1 << 16;

/// Recipients of a message; more are a trap.
const MAX_KEY_PACKETS: usize = 1000;

/// A message read up to its first 18 encrypted bytes, and the key that fits them.
pub(super) struct Envelope {
    pub(super) cfb: Cfb,
    pub(super) prefix: [u8; PREFIX],
    pub(super) length: Length,
}

/// RFC 4880 5.13: the last two bytes of the first block are repeated after it.
pub(super) fn repeats(cfb: &Cfb, prefix: &[u8; PREFIX]) -> bool {
    let mut plain = *prefix;
    cfb.clone().decrypt(&mut plain);
    plain[PREFIX - 4..PREFIX - 2] == plain[PREFIX - 2..]
}

/// All in front of the content: session-key packets, the first encrypted bytes, and the length of
/// what follows these.
pub(super) fn read_front(
    input: &mut impl Read,
) -> Result<(Vec<Packet>, [u8; PREFIX], Length), OpenError> {
    let (packets, length) = read_key_packets(input)?;
    let mut body = Body::new(input, length);
    let mut start = [0; 1 + PREFIX];
    body.read_exact(&mut start).map_err(|_| OpenError::Damaged("it ends too early"))?;
    let [version, prefix @ ..] = start;
    if version != 1 {
        return Err(OpenError::Unsupported("version of the encrypted packet"));
    }
    Ok((packets, prefix, body.length()))
}

/// A message whose session key is known, and where its ciphertext begins.
pub(super) fn envelope_with(source: &impl ReadAt, cfb: Cfb) -> Result<(u64, Envelope), OpenError> {
    let mut input = AtReader { source, at: 0 };
    let (_, prefix, length) = read_front(&mut input)?;
    if !repeats(&cfb, &prefix) {
        return Err(OpenError::Damaged("its first bytes"));
    }
    Ok((input.at - PREFIX as u64, Envelope { cfb, prefix, length }))
}

/// The session-key packets, and the length of the encrypted packet after them.
fn read_key_packets(input: &mut impl Read) -> Result<(Vec<Packet>, Length), OpenError> {
    let mut packets = Vec::new();
    loop {
        let (tag, length) = match packet::read_header(input) {
            Ok(Some(header)) => header,
            Err(e) if !is_foreign(&e) => return Err(e.into()),
            _ => return Err(OpenError::NotOpenPgp),
        };
        match (tag, length) {
            (packet::SEIP, _) => return Ok((packets, length)),
            (packet::PKESK | packet::SKESK | packet::MARKER, Length::Known(length)) => {
                if packets.len() >= MAX_KEY_PACKETS {
                    return Err(OpenError::Unsupported("for more than 1,000 keys"));
                }
                if length > MAX_KEY_PACKET {
                    return Err(OpenError::Unsupported("with a session key of more than 64 KiB"));
                }
                packets.push(read_packet(input, tag, length)?);
            }
            (9, _) => return Err(OpenError::Unsupported("encryption without integrity")),
            (20, _) => return Err(OpenError::Unsupported("AEAD")),
            _ => return Err(OpenError::NotOpenPgp),
        }
    }
}

fn is_foreign(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn read_packet(input: &mut impl Read, tag: u8, length: u64) -> Result<Packet, OpenError> {
    let mut bytes = packet::header(tag, length as u32).to_vec();
    input.take(length).read_to_end(&mut bytes)?;
    Packet::from_bytes(&bytes).map_err(|_| OpenError::NotOpenPgp)
}
