//! Directories below a root, opened component by component and never through a symbolic link.
//!
//! The walk, the reader of sources and the restorer all stand on this: no path can lead outside of
//! its root, and no path is too long, because the kernel only ever sees one component.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;

use crate::model::RelPath;

/// So many levels of the last path stay open: neighbours in walk order share most of theirs.
const KEPT_LEVELS: usize = 32;

/// How a directory below the root could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum BeneathError {
    #[error("{0} is a symbolic link where a directory is needed; it is never followed")]
    Symlink(RelPath),
    #[error("{0} is not a directory, but a path inside it is needed")]
    NotDirectory(RelPath),
    #[error("the directory {path} cannot be opened")]
    Open { path: RelPath, source: io::Error },
    #[error("the directory {path} cannot be created")]
    Make { path: RelPath, source: io::Error },
}

/// What to do about directories that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingDirs {
    Fail,
    /// Make them, open to their owner only.
    Make,
}

/// Opens one directory in another. A symbolic link is refused, whoever put it there and when.
pub fn open_dir_at(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Opens the directory at which all begins. This path is the user's own word: links are followed.
pub fn open_root(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(rustix::fs::CWD, path, flags, Mode::empty())
}

/// A name for an open file that calls without an `at` form accept (`proc_pid_fd(5)`).
pub fn proc_path(fd: BorrowedFd<'_>) -> Vec<u8> {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes()
}

/// The same for something inside an open directory; never longer than a name and a few bytes.
pub fn proc_path_in(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = proc_path(dir);
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// A root and the directories below it that were used last.
#[derive(Debug)]
pub struct Beneath {
    root: Arc<OwnedFd>,
    /// The first levels of the last path, in order.
    kept: Vec<(Vec<u8>, Arc<OwnedFd>)>,
    /// The last path itself, however deep.
    last: Option<(RelPath, Arc<OwnedFd>)>,
}

impl Beneath {
    pub fn new(root: OwnedFd) -> Beneath {
        Beneath::at(Arc::new(root))
    }

    /// The same root as another's.
    pub fn at(root: Arc<OwnedFd>) -> Beneath {
        Beneath { root, kept: Vec::new(), last: None }
    }

    pub fn root(&self) -> &Arc<OwnedFd> {
        &self.root
    }

    /// Opens `path`, from the nearest level that is still open.
    pub fn dir(
        &mut self,
        path: &RelPath,
        missing: MissingDirs,
    ) -> Result<Arc<OwnedFd>, BeneathError> {
        if let Some((_, fd)) = self.last.as_ref().filter(|(last, _)| last == path) {
            return Ok(fd.clone());
        }
        let names: Vec<&[u8]> = path.components().collect();
        let (mut at, mut fd) = self.nearest(path, &names);
        while at < names.len() {
            fd = Arc::new(step(fd.as_fd(), names[at], missing).map_err(|how| {
                let here = names[..=at].iter().fold(RelPath::root(), |path, name| path.join(name));
                how.at(here)
            })?);
            if self.kept.len() == at && at < KEPT_LEVELS {
                self.kept.push((names[at].to_vec(), fd.clone()));
            }
            at += 1;
        }
        self.last = Some((path.clone(), fd.clone()));
        Ok(fd)
    }

    /// How many components of the path are open already, and the last of them.
    fn nearest(&mut self, path: &RelPath, names: &[&[u8]]) -> (usize, Arc<OwnedFd>) {
        if let Some((parent, (last, fd))) = path.parent().zip(self.last.as_ref()) {
            if *last == parent && names.len() > KEPT_LEVELS {
                return (names.len() - 1, fd.clone());
            }
        }
        let shared = self.kept.iter().zip(names).take_while(|(k, name)| k.0 == **name).count();
        self.kept.truncate(shared);
        (shared, self.kept.last().map_or(&self.root, |(_, fd)| fd).clone())
    }
}

/// Why one step down failed, before it is known how to call the place.
enum StepFailure {
    Symlink,
    NotDirectory,
    Open(Errno),
    Make(Errno),
}

impl StepFailure {
    fn at(self, path: RelPath) -> BeneathError {
        match self {
            StepFailure::Symlink => BeneathError::Symlink(path),
            StepFailure::NotDirectory => BeneathError::NotDirectory(path),
            StepFailure::Open(errno) => BeneathError::Open { path, source: errno.into() },
            StepFailure::Make(errno) => BeneathError::Make { path, source: errno.into() },
        }
    }
}

fn step(dir: BorrowedFd<'_>, name: &[u8], missing: MissingDirs) -> Result<OwnedFd, StepFailure> {
    match open_dir_at(dir, name) {
        Err(Errno::NOENT) if missing == MissingDirs::Make => {
            match mkdirat(dir, name, Mode::RWXU) {
                // Somebody else made it first: it is opened, not trusted.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(StepFailure::Make(errno)),
            }
            open_dir_at(dir, name).map_err(|errno| explain(dir, name, errno))
        }
        other => other.map_err(|errno| explain(dir, name, errno)),
    }
}

/// The kernel says `ENOTDIR` for a link and a file alike; people want to know which.
fn explain(dir: BorrowedFd<'_>, name: &[u8], errno: Errno) -> StepFailure {
    if errno != Errno::NOTDIR && errno != Errno::LOOP {
        return StepFailure::Open(errno);
    }
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_symlink() => StepFailure::Symlink,
        _ => StepFailure::NotDirectory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn inode(fd: &OwnedFd) -> u64 {
        rustix::fs::fstat(fd).unwrap().st_ino
    }

    #[test]
    fn neighbours_cousins_and_ancestors_are_all_found() {
        use std::os::unix::fs::MetadataExt;
        let temp = tempfile::tempdir().unwrap();
        for dir in ["a/b/c", "a/b/d", "a/e", "f"] {
            fs::create_dir_all(temp.path().join(dir)).unwrap();
        }
        let mut beneath = Beneath::new(open_root(temp.path()).unwrap());
        for dir in ["a/b/c", "a/b/d", "a", "a/e", ".", "f", "a/b/c", "a/b"] {
            let fd = beneath.dir(&path(dir), MissingDirs::Fail).unwrap();
            assert_eq!(inode(&fd), temp.path().join(dir).metadata().unwrap().ino(), "{dir}");
        }
    }

    #[test]
    fn deep_paths_are_made_and_found_again_with_few_descriptors() {
        let temp = tempfile::tempdir().unwrap();
        let mut beneath = Beneath::new(open_root(temp.path()).unwrap());
        let deep = (0..10 * KEPT_LEVELS).fold(RelPath::root(), |path, _| path.join(b"ddd"));
        let made = inode(&beneath.dir(&deep, MissingDirs::Make).unwrap());
        let below = deep.join(b"x");
        beneath.dir(&below, MissingDirs::Make).unwrap();
        assert_eq!(beneath.kept.len(), KEPT_LEVELS);
        let mut again = Beneath::new(open_root(temp.path()).unwrap());
        assert_eq!(inode(&again.dir(&deep, MissingDirs::Fail).unwrap()), made);
    }

    #[test]
    fn a_link_and_a_file_on_the_way_are_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("real")).unwrap();
        symlink("real", temp.path().join("link")).unwrap();
        fs::write(temp.path().join("file"), b"").unwrap();
        let mut beneath = Beneath::new(open_root(temp.path()).unwrap());
        for missing in [MissingDirs::Fail, MissingDirs::Make] {
            let through = |beneath: &mut Beneath, to| beneath.dir(&path(to), missing).unwrap_err();
            let error = through(&mut beneath, "link/x");
            assert!(matches!(error, BeneathError::Symlink(at) if at == path("link")));
            let error = through(&mut beneath, "file/x");
            assert!(matches!(error, BeneathError::NotDirectory(at) if at == path("file")));
        }
        let error = beneath.dir(&path("real/none"), MissingDirs::Fail).unwrap_err();
        assert!(matches!(error, BeneathError::Open { path: at, .. } if at == path("real/none")));
    }
}
