//! Who works with a catalog: a lock file beside it.
//!
//! Writers share the catalog, and SQLite lets one of them write at a time. What must not change
//! under a run for longer than a transaction is held by name: a set while its discs are planned and
//! packed, a disc while it is burned. Whoever replaces the catalog or its tables has it alone.
//!
//! The file holds a line for each writer: its process, its seat, and what it holds. The locks
//! themselves are the kernel's, which lets go of them if the process dies: `flock` for the whole,
//! and "open file description" locks (fcntl(2)) on single bytes for what is held by name. A line
//! whose seat nobody locks is of a process that was killed.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FlockOperation, flock};

use crate::catalog::base::error::CatalogError;
use crate::catalog::base::ids::SetId;
use crate::catalog::base::part::Part;
use crate::port::files::{name_owner, open_own};

/// How much of the catalog a writer wants for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::catalog) enum Sharing {
    /// Others may write, too.
    Shared,
    /// Nobody else writes.
    Alone,
}

/// Bytes of the lock file that are locked; its content is far shorter, and does not matter to them.
mod place {
    /// Held while the lines are read or written.
    pub const LINES: i64 = 1 << 20;
    /// Held while a copy of the catalog is kept.
    pub const COPY: i64 = LINES + 1;
    /// One byte for each writer.
    pub const SEATS: i64 = 1 << 30;
    pub const SETS: i64 = 1 << 40;
    /// 2^32 bytes for each set.
    pub const DISCS: i64 = 1 << 61;
}

/// The first byte of a part, and how many.
fn range_of(part: Part) -> (i64, i64) {
    let discs = |set: SetId| place::DISCS.saturating_add(set.0.saturating_mul(1 << 32));
    match part {
        Part::Set(set) => (place::SETS.saturating_add(set.0), 1),
        Part::Disc(set, disc) => (discs(set).saturating_add(i64::from(disc.0)), 1),
        Part::AllDiscs(set) => (discs(set), 1 << 32),
    }
}

/// A writer's line: `4711 0 set:1 disc:1:7`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LockLine {
    pid: u32,
    /// `None`: of a former coldcut, which had no seats; it was killed.
    seat: Option<u32>,
    parts: Vec<Part>,
}

impl LockLine {
    fn parse(line: &str) -> Option<LockLine> {
        let mut words = line.split_ascii_whitespace();
        let pid = words.next()?.parse().ok()?;
        let seat = words.next().map(|seat| seat.parse().ok());
        Some(LockLine { pid, seat: seat.flatten(), parts: words.filter_map(Part::parse).collect() })
    }
}

impl fmt::Display for LockLine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.pid)?;
        self.seat.iter().try_for_each(|seat| write!(f, " {seat}"))?;
        self.parts.iter().try_for_each(|part| write!(f, " {part}"))
    }
}

/// Held until dropped. The file itself stays: removing it could take it from under a process that
/// has just opened it.
pub(in crate::catalog) struct CatalogLock {
    file: File,
    catalog: PathBuf,
    sharing: Sharing,
    seat: u32,
    /// What this writer holds. Also keeps this process's threads apart: to the kernel they are one.
    parts: Mutex<Vec<Part>>,
    /// Lines of processes that were killed, as they were found.
    left: Vec<LockLine>,
}

impl CatalogLock {
    pub(in crate::catalog) fn take(
        catalog: &Path,
        sharing: Sharing,
    ) -> Result<CatalogLock, CatalogError> {
        let failed = |source| CatalogError::NotWritable { path: catalog.to_owned(), source };
        let path = beside(catalog);
        let file = open(&path).map_err(|error| failed(name_owner(&path, error)))?;
        let how = match sharing {
            Sharing::Shared => FlockOperation::NonBlockingLockShared,
            Sharing::Alone => FlockOperation::NonBlockingLockExclusive,
        };
        match flock(&file, how) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let lines = lines(&file).unwrap_or_default();
                let pid = alive(&file, &lines).next().map(|line| line.pid);
                return Err(CatalogError::Locked { path: catalog.to_owned(), pid });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let (catalog, parts) = (catalog.to_owned(), Mutex::default());
        let mut lock = CatalogLock { file, catalog, sharing, seat: 0, parts, left: Vec::new() };
        lock.sit_down().map_err(failed)?;
        Ok(lock)
    }

