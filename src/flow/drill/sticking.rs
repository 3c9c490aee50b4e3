//! What of an entry's metadata can be set at all, by this user on this file system: tried on a file
//! or directory of our own.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Gid, Timespec, Timestamps, Uid, XattrFlags, chownat, lsetxattr, utimensat,
};
use rustix::process::geteuid;

use crate::flow::FlowError;
use crate::model::{Kind, Meta, RelPath};
use crate::port::monitor::Monitor;
use crate::port::stop::Stop;
use crate::scan::{Filter, WalkedPath, walk};

/// Tries it in a directory.
pub struct Sticking<'a> {
    place: PathBuf,
    stop: &'a Stop,
}

impl<'a> Sticking<'a> {
    pub fn new(beside: &Path, stop: &'a Stop) -> Sticking<'a> {
        Sticking { place: beside.join("tried"), stop }
    }

    /// `meta` as it reads after it was set. What cannot be tried is wanted as it is.
    pub fn of(&self, kind: Kind, meta: &Meta) -> Meta {
        let read = self.set(kind, meta).ok().and_then(|path| self.read(&path));
        let _ = fs::set_permissions(&self.place, fs::Permissions::from_mode(0o700));
        let _ = fs::remove_dir_all(&self.place);
        let Some(read) = read else { return meta.clone() };
        let Meta { mode, uid, gid, mtime, xattrs, .. } = read;
        // Links and devices are what they are; of them the rest was tried on a file.
        let xattrs = if kind == Kind::Symlink { meta.xattrs.clone() } else { xattrs };
        Meta { mode, uid, gid, mtime, xattrs, ..meta.clone() }
    }

    /// Whose metadata to read: the directory's own, or those of a file in it.
    fn set(&self, kind: Kind, meta: &Meta) -> io::Result<RelPath> {
        fs::create_dir(&self.place)?;
        let (path, place) = match kind {
            Kind::Dir => (RelPath::root(), self.place.clone()),
            _ => (RelPath::root().join(b"file"), self.place.join("file")),
        };
        if kind != Kind::Dir {
            File::create_new(&place)?;
        }
        // Each as far as it goes, in the order in which none undoes another.
        if is_root() && meta.uid != u32::MAX && meta.gid != u32::MAX {
            let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
            let _ = chownat(CWD, &place, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
        }
        for xattr in &meta.xattrs {
            let _ = lsetxattr(&place, &xattr.name[..], &xattr.value, XattrFlags::empty());
        }
        fs::set_permissions(&place, fs::Permissions::from_mode(meta.mode))?;
        let time = Timespec { tv_sec: meta.mtime.sec, tv_nsec: meta.mtime.nsec.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        let _ = utimensat(CWD, &place, &times, AtFlags::SYMLINK_NOFOLLOW);
        Ok(path)
    }

    fn read(&self, wanted: &RelPath) -> Option<Meta> {
        let mut read = None;
        let mut take = |found: WalkedPath| {
            if let WalkedPath::Entry(entry) = found {
                read = (entry.path == *wanted).then_some(entry.meta).or(read.take());
            }
            Ok::<(), FlowError>(())
        };
        let monitor = Monitor::new();
        walk(&self.place, &Filter::default(), self.stop, &monitor, &mut take).ok()?;
        read
    }
}

pub fn is_root() -> bool {
    geteuid().is_root()
}
