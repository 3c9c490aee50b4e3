//! What an archive holds, without a listing that tells it: read from end to end, member by member,
//! past whatever is damaged. It stands apart because the rest of restoring goes by INDEX and never
//! looks for anything.

use std::io::{self, Cursor, Read};

use sha2::{Digest as _, Sha256};

use super::archive::{Archive, ArchiveBytes, ArchiveError, Holes};
use crate::codec::openpgp::{Integrity, Opener};
use crate::codec::read_member::{MemberError, ReadMember, read_member};
use crate::codec::salvage::{SalvageReader, SalvagedPiece};
use crate::drive::DiscReader;
use crate::format::members::{part_id, path_of};
use crate::model::disc::Compression;
use crate::model::rows::{FrameSpan, IndexRow, Note, PartSpan};
use crate::model::{ArchiveNo, Digest, RelPath, SnapshotSeq};
use crate::port::stop::{Heeding, Stop, Stopped};

/// A tar file's unit.
const BLOCK: u64 = 512;

#[derive(Debug, thiserror::Error)]
pub enum UnlistedError {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("archive {number} cannot be read")]
    Read { number: ArchiveNo, source: io::Error },
}

/// What reading an archive to its end found.
#[derive(Debug, Default)]
pub struct Unlisted {
    /// As INDEX would have them, as far as the archive itself tells: of a part neither its file's
    /// name (it is called as its member is) nor its place in the file.
    pub rows: Vec<IndexRow>,
    /// Bytes of the decrypted archive in which nothing was found.
    pub lost: u64,
    /// Of the decrypted archive.
    pub length: u64,
    /// The archive is encrypted, all of it could be read, and its modification detection code says
    /// that it is not what was encrypted.
    pub is_changed: bool,
}

/// Reads an archive to its end. `of` is the snapshot that its members count to.
pub fn read_archive(
    disc: &dyn DiscReader,
    number: ArchiveNo,
    opener: Option<&Opener>,
    of: SnapshotSeq,
    stop: &Stop,
) -> Result<Unlisted, UnlistedError> {
    let archive = Archive::open(disc, number, opener)?;
    let bytes = archive.bytes(Holes::Zeros);
    let mut found = FoundArchive { number, of, unlisted: Unlisted::default() };
    let failed = |source| UnlistedError::Read { number, source };
    match archive.compression {
        Compression::None => read_plain(&archive, &bytes, &mut found, stop)?,
        compression => {
            let pieces = SalvageReader::new(compression, archive.range(&bytes, 0, u64::MAX));
            read_frames(pieces, &mut found, stop)?.map_err(failed)?;
        }
    }
    let mut unlisted = found.unlisted;
    if let (Some(opener), true) = (opener, archive.is_encrypted() && unlisted.lost == 0) {
        unlisted.is_changed = !is_intact(&archive, opener, stop)?;
    }
    Ok(unlisted)
}

/// Reads it once more: the code is at the end of the message, and only who reads from its beginning
/// can tell whether it is right.
fn is_intact(archive: &Archive, opener: &Opener, stop: &Stop) -> Result<bool, Stopped> {
    let input = archive.bytes(Holes::Zeros).into_reader();
    let Ok(mut opened) = opener.open_damaged(Heeding::new(input, stop)) else { return Ok(false) };
    let read = io::copy(&mut opened, &mut io::sink());
    stop.check()?;
    Ok(read.is_ok() && opened.integrity() == Integrity::Good)
}

struct FoundArchive {
    number: ArchiveNo,
    of: SnapshotSeq,
    unlisted: Unlisted,
}

impl FoundArchive {
    fn take(&mut self, member: ReadMember, digest: Option<Digest>, frames: FrameSpan) {
        let part = part_id(&member.name).and_then(|_| part_number(&member.name));
        let path = match part {
            Some(_) => member.name.clone(),
            None => path_of(&member.name),
        };
        let mut meta = member.meta;
        if member.kind == crate::model::Kind::Hardlink {
            // A link names the member that it is another name of.
            let first = RelPath::new(&meta.link).map(|name| path_of(&name));
            meta.link = first.map_or(Vec::new(), |path| path.as_bytes().to_vec());
        }
        self.unlisted.rows.push(IndexRow {
            snapshot: self.of,
            kind: member.kind,
            path,
            member: member.name,
            size: member.size,
            sha256: digest,
            archive: self.number,
            frames,
            span: PartSpan {
                part: part.unwrap_or(0),
                parts: None,
                file_offset: 0,
                file_size: member.size,
            },
            file_sha256: digest.filter(|_| part.is_none()),
            meta,
            note: Note::None,
        });
    }
}

/// The number at the end of a part's name.
fn part_number(member: &RelPath) -> Option<u32> {
    let name = member.components().last()?;
    std::str::from_utf8(name).ok()?.parse().ok().filter(|&number| number > 0)
}

