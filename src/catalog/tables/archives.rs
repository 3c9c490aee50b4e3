//! Archives: the steps in which a run makes progress that survives it.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::value::{digest, number, stored, word};
use crate::catalog::tables::contents::{self, NewContent};
use crate::catalog::tables::rows::{RowContent, RowWriter};
use crate::catalog::tables::{discs, gone};
use crate::model::disc::Compression;
use crate::model::rows::{FrameSpan, Note};
use crate::model::{ArchiveNo, Bytes, Digest, DiscNo, Entry, RelPath, SnapshotSeq};
use rusqlite::{Connection, Row, params};

/// One archive file on a disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRecord {
    pub number: ArchiveNo,
    pub disc: DiscNo,
    /// The run that stored it.
    pub snapshot: SnapshotSeq,
    pub compression: Compression,
    pub encrypted: bool,
    /// Of the file on the disc.
    pub size: Bytes,
    /// Decrypted: what frames' offsets count in. Equals `size` if not encrypted.
    pub plain: Bytes,
    /// Of the file on the disc.
    pub sha256: Digest,
    /// Content of the files in it.
    pub content: Bytes,
}

/// The random number that parts of one content carry in their names (format 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartsId(pub u64);

/// A member of an archive. Directories before what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    pub entry: Entry,
    /// The name in the tar file.
    pub member: RelPath,
    pub stored: Stored,
    pub note: Note,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A directory, a link, a device, an empty file.
    NoContent,
    /// All of the file.
    Whole { sha256: Digest, frames: FrameSpan },
    /// A slice of the file. Parts are committed in order; a run that begins a file again takes
    /// another id.
    Part {
        id: PartsId,
        /// From 1.
        part: u32,
        file_offset: u64,
        length: u64,
        frames: FrameSpan,
        /// With the last part.
        end: Option<FileEnd>,
    },
}

/// What is known of a file in parts once it was read to its end. Its size is the entry's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileEnd {
    pub sha256: Digest,
}

/// Where in an archive a content, or a slice of it, is.
pub(in crate::catalog) struct NewPart<'a> {
    pub archive: ArchiveNo,
    pub part: u32,
    pub frames: &'a FrameSpan,
    pub file_offset: Option<u64>,
    pub length: Option<u64>,
}

impl Catalog {
    /// Records an archive that is durable in the staging area, with all its members: contents,
    /// parts, and the rows of the snapshot in progress. Gives the content of each member, in order.
    pub fn commit_archive(
        &mut self,
        set: SetId,
        archive: &ArchiveRecord,
        members: &[StoredMember],
    ) -> Result<Vec<Option<ContentId>>> {
        self.change(set, "recording an archive", |tx| {
            let mut rows = RowWriter::new(tx, set, archive.snapshot)?;
            discs::check_open(tx, set, archive.disc)?;
            insert(tx, set, archive)?;
            members
                .iter()
                .map(|member| commit_member(tx, set, archive.number, member, &mut rows))
                .collect()
        })
    }

    /// The archives of a disc, in the order of their numbers.
    pub fn archives_of_disc(&self, set: SetId, disc: DiscNo) -> Result<Vec<ArchiveRecord>> {
        self.read("listing archives", |conn| {
            let sql = "SELECT number, disc, seq, compression, encrypted, size, plain, sha256, bytes
                       FROM archives WHERE set_id=? AND disc=? ORDER BY number";
            conn.prepare(sql)?.query_and_then(params![set.0, disc.0], read_archive)?.collect()
        })
    }
}

pub(in crate::catalog) fn is_known(
    conn: &Connection,
    set: SetId,
    archive: ArchiveNo,
) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM archives WHERE set_id=? AND number=?";
    Ok(conn.prepare_cached(sql)?.exists(params![set.0, archive.0])?)
}

pub(in crate::catalog) fn insert(
    conn: &Connection,
    set: SetId,
    archive: &ArchiveRecord,
) -> Result<(), Fault> {
    if is_known(conn, set, archive.number)? {
        return Err(Refused::ArchiveTaken(archive.number).into());
    }
    let sql = "INSERT INTO archives(set_id, number, disc, seq, compression, encrypted, size, plain,
               sha256, bytes) VALUES(?,?,?,?,?,?,?,?,?,?)";
    conn.prepare_cached(sql)?.execute(params![
        set.0,
        archive.number.0,
        archive.disc.0,
        archive.snapshot.0,
        archive.compression.word(),
        archive.encrypted,
        stored(archive.size.0),
        stored(archive.plain.0),
        archive.sha256.0,
        stored(archive.content.0),
    ])?;
    let sql = "UPDATE sets SET last_archive=max(last_archive, ?2) WHERE id=?1";
    conn.prepare_cached(sql)?.execute(params![set.0, archive.number.0])?;
    Ok(())
}

