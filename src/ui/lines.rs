//! What the rows of `snapshots`, `ls` and `find` are.

use super::json::numbers;
use super::json::raw_text::RawText;
use super::json::snapshots::{PathObject, SnapshotObject};
use super::screen::Screen;
use super::table::{self, Object, Row};
use crate::model::path::shown;
use crate::model::rows::{Note, SnapshotRow};
use crate::model::{Bytes, DiscList, DiscNo, Kind, SetName, SnapshotSeq};
use crate::port::clock::Moment;
use std::io;

/// A snapshot of a set.
#[derive(Clone, Debug)]
pub struct ListedSnapshot {
    pub set: SetName,
    pub id: SnapshotSeq,
    pub date: Moment,
    /// The source's absolute path at that run.
    pub source: Vec<u8>,
    /// All paths that are in it.
    pub paths: u64,
    /// Content of its files.
    pub size: Bytes,
    /// Files of it whose content is not (wholly) on a disc yet.
    pub waiting: u64,
}

impl Row for ListedSnapshot {
    const HEADINGS: &'static [&'static str] =
        &["ID", "DATE", "PATHS", "SIZE", "FILES WAITING", "SET", "SOURCE"];
    const NUMBERS: &'static [usize] = &[0, 2, 3, 4];
    /// All are of one set.
    const MINOR: &'static [usize] = &[5];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.date.local_minute(),
            self.paths.to_string(),
            self.size.to_string(),
            some(self.waiting),
            self.set.to_string(),
            shown(&self.source),
        ]
    }
}

impl Object for ListedSnapshot {
    type Json = SnapshotObject;

    fn object(&self) -> SnapshotObject {
        SnapshotObject {
            id: self.id.0,
            set: self.set.to_string(),
            date: self.date.to_string(),
            source: RawText::new("source", &self.source),
            paths: self.paths,
            size: self.size.0,
            waiting: self.waiting,
        }
    }
}

/// `-` for none, which a table leaves out where there are none at all.
pub(super) fn some(count: u64) -> String {
    if count == 0 { "-".to_owned() } else { count.to_string() }
}

/// A path of a snapshot, for `ls` and `find`.
impl Object for SnapshotRow {
    type Json = PathObject;

    fn object(&self) -> PathObject {
        let link = &self.meta.link;
        PathObject {
            path: RawText::new("path", self.path.as_bytes()),
            kind: self.kind.letter(),
            size: self.size,
            sha256: self.sha256.map(|digest| digest.to_string()),
            mode: format!("{:04o}", self.meta.mode),
            uid: self.meta.uid,
            gid: self.meta.gid,
            mtime: self.meta.mtime.to_decimal(),
            discs: numbers(&disc_numbers(self)),
            waiting: !self.place.complete,
            note: note_word(&self.note),
            link: (!link.is_empty()).then(|| RawText::new("link", link)),
        }
    }
}

/// Prints the rows of `ls` and `find` one by one: there may be millions.
pub fn print_paths(screen: &Screen, rows: impl IntoIterator<Item = SnapshotRow>) -> io::Result<()> {
    table::print_each(screen, rows, path_line)
}

/// `-rw-r--r--   12.3 MB  2026-11-22 23:05  1-2     photos/a.jpg`
fn path_line(row: &SnapshotRow) -> String {
    let mut line = format!(
        "{}  {:>7}  {:<16}  {:<6}  {}",
        mode_text(row.kind, row.meta.mode),
        size_text(row),
        Moment(row.meta.mtime.sec).local_minute(),
        discs_text(row),
        row.path,
    );
    match (row.kind, row.meta.link.as_slice()) {
        (Kind::Symlink, target) => line += &format!(" -> {}", shown(target)),
        (Kind::Hardlink, first) => line += &format!(" = {}", shown(first)),
        _ => {}
    }
    match &row.note {
        Note::None => {}
        Note::Changed => line += "  (changed while it was read)",
        Note::Stale(date) => {
            let date = Moment::local_minute_of(date);
            line += &format!("  (could not be read; as of {})", shown(date.as_bytes()))
        }
    }
    line + "\n"
}

fn size_text(row: &SnapshotRow) -> String {
    match row.kind {
        Kind::File | Kind::Hardlink => Bytes(row.size).to_string(),
        _ => "-".to_owned(),
    }
}

/// `1-2`; `1, ?` where the rest is not on a disc yet; `-` where there is no content.
fn discs_text(row: &SnapshotRow) -> String {
    let discs = DiscList::of(&disc_numbers(row)).to_string();
    match (discs.is_empty(), row.place.complete) {
        (true, true) => "-".to_owned(),
        (true, false) => "?".to_owned(),
        (false, true) => discs,
        (false, false) => discs + ", ?",
    }
}

/// The discs that hold the file, each once, in the order of its parts.
fn disc_numbers(row: &SnapshotRow) -> Vec<DiscNo> {
    let mut discs: Vec<DiscNo> = row.place.places.iter().map(|place| place.disc).collect();
    discs.dedup();
    discs
}

