//! DISC.txt (format 2): which disc this is.

use super::FormatError;
use crate::model::disc::{Compression, Encryption};
use crate::model::{DiscNo, DiscUuid, SetName, SetUuid, SnapshotSeq};
use std::str::FromStr;

/// The words for discs with files, and for recovery discs.
const DATA: &str = "data";
const PARITY: &str = "parity";
/// The format that this program writes, and the only one that it reads.
pub const FORMAT: &str = "1";

/// Which of the listings a disc carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listings {
    pub index: bool,
    pub snapshot: bool,
    pub catalog: bool,
}

/// What DISC.txt says. It names the disc, never the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscTxt {
    pub set: SetName,
    pub set_uuid: SetUuid,
    pub disc: DiscNo,
    pub disc_uuid: DiscUuid,
    /// The newest snapshot that has a member here.
    pub snapshot: SnapshotSeq,
    /// When the disc was closed, `YYYY-MM-DDThh:mm:ssZ`.
    pub date: String,
    /// The version of coldcut that wrote the disc.
    pub coldcut: String,
    pub encryption: Encryption,
    pub compression: Compression,
    /// So many percent of the disc's blocks can be lost and made anew; 0: no recovery data.
    pub parity: u8,
    pub listings: Listings,
    /// What a recovery disc covers; `None`: a disc with files.
    pub group: Option<Group>,
}

/// Which recovery disc this is, and of which discs (format 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// In the order in which they were taken in.
    pub discs: Vec<DiscNo>,
    /// From 1.
    pub member: u32,
    pub of: u32,
    pub stripe: u64,
}

impl DiscTxt {
    /// The text of the file.
    pub fn to_text(&self) -> String {
        let kind = if self.group.is_some() { PARITY } else { DATA };
        let lines = [
            ("format", FORMAT.to_owned()),
            ("kind", kind.to_owned()),
            ("set", self.set.to_string()),
            ("set_uuid", self.set_uuid.to_string()),
            ("disc", self.disc.to_string()),
            ("disc_uuid", self.disc_uuid.to_string()),
            ("snapshot", self.snapshot.to_string()),
            ("date", self.date.clone()),
            ("coldcut", self.coldcut.clone()),
            ("encryption", self.encryption.word().to_owned()),
            ("compression", self.compression.word().to_owned()),
            ("parity", self.parity.to_string()),
            ("listings", self.listings.to_text()),
        ];
        let group = self.group.iter().flat_map(Group::lines);
        let lines = lines.into_iter().chain(group);
        lines.map(|(key, value)| format!("{key}={value}\n")).collect()
    }

    /// Reads the file. Unknown keys are passed over; a newer format is [`FormatError::Newer`].
    pub fn parse(text: &[u8]) -> Result<DiscTxt, FormatError> {
        let keys = Keys(text);
        let format = keys.get("format")?;
        if format != FORMAT {
            return Err(FormatError::Newer { found: format.to_owned() });
        }
        let is_parity = keys.read("kind", |kind| match kind {
            DATA => Some(false),
            PARITY => Some(true),
            _ => None,
        })?;
        Ok(DiscTxt {
            set: keys.read("set", SetName::new)?,
            set_uuid: SetUuid(keys.parsed("set_uuid")?),
            disc: DiscNo(keys.counted("disc")?),
            disc_uuid: DiscUuid(keys.parsed("disc_uuid")?),
            snapshot: SnapshotSeq(keys.counted("snapshot")?),
            date: keys.get("date")?.to_owned(),
            coldcut: keys.get("coldcut")?.to_owned(),
            encryption: keys.read("encryption", Encryption::from_word)?,
            compression: keys.read("compression", Compression::from_word)?,
            parity: keys.parsed("parity")?,
            listings: Listings::from_text(keys.get("listings")?),
            group: is_parity.then(|| Group::read(&keys)).transpose()?,
        })
    }
}

impl Group {
    fn lines(&self) -> [(&'static str, String); 3] {
        let discs: Vec<String> = self.discs.iter().map(DiscNo::to_string).collect();
        [
            ("group", discs.join(" ")),
            ("member", format!("{}/{}", self.member, self.of)),
            ("stripe", self.stripe.to_string()),
        ]
    }

    fn read(keys: &Keys) -> Result<Group, FormatError> {
        let number = |word: &str| word.parse().ok().filter(|&number: &u32| number > 0);
        let discs = keys.read("group", |text| {
            text.split(' ').map(|word| number(word).map(DiscNo)).collect::<Option<Vec<_>>>()
        })?;
        let (member, of) = keys.read("member", |text| {
            let (member, of) = text.split_once('/')?;
            Some((number(member)?, number(of)?)).filter(|(member, of)| member <= of)
        })?;
        let stripe = keys.read("stripe", |text| {
            text.parse().ok().filter(|&stripe| stripe > 0 && stripe % 2 == 0)
        })?;
        Ok(Group { discs, member, of, stripe })
    }
}

impl Listings {
    const NAMES: [&str; 3] = ["INDEX", "SNAPSHOT", "catalog"];