    /// Takes the first seat that is free, and notes who was killed.
    fn sit_down(&mut self) -> io::Result<()> {
        let _lines = Byte::wait(&self.file, place::LINES)?;
        let mut lines = lines(&self.file)?;
        let living: Vec<u32> = alive(&self.file, &lines).filter_map(|line| line.seat).collect();
        self.left = lines.clone();
        self.left.retain(|line| line.seat.is_none_or(|seat| !living.contains(&seat)));
        let taken = |seat: &u32| lines.iter().any(|line| line.seat == Some(*seat));
        self.seat = (0..u32::MAX).find(|seat| !taken(seat)).unwrap_or(u32::MAX);
        range_lock(&self.file, libc::F_WRLCK, (seat_place(self.seat), 1))?;
        let line = LockLine { pid: std::process::id(), seat: Some(self.seat), parts: Vec::new() };
        lines.push(line);
        write_lines(&self.file, &lines)
    }

    /// Somebody who wrote before did not end in order: a crash, a kill, a power cut.
    pub(in crate::catalog) fn was_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// What processes that were killed left behind proved sound.
    pub(in crate::catalog) fn is_settled(&mut self) {
        let left = std::mem::take(&mut self.left);
        // If this fails the next writer looks a little closer, for nothing.
        let _ = self.change_lines(|lines| lines.retain(|line| !left.contains(line)));
    }

    /// Whether this writer may change this part: it holds it, or has the whole catalog alone.
    pub(in crate::catalog) fn holds(&self, part: Part) -> bool {
        self.sharing == Sharing::Alone || self.parts().contains(&part)
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a part, without waiting. What this writer has already it has twice then, and keeps as
    /// long as the first time says.
    pub(in crate::catalog) fn hold(self: &Arc<Self>, part: Part) -> Result<Held, CatalogError> {
        if self.holds(part) {
            return Ok(Held { lock: None, part });
        }
        let path = || self.catalog.clone();
        let in_use = |pid| CatalogError::PartInUse { path: path(), part, pid };
        let mut parts = self.parts();
        if parts.iter().any(|held| held.meets(part)) {
            return Err(in_use(Some(std::process::id())));
        }
        match range_lock(&self.file, libc::F_WRLCK, range_of(part)) {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(in_use(self.holder(part))),
            Err(errno) => {
                return Err(CatalogError::NotWritable { path: path(), source: errno.into() });
            }
        }
        parts.push(part);
        // The line only names the process to others.
        let _ = self.write_own_line(&parts);
        Ok(Held { lock: Some(self.clone()), part })
    }

    fn release(&self, part: Part) {
        let mut parts = self.parts();
        parts.retain(|held| *held != part);
        let _ = self.write_own_line(&parts);
        // If this fails, closing lets go of it.
        let _ = range_lock(&self.file, libc::F_UNLCK, range_of(part));
    }

    /// The process that holds this, as far as its line says so already.
    fn holder(&self, part: Part) -> Option<u32> {
        let lines = lines(&self.file).ok()?;
        let holds = |line: &&LockLine| line.parts.iter().any(|held| held.meets(part));
        alive(&self.file, &lines)
            .filter(|line| line.seat != Some(self.seat))
            .find(holds)
            .map(|line| line.pid)
    }

    fn write_own_line(&self, parts: &[Part]) -> io::Result<()> {
        self.change_lines(|lines| {
            let own = lines.iter_mut().find(|line| line.seat == Some(self.seat));
            own.into_iter().for_each(|line| line.parts = parts.to_vec());
        })
    }

    fn change_lines(&self, change: impl FnOnce(&mut Vec<LockLine>)) -> io::Result<()> {
        let _lines = Byte::wait(&self.file, place::LINES)?;
        let mut lines = lines(&self.file)?;
        change(&mut lines);
        write_lines(&self.file, &lines)
    }

    /// Alone with the copy that is kept of the catalog; `None` if another process keeps one now.
    pub(in crate::catalog) fn alone_with_copy(&self) -> Option<Byte<'_>> {
        range_lock(&self.file, libc::F_WRLCK, (place::COPY, 1)).ok()?;
        Some(Byte { file: &self.file, at: place::COPY })
    }
}

impl Drop for CatalogLock {
    fn drop(&mut self) {
        let seat = self.seat;
        // Lines of others that were killed stay, unless they were settled. If this fails the next
        // writer looks a little closer, for nothing.
        let _ = self.change_lines(|lines| lines.retain(|line| line.seat != Some(seat)));
        // By name: a child that is just being started has the open file for a moment, too. If it
        // fails, closing lets go of it.
        let _ = range_lock(&self.file, libc::F_UNLCK, (seat_place(seat), 1));
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// A part of the catalog that nobody else changes until this is dropped.
pub struct Held {
    /// `None`: nobody else can change it anyway.
    lock: Option<Arc<CatalogLock>>,
    part: Part,
}

impl Held {
    /// Where nobody else knows the catalog.
    pub(in crate::catalog) fn alone(part: Part) -> Held {
        Held { lock: None, part }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Held({})", self.part)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            lock.release(self.part);
        }
    }
}

/// One byte of the lock file, locked.
pub(in crate::catalog) struct Byte<'a> {
    file: &'a File,
    at: i64,
}

