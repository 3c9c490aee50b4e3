//! Listings: the rows of a snapshot, or of all, in walk order, without holding them all.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::dirs::{ABOVE_ROOT, DirId};
use crate::catalog::base::error::{CatalogError, Fault, Result, explain, odd};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::state;
use crate::catalog::tables::places::{ContentPlaces, DirTree, entry_path};
use crate::catalog::tables::rows::{self, Raw};
use crate::model::rows::{Life, Note, SnapshotRow, Where};
use crate::model::{Digest, Kind, Mtime, RelPath, SnapshotSeq};
use rusqlite::{Connection, params};
use std::collections::{HashMap, VecDeque};

/// A row of a snapshot, with its content for [`Catalog::parts_of`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogRow {
    pub row: SnapshotRow,
    pub life: Life,
    pub content: Option<ContentId>,
}

/// A path in one or several snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPath {
    pub path: RelPath,
    pub kind: Kind,
    pub size: u64,
    pub mtime: Mtime,
    pub digest: Option<Digest>,
    pub place: Where,
    /// The first snapshot that has it so.
    pub first: SnapshotSeq,
    /// The last one; `None`: it still is so.
    pub last: Option<SnapshotSeq>,
    pub note: Note,
}

/// Rows read at once: bounds the memory for a directory of any size.
const PAGE: usize = 500;

/// Which rows a listing is of.
#[derive(Clone, Copy)]
pub(in crate::catalog) enum RowScope {
    At(SnapshotSeq),
    All,
    /// Of finished snapshots of the set, and not of this one.
    Before(SetId, SnapshotSeq),
}

impl RowScope {
    fn sql(self) -> String {
        let valid = match self {
            RowScope::At(SnapshotSeq(n)) => {
                format!("AND e.first_seq<={n} AND (e.last_seq IS NULL OR e.last_seq>={n})")
            }
            RowScope::All => String::new(),
            RowScope::Before(set, seq) => format!("AND {}", was_before(set, seq)),
        };
        format!(
            "{} WHERE e.dir=?1 AND (e.name, e.first_seq) > (?2, ?3) {valid}
             ORDER BY e.name, e.first_seq LIMIT {PAGE}",
            rows::SELECT
        )
    }
}

