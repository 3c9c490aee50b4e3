//! Directories as a tree, and the names and discs of contents: what a listing looks up for each
//! of its rows, read once.

use crate::catalog::base::dirs::{ABOVE_ROOT, DirId};
use crate::catalog::base::error::{Fault, odd};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::value;
use crate::catalog::tables::rows::{Raw, RawContent};
use crate::model::rows::{Place, Where};
use crate::model::{ArchiveNo, DiscNo, Kind, RelPath};
use rusqlite::Connection;
use std::collections::HashMap;

/// Directory of the members that are parts (format 3.3).
const PARTS_DIR: &str = ".coldcut-parts";

/// All directories that ever were in a set.
pub(in crate::catalog) struct DirTree {
    nodes: HashMap<DirId, (DirId, Vec<u8>)>,
    root: Option<DirId>,
}

impl DirTree {
    pub(in crate::catalog) fn load(conn: &Connection, set: SetId) -> Result<DirTree, Fault> {
        let mut query = conn.prepare("SELECT id, parent, name FROM dirs WHERE set_id=?")?;
        let rows = query.query_map([set.0], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        let nodes = rows.collect::<rusqlite::Result<HashMap<DirId, (DirId, Vec<u8>)>>>()?;
        let mut roots = nodes.iter().filter(|(_, (parent, _))| *parent == ABOVE_ROOT);
        let root = roots.next().map(|(&id, _)| id);
        if roots.next().is_some() {
            return Err(odd("two roots in one set"));
        }
        Ok(DirTree { nodes, root })
    }

    /// `None` for a set that never had a row.
    pub(in crate::catalog) fn root(&self) -> Option<DirId> {
        self.root
    }

    pub(in crate::catalog) fn ids(&self) -> impl Iterator<Item = DirId> {
        self.nodes.keys().copied()
    }

    pub(in crate::catalog) fn path(&self, id: DirId) -> Result<RelPath, Fault> {
        let mut names = Vec::new();
        let mut at = id;
        while Some(at) != self.root {
            let (parent, name) = self.nodes.get(&at).ok_or_else(|| odd("a lost directory"))?;
            names.push(name);
            at = *parent;
            if names.len() > self.nodes.len() {
                return Err(odd("a directory within itself"));
            }
        }
        names.iter().rev().try_fold(RelPath::root(), |path, name| value::join(&path, name))
    }

    /// The path of a row by its directory and name.
    pub(in crate::catalog) fn entry_path(&self, dir: DirId, name: &[u8]) -> Result<RelPath, Fault> {
        entry_path(&self.path(dir)?, name)
    }

    /// What is below each directory, sorted by name.
    pub(in crate::catalog) fn children(&self) -> HashMap<DirId, Vec<(Vec<u8>, DirId)>> {
        let mut below: HashMap<DirId, Vec<(Vec<u8>, DirId)>> = HashMap::new();
        for (&id, (parent, name)) in &self.nodes {
            below.entry(*parent).or_default().push((name.clone(), id));
        }
        below.values_mut().for_each(|children| children.sort());
        below
    }
}

/// The empty name is the source itself, and stands in its root only.
pub(in crate::catalog) fn entry_path(dir: &RelPath, name: &[u8]) -> Result<RelPath, Fault> {
    if name.is_empty() && dir.is_root() { Ok(RelPath::root()) } else { value::join(dir, name) }
}

/// Where contents are, and under which names.
pub(in crate::catalog) struct ContentPlaces {
    discs: HashMap<u32, DiscNo>,
    /// Names of the contents that some row has under another path.
    names: HashMap<i64, RelPath>,
}

impl ContentPlaces {
    pub(in crate::catalog) fn load(
        conn: &Connection,
        set: SetId,
        tree: &DirTree,
    ) -> Result<ContentPlaces, Fault> {
        let sql = "SELECT number, disc FROM archives WHERE set_id=?";
        let mut query = conn.prepare(sql)?;
        let rows = query.query_map([set.0], |row| Ok((row.get(0)?, DiscNo(row.get(1)?))))?;
        let discs = rows.collect::<rusqlite::Result<_>>()?;
        Ok(ContentPlaces { discs, names: load_names(conn, set, tree)? })
    }

    /// Field 5 and 6 of SNAPSHOT for a row.
    pub(in crate::catalog) fn of(
        &self,
        conn: &Connection,
        path: &RelPath,
        raw: &Raw,
    ) -> Result<Where, Fault> {
        match &raw.content {
            None if raw.kind == Kind::File && raw.size > 0 => {
                Ok(Where { places: Vec::new(), complete: false, member: None })
            }
            None => Ok(Where::nothing()),
            Some(content) => self.of_content(conn, path, content),
        }
    }

    fn of_content(
        &self,
        conn: &Connection,
        path: &RelPath,
        content: &RawContent,
    ) -> Result<Where, Fault> {
        let complete = content.sha256.is_some();
        let (places, member) = match (content.parts_id, content.archive) {
            (Some(id), _) => (self.parts(conn, content.id)?, parts_name(id)?),
            (None, Some(archive)) => (vec![self.place(archive)?], self.member(path, content)?),
            (None, None) => return Err(odd(format!("the content {} is nowhere", content.id))),
        };
        let member = (!places.is_empty()).then_some(member);
        Ok(Where { places, complete, member })
    }

    fn parts(&self, conn: &Connection, content: i64) -> Result<Vec<Place>, Fault> {
        let sql = "SELECT archive FROM parts WHERE content=? ORDER BY part";
        conn.prepare_cached(sql)?
            .query_and_then([content], |row| self.place(row.get(0)?))?
            .collect()
    }

    fn place(&self, archive: u32) -> Result<Place, Fault> {
        let disc = self.discs.get(&archive).copied();
        let disc = disc.ok_or_else(|| odd(format!("archive {archive} is missing")))?;
        Ok(Place { disc, archive: ArchiveNo(archive) })
    }

    fn member(&self, path: &RelPath, content: &RawContent) -> Result<RelPath, Fault> {
        if !content.moved {
            return Ok(path.clone());
        }
        let name = self.names.get(&content.id).cloned();
        name.ok_or_else(|| odd(format!("the name of content {} is missing", content.id)))
    }
}

fn parts_name(id: u64) -> Result<RelPath, Fault> {
    value::rel_path(format!("{PARTS_DIR}/{id:016x}").as_bytes())
}

/// One look through all rows finds the names of moved contents, where there are any. To keep a
/// name with each content would cost 25 bytes a file.
fn load_names(
    conn: &Connection,
    set: SetId,
    tree: &DirTree,
) -> Result<HashMap<i64, RelPath>, Fault> {
    let mut names = HashMap::new();
    let sql = "SELECT m.content, m.path FROM members m JOIN contents c ON c.id=m.content
               WHERE c.set_id=?";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        let path: Vec<u8> = row.get(1)?;
        names.insert(row.get(0)?, value::rel_path(&path)?);
    }
    let sql = "WITH wanted AS MATERIALIZED (SELECT DISTINCT content FROM entries
                   WHERE moved IS NOT NULL AND dir IN (SELECT id FROM dirs WHERE set_id=?1))
               SELECT content, dir, name FROM entries
               WHERE moved IS NULL AND content IN (SELECT content FROM wanted)";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        let name: Vec<u8> = row.get(2)?;
        names.insert(row.get(0)?, tree.entry_path(row.get(1)?, &name)?);
    }
    Ok(names)
}
