//! What a listing tells of the snapshots before its own, sorted by the snapshot in which each row began
//! to be so, and in which it was no more.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::rows::{ListedRow, SnapshotRow};
use crate::model::{RelPath, SnapshotSeq};

pub(super) struct PastSnapshots {
    /// The snapshot of the listing itself, which it tells whole.
    pub told_by: SnapshotSeq,
    /// All that ended before.
    pub snapshots: BTreeSet<SnapshotSeq>,
    /// Snapshots up to here are known already.
    known: Option<SnapshotSeq>,
    pub came: BTreeMap<SnapshotSeq, Vec<SnapshotRow>>,
    pub gone: BTreeMap<SnapshotSeq, Vec<RelPath>>,
}

impl PastSnapshots {
    pub fn new(
        told_by: SnapshotSeq,
        mut snapshots: BTreeSet<SnapshotSeq>,
        known: Option<SnapshotSeq>,
    ) -> PastSnapshots {
        snapshots.retain(|seq| *seq < told_by);
        let (came, gone) = (BTreeMap::new(), BTreeMap::new());
        PastSnapshots { told_by, snapshots, known, came, gone }
    }

    /// A row belongs to the first of the snapshots that has it: between these, runs may have been
    /// that did not end.
    pub fn take(&mut self, listed: ListedRow) {
        let Some(life) = listed.life else { return };
        let is_new = |seq: &&SnapshotSeq| Some(**seq) > self.known;
        if let Some(until) = life.until {
            let after = SnapshotSeq(until.0.saturating_add(1));
            if let Some(next) = self.snapshots.range(after..).next().filter(is_new) {
                self.gone.entry(*next).or_default().push(listed.row.path.clone());
            }
        }
        let first = self.snapshots.range(life.since..).find(is_new).copied();
        if let Some(first) = first.filter(|first| life.has(*first)) {
            self.came.entry(first).or_default().push(listed.row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rows::{Life, Note, Where};
    use crate::model::{Kind, Meta};

    fn row(path: &str, since: u32, until: Option<u32>) -> ListedRow {
        let row = SnapshotRow {
            kind: Kind::File,
            path: RelPath::new(path.as_bytes()).unwrap(),
            size: 0,
            sha256: None,
            place: Where::nothing(),
            meta: Meta::default(),
            note: Note::None,
        };
        let life = Life { since: SnapshotSeq(since), until: until.map(SnapshotSeq) };
        ListedRow { row, life: Some(life) }
    }

    #[test]
    fn rows_come_to_the_first_snapshot_that_has_them_and_go_with_the_first_that_has_not() {
        let snapshots = [1, 2, 4, 5].map(SnapshotSeq).into();
        let mut history = PastSnapshots::new(SnapshotSeq(5), snapshots, Some(SnapshotSeq(1)));
        for (path, since, until) in [
            ("old", 1, Some(1)),
            ("kept", 1, None),
            ("gone", 1, Some(2)),
            ("between", 3, Some(3)),
            ("late", 3, Some(4)),
            ("now", 5, None),
        ] {
            history.take(row(path, since, until));
        }
        let came: Vec<(u32, Vec<String>)> = history
            .came
            .iter()
            .map(|(seq, rows)| (seq.0, rows.iter().map(|row| row.path.to_string()).collect()))
            .collect();
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(came, [(2, names(&["kept", "gone"])), (4, names(&["late"]))]);
        let gone: Vec<(u32, Vec<String>)> = history
            .gone
            .iter()
            .map(|(seq, paths)| (seq.0, paths.iter().map(RelPath::to_string).collect()))
            .collect();
        assert_eq!(gone, [(2, names(&["old"])), (4, names(&["gone", "between"]))]);
    }
}
