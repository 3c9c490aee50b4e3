//! Contents: what is stored once, whatever names it has; and where its bytes are.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result, odd};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::value::{self, number, optional_number, word};
use crate::catalog::base::{dirs, state};
use crate::catalog::tables::rows::{self, Raw};
use crate::model::disc::Compression;
use crate::model::rows::{FrameSpan, Place};
use crate::model::{ArchiveNo, Digest, DiscNo, Kind, RelPath, SnapshotSeq};
use rusqlite::{Connection, Row, params};
use std::collections::HashSet;

/// A content all of whose parts are in archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredContent {
    pub id: ContentId,
    pub size: u64,
    pub digest: Digest,
}

/// A member that holds a content, or a slice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPart {
    pub place: Place,
    pub compression: Compression,
    pub encrypted: bool,
    pub frames: FrameSpan,
    /// 0: all of it; else counted from 1.
    pub part: u32,
    pub file_offset: u64,
    /// Bytes of content in this member.
    pub length: u64,
}

/// All that is needed to read one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlaces {
    /// The file itself, or the path of kind `f` that a hard link is another name of.
    pub path: RelPath,
    pub size: u64,
    /// `None`: parts are missing, or the content is stored nowhere (any more).
    pub digest: Option<Digest>,
    /// In order; none for an empty file.
    pub parts: Vec<StoredPart>,
}

impl Catalog {
    /// The sizes of complete contents: a file of another size is new without being hashed.
    pub fn known_sizes(&self, set: SetId) -> Result<HashSet<u64>> {
        self.read("listing sizes", |conn| {
            let sql = "SELECT DISTINCT size FROM contents WHERE set_id=? AND sha256 IS NOT NULL
                       AND gone IS NULL";
            conn.prepare(sql)?.query_and_then([set.0], |row| number(row, 0))?.collect()
        })
    }

    /// The content with this digest, if all of it is in archives, and on discs that are there.
    pub fn content_by_digest(
        &self,
        set: SetId,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<StoredContent>> {
        self.read("looking for a content", |conn| {
            let id = by_digest(conn, set, digest, size)?;
            Ok(id.map(|id| StoredContent { id, size, digest: *digest }))
        })
    }

    /// Where a content is, part by part.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn parts_of(&self, set: SetId, content: ContentId) -> Result<Vec<StoredPart>> {
        self.read("looking for parts", |conn| parts_of(conn, set, content))
    }

    /// Where the bytes of one file of one snapshot are. `None`: there is no such path, or it is
    /// neither a file nor a hard link to one.
    pub fn resolve(
        &self,
        set: SetId,
        seq: SnapshotSeq,
        path: &RelPath,
    ) -> Result<Option<FilePlaces>> {
        self.read("looking for a file", |conn| {
            state::check_known(conn, set, seq)?;
            let mut path = path.clone();
            let mut row = self.row_at(conn, set, seq, &path)?;
            if let Some(link) = row.as_ref().filter(|raw| raw.kind == Kind::Hardlink) {
                path = value::rel_path(&link.meta.link)?;
                row = self.row_at(conn, set, seq, &path)?;
            }
            row.filter(|raw| raw.kind == Kind::File)
                .map(|raw| file_places(conn, set, path, &raw))
                .transpose()
        })
    }

    fn row_at(
        &self,
        conn: &Connection,
        set: SetId,
        seq: SnapshotSeq,
        path: &RelPath,
    ) -> Result<Option<Raw>, Fault> {
        let (dir, name) = dirs::place(path);
        let Some(dir) = self.dirs.borrow_mut().find(conn, set, &dir)? else { return Ok(None) };
        let sql = format!(
            "{} WHERE e.dir=?1 AND e.name=?2 AND e.first_seq<=?3
                AND (e.last_seq IS NULL OR e.last_seq>=?3)",
            rows::SELECT
        );
        let owners = &mut *self.owners.borrow_mut();
        conn.prepare_cached(&sql)?
            .query_and_then(params![dir, name, seq.0], |row| rows::read(row, conn, owners))?
            .next()
            .transpose()
    }
}

