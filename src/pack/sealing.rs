//! From a spool to a durable file of staging: one thread reads, one encrypts, one hashes and
//! writes; and archives that become files in the background, while the next ones fill.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{Advice, fadvise};
use sha2::{Digest as _, Sha256};

use crate::codec::openpgp::{SealError, Sealer};
use crate::model::Digest;
use crate::port::files::{make_private_dir, rename_durably};
use crate::port::stop::Stop;

use super::archive::{FullArchive, SealedArchive};
use super::{PackError, closing};

/// Bytes that travel from thread to thread at once.
const BLOCK: u64 = 256 << 10;
/// So many blocks wait between two threads.
const DEPTH: usize = 8;
/// The disc is asked to begin after so many bytes, so that little is left to wait for at the end.
const WRITEBACK: u64 = 8 << 20;

/// Where archives become files.
#[derive(Clone, Debug)]
pub struct Seals {
    /// The disc's directory in staging.
    pub dir: PathBuf,
    pub sealer: Option<Sealer>,
    pub stop: Stop,
}

impl Seals {
    /// Writes the archive, then the rows of its members: both are durable before it counts.
    fn seal(&self, full: FullArchive) -> Result<SealedArchive, PackError> {
        let path = full.path(self.sealer.is_some());
        let mut spool = Stoppable { inner: full.spool.reader(), stop: &self.stop };
        let decrypted = full.spool.len();
        let file = self.dir.join(&path);
        let written = write_sealed(&file, &mut spool, decrypted, self.sealer.as_ref());
        let (size, sha256) = match written {
            Ok(written) => written,
            Err(error) => return Err(self.stop.check().map_or_else(PackError::from, |()| error)),
        };
        let archive = SealedArchive {
            number: full.number,
            compression: full.compression,
            encrypted: self.sealer.is_some(),
            path,
            size,
            decrypted,
            sha256,
            content: full.content,
            members: full.members,
        };
        closing::keep_rows(&self.dir, &archive)?;
        Ok(archive)
    }
}

/// Reads until somebody asks to stop.
struct Stoppable<'a, R> {
    inner: R,
    stop: &'a Stop,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

/// Archives that become files in the background. They come back in the order in which they went
/// in. Dropping it waits for them, so that no thread outlives the run that it belongs to.
#[derive(Default)]
pub struct Background(VecDeque<JoinHandle<Result<SealedArchive, PackError>>>);

impl Background {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn begin(&mut self, seals: Seals, full: FullArchive) {
        self.0.push_back(thread::spawn(move || seals.seal(full)));
    }

    /// The oldest one, if it is durable by now.
    pub fn finished(&mut self) -> Result<Option<SealedArchive>, PackError> {
        match self.0.front() {
            Some(oldest) if oldest.is_finished() => self.oldest(),
            _ => Ok(None),
        }
    }

    /// Waits for the oldest one; `None` if there is none.
    pub fn oldest(&mut self) -> Result<Option<SealedArchive>, PackError> {
        let Some(oldest) = self.0.pop_front() else { return Ok(None) };
        match oldest.join() {
            Ok(sealed) => sealed.map(Some),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for archive in self.0.drain(..) {
            // Whoever drops them has an error of his own already, and records nothing.
            let _ = archive.join();
        }
    }
}

/// Writes `length` bytes, encrypted if asked, to a new durable file; returns its size and hash.
/// A file that failed is gone.
pub fn write_sealed(
    path: &Path,
    from: &mut dyn Read,
    length: u64,
    sealer: Option<&Sealer>,
) -> Result<(u64, Digest), PackError> {
    let temporary = path.with_extension("new");
    let file = create_private(&temporary).map_err(PackError::staging(path))?;
    let written = pass_through(path, &file, from, length, sealer).and_then(|written| {
        let durable = file.sync_all().and_then(|()| rename_durably(&temporary, path));
        durable.map_err(PackError::staging(path))?;
        Ok(written)
    });
    if written.is_err() {
        // Should this fail as well, the next run removes it: it never got its name.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The caller's thread reads, another encrypts, a third hashes and writes. An error that one of
/// them meets ends the two others; what is told is the one nearest to the file.
fn pass_through(
    path: &Path,
    file: &File,
    from: &mut dyn Read,
    length: u64,
    sealer: Option<&Sealer>,
) -> Result<(u64, Digest), PackError> {
    let failed = || PackError::staging(path);
    let what = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    thread::scope(|scope| {
        let (ready, blocks) = bounded(DEPTH);
        let writing = scope.spawn(move || hash_and_write(&blocks, file));
        let (read, sealed) = match sealer {
            None => (read_blocks(from, ready), Ok(())),
            Some(sealer) => {
                let (plain, blocks) = bounded(DEPTH);
                let sealing = scope.spawn(move || encrypt(sealer, length, &blocks, ready));
                (read_blocks(from, plain), joined(sealing))
            }
        };
        let written = joined(writing).map_err(failed())?;
        read.map_err(failed())?;
        sealed.map_err(|source| PackError::Seal { what, source })?;
        Ok(written)
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn read_blocks(from: &mut dyn Read, to: Sender<Vec<u8>>) -> io::Result<()> {
    loop {
        let mut block = Vec::with_capacity(BLOCK as usize);
        from.take(BLOCK).read_to_end(&mut block)?;
        // Nobody takes the block: that thread has an error, which says more.
        if block.is_empty() || to.send(block).is_err() {
            return Ok(());
        }
    }
}

fn encrypt(
    sealer: &Sealer,
    length: u64,
    blocks: &Receiver<Vec<u8>>,
    to: Sender<Vec<u8>>,
) -> Result<(), SealError> {
    let mut sealed = sealer.seal(length, Outlet(to))?;
    for block in blocks {
        sealed.write_all(&block)?;
    }
    sealed.finish()?;
    Ok(())
}

/// Hands what is written to the next thread.
struct Outlet(Sender<Vec<u8>>);

impl Write for Outlet {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(data.to_vec());
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hash_and_write(blocks: &Receiver<Vec<u8>>, mut file: &File) -> io::Result<(u64, Digest)> {
    let (mut written, mut begun) = (0, 0);
    let mut hasher = Sha256::new();
    for block in blocks {
        file.write_all(&block)?;
        hasher.update(&block);
        written += block.len() as u64;
        if written - begun >= WRITEBACK {
            begin_writeback(file, begun, written);
            begun = written;
        }
    }
    Ok((written, Digest(hasher.finalize().into())))
}

/// Asks the kernel to write this stretch now. Linux does so when told that memory need not keep
/// it (mm/fadvise.c); what is not on the disc yet stays in memory all the same. Advice only:
/// nothing is lost if it is not taken.
fn begin_writeback(file: &File, from: u64, to: u64) {
    let _ = fadvise(file, from, std::num::NonZeroU64::new(to - from), Advice::DontNeed);
}

fn create_private(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        make_private_dir(parent)?;
    }
    // A leftover of a run that was killed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
