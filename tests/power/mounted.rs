//! A [`PowerDisk`] that is mounted, through FUSE.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, KernelConfig, LockOwner, MountOption, OpenFlags, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::content::PAGE;
use super::disk::{Done, NewInode, PowerDisk};
use super::syncfs;
use super::tree::{Ino, Inode};

/// Only the kernel changes anything, so it may remember all.
const FOR_EVER: Duration = Duration::from_secs(1 << 20);

/// Unmounted at the end.
pub struct Mounted {
    at: PathBuf,
    shared: Arc<Shared>,
    session: Option<BackgroundSession>,
}

struct Shared {
    disk: Mutex<PowerDisk>,
    /// The group of processes that lose their power with the disk.
    victim: Mutex<Option<Pid>>,
}

impl Shared {
    fn disk(&self) -> MutexGuard<'_, PowerDisk> {
        self.disk.lock().unwrap()
    }

    /// Does something to the disk; if the power goes by it, the processes do, too.
    fn operate<T>(&self, operation: impl FnOnce(&mut PowerDisk) -> Done<T>) -> Done<T> {
        let mut disk = self.disk();
        disk.check_power()?;
        let done = operation(&mut disk);
        if disk.is_cut() {
            self.kill();
        }
        done
    }

    fn kill(&self) {
        if let Some(group) = *self.victim.lock().unwrap() {
            // Gone already is as good.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Mounted {
    pub fn new(disk: PowerDisk, at: &Path) -> Mounted {
        std::fs::create_dir_all(at).unwrap();
        let shared = Arc::new(Shared { disk: Mutex::new(disk), victim: Mutex::new(None) });
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("power".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
        ];
        config.acl = fuser::SessionACL::All;
        let shown = Shown { shared: shared.clone(), listings: Mutex::new((0, HashMap::new())) };
        let session = fuser::spawn_mount(shown, at, &config).unwrap();
        Mounted { at: at.to_owned(), shared, session: Some(session) }
    }

    pub fn disk(&self) -> MutexGuard<'_, PowerDisk> {
        self.shared.disk()
    }

    /// Starts a program that loses its power with the disk.
    pub fn spawn(&self, command: &mut Command) -> Child {
        use std::os::unix::process::CommandExt;
        let (shared, at) = (self.shared.clone(), self.at.clone());
        let child = syncfs::watched(command.process_group(0), move |path| {
            if path.starts_with(&at) {
                // Without power it is the process that ends.
                let _ = shared.operate(PowerDisk::sync_system);
            }
        });
        *self.shared.victim.lock().unwrap() = Some(Pid::from_raw(child.id() as i32));
        // Was it cut before anybody knew whom to kill?
        if self.disk().is_cut() {
            self.shared.kill();
        }
        child
    }

    /// Cuts the power, if that was planned and has not happened yet, and gives the disk.
    pub fn without_power(mut self) -> PowerDisk {
        self.disk().cut();
        self.unmount();
        self.shared.disk().clone()
    }

    /// A process that was killed may hold it for a moment longer.
    fn unmount(&mut self) {
        let Some(session) = self.session.take() else { return };
        while let Err(errno) = nix::mount::umount(&self.at) {
            assert!(errno == nix::errno::Errno::EBUSY, "{}: {errno}", self.at.display());
            std::thread::sleep(Duration::from_millis(2));
        }
        // The kernel may end the connection before its last answer.
        let _ = session.join();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.session.is_some() {
            let _ = nix::mount::umount2(&self.at, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// What the kernel asks.
struct Shown {
    shared: Arc<Shared>,
    /// Directories are listed as they were when they were opened.
    listings: Mutex<(u64, HashMap<u64, Vec<Listed>>)>,
}

type Listed = (Ino, FileType, OsString);

fn attr(disk: &PowerDisk, ino: Ino) -> Done<FileAttr> {
    let Inode { kind, rdev, target, attributes, content } = disk.inode(ino)?;
    let size = match kind {
        FileType::Symlink => target.as_os_str().len() as u64,
        _ => content.size(),
    };
    Ok(FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: content.pages().len() as u64 * (PAGE as u64 / 512),
        atime: attributes.atime,
        mtime: attributes.mtime,
        ctime: attributes.ctime,
        crtime: attributes.ctime,
        kind: *kind,
        perm: attributes.perm,
        // One means of a directory that nobody counts.
        nlink: if *kind == FileType::Directory { 1 } else { disk.links_of(ino) },
        uid: attributes.uid,
        gid: attributes.gid,
        rdev: *rdev,
        blksize: PAGE as u32,
        flags: 0,
    })
}

fn kind_of(mode: u32) -> FileType {
    match mode & nix::libc::S_IFMT {
        nix::libc::S_IFIFO => FileType::NamedPipe,
        nix::libc::S_IFCHR => FileType::CharDevice,
        nix::libc::S_IFBLK => FileType::BlockDevice,
        nix::libc::S_IFSOCK => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

impl Shown {
    fn make(
        &self,
        req: &Request,
        dir: INodeNo,
        name: &OsStr,
        (kind, mode, rdev, target): (FileType, u32, u32, &Path),
    ) -> Done<FileAttr> {
        let perm = (mode & 0o7777) as u16;
        let new = NewInode { kind, perm, owner: (req.uid(), req.gid()), rdev, target };
        self.shared.operate(|disk| {
            let ino = disk.make(dir.0, name, &new)?;
            attr(disk, ino)
        })
    }

    fn reply_entry(reply: ReplyEntry, done: Done<FileAttr>) {
        match done {
            Ok(attr) => reply.entry(&FOR_EVER, &attr, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn reply_empty(reply: ReplyEmpty, done: Done<()>) {
        match done {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn reply_xattr(reply: ReplyXattr, size: u32, done: Done<Vec<u8>>) {
        match done {
            Err(errno) => reply.error(errno),
            Ok(bytes) if size == 0 => reply.size(bytes.len() as u32),
            Ok(bytes) if bytes.len() > size as usize => reply.error(Errno::ERANGE),
            Ok(bytes) => reply.data(&bytes),
        }
    }
}

fn time(wanted: Option<TimeOrNow>, was: SystemTime) -> SystemTime {
    match wanted {
        None => was,
        Some(TimeOrNow::Now) => SystemTime::now(),
        Some(TimeOrNow::SpecificTime(time)) => time,
    }
}

impl Filesystem for Shown {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // A write of a program stays one operation.
        let _ = config.set_max_write(1 << 20);
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.shared.operate(|disk| {
            let ino = disk.lookup(parent.0, name)?;
            attr(disk, ino)
        });
        Shown::reply_entry(reply, found);
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.shared.operate(|disk| attr(disk, ino.0)) {
            Ok(attr) => reply.attr(&FOR_EVER, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let done = self.shared.operate(|disk| {
            disk.begin()?;
            if let Some(size) = size {
                disk.set_size(ino.0, size)?;
            }
            disk.change_attributes(ino.0, |attributes| {
                attributes.perm = mode.map_or(attributes.perm, |mode| (mode & 0o7777) as u16);
                attributes.uid = uid.unwrap_or(attributes.uid);
                attributes.gid = gid.unwrap_or(attributes.gid);
                attributes.atime = time(atime, attributes.atime);
                attributes.mtime = time(mtime, attributes.mtime);
                attributes.ctime = SystemTime::now();
            })?;
            attr(disk, ino.0)
        });
        match done {
            Ok(attr) => reply.attr(&FOR_EVER, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _req: &Request, ino: INodeNo, reply: ReplyData) {
        use std::os::unix::ffi::OsStrExt;
        match self.shared.operate(|disk| disk.inode(ino.0).map(|found| found.target.clone())) {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(errno) => reply.error(errno),
        }
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let what = (kind_of(mode), mode, rdev, Path::new(""));
        Shown::reply_entry(reply, self.make(req, parent, name, what));
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let what = (FileType::Directory, mode, 0, Path::new(""));
        Shown::reply_entry(reply, self.make(req, parent, name, what));
    }

    fn symlink(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let what = (FileType::Symlink, 0o777, 0, target);
        Shown::reply_entry(reply, self.make(req, parent, name, what));
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let what = (FileType::RegularFile, mode, 0, Path::new(""));
        match self.make(req, parent, name, what) {
            Ok(attr) => {
                let (handle, flags) = (FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
                reply.created(&FOR_EVER, &attr, Generation(0), handle, flags);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn link(&self, _req: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let done = self.shared.operate(|disk| {
            disk.link(ino.0, parent.0, name)?;
            attr(disk, ino.0)
        });
        Shown::reply_entry(reply, done);
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        Shown::reply_empty(reply, self.shared.operate(|disk| disk.remove(parent.0, name)));
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        Shown::reply_empty(reply, self.shared.operate(|disk| disk.remove(parent.0, name)));
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (from, to) = ((parent.0, name), (newparent.0, newname));
        Shown::reply_empty(reply, self.shared.operate(|disk| disk.rename(from, to, flags)));
    }

    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.shared.operate(|disk| {
            disk.inode(ino.0).map(|found| found.content.read(offset, size as usize))
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.shared.operate(|disk| disk.write(ino.0, offset, data)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(errno) => reply.error(errno),
        }
    }

    /// A `close` makes nothing durable.
    fn flush(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn fsync(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        datasync: bool,
        reply: ReplyEmpty,
    ) {
        Shown::reply_empty(reply, self.shared.operate(|disk| disk.sync_file(ino.0, datasync)));
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let listed = self.shared.operate(|disk| {
            let entries = disk.entries(ino.0)?;
            let with_kind = |(name, ino)| disk.inode(ino).map(|found| (ino, found.kind, name));
            entries.into_iter().map(with_kind).collect::<Done<Vec<Listed>>>()
        });
        match listed {
            Ok(mut listed) => {
                let dots = [".", ".."].map(|dot| (ino.0, FileType::Directory, dot.into()));
                listed.splice(0..0, dots);
                let mut listings = self.listings.lock().unwrap();
                listings.0 += 1;
                let handle = listings.0;
                listings.1.insert(handle, listed);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listings = self.listings.lock().unwrap();
        let listed = listings.1.get(&fh.0).into_iter().flatten();
        for (at, (ino, kind, name)) in (1..).zip(listed).skip(offset as usize) {
            if reply.add(INodeNo(*ino), at, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.listings.lock().unwrap().1.remove(&fh.0);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        Shown::reply_empty(reply, self.shared.operate(|disk| disk.sync_dir(ino.0)));
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let (blocks, files) = (1 << 24, 1 << 20);
        reply.statfs(blocks, blocks, blocks, files, files, PAGE as u32, 255, PAGE as u32);
    }

    fn setxattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        _flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let (name, value) = (name.to_owned(), value.to_owned());
        let done = self.shared.operate(|disk| {
            disk.begin()?;
            disk.change_attributes(ino.0, |attributes| {
                attributes.xattrs.insert(name, value);
            })
        });
        Shown::reply_empty(reply, done);
    }

    fn getxattr(&self, _req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let found = self.shared.operate(|disk| {
            disk.inode(ino.0)?.attributes.xattrs.get(name).cloned().ok_or(Errno::ENODATA)
        });
        Shown::reply_xattr(reply, size, found);
    }

    fn listxattr(&self, _req: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        use std::os::unix::ffi::OsStrExt;
        let found = self.shared.operate(|disk| {
            let names = disk.inode(ino.0)?.attributes.xattrs.keys();
            Ok(names.flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect())
        });
        Shown::reply_xattr(reply, size, found);
    }

    fn removexattr(&self, _req: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.shared.operate(|disk| {
            disk.begin()?;
            let mut was_there = false;
            disk.change_attributes(ino.0, |attributes| {
                was_there = attributes.xattrs.remove(name).is_some();
            })?;
            if was_there { Ok(()) } else { Err(Errno::ENODATA) }
        });
        Shown::reply_empty(reply, done);
    }

    fn fallocate(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let done = self.shared.operate(|disk| {
            disk.begin()?;
            let keeps_size = mode & nix::libc::FALLOC_FL_KEEP_SIZE != 0;
            disk.change_content(ino.0, |content| {
                if mode & nix::libc::FALLOC_FL_PUNCH_HOLE != 0 {
                    return content.punch(offset, length);
                }
                if !keeps_size {
                    content.set_size(content.size().max(offset + length));
                }
                Vec::new()
            })
        });
        Shown::reply_empty(reply, done);
    }
}