impl Byte<'_> {
    fn wait(file: &File, at: i64) -> io::Result<Byte<'_>> {
        // Nobody holds this one for longer than it takes to write a few lines.
        let range = range(libc::F_WRLCK, (at, 1));
        loop {
            match fcntl(file, FcntlArg::F_OFD_SETLKW(&range)) {
                Err(Errno::EINTR) => {}
                done => return done.map(|_| Byte { file, at }).map_err(io::Error::from),
            }
        }
    }
}

impl Drop for Byte<'_> {
    fn drop(&mut self) {
        // If this fails, closing lets go of it.
        let _ = range_lock(self.file, libc::F_UNLCK, (self.at, 1));
    }
}

fn seat_place(seat: u32) -> i64 {
    place::SEATS + i64::from(seat)
}

fn range(kind: libc::c_int, (start, length): (i64, i64)) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: length,
        l_pid: 0, // as fcntl(2) demands of these locks
    }
}

fn range_lock(file: &File, kind: libc::c_int, place: (i64, i64)) -> Result<(), Errno> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(kind, place))).map(drop)
}

/// Whether another open file has this byte.
fn is_locked(file: &File, at: i64) -> bool {
    let mut asked = range(libc::F_WRLCK, (at, 1));
    match fcntl(file, FcntlArg::F_OFD_GETLK(&mut asked)) {
        Ok(_) => asked.l_type != libc::F_UNLCK as libc::c_short,
        Err(_) => true, // nobody is called dead because of this
    }
}

/// The lines of writers that live.
fn alive<'a>(file: &'a File, lines: &'a [LockLine]) -> impl Iterator<Item = &'a LockLine> {
    lines.iter().filter(|line| line.seat.is_some_and(|seat| is_locked(file, seat_place(seat))))
}

