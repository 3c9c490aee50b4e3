//! What a restore leaves behind that was killed, and how the next one knows it: directories without
//! their metadata, told by a mode that nothing else has; things under temporary names.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fchmod, fstat, openat, unlinkat};

use super::in_work::{IN_WORK, lock};
use super::temporary::PREFIX;
use super::{DirCreation, PlaceError, Target};
use crate::model::RelPath;
use crate::port::beneath::MissingDirs;

const STICKY: u32 = Mode::SVTX.bits();

impl Target {
    /// Makes a directory of the plan, or finds it. One that a restore began and did not finish
    /// counts as new, and what is in it under temporary names is removed. `mode` is the one that
    /// it will have.
    pub fn make_planned_dir(
        &self,
        path: &RelPath,
        replace: bool,
        mode: u32,
    ) -> Result<DirCreation, PlaceError> {
        let made = self.make_dir(path, replace)?;
        if made == DirCreation::New {
            return Ok(made);
        }
        let dir = self.dir(path, path, MissingDirs::Fail)?;
        remove_leftovers(&dir);
        match fstat(&dir) {
            Ok(stat) if is_unfinished(&stat, mode) => Ok(DirCreation::New),
            _ => Ok(DirCreation::WasThere),
        }
    }

    /// Marks the target itself, which was made by this restore.
    pub fn mark_root(&self) {
        // Where this fails, a next run leaves the target's own mode and time as they are.
        let _ = fchmod(&self.root, IN_WORK);
    }

    /// Marks a directory that has its metadata, but not all that belongs into it.
    pub fn mark_dir(&self, path: &RelPath) {
        if let Ok(dir) = self.dir(path, path, MissingDirs::Fail) {
            let marked = fstat(&dir).map(|stat| Mode::from_raw_mode(stat.st_mode | STICKY));
            let _ = marked.and_then(|mode| fchmod(&dir, mode));
        }
    }

    /// Whether a restore made the target, or got as far as giving it this mode, and was cut off.
    pub fn is_root_unfinished(&self, mode: u32) -> bool {
        fstat(&self.root).is_ok_and(|stat| is_unfinished(&stat, mode))
    }
}

fn is_unfinished(stat: &Stat, wanted: u32) -> bool {
    let mode = stat.st_mode & 0o7777;
    let is_mine = stat.st_uid == rustix::process::geteuid().as_raw();
    let was_begun = mode == IN_WORK.as_raw_mode() && is_mine;
    was_begun || wanted & STICKY == 0 && mode == wanted | STICKY
}

/// A file that some process still writes is locked by it: see [`Target::begin_file`].
fn remove_leftovers(dir: &OwnedFd) {
    let Ok(entries) = Dir::read_from(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !is_temporary(name.to_bytes()) || entry.file_type() == FileType::Directory {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let is_in_use = entry.file_type() == FileType::RegularFile
            && openat(dir, name, flags, Mode::empty()).is_ok_and(|file| lock(&file).is_err());
        if !is_in_use {
            let _ = unlinkat(dir, name, AtFlags::empty());
        }
    }
}

fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX.as_bytes())
        .is_some_and(|digits| digits.len() == 8 && digits.iter().all(u8::is_ascii_hexdigit))
}
