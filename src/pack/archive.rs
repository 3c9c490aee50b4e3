//! One archive in the making: members into frames, frames through the compressor in parallel and
//! in order into the spool, and at the end the spool, sealed, into a file of staging.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crossbeam_channel::{Receiver, Sender, unbounded};
use sha2::{Digest as _, Sha256};

use crate::codec::frames::{FRAME_BYTES, compress, worst_case};
use crate::codec::member::END_OF_ARCHIVE;
use crate::codec::openpgp::Sealer;
use crate::codec::spool::Spool;
use crate::model::disc::{Compression, archive_path};
use crate::model::rows::FrameSpan;
use crate::model::{ArchiveNo, Digest};
use crate::port::files::rename_durably;

use super::{PackError, PackedMember};

/// An archive that is durable in staging.
#[derive(Debug)]
pub struct SealedArchive {
    pub number: ArchiveNo,
    pub compression: Compression,
    pub encrypted: bool,
    /// Path on the disc.
    pub path: String,
    /// Bytes of the file on the disc, and of what it decrypts to.
    pub size: u64,
    pub decrypted: u64,
    pub sha256: Digest,
    /// Bytes of content, holes not counted.
    pub content: u64,
    pub members: Vec<PackedMember>,
}

/// A frame's number, and what it was compressed to.
type Done = (usize, Vec<u8>);

/// Frames of one archive that are being compressed, and those that are done.
struct Frames {
    compression: Compression,
    spool: Spool,
    /// Bytes of each frame in the spool, in order.
    lengths: Vec<u64>,
    /// Raw lengths of the frames that are on their way, by number.
    under_way: BTreeMap<usize, usize>,
    /// Results that came before their turn.
    early: BTreeMap<usize, Vec<u8>>,
    results: (Sender<Done>, Receiver<Done>),
}

impl Frames {
    fn new(compression: Compression, spool: Spool) -> Frames {
        Frames {
            compression,
            spool,
            lengths: Vec::new(),
            under_way: BTreeMap::new(),
            early: BTreeMap::new(),
            results: unbounded(),
        }
    }

    /// The number that the next frame will get.
    fn next(&self) -> usize {
        self.lengths.len() + self.under_way.len()
    }

    /// Two frames for each thread keep all of them busy; more would only take memory.
    fn limit() -> usize {
        2 * rayon::current_num_threads() + 1
    }

    fn push(&mut self, raw: Vec<u8>) -> Result<(), PackError> {
        if self.compression == Compression::None {
            return self.append(&raw);
        }
        while self.under_way.len() >= Self::limit() {
            self.receive()?;
        }
        let number = self.next();
        self.under_way.insert(number, raw.len());
        let (compression, sender) = (self.compression, self.results.0.clone());
        rayon::spawn(move || {
            // Nobody listens any more if the run was stopped: then the result is of no use.
            let _ = sender.send((number, compress(compression, &raw)));
        });
        Ok(())
    }

    fn append(&mut self, frame: &[u8]) -> Result<(), PackError> {
        self.spool.append(frame)?;
        self.lengths.push(frame.len() as u64);
        Ok(())
    }

    fn receive(&mut self) -> Result<(), PackError> {
        // The sender lives in `self`: the channel cannot be closed.
        if let Ok((number, frame)) = self.results.1.recv() {
            self.early.insert(number, frame);
        }
        while let Some(frame) = self.early.remove(&self.lengths.len()) {
            self.under_way.remove(&self.lengths.len());
            self.append(&frame)?;
        }
        Ok(())
    }

    /// Waits until every frame is in the spool.
    fn drain(&mut self) -> Result<(), PackError> {
        while !self.under_way.is_empty() {
            self.receive()?;
        }
        Ok(())
    }

    /// Bytes in the spool once all is done, at most.
    fn bound(&self) -> u64 {
        let coming: u64 =
            self.under_way.values().map(|&raw| worst_case(self.compression, raw as u64)).sum();
        self.spool.len() + coming
    }

    /// Forgets all frames from `number` on.
    fn cut(&mut self, number: usize) -> Result<(), PackError> {
        self.drain()?;
        let kept: u64 = self.lengths[..number].iter().sum();
        self.lengths.truncate(number);
        self.spool.truncate(kept)?;
        Ok(())
    }
}

