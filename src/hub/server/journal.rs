//! The journal: what runs reported, a line each with an increasing number, in a file beside the
//! catalog. It is bounded, and survives the service. Progress is not in it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::hub::hello::LONGEST_LINE;
use crate::port::files::{hold, make_private_dir, open_own};

/// The file is put aside once when it is this long, so both together have twice as much at most.
const LONGEST: u64 = 5 << 20;
/// How many of the newest events are kept in memory.
const RECENT: usize = 2000;

/// An event that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub number: u64,
    pub object: Value,
}

pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    longest: u64,
    last: u64,
    recent: VecDeque<Entry>,
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
        let mut recent = VecDeque::new();
        if let Ok(mut former) = File::open(with_end(path, ".1")) {
            read_into(&mut recent, &mut former)?;
        }
        let mut file = open(path)?;
        hold(&file)?;
        let length = read_into(&mut recent, &mut file)?;
        // A line that a kill or a power cut left incomplete.
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        let last = recent.back().map_or(0, |entry| entry.number);
        Ok(Journal { path: path.to_owned(), file, length, longest, last, recent })
    }

    /// Records an event under the next number; what cannot be written is kept in memory only, and
    /// the error says why.
    pub fn append(&mut self, mut object: Value) -> (Entry, io::Result<()>) {
        self.last += 1;
        if let Value::Object(keys) = &mut object {
            keys.insert("number".to_owned(), self.last.into());
        }
        let entry = Entry { number: self.last, object };
        keep(&mut self.recent, entry.clone());
        let written = self.write(&format!("{}\n", entry.object));
        (entry, written)
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.length + line.len() as u64 > self.longest {
            self.put_aside()?;
        }
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

    fn put_aside(&mut self) -> io::Result<()> {
        fs::rename(&self.path, with_end(&self.path, ".1"))?;
        let file = open(&self.path)?;
        hold(&file)?;
        (self.file, self.length) = (file, 0);
        Ok(())
    }

    /// Of the newest event; 0: there is none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The events after this one that are still in memory, the oldest first.
    pub fn after(&self, number: u64) -> impl DoubleEndedIterator<Item = &Entry> {
        self.recent.iter().filter(move |entry| entry.number > number)
    }
}

fn open(path: &Path) -> io::Result<File> {
    open_own(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

fn keep(recent: &mut VecDeque<Entry>, entry: Entry) {
    recent.push_back(entry);
    while recent.len() > RECENT {
        recent.pop_front();
    }
}

/// Reads the complete lines of a journal; how many bytes they have. What is not an event is passed.
fn read_into(recent: &mut VecDeque<Entry>, file: &mut File) -> io::Result<u64> {
    let (mut reader, mut length) = (BufReader::new(file), 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(2 * LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(length);
        }
        length += read as u64;
        let Ok(object) = serde_json::from_slice::<Value>(&line) else { continue };
        let last = recent.back().map_or(0, |entry| entry.number);
        match object["number"].as_u64() {
            Some(number) if number > last => keep(recent, Entry { number, object }),
            _ => {}
        }
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
        assert_eq!(note(&mut journal, "c"), 3);
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
            assert_eq!(note(&mut journal, "b"), 2, "{cut:?}");
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
        assert_eq!(note(&mut journal, "again"), 3001);
    }

    #[test]
    fn two_services_never_number_the_events_of_one_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let _one = Journal::open(&path(&dir)).unwrap();
        let other = Journal::open(&path(&dir)).err().unwrap();
        assert_eq!(other.kind(), io::ErrorKind::WouldBlock);
    }
}
