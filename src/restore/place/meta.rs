//! Giving a thing its owner, attributes, mode and time back, in the one order that works.
//!
//! Owner first, because a change of owner takes set-id bits and capabilities away. Attributes next,
//! while the mode still lets us write them. Then the mode, for an ACL changes it. The time last.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{self, AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::Complaint;
use crate::model::path::shown;
use crate::model::{Kind, Meta, RelPath, Xattr};
use crate::port::beneath::proc_path;

const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// Set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

/// A thing in the target, held so that nobody can put another in its place.
pub(super) enum TargetHandle<'a> {
    /// A file or directory, open.
    Open(BorrowedFd<'a>),
    /// A link, FIFO or device, pinned with `O_PATH`: opening it would have effects. Calls that do
    /// not take such a descriptor reach it through /proc.
    Node(BorrowedFd<'a>),
}

impl TargetHandle<'_> {
    fn chown(&self, uid: Option<Uid>, gid: Option<Gid>) -> rustix::io::Result<()> {
        match self {
            TargetHandle::Open(fd) => fs::fchown(fd, uid, gid),
            TargetHandle::Node(fd) => fs::chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH),
        }
    }

    fn chmod(&self, mode: Mode) -> rustix::io::Result<()> {
        match self {
            TargetHandle::Open(fd) => fs::fchmod(fd, mode),
            TargetHandle::Node(fd) => fs::chmodat(CWD, proc_path(*fd), mode, AtFlags::empty()),
        }
    }

    fn set_xattr(&self, xattr: &Xattr) -> rustix::io::Result<()> {
        let (name, value, flags) = (&xattr.name[..], &xattr.value, XattrFlags::empty());
        match self {
            TargetHandle::Open(fd) => fs::fsetxattr(fd, name, value, flags),
            TargetHandle::Node(fd) => fs::setxattr(proc_path(*fd), name, value, flags),
        }
    }

    fn remove_xattr(&self, name: &[u8]) -> rustix::io::Result<()> {
        match self {
            TargetHandle::Open(fd) => fs::fremovexattr(fd, name),
            TargetHandle::Node(fd) => fs::removexattr(proc_path(*fd), name),
        }
    }

    fn set_times(&self, times: &Timestamps) -> rustix::io::Result<()> {
        match self {
            TargetHandle::Open(fd) => fs::futimens(fd, times),
            TargetHandle::Node(fd) => fs::utimensat(CWD, proc_path(*fd), times, AtFlags::empty()),
        }
    }

    fn owner(&self) -> rustix::io::Result<(u32, u32)> {
        let (TargetHandle::Open(fd) | TargetHandle::Node(fd)) = self;
        fs::fstat(fd).map(|stat| (stat.st_uid, stat.st_gid))
    }
}

/// Applies all that can be applied; what cannot is told and costs nothing else.
pub(super) fn apply(
    handle: &TargetHandle<'_>,
    path: &RelPath,
    meta: &Meta,
    kind: Kind,
    owners: bool,
) -> Vec<Complaint> {
    let mut work = MetaWriter { handle, path, complaints: Vec::new() };
    if owners {
        work.owner(meta);
    }
    work.remove_inherited_acls(meta, kind);
    for xattr in &meta.xattrs {
        let done = handle.set_xattr(xattr);
        work.note(done, || format!("the attribute {}", shown(&xattr.name)));
    }
    // A link has no mode of its own.
    if kind != Kind::Symlink {
        work.mode(meta, owners);
    }
    work.time(meta);
    work.complaints
}

struct MetaWriter<'a> {
    handle: &'a TargetHandle<'a>,
    path: &'a RelPath,
    complaints: Vec<Complaint>,
}

impl MetaWriter<'_> {
    fn note(&mut self, done: rustix::io::Result<()>, what: impl Fn() -> String) {
        if let Err(errno) = done {
            self.complain(what(), Some(errno.into()));
        }
    }

    fn complain(&mut self, what: String, source: Option<io::Error>) {
        self.complaints.push(Complaint { path: self.path.clone(), what, source });
    }

    /// Where the user cannot be restored, the group alone may be: one's own files, another group.
    fn owner(&mut self, meta: &Meta) {
        let Meta { uid, gid, .. } = *meta;
        // -1 is "leave as it is" for the kernel, and no owner.
        if uid == u32::MAX || gid == u32::MAX {
            return self.complain(format!("the owner {uid}:{gid}"), Some(Errno::INVAL.into()));
        }
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        if let Err(errno) = self.handle.chown(Some(user), Some(group)) {
            let only_user = self.handle.chown(None, Some(group)).is_ok();
            let what = if only_user { format!("user {uid}") } else { format!("{uid}:{gid}") };
            self.complain(format!("the owner {what}"), Some(errno.into()));
        }
    }

    /// A default ACL of the target's gives one to all that is made in it.
    fn remove_inherited_acls(&mut self, meta: &Meta, kind: Kind) {
        let wanted = |name: &[u8]| meta.xattrs.iter().any(|xattr| xattr.name == name);
        let access = (kind != Kind::Symlink).then_some(ACCESS_ACL);
        let default = (kind == Kind::Dir).then_some(DEFAULT_ACL);
        for name in access.into_iter().chain(default).filter(|name| !wanted(name)) {
            match self.handle.remove_xattr(name) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(errno) => self.complain("the lack of an ACL".into(), Some(errno.into())),
            }
        }
    }

    /// Set-id bits give the rights of the owner to all: only to the owner they were meant for.
    fn mode(&mut self, meta: &Meta, owners: bool) {
        let is_owner = || self.handle.owner().is_ok_and(|owner| owner == (meta.uid, meta.gid));
        let keep_set_id = meta.mode & SET_ID == 0 || is_owner();
        if !keep_set_id && owners {
            self.complain("set-id, as the owner is another,".into(), None);
        }
        let bits = if keep_set_id { meta.mode } else { meta.mode & !SET_ID };
        let done = self.handle.chmod(Mode::from_raw_mode(bits & 0o7777));
        self.note(done, || format!("the mode {bits:04o}"));
    }

    fn time(&mut self, meta: &Meta) {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: meta.mtime.sec, tv_nsec: meta.mtime.nsec.into() },
        };
        let done = self.handle.set_times(&times);
        self.note(done, || format!("the time {}", meta.mtime.to_decimal()));
    }
}
