//! The journal: what runs reported, a line each with an increasing number, in a file beside the
//! catalog. It is bounded, and survives the service. Progress is not in it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::hub::hello::LONGEST_LINE;
use crate::port::files::{hold, make_private_dir, open_own, unless_missing};

/// The file is put aside once when it is this long, so both together have twice as much at most.
const LONGEST: u64 = 5 << 20;
/// How many of the newest events are kept in memory, and of how many bytes.
const RECENT: usize = 2000;
const RECENT_BYTES: usize = 8 << 20;
/// Added to the newest number at each start: far more than the events whose lines could not be
/// written or were lost, whose numbers must not be given again.
const JUMP: u64 = 1_000_000;

/// An event that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalEntry {
    pub number: u64,
    pub object: Value,
}

pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    longest: u64,
    last: u64,
    recent: Recent,
}

/// The newest events.
#[derive(Default)]
struct Recent {
    /// With the length of their lines.
    entries: VecDeque<(JournalEntry, usize)>,
    bytes: usize,
}

impl Recent {
    fn keep(&mut self, entry: JournalEntry, length: usize) {
        self.entries.push_back((entry, length));
        self.bytes += length;
        while self.entries.len() > RECENT || self.bytes > RECENT_BYTES {
            let oldest = self.entries.pop_front();
            self.bytes -= oldest.map_or(self.bytes, |(_, length)| length);
        }
    }

    fn last(&self) -> u64 {
        self.entries.back().map_or(0, |(entry, _)| entry.number)
    }
}

