//! Rows of `entries`, one at a time: how one is put, closed and read.

use crate::catalog::base::dirs::{DirId, DirStack, place};
use crate::catalog::base::error::{Fault, Refused};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::state::check_in_work;
use crate::catalog::base::value::{self, OwnerCache, OwnerRow};
use crate::model::rows::Note;
use crate::model::{Digest, Entry, Kind, Meta, RelPath, SnapshotSeq};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;

macro_rules! columns {
    ($archive:literal) => {
        concat!(
            "SELECT e.name, e.first_seq, e.last_seq, e.kind, COALESCE(c.size, e.size, 0), e.mtime,
             e.ctime, e.inode, e.owner, e.content, e.moved IS NOT NULL, e.extra, e.note, c.id,
             c.sha256, c.parts_id, c.gone IS NOT NULL, ",
            $archive,
            " FROM entries e LEFT JOIN contents c ON c.id = e.content "
        )
    };
}

/// Writes rows of one snapshot within one transaction. Its memory of directories and owners dies
/// with it: after a rollback they would be of rows that never were.
pub(in crate::catalog) struct RowWriter<'a> {
    conn: &'a Connection,
    set: SetId,
    seq: SnapshotSeq,
    dirs: DirStack,
    owners: HashMap<OwnerRow, i64>,
}

/// Where a row's content comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::catalog) enum RowContent {
    None,
    /// Just stored under this very path, or in parts.
    Own(ContentId),
    /// Just stored under a name that is not this path.
    Renamed(ContentId),
    /// Known before; under whatever name.
    Known(ContentId),
}

impl RowContent {
    pub(in crate::catalog) fn id(self) -> Option<ContentId> {
        match self {
            RowContent::None => None,
            RowContent::Own(id) | RowContent::Renamed(id) | RowContent::Known(id) => Some(id),
        }
    }
}

/// The live row that stood at a path.
struct Former {
    first: u32,
    content: Option<i64>,
    moved: bool,
}

impl<'a> RowWriter<'a> {
    pub(in crate::catalog) fn new(
        conn: &'a Connection,
        set: SetId,
        seq: SnapshotSeq,
    ) -> Result<RowWriter<'a>, Fault> {
        check_in_work(conn, set, seq)?;
        Ok(RowWriter { conn, set, seq, dirs: DirStack::default(), owners: HashMap::new() })
    }

    pub(in crate::catalog) fn put(
        &mut self,
        entry: &Entry,
        content: RowContent,
        note: &Note,
    ) -> Result<(), Fault> {
        self.check_content(entry, content)?;
        let (dir, name) = place(&entry.path);
        let dir = self.dirs.find_or_make(self.conn, self.set, &dir)?;
        let former = former(self.conn, dir, name)?;
        let moved = is_moved(content, former.as_ref());
        if let Some(former) = former {
            let kept = (former.content == content.id().map(|id| id.0)) && !moved;
            self.end(dir, name, &entry.path, &former, kept)?;
        }
        self.insert(dir, name, entry, content.id(), moved, note)
    }

    pub(in crate::catalog) fn remove(&mut self, path: &RelPath) -> Result<(), Fault> {
        let (dir, name) = place(path);
        let Some(dir) = self.dirs.find(self.conn, self.set, &dir)? else { return Ok(()) };
        let Some(former) = former(self.conn, dir, name)? else { return Ok(()) };
        self.end(dir, name, path, &former, false)?;
        let sql = "DELETE FROM entries WHERE dir=? AND name=? AND first_seq=?";
        self.conn.prepare_cached(sql)?.execute(params![dir, name, self.seq.0])?;
        Ok(())
    }

    /// Only a file has content, and a row has the size of its content: one that was just stored
    /// was stored with the entry's.
    fn check_content(&self, entry: &Entry, content: RowContent) -> Result<(), Fault> {
        let id = match content {
            RowContent::Known(id) => id,
            RowContent::Own(_) | RowContent::Renamed(_) if entry.kind != Kind::File => {
                return Err(Refused::NotItsContent(entry.path.clone()).into());
            }
            RowContent::None | RowContent::Own(_) | RowContent::Renamed(_) => return Ok(()),
        };
        let sql = "SELECT size FROM contents WHERE id=? AND set_id=?";
        let size: Option<i64> = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![id.0, self.set.0], |row| row.get(0))
            .optional()?;
        if entry.kind == Kind::File && size == Some(value::stored(entry.size)) {
            return Ok(());
        }
        Err(Refused::NotItsContent(entry.path.clone()).into())
    }

    /// Ends a row before this snapshot. One that began in it was never valid anywhere: the caller
    /// deletes it, or puts the next one in its place. `kept`: its name stays known because the next
    /// row says it again.
    fn end(
        &self,
        dir: DirId,
        name: &[u8],
        path: &RelPath,
        former: &Former,
        kept: bool,
    ) -> Result<(), Fault> {
        if former.first < self.seq.0 {
            let sql = "UPDATE entries SET last_seq=?4 WHERE dir=?1 AND name=?2 AND first_seq=?3";
            let last = self.seq.0 - 1;
            self.conn.prepare_cached(sql)?.execute(params![dir, name, former.first, last])?;
            return Ok(());
        }
        if let (Some(content), false, false) = (former.content, former.moved, kept) {
            let sql = "INSERT OR IGNORE INTO members(content, path) VALUES(?,?)";
            self.conn.prepare_cached(sql)?.execute(params![content, path.as_bytes()])?;
        }
        Ok(())
    }

    fn insert(
        &mut self,
        dir: DirId,
        name: &[u8],
        entry: &Entry,
        content: Option<ContentId>,
        moved: bool,
        note: &Note,
    ) -> Result<(), Fault> {
        let size = if content.is_none() { Some(value::stored(entry.size)) } else { None };
        let ctime = entry.print.ctime;
        let ctime = (ctime != entry.meta.mtime).then(|| value::time_value(ctime));
        let owner = self.owner(&entry.meta)?;
        let sql =
            "INSERT OR REPLACE INTO entries(dir, name, first_seq, kind, size, mtime, ctime, inode, owner,
                   content, moved, extra, note) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)";
        self.conn.prepare_cached(sql)?.execute(params![
            dir,
            name,
            self.seq.0,
            entry.kind.letter().encode_utf8(&mut [0; 4]) as &str,
            size,
            value::time_value(entry.meta.mtime),
            ctime,
            value::bits(entry.print.inode),
            owner,
            content.map(|id| id.0),
            moved.then_some(1),
            value::extra_value(&entry.meta),
            value::note_value(note),
        ])?;
        Ok(())
    }

    fn owner(&mut self, meta: &Meta) -> Result<i64, Fault> {
        let owner = OwnerRow::of(meta);
        if let Some(&id) = self.owners.get(&owner) {
            return Ok(id);
        }
        let id = owner.intern(self.conn)?;
        self.owners.insert(owner, id);
        Ok(id)
    }
}

