//! OpenPGP messages of known lengths (format 4, RFC 4880), which GnuPG 2.2 opens.
//!
//! sequoia makes and reads the session-key packets. The one large packet is framed here, since
//! sequoia's streaming writer offers no known lengths, and a known length is what lets a damaged
//! message be decrypted to its end.

mod cfb;
mod error;
mod file_key;
mod front;
mod locks;
mod opened;
mod opener;
mod packet;
mod random_access;
mod read_at;
mod sealer;
mod signing;

pub use error::OpenError;
pub use file_key::FileKey;
pub use locks::{LockError, Locks};
pub use opened::{Integrity, IntegrityError, MessageReader};
pub use opener::Opener;
pub use random_access::Unlocked;
pub use read_at::ReadAt;
pub use sealer::{Halves, SealError, Sealer, make_token};
pub use signing::{CheckError, Checker, SignError, Signer};

/// Random block and the repetition of its last two bytes, before the packets (RFC 4880 5.13).
const PREFIX: usize = 18;
/// Our literal packet's header: tag, five octets of length, format, no name, date (RFC 4880 5.9).
const LITERAL_HEAD: usize = 12;
/// Tag and length of the modification detection code packet (RFC 4880 5.14).
const MDC_HEAD: [u8; 2] = [0xd3, 0x14];
/// That packet with its SHA-1.
const MDC: usize = 22;
/// All that our encrypted packet's body holds beside the content: a version byte and these.
const OVERHEAD: u64 = (1 + PREFIX + LITERAL_HEAD + MDC) as u64;

/// What sequoia says when it fails.
type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Our literal packet's header for so much content.
fn literal_head(length: u32) -> [u8; LITERAL_HEAD] {
    let mut head = [0; LITERAL_HEAD];
    // Its body: format, length of the name, date, content.
    head[..6].copy_from_slice(&packet::header(packet::LITERAL, length + 6));
    head[6] = b'b';
    head
}

#[cfg(test)]
mod tests;
