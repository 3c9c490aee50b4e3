//! Files of our own: written under a temporary name, made durable, and renamed into place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use rustix::fs::{CWD, Mode, OFlags};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::model::Digest;
use crate::model::path::shown;

use super::held_dir::open_unlinked;
use super::trust::user_name;

/// Writes a whole file so that a reader sees the old content or the new, never a piece,
/// and a power cut afterwards does not lose it. Mode is for a file that did not exist.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let temporary = beside(path);
    // A killed run may have left one, or somebody else put one there: it is replaced, never reused.
    unless_missing(fs::remove_file(&temporary))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename_durably(&temporary, path)
}

/// Renames a file that is already durable, and makes the new name durable, too.
pub fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_dir(to.parent().unwrap_or(Path::new("/")))
}

/// Makes names made or removed in a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

/// The temporary name that belongs to `path`, in the same directory.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// What was to be removed, or moved away, and is not there, is as good as gone.
pub fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The directory that a path is in.
pub fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a file of our own, or makes it for its owner alone. It is at this very name: a symbolic link
/// there is refused, so that nobody leads us to another file.
pub fn open_own(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let opened = open_unlinked(options.clone().mode(0o600), path);
    opened.map_err(|error| match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            let shown = shown(path.as_os_str().as_bytes());
            let words = format!("{shown} is a symbolic link, which is not followed; remove it");
            io::Error::new(io::ErrorKind::InvalidInput, words)
        }
        _ => error,
    })
}

/// Opens, for reading, a file that coldcut or a program that it started wrote before. Another user's
/// file is refused, even if a link or a rename put it at this name: the right to read every file,
/// which the nightly backup has, is for the source alone.
pub fn open_own_to_read(path: &Path) -> io::Result<File> {
    let file = open_own(OpenOptions::new().read(true), path)?;
    let found = file.metadata()?;
    let refused = |why: &str| {
        let shown = shown(path.as_os_str().as_bytes());
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{shown} {why}")))
    };
    match found.uid() {
        _ if !found.is_file() => refused("is not a regular file"),
        owner if owner != rustix::process::geteuid().as_raw() => {
            refused(&format!("belongs to {}; files of other users are not read", user_name(owner)))
        }
        _ => Ok(file),
    }
}

/// The content of such a file.
pub fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_own_to_read(path)?.read_to_end(&mut content)?;
    Ok(content)
}

/// The same of a text.
pub fn read_own_text(path: &Path) -> io::Result<String> {
    io::read_to_string(open_own_to_read(path)?)
}

/// A file of our own, empty, to be written.
pub fn create_own(path: &Path) -> io::Result<File> {
    open_own(OpenOptions::new().write(true).create(true).truncate(true), path)
}

/// Opens what somebody else may have put there; `None` if it is no regular file. A FIFO or a device
/// would hold up whoever opens it, or reads it, for as long as it likes.
pub fn open_regular(path: &Path) -> io::Result<Option<File>> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        // A socket, or a device that is not there (open(2)).
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV)) => {
            match fs::metadata(path)?.is_file() {
                true => Err(error),
                false => Ok(None),
            }
        }
        Err(error) => Err(error),
    }
}

/// How long a content is, and its hash.
pub fn digest(mut from: impl Read) -> io::Result<(u64, Digest)> {
    let (mut hasher, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok((size, Digest(hasher.finalize().into()))),
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

/// Says that a scratch file is in use, for as long as it is open.
pub fn hold(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?)
}

/// How the names of nameless files end, as long as they have one.
pub const SPOOL_END: &str = ".spool";

/// A file without a name. Where the file system knows no such files, the name is removed at once; a
/// power cut may bring it back, and the next backup removes it.
pub fn unnamed_file(dir: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(File::from(fd)),
        Err(_) => removed_file(dir),
    }
}

fn removed_file(dir: &Path) -> io::Result<File> {
    let path = dir.join(scratch_name(SPOOL_END));
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    // Another process that clears the directory may have been faster.
    unless_missing(fs::remove_file(&path))?;
    Ok(file)
}

/// A name for a scratch file of this process, which [`remove_abandoned`] leaves alone as long as the
/// process lives.
pub fn scratch_name(end: &str) -> String {
    format!("{}-{}{end}", std::process::id(), Uuid::new_v4())
}

