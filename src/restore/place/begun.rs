//! A mark in the target, there before the first file and until all of them are durable. After a power
//! cut a file can have its name, its length and its time, and not its content; the mark tells the next
//! restore not to take such files for restored.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Mode, OFlags, fsync, openat, statat, unlinkat};

use super::Target;
use crate::model::{Digest, RelPath};
use crate::port::beneath::MissingDirs;
use crate::port::files::digest;
use crate::port::stop::{Heeding, Stop};

/// No temporary name, which would end in hexadecimal digits: nobody removes it as left over.
const MARK: &str = ".coldcut-tmp-begun000";

/// What only a restore has that began; whether the mark could be made.
#[derive(Debug)]
pub struct BegunMark(bool);

impl Target {
    /// Whether a restore into this target was killed or lost its power.
    pub fn is_begun(&self) -> bool {
        statat(&self.root, MARK, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Makes the mark, durable when this returns. Where nothing can be made in the target itself, the
    /// restore goes without.
    pub fn begin(&self) -> BegunMark {
        let made = || -> io::Result<()> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mark = openat(&self.root, MARK, flags, Mode::RUSR | Mode::WUSR)?;
            fsync(&mark)?;
            let dir = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Ok(fsync(openat(&self.root, ".", dir, Mode::empty())?)?)
        };
        BegunMark(made().is_ok())
    }

    /// Makes all that was restored durable, and takes the mark away.
    pub fn settle(&self, mark: BegunMark) -> io::Result<()> {
        self.sync()?;
        if mark.0 {
            // One that stays costs the next restore some time.
            let _ = unlinkat(&self.root, MARK, AtFlags::empty());
        }
        Ok(())
    }

    /// Whether the file at this path has this content, by reading it.
    pub fn has_content(&self, path: &RelPath, sha256: &Digest, stop: &Stop) -> io::Result<bool> {
        let (parent, name) = path.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        let dir = self.dir(path, &parent, MissingDirs::Fail).map_err(io::Error::other)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&dir, name, flags, Mode::empty())?);
        Ok(digest(Heeding::new(file, stop))?.1 == *sha256)
    }
}