/// `/var/lib/coldcut/catalog.sqlite` has its journal in `catalog.sqlite.events`.
pub fn journal_path(catalog: &Path) -> PathBuf {
    with_end(catalog, ".events")
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

impl Journal {
    /// Held as long as this value lives: nobody else numbers events of this catalog. `WouldBlock`:
    /// somebody does.
    pub fn open(path: &Path) -> io::Result<Journal> {
        Journal::open_bounded(path, LONGEST)
    }

    fn open_bounded(path: &Path, longest: u64) -> io::Result<Journal> {
        make_private_dir(crate::port::files::dir_of(path))?;
        let (mut file, was_there) = open_held(path)?;
        // What a service that was at work until now has put aside is there by now.
        let former = File::open(with_end(path, ".1"));
        let is_new = former.is_err() && !was_there;
        let mut recent = Recent::default();
        if let Ok(mut former) = former {
            read_into(&mut recent, &mut former)?;
        }
        let length = read_into(&mut recent, &mut file)?;
        // A line that a kill or a power cut left incomplete.
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        let last = if is_new { 0 } else { recent.last().saturating_add(JUMP) };
        Ok(Journal { path: path.to_owned(), file, length, longest, last, recent })
    }

    /// Records an event under the next number; what cannot be written is kept in memory only, and
    /// the error says why.
    pub fn append(&mut self, mut object: Value) -> (JournalEntry, io::Result<()>) {
        self.last += 1;
        if let Value::Object(keys) = &mut object {
            keys.insert("number".to_owned(), self.last.into());
        }
        let entry = JournalEntry { number: self.last, object };
        let line = format!("{}\n", entry.object);
        self.recent.keep(entry.clone(), line.len());
        let written = match line.len() <= LONGEST_LINE {
            true => self.write(&line),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "an event is too long")),
        };
        (entry, written)
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.make_room(line.len() as u64)?;
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => self.length += line.len() as u64,
            Err(error) => {
                // Half a line would take the next one with it.
                self.file.set_len(self.length)?;
                self.file.seek(SeekFrom::End(0))?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// A file that cannot be put aside goes on, but not without end.
    fn make_room(&mut self, wanted: u64) -> io::Result<()> {
        if self.length + wanted <= self.longest {
            return Ok(());
        }
        match self.put_aside() {
            Err(error) if self.length + wanted > 2 * self.longest => Err(error),
            _ => Ok(()),
        }
    }

    /// The next file is held before it has its name, and at each moment a file has the name: nobody
    /// who looks for the journal meanwhile takes it for a new one.
    fn put_aside(&mut self) -> io::Result<()> {
        let (next, former) = (with_end(&self.path, ".new"), with_end(&self.path, ".1"));
        let file = open(&next)?;
        hold(&file)?;
        file.set_len(0)?;
        unless_missing(fs::remove_file(&former))?;
        exchange(&self.path, &former, &next, |path, former| fs::hard_link(path, former))?;
        (self.file, self.length) = (file, 0);
        Ok(())
    }

    /// Of the newest event; 0: there is none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The events after this one that are still in memory, the oldest first.
    pub fn after(&self, number: u64) -> impl DoubleEndedIterator<Item = &JournalEntry> {
        let entries = self.recent.entries.iter().map(|(entry, _)| entry);
        entries.filter(move |entry| entry.number > number)
    }
}

/// What has the name of the journal is the former one, and the next one has the name. On a file system
/// without hard links there is a moment without either; if it fails then, all is as before.
fn exchange(
    path: &Path,
    former: &Path,
    next: &Path,
    link: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let is_linked = link(path, former).is_ok();
    if !is_linked {
        fs::rename(path, former)?;
    }
    let named = fs::rename(next, path);
    if named.is_err() && !is_linked {
        fs::rename(former, path)?;
    }
    named
}

/// The file that has the name of the journal, held, and whether it was there: another service may put
/// it aside until it is held.
fn open_held(path: &Path) -> io::Result<(File, bool)> {
    loop {
        let was_there = path.exists();
        let file = open(path)?;
        hold(&file)?;
        let (own, named) = (file.metadata()?, fs::symlink_metadata(path));
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (own.dev(), own.ino())) {
            return Ok((file, was_there));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    open_own(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

/// Reads the lines of a journal; how many bytes there are to the end of the last complete one. What is
/// not an event is passed, and so is a line that is too long to be one.
fn read_into(recent: &mut Recent, file: &mut File) -> io::Result<u64> {
    let (mut reader, mut length, mut read) = (BufReader::new(file), 0, 0);
    let mut line = Vec::new();
    let mut is_rest = false;
    loop {
        line.clear();
        let more = (&mut reader).take(2 * LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
        if more == 0 {
            return Ok(length);
        }
        read += more as u64;
        let is_end = line.last() == Some(&b'\n');
        if is_end {
            length = read;
        }
        if is_end && !is_rest {
            keep_event(recent, &line);
        }
        is_rest = !is_end;
    }
}

fn keep_event(recent: &mut Recent, line: &[u8]) {
    let Ok(object) = serde_json::from_slice::<Value>(line) else { return };
    match object["number"].as_u64() {
        Some(number) if number > recent.last() => {
            recent.keep(JournalEntry { number, object }, line.len())
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(dir: &tempfile::TempDir) -> PathBuf {
        dir.path().join("catalog.sqlite.events")
    }

    fn note(journal: &mut Journal, text: &str) -> u64 {
        let (entry, written) = journal.append(json!({"event": "note", "text": text}));
        written.unwrap();
        entry.number
    }

    #[test]
    fn numbers_increase_over_restarts_and_nothing_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&path(&dir)).unwrap();
        assert_eq!((note(&mut journal, "a"), note(&mut journal, "b")), (1, 2));
        drop(journal);
        let mut journal = Journal::open(&path(&dir)).unwrap();
        assert_eq!(note(&mut journal, "c"), 2 + JUMP + 1, "2 may not be the last that was given");
        let texts: Vec<&str> =
            journal.after(1).map(|entry| entry.object["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["b", "c"]);
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_take_others_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&path(&dir)).unwrap();
        note(&mut journal, "a");
        drop(journal);
        let whole = fs::read(path(&dir)).unwrap();
        for cut in ["{\"event\":\"no", "\u{0}\u{0}\u{0}", "{\"number\": 9}"] {
            fs::write(path(&dir), [&whole, cut.as_bytes()].concat()).unwrap();
            let mut journal = Journal::open(&path(&dir)).unwrap();
            assert_eq!(note(&mut journal, "b"), 1 + JUMP + 1, "{cut:?}");
            drop(journal);
            assert_eq!(Journal::open(&path(&dir)).unwrap().after(0).count(), 2, "{cut:?}");
        }
    }

    #[test]
    fn the_journal_is_bounded_and_its_numbers_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open_bounded(&path(&dir), 1000).unwrap();
        for _ in 0..3000 {
            note(&mut journal, "something happened");
        }
        assert_eq!(journal.after(0).count(), RECENT);
        drop(journal);
        let size = |path: PathBuf| fs::metadata(path).unwrap().len();
        assert!(size(path(&dir)) <= 1000 && size(with_end(&path(&dir), ".1")) <= 1000);
        let mut journal = Journal::open_bounded(&path(&dir), 1000).unwrap();
        assert_eq!(note(&mut journal, "again"), 3000 + JUMP + 1);
    }

    #[test]
    fn a_line_that_is_too_long_takes_no_other_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&path(&dir)).unwrap();
        note(&mut journal, "a");
        let line =
            |number: u64, text: &str| format!("{}\n", json!({"number": number, "text": text}));
        let long = line(2, &"x".repeat(5 * LONGEST_LINE));
        let added = [long, line(3, "c")].concat();
        journal.file.write_all(added.as_bytes()).unwrap();
        drop(journal);
        let before = fs::read(path(&dir)).unwrap();
        let journal = Journal::open(&path(&dir)).unwrap();
        let numbers: Vec<u64> = journal.after(0).map(|entry| entry.number).collect();
        assert_eq!((numbers, journal.last()), (vec![1, 3], 3 + JUMP));
        assert_eq!(fs::read(path(&dir)).unwrap(), before);
    }

    #[test]
    fn an_event_that_could_not_be_read_again_is_not_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&path(&dir)).unwrap();
        let (_, written) = journal.append(json!({"text": "x".repeat(LONGEST_LINE)}));
        written.unwrap_err();
        assert_eq!(fs::metadata(path(&dir)).unwrap().len(), 0);
        assert_eq!(note(&mut journal, "b"), 2);
    }

    #[test]
    fn the_events_in_memory_are_bounded_in_bytes() {
        let mut recent = Recent::default();
        let size = RECENT_BYTES / 10;
        for number in 1..=30 {
            recent.keep(JournalEntry { number, object: Value::Null }, size);
        }
        assert_eq!((recent.entries.len(), recent.bytes, recent.last()), (10, 10 * size, 30));
    }

    #[test]
    fn a_journal_that_cannot_be_put_aside_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(with_end(&path(&dir), ".new")).unwrap();
        let mut journal = Journal::open_bounded(&path(&dir), 1000).unwrap();
        let mut add = || journal.append(json!({"text": "x".repeat(300)})).1.is_ok();
        assert!((0..5).all(|_| add()));
        assert!((0..5).any(|_| !add()), "it is bounded anyway");
        fs::remove_dir(with_end(&path(&dir), ".new")).unwrap();
        assert!(add());
    }

    #[test]
    fn a_journal_without_a_next_one_keeps_its_name_also_where_there_are_no_hard_links() {
        let dir = tempfile::tempdir().unwrap();
        let (path, missing) = (path(&dir), dir.path().join("missing"));
        fs::write(&path, "a").unwrap();
        let no_links = |_: &Path, _: &Path| Err(io::ErrorKind::Unsupported.into());
        assert!(exchange(&path, &with_end(&path, ".1"), &missing, no_links).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"a");
        fs::write(&missing, "b").unwrap();
        exchange(&path, &with_end(&path, ".1"), &missing, no_links).unwrap();
        let texts = [with_end(&path, ".1"), path].map(|path| fs::read(path).unwrap());
        assert_eq!(texts, [b"a", b"b"]);
    }

    /// With a reader that looks all the time, as one that follows the file does.
    #[test]
    fn a_journal_that_is_put_aside_is_never_away_and_a_reader_misses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, former) = (path(&dir), with_end(&path(&dir), ".1"));
        let mut journal = Journal::open_bounded(&path, 1000).unwrap();
        note(&mut journal, "first");
        let numbers = |file: &Path| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let number = |line: &str| serde_json::from_str::<Value>(line).ok()?["number"].as_u64();
            text.lines().filter_map(number).collect::<Vec<_>>()
        };
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looked = scope.spawn(|| {
                let mut looks = 0_u64;
                while looks == 0 || !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(path.exists(), "after {looks} looks");
                    looks += 1;
                }
            });
            for _ in 0..2000 {
                note(&mut journal, "something happened");
            }
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            looked.join().unwrap();
        });
        let both = [numbers(&former), numbers(&path)].concat();
        assert!(both.windows(2).all(|two| two[1] == two[0] + 1), "{both:?}");
        assert_eq!(both.last(), Some(&2001));
    }

    #[test]
    fn a_kill_while_the_journal_is_put_aside_loses_and_doubles_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open_bounded(&path(&dir), 1000).unwrap();
        for _ in 0..5 {
            note(&mut journal, "a");
        }
        drop(journal);
        // Between the two steps the file has both names.
        fs::hard_link(path(&dir), with_end(&path(&dir), ".1")).unwrap();
        let mut journal = Journal::open_bounded(&path(&dir), 1000).unwrap();
        assert_eq!(journal.after(0).map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        for _ in 0..100 {
            note(&mut journal, "b");
        }
        let last = journal.last();
        drop(journal);
        let journal = Journal::open_bounded(&path(&dir), 1000).unwrap();
        assert_eq!(journal.after(0).last().unwrap().number, last);
    }

    #[test]
    fn two_services_never_number_the_events_of_one_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let _one = Journal::open(&path(&dir)).unwrap();
        let other = Journal::open(&path(&dir)).err().unwrap();
        assert_eq!(other.kind(), io::ErrorKind::WouldBlock);
    }
}
