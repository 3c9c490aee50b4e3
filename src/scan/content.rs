//! Reading what the walk found: safely, without a trace, and knowing whether it is still the same.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Advice, Mode, OFlags, SeekFrom, fadvise, openat, seek};
use rustix::io::{Errno, pread};

use super::look::{LookError, Looker, Stat};
use super::walk::{ScanError, open_source};
use crate::model::entry::Fingerprint;
use crate::model::{Entry, Kind, Mtime, RelPath};
use crate::port::beneath::{Beneath, BeneathError, MissingDirs};

/// Bytes of each sample that is tried for compression.
const SAMPLE: u64 = 16 << 10;

/// More data regions than this are not told apart: the map would rival the file.
const MOST_REGIONS: usize = 10_000;

/// Why the content of a path cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentReadError {
    #[error("it vanished after the source was scanned")]
    Vanished,
    #[error("it was replaced after the source was scanned")]
    Replaced,
    #[error("it cannot be opened")]
    Open(#[source] io::Error),
    #[error("the path to it changed after the source was scanned")]
    Way(#[from] BeneathError),
    #[error("it cannot be examined again")]
    Look(#[from] LookError),
}

impl ContentReadError {
    fn from_errno(errno: Errno) -> ContentReadError {
        match errno {
            Errno::NOENT => ContentReadError::Vanished,
            // A link or a socket stands where a file stood.
            Errno::LOOP | Errno::NXIO => ContentReadError::Replaced,
            errno => ContentReadError::Open(errno.into()),
        }
    }
}

/// The source, open for reading. Quickest when asked in walk order.
pub struct Source {
    dirs: Beneath,
    looker: Looker,
}

impl Source {
    pub fn open(source: &Path) -> Result<Source, ScanError> {
        Ok(Source { dirs: Beneath::new(open_source(source)?), looker: Looker::new() })
    }

    /// The same source for another thread, which goes its own way through it.
    pub fn another(&self) -> Source {
        Source { dirs: Beneath::at(self.dirs.root().clone()), looker: Looker::new() }
    }

    /// Opens a file, if what stands at `path` is still the one the walk found there. Content that
    /// changed is not an error here: compare [`OpenFile::stat`] with the entry.
    pub fn open_file(
        &mut self,
        path: &RelPath,
        print: &Fingerprint,
    ) -> Result<OpenFile, ContentReadError> {
        let (parent, name) = path.split_last().ok_or(ContentReadError::Replaced)?;
        let dir = self.dir(&parent)?;
        let fd = open_for_reading(&dir, name).map_err(ContentReadError::from_errno)?;
        let stat = Stat::of(&fd).map_err(ContentReadError::from_errno)?;
        let same = stat.identity() == (print.dev, print.inode);
        if !same || stat.kind() != Some(Kind::File) {
            return Err(ContentReadError::Replaced);
        }
        // Advice only: what it says does not matter where it is not taken.
        let _ = fadvise(&fd, 0, None, Advice::Sequential);
        Ok(OpenFile { fd, position: 0 })
    }

    /// What stands at `path` now, with fresh metadata: for a file that changed while it was read.
    /// A directory or a socket in its place is an error.
    pub fn look_again(&mut self, path: &RelPath) -> Result<Entry, ContentReadError> {
        let (parent, name) = path.split_last().ok_or(ContentReadError::Replaced)?;
        let dir = self.dir(&parent)?;
        match self.looker.look(dir.as_fd(), name, path.clone()) {
            Ok(entry) => entry.ok_or(ContentReadError::Replaced),
            Err(LookError::Vanished) => Err(ContentReadError::Vanished),
            Err(error) => Err(error.into()),
        }
    }

    fn dir(&mut self, path: &RelPath) -> Result<std::sync::Arc<OwnedFd>, ContentReadError> {
        self.dirs.dir(path, MissingDirs::Fail).map_err(|error| match error {
            BeneathError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ContentReadError::Vanished
            }
            error => error.into(),
        })
    }
}

/// Opens without waiting for a FIFO's writer, and without a new access time where that is allowed:
/// only the owner and root may ask for it (open(2), `O_NOATIME`).
fn open_for_reading(dir: &OwnedFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(dir, name, flags, Mode::empty()),
        other => other,
    }
}

/// What tells that a file changed between two looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    pub size: u64,
    pub mtime: Mtime,
    pub ctime: Mtime,
    pub inode: u64,
}

/// A file of the source. `Read` keeps a place of its own; `read_at` does not move it.
#[derive(Debug)]
pub struct OpenFile {
    fd: OwnedFd,
    position: u64,
}

impl OpenFile {
    pub fn stat(&self) -> io::Result<FileStat> {
        let stat = Stat::of(&self.fd)?;
        let Fingerprint { ctime, inode, .. } = stat.print;
        Ok(FileStat { size: stat.size, mtime: stat.mtime, ctime, inode })
    }

    /// Reads as much as there is, up to the length of `buffer`; less only at the file's end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match pread(&self.fd, &mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(done)
    }

    /// Head, middle and tail, to be tried for compression; a small file whole.
    pub fn samples(&self) -> io::Result<Vec<Vec<u8>>> {
        let size = self.stat()?.size;
        let spans = if size <= 3 * SAMPLE {
            vec![(0, size)]
        } else {
            vec![(0, SAMPLE), ((size - SAMPLE) / 2, SAMPLE), (size - SAMPLE, SAMPLE)]
        };
        spans.into_iter().map(|(offset, length)| self.sample(offset, length)).collect()
    }

    fn sample(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        // At most three samples long: fits any usize.
        let mut bytes = vec![0; length as usize];
        let count = self.read_at(&mut bytes, offset)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Offset and length of what is not a hole, in order, up to the size the file has now. The whole
    /// file where the file system knows of no holes. Of very many regions the last swallow the rest.
    pub fn data_regions(&self) -> io::Result<Vec<(u64, u64)>> {
        let size = self.stat()?.size;
        let mut regions = Vec::new();
        let mut at = 0;
        while at < size {
            let Some((start, end)) = self.next_region(at, size)? else { break };
            if regions.len() + 1 == MOST_REGIONS {
                regions.push((start, size - start));
                break;
            }
            regions.push((start, end - start));
            at = end;
        }
        Ok(regions)
    }

    /// The next data at or behind `at`; `None`: only a hole is left.
    fn next_region(&self, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
        let start = match seek(&self.fd, SeekFrom::Data(at)) {
            Ok(start) if start < size => start,
            Ok(_) | Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, size))),
            Err(errno) => return Err(errno.into()),
        };
        match seek(&self.fd, SeekFrom::Hole(start)) {
            Ok(end) if end > start => Ok(Some((start, end.min(size)))),
            // Data and no end: the file shrinks under us, or the file system counts oddly.
            Ok(_) | Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((start, size))),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
