//! What threads do side by side in the packer: files opened ahead, archives sealed in the
//! background, and what becomes of all that when something fails.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::ahead::{FileReadAhead, NextItem};
use super::archive::ArchiveBuilder;
use super::queue::WorkItem;
use super::sealing::{SealContext, write_sealed};
use super::tests::{PackBench, noise, text};
use super::*;
use crate::codec::openpgp::{Locks, Sealer};
use crate::codec::spool::Spool;
use crate::model::disc::Compression;
use crate::model::{ArchiveNo, Format};
use crate::port::passphrase::Secret;
use crate::port::stop::Stop;
use crate::scan::content::Source;

fn sealer() -> Sealer {
    let locks = Locks::passphrase(&Secret::new(b"secret".to_vec())).unwrap();
    Sealer::new(locks).unwrap()
}

fn chain(error: &dyn std::error::Error) -> String {
    let more = std::iter::successors(error.source(), |inner| inner.source());
    more.fold(error.to_string(), |text, inner| format!("{text}: {inner}"))
}

/// All files below a directory, whatever they are called.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Many files, two in each archive.
fn many_archives() -> PackBench {
    let bench = PackBench::new(Compression::Bzip2, 10_000, 40);
    for n in 0..20 {
        bench.write(&format!("f{n:02}"), &text(4_000, n));
    }
    bench
}

fn recorded(bench: &PackBench) -> Vec<u32> {
    bench.memory.archives.iter().map(|archive| archive.number.0).collect()
}

#[test]
fn archives_are_recorded_in_the_order_in_which_they_were_ended() {
    let mut bench = PackBench::new(Compression::Bzip2, 8_000_000, 40);
    bench.write("a", &noise(7_000_000, 1));
    bench.write("b", &text(1_000, 2));
    bench.write("c", &noise(6_000_000, 3));
    bench.pack();
    let file = |archive: &SealedArchive| {
        let file = archive.members.iter().find(|member| member.row.size > 0);
        file.unwrap().row.path.to_string()
    };
    // The text is sealed beside the first noise, and is durable long before it.
    let order: Vec<String> = bench.memory.archives.iter().map(file).collect();
    assert_eq!(order, ["a", "b", "c"]);
}

#[test]
fn an_archive_that_cannot_be_sealed_is_named_and_neither_it_nor_a_later_one_is_recorded() {
    let mut bench = many_archives();
    // Nothing can be put in the place of a directory.
    fs::create_dir_all(bench.dir.path().join("0001/archives/00000003.tar.new")).unwrap();
    let queue = bench.queue();
    let error = bench.try_pack(queue).unwrap_err();
    assert!(chain(&error).contains("archives/00000003.tar.bz2"), "{}", chain(&error));
    assert_eq!(recorded(&bench), [1, 2]);
}

#[test]
fn a_run_that_is_stopped_records_whole_archives_only_and_no_thread_outlives_it() {
    for after in [1, 4, 9, 19] {
        let mut bench = many_archives();
        let (stop, asked) = (bench.stop.clone(), Cell::new(0));
        bench.memory.meddle = Some(Box::new(move || {
            asked.set(asked.get() + 1);
            if asked.get() == after {
                stop.ask(15);
            }
        }));
        let queue = bench.queue();
        let error = bench.try_pack(queue).unwrap_err();
        assert!(matches!(error, PackError::Stopped(stopped) if stopped.0 == 15), "{error}");
        let recorded = recorded(&bench);
        let known: Vec<u32> = (1..=recorded.len() as u32).collect();
        assert_eq!(recorded, known, "a gap after {after} files");
        assert!(recorded.len() <= after / 2, "{recorded:?} after {after} files");
        let disc = bench.dir.path().join("0001");
        for archive in &bench.memory.archives {
            assert!(disc.join(&archive.path).exists(), "{}", archive.path);
        }
        // A thread that went on would make a file, now or later; those that were begun are gone.
        let unfinished = files_below(&disc);
        assert!(unfinished.iter().all(|file| file.extension().unwrap() != "new"));
    }
}

