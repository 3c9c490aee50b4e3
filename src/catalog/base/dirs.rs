//! Directories as numbers. Paths come in walk order, so the way down to the last one is kept and
//! the next one costs a question or two, however deep it lies.

use crate::catalog::base::error::Fault;
use crate::catalog::base::ids::SetId;
use crate::model::RelPath;
use rusqlite::{Connection, OptionalExtension, params};

/// The parent of a set's root.
pub(in crate::catalog) const ABOVE_ROOT: DirId = 0;

/// The row number of a directory.
pub(in crate::catalog) type DirId = i64;

/// The way from the root of one set down to the directory that was asked for last.
#[derive(Default)]
pub(in crate::catalog) struct DirStack {
    set: Option<SetId>,
    /// (name, id); the root first, with an empty name.
    way: Vec<(Vec<u8>, DirId)>,
}

impl DirStack {
    /// `None` if nothing was ever in this directory.
    pub(in crate::catalog) fn find(
        &mut self,
        conn: &Connection,
        set: SetId,
        dir: &RelPath,
    ) -> Result<Option<DirId>, Fault> {
        self.descend(set, dir, |parent, name| find(conn, set, parent, name))
    }

    /// Makes the directory, and those above it, if need be.
    pub(in crate::catalog) fn find_or_make(
        &mut self,
        conn: &Connection,
        set: SetId,
        dir: &RelPath,
    ) -> Result<DirId, Fault> {
        let id = self.descend(set, dir, |parent, name| match find(conn, set, parent, name)? {
            Some(id) => Ok(Some(id)),
            None => make(conn, set, parent, name).map(Some),
        })?;
        id.ok_or_else(|| crate::catalog::base::error::odd("an entry that is not a directory"))
    }

    fn descend(
        &mut self,
        set: SetId,
        dir: &RelPath,
        mut step: impl FnMut(DirId, &[u8]) -> Result<Option<DirId>, Fault>,
    ) -> Result<Option<DirId>, Fault> {
        if self.set != Some(set) {
            *self = DirStack { set: Some(set), way: Vec::new() };
        }
        let names = || std::iter::once(&b""[..]).chain(dir.components());
        let shared = self.way.iter().zip(names()).take_while(|((a, _), b)| a == b).count();
        self.way.truncate(shared);
        for name in names().skip(shared) {
            let parent = self.way.last().map_or(ABOVE_ROOT, |&(_, id)| id);
            match step(parent, name)? {
                Some(id) => self.way.push((name.to_vec(), id)),
                None => return Ok(None),
            }
        }
        Ok(self.way.last().map(|&(_, id)| id))
    }
}

fn find(conn: &Connection, set: SetId, parent: DirId, name: &[u8]) -> Result<Option<DirId>, Fault> {
    let sql = "SELECT id FROM dirs WHERE parent=? AND name=? AND set_id=?";
    Ok(conn
        .prepare_cached(sql)?
        .query_row(params![parent, name, set.0], |row| row.get(0))
        .optional()?)
}

fn make(conn: &Connection, set: SetId, parent: DirId, name: &[u8]) -> Result<DirId, Fault> {
    conn.prepare_cached("INSERT INTO dirs(set_id, parent, name) VALUES(?,?,?)")?
        .execute(params![set.0, parent, name])?;
    Ok(conn.last_insert_rowid())
}

/// The directory in which a path's row stands, and its name there. The source itself stands in
/// its own root, under the empty name.
pub(in crate::catalog) fn place(path: &RelPath) -> (RelPath, &[u8]) {
    path.split_last().unwrap_or((RelPath::root(), b""))
}
