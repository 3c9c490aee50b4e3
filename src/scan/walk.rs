//! The walk over the source: every path once, in walk order, each with what became of it.
//!
//! One directory at a time through its descriptor, so that paths may be longer than the kernel's
//! `PATH_MAX` and nobody can lead the walk away by putting a link in its place. Levels are a list and
//! not calls, and only the deepest stay open: depth costs neither stack nor descriptors.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::ahead::{DirReadAhead, Pending};
use super::directory::{Children, DirChild, Directory};
use super::filter::{Filter, Rule};
use super::look::{LookError, Looker, Stat};
use super::pseudo;
use crate::model::path::shown;
use crate::model::{Entry, RelPath, Xattr};
use crate::port::beneath::{open_dir_at, open_root, proc_path};
use crate::port::event::Activity;
use crate::port::monitor::{Monitor, NewTask};
use crate::port::stop::{Stop, Stopped};

/// So many of the deepest levels stay open; far below the 1,024 descriptors a process may have.
const OPEN_LEVELS: usize = 64;

/// Directories are read ahead once so many paths were told of: a small source is walked as quickly
/// by one thread.
const AHEAD_FROM: u64 = 512;

/// The monitor hears of every so many paths.
const TELL_EVERY: u64 = 1024;

/// What became of one path that was walked. Each path comes exactly once.
#[derive(Debug)]
pub enum WalkedPath {
    Entry(Entry),
    /// A directory that is stored, but without its content (a cache's tag file still follows).
    Hollow {
        entry: Entry,
        rule: Rule,
    },
    /// A directory with disc images, which are left out: they come and go, and its time with them.
    Shelf(Entry),
    /// Not stored. What is below an excluded directory was not walked.
    Excluded {
        path: RelPath,
        rule: Rule,
    },
    /// Not stored, though it should be. What is below a directory that failed was not walked.
    Failed {
        path: RelPath,
        error: LookError,
    },
}

impl WalkedPath {
    pub fn path(&self) -> &RelPath {
        match self {
            WalkedPath::Entry(entry)
            | WalkedPath::Shelf(entry)
            | WalkedPath::Hollow { entry, .. } => &entry.path,
            WalkedPath::Excluded { path, .. } | WalkedPath::Failed { path, .. } => path,
        }
    }
}

/// Whoever is told of what the walk finds.
pub trait Visitor<E> {
    /// The attributes of this entry, which lacks them, if they are known and nothing tells that they
    /// changed: that spares the most expensive question that a walk asks. The path comes next in
    /// [`take`](Self::take), whatever becomes of it. Not asked about directories.
    fn known_xattrs(&mut self, entry: &Entry) -> Result<Option<Vec<Xattr>>, E>;
    /// Each path once, in the order of [`RelPath`]'s `Ord`. An error ends the walk.
    fn take(&mut self, found: WalkedPath) -> Result<(), E>;
}

/// A closure remembers no attributes.
impl<E, F: FnMut(WalkedPath) -> Result<(), E>> Visitor<E> for F {
    fn known_xattrs(&mut self, _: &Entry) -> Result<Option<Vec<Xattr>>, E> {
        Ok(None)
    }
    fn take(&mut self, found: WalkedPath) -> Result<(), E> {
        self(found)
    }
}

/// The sums of one walk: `entries + excluded + failed` is the number of paths walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalkTally {
    /// Hollow directories are among them.
    pub entries: u64,
    pub hollow: u64,
    pub excluded: u64,
    pub failed: u64,
    /// Content of all files among the entries; a file with two names counts twice.
    pub bytes: u64,
}

impl WalkTally {
    pub fn walked(&self) -> u64 {
        self.entries + self.excluded + self.failed
    }

    fn count(&mut self, found: &WalkedPath) {
        match found {
            WalkedPath::Entry(entry) | WalkedPath::Shelf(entry) => {
                self.entries += 1;
                self.bytes = self.bytes.saturating_add(entry.size);
            }
            WalkedPath::Hollow { .. } => {
                self.entries += 1;
                self.hollow += 1;
            }
            WalkedPath::Excluded { .. } => self.excluded += 1,
            WalkedPath::Failed { .. } => self.failed += 1,
        }
    }
}

