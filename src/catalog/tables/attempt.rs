//! Changes that are nothing until they were judged: the rows of a scan, which may find that the
//! source is not what it was. One transaction, so that a kill takes them back as a refusal does.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::dirs::DirStack;
use crate::catalog::base::error::{CatalogError, explain};

impl Catalog {
    /// All that `work` writes is kept if it ends well, and was never there if it does not. Others
    /// read the former state meanwhile.
    pub fn attempt<T, E: From<CatalogError>>(
        &mut self,
        work: impl FnOnce(&mut Catalog) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin("beginning a scan")?;
        match work(self).and_then(|value| {
            self.sql("committing a scan", "COMMIT")?;
            Ok(value)
        }) {
            Ok(value) => Ok(value),
            Err(error) => {
                self.take_back()?;
                Err(error)
            }
        }
    }

    /// What was read meanwhile may have been of rows that never were.
    fn take_back(&mut self) -> Result<(), CatalogError> {
        self.dirs.replace(DirStack::default());
        self.owners.replace(Default::default());
        // SQLite has taken them back by itself where the disk is full.
        if self.conn.is_autocommit() { Ok(()) } else { self.sql("rolling back a scan", "ROLLBACK") }
    }

    fn sql(&self, doing: &'static str, sql: &str) -> Result<(), CatalogError> {
        self.conn.execute_batch(sql).map_err(|error| explain(&self.path, doing, error.into()))
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::base::error::Refused;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::rows::Note;
    use crate::model::{Kind, SnapshotSeq};

    fn put(path: &str) -> RowChange {
        let entry = Box::new(bare(path, Kind::Dir).entry);
        RowChange::Put { entry, content: None, note: Note::None }
    }

    #[test]
    fn what_was_refused_was_never_there() {
        let mut bench = CatalogBench::new();
        bench.put(&[put("a"), put("a/b"), put("c")]);
        bench.next_run();
        let before = bench.rows(1);
        let (set, seq) = (bench.set, bench.seq);
        let refused: std::result::Result<(), CatalogError> = bench.cat().attempt(|catalog| {
            catalog.put_rows(set, seq, &[RowChange::Remove(p("a/b")), put("new/er")])?;
            assert!(
                catalog.known(set, &p("new/er"))?.is_some()
                    && catalog.known(set, &p("a/b"))?.is_none()
            );
            Err(Refused::NoSet.into())
        });
        assert!(refused.is_err());
        assert_eq!(bench.known("a/b").since, SnapshotSeq(1));
        assert!(bench.catalog.as_ref().unwrap().known(set, &p("new/er")).unwrap().is_none());
        // The caches know nothing of what was taken back.
        bench.put(&[put("other/er"), put("new/er")]);
        assert_eq!(bench.known("new/er").since, SnapshotSeq(2));
        assert_eq!(bench.rows(1), before);
    }

    #[test]
    fn what_a_killed_run_did_not_come_to_judge_was_never_there() {
        let mut bench = CatalogBench::new();
        bench.put(&[put("a")]);
        bench.next_run();
        let (set, seq, file) = (bench.set, bench.seq, bench.file());
        let copy = bench.dir.path().join("copy.sqlite");
        let kept: std::result::Result<(), CatalogError> = bench.cat().attempt(|catalog| {
            catalog.put_rows(set, seq, &[RowChange::Remove(p("a"))])?;
            // What a kill at this moment leaves: the files as they are.
            for end in ["", "-wal"] {
                let from = format!("{}{end}", file.display());
                let _ = std::fs::copy(&from, format!("{}{end}", copy.display()));
            }
            Ok(())
        });
        kept.unwrap();
        assert!(bench.catalog.as_ref().unwrap().known(set, &p("a")).unwrap().is_none());
        let killed = Catalog::open(&copy, Access::Write).unwrap();
        assert!(killed.known(set, &p("a")).unwrap().is_some());
    }
}