fn commit_member(
    conn: &Connection,
    set: SetId,
    archive: ArchiveNo,
    member: &StoredMember,
    rows: &mut RowWriter,
) -> Result<Option<ContentId>, Fault> {
    let content = match &member.stored {
        Stored::NoContent => RowContent::None,
        Stored::Whole { sha256, frames } => {
            store_whole(conn, set, archive, member, sha256, frames)?
        }
        Stored::Part { end, .. } => {
            let stored = store_part(conn, set, archive, member)?;
            RowContent::Own(match end {
                Some(FileEnd { sha256 }) => {
                    gone::regain_in_parts(conn, set, stored, sha256, member.entry.size)?
                }
                None => stored,
            })
        }
    };
    rows.put(&member.entry, content, &member.note)?;
    Ok(content.id())
}

fn store_whole(
    conn: &Connection,
    set: SetId,
    archive: ArchiveNo,
    member: &StoredMember,
    sha256: &Digest,
    frames: &FrameSpan,
) -> Result<RowContent, Fault> {
    let size = member.entry.size;
    let new = NewContent { set, sha256: Some(sha256), size, parts_id: None };
    let id = match gone::regain(conn, set, sha256, size)? {
        Some(id) => id,
        None => contents::insert(conn, &new)?,
    };
    insert_part(conn, id, &NewPart { archive, part: 0, frames, file_offset: None, length: None })?;
    if member.member == member.entry.path {
        return Ok(RowContent::Own(id));
    }
    let sql = "INSERT INTO members(content, path) VALUES(?,?)";
    conn.prepare_cached(sql)?.execute(params![id.0, member.member.as_bytes()])?;
    Ok(RowContent::Renamed(id))
}

pub(in crate::catalog) fn store_part(
    conn: &Connection,
    set: SetId,
    archive: ArchiveNo,
    member: &StoredMember,
) -> Result<ContentId, Fault> {
    let Stored::Part { id, part, file_offset, length, frames, end } = &member.stored else {
        return Err(Refused::NotItsContent(member.entry.path.clone()).into());
    };
    let size = member.entry.size;
    let content = match (contents::begun(conn, set, id.0)?, *part) {
        (None, 1) => {
            let new = NewContent { set, sha256: None, size, parts_id: Some(id.0) };
            contents::insert(conn, &new)?
        }
        (Some((content, last)), part) if part == last.saturating_add(1) => content,
        _ => return Err(Refused::PartOrder(member.entry.path.clone(), *part).into()),
    };
    let (file_offset, length) = (Some(*file_offset), Some(*length));
    insert_part(conn, content, &NewPart { archive, part: *part, frames, file_offset, length })?;
    contents::set_size(conn, content, size)?;
    if let Some(end) = end {
        contents::complete(conn, content, &end.sha256)?;
    }
    Ok(content)
}

pub(in crate::catalog) fn insert_part(
    conn: &Connection,
    content: ContentId,
    new: &NewPart,
) -> Result<(), Fault> {
    let sql = "INSERT INTO parts(content, part, archive, frame_offset, frame_length, tar_offset,
               file_offset, length) VALUES(?,?,?,?,?,?,?,?)";
    conn.prepare_cached(sql)?.execute(params![
        content.0,
        new.part,
        new.archive.0,
        stored(new.frames.offset),
        stored(new.frames.length),
        stored(new.frames.tar_offset),
        new.file_offset.map(stored),
        new.length.map(stored),
    ])?;
    Ok(())
}

fn read_archive(row: &Row) -> Result<ArchiveRecord, Fault> {
    Ok(ArchiveRecord {
        number: ArchiveNo(row.get(0)?),
        disc: DiscNo(row.get(1)?),
        snapshot: SnapshotSeq(row.get(2)?),
        compression: word(row, 3, Compression::from_word)?,
        encrypted: row.get(4)?,
        size: Bytes(number(row, 5)?),
        plain: Bytes(number(row, 6)?),
        sha256: digest(row, 7)?,
        content: Bytes(number(row, 8)?),
    })
}
