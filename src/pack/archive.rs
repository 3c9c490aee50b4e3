//! One archive in the making: members into frames, frames through all processors into the spool.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::codec::bzip2_frames::Bzip2Frames;
use crate::codec::frames::{FRAME_BYTES, compress, worst_case};
use crate::codec::member::END_OF_ARCHIVE;
use crate::codec::spool::{Spool, SpoolError};
use crate::model::disc::{Compression, archive_path};
use crate::model::rows::{FrameSpan, IndexRow};
use crate::model::{ArchiveNo, Digest, Entry};

use super::PackError;

/// A row of INDEX together with what only the catalog wants to know.
#[derive(Clone, Debug)]
pub struct PackedMember {
    pub row: IndexRow,
    /// The entry as the walk found it, for its fingerprint.
    pub entry: Entry,
    /// The random id of a file in parts.
    pub parts_id: Option<u64>,
}

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

/// What a thread did for a frame.
enum FrameResult {
    /// Its number, and what it was compressed to.
    Compressed(usize, Vec<u8>),
    /// It is in its place in the spool, or could not be written there.
    Stored(Result<(), SpoolError>),
}

/// Frames of one archive: those that are being compressed, those that are on their way into the
/// spool, and the lengths of all whose place there is known.
struct Frames {
    compression: Compression,
    bzip2: Arc<Bzip2Frames>,
    spool: Spool,
    /// Bytes of each frame in the spool, in order.
    lengths: Vec<u64>,
    /// Raw lengths of the frames that are being compressed, by number.
    compressing: BTreeMap<usize, usize>,
    /// Results that came before their turn.
    early: BTreeMap<usize, Vec<u8>>,
    /// How many are being written.
    storing: usize,
    results: (Sender<FrameResult>, Receiver<FrameResult>),
}

impl Frames {
    fn new(compression: Compression, bzip2: &Arc<Bzip2Frames>, spool: Spool) -> Frames {
        Frames {
            compression,
            bzip2: Arc::clone(bzip2),
            spool,
            lengths: Vec::new(),
            compressing: BTreeMap::new(),
            early: BTreeMap::new(),
            storing: 0,
            results: unbounded(),
        }
    }

    /// The number that the next frame will get.
    fn next(&self) -> usize {
        self.lengths.len() + self.compressing.len()
    }

    /// Two frames for each thread keep all of them busy; more would only take memory.
    fn limit() -> usize {
        2 * rayon::current_num_threads() + 1
    }

    fn push(&mut self, raw: Vec<u8>) -> Result<(), PackError> {
        while self.under_way() >= Self::limit() {
            self.receive()?;
        }
        match self.compression {
            Compression::None => self.store(raw),
            compression => self.compress(compression, raw),
        }
        Ok(())
    }

    fn compress(&mut self, compression: Compression, raw: Vec<u8>) {
        let number = self.next();
        self.compressing.insert(number, raw.len());
        let (bzip2, sender) = (Arc::clone(&self.bzip2), self.results.0.clone());
        rayon::spawn(move || {
            let frame = compress(&bzip2, compression, &raw);
            // Nobody listens any more if the run was stopped: then the result is of no use.
            let _ = sender.send(FrameResult::Compressed(number, frame));
        });
    }

    /// The next frame as it will be in the archive. Its place is certain, so that enciphering and
    /// writing it are another thread's work, too.
    fn store(&mut self, frame: Vec<u8>) {
        let place = self.spool.reserve(frame.len() as u64);
        self.lengths.push(frame.len() as u64);
        self.storing += 1;
        let sender = self.results.0.clone();
        rayon::spawn(move || {
            let _ = sender.send(FrameResult::Stored(place.fill(frame)));
        });
    }

    fn under_way(&self) -> usize {
        self.compressing.len() + self.storing
    }

    fn receive(&mut self) -> Result<(), PackError> {
        // The sender lives in `self`: the channel cannot be closed.
        match self.results.1.recv() {
            Ok(FrameResult::Compressed(number, frame)) => _ = self.early.insert(number, frame),
            Ok(FrameResult::Stored(stored)) => {
                self.storing -= 1;
                stored?;
            }
            Err(_) => {}
        }
        while let Some(frame) = self.early.remove(&self.lengths.len()) {
            self.compressing.remove(&self.lengths.len());
            self.store(frame);
        }
        Ok(())
    }

    /// Waits until every frame is in the spool.
    fn drain(&mut self) -> Result<(), PackError> {
        while self.under_way() > 0 {
            self.receive()?;
        }
        Ok(())
    }

    /// Bytes in the spool once all is done, at most.
    fn bound(&self) -> u64 {
        let coming: u64 =
            self.compressing.values().map(|&raw| worst_case(self.compression, raw as u64)).sum();
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
struct PlacedMember {
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
    placed: Vec<PlacedMember>,
    content: u64,
}

impl ArchiveBuilder {
    pub fn new(
        number: ArchiveNo,
        compression: Compression,
        bzip2: &Arc<Bzip2Frames>,
        spool: Spool,
    ) -> ArchiveBuilder {
        ArchiveBuilder {
            number,
            frames: Frames::new(compression, bzip2, spool),
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

    pub fn members(&self) -> impl Iterator<Item = &PackedMember> {
        self.placed.iter().map(|placed| &placed.member)
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
        self.placed.push(PlacedMember { member, first: frame, last: frame, tar_offset });
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
        let frame = compress(&self.frames.bzip2, self.compression(), tar_data);
        if frame.len() as u64 > room {
            return Ok(Some(member));
        }
        let number = self.frames.next();
        self.frames.store(frame);
        self.content += content;
        self.placed.push(PlacedMember { member, first: number, last: number, tar_offset: 0 });
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
        self.placed.push(PlacedMember { member, first: begun.frame, last, tar_offset: 0 });
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

    /// Ends the archive: it takes nothing more, and its length is certain.
    pub fn finish(mut self) -> Result<FullArchive, PackError> {
        self.end_frame()?;
        self.frames.drain()?;
        let end = compress(&self.frames.bzip2, self.compression(), &END_OF_ARCHIVE);
        self.frames.store(end);
        self.frames.drain()?;
        Ok(FullArchive {
            number: self.number,
            compression: self.compression(),
            content: self.content,
            members: resolve(self.placed, &self.frames.lengths),
            spool: self.frames.spool,
        })
    }
}

/// An archive whose members are all in the spool; nothing is lacking but its file.
/// If it is dropped, nothing is left behind: a spool has no name.
#[derive(Debug)]
pub struct FullArchive {
    pub number: ArchiveNo,
    pub compression: Compression,
    /// Bytes of content, holes not counted.
    pub content: u64,
    pub members: Vec<PackedMember>,
    pub spool: Spool,
}

impl FullArchive {
    /// Path on the disc.
    pub fn path(&self, encrypted: bool) -> String {
        archive_path(self.number, self.compression, encrypted)
    }
}

/// Gives each member its place now that all frames' lengths are known.
fn resolve(placed: Vec<PlacedMember>, lengths: &[u64]) -> Vec<PackedMember> {
    let mut offsets = vec![0];
    offsets.extend(lengths.iter().scan(0, |sum, length| {
        *sum += length;
        Some(*sum)
    }));
    let finish = |placed: PlacedMember| {
        let mut member = placed.member;
        let (offset, end) = (offsets[placed.first], offsets[placed.last + 1]);
        member.row.frames =
            FrameSpan { offset, length: end - offset, tar_offset: placed.tar_offset };
        member
    };
    placed.into_iter().map(finish).collect()
}