fn is_moved(content: RowContent, former: Option<&Former>) -> bool {
    match (content, former) {
        (RowContent::None | RowContent::Own(_), _) => false,
        (RowContent::Known(id), Some(former)) if former.content == Some(id.0) => former.moved,
        (RowContent::Renamed(_) | RowContent::Known(_), _) => true,
    }
}

fn former(conn: &Connection, dir: DirId, name: &[u8]) -> Result<Option<Former>, Fault> {
    let sql = "SELECT first_seq, content, moved IS NOT NULL FROM entries
               WHERE dir=? AND name=? AND last_seq IS NULL";
    let read =
        |row: &Row| Ok(Former { first: row.get(0)?, content: row.get(1)?, moved: row.get(2)? });
    Ok(conn.prepare_cached(sql)?.query_row(params![dir, name], read).optional()?)
}

/// What [`read`] reads: a row with its content and the archive of an unsplit one.
pub(in crate::catalog) const SELECT: &str =
    concat!(columns!("p.archive"), "LEFT JOIN parts p ON p.content = e.content AND p.part = 0 ");

/// The same without the archive, which costs another search for each row.
pub(in crate::catalog) const SELECT_UNPLACED: &str = columns!("NULL");

/// A row as it stands in the table.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Raw {
    pub name: Vec<u8>,
    pub first: u32,
    pub last: Option<u32>,
    pub kind: Kind,
    pub size: u64,
    pub meta: Meta,
    pub ctime: crate::model::Mtime,
    pub inode: u64,
    pub note: Note,
    pub content: Option<RawContent>,
}

#[derive(Clone, Debug)]
pub(in crate::catalog) struct RawContent {
    pub id: i64,
    pub sha256: Option<Digest>,
    pub parts_id: Option<u64>,
    /// The archive of a content that is not in parts.
    pub archive: Option<u32>,
    pub moved: bool,
    /// It was on a disc of which no copy is left.
    pub gone: bool,
}

pub(in crate::catalog) fn read(
    row: &Row,
    conn: &Connection,
    owners: &mut OwnerCache,
) -> Result<Raw, Fault> {
    let mut meta = Meta { mtime: value::time(row, 5)?, ..Meta::default() };
    value::add_owner(&mut meta, row.get(8)?, conn, owners)?;
    value::add_extra(&mut meta, row, 11)?;
    Ok(Raw {
        name: row.get(0)?,
        first: row.get(1)?,
        last: row.get(2)?,
        kind: value::kind(row, 3)?,
        size: value::number(row, 4)?,
        ctime: value::ctime(row, 6, meta.mtime)?,
        inode: value::from_bits(row.get(7)?),
        note: value::note(row, 12)?,
        content: read_content(row)?,
        meta,
    })
}

fn read_content(row: &Row) -> Result<Option<RawContent>, Fault> {
    let wanted: Option<i64> = row.get(9)?;
    let Some(id) = wanted else { return Ok(None) };
    let found: Option<i64> = row.get(13)?;
    if found != Some(id) {
        return Err(crate::catalog::base::error::odd(format!("the content {id} is missing")));
    }
    let parts_id: Option<i64> = row.get(15)?;
    Ok(Some(RawContent {
        id,
        sha256: value::optional_digest(row, 14)?,
        parts_id: parts_id.map(value::from_bits),
        gone: row.get(16)?,
        archive: row.get(17)?,
        moved: row.get(10)?,
    }))
}