/// Why there was no walk, or why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("the source {0} does not exist")]
    Missing(String),
    #[error("the source {0} is a file, not a directory; name the directory that it is in")]
    NotDirectory(String),
    #[error("the source {path} cannot be read")]
    Unreadable { path: String, source: io::Error },
    #[error("the root of the source cannot be read")]
    Root(#[source] LookError),
    #[error("the source {path} is on {name}, a file system of the kernel with no files to back up")]
    Pseudo { path: String, name: &'static str },
    #[error("/proc is not mounted; extended attributes cannot be read without it")]
    NoProc,
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Opens the source; a symbolic link at its end is followed, this once.
pub(super) fn open_source(source: &Path) -> Result<OwnedFd, ScanError> {
    let path = shown(source.as_os_str().as_bytes());
    open_root(source).map_err(|errno| match errno {
        Errno::NOENT => ScanError::Missing(path),
        Errno::NOTDIR => ScanError::NotDirectory(path),
        errno => ScanError::Unreadable { path, source: errno.into() },
    })
}

/// Walks the source and tells `visitor` of each path, the root (`.`) first.
pub fn walk<E: From<ScanError>>(
    source: &Path,
    filter: &Filter,
    stop: &Stop,
    monitor: &Monitor,
    visitor: &mut dyn Visitor<E>,
) -> Result<WalkTally, E> {
    let root = open_source(source)?;
    fs::symlink_metadata(Path::new(std::ffi::OsStr::from_bytes(&proc_path(root.as_fd()))))
        .map_err(|_| ScanError::NoProc)?;
    let name = pseudo_name(source, &root)?;
    if let Some(name) = name {
        let path = shown(source.as_os_str().as_bytes());
        return Err(ScanError::Pseudo { path, name }.into());
    }
    let task = monitor.begin(NewTask::new(Activity::Scanning));
    let tally = rayon::in_place_scope(|scope| {
        let mut walker = Walker {
            filter,
            stop,
            monitor: &task,
            visitor,
            ahead: DirReadAhead::new(scope, filter, stop),
            looker: Looker::new(),
            levels: Vec::new(),
            tally: WalkTally::default(),
        };
        walker.run(root).map(|()| walker.tally)
    })?;
    task.done(tally.walked());
    Ok(tally)
}

fn pseudo_name(source: &Path, root: &OwnedFd) -> Result<Option<&'static str>, ScanError> {
    Stat::of(root).and_then(|stat| pseudo::name_of(root, stat.dev)).map_err(|errno| {
        let path = shown(source.as_os_str().as_bytes());
        ScanError::Unreadable { path, source: errno.into() }
    })
}

/// The way into a directory whose turn it is, or was, or will be again.
enum DirHandle {
    Open(Arc<OwnedFd>),
    /// Closed to save descriptors; to be opened from the root when the walk comes back.
    Closed,
    /// Not where it was.
    Lost,
}

/// A directory between the root and where the walk is.
struct WalkLevel {
    path: RelPath,
    identity: (u64, u64),
    handle: DirHandle,
    children: Children,
    is_shelf: bool,
    /// Directories among the children that come next, and how many children were considered.
    ahead: VecDeque<Pending>,
    considered: usize,
}

struct Walker<'a, 's, 'env, E> {
    filter: &'a Filter,
    stop: &'a Stop,
    monitor: &'a Monitor,
    visitor: &'a mut dyn Visitor<E>,
    ahead: DirReadAhead<'s, 'env>,
    looker: Looker,
    /// From the root to where the walk is.
    levels: Vec<WalkLevel>,
    tally: WalkTally,
}

