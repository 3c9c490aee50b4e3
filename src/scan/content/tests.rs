//! Reading files that change, vanish or are replaced while they are read.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};

use rustix::fs::{CWD, FileType};
use tempfile::TempDir;

use super::*;

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn print_of(temp: &TempDir, name: &str) -> Fingerprint {
    let stat = temp.path().join(name).metadata().unwrap();
    Fingerprint { dev: stat.dev(), inode: stat.ino(), ..Fingerprint::default() }
}

fn open(temp: &TempDir, name: &str) -> Result<OpenFile, ContentReadError> {
    let print = print_of(temp, name);
    Source::open(temp.path()).unwrap().open_file(&path(name), &print)
}

#[test]
fn a_file_is_read_whole_and_anywhere() {
    let temp = TempDir::new().unwrap();
    fs::create_dir(temp.path().join("d")).unwrap();
    fs::write(temp.path().join("d/f"), b"0123456789").unwrap();
    let mut file = open(&temp, "d/f").unwrap();
    let mut two = [0; 2];
    assert_eq!(file.read_at(&mut two, 7).unwrap(), 2);
    assert_eq!(&two, b"78");
    assert_eq!(file.read_at(&mut two, 9).unwrap(), 1);
    let mut all = Vec::new();
    file.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"0123456789");
    assert_eq!(file.stat().unwrap().size, 10);
}

/// What the walk knew.
fn walked(entry: &Entry) -> FileStat {
    let Fingerprint { ctime, inode, .. } = entry.print;
    FileStat { size: entry.size, mtime: entry.meta.mtime, ctime, inode }
}

#[test]
fn a_change_shows_in_the_stat() {
    let temp = TempDir::new().unwrap();
    fs::write(temp.path().join("f"), b"one").unwrap();
    let mut source = Source::open(temp.path()).unwrap();
    let entry = source.look_again(&path("f")).unwrap();
    let file = source.open_file(&path("f"), &entry.print).unwrap();
    assert_eq!(file.stat().unwrap(), walked(&entry));
    fs::OpenOptions::new()
        .append(true)
        .open(temp.path().join("f"))
        .unwrap()
        .write_at(b"more", 3)
        .unwrap();
    assert_ne!(file.stat().unwrap(), walked(&entry));
    assert_eq!(source.look_again(&path("f")).unwrap().size, 7);
}

#[test]
fn what_is_not_the_file_that_was_found_is_refused() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name);
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/f"), b"x").unwrap();
    let print = print_of(&temp, "d/f");
    let read = || Source::open(temp.path()).unwrap().open_file(&path("d/f"), &print);
    assert!(read().is_ok());

    fs::rename(at("d/f"), at("d/g")).unwrap();
    assert!(matches!(read(), Err(ContentReadError::Vanished)));
    fs::write(at("d/f"), b"y").unwrap();
    assert!(matches!(read(), Err(ContentReadError::Replaced)), "another file");
    fs::remove_file(at("d/f")).unwrap();
    symlink("g", at("d/f")).unwrap();
    assert!(matches!(read(), Err(ContentReadError::Replaced)), "a link to the very file");
    fs::remove_file(at("d/f")).unwrap();
    rustix::fs::mknodat(CWD, at("d/f"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(
        matches!(read(), Err(ContentReadError::Replaced)),
        "a FIFO without a writer, not waited for"
    );

    fs::remove_file(at("d/f")).unwrap();
    fs::rename(at("d/g"), at("d/f")).unwrap();
    fs::rename(at("d"), at("e")).unwrap();
    assert!(matches!(read(), Err(ContentReadError::Vanished)), "its directory is gone");
    symlink("e", at("d")).unwrap();
    assert!(
        matches!(read(), Err(ContentReadError::Way(BeneathError::Symlink(at))) if at == path("d"))
    );
}

#[test]
fn reading_leaves_no_trace() {
    let temp = TempDir::new().unwrap();
    fs::write(temp.path().join("f"), b"x").unwrap();
    let old = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: old, last_modification: old };
    let name = temp.path().join("f");
    rustix::fs::utimensat(CWD, &name, &times, rustix::fs::AtFlags::empty()).unwrap();
    let mut all = Vec::new();
    open(&temp, "f").unwrap().read_to_end(&mut all).unwrap();
    assert_eq!(name.metadata().unwrap().atime(), 1);
}

#[test]
fn samples_are_head_middle_and_tail() {
    let temp = TempDir::new().unwrap();
    let sample = SAMPLE as usize;
    for (name, size) in [("empty", 0), ("small", 3 * sample), ("large", 100 * sample)] {
        let bytes: Vec<u8> = (0..size).map(|at| (at / sample) as u8).collect();
        fs::write(temp.path().join(name), &bytes).unwrap();
    }
    assert_eq!(open(&temp, "empty").unwrap().samples().unwrap(), [Vec::<u8>::new()]);
    let small = open(&temp, "small").unwrap().samples().unwrap();
    assert_eq!((small.len(), small[0].len()), (1, 3 * sample));
    let large = open(&temp, "large").unwrap().samples().unwrap();
    let heads: Vec<_> = large.iter().map(|s| (s.len(), s[0])).collect();
    assert_eq!(heads, [(sample, 0), (sample, 49), (sample, 99)]);
}

#[test]
fn holes_are_told_from_data() {
    const MIB: u64 = 1 << 20;
    let temp = TempDir::new().unwrap();
    let file = fs::File::create(temp.path().join("f")).unwrap();
    file.set_len(10 * MIB).unwrap();
    let opened = open(&temp, "f").unwrap();
    assert_eq!(opened.data_regions().unwrap(), []);
    file.write_all_at(&[1; 4096], 2 * MIB).unwrap();
    file.write_all_at(&[1; 4096], 6 * MIB).unwrap();
    assert_eq!(opened.data_regions().unwrap(), [(2 * MIB, 4096), (6 * MIB, 4096)]);
    file.write_all_at(&[1; 100], 10 * MIB).unwrap();
    assert_eq!(opened.data_regions().unwrap()[2], (10 * MIB, 100), "not beyond the end");
}

#[test]
fn a_file_without_holes_is_one_region_and_an_empty_one_none() {
    let temp = TempDir::new().unwrap();
    fs::write(temp.path().join("f"), [7; 5000]).unwrap();
    fs::write(temp.path().join("e"), b"").unwrap();
    assert_eq!(open(&temp, "f").unwrap().data_regions().unwrap(), [(0, 5000)]);
    assert_eq!(open(&temp, "e").unwrap().data_regions().unwrap(), []);
}

#[test]
fn strangers_files_are_read_where_it_is_allowed_and_refused_where_not() {
    let temp = TempDir::new().unwrap();
    rustix::fs::chmod(temp.path(), Mode::from_raw_mode(0o755)).unwrap();
    fs::write(temp.path().join("open"), b"x").unwrap();
    fs::write(temp.path().join("closed"), b"x").unwrap();
    rustix::fs::chmod(temp.path().join("closed"), Mode::RUSR).unwrap();
    let as_nobody = || {
        // In the eyes of the file system, and on this thread only.
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
        (open(&temp, "open").map(drop), open(&temp, "closed").map(drop))
    };
    let (opened, closed) = std::thread::scope(|scope| scope.spawn(as_nobody).join().unwrap());
    assert!(opened.is_ok(), "without O_NOATIME, which is the owner's right");
    assert!(matches!(closed, Err(ContentReadError::Open(_))));
}
