//! The walk over the source: every path once, in walk order, each with what became of it.
//!
//! One directory at a time through its descriptor, so that paths may be longer than the kernel's
//! `PATH_MAX` and nobody can lead the walk away by putting a link in its place. Levels are a list and
//! not calls, and only the deepest stay open: depth costs neither stack nor descriptors.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

use super::filter::{CACHE_SIGNATURE, CACHE_TAG, Filter, Rule};
use super::look::{LookError, Looker, Seen, Stat};
use super::pseudo;
use super::xattrs::XattrReader;
use crate::model::path::shown;
use crate::model::{Entry, RelPath};
use crate::port::beneath::{open_dir_at, open_root, proc_path};
use crate::port::monitor::{Monitor, Phase, Progress};
use crate::port::stop::{Stop, Stopped};

/// So many of the deepest levels stay open; far below the 1,024 descriptors a process may have.
const OPEN_LEVELS: usize = 64;

/// The buffer of getdents64(2): some 1,000 names at a time.
const NAMES_BUFFER: usize = 64 << 10;

/// Fewer names than this are not worth another thread: some 4 us each, and a handover costs 20.
const NAMES_A_THREAD: usize = 32;

/// The monitor hears of every so many paths.
const TELL_EVERY: u64 = 1024;

/// What became of one path that was walked. Each path comes exactly once.
#[derive(Debug)]
pub enum Found {
    Entry(Entry),
    /// A directory that is stored, but without its content (a cache's tag file still follows).
    Hollow {
        entry: Entry,
        rule: Rule,
    },
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

impl Found {
    pub fn path(&self) -> &RelPath {
        match self {
            Found::Entry(entry) | Found::Hollow { entry, .. } => &entry.path,
            Found::Excluded { path, .. } | Found::Failed { path, .. } => path,
        }
    }
}

/// The sums of one walk: `entries + excluded + failed` is the number of paths walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Hollow directories are among them.
    pub entries: u64,
    pub hollow: u64,
    pub excluded: u64,
    pub failed: u64,
    /// Content of all files among the entries; a file with two names counts twice.
    pub bytes: u64,
}

impl Tally {
    pub fn walked(&self) -> u64 {
        self.entries + self.excluded + self.failed
    }

    fn count(&mut self, found: &Found) {
        match found {
            Found::Entry(entry) => {
                self.entries += 1;
                self.bytes = self.bytes.saturating_add(entry.size);
            }
            Found::Hollow { .. } => {
                self.entries += 1;
                self.hollow += 1;
            }
            Found::Excluded { .. } => self.excluded += 1,
            Found::Failed { .. } => self.failed += 1,
        }
    }
}

/// Why there was no walk, or why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("the source {0} does not exist")]
    Missing(String),
    #[error("the source {0} is not a directory; name the directory that it is in")]
    NotDirectory(String),
    #[error("the source {path} cannot be read")]
    Unreadable { path: String, source: io::Error },
    #[error("the root of the source cannot be read")]
    Root(#[source] LookError),
    #[error("the source {path} is on {name}, where the kernel shows its state: there are no files")]
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

/// Walks the source in the order of [`RelPath`]'s `Ord` and hands each path to `sink`, the root
/// (`.`) first. An error of `sink` ends the walk.
pub fn walk<E: From<ScanError>>(
    source: &Path,
    filter: &Filter,
    stop: &Stop,
    monitor: &dyn Monitor,
    sink: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<Tally, E> {
    let root = open_source(source)?;
    fs::symlink_metadata(Path::new(std::ffi::OsStr::from_bytes(&proc_path(root.as_fd()))))
        .map_err(|_| ScanError::NoProc)?;
    let name = pseudo_name(source, &root)?;
    if let Some(name) = name {
        let path = shown(source.as_os_str().as_bytes());
        return Err(ScanError::Pseudo { path, name }.into());
    }
    monitor.phase(&Phase { what: "scanning", disc: None, total: None });
    let mut walker = Walker {
        filter,
        stop,
        monitor,
        sink,
        looker: Looker::new(),
        levels: Vec::new(),
        tally: Tally::default(),
    };
    walker.run(root)?;
    monitor.progress(Progress { done: walker.tally.walked(), written: None });
    Ok(walker.tally)
}

fn pseudo_name(source: &Path, root: &OwnedFd) -> Result<Option<&'static str>, ScanError> {
    Stat::of(root).and_then(|stat| pseudo::name_of(root, stat.dev)).map_err(|errno| {
        let path = shown(source.as_os_str().as_bytes());
        ScanError::Unreadable { path, source: errno.into() }
    })
}

/// A name in a directory, and what the kernel said of it.
struct Child {
    name: Vec<u8>,
    seen: rustix::io::Result<Seen>,
}

/// The way into a directory whose turn it is, or was, or will be again.
enum Handle {
    Open(Arc<OwnedFd>),
    /// Closed to save descriptors; to be opened from the root when the walk comes back.
    Closed,
    /// Not where it was.
    Lost,
}

/// A directory between the root and where the walk is.
struct Level {
    path: RelPath,
    identity: (u64, u64),
    handle: Handle,
    /// Those not visited yet.
    children: std::vec::IntoIter<Child>,
}

struct Walker<'a, E> {
    filter: &'a Filter,
    stop: &'a Stop,
    monitor: &'a dyn Monitor,
    sink: &'a mut dyn FnMut(Found) -> Result<(), E>,
    looker: Looker,
    /// From the root to where the walk is.
    levels: Vec<Level>,
    tally: Tally,
}

