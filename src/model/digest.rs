//! SHA-256 digests as values; hashing itself stands where bytes are read.

use std::fmt;

/// The 32 bytes of a SHA-256 digest (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of no bytes at all.
    pub const EMPTY: Digest = Digest([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);

    /// Reads 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &[u8]) -> Option<Digest> {
        if text.len() != 64 {
            return None;
        }
        Digest::from_slice(&hex_bytes(text)?)
    }

    /// Takes a digest out of a slice; `None` if it is not 32 bytes long.
    pub fn from_slice(bytes: &[u8]) -> Option<Digest> {
        bytes.try_into().ok().map(Digest)
    }
}

/// `61ff` as two bytes; `None` for anything but pairs of hexadecimal digits.
pub fn hex_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
        _ => None,
    };
    text.chunks(2).map(pair).collect()
}

fn hex_value(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_out_and_comes_back() {
        let text = Digest::EMPTY.to_string();
        assert!(text.starts_with("e3b0c44298fc1c14"));
        assert_eq!(Digest::from_hex(text.as_bytes()), Some(Digest::EMPTY));
        assert_eq!(Digest::from_hex(b"e3b0"), None);
        assert_eq!(Digest::from_hex(&[b'g'; 64]), None);
    }
}