fn is_of_living_process(path: &Path) -> bool {
    let pid = path.file_name().and_then(|name| name.to_str()?.split_once('-')?.0.parse().ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw);
    // Another user's process cannot be asked, and so it lives.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Removes the scratch files of a directory that end so and that nobody holds: a process that was
/// killed left them.
pub fn remove_abandoned(dir: &Path, end: &str) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_meant = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(end));
        if is_meant
            && !is_of_living_process(&path)
            && open_own_to_read(&path).and_then(|file| hold(&file)).is_ok()
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Makes a directory, with those above it, that only its owner can enter, and makes their names
/// durable: a file in a directory that a power cut takes is lost, however well it was synced. What is
/// there already is left as it is.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    for dir in missing.into_iter().rev().filter(|dir| dir.file_name().is_some()) {
        make_one_private_dir(dir).map_err(|error| name_owner(dir, error))?;
    }
    Ok(())
}

/// Another coldcut of this user may make it at the same moment. Whoever else does so waits for what
/// we put there.
fn make_one_private_dir(dir: &Path) -> io::Result<()> {
    let me = rustix::process::geteuid().as_raw();
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match fs::symlink_metadata(dir) {
                Ok(found) if found.is_dir() && found.uid() == me => Ok(()),
                _ => Err(error),
            }
        }
        made => made.and_then(|()| sync_dir(dir_of(dir))),
    }
}

/// A directory under a name that nobody could know before, which only its owner can enter
/// (mkdtemp(3)). It goes, with what is in it, when this value does.
#[derive(Debug)]
pub struct PrivateDir(PathBuf);

impl PrivateDir {
    pub fn new_in(dir: &Path) -> io::Result<PrivateDir> {
        Ok(PrivateDir(nix::unistd::mkdtemp(&dir.join("coldcut-XXXXXX"))?))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // What cannot be removed is closed to others; nobody is left to be told.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A refusal, with the owner of the file or directory that refuses: often root, who made it with sudo.
/// If it is in a directory of one's own, with the way to get it back.
pub fn name_owner(path: &Path, error: io::Error) -> io::Error {
    let place = path.ancestors().find(|path| path.exists());
    let owner = place.and_then(|place| Some((place, fs::metadata(place).ok()?.uid())));
    match (error.kind(), owner) {
        (kind @ io::ErrorKind::PermissionDenied, Some((place, user)))
            if user != rustix::process::geteuid().as_raw() =>
        {
            let name = user_name(user);
            let shown = shown(place.as_os_str().as_bytes());
            let words = format!("{error}; {shown} belongs to {name}{}", way_back(place));
            io::Error::new(kind, words)
        }
        _ => error,
    }
}

/// What `/` or `/var` is nobody should take.
fn way_back(place: &Path) -> String {
    let me = rustix::process::geteuid().as_raw();
    let above = place.parent().and_then(|above| fs::metadata(above).ok());
    if above.is_none_or(|above| above.uid() != me) {
        return String::new();
    }
    let name = nix::unistd::User::from_uid(me.into()).ok().flatten();
    let name = name.map_or_else(|| me.to_string(), |user| user.name);
    format!("; `sudo chown -R {name} {}` makes it yours", shown(place.as_os_str().as_bytes()))
}

/// Bytes that an unprivileged user can still write to the file system of `path`
/// (or of its nearest existing ancestor).
pub fn free_space(path: &Path) -> io::Result<u64> {
    let existing = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let stat = rustix::fs::statvfs(existing)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether the file system of `path` has no block or no inode left.
pub fn is_full(path: &Path) -> bool {
    let existing = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    // Where files are not counted, both numbers are zero.
    rustix::fs::statvfs(existing)
        .is_ok_and(|stat| stat.f_bavail == 0 || stat.f_files > 0 && stat.f_favail == 0)
}

/// Whether this error, or one that it came from, is that a file system or a quota is used up.
pub fn is_for_want_of_room(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let kind = error.downcast_ref().map(io::Error::kind);
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    })
}

/// Pages that were written out are dropped, so that the next read goes to the medium.
/// It is advice: a system that does not take it reads what it has.
pub fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_and_stays_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write_atomic(&path, b"one", 0o600).unwrap();
        write_atomic(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_fallback_leaves_no_name_either() {
        let dir = tempfile::tempdir().unwrap();
        let file = removed_file(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_was_abandoned_is_removed_and_what_is_held_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, others) = (scratch_name(".sqlite"), "999999999-x.sqlite");
        for name in ["left.sqlite", "held.sqlite", "other", &ours, others] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let held = File::open(dir.path().join("held.sqlite")).unwrap();
        hold(&held).unwrap();
        remove_abandoned(dir.path(), ".sqlite").unwrap();
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [ours.as_str(), "held.sqlite", "other"]);
    }

