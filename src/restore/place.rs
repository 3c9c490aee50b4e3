//! Putting things in place below the target, and nowhere else.
//!
//! Directories are entered one component at a time and never through a symbolic link, so no listing
//! and nobody who writes into the target meanwhile can lead a write out of it. Everything is made
//! under a temporary name beside its place and renamed when it is whole: a restore that was killed
//! leaves no half file under a real name.

mod begun;
mod error;
mod in_work;
mod meta;
mod temporary;
mod unfinished;

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, linkat, mkdirat, mknodat, openat, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;

pub use self::error::{Complaint, PlaceError};
use self::in_work::IN_WORK;
use self::meta::TargetHandle;
pub use self::temporary::TempFile;
use self::temporary::Temporary;
use crate::model::path::shown;
use crate::model::{Kind, Meta, Mtime, RelPath};
use crate::port::beneath::{Beneath, BeneathError, MissingDirs, open_root};

/// What happens to what is in the target already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverwritePolicy {
    /// It stays.
    Never,
    /// It is replaced where kind, size or mtime differ.
    Changed,
    Always,
}

/// What stands in the target at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Existing {
    /// `None`: a socket.
    pub kind: Option<Kind>,
    /// 0 for all kinds but files.
    pub size: u64,
    pub mtime: Mtime,
}

/// What to do for one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceDecision {
    /// Nothing is in the way.
    Place,
    /// Something is, and gives way.
    Replace,
    /// What is there stays.
    Keep,
}

impl OverwritePolicy {
    /// Decides for one path from what is there and what is to come. A directory that is there
    /// already is always kept: its content is decided path by path.
    pub fn verdict(self, existing: Option<&Existing>, wanted: &Existing) -> PlaceDecision {
        let Some(existing) = existing else { return PlaceDecision::Place };
        let both_dirs = existing.kind == Some(Kind::Dir) && wanted.kind == Some(Kind::Dir);
        match self {
            _ if both_dirs => PlaceDecision::Keep,
            OverwritePolicy::Never => PlaceDecision::Keep,
            OverwritePolicy::Changed if existing == wanted => PlaceDecision::Keep,
            OverwritePolicy::Changed | OverwritePolicy::Always => PlaceDecision::Replace,
        }
    }
}

/// Whether a directory was made or was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirCreation {
    New,
    WasThere,
}

/// The directory that is restored into. Shared by threads.
#[derive(Debug)]
pub struct Target {
    dirs: Mutex<Beneath>,
    root: Arc<OwnedFd>,
    /// Owners are wanted, too. Else all belongs to who runs the restore.
    owners: bool,
}

impl Target {
    /// Opens the target and makes it, with those above it, if it is not there. The path is the
    /// user's own word: symbolic links in it are followed.
    pub fn open(dir: &Path, owners: bool) -> Result<Target, PlaceError> {
        let fault = |source| {
            let path = shown(dir.as_os_str().as_bytes());
            PlaceError::Target { path, source }
        };
        fs::create_dir_all(dir).map_err(fault)?;
        let beneath = Beneath::new(open_root(dir).map_err(|errno| fault(errno.into()))?);
        Ok(Target { root: beneath.root().clone(), dirs: Mutex::new(beneath), owners })
    }

    /// The same target for another thread, with its own directories open: threads at work in two
    /// directories would else close each other's.
    pub fn for_thread(&self) -> Target {
        let dirs = Mutex::new(Beneath::at(self.root.clone()));
        Target { dirs, root: self.root.clone(), owners: self.owners }
    }

    /// What stands at `path`, whatever it is; `None` also where a directory on the way is missing.
    pub fn existing(&self, path: &RelPath) -> Result<Option<Existing>, PlaceError> {
        match self.stat(path) {
            Ok(stat) => Ok(stat.as_ref().map(existing_of)),
            Err(PlaceError::Way { source: BeneathError::Open { source, .. }, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a directory, open to its owner only until [`Target::finish_dir`]; those above it that
    /// are missing, too. Anything else but a directory in its place is in the way, unless
    /// `replace` says that it may go.
    pub fn make_dir(&self, path: &RelPath, replace: bool) -> Result<DirCreation, PlaceError> {
        let Some((parent, name)) = path.split_last() else { return Ok(DirCreation::WasThere) };
        let dir = self.dir(path, &parent, MissingDirs::Make)?;
        let made = match mkdirat(&dir, name, IN_WORK) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) if is_dir(&dir, name) => return Ok(DirCreation::WasThere),
            Err(Errno::EXIST) if replace => {
                unlinkat(&dir, name, AtFlags::empty()).and_then(|()| mkdirat(&dir, name, IN_WORK))
            }
            Err(Errno::EXIST) => return Err(PlaceError::Exists { path: path.clone() }),
            Err(errno) => Err(errno),
        };
        made.map(|()| DirCreation::New)
            .map_err(|errno| PlaceError::new(path, "creating the directory", errno))
    }

    /// Gives a directory its metadata. Last of all: with its real mode nothing more may be made in
    /// it, and making something would change its mtime.
    pub fn finish_dir(&self, path: &RelPath, meta: &Meta) -> Result<Vec<Complaint>, PlaceError> {
        let dir = self.dir(path, path, MissingDirs::Fail)?;
        Ok(meta::apply(&TargetHandle::Open(dir.as_fd()), path, meta, Kind::Dir, self.owners))
    }

    /// Begins a file under a temporary name beside its place. Dropped, it leaves nothing behind.
    pub fn begin_file(&self, path: &RelPath) -> Result<TempFile, PlaceError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let (temporary, fd) = self.make(path, "creating the file", |dir, name| {
            openat(dir, name, flags | OFlags::CLOEXEC, mode)
        })?;
        // Whoever cleans up after a killed restore sees that this one lives. File systems without
        // locks have to do without.
        let _ = in_work::lock(&fd);
        Ok(TempFile { fd, temporary, path: path.clone(), owners: self.owners })
    }

    pub fn symlink(
        &self,
        path: &RelPath,
        target: &[u8],
        meta: &Meta,
        replace: bool,
    ) -> Result<Vec<Complaint>, PlaceError> {
        let (temporary, ()) = self
            .make(path, "creating the symbolic link", |dir, name| symlinkat(target, dir, name))?;
        self.finish_node(temporary, path, meta, Kind::Symlink, replace)
    }

    /// Another name of something of this kind that is in the target already.
    pub fn hardlink(
        &self,
        path: &RelPath,
        first: &RelPath,
        kind: Kind,
        replace: bool,
    ) -> Result<(), PlaceError> {
        let not_a_file = || PlaceError::NotAFile { path: path.clone(), first: first.clone() };
        let (parent, name) = first.split_last().ok_or_else(not_a_file)?;
        let from = self.dir(first, &parent, MissingDirs::Fail)?;
        let (temporary, ()) = self.make(path, "creating the hard link", |dir, temporary| {
            linkat(&from, name, dir, temporary, AtFlags::empty())
        })?;
        // Looked at after the link: in front of it, another could be put in place in between.
        let stat = temporary
            .stat()
            .map_err(|errno| PlaceError::new(path, "looking at the hard link", errno))?;
        // A directory has no second name.
        if kind == Kind::Dir || existing_of(&stat).kind != Some(kind) {
            return Err(not_a_file());
        }
        // Renaming one name of a file over another does nothing: it is done already.
        let done = |there: &Stat| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino);
        if replace && self.stat(path)?.as_ref().is_some_and(done) {
            return Ok(());
        }
        temporary.land(path, replace)
    }

