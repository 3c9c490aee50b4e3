//! A directory that may belong to somebody else, held open: what is made, renamed and removed in it
//! goes by its descriptor, so that nobody who can write to it leads us to a file outside of it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::libc;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, fstat, linkat, mkdirat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::beneath::proc_path;

/// What is opened in it is itself no link, and does not hold us up (a FIFO would).
const PLAIN: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const DIRECTORY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory, and the path by which it was reached.
#[derive(Debug)]
pub struct HeldDir {
    path: PathBuf,
    fd: OwnedFd,
}

impl HeldDir {
    /// `path` leads past all symbolic links (`canonicalize`): one that is in it now was put there
    /// since, and is refused.
    pub fn open(path: &Path) -> io::Result<HeldDir> {
        let begin = if path.is_absolute() { "/" } else { "." };
        let mut fd = openat(rustix::fs::CWD, begin, DIRECTORY, Mode::empty())?;
        let mut so_far = PathBuf::from(begin);
        for component in path.components() {
            if let Component::Normal(_) | Component::ParentDir = component {
                so_far.push(component);
                let name = component.as_os_str();
                let next = openat(&fd, name, DIRECTORY, Mode::empty());
                fd = next.map_err(|errno| explain(&fd, name, &so_far, errno))?;
            }
        }
        Ok(HeldDir { path: path.to_owned(), fd })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory as a file that can be locked, listed and made durable.
    pub fn file(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.fd, ".", flags, Mode::empty())?.into())
    }

    /// Makes names that were made, changed or removed in it durable.
    pub fn sync(&self) -> io::Result<()> {
        self.file()?.sync_all()
    }

    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(self.file()?)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes a directory, whose name is durable when this returns.
    pub fn make_dir(&self, name: &OsStr) -> io::Result<()> {
        mkdirat(&self.fd, name, Mode::from_raw_mode(0o777))?;
        self.sync()
    }

    /// Makes a directory in this one and holds it: whoever can write to this one may move it, and put
    /// another under its name.
    pub fn make_held(&self, name: &OsStr) -> io::Result<HeldDir> {
        self.make_dir(name)?;
        let fd = openat(&self.fd, name, DIRECTORY, Mode::empty())?;
        match fstat(&fd)?.st_uid == rustix::process::geteuid().as_raw() {
            true => Ok(HeldDir { path: self.path.join(name), fd }),
            false => Err(io::Error::other("another directory was put in its place")),
        }
    }

    /// A path that leads here wherever the directory is moved, as long as it is held; for this process
    /// alone.
    pub fn held_path(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(proc_path(self.fd.as_fd())))
    }

    /// Removes a directory that is empty.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// A new file to be read and written; an error if anything has the name, a link that leads nowhere
    /// included.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | PLAIN;
        Ok(openat(&self.fd, name, flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// A file to be read; `None` if it is something else than a file. A link is an error
    /// ([`is_link`]).
    pub fn open_regular(&self, name: &OsStr) -> io::Result<Option<File>> {
        let file = File::from(openat(&self.fd, name, OFlags::RDONLY | PLAIN, Mode::empty())?);
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// Whether anything has this name, a link that leads nowhere included.
    pub fn has(&self, name: &OsStr) -> io::Result<bool> {
        Ok(self.stat(name)?.is_some())
    }

    pub fn has_link(&self, name: &OsStr) -> io::Result<bool> {
        Ok(self.stat(name)?.is_some_and(|found| kind(&found).is_symlink()))
    }

    /// Whether the name is this very file's.
    pub fn is_name_of(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        let wanted = fstat(file)?;
        let is_it = |found: Stat| (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino);
        Ok(self.stat(name)?.is_some_and(is_it))
    }

    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Renames within the directory, over whatever has the new name.
    pub fn rename_over(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Renames within the directory; [`io::ErrorKind::AlreadyExists`] if anything has the new name.
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            // A file system, or a kernel, without this kind of renaming (renameat2(2)).
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.rename_by_link(from, to),
            done => Ok(done?),
        }
    }

    /// The same in two steps: the file has both names in between.
    fn rename_by_link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match linkat(&self.fd, from, &self.fd, to, AtFlags::empty()) {
            Ok(()) => self.remove(from),
            Err(Errno::EXIST) => Err(Errno::EXIST.into()),
            // Without links, too (FAT), or not for us.
            Err(_) => self.rename_after_a_look(from, to),
        }
    }

    /// What somebody else puts there in between is lost. It was no file of ours: ours are under names
    /// that nobody else takes while the directory is locked.
    fn rename_after_a_look(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match self.has(to)? {
            true => Err(Errno::EXIST.into()),
            false => self.rename_over(from, to),
        }
    }

    /// Where a link in this directory leads, if whoever runs us made it.
    pub fn own_link(&self, name: &OsStr) -> io::Result<Option<PathBuf>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let link = match openat(&self.fd, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened?,
        };
        let found = fstat(&link)?;
        if !kind(&found).is_symlink() || found.st_uid != rustix::process::geteuid().as_raw() {
            return Ok(None);
        }
        let to = rustix::fs::readlinkat(&link, "", Vec::new())?;
        fs::canonicalize(self.path.join(OsStr::from_bytes(to.to_bytes()))).map(Some)
    }

    fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            found => Ok(Some(found?)),
        }
    }
}

