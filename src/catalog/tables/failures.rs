//! What a run could not do: paths that it could not read, and what stands as of an older date
//! because of them; runs that stopped because too much of the source was gone.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result, odd};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::state::check_in_work;
use crate::catalog::base::value::{number, rel_path, stored};
use crate::catalog::tables::places::DirTree;
use crate::model::{Bytes, Reason, RelPath, RunRefusal, SnapshotSeq};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{HashMap, HashSet};

/// So many paths of a run are kept by name: enough to see what they have in common. How many there
/// were is counted apart.
const MOST: i64 = 1_000;

/// A path that a run could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFailure {
    pub path: RelPath,
    pub what: String,
}

impl Catalog {
    /// A path that the run in progress cannot read.
    pub fn note_failure(
        &mut self,
        set: SetId,
        seq: SnapshotSeq,
        path: &RelPath,
        what: &str,
    ) -> Result<()> {
        self.change(set, "recording what cannot be read", |tx| {
            check_in_work(tx, set, seq)?;
            let sql = "SELECT count(*) FROM failures WHERE set_id=? AND seq=?";
            let known: i64 =
                tx.prepare_cached(sql)?.query_row(params![set.0, seq.0], |r| r.get(0))?;
            if known < MOST {
                let sql =
                    "INSERT OR REPLACE INTO failures(set_id, seq, path, what) VALUES(?,?,?,?)";
                tx.prepare_cached(sql)?.execute(params![set.0, seq.0, path.as_bytes(), what])?;
            }
            Ok(())
        })
    }

    /// The paths that this run could not read, by name; some of them, if there were very many.
    pub fn failures(&self, set: SetId, seq: SnapshotSeq) -> Result<Vec<PathFailure>> {
        self.read("listing what could not be read", |conn| {
            let sql = "SELECT path, what FROM failures WHERE set_id=? AND seq=? ORDER BY path";
            conn.prepare(sql)?
                .query_and_then(params![set.0, seq.0], |row| {
                    let path: Vec<u8> = row.get(0)?;
                    Ok(PathFailure { path: rel_path(&path)?, what: row.get(1)? })
                })?
                .collect()
        })
    }

    /// How many live paths stand as of an older date because they, or a directory that they are in,
    /// could not be read.
    pub fn stale_paths(&self, set: SetId) -> Result<u64> {
        self.read("counting what could not be read", |conn| {
            let dirs = stale_dirs(conn, set)?;
            let within = count_within(conn, set, &dirs)?;
            let sql = "SELECT e.dir FROM dirs d CROSS JOIN entries e ON e.dir=d.id
                       WHERE d.set_id=? AND e.last_seq IS NULL AND e.note LIKE 'stale:%'";
            let mut query = conn.prepare(sql)?;
            let noted = query.query_map([set.0], |row| row.get::<_, i64>(0))?;
            let noted = noted.collect::<rusqlite::Result<Vec<_>>>()?;
            let beside = noted.iter().filter(|dir| !dirs.contains(dir)).count();
            Ok(within + beside as u64)
        })
    }

    /// Live directories that could not be read: all that is below them stands as it was, too.
    pub fn unread_dirs(&self, set: SetId) -> Result<Vec<(RelPath, String)>> {
        self.read("looking for what could not be read", |conn| {
            let tree = DirTree::load(conn, set)?;
            let mut found = Vec::new();
            each_stale_dir(conn, set, |dir, name, note| {
                found.push((tree.entry_path(dir, name)?, note));
                Ok(())
            })?;
            Ok(found)
        })
    }