/// As `ls -l` shows it: kind, then three letters each for owner, group and others.
fn mode_text(kind: Kind, mode: u32) -> String {
    let kind = match kind {
        Kind::File | Kind::Hardlink => '-',
        other => other.letter(),
    };
    let triple = |shift: u32, special: bool, letter: char| {
        let bit = |bit: u32, letter: char| if mode >> shift & bit != 0 { letter } else { '-' };
        let execute = match (mode >> shift & 1 != 0, special) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        };
        [bit(4, 'r'), bit(2, 'w'), execute]
    };
    std::iter::once(kind)
        .chain(triple(6, mode & 0o4000 != 0, 's'))
        .chain(triple(3, mode & 0o2000 != 0, 's'))
        .chain(triple(0, mode & 0o1000 != 0, 't'))
        .collect()
}

fn note_word(note: &Note) -> Option<String> {
    match note {
        Note::None => None,
        Note::Changed => Some("changed".to_owned()),
        Note::Stale(date) => Some(format!("stale:{date}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::screen::testing::screen;
    use super::*;
    use crate::model::rows::{Place, Where};
    use crate::model::{ArchiveNo, Digest, Meta, Mtime, RelPath};
    use serde_json::{Value, json};

    fn set() -> SetName {
        SetName::new("photos").unwrap()
    }

    fn row(path: &[u8], kind: Kind) -> SnapshotRow {
        let meta = Meta { mode: 0o644, mtime: Mtime { sec: 0, nsec: 5 }, ..Meta::default() };
        let path = RelPath::new(path).unwrap();
        let place = Where::nothing();
        SnapshotRow { kind, path, size: 0, sha256: None, place, meta, note: Note::None }
    }

    fn file_on(discs: &[u32], complete: bool) -> SnapshotRow {
        let mut file = row(b"a/b", Kind::File);
        let place = |&disc: &u32| Place { disc: DiscNo(disc), archive: ArchiveNo(1) };
        file.place = Where { places: discs.iter().map(place).collect(), complete, member: None };
        file.size = 12_300_000;
        file.sha256 = Some(Digest::EMPTY);
        file
    }

    #[test]
    fn a_file_is_shown_with_its_discs() {
        let line = |discs: &[u32], complete| path_line(&file_on(discs, complete));
        assert_eq!(
            line(&[1, 1, 2], true),
            format!("-rw-r--r--  12.3 MB  {}  1-2     a/b\n", Moment(0).local_minute())
        );
        assert!(line(&[1, 2, 3, 7], true).contains("  1-3, 7  "));
        assert!(line(&[1], false).contains("  1, ?  "));
        assert!(line(&[], false).contains("  ?  "));
    }

    #[test]
    fn links_and_notes_stand_behind_the_path() {
        let mut link = row(b"l", Kind::Symlink);
        link.meta.link = b"to\n".to_vec();
        assert!(path_line(&link).ends_with("  l -> to\\n\n"));
        let mut file = file_on(&[1], true);
        file.note = Note::Stale("2026-01-01T00:00:00Z".to_owned());
        let local = Moment::parse("2026-01-01T00:00:00Z").unwrap().local_minute();
        assert!(path_line(&file).contains(&format!("as of {local})")));
        file.note = Note::Stale("x\u{1b}".to_owned());
        assert!(path_line(&file).contains("as of x\\u{1b})"), "what is not a date stays as it is");
    }

    #[test]
    fn modes_look_as_ls_shows_them() {
        assert_eq!(mode_text(Kind::Dir, 0o1777), "drwxrwxrwt");
        assert_eq!(mode_text(Kind::Hardlink, 0o4755), "-rwsr-xr-x");
        assert_eq!(mode_text(Kind::Fifo, 0o2600), "prw---S---");
    }

    #[test]
    fn a_path_that_is_no_text_keeps_its_bytes_for_programs() {
        let (screen, _, results) = screen(true);
        print_paths(&screen, [row(b"a\xff", Kind::Dir), file_on(&[1, 2], true)]).unwrap();
        let objects: Vec<Value> =
            results.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects[0]["path"], "a\u{fffd}");
        assert_eq!(objects[0]["path_bytes"], "61ff");
        assert_eq!(objects[1]["path"], "a/b");
        assert!(objects[1].get("path_bytes").is_none());
        assert_eq!(objects[1]["discs"], json!([1, 2]));
        assert_eq!(objects[1]["mtime"], "0.000000005");
    }

    #[test]
    fn snapshots_have_ids() {
        let snapshot = ListedSnapshot {
            set: set(),
            id: SnapshotSeq(3),
            date: Moment(0),
            source: b"/srv/photos".to_vec(),
            paths: 10,
            size: Bytes(1000),
            waiting: 0,
        };
        assert_eq!(snapshot.object().id, 3);
        assert_eq!(snapshot.cells().len(), ListedSnapshot::HEADINGS.len());
    }
}
