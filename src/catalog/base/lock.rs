//! One writer at a time: a lock file beside the catalog. SQLite's own locks last for one
//! transaction; a backup needs its view to hold from the scan to the last disc.

use crate::catalog::base::error::CatalogError;
use crate::port::files::{name_owner, open_own};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held until dropped; the kernel lets go of it if the process dies. The file itself stays:
/// removing it could take it from under a process that has just opened it. It holds the process's
/// number until that ends: one that is found there is of a process that was killed.
pub(in crate::catalog) struct CatalogLock {
    file: File,
    was_left: bool,
    clears: bool,
}

impl CatalogLock {
    pub(in crate::catalog) fn take(catalog: &Path) -> Result<CatalogLock, CatalogError> {
        let failed = |source| CatalogError::NotWritable { path: catalog.to_owned(), source };
        let path = beside(catalog);
        let mut file = open(&path).map_err(|error| failed(name_owner(&path, error)))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(CatalogError::Locked { path: catalog.to_owned(), pid: holder(file) });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let was_left = file.metadata().map_err(failed)?.len() > 0;
        write_pid(&mut file).map_err(failed)?;
        Ok(CatalogLock { file, was_left, clears: !was_left })
    }

    /// Whoever held it before did not end in order: a crash, a kill, a power cut.
    pub(in crate::catalog) fn was_left(&self) -> bool {
        self.was_left
    }
}

impl CatalogLock {
    /// What a process that was killed left behind proved sound.
    pub(in crate::catalog) fn is_settled(&mut self) {
        self.clears = true;
    }
}

impl Drop for CatalogLock {
    fn drop(&mut self) {
        if self.clears {
            // If this fails the next writer looks a little closer, for nothing.
            let _ = self.file.set_len(0);
        }
        // By name: a child that is just being started holds the open file for a moment, too. If it
        // fails, closing lets go of it.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn open(path: &Path) -> io::Result<File> {
    open_own(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// `None` in the moment between taking the lock and writing the number.
fn holder(mut file: File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn beside(catalog: &Path) -> PathBuf {
    let mut name = catalog.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    catalog.with_file_name(name)
}
