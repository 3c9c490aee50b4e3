//! `.shelf.toml`: what a shelf is told to do wrong, and how slowly, so that a person can see what
//! coldcut does when discs fail, and tests can prove it. `docs/shelf.md` shows each line.
//!
//! Whatever is not understood is an error: a fault that is misspelt would seem to be survived.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DriveError;
use super::rate::Rate;
use crate::model::{DiscNo, Sectors};
use crate::port::held_dir::{is_link, read_unlinked};

/// The file's name in the shelf.
pub(super) const FILE: &str = ".shelf.toml";
/// No more of it is read.
const LONGEST: u64 = 64 << 10;

/// All keys may be missing; a shelf without the file has no faults.
///
/// `write_error_at` and `read_error` are in the first medium that a disc is burned on. Once that
/// was put away as `SET-NNNN.failed-1.iso`, the disc is burned and read without them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShelfFaults {
    /// So many blanks there are, spoiled ones counted.
    pub full_after: Option<u32>,
    /// `[disc, sector]`: writing this disc fails at this sector.
    write_error_at: Option<(u32, u64)>,
    /// `[disc, sector, count]`: these sectors of this disc cannot be read.
    read_error: Option<(u32, u64, u64)>,
    /// `[disc, sector]`: this disc is not there any more once this sector is to be read.
    gone_after: Option<(u32, u64)>,
    /// Only these discs are on the shelf; others are elsewhere.
    present: Option<Vec<u32>>,
    /// Bytes a second that a burn takes, and that reading takes.
    pub write_rate: Option<Rate>,
    pub read_rate: Option<Rate>,
    /// `{2 = "other-0001.iso"}`: who asks for disc 2 finds this image instead.
    #[serde(default)]
    wrong: BTreeMap<String, PathBuf>,
}

impl ShelfFaults {
    /// Read again each time, so that a line can be changed while coldcut waits.
    pub fn read(shelf: &Path) -> Result<ShelfFaults, DriveError> {
        let file = shelf.join(FILE);
        match read_unlinked(&file, LONGEST) {
            Ok(text) => {
                ShelfFaults::parse(&text).map_err(|words| DriveError::Settings { file, words })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(ShelfFaults::default()),
            Err(e) if is_link(&e) => Err(DriveError::Link(file)),
            Err(e) => Err(DriveError::io("read", file)(e)),
        }
    }

    fn parse(text: &str) -> Result<ShelfFaults, String> {
        let faults: ShelfFaults = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{place}{}", e.message().trim_end())
        })?;
        match faults.wrong.keys().find(|key| key.parse::<u32>().is_err()) {
            Some(key) => Err(format!("wrong: `{key}` is not the number of a disc")),
            None => Ok(faults),
        }
    }

    pub fn is_present(&self, disc: DiscNo) -> bool {
        self.present.as_ref().is_none_or(|discs| discs.contains(&disc.0))
    }

    /// What is there instead of this disc: a file in the shelf.
    pub fn instead_of(&self, disc: DiscNo) -> Option<&Path> {
        let meant = |key: &str| key.parse() == Ok(disc.0);
        self.wrong.iter().find(|(key, _)| meant(key)).map(|(_, path)| path.as_path())
    }

    pub fn write_error(&self, disc: DiscNo) -> Option<Sectors> {
        self.write_error_at.filter(|&(number, _)| number == disc.0).map(|(_, at)| Sectors(at))
    }

    /// Of any medium of the disc, each time that it is opened.
    pub fn vanishes_at(&self, disc: DiscNo) -> Option<Sectors> {
        self.gone_after.filter(|&(number, _)| number == disc.0).map(|(_, at)| Sectors(at))
    }

    /// An empty range where all can be read.
    pub fn bad_sectors(&self, disc: DiscNo) -> Range<u64> {
        match self.read_error {
            Some((number, start, count)) if number == disc.0 => start..start.saturating_add(count),
            _ => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_fault_is_read() {
        let faults = ShelfFaults::parse(
            "full_after = 2\nwrite_error_at = [1, 50]\nread_error = [3, 40, 2]\n\
             gone_after = [2, 77]\npresent = [1, 3]\nwrite_rate = 72_000_000\nread_rate = 36_000_000\n\
             wrong = {2 = \"x-0001.iso\"}\n",
        )
        .unwrap();
        assert_eq!(faults.full_after, Some(2));
        assert_eq!(faults.write_rate, Rate::new(72_000_000));
        assert_eq!(faults.read_rate, Rate::new(36_000_000));
        assert_eq!(faults.write_error(DiscNo(1)), Some(Sectors(50)));
        assert_eq!(faults.write_error(DiscNo(2)), None);
        assert_eq!(faults.bad_sectors(DiscNo(3)), 40..42);
        assert!(faults.bad_sectors(DiscNo(1)).is_empty());
        assert_eq!(faults.vanishes_at(DiscNo(2)), Some(Sectors(77)));
        assert_eq!(faults.vanishes_at(DiscNo(3)), None);
        assert_eq!([1, 2, 3].map(|n| faults.is_present(DiscNo(n))), [true, false, true]);
        assert_eq!(faults.instead_of(DiscNo(2)), Some(Path::new("x-0001.iso")));
        assert_eq!(faults.instead_of(DiscNo(1)), None);
    }

    #[test]
    fn an_empty_file_is_no_fault() {
        let faults = ShelfFaults::parse("").unwrap();
        assert!(faults.is_present(DiscNo(7)) && faults.full_after.is_none());
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        let words = ShelfFaults::parse("full_after = 2\nfull_afer = 3\n").unwrap_err();
        assert!(words.contains("full_afer") && words.contains("line 2"), "{words}");
        for bad in [
            "read_error = [1, 2]",
            "gone_after = 7",
            "present = 1",
            "wrong = {x = \"y\"}",
            "full_after = -1",
            "=",
            "write_rate = 0",
        ] {
            assert!(ShelfFaults::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_file_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ShelfFaults::read(dir.path()).is_ok());
        fs::write(dir.path().join(FILE), "nonsense = 1").unwrap();
        let words = ShelfFaults::read(dir.path()).unwrap_err().to_string();
        assert!(words.contains(".shelf.toml") && words.contains("nonsense"), "{words}");
    }
}
