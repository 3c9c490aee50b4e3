//! What the file system says of one path, as an [`Entry`]. The walk looks at all of them, the reader
//! again at the few that changed meanwhile.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Statx, StatxFlags, StatxTimestamp, readlinkat, statx};
use rustix::io::Errno;

use super::owners::OwnerNames;
use super::xattrs::XattrReader;
use crate::model::entry::Fingerprint;
use crate::model::{Entry, Kind, Meta, Mtime, RelPath, Xattr};
use crate::port::stop::Stopped;

/// Why one path could not be looked at. The walk goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error("it vanished while the source was scanned")]
    Vanished,
    #[error("its metadata cannot be read")]
    Stat(#[source] io::Error),
    #[error("its extended attributes cannot be read")]
    Xattrs(#[source] io::Error),
    #[error("the target of the symbolic link cannot be read")]
    Link(#[source] io::Error),
    #[error("the directory cannot be read")]
    Directory(#[source] io::Error),
    #[error("the directory that it is in was moved while it was scanned")]
    Moved,
    /// The walk ends with this, and tells nobody of the path.
    #[error(transparent)]
    Stopped(Stopped),
}

impl LookError {
    /// What is gone is gone, whatever was asked of it.
    pub(super) fn from(errno: Errno, otherwise: fn(io::Error) -> LookError) -> LookError {
        match errno {
            Errno::NOENT => LookError::Vanished,
            errno => otherwise(errno.into()),
        }
    }
}

/// The part of `statx` that is used: a quarter of its size, for directories with many names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: Mtime,
    pub print: Fingerprint,
    /// (major, minor) of the file system, and of the device that the entry is.
    pub dev: (u32, u32),
    pub rdev: (u32, u32),
}

impl Stat {
    /// Of an entry of a directory, links not followed, nothing mounted by asking.
    pub fn at(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Stat> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        statx(dir, name, flags, StatxFlags::BASIC_STATS).map(|stat| Stat::from_kernel(&stat))
    }

    pub fn of(fd: &OwnedFd) -> rustix::io::Result<Stat> {
        statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            .map(|stat| Stat::from_kernel(&stat))
    }

    fn from_kernel(stat: &Statx) -> Stat {
        Stat {
            mode: stat.stx_mode,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size: stat.stx_size,
            mtime: time(stat.stx_mtime),
            print: Fingerprint {
                dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
                inode: stat.stx_ino,
                ctime: time(stat.stx_ctime),
                nlink: stat.stx_nlink.into(),
                occupied: stat.stx_blocks.saturating_mul(512),
            },
            dev: (stat.stx_dev_major, stat.stx_dev_minor),
            rdev: (stat.stx_rdev_major, stat.stx_rdev_minor),
        }
    }

    /// `None` for a socket, and for kinds that Linux does not have yet.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_mode(self.mode.into())
    }

    pub fn is_dir(&self) -> bool {
        self.kind() == Some(Kind::Dir)
    }

    /// Who it is on this machine: a directory that was moved and came back is the same.
    pub fn identity(&self) -> (u64, u64) {
        (self.print.dev, self.print.inode)
    }
}

fn time(stamp: StatxTimestamp) -> Mtime {
    Mtime { sec: stamp.tv_sec, nsec: stamp.tv_nsec }
}

/// Makes entries of what the kernel says; remembers names and its buffer between them.
pub(super) struct Looker {
    owners: OwnerNames,
    xattrs: XattrReader,
}

impl Looker {
    pub fn new() -> Looker {
        Looker { owners: OwnerNames::default(), xattrs: XattrReader::new() }
    }

    /// Anything but a directory, with its symbolic link's target and without attributes.
    pub fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: RelPath,
        kind: Kind,
        stat: &Stat,
    ) -> Result<Entry, LookError> {
        let mut entry = self.assemble(path, kind, stat, Vec::new());
        if kind == Kind::Symlink {
            entry.meta.link = readlinkat(dir, name, Vec::new())
                .map_err(|errno| LookError::from(errno, LookError::Link))?
                .into_bytes();
        }
        Ok(entry)
    }

    /// Reads the attributes of what [`entry`](Self::entry) made.
    pub fn add_xattrs(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        entry: &mut Entry,
    ) -> Result<(), LookError> {
        let xattrs = self.xattrs.of_name(dir, name);
        entry.meta.xattrs = xattrs.map_err(|errno| LookError::from(errno, LookError::Xattrs))?;
        Ok(())
    }

    /// A directory with its attributes.
    pub fn dir(&mut self, path: RelPath, stat: &Stat, xattrs: Vec<Xattr>) -> Entry {
        self.assemble(path, Kind::Dir, stat, xattrs)
    }

    fn assemble(&mut self, path: RelPath, kind: Kind, stat: &Stat, xattrs: Vec<Xattr>) -> Entry {
        let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
        Entry {
            path,
            kind,
            size: if kind == Kind::File { stat.size } else { 0 },
            meta: Meta {
                mode: u32::from(stat.mode) & 0o7777,
                uid: stat.uid,
                gid: stat.gid,
                user: self.owners.user(stat.uid),
                group: self.owners.group(stat.gid),
                mtime: stat.mtime,
                link: Vec::new(),
                device: is_device.then_some(stat.rdev),
                xattrs,
            },
            print: stat.print,
        }
    }

    /// Looks at one name. `None` for a directory and for a socket.
    pub fn look(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: RelPath,
    ) -> Result<Option<Entry>, LookError> {
        let stat = Stat::at(dir, name);
        let stat = stat.map_err(|errno| LookError::from(errno, LookError::Stat))?;
        let Some(kind) = stat.kind().filter(|kind| *kind != Kind::Dir) else { return Ok(None) };
        let mut entry = self.entry(dir, name, path, kind, &stat)?;
        self.add_xattrs(dir, name, &mut entry)?;
        Ok(Some(entry))
    }
}