impl<E: From<ScanError>> Walker<'_, '_, '_, E> {
    fn run(&mut self, root: OwnedFd) -> Result<(), E> {
        let root = Directory::read(root, None, self.filter, self.stop);
        let root = root.map_err(|error| match error {
            LookError::Stopped(stopped) => ScanError::Stopped(stopped),
            error => ScanError::Root(error),
        })?;
        self.descend(root, RelPath::root())?;
        while !self.levels.is_empty() {
            match self.next_child() {
                Some(child) => self.visit(child)?,
                None => drop(self.levels.pop()),
            }
        }
        Ok(())
    }

    fn next_child(&mut self) -> Option<DirChild> {
        if self.levels.last()?.children.needs_look() {
            let dir = self.dir();
            let children = &mut self.levels.last_mut()?.children;
            match dir {
                Some(dir) => children.look(dir.as_fd()),
                None => children.give_up(),
            }
        }
        let level = self.levels.last_mut()?;
        level.considered = level.considered.saturating_sub(1);
        level.children.next()
    }

    fn visit(&mut self, child: DirChild) -> Result<(), E> {
        self.stop.check().map_err(ScanError::from)?;
        let Some(level) = self.levels.last() else { return Ok(()) };
        let path = level.path.join(&child.name);
        let above = level.identity.0;
        let is_dir = child.is_dir();
        let from_shelf = || match level.is_shelf && !is_dir {
            true => self.filter.excludes_from_shelf(&level.path, &child.name),
            false => None,
        };
        if let Some(rule) = self.filter.excludes(&path, is_dir).or_else(from_shelf) {
            return self.emit(WalkedPath::Excluded { path, rule });
        }
        let Some(dir) = self.dir() else {
            return self.emit(WalkedPath::Failed { path, error: LookError::Moved });
        };
        if is_dir {
            return self.visit_dir(dir.as_fd(), &child.name, path, above);
        }
        let found = self.look(dir.as_fd(), child, path)?;
        self.emit(found)
    }

    /// Anything but a directory.
    fn look(
        &mut self,
        dir: BorrowedFd<'_>,
        child: DirChild,
        path: RelPath,
    ) -> Result<WalkedPath, E> {
        let DirChild { name, stat } = child;
        let stat = match stat {
            Ok(stat) => stat,
            Err(errno) => {
                let error = LookError::from(errno, LookError::Stat);
                return Ok(WalkedPath::Failed { path, error });
            }
        };
        let Some(kind) = stat.kind() else {
            return Ok(WalkedPath::Excluded { path, rule: Rule::Socket });
        };
        let mut entry = match self.looker.entry(dir, &name, path.clone(), kind, &stat) {
            Ok(entry) => entry,
            Err(error) => return Ok(WalkedPath::Failed { path, error }),
        };
        if let Some(known) = self.visitor.known_xattrs(&entry)? {
            entry.meta.xattrs = known;
            return Ok(WalkedPath::Entry(entry));
        }
        Ok(match self.looker.add_xattrs(dir, &name, &mut entry) {
            // What vanished since it was looked at is stored as it was seen; if there is content,
            // the reader will miss it.
            Ok(()) | Err(LookError::Vanished) => WalkedPath::Entry(entry),
            Err(error) => WalkedPath::Failed { path, error },
        })
    }

    /// A directory becomes an entry only when its names could be read, too.
    fn visit_dir(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: RelPath,
        above: u64,
    ) -> Result<(), E> {
        let read = match self.read_ahead(name) {
            Some(pending) => self.ahead.finish(pending),
            None => Directory::open(dir, name, above, self.filter, self.stop),
        };
        self.look_ahead();
        match read {
            Ok(directory) => self.descend(directory, path),
            Err(LookError::Stopped(stopped)) => Err(ScanError::Stopped(stopped).into()),
            Err(error) => self.emit(WalkedPath::Failed { path, error }),
        }
    }

    /// The directory of this name, if it was begun before its turn.
    fn read_ahead(&mut self, name: &[u8]) -> Option<Pending> {
        let ahead = &mut self.levels.last_mut()?.ahead;
        let is_next = ahead.front().is_some_and(|pending| pending.name == name);
        is_next.then(|| ahead.pop_front())?
    }

    /// Lets other threads read the directories that come next on this level.
    fn look_ahead(&mut self) {
        let Some(level) = self.levels.last_mut() else { return };
        let DirHandle::Open(fd) = &level.handle else { return };
        if self.tally.walked() < AHEAD_FROM {
            return;
        }
        while level.ahead.len() < DirReadAhead::window() && self.ahead.has_room() {
            let mut coming = level.children.coming().iter().skip(level.considered);
            let Some(skipped) = coming.position(DirChild::is_dir) else {
                level.considered = level.children.coming().len();
                return;
            };
            let child = &level.children.coming()[level.considered + skipped];
            level.considered += skipped + 1;
            if self.filter.excludes(&level.path.join(&child.name), true).is_none() {
                level.ahead.push_back(self.ahead.start(fd, &child.name, level.identity.0));
            }
        }
    }

    /// Tells of a directory and makes its children the next to be visited.
    fn descend(&mut self, directory: Directory, path: RelPath) -> Result<(), E> {
        let Directory { fd, stat, xattrs, is_shelf, rule, children } = directory;
        let is_shelf = is_shelf || self.filter.is_shelf_at(&path);
        let entry = self.looker.dir(path.clone(), &stat, xattrs);
        self.emit(match rule {
            None if is_shelf => WalkedPath::Shelf(entry),
            None => WalkedPath::Entry(entry),
            Some(rule) => WalkedPath::Hollow { entry, rule },
        })?;
        if children.is_empty() {
            return Ok(());
        }
        self.levels.push(WalkLevel {
            path,
            identity: stat.identity(),
            handle: DirHandle::Open(fd),
            children,
            is_shelf,
            ahead: VecDeque::new(),
            considered: 0,
        });
        // The root stays open: all others can be reached from it.
        if let Some(level) = self.levels.len().checked_sub(OPEN_LEVELS + 1).filter(|at| *at > 0) {
            self.levels[level].handle = DirHandle::Closed;
        }
        self.look_ahead();
        Ok(())
    }

    fn emit(&mut self, found: WalkedPath) -> Result<(), E> {
        self.tally.count(&found);
        if self.tally.walked() % TELL_EVERY == 0 {
            self.monitor.done(self.tally.walked());
        }
        self.visitor.take(found)
    }

    /// The directory whose children are being visited; `None` if it is not where it was.
    fn dir(&mut self) -> Option<Arc<OwnedFd>> {
        let deepest = self.levels.len().checked_sub(1)?;
        if matches!(self.levels[deepest].handle, DirHandle::Closed) {
            self.reopen(deepest);
        }
        match &self.levels[deepest].handle {
            DirHandle::Open(fd) => Some(fd.clone()),
            DirHandle::Closed | DirHandle::Lost => None,
        }
    }

    /// Opens the deepest levels again, on the way from the root, if they are who they were.
    fn reopen(&mut self, deepest: usize) {
        let Some(DirHandle::Open(root)) = self.levels.first().map(|level| &level.handle) else {
            return;
        };
        let mut fd = root.clone();
        for at in 1..=deepest {
            match step(&fd, &self.levels[at]) {
                Some(next) => fd = Arc::new(next),
                None => {
                    self.levels[deepest].handle = DirHandle::Lost;
                    return;
                }
            }
            if at + OPEN_LEVELS > deepest {
                self.levels[at].handle = DirHandle::Open(fd.clone());
            }
        }
    }
}

fn step(dir: &OwnedFd, level: &WalkLevel) -> Option<OwnedFd> {
    let name = level.path.components().next_back()?;
    let fd = open_dir_at(dir.as_fd(), name).ok()?;
    let same = Stat::of(&fd).is_ok_and(|stat| stat.identity() == level.identity);
    same.then_some(fd)
}

#[cfg(test)]
mod tests;
