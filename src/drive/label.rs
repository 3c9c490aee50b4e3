//! Who a disc is: what `DISC.txt` says of it, and no more than a drive needs to tell discs apart.

use std::fmt;

use uuid::Uuid;

use super::reader::{DiscReader, ReadError};
use crate::model::{DiscNo, DiscUuid, SetName, SetUuid};

/// Longer files of this name are not ours.
const LONGEST: usize = 64 << 10;

/// The identity of a disc; all copies carry the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub set: SetName,
    pub set_uuid: SetUuid,
    pub number: DiscNo,
    pub uuid: DiscUuid,
}

impl Label {
    /// Whether both name one disc. A set is its UUID: its discs keep the name that it had when they
    /// were made.
    pub fn is_same_disc(&self, other: &Label) -> bool {
        (self.set_uuid, self.number, self.uuid) == (other.set_uuid, other.number, other.uuid)
    }

    /// Reads `DISC.txt` (format 2); `None` if it does not name a disc. Other keys are ignored.
    pub fn parse(disc_txt: &[u8]) -> Option<Label> {
        let text = std::str::from_utf8(disc_txt).ok()?;
        let value =
            |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        Some(Label {
            set: SetName::new(value("set")?)?,
            set_uuid: SetUuid(Uuid::try_parse(value("set_uuid")?).ok()?),
            number: DiscNo(value("disc")?.parse().ok()?),
            uuid: DiscUuid(Uuid::try_parse(value("disc_uuid")?).ok()?),
        })
    }

    /// `README.txt` repeats it at its end; on discs of format 1 its first lines say it.
    fn parse_readme(readme: &[u8]) -> Option<Label> {
        let text = String::from_utf8_lossy(readme);
        if let Some((_, repeated)) = text.rsplit_once("\n-----BEGIN DISC.txt-----\n") {
            return Label::parse(repeated.as_bytes());
        }
        let (number, rest) = text.strip_prefix("Disc ")?.split_once(" of the set \"")?;
        let set = rest.split_once('"')?.0;
        let value = |key: &str| text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim()));
        Some(Label {
            set: SetName::new(set)?,
            set_uuid: SetUuid(Uuid::try_parse(value("Set:")?).ok()?),
            number: DiscNo(number.parse().ok()?),
            uuid: DiscUuid(Uuid::try_parse(value("Disc:")?).ok()?),
        })
    }

    /// Who a disc may be: what `DISC.txt` says, then what `README.txt` does. They differ where one
    /// of them is damaged, and only whoever looks for a certain disc can tell which.
    pub fn candidates(disc: &dyn DiscReader) -> impl Iterator<Item = Label> + '_ {
        type Parse = fn(&[u8]) -> Option<Label>;
        let texts: [(&str, Parse); 2] =
            [("DISC.txt", Label::parse), ("README.txt", Label::parse_readme)];
        texts.into_iter().filter_map(|(name, parse)| parse(&read_file(disc, name).ok()?))
    }

    /// Reads who a disc is, from `README.txt` where `DISC.txt` is damaged; `Ok(None)` if it is not
    /// one of coldcut's.
    pub fn read(disc: &dyn DiscReader) -> Result<Option<Label>, ReadError> {
        match Label::candidates(disc).next() {
            Some(label) => Ok(Some(label)),
            // Why nothing is told: it cannot be read, or it is something else.
            None => read_file(disc, "DISC.txt").map(|_| None),
        }
    }
}

/// The beginning of a small file; nothing if there is none.
fn read_file(disc: &dyn DiscReader, name: &str) -> Result<Vec<u8>, ReadError> {
    let Some(file) = disc.file(name) else { return Ok(Vec::new()) };
    let mut text = vec![0; LONGEST];
    let mut filled = 0;
    loop {
        match disc.read_at(file, filled as u64, &mut text[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    text.truncate(filled);
    Ok(text)
}

/// `disc 2 of holidays`.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disc {} of {}", self.number, self.set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "format=1\nkind=data\nset=holidays\n\
        set_uuid=6ba7b810-9dad-11d1-80b4-00c04fd430c8\ndisc=2\n\
        disc_uuid=6ba7b811-9dad-11d1-80b4-00c04fd430c8\nnews=x\n";

    #[test]
    fn a_disc_says_who_it_is_and_unknown_keys_do_not_matter() {
        let label = Label::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(label.to_string(), "disc 2 of holidays");
        assert_eq!(label.uuid.to_string(), "6ba7b811-9dad-11d1-80b4-00c04fd430c8");
    }

    #[test]
    fn a_readme_names_the_disc_as_well() {
        let text = "Disc 2 of the set \"holidays\", closed on some day.\n\n\
            Set:       6ba7b810-9dad-11d1-80b4-00c04fd430c8\n\
            Disc:      6ba7b811-9dad-11d1-80b4-00c04fd430c8\n";
        let label = Label::parse_readme(text.as_bytes()).unwrap();
        assert_eq!(Some(label), Label::parse(TEXT.as_bytes()));
        assert_eq!(Label::parse_readme(b"Disc 2 of something else"), None);
        let begin = "-----BEGIN DISC.txt-----\n";
        let repeated = format!("A title.\n\n{begin}{TEXT}-----END DISC.txt-----\n");
        assert_eq!(Label::parse_readme(repeated.as_bytes()), Label::parse(TEXT.as_bytes()));
        // A title says nothing where the lines below it are damaged.
        let damaged = format!("{text}{begin}\0\n");
        assert_eq!(Label::parse_readme(damaged.as_bytes()), None);
    }

    #[test]
    fn a_text_that_names_no_disc_is_none() {
        for spoil in ["set=", "set_uuid=6", "disc=", "disc_uuid=6"] {
            let text = TEXT.replacen(spoil, "other=/", 1);
            assert_eq!(Label::parse(text.as_bytes()), None, "{spoil}");
        }
        assert_eq!(Label::parse(b"\xff\xfe"), None);
    }
}