    fn to_text(self) -> String {
        let here = [self.index, self.snapshot, self.catalog];
        let names = Self::NAMES.iter().zip(here).filter(|(_, is_here)| *is_here);
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    }

    fn from_text(text: &str) -> Listings {
        let [index, snapshot, catalog] =
            Self::NAMES.map(|name| text.split(' ').any(|word| word == name));
        Listings { index, snapshot, catalog }
    }
}

/// Lines `key=value`. Where a key stands twice the first counts; what is not ASCII is not ours.
struct Keys<'a>(&'a [u8]);

impl<'a> Keys<'a> {
    fn get(&self, key: &'static str) -> Result<&'a str, FormatError> {
        let value_of = |line: &'a [u8]| line.strip_prefix(key.as_bytes())?.strip_prefix(b"=");
        let value = self.0.split(|&b| b == b'\n').find_map(value_of);
        let printable = |text: &&str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        value
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .filter(printable)
            .ok_or(FormatError::DiscKey { key })
    }

    fn read<T>(
        &self,
        key: &'static str,
        meaning: impl Fn(&str) -> Option<T>,
    ) -> Result<T, FormatError> {
        meaning(self.get(key)?).ok_or(FormatError::DiscKey { key })
    }

    fn parsed<T: FromStr>(&self, key: &'static str) -> Result<T, FormatError> {
        self.read(key, |text| text.parse().ok())
    }

    /// A number from 1.
    fn counted(&self, key: &'static str) -> Result<u32, FormatError> {
        self.read(key, |text| text.parse().ok().filter(|&number| number > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn example() -> DiscTxt {
        DiscTxt {
            set: SetName::new("holidays").unwrap(),
            set_uuid: SetUuid(Uuid::from_u128(1)),
            disc: DiscNo(7),
            disc_uuid: DiscUuid(Uuid::from_u128(2)),
            snapshot: SnapshotSeq(3),
            date: "2026-01-02T03:04:05Z".to_owned(),
            coldcut: "0.1.0".to_owned(),
            encryption: Encryption::Recipients,
            compression: Compression::Zstd,
            parity: 10,
            listings: Listings { index: true, snapshot: false, catalog: true },
            group: None,
        }
    }

    #[test]
    fn it_goes_out_and_comes_back() {
        let text = example().to_text();
        assert!(text.starts_with("format=1\nkind=data\nset=holidays\n"));
        assert!(text.ends_with("listings=INDEX catalog\n"));
        assert_eq!(DiscTxt::parse(text.as_bytes()).unwrap(), example());
    }

    #[test]
    fn a_recovery_disc_says_what_it_covers() {
        let discs = [1, 2, 4].map(DiscNo).to_vec();
        let group = Some(Group { discs, member: 2, of: 2, stripe: 65_536 });
        let disc = DiscTxt { listings: Listings::default(), group, ..example() };
        let text = disc.to_text();
        assert!(text.contains("kind=parity\n"));
        assert!(text.ends_with("listings=\ngroup=1 2 4\nmember=2/2\nstripe=65536\n"), "{text}");
        assert_eq!(DiscTxt::parse(text.as_bytes()).unwrap(), disc);
        for (word, odd) in [("1 2 4", "1 0"), ("2/2", "3/2"), ("=65536", "=0"), ("1 2 4", "")] {
            assert!(DiscTxt::parse(text.replace(word, odd).as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn unknown_keys_are_passed_over() {
        let text = format!("{}colour=\u{e4}\nnonsense\n", example().to_text());
        assert_eq!(DiscTxt::parse(text.as_bytes()).unwrap(), example());
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let newer = example().to_text().replace("format=1", "format=2");
        let error = DiscTxt::parse(newer.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("made by a newer coldcut"), "{error}");
        let nothing = DiscTxt::parse(b"").unwrap_err();
        assert!(matches!(nothing, FormatError::DiscKey { key: "format" }));
    }

    #[test]
    fn every_key_is_needed_and_checked() {
        let text = example().to_text();
        for line in text.lines() {
            let without = text.replace(&format!("{line}\n"), "");
            assert!(DiscTxt::parse(without.as_bytes()).is_err(), "{line}");
            let (key, _) = line.split_once('=').unwrap();
            let odd = text.replace(line, &format!("{key}=\u{1b}[2J"));
            assert!(DiscTxt::parse(odd.as_bytes()).is_err(), "{key}");
        }
        assert!(DiscTxt::parse(text.replace("disc=7", "disc=0").as_bytes()).is_err());
    }
}