/// An archive that lacks nothing but its file.
fn full_archive(dir: &Path) -> super::archive::FullArchive {
    let spool = Spool::new(dir, true).unwrap();
    let mut archive =
        ArchiveBuilder::new(ArchiveNo(1), Compression::None, &Default::default(), spool);
    archive.begin_long().unwrap();
    archive.write_long(&noise(5_000_000, 1)).unwrap();
    archive.finish().unwrap()
}

#[test]
fn sealing_stops_when_asked_to_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stop = Stop::new();
    let disc = dir.path().join("0001");
    let (sealer, format) = (Some(sealer()), Format::Two);
    let seals = SealContext { dir: disc.clone(), sealer, stop: stop.clone(), format };
    stop.ask(2);
    let stopped = seals.seal(full_archive(dir.path())).unwrap_err();
    assert!(matches!(stopped, PackError::Stopped(stopped) if stopped.0 == 2), "{stopped}");
    assert_eq!(files_below(dir.path()), Vec::<PathBuf>::new());
    let seals = SealContext { stop: Stop::new(), ..seals };
    seals.seal(full_archive(dir.path())).unwrap();
    assert_eq!(files_below(&disc).len(), 2, "the archive and its rows");
}

/// Gives so many bytes, and then fails.
struct TruncatedReader(u64);

impl Read for TruncatedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("the scratch file is gone"));
        }
        let take = self.0.min(buffer.len() as u64) as usize;
        self.0 -= take as u64;
        Ok(take)
    }
}

#[test]
fn a_file_whose_content_fails_on_the_way_is_an_error_and_is_gone() {
    let sealer = sealer();
    for sealer in [None, Some(&sealer)] {
        for length in [0, 1, 3_000_000] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("archives/x.tar");
            let error =
                write_sealed(&path, &mut TruncatedReader(length), 4_000_000, sealer).unwrap_err();
            let told = chain(&error);
            assert!(told.contains("x.tar") && told.ends_with("scratch file is gone"), "{told}");
            assert_eq!(files_below(dir.path()), Vec::<PathBuf>::new());
        }
    }
}

#[test]
fn less_content_than_promised_never_becomes_an_encrypted_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar.gpg");
    let error = write_sealed(&path, &mut &b"short"[..], 6, Some(&sealer())).unwrap_err();
    assert!(matches!(error, PackError::Seal { .. }), "{error:?}");
    assert_eq!(files_below(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_was_opened_ahead_goes_back_in_its_order_and_is_opened_anew() {
    let bench = PackBench::new(Compression::Bzip2, 1 << 30, 40);
    for n in 0..200 {
        bench.write(&format!("d{}/f{n:03}", n / 50), &text(1_000, n));
    }
    bench.write("x", &noise(9_000_000, 1));
    let source = Source::open(&bench.dir.path().join("src")).unwrap();
    let mut queue = bench.queue();
    let path = |work: &WorkItem| match work {
        WorkItem::File { entry, .. } | WorkItem::Plain(entry) => entry.path.clone(),
    };
    let all: Vec<_> = queue.works().iter().map(path).collect();
    let mut ahead = FileReadAhead::new(source, true);
    let mut came = Vec::new();
    while let Some(next) = ahead.next(&mut queue) {
        came.push(match next {
            NextItem::Plain(entry) => entry.path,
            NextItem::File { walked, opened } => {
                let opened = (*opened).unwrap();
                assert_eq!(opened.reading.entry.path, walked.entry.path);
                walked.entry.path
            }
        });
        if came.len() % 7 == 0 {
            ahead.give_back(&mut queue);
            let left: Vec<_> = queue.works().iter().map(path).collect();
            assert_eq!(left, all[came.len()..]);
        }
    }
    assert_eq!(came, all);
}