impl<E: From<ScanError>> Walker<'_, E> {
    fn run(&mut self, root: OwnedFd) -> Result<(), E> {
        let opened = Opened::new(root, RelPath::root(), &mut self.looker).and_then(|opened| {
            let rule = self.rule_for_content(&opened, None)?;
            self.children(&opened, rule).map(|(children, rule)| (opened, children, rule))
        });
        let (opened, children, rule) = opened.map_err(ScanError::Root)?;
        self.descend(opened, children, rule)?;
        while let Some(level) = self.levels.last_mut() {
            match level.children.next() {
                Some(child) => self.visit(child)?,
                None => drop(self.levels.pop()),
            }
        }
        Ok(())
    }

    fn visit(&mut self, child: Child) -> Result<(), E> {
        self.stop.check().map_err(ScanError::from)?;
        let Some(level) = self.levels.last() else { return Ok(()) };
        let path = level.path.join(&child.name);
        let parent = level.identity.0;
        let is_dir = child.seen.as_ref().is_ok_and(|seen| seen.stat.is_dir());
        if let Some(rule) = self.filter.excludes(&path, is_dir) {
            return self.emit(Found::Excluded { path, rule });
        }
        let Some(dir) = self.dir() else {
            return self.emit(Found::Failed { path, error: LookError::Moved });
        };
        if is_dir {
            return self.visit_dir(dir.as_fd(), &child.name, path, parent);
        }
        let found = self.look(dir.as_fd(), child, path);
        self.emit(found)
    }

    /// Anything but a directory.
    fn look(&mut self, dir: BorrowedFd<'_>, child: Child, path: RelPath) -> Found {
        let seen = match child.seen {
            Ok(seen) => seen,
            Err(errno) => {
                return Found::Failed { path, error: LookError::from(errno, LookError::Stat) };
            }
        };
        let Some(kind) = seen.stat.kind() else {
            return Found::Excluded { path, rule: Rule::Socket };
        };
        match self.looker.entry(dir, &child.name, path.clone(), kind, seen) {
            Ok(entry) => Found::Entry(entry),
            Err(error) => Found::Failed { path, error },
        }
    }

    /// A directory becomes an entry only when its names could be read, too.
    fn visit_dir(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: RelPath,
        parent: u64,
    ) -> Result<(), E> {
        let opened = open_dir_at(dir, name)
            .map_err(|errno| LookError::from(errno, LookError::Directory))
            .and_then(|fd| Opened::new(fd, path.clone(), &mut self.looker))
            .and_then(|opened| {
                let rule = self.rule_for_content(&opened, Some(parent))?;
                self.children(&opened, rule).map(|(children, rule)| (opened, children, rule))
            });
        match opened {
            Ok((opened, children, rule)) => self.descend(opened, children, rule),
            Err(error) => self.emit(Found::Failed { path, error }),
        }
    }

    /// Tells of a directory and makes its children the next to be visited.
    fn descend(
        &mut self,
        opened: Opened,
        children: Vec<Child>,
        rule: Option<Rule>,
    ) -> Result<(), E> {
        let Opened { fd, stat, entry } = opened;
        let path = entry.path.clone();
        self.emit(match rule {
            None => Found::Entry(entry),
            Some(rule) => Found::Hollow { entry, rule },
        })?;
        if children.is_empty() {
            return Ok(());
        }
        self.levels.push(Level {
            path,
            identity: stat.identity(),
            handle: Handle::Open(Arc::new(fd)),
            children: children.into_iter(),
        });
        // The root stays open: all others can be reached from it.
        if let Some(level) = self.levels.len().checked_sub(OPEN_LEVELS + 1).filter(|at| *at > 0) {
            self.levels[level].handle = Handle::Closed;
        }
        Ok(())
    }

    /// Where a mount point leads, if the content behind it is not wanted.
    fn rule_for_content(
        &self,
        opened: &Opened,
        parent: Option<u64>,
    ) -> Result<Option<Rule>, LookError> {
        if parent.is_none_or(|dev| dev == opened.stat.print.dev) {
            return Ok(None);
        }
        let pseudo = pseudo::name_of(&opened.fd, opened.stat.dev)
            .map_err(|errno| LookError::from(errno, LookError::Stat))?;
        let other = || self.filter.one_file_system().then_some(Rule::OtherFileSystem);
        Ok(pseudo.map(Rule::Pseudo).or_else(other))
    }

    /// What to visit in a directory, and why it is not all.
    fn children(
        &self,
        opened: &Opened,
        rule: Option<Rule>,
    ) -> Result<(Vec<Child>, Option<Rule>), LookError> {
        if rule.is_some() {
            return Ok((Vec::new(), rule));
        }
        let mut names =
            read_names(&opened.fd).map_err(|errno| LookError::from(errno, LookError::Directory))?;
        let tag = self.tag(&opened.fd, &names);
        if let Some((tag, _)) = &tag {
            names.retain(|(_, name)| name == tag);
        }
        Ok((look_at_all(opened.fd.as_fd(), names), tag.map(|(_, rule)| rule)))
    }

    /// The name that says that only it is wanted of its directory.
    fn tag(&self, dir: &OwnedFd, names: &[(u64, Vec<u8>)]) -> Option<(Vec<u8>, Rule)> {
        let holds = |name: &[u8]| names.iter().any(|(_, found)| found == name);
        if self.filter.excludes_caches() && holds(CACHE_TAG) && is_cache_tag(dir) {
            return Some((CACHE_TAG.to_vec(), Rule::CacheTag));
        }
        let present = self.filter.present().iter().find(|name| holds(name))?;
        Some((present.clone(), Rule::Present(present.clone())))
    }

    fn emit(&mut self, found: Found) -> Result<(), E> {
        self.tally.count(&found);
        if self.tally.walked() % TELL_EVERY == 0 {
            self.monitor.progress(Progress { done: self.tally.walked(), written: None });
        }
        (self.sink)(found)
    }

    /// The directory whose children are being visited; `None` if it is not where it was.
    fn dir(&mut self) -> Option<Arc<OwnedFd>> {
        let deepest = self.levels.len().checked_sub(1)?;
        if matches!(self.levels[deepest].handle, Handle::Closed) {
            self.reopen(deepest);
        }
        match &self.levels[deepest].handle {
            Handle::Open(fd) => Some(fd.clone()),
            Handle::Closed | Handle::Lost => None,
        }
    }

    /// Opens the deepest levels again, on the way from the root, if they are who they were.
    fn reopen(&mut self, deepest: usize) {
        let Some(Handle::Open(root)) = self.levels.first().map(|level| &level.handle) else {
            return;
        };
        let mut fd = root.clone();
        for at in 1..=deepest {
            match step(&fd, &self.levels[at]) {
                Some(next) => fd = Arc::new(next),
                None => {
                    self.levels[deepest].handle = Handle::Lost;
                    return;
                }
            }
            if at + OPEN_LEVELS > deepest {
                self.levels[at].handle = Handle::Open(fd.clone());
            }
        }
    }
}