    #[test]
    fn space_is_asked_of_the_nearest_directory_that_exists() {
        assert!(free_space(Path::new("/tmp/does/not/exist/yet")).unwrap() > 0);
    }

    #[test]
    fn a_temporary_directory_is_closed_to_others_and_goes_with_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let made =
            [PrivateDir::new_in(dir.path()).unwrap(), PrivateDir::new_in(dir.path()).unwrap()];
        assert_ne!(made[0].path(), made[1].path());
        for private in &made {
            assert_eq!(fs::metadata(private.path()).unwrap().mode() & 0o777, 0o700);
            fs::write(private.path().join("catalog"), "x").unwrap();
        }
        drop(made);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_is_never_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("x"), dir.path().join("other"));
        let content = |path: &Path| fs::read_to_string(path).unwrap();
        fs::write(&other, "another's").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let refused = create_own(&path).unwrap_err();
        let words = format!("{} is a symbolic link", path.display());
        assert!(refused.to_string().contains(&words), "{refused}");
        // One that is planted under the temporary name, as a link of either kind.
        let temporary = dir.path().join("x.new");
        for is_symbolic in [false, true] {
            fs::remove_file(&path).unwrap();
            match is_symbolic {
                false => fs::hard_link(&other, &temporary).unwrap(),
                true => std::os::unix::fs::symlink(&other, &temporary).unwrap(),
            }
            write_atomic(&path, b"ours", 0o600).unwrap();
            assert_eq!([content(&path), content(&other)], ["ours", "another's"]);
        }
    }

    /// Needs root, who alone can give files away.
    #[test]
    fn what_is_read_as_our_own_is_a_file_of_ours_at_that_very_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("ours"), "ours").unwrap();
        assert_eq!(read_own(&at("ours")).unwrap(), b"ours");
        assert_eq!(read_own_text(&at("ours")).unwrap(), "ours");
        assert_eq!(read_own(&at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir_all(at("another/in")).unwrap();
        fs::write(at("another/in/file"), "another's").unwrap();
        std::os::unix::fs::chown(at("another/in/file"), Some(7), Some(7)).unwrap();
        std::os::unix::fs::symlink(at("ours"), at("link")).unwrap();
        // Past a link among its directories, or by a name of its own.
        std::os::unix::fs::symlink(at("another"), at("way")).unwrap();
        fs::hard_link(at("another/in/file"), at("hard")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for (name, why) in [
            ("link", "symbolic link"),
            ("way/in/file", "belongs to"),
            ("hard", "belongs to"),
            ("fifo", "not a regular file"),
            ("another", "not a regular file"),
        ] {
            let refused = read_own(&at(name)).unwrap_err().to_string();
            assert!(refused.contains(why) && refused.contains(name), "{name}: {refused}");
        }
    }

    #[test]
    fn directories_that_are_made_are_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777;
        fs::create_dir(dir.path().join("a")).unwrap();
        let before = mode("a");
        make_private_dir(&dir.path().join("a/b/c")).unwrap();
        assert_eq!([mode("a"), mode("a/b"), mode("a/b/c")], [before, 0o700, 0o700]);
        make_private_dir(&dir.path().join("a/b/../d")).unwrap();
        assert_eq!(mode("a/d"), 0o700);
        // A link that leads nowhere yet: whose place is made by it?
        std::os::unix::fs::symlink("elsewhere", dir.path().join("link")).unwrap();
        let refused = make_private_dir(&dir.path().join("link/e"));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!dir.path().join("elsewhere").exists());
    }
}