fn open(path: &Path) -> io::Result<File> {
    open_own(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

/// What living writers hold. It changes nothing; a lock file that cannot be read says nothing.
pub(in crate::catalog) fn held(catalog: &Path) -> Vec<Part> {
    let Ok(file) = open_own(OpenOptions::new().read(true), &beside(catalog)) else {
        return Vec::new();
    };
    let lines = lines(&file).unwrap_or_default();
    alive(&file, &lines).flat_map(|line| line.parts.clone()).collect()
}

/// More than this is not a lock file of coldcut's.
const LONGEST: u64 = 1 << 20;

fn lines(file: &File) -> io::Result<Vec<LockLine>> {
    let length = file.metadata()?.len().min(LONGEST);
    let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut read = 0;
    while read < text.len() {
        match file.read_at(&mut text[read..], read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(String::from_utf8_lossy(&text[..read]).lines().filter_map(LockLine::parse).collect())
}

/// First the new lines, then the end: of a process that dies in between, no line is lost.
fn write_lines(file: &File, lines: &[LockLine]) -> io::Result<()> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)
}

fn beside(catalog: &Path) -> PathBuf {
    let mut name = catalog.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    catalog.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::catalog::{Access, Catalog};
    use crate::model::DiscNo;
    use std::fs;

    fn pid() -> Option<u32> {
        Some(std::process::id())
    }

    /// Two writers of one catalog, which has the set of the bench.
    fn two(bench: &mut CatalogBench) -> [Catalog; 2] {
        bench.catalog = None;
        [0, 1].map(|_| Catalog::open(&bench.file(), Access::Record).unwrap())
    }

    fn lines_of(bench: &CatalogBench) -> Vec<String> {
        let text = fs::read_to_string(beside(&bench.file())).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_one_writer_holds_is_named_to_the_other_and_let_go_of() {
        let mut bench = CatalogBench::new();
        let (set, other) = (bench.set, SetId(99));
        let [one, two] = two(&mut bench);
        for part in [Part::Set(set), Part::Disc(set, DiscNo(7)), Part::AllDiscs(set)] {
            let held = one.hold(part).unwrap();
            match two.hold(part) {
                Err(CatalogError::PartInUse { part: told, pid: by, .. }) => {
                    assert_eq!((told, by), (part, pid()));
                }
                other => panic!("{other:?}"),
            }
            drop(held);
            two.hold(part).unwrap();
        }
        let _held = one.hold(Part::Set(set)).unwrap();
        let _free = [
            two.hold(Part::Set(other)).unwrap(),
            two.hold(Part::Disc(set, DiscNo(1))).unwrap(),
            two.hold(Part::AllDiscs(other)).unwrap(),
        ];
    }

    #[test]
    fn a_disc_and_all_discs_of_its_set_are_in_the_way_of_each_other() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        let [one, two] = two(&mut bench);
        let disc = one.hold(Part::Disc(set, DiscNo(u32::MAX))).unwrap();
        for all in [&one, &two] {
            let error = all.hold(Part::AllDiscs(set)).unwrap_err();
            assert!(matches!(error, CatalogError::PartInUse { .. }), "{error:?}");
        }
        drop(disc);
        let _all = two.hold(Part::AllDiscs(set)).unwrap();
        assert!(one.hold(Part::Disc(set, DiscNo(1))).is_err());
    }

    #[test]
    fn what_is_held_twice_is_held_as_long_as_the_first_time_says() {
        let mut bench = CatalogBench::new();
        let part = Part::Set(bench.set);
        let [one, two] = two(&mut bench);
        let first = one.hold(part).unwrap();
        drop(one.hold(part).unwrap());
        assert!(two.hold(part).is_err());
        drop(first);
        two.hold(part).unwrap();
    }

    #[test]
    fn writers_share_a_catalog_and_who_wants_it_alone_waits_for_them_all() {
        let mut bench = CatalogBench::new();
        let [one, two] = two(&mut bench);
        assert_eq!(lines_of(&bench).len(), 2);
        let alone = || Catalog::open(&bench.file(), Access::Write);
        for writer in [one, two] {
            match alone().err() {
                Some(CatalogError::Locked { pid: by, .. }) => assert_eq!(by, pid()),
                other => panic!("{other:?}"),
            }
            drop(writer);
        }
        let alone = alone().unwrap();
        let beside = Catalog::open(&bench.file(), Access::Record).err();
        assert!(matches!(beside, Some(CatalogError::Locked { .. })), "{beside:?}");
        drop(alone);
        assert_eq!(lines_of(&bench), [""; 0], "who ends in order leaves no line");
    }

    #[test]
    fn the_structure_of_a_set_is_changed_by_its_holder_alone_and_discs_are_recorded_by_anybody() {
        let mut bench = CatalogBench::new();
        let (set, disc) = (bench.set, bench.disc);
        let seq = bench.seq;
        bench.cat().close_disc(set, disc, &closed(seq)).unwrap();
        let [mut one, mut two] = two(&mut bench);
        let refused = |done: Result<(), CatalogError>| {
            assert!(matches!(done, Err(CatalogError::NotHeld { .. })), "{done:?}");
        };
        refused(one.begin_snapshot(set, NOW).map(drop));
        refused(one.begin_disc(set, &new_disc(2), NOW));
        refused(one.put_rows(set, seq, &[]));
        let _held = two.hold(Part::Set(set)).unwrap();
        refused(one.describe(set, &Default::default(), None));
        two.begin_disc(set, &new_disc(2), NOW).unwrap();
        one.record_copy(set, disc, &bd_r(), "box", NOW).unwrap();
        two.finish_snapshot(set, seq, NOW, &Default::default()).unwrap();
        assert_eq!(two.copies(set, disc).unwrap().len(), 1);
    }

    #[test]
    fn a_writer_that_was_killed_is_found_by_the_next_one_though_others_live() {
        let mut bench = CatalogBench::new();
        let [one, _two] = two(&mut bench);
        // What a kill leaves: the line, and no lock on its seat.
        let path = beside(&bench.file());
        let with_dead = fs::read_to_string(&path).unwrap() + "4711 7 set:1 disc:1:7\n4712\n";
        fs::write(&path, &with_dead).unwrap();
        let lock = CatalogLock::take(&bench.file(), Sharing::Shared).unwrap();
        assert_eq!(lock.left.iter().map(|line| line.pid).collect::<Vec<_>>(), [4711, 4712]);
        drop(lock);
        assert_eq!(lines_of(&bench).len(), 4, "who did not look closely leaves them");
        one.hold(Part::Disc(SetId(1), DiscNo(7))).unwrap();
        drop(Catalog::open(&bench.file(), Access::Record).unwrap());
        assert_eq!(lines_of(&bench).len(), 2, "they proved harmless");
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_anything_else_is_no_line() {
        for text in ["4711", "4711 0", "4711 3 set:1 disc:1:7 discs:4"] {
            assert_eq!(LockLine::parse(text).unwrap().to_string(), text);
        }
        for odd in ["", "x", "-1", "disc:1:7"] {
            assert_eq!(LockLine::parse(odd), None, "{odd}");
        }
        assert_eq!(LockLine::parse("1 2 odd:3 disc:1 disc:1:7").unwrap().parts.len(), 1);
    }
}