/// A member that was put in; its place is known when the archive is sealed.
struct Placed {
    member: PackedMember,
    first: usize,
    last: usize,
    tar_offset: u64,
}

/// A place in the archive that it can be cut back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    frame: usize,
    members: usize,
    content: u64,
}

/// An archive that takes members.
pub struct ArchiveBuilder {
    number: ArchiveNo,
    frames: Frames,
    /// The open frame's tar data.
    open: Vec<u8>,
    placed: Vec<Placed>,
    content: u64,
}

impl ArchiveBuilder {
    pub fn new(number: ArchiveNo, compression: Compression, spool: Spool) -> ArchiveBuilder {
        ArchiveBuilder {
            number,
            frames: Frames::new(compression, spool),
            open: Vec::with_capacity(FRAME_BYTES),
            placed: Vec::new(),
            content: 0,
        }
    }

    pub fn compression(&self) -> Compression {
        self.frames.compression
    }

    pub fn number(&self) -> ArchiveNo {
        self.number
    }

    pub fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.placed.len()
    }

    /// Bytes of source content so far, holes not counted.
    pub fn content(&self) -> u64 {
        self.content
    }

    /// Bytes that the archive will have before encryption if it were ended now, at most.
    pub fn bound(&self) -> u64 {
        let end = worst_case(self.compression(), END_OF_ARCHIVE.len() as u64);
        let open = match self.open.len() {
            0 => 0,
            raw => worst_case(self.compression(), raw as u64),
        };
        self.frames.bound() + open + end
    }

    /// What a member of `tar_bytes` can add to [`bound`](Self::bound) at most.
    pub fn cost(&self, tar_bytes: u64) -> u64 {
        let whole = tar_bytes / FRAME_BYTES as u64;
        let rest = tar_bytes % FRAME_BYTES as u64;
        let compression = self.compression();
        whole * worst_case(compression, FRAME_BYTES as u64) + worst_case(compression, rest)
    }

    /// Puts a whole member (head, data, padding) of at most a frame into the archive.
    pub fn put_small(
        &mut self,
        tar_data: &[u8],
        content: u64,
        member: PackedMember,
    ) -> Result<(), PackError> {
        debug_assert!(tar_data.len() <= FRAME_BYTES);
        if self.open.len() + tar_data.len() > FRAME_BYTES {
            self.end_frame()?;
        }
        let frame = self.frames.next();
        let tar_offset = self.open.len() as u64;
        self.open.extend_from_slice(tar_data);
        self.content += content;
        self.placed.push(Placed { member, first: frame, last: frame, tar_offset });
        Ok(())
    }

    /// Puts a member in as a frame of its own, but only if it then takes at most `room` bytes.
    /// For the edge of a disc: all frames before are in the spool, so the sum is exact.
    pub fn put_if_fits(
        &mut self,
        tar_data: &[u8],
        content: u64,
        member: PackedMember,
        room: u64,
    ) -> Result<Option<PackedMember>, PackError> {
        self.end_frame()?;
        self.frames.drain()?;
        let frame = compress(self.compression(), tar_data);
        if frame.len() as u64 > room {
            return Ok(Some(member));
        }
        let number = self.frames.next();
        self.frames.append(&frame)?;
        self.content += content;
        self.placed.push(Placed { member, first: number, last: number, tar_offset: 0 });
        Ok(None)
    }

    /// Begins a member with frames of its own; end it with [`end_long`](Self::end_long).
    pub fn begin_long(&mut self) -> Result<Mark, PackError> {
        self.end_frame()?;
        Ok(Mark { frame: self.frames.next(), members: self.placed.len(), content: self.content })
    }

    /// More tar data of the long member.
    pub fn write_long(&mut self, mut data: &[u8]) -> Result<(), PackError> {
        while !data.is_empty() {
            let take = data.len().min(FRAME_BYTES - self.open.len());
            self.open.extend_from_slice(&data[..take]);
            data = &data[take..];
            if self.open.len() == FRAME_BYTES {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    pub fn end_long(
        &mut self,
        begun: Mark,
        content: u64,
        member: PackedMember,
    ) -> Result<(), PackError> {
        self.end_frame()?;
        let last = self.frames.next() - 1;
        self.content += content;
        self.placed.push(Placed { member, first: begun.frame, last, tar_offset: 0 });
        Ok(())
    }

    /// Takes everything out again that came since the mark.
    pub fn cut_back(&mut self, mark: Mark) -> Result<(), PackError> {
        self.open.clear();
        self.frames.cut(mark.frame)?;
        self.placed.truncate(mark.members);
        self.content = mark.content;
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), PackError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let raw = std::mem::replace(&mut self.open, Vec::with_capacity(FRAME_BYTES));
        self.frames.push(raw)
    }

    /// Makes [`bound`](Self::bound) exact, but for the end's frame.
    pub fn settle(&mut self) -> Result<(), PackError> {
        self.end_frame()?;
        self.frames.drain()
    }

    /// Ends the archive: the spool becomes a durable file under `dir`.
    /// An archive that is not sealed leaves nothing behind: its spool has no name.
    pub fn seal(mut self, dir: &Path, sealer: Option<&Sealer>) -> Result<SealedArchive, PackError> {
        self.settle()?;
        let end = compress(self.compression(), &END_OF_ARCHIVE);
        self.frames.append(&end)?;
        let encrypted = sealer.is_some();
        let path = archive_path(self.number, self.compression(), encrypted);
        let decrypted = self.frames.spool.len();
        let file = dir.join(&path);
        let (size, sha256) =
            write_sealed(&file, &mut self.frames.spool.reader(), decrypted, sealer)?;
        Ok(SealedArchive {
            number: self.number,
            compression: self.compression(),
            encrypted,
            path,
            size,
            decrypted,
            sha256,
            content: self.content,
            members: resolve(self.placed, &self.frames.lengths),
        })
    }
}

/// Gives each member its place now that all frames' lengths are known.
fn resolve(placed: Vec<Placed>, lengths: &[u64]) -> Vec<PackedMember> {
    let mut offsets = vec![0];
    offsets.extend(lengths.iter().scan(0, |sum, length| {
        *sum += length;
        Some(*sum)
    }));
    let finish = |placed: Placed| {
        let mut member = placed.member;
        let (offset, end) = (offsets[placed.first], offsets[placed.last + 1]);
        member.row.frames =
            FrameSpan { offset, length: end - offset, tar_offset: placed.tar_offset };
        member
    };
    placed.into_iter().map(finish).collect()
}

/// Writes `length` bytes, encrypted if asked, to a new durable file; returns its size and hash.
pub fn write_sealed(
    path: &Path,
    from: &mut dyn Read,
    length: u64,
    sealer: Option<&Sealer>,
) -> Result<(u64, Digest), PackError> {
    let temporary = path.with_extension("new");
    let failed = PackError::staging(path);
    let file = match create_private(&temporary) {
        Ok(file) => file,
        Err(error) => return Err(failed(error)),
    };
    let mut out = HashingWriter::new(BufWriter::with_capacity(1 << 20, file));
    match sealer {
        None => copy(from, &mut out).map_err(failed)?,
        Some(sealer) => {
            let what = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let seal = |source| PackError::Seal { what: what.clone(), source };
            let mut sealed = sealer.seal(length, &mut out).map_err(seal)?;
            copy(from, &mut sealed).map_err(failed)?;
            sealed.finish().map_err(seal)?;
        }
    }
    let (size, digest) = (out.written, Digest(out.hasher.finalize().into()));
    let durable = || -> io::Result<()> {
        out.inner.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        rename_durably(&temporary, path)
    };
    durable().map_err(PackError::staging(path))?;
    Ok((size, digest))
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            n => to.write_all(&buffer[..n])?,
        }
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        crate::port::files::make_private_dir(parent)?;
    }
    // A leftover of a run that was killed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Counts and hashes what passes through.
struct HashingWriter<W: Write> {
    inner: W,
    hasher: Sha256,
    written: u64,
}

impl<W: Write> HashingWriter<W> {
    fn new(inner: W) -> Self {
        HashingWriter { inner, hasher: Sha256::new(), written: 0 }
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.inner.write_all(data)?;
        self.hasher.update(data);
        self.written += data.len() as u64;
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
