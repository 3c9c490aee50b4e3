//! Names of sets.

use std::fmt;

use serde::Serialize;

/// 1 to 26 of `A-Z a-z 0-9 - _`: fits a volume id after the number and any file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SetName(String);

impl SetName {
    pub const MAX: usize = 26;

    /// `None` if the text is not a set's name.
    pub fn new(text: &str) -> Option<SetName> {
        let fits = (1..=Self::MAX).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (fits && plain).then(|| SetName(text.to_owned()))
    }

    /// A name made from a directory's: what is not allowed becomes `_`, the end is cut.
    /// `None` where nothing is left (the root directory).
    pub fn from_dir_name(name: &[u8]) -> Option<SetName> {
        let text: String = name
            .iter()
            .take(Self::MAX)
            .map(|&b| if b.is_ascii_alphanumeric() || b == b'-' { b as char } else { '_' })
            .collect();
        SetName::new(&text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_short_names_are_names() {
        for good in ["a", "Photos-2026_x", "abcdefghijklmnopqrstuvwxyz"] {
            assert!(SetName::new(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "ä", "a/b", "abcdefghijklmnopqrstuvwxyz1"] {
            assert!(SetName::new(bad).is_none(), "{bad}");
        }
        let made = SetName::from_dir_name("Mein Ordner".as_bytes());
        assert_eq!(made, SetName::new("Mein_Ordner"));
        assert_eq!(SetName::from_dir_name(b""), None);
    }
}