    /// The run in progress is stopped: nothing of it is to be kept but that it was, and why.
    pub fn refuse_snapshot(
        &mut self,
        set: SetId,
        seq: SnapshotSeq,
        why: &RunRefusal,
    ) -> Result<()> {
        self.change(set, "recording a refusal", |tx| {
            check_in_work(tx, set, seq)?;
            let path = match &why.reason {
                Reason::Unmounted(path) => Some(path.as_bytes()),
                Reason::Empty | Reason::Shrunk => None,
            };
            let sql = "INSERT INTO refusals(set_id, seq, reason, path, files, bytes, of_files,
                       of_bytes) VALUES(?,?,?,?,?,?,?,?)";
            tx.execute(
                sql,
                params![
                    set.0,
                    seq.0,
                    why.reason.word(),
                    path,
                    stored(why.files),
                    stored(why.bytes.0),
                    stored(why.of_files),
                    stored(why.of_bytes.0),
                ],
            )?;
            Ok(())
        })
    }

    /// Why this run was stopped, if it was.
    pub fn refusal(&self, set: SetId, seq: SnapshotSeq) -> Result<Option<RunRefusal>> {
        self.read("looking for a refusal", |conn| {
            let sql = "SELECT reason, path, files, bytes, of_files, of_bytes FROM refusals
                       WHERE set_id=? AND seq=?";
            let mut query = conn.prepare(sql)?;
            query.query_and_then(params![set.0, seq.0], read_refusal)?.next().transpose()
        })
    }

    /// The directories of the source that are mount points now.
    pub fn remember_mounts(&mut self, set: SetId, mounts: &[RelPath]) -> Result<()> {
        self.change(set, "remembering mount points", |tx| {
            tx.execute("DELETE FROM mounts WHERE set_id=?", [set.0])?;
            let mut insert =
                tx.prepare("INSERT OR IGNORE INTO mounts(set_id, path) VALUES(?,?)")?;
            mounts.iter().try_for_each(|path| {
                insert.execute(params![set.0, path.as_bytes()])?;
                Ok(())
            })
        })
    }

    /// Those that were mount points when the source was scanned last.
    pub fn mounts(&self, set: SetId) -> Result<Vec<RelPath>> {
        self.read("listing mount points", |conn| {
            let sql = "SELECT path FROM mounts WHERE set_id=? ORDER BY path";
            conn.prepare(sql)?
                .query_and_then([set.0], |row| rel_path(&row.get::<_, Vec<u8>>(0)?))?
                .collect()
        })
    }
}

