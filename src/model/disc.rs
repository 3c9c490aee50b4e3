//! Numbers and identities of sets, snapshots, archives and discs.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A disc's number in its set, from 1.
    #[derive(Serialize)]
    DiscNo(u32)
}
number! {
    /// An archive's number in its set, from 1.
    ArchiveNo(u32)
}
number! {
    /// A snapshot's place in its set's history, from 1. Order is by this, never by a clock.
    #[derive(Serialize)]
    SnapshotSeq(u32)
}
number! {
    /// Who a set is, whatever it is called.
    SetUuid(Uuid)
}
number! {
    /// Who a disc is. All copies of a disc carry the same.
    DiscUuid(Uuid)
}
number! {
    /// Who a snapshot is: two histories of one set can have snapshots of one number.
    SnapshotUuid(Uuid)
}

impl Serialize for DiscUuid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The version of the disc format that a disc follows (`docs/format.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Discs that were begun before the first release.
    One,
    #[default]
    Two,
}

impl Format {
    pub fn number(self) -> u32 {
        match self {
            Format::One => 1,
            Format::Two => 2,
        }
    }

    pub fn from_number(number: u32) -> Option<Format> {
        [Format::One, Format::Two].into_iter().find(|format| format.number() == number)
    }
}

/// A disc as a person names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscName {
    Number(DiscNo),
    Uuid(DiscUuid),
}

impl DiscName {
    /// A number from 1, or the UUID of `DISC.txt`.
    pub fn parse(text: &str) -> Option<DiscName> {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match is_number {
            true => text.parse().ok().filter(|&n| n > 0).map(|n| DiscName::Number(DiscNo(n))),
            false => text.parse().ok().map(|uuid| DiscName::Uuid(DiscUuid(uuid))),
        }
    }

    /// Whether this disc is meant.
    pub fn is(self, number: DiscNo, uuid: DiscUuid) -> bool {
        match self {
            DiscName::Number(meant) => meant == number,
            DiscName::Uuid(meant) => meant == uuid,
        }
    }
}

/// How the files of a set are closed to strangers; one way for the whole set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    None,
    Passphrase,
    Recipients,
}

impl Encryption {
    /// The word in `DISC.txt` and in the catalog.
    pub fn word(self) -> &'static str {
        match self {
            Encryption::None => "none",
            Encryption::Passphrase => "passphrase",
            Encryption::Recipients => "recipients",
        }
    }

    pub fn from_word(word: &str) -> Option<Encryption> {
        [Encryption::None, Encryption::Passphrase, Encryption::Recipients]
            .into_iter()
            .find(|e| e.word() == word)
    }

    pub fn is_on(self) -> bool {
        self != Encryption::None
    }
}

impl Serialize for Encryption {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

/// What people say of a set, in clear on each of its discs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    pub title: Option<String>,
    pub description: Option<String>,
    pub contact: Option<String>,
    /// Who may do what with it.
    pub rights: Option<String>,
    /// Reminds of the passphrase.
    pub hint: Option<String>,
}

impl Description {
    /// With the keys in `DISC.txt`, in their order there.
    pub fn texts(&self) -> [(&'static str, &Option<String>); 5] {
        [
            ("title", &self.title),
            ("description", &self.description),
            ("contact", &self.contact),
            ("rights", &self.rights),
            ("hint", &self.hint),
        ]
    }

    /// From what there is by each key.
    pub fn read(text: impl Fn(&'static str) -> Option<String>) -> Description {
        Description {
            title: text("title"),
            description: text("description"),
            contact: text("contact"),
            rights: text("rights"),
            hint: text("hint"),
        }
    }
}

/// How the frames of an archive are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Bzip2,
    Zstd,
}

impl Compression {
    pub fn word(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Bzip2 => "bzip2",
            Compression::Zstd => "zstd",
        }
    }

    pub fn from_word(word: &str) -> Option<Compression> {
        [Compression::None, Compression::Bzip2, Compression::Zstd]
            .into_iter()
            .find(|c| c.word() == word)
    }

    /// What stands behind `.tar` in an archive's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Bzip2 => ".bz2",
            Compression::Zstd => ".zst",
        }
    }
}

/// The path of an archive on its disc, without a leading slash.
pub fn archive_path(number: ArchiveNo, compression: Compression, encrypted: bool) -> String {
    let gpg = if encrypted { ".gpg" } else { "" };
    format!("archives/{:08}.tar{}{gpg}", number.0, compression.suffix())
}

/// How an archive's name says that it was made; `None` for a name that is not an archive's.
pub fn parse_archive_path(path: &str) -> Option<(ArchiveNo, Compression, bool)> {
    let name = path.strip_prefix("archives/")?;
    let (number, suffix) = name.split_once(".tar")?;
    if number.len() < 8 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (suffix, encrypted) = match suffix.strip_suffix(".gpg") {
        Some(inner) => (inner, true),
        None => (suffix, false),
    };
    let compression = [Compression::None, Compression::Bzip2, Compression::Zstd]
        .into_iter()
        .find(|c| c.suffix() == suffix)?;
    Some((ArchiveNo(number.parse().ok()?), compression, encrypted))
}

/// K recovery discs for each N discs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    pub recovery: u32,
    pub data: u32,
}

impl Ratio {
    /// Together they stand for at most as many discs as a person can keep apart.
    pub const MOST: u32 = 100;

    /// `2/10`.
    pub fn parse(text: &str) -> Option<Ratio> {
        let (recovery, data) = text.split_once('/')?;
        let (recovery, data): (u32, u32) = (recovery.parse().ok()?, data.parse().ok()?);
        let fits = (1..=Ratio::MOST).contains(&data) && (1..=data).contains(&recovery);
        fits.then_some(Ratio { recovery, data })
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.recovery, self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archives_name_tells_how_it_was_made() {
        for compression in [Compression::None, Compression::Bzip2, Compression::Zstd] {
            for encrypted in [false, true] {
                let path = archive_path(ArchiveNo(42), compression, encrypted);
                assert_eq!(
                    parse_archive_path(&path),
                    Some((ArchiveNo(42), compression, encrypted))
                );
            }
        }
        assert_eq!(parse_archive_path("archives/1.tar"), None);
        assert_eq!(parse_archive_path("archives/0000000x.tar"), None);
        assert_eq!(parse_archive_path("archives/00000001.tar.lz"), None);
        assert_eq!(parse_archive_path("INDEX.tsv.bz2"), None);
    }

    #[test]
    fn discs_are_named_in_a_row() {}

    #[test]
    fn ratios_are_whole_and_bounded() {
        assert_eq!(Ratio::parse("2/10").unwrap().to_string(), "2/10");
        for bad in ["0/5", "6/5", "1/0", "1/101", "1", "a/b", "1/5/2", "-1/5"] {
            assert_eq!(Ratio::parse(bad), None, "{bad}");
        }
    }
}
