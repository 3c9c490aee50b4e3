//! DISC.txt (format 2): which disc this is.

use super::FormatError;
use super::escape::{printable, unprintable};
use crate::model::disc::{Compression, Description, Encryption};
use crate::model::{
    DiscIdentity, DiscNo, DiscUuid, Format, ListingFlags, SetName, SetUuid, SnapshotSeq,
};
use std::str::FromStr;

/// The words for discs with files, and for recovery discs.
const DATA: &str = "data";
const PARITY: &str = "parity";
/// The hash that all sums of a disc are of.
const DIGEST: &str = "sha256";
/// README.txt repeats DISC.txt between these lines.
const BEGIN: &str = "-----BEGIN DISC.txt-----\n";
const END: &str = "-----END DISC.txt-----\n";

/// What DISC.txt says. It names the disc, never the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscTxt {
    pub format: Format,
    pub id: DiscIdentity,
    /// The newest when the disc was closed; on discs of format 1 the newest that has a member here.
    pub snapshot: SnapshotSeq,
    /// When the disc was closed, `YYYY-MM-DDThh:mm:ssZ`.
    pub date: String,
    /// The version of coldcut that wrote the disc.
    pub coldcut: String,
    pub encryption: Encryption,
    pub compression: Compression,
    /// So many percent of the disc's blocks can be lost and rebuilt; 0: no recovery data.
    pub parity: u8,
    pub listings: ListingFlags,
    /// What people said of the set; discs of format 1 have nothing of it.
    pub description: Description,
    /// What a recovery disc covers; `None`: a disc with files.
    pub group: Option<RecoveryRole>,
}

/// Which recovery disc this is, and of which discs (format 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryRole {
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
        let since_two = |line| (self.format != Format::One).then_some(line);
        let lines = [
            ("format", self.format.number().to_string()),
            ("kind", kind.to_owned()),
            ("set", self.id.set.to_string()),
            ("set_uuid", self.id.set_uuid.to_string()),
            ("disc", self.id.number.to_string()),
            ("disc_uuid", self.id.uuid.to_string()),
            ("snapshot", self.snapshot.to_string()),
            ("date", self.date.clone()),
            ("coldcut", self.coldcut.clone()),
            ("encryption", self.encryption.word().to_owned()),
            ("compression", self.compression.word().to_owned()),
        ];
        let rest = [("parity", self.parity.to_string()), ("listings", self.listings.to_text())];
        let said = self.description.texts().into_iter().filter_map(|(key, text)| {
            Some((key, printable(text.as_ref().filter(|text| !text.is_empty())?.as_bytes())))
        });
        let group = self.group.iter().flat_map(RecoveryRole::lines);
        let lines = lines.into_iter().chain(since_two(("digest", DIGEST.to_owned())));
        let lines = lines.chain(rest).chain(said.filter_map(since_two)).chain(group);
        lines.map(|(key, value)| format!("{key}={value}\n")).collect()
    }

    /// The same as README.txt repeats it at its end.
    pub fn repeated(&self) -> String {
        format!("{BEGIN}{}{END}", self.to_text())
    }

    /// Reads what [`repeated`](Self::repeated) wrote into a README.txt; `None` if it is not there.
    pub fn of_readme(readme: &[u8]) -> Option<DiscTxt> {
        let find = |text: &[u8], line: &str| {
            text.windows(line.len()).rposition(|window| window == line.as_bytes())
        };
        let begin = find(readme, BEGIN)? + BEGIN.len();
        let text = readme.get(begin..)?;
        DiscTxt::parse(text.get(..find(text, END)?)?).ok()
    }

    /// Reads the file. Unknown keys are passed over; a newer format is [`FormatError::Newer`].
    pub fn parse(text: &[u8]) -> Result<DiscTxt, FormatError> {
        let keys = KeyLines(text);
        let format = keys.get("format")?;
        let known = |text: &str| text.parse().ok().and_then(Format::from_number);
        let Some(format) = known(format) else {
            return Err(FormatError::Newer { found: format.to_owned() });
        };
        if format != Format::One {
            keys.read("digest", |digest| (digest == DIGEST).then_some(()))?;
        }
        let is_parity = keys.read("kind", |kind| match kind {
            DATA => Some(false),
            PARITY => Some(true),
            _ => None,
        })?;
        let text = |key| keys.find(key).and_then(|text| unprintable(text.as_bytes()));
        Ok(DiscTxt {
            format,
            id: DiscIdentity {
                set: keys.read("set", SetName::new)?,
                set_uuid: SetUuid(keys.parsed("set_uuid")?),
                number: DiscNo(keys.counted("disc")?),
                uuid: DiscUuid(keys.parsed("disc_uuid")?),
            },
            snapshot: SnapshotSeq(keys.counted("snapshot")?),
            date: keys.get("date")?.to_owned(),
            coldcut: keys.get("coldcut")?.to_owned(),
            encryption: keys.read("encryption", Encryption::from_word)?,
            compression: keys.read("compression", Compression::from_word)?,
            parity: keys.parsed("parity")?,
            listings: ListingFlags::from_text(keys.get("listings")?),
            description: Description::read(|key| String::from_utf8(text(key)?).ok()),
            group: is_parity.then(|| RecoveryRole::read(&keys)).transpose()?,
        })
    }
}

