//! What a scan did not find again: the files of the former state that have no place any more, and
//! those by which one may be known under another name.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::value::{self, number, optional_digest};
use crate::catalog::tables::places::DirTree;
use crate::model::{Digest, Mtime, RelPath, SnapshotSeq};
use rusqlite::{Row, params};

/// A file that a rename leaves as it is.
pub type FileIdentity = (u64, Mtime);

/// A file of the state before a scan, of which nothing stands at its path any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    pub path: RelPath,
    pub size: u64,
    pub identity: FileIdentity,
    pub content: Option<ContentId>,
    /// As long as all of its content is in archives.
    pub digest: Option<Digest>,
}

impl Catalog {
    /// Every file that was there before the snapshot in progress and is not now. One that became
    /// empty is as good as gone; one that is another name of a file is not.
    pub fn vanished(
        &self,
        set: SetId,
        seq: SnapshotSeq,
        mut sink: impl FnMut(Vanished),
    ) -> Result<()> {
        self.read("looking for what was deleted", |conn| {
            let tree = DirTree::load(conn, set)?;
            let sql = "SELECT e.dir, e.name, COALESCE(c.size, e.size, 0), e.inode, e.mtime,
                       e.content, c.sha256
                       FROM dirs d CROSS JOIN entries e ON e.dir=d.id
                       LEFT JOIN contents c ON c.id=e.content
                       WHERE d.set_id=?1 AND e.kind='f' AND e.last_seq=?2-1
                       AND NOT EXISTS(SELECT 1 FROM entries n WHERE n.dir=e.dir AND n.name=e.name
                           AND n.last_seq IS NULL AND (n.kind='h' OR n.kind='f' AND
                           (COALESCE(n.size, 1)>0 OR COALESCE(c.size, e.size, 0)=0)))";
            let mut query = conn.prepare(sql)?;
            let mut rows = query.query(params![set.0, seq.0])?;
            while let Some(row) = rows.next()? {
                let name: Vec<u8> = row.get(1)?;
                let path = tree.entry_path(row.get(0)?, &name)?;
                sink(read_vanished(path, row)?);
            }
            Ok(())
        })
    }

    /// Every file that is there, under each of its names.
    pub fn living(
        &self,
        set: SetId,
        mut sink: impl FnMut(FileIdentity, Option<ContentId>),
    ) -> Result<()> {
        self.read("looking for what was renamed", |conn| {
            let sql = "SELECT e.inode, e.mtime, e.content FROM dirs d CROSS JOIN entries e
                       ON e.dir=d.id WHERE d.set_id=? AND e.last_seq IS NULL AND e.kind IN ('f','h')
                       AND (e.kind='h' OR COALESCE(e.size, 1)>0)";
            let mut query = conn.prepare(sql)?;
            let mut rows = query.query([set.0])?;
            while let Some(row) = rows.next()? {
                let identity = (value::from_bits(row.get(0)?), value::time(row, 1)?);
                sink(identity, row.get::<_, Option<i64>>(2)?.map(ContentId));
            }
            Ok(())
        })
    }

    /// New files, with their sizes: those whose content nobody has read yet.
    pub fn arrivals(
        &self,
        set: SetId,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<Vec<(RelPath, u64)>> {
        self.read("looking for what is new", |conn| {
            let tree = DirTree::load(conn, set)?;
            let sql = "SELECT e.dir, e.name, e.size FROM dirs d CROSS JOIN entries e ON e.dir=d.id
                       WHERE d.set_id=? AND e.last_seq IS NULL AND e.kind='f'
                       AND e.content IS NULL AND e.size>0";
            let mut query = conn.prepare(sql)?;
            let mut rows = query.query([set.0])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let size = number(row, 2)?;
                if wanted(size) {
                    let name: Vec<u8> = row.get(1)?;
                    found.push((tree.entry_path(row.get(0)?, &name)?, size));
                }
            }
            // In walk order: that is how they are read quickest.
            found.sort();
            Ok(found)
        })
    }
}

fn read_vanished(path: RelPath, row: &Row) -> Result<Vanished, Fault> {
    Ok(Vanished {
        path,
        size: number(row, 2)?,
        identity: (value::from_bits(row.get(3)?), value::time(row, 4)?),
        content: row.get::<_, Option<i64>>(5)?.map(ContentId),
        digest: optional_digest(row, 6)?,
    })
}