/// Frames one after the other, as one stream of tar data that knows where it is.
struct Chain<R> {
    pieces: SalvageReader<R>,
    data: Cursor<Vec<u8>>,
    /// Where the frame that is read begins and ends in the archive.
    frame: (u64, u64),
    lost: u64,
    /// The rest of a frame that was damaged is no continuation.
    broken: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Chain<R> {
    /// The next frame; false at the end, and where reading itself fails.
    fn advance(&mut self) -> bool {
        loop {
            match self.pieces.next_piece() {
                Err(error) => {
                    self.failure = Some(error);
                    return false;
                }
                Ok(None) => return false,
                Ok(Some(SalvagedPiece::Gap { length, .. })) => {
                    self.lost += length;
                    self.broken = true;
                }
                Ok(Some(SalvagedPiece::Frame { offset, length, data })) => {
                    self.frame = (offset, offset + length);
                    self.data = Cursor::new(data);
                    if !self.data.get_ref().is_empty() {
                        return true;
                    }
                }
            }
        }
    }

    fn is_used_up(&self) -> bool {
        self.data.position() >= self.data.get_ref().len() as u64
    }
}

impl<R: Read> Read for Chain<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.is_used_up() && !buf.is_empty() {
            let sound_so_far = !self.broken;
            if !self.advance() {
                return Ok(0);
            }
            if sound_so_far && self.broken {
                // The next frame is not what follows: whoever reads a member has lost it.
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        self.data.read(buf)
    }
}

/// Members begin where frames do, or behind another member in the same frame; a frame that begins
/// with no header holds the middle of a member whose beginning is lost.
fn read_frames<R: Read>(
    pieces: SalvageReader<R>,
    found: &mut FoundArchive,
    stop: &Stop,
) -> Result<io::Result<()>, Stopped> {
    let mut chain = Chain {
        pieces,
        data: Cursor::default(),
        frame: (0, 0),
        lost: 0,
        broken: false,
        failure: None,
    };
    loop {
        stop.check()?;
        if chain.is_used_up() && !chain.advance() {
            break;
        }
        chain.broken = false;
        let start = (chain.frame.0, chain.data.position());
        match read_one(&mut chain) {
            Ok(Some((member, digest))) => {
                let length = chain.frame.1 - start.0;
                let frames = FrameSpan { offset: start.0, length, tar_offset: start.1 };
                found.take(member, digest, frames);
            }
            // The end's zeros.
            Ok(None) => chain.data.set_position(u64::MAX),
            Err(_) if chain.frame.0 == start.0 => {
                // Nothing after it in this frame can be found.
                found.unlisted.lost += chain.frame.1 - start.0;
                chain.data.set_position(u64::MAX);
            }
            // A later frame was begun: it may begin with a member.
            Err(_) => chain.data.set_position(0),
        }
    }
    found.unlisted.lost += chain.lost;
    found.unlisted.length = chain.frame.1;
    Ok(chain.failure.map_or(Ok(()), Err))
}

/// One member with its content, which is hashed, holes counted.
fn read_one(input: &mut impl Read) -> Result<Option<(ReadMember, Option<Digest>)>, MemberError> {
    let Some(member) = read_member(input)? else { return Ok(None) };
    let is_file = member.kind == crate::model::Kind::File;
    let mut hasher = Sha256::new();
    let (mut pieces, mut at) = (member.pieces(), 0);
    let mut buf = vec![0; 1 << 16];
    while let Some((place, read)) = pieces.next(input, &mut buf)? {
        hash_hole(&mut hasher, place - at);
        hasher.update(&buf[..read]);
        at = place + read as u64;
    }
    hash_hole(&mut hasher, member.size.saturating_sub(at));
    Ok(Some((member, is_file.then(|| Digest(hasher.finalize().into())))))
}

fn hash_hole(hasher: &mut Sha256, mut length: u64) {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    while length > 0 {
        let now = length.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..now as usize]);
        length -= now;
    }
}

/// An archive that is not compressed has no frames that show: each member is a span by itself.
/// What is no header is passed over block by block.
fn read_plain(
    archive: &Archive,
    bytes: &ArchiveBytes,
    found: &mut FoundArchive,
    stop: &Stop,
) -> Result<(), Stopped> {
    let mut at = 0;
    loop {
        stop.check()?;
        let mut input = CountingReader { inner: archive.range(bytes, at, u64::MAX), read: 0 };
        match read_one(&mut input) {
            Ok(Some((member, digest))) => {
                let frames = FrameSpan { offset: at, length: input.read, tar_offset: 0 };
                at += input.read;
                found.take(member, digest, frames);
            }
            Ok(None) if input.read < BLOCK => break,
            // Zeros: the end, or a hole where something was.
            Ok(None) => at += BLOCK,
            Err(_) if input.read < BLOCK => break,
            Err(_) => {
                found.unlisted.lost += BLOCK;
                at += BLOCK;
            }
        }
    }
    found.unlisted.length = at;
    Ok(())
}

struct CountingReader<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.read += read as u64;
        Ok(read)
    }
}