fn step(dir: &OwnedFd, level: &Level) -> Option<OwnedFd> {
    let name = level.path.components().next_back()?;
    let fd = open_dir_at(dir.as_fd(), name).ok()?;
    let same = Stat::of(&fd).is_ok_and(|stat| stat.identity() == level.identity);
    same.then_some(fd)
}

/// A directory that is open, and its entry. What is said of it comes from its descriptor: the name
/// may lead elsewhere by now, or the look at it mounted something.
struct Opened {
    fd: OwnedFd,
    stat: Stat,
    entry: Entry,
}

impl Opened {
    fn new(fd: OwnedFd, path: RelPath, looker: &mut Looker) -> Result<Opened, LookError> {
        let stat = Stat::of(&fd).map_err(|errno| LookError::from(errno, LookError::Stat))?;
        let entry = looker.dir(&fd, path, &stat)?;
        Ok(Opened { fd, stat, entry })
    }
}

/// All names in a directory but its own two, with their inodes' numbers.
fn read_names(dir: &OwnedFd) -> rustix::io::Result<Vec<(u64, Vec<u8>)>> {
    let mut buffer = vec![MaybeUninit::uninit(); NAMES_BUFFER];
    let mut reader = RawDir::new(dir, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = reader.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((entry.ino(), name.to_vec()));
        }
    }
    Ok(names)
}

/// Looks at all names in the order of their inodes, which is near to their order on a hard disk, on
/// several threads where there are many, and returns them in walk order.
fn look_at_all(dir: BorrowedFd<'_>, mut names: Vec<(u64, Vec<u8>)>) -> Vec<Child> {
    names.sort_unstable();
    let look = |reader: &mut XattrReader, (_, name): (u64, Vec<u8>)| Child {
        seen: Seen::at(dir, &name, reader),
        name,
    };
    let mut children: Vec<Child> = if names.len() < 2 * NAMES_A_THREAD {
        let mut reader = XattrReader::new();
        names.into_iter().map(|name| look(&mut reader, name)).collect()
    } else {
        let names = names.into_par_iter().with_min_len(NAMES_A_THREAD);
        names.map_init(XattrReader::new, look).collect()
    };
    children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    children
}

/// A tag without its signature is a file like others; so is one that cannot be read.
fn is_cache_tag(dir: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut start = [0; CACHE_SIGNATURE.len()];
    openat(dir, CACHE_TAG, flags, Mode::empty())
        .map(fs::File::from)
        .is_ok_and(|mut file| io::Read::read_exact(&mut file, &mut start).is_ok())
        && start == CACHE_SIGNATURE
}

#[cfg(test)]
mod tests;
