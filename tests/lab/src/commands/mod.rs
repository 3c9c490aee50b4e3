//! What the drive answers, command by command (MMC-6 chapter 6).

pub mod about;
pub mod ask;
pub mod io;

use crate::sense::SenseData;

/// What a command gets: data, or why there is none.
type ScsiReply = Result<Vec<u8>, SenseData>;

pub(crate) fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

pub(crate) fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub(crate) fn cut(mut reply: Vec<u8>, room: usize) -> Vec<u8> {
    reply.truncate(room);
    reply
}