impl RecoveryRole {
    fn lines(&self) -> [(&'static str, String); 3] {
        let discs: Vec<String> = self.discs.iter().map(DiscNo::to_string).collect();
        [
            ("group", discs.join(" ")),
            ("member", format!("{}/{}", self.member, self.of)),
            ("stripe", self.stripe.to_string()),
        ]
    }

    fn read(keys: &KeyLines) -> Result<RecoveryRole, FormatError> {
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
        Ok(RecoveryRole { discs, member, of, stripe })
    }
}

/// Lines `key=value`. Where a key stands twice the first counts; what is not ASCII is not ours.
struct KeyLines<'a>(&'a [u8]);

impl<'a> KeyLines<'a> {
    fn get(&self, key: &'static str) -> Result<&'a str, FormatError> {
        self.find(key).ok_or(FormatError::DiscKey { key })
    }

    fn find(&self, key: &str) -> Option<&'a str> {
        let value_of = |line: &'a [u8]| line.strip_prefix(key.as_bytes())?.strip_prefix(b"=");
        let value = self.0.split(|&b| b == b'\n').find_map(value_of);
        let printable = |text: &&str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        value.and_then(|bytes| std::str::from_utf8(bytes).ok()).filter(printable)
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
            format: Format::Two,
            id: DiscIdentity {
                set: SetName::new("holidays").unwrap(),
                set_uuid: SetUuid(Uuid::from_u128(1)),
                number: DiscNo(7),
                uuid: DiscUuid(Uuid::from_u128(2)),
            },
            snapshot: SnapshotSeq(3),
            date: "2026-01-02T03:04:05Z".to_owned(),
            coldcut: "0.1.0".to_owned(),
            encryption: Encryption::Recipients,
            compression: Compression::Zstd,
            parity: 10,
            listings: ListingFlags { index: true, snapshot: false, history: true, catalog: true },
            description: Description::default(),
            group: None,
        }
    }

    #[test]
    fn it_goes_out_and_comes_back() {
        let text = example().to_text();
        assert!(text.starts_with("format=2\nkind=data\nset=holidays\n"));
        assert!(text.ends_with("digest=sha256\nparity=10\nlistings=INDEX HISTORY catalog\n"));
        assert_eq!(DiscTxt::parse(text.as_bytes()).unwrap(), example());
    }

    #[test]
    fn a_disc_of_format_1_says_what_it_said_then() {
        let listings = ListingFlags { history: false, ..example().listings };
        let old = DiscTxt { format: Format::One, listings, ..example() };
        let text = old.to_text();
        assert!(text.starts_with("format=1\n") && !text.contains("digest"), "{text}");
        assert_eq!(DiscTxt::parse(text.as_bytes()).unwrap(), old);
    }

    #[test]
    fn what_people_said_is_in_printable_ascii_and_comes_back() {
        let said = |text: &str| Some(text.to_owned());
        let description = Description {
            title: said("Sommer in Überlingen"),
            contact: said("ann@example.org\nback\\slash"),
            ..Description::default()
        };
        let disc = DiscTxt { description, ..example() };
        let text = disc.to_text();
        assert!(text.ends_with(
            "catalog\ntitle=Sommer in \\xC3\\x9Cberlingen\ncontact=ann@example.org\\nback\\\\slash\n"
        ), "{text}");
        assert_eq!(DiscTxt::parse(text.as_bytes()).unwrap(), disc);
    }

    #[test]
    fn a_readme_repeats_it_at_its_end() {
        let before = "This is\n-----BEGIN DISC.txt-----\nnot it\n-----END DISC.txt-----\n";
        let readme = format!("{before}\n{}", example().repeated());
        assert_eq!(DiscTxt::of_readme(readme.as_bytes()), Some(example()));
        for bad in [before.to_owned(), readme.replace("disc=7", "disc=x"), String::new()] {
            assert_eq!(DiscTxt::of_readme(bad.as_bytes()), None, "{bad}");
        }
        let cut = readme.rsplit_once("-----END").unwrap().0;
        assert_eq!(DiscTxt::of_readme(cut.as_bytes()), None);
    }

    #[test]
    fn a_recovery_disc_says_what_it_covers() {
        let discs = [1, 2, 4].map(DiscNo).to_vec();
        let group = Some(RecoveryRole { discs, member: 2, of: 2, stripe: 65_536 });
        let disc = DiscTxt { listings: ListingFlags::default(), group, ..example() };
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
        let newer = example().to_text().replace("format=2", "format=3");
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