pub(in crate::catalog) fn by_digest(
    conn: &Connection,
    set: SetId,
    digest: &Digest,
    size: u64,
) -> Result<Option<ContentId>, Fault> {
    let sql = "SELECT id FROM contents WHERE substr(sha256,1,8)=?1 AND sha256=?2
               AND set_id=?3 AND size=?4 AND gone IS NULL LIMIT 1";
    let values = params![&digest.0[..8], digest.0, set.0, value::stored(size)];
    let mut query = conn.prepare_cached(sql)?;
    Ok(query.query_map(values, |row| row.get(0).map(ContentId))?.next().transpose()?)
}

fn file_places(
    conn: &Connection,
    set: SetId,
    path: RelPath,
    raw: &Raw,
) -> Result<FilePlaces, Fault> {
    let (digest, parts) = match &raw.content {
        Some(content) => (content.sha256, parts_of(conn, set, ContentId(content.id))?),
        None => ((raw.size == 0).then_some(Digest::EMPTY), Vec::new()),
    };
    Ok(FilePlaces { path, size: raw.size, digest, parts })
}

fn parts_of(conn: &Connection, set: SetId, content: ContentId) -> Result<Vec<StoredPart>, Fault> {
    let sql = "SELECT a.disc, a.number, a.compression, a.encrypted, p.frame_offset, p.frame_length,
               p.tar_offset, p.part, p.file_offset, COALESCE(p.length, c.size)
               FROM contents c JOIN parts p ON p.content=c.id
               LEFT JOIN archives a ON a.set_id=c.set_id AND a.number=p.archive
               WHERE c.id=? AND c.set_id=? ORDER BY p.part";
    conn.prepare_cached(sql)?.query_and_then(params![content.0, set.0], read_part)?.collect()
}

fn read_part(row: &Row) -> Result<StoredPart, Fault> {
    let disc: Option<u32> = row.get(0)?;
    let disc = disc.ok_or_else(|| odd("a part in an archive that is not known"))?;
    Ok(StoredPart {
        place: Place { disc: DiscNo(disc), archive: ArchiveNo(row.get(1)?) },
        compression: word(row, 2, Compression::from_word)?,
        encrypted: row.get(3)?,
        frames: FrameSpan {
            offset: number(row, 4)?,
            length: number(row, 5)?,
            tar_offset: number(row, 6)?,
        },
        part: row.get(7)?,
        file_offset: optional_number(row, 8)?.unwrap_or(0),
        length: number(row, 9)?,
    })
}

/// A content to be inserted.
pub(in crate::catalog) struct NewContent<'a> {
    pub set: SetId,
    pub sha256: Option<&'a Digest>,
    pub size: u64,
    pub parts_id: Option<u64>,
}

pub(in crate::catalog) fn insert(conn: &Connection, new: &NewContent) -> Result<ContentId, Fault> {
    let sql = "INSERT INTO contents(set_id, sha256, size, parts_id) VALUES(?,?,?,?)";
    conn.prepare_cached(sql)?.execute(params![
        new.set.0,
        new.sha256.map(|digest| digest.0),
        value::stored(new.size),
        new.parts_id.map(value::bits),
    ])?;
    Ok(ContentId(conn.last_insert_rowid()))
}

/// The content in parts that is being stored under this id, with the number of its last part.
pub(in crate::catalog) fn begun(
    conn: &Connection,
    set: SetId,
    parts_id: u64,
) -> Result<Option<(ContentId, u32)>, Fault> {
    let sql = "SELECT c.id, max(p.part) FROM contents c JOIN parts p ON p.content=c.id
               WHERE c.parts_id=? AND c.set_id=? AND c.sha256 IS NULL GROUP BY c.id";
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query(params![value::bits(parts_id), set.0])?;
    match rows.next()? {
        Some(row) => Ok(Some((ContentId(row.get(0)?), row.get(1)?))),
        None => Ok(None),
    }
}

/// A file that grew or shrank between its parts has the size that it had at the last one.
pub(in crate::catalog) fn set_size(
    conn: &Connection,
    id: ContentId,
    size: u64,
) -> Result<(), Fault> {
    let sql = "UPDATE contents SET size=?2 WHERE id=?1";
    conn.prepare_cached(sql)?.execute(params![id.0, value::stored(size)])?;
    Ok(())
}

/// All parts are in: the digest of the whole is known.
pub(in crate::catalog) fn complete(
    conn: &Connection,
    id: ContentId,
    sha256: &Digest,
) -> Result<(), Fault> {
    let sql = "UPDATE contents SET sha256=?2 WHERE id=?1";
    conn.prepare_cached(sql)?.execute(params![id.0, sha256.0])?;
    Ok(())
}