fn read_refusal(row: &Row) -> Result<RunRefusal, Fault> {
    let (word, path): (String, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
    let reason = match (word.as_str(), path) {
        ("empty", _) => Reason::Empty,
        ("shrunk", _) => Reason::Shrunk,
        ("unmounted", Some(path)) => Reason::Unmounted(rel_path(&path)?),
        _ => return Err(odd(format!("the unknown word {word:?}"))),
    };
    Ok(RunRefusal {
        reason,
        files: number(row, 2)?,
        bytes: Bytes(number(row, 3)?),
        of_files: number(row, 4)?,
        of_bytes: Bytes(number(row, 5)?),
    })
}

/// A newer run has ended: what the ones before it could not read is of no use any more.
pub(in crate::catalog) fn drop_former(
    conn: &Connection,
    set: SetId,
    seq: SnapshotSeq,
) -> Result<(), Fault> {
    conn.execute("DELETE FROM failures WHERE set_id=? AND seq<?", params![set.0, seq.0])?;
    Ok(())
}

fn each_stale_dir(
    conn: &Connection,
    set: SetId,
    mut sink: impl FnMut(i64, &[u8], String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let sql =
        "SELECT e.dir, e.name, substr(e.note, 7) FROM dirs d CROSS JOIN entries e ON e.dir=d.id
               WHERE d.set_id=? AND e.last_seq IS NULL AND e.kind='d' AND e.note LIKE 'stale:%'";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        let name: Vec<u8> = row.get(1)?;
        sink(row.get(0)?, &name, row.get(2)?)?;
    }
    Ok(())
}

/// The directories, as numbers, that lie within those that could not be read; with them.
fn stale_dirs(conn: &Connection, set: SetId) -> Result<HashSet<i64>, Fault> {
    let mut found = Vec::new();
    each_stale_dir(conn, set, |dir, name, _| {
        // Without a row of its own nothing was ever in it.
        let sql = "SELECT id FROM dirs WHERE set_id=? AND parent=? AND name=?";
        let id = conn
            .prepare_cached(sql)?
            .query_row(params![set.0, dir, name], |row| row.get::<_, i64>(0));
        found.extend(id.optional()?);
        Ok(())
    })?;
    if found.is_empty() {
        return Ok(HashSet::new());
    }
    let mut below: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut query = conn.prepare("SELECT parent, id FROM dirs WHERE set_id=?")?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        below.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let mut all = HashSet::new();
    while let Some(dir) = found.pop() {
        if all.insert(dir) {
            found.extend(below.get(&dir).into_iter().flatten());
        }
    }
    Ok(all)
}

fn count_within(conn: &Connection, set: SetId, dirs: &HashSet<i64>) -> Result<u64, Fault> {
    if dirs.is_empty() {
        return Ok(0);
    }
    let sql = "SELECT e.dir, count(*) FROM dirs d CROSS JOIN entries e ON e.dir=d.id
               WHERE d.set_id=? AND e.last_seq IS NULL GROUP BY e.dir";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        if dirs.contains(&row.get(0)?) {
            sum += number(row, 1)?;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::rows::Note;
    use crate::model::{Bytes, Kind, Reason, RunRefusal};

    fn put(path: &str, kind: Kind, note: Note) -> RowChange {
        RowChange::Put { entry: Box::new(bare(path, kind).entry), content: None, note }
    }

    #[test]
    fn what_is_below_a_directory_that_could_not_be_read_is_counted_once() {
        let mut bench = CatalogBench::new();
        let stale = || Note::Stale("2026-01-01T00:00:00Z".to_owned());
        bench.put(&[
            put("a", Kind::Dir, stale()),
            put("a/b", Kind::Dir, stale()),
            put("a/b/c", Kind::Symlink, Note::None),
            put("a/d", Kind::Symlink, stale()),
            put("e", Kind::Symlink, stale()),
            put("f", Kind::Symlink, Note::None),
            put("none", Kind::Dir, stale()),
        ]);
        let set = bench.set;
        assert_eq!(bench.cat().stale_paths(set).unwrap(), 6);
        let dirs = bench.cat().unread_dirs(set).unwrap();
        assert_eq!(dirs.len(), 3);
        assert!(dirs.contains(&(p("a/b"), "2026-01-01T00:00:00Z".to_owned())));
    }

    #[test]
    fn failures_are_the_last_runs_and_not_more_than_anybody_reads() {
        let mut bench = CatalogBench::new();
        let (set, first) = (bench.set, bench.seq);
        for n in 0..1_005 {
            bench.cat().note_failure(set, first, &p(&format!("f{n}")), "why").unwrap();
        }
        assert_eq!(bench.cat().failures(set, first).unwrap().len(), 1_000);
        bench.next_run();
        let second = bench.seq;
        bench.cat().note_failure(set, second, &p("x"), "gone").unwrap();
        assert_eq!(bench.cat().failures(set, first).unwrap().len(), 1_000);
        bench.next_run();
        assert!(bench.cat().failures(set, first).unwrap().is_empty());
        let kept = bench.cat().failures(set, second).unwrap();
        assert_eq!((kept.len(), kept[0].what.as_str()), (1, "gone"));
        bench.cat().note_failure(set, second, &p("y"), "late").unwrap_err();
    }

    #[test]
    fn a_refusal_is_read_as_it_was_written() {
        let mut bench = CatalogBench::new();
        let (set, seq) = (bench.set, bench.seq);
        assert_eq!(bench.cat().refusal(set, seq).unwrap(), None);
        let reason = Reason::Unmounted(p("a/b"));
        let why = RunRefusal { reason, files: 3, bytes: Bytes(4), of_files: 5, of_bytes: Bytes(6) };
        bench.cat().refuse_snapshot(set, seq, &why).unwrap();
        assert_eq!(bench.cat().refusal(set, seq).unwrap(), Some(why));
    }

    #[test]
    fn mount_points_are_those_of_the_last_scan() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        bench.cat().remember_mounts(set, &[p("."), p("a b/c")]).unwrap();
        bench.cat().remember_mounts(set, &[p("a b/c"), p("d")]).unwrap();
        assert_eq!(bench.cat().mounts(set).unwrap(), [p("a b/c"), p("d")]);
    }
}
