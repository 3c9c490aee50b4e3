//! Things under a temporary name: made beside their place, renamed when whole, removed when not.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{
    AtFlags, FallocateFlags, RenameFlags, Stat, fallocate, linkat, renameat, renameat_with, statat,
    unlinkat,
};
use rustix::io::{Errno, pwrite};

use super::meta::{self, TargetHandle};
use super::{Complaint, PlaceError};
use crate::model::{Kind, Meta, RelPath};

/// What a temporary name begins with; eight hexadecimal digits follow.
pub(super) const PREFIX: &str = ".coldcut-tmp-";

/// So many names are tried before it is plain that somebody takes them on purpose.
const ATTEMPTS: u32 = 64;

/// Something that stands under a temporary name until it lands. Dropped before, it is removed.
#[derive(Debug)]
pub(super) struct Temporary {
    dir: Arc<OwnedFd>,
    name: Vec<u8>,
    landed: bool,
}

impl Temporary {
    /// Calls `make` with new names until one is free. `make` must fail where the name is taken.
    pub fn make<T>(
        dir: Arc<OwnedFd>,
        make: impl Fn(&OwnedFd, &[u8]) -> rustix::io::Result<T>,
    ) -> rustix::io::Result<(Temporary, T)> {
        for _ in 0..ATTEMPTS {
            let name = new_name()?;
            match make(&dir, &name) {
                Ok(made) => return Ok((Temporary { dir, name, landed: false }, made)),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EXIST)
    }

    pub fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn stat(&self) -> rustix::io::Result<Stat> {
        statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Gives it its real name, the last of `path`; its directory was chosen when it was made.
    pub fn land(mut self, path: &RelPath, replace: bool) -> Result<(), PlaceError> {
        let Some((_, name)) = path.split_last() else {
            return Err(PlaceError::DirInTheWay { path: path.clone() });
        };
        let moved = if replace { self.replace(name) } else { self.take_free(name) };
        moved.map_err(|errno| match errno {
            Errno::EXIST if !replace => PlaceError::Exists { path: path.clone() },
            Errno::NOTEMPTY | Errno::EXIST => PlaceError::DirInTheWay { path: path.clone() },
            errno => PlaceError::new(path, "renaming it into place", errno),
        })?;
        self.landed = true;
        Ok(())
    }

    /// Anything but a directory that is not empty gives way.
    fn replace(&self, name: &[u8]) -> rustix::io::Result<()> {
        match self.rename(name) {
            Err(Errno::ISDIR) => {
                unlinkat(&self.dir, name, AtFlags::REMOVEDIR)?;
                self.rename(name)
            }
            other => other,
        }
    }

    fn rename(&self, name: &[u8]) -> rustix::io::Result<()> {
        renameat(&self.dir, &self.name, &self.dir, name)
    }

    /// Fails with `EXIST` if the name is taken, even in the last moment.
    fn take_free(&self, name: &[u8]) -> rustix::io::Result<()> {
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(&self.dir, &self.name, &self.dir, name, flags) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.take_free_by_link(name),
            other => other,
        }
    }

    /// For file systems without `RENAME_NOREPLACE`, some of them on the network: a second name
    /// fails where one is taken, too. Where there are no second names either (FAT), a look must do.
    fn take_free_by_link(&self, name: &[u8]) -> rustix::io::Result<()> {
        match linkat(&self.dir, &self.name, &self.dir, name, AtFlags::empty()) {
            Ok(()) => unlinkat(&self.dir, &self.name, AtFlags::empty()),
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                match statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => self.rename(name),
                    Ok(_) => Err(Errno::EXIST),
                    Err(errno) => Err(errno),
                }
            }
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.landed {
            // Nothing can be done about a failure here, and nothing but a stray file is left.
            let _ = unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// The next name of this run. The first one is random, so that what another run left, or has in
/// work, is seldom in the way.
fn new_name() -> rustix::io::Result<Vec<u8>> {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    let next = match NEXT.get() {
        Some(next) => next,
        None => {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).map_err(|_| Errno::IO)?;
            NEXT.get_or_init(|| AtomicU32::new(u32::from_ne_bytes(bytes)))
        }
    };
    let number = next.fetch_add(1, Ordering::Relaxed);
    Ok(format!("{PREFIX}{number:08x}").into_bytes())
}

/// A file on its way into the target. Dropped or aborted, it leaves nothing behind.
#[derive(Debug)]
pub struct TempFile {
    pub(super) fd: OwnedFd,
    pub(super) temporary: Temporary,
    pub(super) path: RelPath,
    pub(super) owners: bool,
}

impl TempFile {
    /// Writes at any place and in any order. What is never written is a hole.
    pub fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> Result<(), PlaceError> {
        while !bytes.is_empty() {
            match pwrite(&self.fd, bytes, offset) {
                Ok(0) => return Err(PlaceError::new(&self.path, "writing", Errno::IO)),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(PlaceError::new(&self.path, "writing", errno)),
            }
        }
        Ok(())
    }

    /// The size of the whole file: needed where it ends in a hole.
    pub fn set_len(&self, size: u64) -> Result<(), PlaceError> {
        rustix::fs::ftruncate(&self.fd, size)
            .map_err(|errno| PlaceError::new(&self.path, "setting its size", errno))
    }

    /// Makes zeros of what was written there, where others may be writing beside it.
    pub fn erase(&self, offset: u64, length: u64) -> Result<(), PlaceError> {
        if length == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.fd, flags, offset, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(offset, length),
            done => {
                done.map_err(|errno| PlaceError::new(&self.path, "erasing a part of it", errno))
            }
        }
    }

    /// For file systems in whose files no holes can be made.
    fn write_zeros(&self, offset: u64, length: u64) -> Result<(), PlaceError> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(ZEROS.len() as u64);
            self.write_at(&ZEROS[..piece as usize], offset + done)?;
            done += piece;
        }
        Ok(())
    }

    /// Reads back what was written: at least one byte, for the file is longer than `offset`.
    pub fn read_back(&self, buffer: &mut [u8], offset: u64) -> Result<usize, PlaceError> {
        loop {
            let why = match rustix::io::pread(&self.fd, &mut *buffer, offset) {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => continue,
                Err(errno) => errno.into(),
            };
            let (path, doing) = (self.path.clone(), "reading back what was written");
            return Err(PlaceError::Failed { path, doing, source: why });
        }
    }

    /// Gives the file its metadata, then its name. Without this there is no file.
    pub fn commit(self, meta: &Meta, replace: bool) -> Result<Vec<Complaint>, PlaceError> {
        let handle = TargetHandle::Open(self.fd.as_fd());
        let complaints = meta::apply(&handle, &self.path, meta, Kind::File, self.owners);
        self.temporary.land(&self.path, replace)?;
        Ok(complaints)
    }
}
