//! What the walk is compared with: the live rows, directory by directory; and the rows that need
//! no archive.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result, odd};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::value;
use crate::catalog::tables::places::DirTree;
use crate::catalog::tables::rows::{self, Raw, RowContent, RowWriter};
use crate::model::rows::Note;
use crate::model::{Digest, Entry, Kind, Meta, Mtime, RelPath, SnapshotSeq};
use rusqlite::{Connection, params};

/// What is known of a path since it was last compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEntry {
    pub path: RelPath,
    pub kind: Kind,
    pub size: u64,
    pub ctime: Mtime,
    pub inode: u64,
    /// With the mtime.
    pub meta: Meta,
    /// `None` for a file of more than 0 bytes: its content is stored nowhere and must be.
    pub content: Option<KnownContent>,
    pub note: Note,
    /// The snapshot that put this row.
    pub since: SnapshotSeq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownContent {
    pub id: ContentId,
    /// `None` as long as parts are missing, and where no copy of a disc with any is left. A run
    /// that finds this begins the file again.
    pub digest: Option<Digest>,
}

impl KnownContent {
    /// All parts are in archives.
    pub fn complete(&self) -> bool {
        self.digest.is_some()
    }
}

/// A change of the listing that needs no archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    Put {
        entry: Box<Entry>,
        /// Of a file that is not empty; stored before, under this name or another.
        content: Option<ContentId>,
        note: Note,
    },
    /// This path alone: what was below a directory is removed path by path.
    Remove(RelPath),
}

const LIVE: &str = "WHERE e.dir=?1 AND e.last_seq IS NULL";

/// Rows of a directory read at once: bounds the memory for one of any size.
pub const DIR_PAGE: usize = 1000;

impl Catalog {
    /// The live rows directly in a directory that come after the name `after`, in the order of
    /// names; [`DIR_PAGE`] at most. The source's own row is not among them: see [`Catalog::known`].
    pub fn dir_rows(&self, set: SetId, dir: &RelPath, after: &[u8]) -> Result<Vec<KnownEntry>> {
        self.read("reading a directory", |conn| {
            let id = self.dirs.borrow_mut().find(conn, set, dir)?;
            id.map_or(Ok(Vec::new()), |id| self.rows_in(conn, id, dir, after))
        })
    }

    fn rows_in(
        &self,
        conn: &Connection,
        id: i64,
        dir: &RelPath,
        after: &[u8],
    ) -> Result<Vec<KnownEntry>, Fault> {
        let mut query = conn.prepare_cached(&format!(
            "{} {LIVE} AND e.name>?2 ORDER BY e.name LIMIT {DIR_PAGE}",
            rows::SELECT_UNPLACED
        ))?;
        let owners = &mut *self.owners.borrow_mut();
        query
            .query_and_then(params![id, after], |row| rows::read(row, conn, owners))?
            .map(|raw| raw.and_then(|raw| known_entry(value::join(dir, &raw.name)?, raw)))
            .collect()
    }

    /// The live row of one path.
    pub fn known(&self, set: SetId, path: &RelPath) -> Result<Option<KnownEntry>> {
        self.read("looking for a path", |conn| {
            let (dir, name) = crate::catalog::base::dirs::place(path);
            let Some(dir) = self.dirs.borrow_mut().find(conn, set, &dir)? else { return Ok(None) };
            let sql = format!("{} {LIVE} AND e.name=?2", rows::SELECT_UNPLACED);
            let owners = &mut *self.owners.borrow_mut();
            let mut query = conn.prepare_cached(&sql)?;
            let mut found =
                query.query_and_then(params![dir, name], |row| rows::read(row, conn, owners))?;
            found.next().map(|raw| known_entry(path.clone(), raw?)).transpose()
        })
    }

    /// All directories that have live rows directly in them, in walk order.
    pub fn live_dirs(&self, set: SetId) -> Result<Vec<RelPath>> {
        self.read("listing directories", |conn| {
            let tree = DirTree::load(conn, set)?;
            let sql = "SELECT DISTINCT e.dir FROM entries e JOIN dirs d ON d.id=e.dir
                       WHERE d.set_id=? AND e.last_seq IS NULL AND e.name<>X''";
            let mut query = conn.prepare(sql)?;
            let ids = query.query_and_then([set.0], |row| Ok(row.get::<_, i64>(0)?))?;
            let mut dirs =
                ids.map(|id: Result<i64, Fault>| tree.path(id?)).collect::<Result<Vec<_>, _>>()?;
            dirs.sort();
            Ok(dirs)
        })
    }

    /// Changes the listing of the snapshot in progress: all of `changes`, or none.
    pub fn put_rows(&mut self, set: SetId, seq: SnapshotSeq, changes: &[RowChange]) -> Result<()> {
        self.change(set, "recording changes", |tx| {
            let mut writer = RowWriter::new(tx, set, seq)?;
            changes.iter().try_for_each(|change| match change {
                RowChange::Put { entry, content, note } => {
                    writer.put(entry, content.map_or(RowContent::None, RowContent::Known), note)
                }
                RowChange::Remove(path) => writer.remove(path),
            })
        })
    }
}

fn known_entry(path: RelPath, raw: Raw) -> Result<KnownEntry, Fault> {
    if raw.first == 0 {
        return Err(odd("a row of snapshot 0"));
    }
    Ok(KnownEntry {
        path,
        kind: raw.kind,
        size: raw.size,
        ctime: raw.ctime,
        inode: raw.inode,
        meta: raw.meta,
        content: raw
            .content
            .map(|c| KnownContent { id: ContentId(c.id), digest: c.sha256.filter(|_| !c.gone) }),
        note: raw.note,
        since: SnapshotSeq(raw.first),
    })
}