impl Catalog {
    /// Gives each path of a snapshot to `each`, in walk order: the source itself first, a
    /// directory before its content. Archives that are committed count as known places, for they
    /// belong to a disc's number. An error of `each` ends the listing.
    pub fn snapshot_rows<E: From<CatalogError>>(
        &self,
        set: SetId,
        seq: SnapshotSeq,
        mut each: impl FnMut(CatalogRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.read("looking for a snapshot", |conn| state::check_known(conn, set, seq))?;
        self.walk(set, RowScope::At(seq), |places, path, raw| {
            let place = places.of(&self.conn, &path, &raw);
            let place = place.map_err(|fault| self.in_listing(fault))?;
            each(listed(path, raw, place))
        })
    }

    /// What paths were before this snapshot, the newest, and are no more: each row of a finished
    /// snapshot that is not in this one, in walk order, those of one path by age. Where contents are
    /// is said as of now.
    pub fn history_rows<E: From<CatalogError>>(
        &self,
        set: SetId,
        seq: SnapshotSeq,
        mut each: impl FnMut(CatalogRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.walk(set, RowScope::Before(set, seq), |places, path, raw| {
            let place = places.of(&self.conn, &path, &raw);
            let place = place.map_err(|fault| self.in_listing(fault))?;
            each(listed(path, raw, place))
        })
    }

    /// Whether [`history_rows`](Self::history_rows) has any.
    pub fn has_history(&self, set: SetId, seq: SnapshotSeq) -> Result<bool> {
        self.read("looking for older snapshots", |conn| {
            let sql = format!(
                "SELECT 1 FROM dirs d CROSS JOIN entries e ON e.dir=d.id
                 WHERE d.set_id=? AND {} LIMIT 1",
                was_before(set, seq)
            );
            Ok(conn.prepare(&sql)?.exists([set.0])?)
        })
    }

    /// All paths that `wanted` likes: of one snapshot, or (`None`) of all, a row for each state
    /// that a path was in.
    pub fn find(
        &self,
        set: SetId,
        seq: Option<SnapshotSeq>,
        wanted: impl Fn(&RelPath) -> bool,
    ) -> Result<Vec<FoundPath>> {
        let mut all = Vec::new();
        self.walk(set, seq.map_or(RowScope::All, RowScope::At), |places, path, raw| {
            if wanted(&path) {
                let place = places.of(&self.conn, &path, &raw);
                let place = place.map_err(|fault| self.in_listing(fault))?;
                all.push(found(path, raw, place));
            }
            Ok::<(), CatalogError>(())
        })?;
        Ok(all)
    }

    /// Gives each state that a path was ever in to `each`, with what `wanted` says of it, and none of
    /// those of which it says nothing: in walk order, those of one path by age, one at a time. An error of
    /// either ends the listing. While others write,
    /// only [`at_one_moment`](Self::at_one_moment): archives that came later are not known.
    pub fn each_state<T, E: From<CatalogError>>(
        &self,
        set: SetId,
        mut wanted: impl FnMut(&RelPath, Kind, Life) -> Result<Option<T>, E>,
        mut each: impl FnMut(CatalogRow, T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.walk(set, RowScope::All, |places, path, raw| {
            let Some(said) = wanted(&path, raw.kind, life(&raw))? else { return Ok(()) };
            let place = places.of(&self.conn, &path, &raw);
            let place = place.map_err(|fault| self.in_listing(fault))?;
            each(listed(path, raw, place), said)
        })
    }

    pub(in crate::catalog) fn in_listing(&self, fault: Fault) -> CatalogError {
        explain(&self.path, "listing paths", fault)
    }

    pub(in crate::catalog) fn walk<E: From<CatalogError>>(
        &self,
        set: SetId,
        which: RowScope,
        mut each: impl FnMut(&ContentPlaces, RelPath, Raw) -> Result<(), E>,
    ) -> Result<(), E> {
        let begin = || {
            let tree = DirTree::load(&self.conn, set)?;
            Ok((ContentPlaces::load(&self.conn, set, &tree)?, DirWalker::new(&tree, which)))
        };
        let (places, mut walker) = begin().map_err(|fault| self.in_listing(fault))?;
        loop {
            let next = walker.next(self).map_err(|fault| self.in_listing(fault))?;
            match next {
                Some((path, raw)) => each(&places, path, raw)?,
                None => return Ok(()),
            }
        }
    }
}

/// Rows that ended before this snapshot, and that a snapshot which was finished has.
fn was_before(SetId(set): SetId, SnapshotSeq(n): SnapshotSeq) -> String {
    format!(
        "e.last_seq<{n} AND EXISTS(SELECT 1 FROM snapshots s WHERE s.set_id={set}
             AND s.seq BETWEEN e.first_seq AND e.last_seq AND s.finished IS NOT NULL)"
    )
}

pub(in crate::catalog) fn listed(path: RelPath, raw: Raw, place: Where) -> CatalogRow {
    let content = raw.content.as_ref().map(|content| ContentId(content.id));
    let sha256 = digest(&raw);
    let life = life(&raw);
    let Raw { kind, size, meta, note, .. } = raw;
    CatalogRow { life, row: SnapshotRow { kind, path, size, sha256, place, meta, note }, content }
}

fn life(raw: &Raw) -> Life {
    Life { since: SnapshotSeq(raw.first), until: raw.last.map(SnapshotSeq) }
}

fn found(path: RelPath, raw: Raw, place: Where) -> FoundPath {
    FoundPath {
        path,
        kind: raw.kind,
        size: raw.size,
        mtime: raw.meta.mtime,
        digest: digest(&raw),
        place,
        first: SnapshotSeq(raw.first),
        last: raw.last.map(SnapshotSeq),
        note: raw.note,
    }
}

/// An empty file has no content in the tables, and a digest all the same.
fn digest(raw: &Raw) -> Option<Digest> {
    match &raw.content {
        Some(content) => content.sha256,
        None => (raw.kind == Kind::File && raw.size == 0).then_some(Digest::EMPTY),
    }
}

/// Goes down the directories with a stack of its own: no depth is too deep. Every directory that
/// ever was is entered, so a row is listed even if the row of its directory is missing.
struct DirWalker {
    sql: String,
    below: HashMap<DirId, Vec<(Vec<u8>, DirId)>>,
    stack: Vec<ListingLevel>,
}

/// A directory half way through.
struct ListingLevel {
    id: DirId,
    path: RelPath,
    children: VecDeque<(Vec<u8>, DirId)>,
    page: VecDeque<Raw>,
    /// The last row read; rows come after it. No row is of snapshot 0.
    after: (Vec<u8>, u32),
    exhausted: bool,
}

/// What comes next in a directory.
enum WalkStep {
    Row(Box<Raw>),
    Down(Vec<u8>, DirId),
    Up,
}

impl DirWalker {
    fn new(tree: &DirTree, which: RowScope) -> DirWalker {
        let mut walker = DirWalker { sql: which.sql(), below: tree.children(), stack: Vec::new() };
        if let Some(root) = tree.root() {
            walker.enter(root, RelPath::root());
        }
        walker
    }

    fn enter(&mut self, id: DirId, path: RelPath) {
        let children = self.below.remove(&id).unwrap_or_default().into();
        let (page, after) = (VecDeque::new(), (Vec::new(), 0));
        self.stack.push(ListingLevel { id, path, children, page, after, exhausted: false });
    }

    fn next(&mut self, catalog: &Catalog) -> Result<Option<(RelPath, Raw)>, Fault> {
        while let Some(level) = self.stack.last_mut() {
            level.fill(&catalog.conn, &self.sql, catalog)?;
            match level.step() {
                WalkStep::Row(raw) => return Ok(Some((entry_path(&level.path, &raw.name)?, *raw))),
                WalkStep::Down(name, id) => {
                    let path = crate::catalog::base::value::join(&level.path, &name)?;
                    self.enter(id, path);
                }
                WalkStep::Up => drop(self.stack.pop()),
            }
        }
        self.check_all_seen()
    }

    /// A directory that no way leads to would take its rows out of the listing without a word.
    fn check_all_seen(&self) -> Result<Option<(RelPath, Raw)>, Fault> {
        match self.below.keys().all(|&id| id == ABOVE_ROOT) {
            true => Ok(None),
            false => Err(odd("a directory that is not below the source")),
        }
    }
}

impl ListingLevel {
    fn fill(&mut self, conn: &Connection, sql: &str, catalog: &Catalog) -> Result<(), Fault> {
        if !self.page.is_empty() || self.exhausted {
            return Ok(());
        }
        let owners = &mut *catalog.owners.borrow_mut();
        let mut query = conn.prepare_cached(sql)?;
        let rows = query.query_and_then(params![self.id, self.after.0, self.after.1], |row| {
            rows::read(row, conn, owners)
        })?;
        self.page = rows.collect::<Result<_, Fault>>()?;
        self.exhausted = self.page.len() < PAGE;
        if let Some(last) = self.page.back() {
            self.after = (last.name.clone(), last.first);
        }
        Ok(())
    }

    /// A directory's own row comes before its content.
    fn step(&mut self) -> WalkStep {
        let child_first = match (self.page.front(), self.children.front()) {
            (Some(row), Some((name, _))) => *name < row.name,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        match if child_first { None } else { self.page.pop_front() } {
            Some(raw) => WalkStep::Row(Box::new(raw)),
            None => match self.children.pop_front() {
                Some((name, id)) => WalkStep::Down(name, id),
                None => WalkStep::Up,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::catalog::*;

    #[test]
    fn what_is_read_at_one_moment_knows_nothing_of_an_archive_that_comes_meanwhile() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1), whole("d/b", 2, 2)]);
        let reader = Catalog::open(&bench.file(), Access::Read).unwrap();
        let (set, mut seen) = (bench.set, Vec::new());
        let listed = reader.at_one_moment(|| {
            reader.each_state::<(), CatalogError>(
                set,
                |path, _, _| {
                    if *path == p("a") {
                        bench.store(&[whole("d/c", 3, 3)]);
                    }
                    Ok(Some(()))
                },
                |found, ()| {
                    seen.push(found.row.path.to_string());
                    Ok(())
                },
            )
        });
        listed.unwrap();
        assert_eq!(seen, ["a", "d/b"]);
    }
}