    pub fn fifo(
        &self,
        path: &RelPath,
        meta: &Meta,
        replace: bool,
    ) -> Result<Vec<Complaint>, PlaceError> {
        let (temporary, ()) = self.make(path, "creating the FIFO", |dir, name| {
            mknodat(dir, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        })?;
        self.finish_node(temporary, path, meta, Kind::Fifo, replace)
    }

    /// A character or block device with the numbers in `meta`.
    pub fn device(
        &self,
        path: &RelPath,
        kind: Kind,
        meta: &Meta,
        replace: bool,
    ) -> Result<Vec<Complaint>, PlaceError> {
        let (major, minor) = meta.device.unwrap_or_default();
        let file_type = match kind {
            Kind::BlockDevice => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        let made = self.make(path, "creating the device", |dir, name| {
            let number = rustix::fs::makedev(major, minor);
            mknodat(dir, name, file_type, Mode::RUSR | Mode::WUSR, number)
        });
        let (temporary, ()) = made.map_err(|error| match error {
            PlaceError::Failed { path, source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                PlaceError::NeedsRoot { path }
            }
            error => error,
        })?;
        self.finish_node(temporary, path, meta, kind, replace)
    }

    /// Makes all that was written durable, whatever the program does next.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.root)?)
    }

    /// Gives a thing that cannot be opened its metadata and its name.
    fn finish_node(
        &self,
        temporary: Temporary,
        path: &RelPath,
        meta: &Meta,
        kind: Kind,
        replace: bool,
    ) -> Result<Vec<Complaint>, PlaceError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(temporary.dir(), temporary.name(), flags, Mode::empty())
            .map_err(|errno| PlaceError::new(path, "looking at what was made", errno))?;
        let complaints =
            meta::apply(&TargetHandle::Node(fd.as_fd()), path, meta, kind, self.owners);
        temporary.land(path, replace)?;
        Ok(complaints)
    }

    /// Makes something under a temporary name in the directory of `path`.
    fn make<T>(
        &self,
        path: &RelPath,
        doing: &'static str,
        make: impl Fn(&OwnedFd, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<(Temporary, T), PlaceError> {
        let Some((parent, _)) = path.split_last() else {
            return Err(PlaceError::DirInTheWay { path: path.clone() });
        };
        let dir = self.dir(path, &parent, MissingDirs::Make)?;
        Temporary::make(dir, make).map_err(|errno| PlaceError::new(path, doing, errno))
    }

    fn stat(&self, path: &RelPath) -> Result<Option<Stat>, PlaceError> {
        let Some((parent, name)) = path.split_last() else {
            return rustix::fs::fstat(&self.root)
                .map(Some)
                .map_err(|errno| PlaceError::new(path, "looking at it", errno));
        };
        let dir = self.dir(path, &parent, MissingDirs::Fail)?;
        match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(PlaceError::new(path, "looking at it", errno)),
        }
    }

    fn dir(
        &self,
        path: &RelPath,
        dir: &RelPath,
        missing: MissingDirs,
    ) -> Result<Arc<OwnedFd>, PlaceError> {
        self.cache().dir(dir, missing).map_err(|source| PlaceError::way(path, source))
    }

    /// A thread that panicked leaves the cache whole: it is changed by single pushes.
    fn cache(&self) -> MutexGuard<'_, Beneath> {
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_dir(dir: &OwnedFd, name: &[u8]) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// The widths of `stat`'s fields differ between machines; their values fit ours on all.
#[allow(clippy::unnecessary_cast)]
fn existing_of(stat: &Stat) -> Existing {
    let kind = Kind::from_mode(stat.st_mode as u32);
    Existing {
        kind,
        size: if kind == Some(Kind::File) { stat.st_size as u64 } else { 0 },
        mtime: Mtime { sec: stat.st_mtime as i64, nsec: stat.st_mtime_nsec as u32 },
    }
}

#[cfg(test)]
mod tests;