/// Opens what is under this name itself: a link is an error ([`is_link`]), wherever it leads, and a
/// FIFO holds nobody up.
pub fn open_unlinked(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    options.clone().custom_flags(flags).open(path)
}

/// A text of `limit` bytes at most, in a regular file that is under this name itself.
pub fn read_unlinked(path: &Path, limit: u64) -> io::Result<String> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let file = open_unlinked(OpenOptions::new().read(true), path)?;
    if !file.metadata()?.is_file() {
        return Err(refused("this is not a regular file"));
    }
    let mut text = String::new();
    match file.take(limit + 1).read_to_string(&mut text)? as u64 > limit {
        true => Err(refused("the file is too long")),
        false => Ok(text),
    }
}

/// Whether a file was not opened because its name is that of a symbolic link.
pub fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

/// The kernel says `ENOTDIR` for a link and a file alike; people want to know which.
fn explain(dir: &OwnedFd, name: &OsStr, path: &Path, errno: Errno) -> io::Error {
    let found = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    match found.is_ok_and(|found| kind(&found).is_symlink()) {
        true => {
            let words = format!("{} is a symbolic link, and is not followed", path.display());
            io::Error::new(io::ErrorKind::NotADirectory, words)
        }
        false => errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A directory, held, and a file outside of it.
    fn bench() -> (tempfile::TempDir, HeldDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().canonicalize().unwrap().join("dir");
        fs::create_dir(&dir).unwrap();
        fs::write(temp.path().join("outside"), "outside").unwrap();
        (temp, HeldDir::open(&dir).unwrap())
    }

    fn name(name: &str) -> &OsStr {
        OsStr::new(name)
    }

    #[test]
    fn a_directory_is_not_reached_through_a_link() {
        let (temp, dir) = bench();
        let root = dir.path().parent().unwrap();
        symlink("dir", temp.path().join("link")).unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        HeldDir::open(&root.join("dir/below")).unwrap();
        for path in ["link", "link/below", "outside", "none"] {
            let error = HeldDir::open(&root.join(path)).unwrap_err();
            let is_named = error.to_string().contains("link is a symbolic link");
            assert_eq!(is_named, path.starts_with("link"), "{path}: {error}");
        }
    }

    #[test]
    fn the_directory_stays_the_same_when_its_path_leads_elsewhere() {
        let (temp, dir) = bench();
        fs::rename(dir.path(), temp.path().join("moved")).unwrap();
        symlink(temp.path(), dir.path()).unwrap();
        dir.create(name("file")).unwrap();
        assert_eq!(dir.names().unwrap(), ["file"]);
        assert!(temp.path().join("moved/file").is_file());
        assert!(!temp.path().join("file").exists());
    }

    #[test]
    fn a_new_file_takes_no_name_that_is_taken_and_no_link_is_opened() {
        let (temp, dir) = bench();
        symlink("../outside", dir.path().join("link")).unwrap();
        symlink("../none", dir.path().join("dangling")).unwrap();
        fs::write(dir.path().join("file"), "file").unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        for taken in ["link", "dangling", "file", "below"] {
            let error = dir.create(name(taken)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
            assert!(dir.has(name(taken)).unwrap());
        }
        for link in ["link", "dangling"] {
            assert!(is_link(&dir.open_regular(name(link)).unwrap_err()));
            assert!(is_link(&read_unlinked(&dir.path().join(link), 9).unwrap_err()));
            assert!(dir.has_link(name(link)).unwrap());
        }
        assert!(dir.open_regular(name("below")).unwrap().is_none());
        assert!(dir.open_regular(name("file")).unwrap().is_some());
        assert_eq!(read_unlinked(&dir.path().join("file"), 4).unwrap(), "file");
        read_unlinked(&dir.path().join("file"), 3).unwrap_err();
        read_unlinked(&dir.path().join("below"), 9).unwrap_err();
        assert_eq!(fs::read(temp.path().join("outside")).unwrap(), b"outside");
        assert!(!temp.path().join("none").exists());
    }

    #[test]
    fn another_file_under_the_name_is_noticed() {
        let (_temp, dir) = bench();
        let file = dir.create(name("file")).unwrap();
        assert!(dir.is_name_of(name("file"), &file).unwrap());
        dir.rename_over(name("file"), name("moved")).unwrap();
        assert!(!dir.is_name_of(name("file"), &file).unwrap());
        symlink("moved", dir.path().join("file")).unwrap();
        assert!(!dir.is_name_of(name("file"), &file).unwrap());
        assert!(dir.is_name_of(name("moved"), &file).unwrap());
    }

    #[test]
    fn a_directory_that_is_held_is_reached_where_it_was_moved() {
        let (temp, dir) = bench();
        let made = dir.make_held(name("made")).unwrap();
        fs::rename(dir.path().join("made"), temp.path().join("moved")).unwrap();
        symlink("..", dir.path().join("made")).unwrap();
        fs::write(made.held_path().join("file"), "").unwrap();
        assert!(temp.path().join("moved/file").is_file());
        let taken = dir.make_held(name("made")).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        dir.make_held(name("empty")).unwrap();
        dir.remove_dir(name("empty")).unwrap();
        assert_eq!(dir.names().unwrap(), ["made"]);
    }

    /// With what each file system has.
    #[test]
    fn a_file_never_takes_the_name_of_another() {
        type Rename = fn(&HeldDir, &OsStr, &OsStr) -> io::Result<()>;
        let ways: [Rename; 3] =
            [HeldDir::rename_new, HeldDir::rename_by_link, HeldDir::rename_after_a_look];
        for rename in ways {
            let (temp, dir) = bench();
            for (file, content) in [("new", "new"), ("old", "old")] {
                fs::write(dir.path().join(file), content).unwrap();
            }
            symlink("../outside", dir.path().join("link")).unwrap();
            symlink("../none", dir.path().join("dangling")).unwrap();
            for taken in ["old", "link", "dangling"] {
                let error = rename(&dir, name("new"), name(taken)).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
            }
            rename(&dir, name("new"), name("free")).unwrap();
            assert_eq!(dir.names().unwrap(), ["dangling", "free", "link", "old"]);
            assert_eq!(fs::read(dir.path().join("free")).unwrap(), b"new");
            assert_eq!(fs::read(dir.path().join("old")).unwrap(), b"old");
            assert_eq!(fs::read(temp.path().join("outside")).unwrap(), b"outside");
        }
    }

    /// Needs root.
    #[test]
    fn a_link_counts_if_it_is_ones_own() {
        let (temp, dir) = bench();
        let link = dir.path().join("link");
        symlink("..", &link).unwrap();
        let above = temp.path().canonicalize().unwrap();
        assert_eq!(dir.own_link(name("link")).unwrap(), Some(above));
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        assert_eq!(dir.own_link(name("link")).unwrap(), None);
        assert_eq!(dir.own_link(name("none")).unwrap(), None);
        dir.make_dir(name("below")).unwrap();
        assert_eq!(dir.own_link(name("below")).unwrap(), None);
    }
}
