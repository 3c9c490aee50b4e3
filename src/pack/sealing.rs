//! From a spool to a durable file of staging: one thread reads, one encrypts, one hashes and
//! writes; and archives that become files in the background, while the next ones fill.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{Advice, fadvise};
use sha2::{Digest as _, Sha256};

use crate::codec::openpgp::{Halves, Sealer};
use crate::model::{Digest, Format};
use crate::port::files::{make_private_dir, rename_durably, unless_missing};
use crate::port::stop::{Heeding, Stop};

use super::archive::{FullArchive, SealedArchive};
use super::{PackError, rows};

/// Bytes that travel from thread to thread at once.
const BLOCK: usize = 256 << 10;
/// So many blocks wait between two threads.
const DEPTH: usize = 8;
/// The disc is asked to begin after so many bytes, so that little is left to wait for at the end.
const WRITEBACK: u64 = 8 << 20;

/// Where archives become files.
#[derive(Clone, Debug)]
pub struct SealContext {
    /// The disc's directory in staging.
    pub dir: PathBuf,
    pub sealer: Option<Sealer>,
    pub stop: Stop,
    /// Of the disc, in which the rows are kept.
    pub format: Format,
}

impl SealContext {
    /// Writes the archive, then the rows of its members: both are durable before it counts.
    pub fn seal(&self, full: FullArchive) -> Result<SealedArchive, PackError> {
        let path = full.path(self.sealer.is_some());
        let mut spool = Heeding::new(full.spool.reader(), &self.stop);
        let decrypted = full.spool.len();
        let file = self.dir.join(&path);
        let written = write_sealed(&file, &mut spool, decrypted, self.sealer.as_ref());
        let (size, sha256) = match written {
            Ok(written) => written,
            Err(error) => return Err(error.unless_stopped(&self.stop)),
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
        rows::keep_rows(&self.dir, &archive, self.format)?;
        Ok(archive)
    }
}

/// Archives that become files in the background. They come back in the order in which they went
/// in. Dropping it waits for them, so that no thread outlives the run that it belongs to.
#[derive(Default)]
pub struct Background(VecDeque<UnderWay>);

struct UnderWay {
    spooled: u64,
    thread: JoinHandle<Result<SealedArchive, PackError>>,
}

impl Background {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of the spools that are needed until their files are whole.
    pub fn spooled(&self) -> u64 {
        self.0.iter().map(|archive| archive.spooled).sum()
    }

    pub fn begin(&mut self, seals: SealContext, full: FullArchive) {
        let spooled = full.spool.len();
        self.0.push_back(UnderWay { spooled, thread: thread::spawn(move || seals.seal(full)) });
    }

    /// The oldest one, if it is durable by now.
    pub fn finished(&mut self) -> Result<Option<SealedArchive>, PackError> {
        match self.0.front() {
            Some(oldest) if oldest.thread.is_finished() => self.oldest(),
            _ => Ok(None),
        }
    }

    /// Waits for the oldest one; `None` if there is none.
    pub fn oldest(&mut self) -> Result<Option<SealedArchive>, PackError> {
        let Some(oldest) = self.0.pop_front() else { return Ok(None) };
        match oldest.thread.join() {
            Ok(sealed) => sealed.map(Some),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for archive in self.0.drain(..) {
            // Whoever drops them has an error of his own already, and records nothing.
            let _ = archive.thread.join();
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

/// The caller's thread reads and makes the plaintext, another enciphers, a third hashes and
/// writes. Only the last can fail by itself among those two, and what it says comes first.
fn pass_through(
    path: &Path,
    file: &File,
    from: &mut dyn Read,
    length: u64,
    sealer: Option<&Sealer>,
) -> Result<(u64, Digest), PackError> {
    let failed = |source| PackError::Seal { what: name_of(path), source };
    let halves = sealer.map(|sealer| sealer.seal_apart(length)).transpose().map_err(failed)?;
    thread::scope(|scope| {
        let (to_file, blocks) = bounded(DEPTH);
        let writing = scope.spawn(move || hash_and_write(&blocks, file));
        let read = match halves {
            None => {
                let to_file = to_file;
                let mut ready = |block: &[u8]| hand_on(&to_file, block.to_vec());
                each_block(from, &mut ready).map_err(PackError::staging(path))
            }
            Some(halves) => encrypt(path, from, halves, to_file),
        };
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let written = written.map_err(PackError::staging(path))?;
        read.map(|()| written)
    })
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn encrypt(
    path: &Path,
    from: &mut dyn Read,
    halves: Halves,
    to_file: Sender<Vec<u8>>,
) -> Result<(), PackError> {
    let Halves { front, mut plain, mut cipher } = halves;
    thread::scope(|scope| {
        let (to_cipher, chunks) = bounded::<Vec<u8>>(DEPTH);
        scope.spawn(move || {
            let enciphered = chunks.into_iter().map(|mut chunk| {
                cipher.encrypt(&mut chunk);
                chunk
            });
            // If nobody takes them any more, the writer says why.
            let _ = std::iter::once(front).chain(enciphered).try_for_each(|c| to_file.send(c));
        });
        let mut ready = |chunk| hand_on(&to_cipher, chunk);
        let read = each_block(from, &mut |block| plain.write(block, &mut ready));
        read.map_err(PackError::staging(path))?;
        plain.finish(&mut ready).map_err(|source| PackError::Seal { what: name_of(path), source })
    })
}

fn each_block(
    from: &mut dyn Read,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            len => take(&block[..len])?,
        }
    }
}

/// Hands a block to the next thread. If nobody takes it any more, that thread has an error, which
/// says more than this one.
fn hand_on(to: &Sender<Vec<u8>>, block: Vec<u8>) -> io::Result<()> {
    to.send(block).map_err(|_| io::ErrorKind::BrokenPipe.into())
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
    unless_missing(fs::remove_file(path))?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
