//! Snapshots: the runs of a set, in the order of their numbers.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result, odd};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::state::{check_in_work, newest};
use crate::catalog::base::value::{number, path_from, stored, uuid};
use crate::model::{Bytes, SnapshotSeq, SnapshotUuid};
use crate::port::clock::Moment;
use rusqlite::{Row, params};
use std::path::PathBuf;
use uuid::Uuid;

/// Where the walked paths went; their sum is what was walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub stored: u64,
    pub unchanged: u64,
    pub excluded: u64,
    pub failed: u64,
    /// Content of the stored files.
    pub bytes: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    pub seq: SnapshotSeq,
    /// `None`: it was made before snapshots had one, or was told from discs.
    pub uuid: Option<SnapshotUuid>,
    pub started: Moment,
    /// `None`: the run was killed, or is under way. Such a snapshot is never offered for restore.
    pub finished: Option<Moment>,
    /// Where the source was.
    pub source: PathBuf,
    pub counts: Counts,
    /// The counts are those of a run; else the snapshot was told from discs, and nobody knows them.
    pub counted: bool,
}

/// What a snapshot amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotSize {
    pub paths: u64,
    /// Other names of a hard link are not counted again.
    pub files: u64,
    /// Content of its files.
    pub bytes: Bytes,
    /// Files whose content is not wholly in archives.
    pub waiting: u64,
}

impl Catalog {
    /// Begins the next snapshot. One that a killed run left unfinished stays so for ever; what it
    /// stored is found again, for its rows are the live ones.
    pub fn begin_snapshot(&mut self, set: SetId, now: Moment) -> Result<SnapshotSeq> {
        self.change(set, "beginning a snapshot", |tx| {
            let next = newest(tx, set)?.map_or(Some(1), |seq| seq.0.checked_add(1));
            let next = next.ok_or_else(|| odd("no snapshot number is left"))?;
            let sql = "INSERT INTO snapshots(set_id, seq, started, source, uuid)
                       SELECT id, ?2, ?3, source, ?4 FROM sets WHERE id=?1";
            let uuid = Uuid::new_v4();
            match tx.execute(sql, params![set.0, next, now.0, uuid.as_bytes()])? {
                1 => Ok(SnapshotSeq(next)),
                _ => Err(Refused::NoSet.into()),
            }
        })
    }

    /// All paths are accounted for and all removals are in: the snapshot may be restored.
    pub fn finish_snapshot(
        &mut self,
        set: SetId,
        seq: SnapshotSeq,
        now: Moment,
        counts: &Counts,
    ) -> Result<()> {
        self.change(set, "finishing a snapshot", |tx| {
            check_in_work(tx, set, seq)?;
            let sql = "UPDATE snapshots SET finished=?3, stored=?4, unchanged=?5, excluded=?6,
                       failed=?7, bytes=?8, counted=1 WHERE set_id=?1 AND seq=?2";
            tx.execute(
                sql,
                params![
                    set.0,
                    seq.0,
                    now.0,
                    stored(counts.stored),
                    stored(counts.unchanged),
                    stored(counts.excluded),
                    stored(counts.failed),
                    stored(counts.bytes.0),
                ],
            )?;
            crate::catalog::tables::failures::drop_former(tx, set, seq)?;
            crate::catalog::tables::run_lines::drop_former(tx, set, seq)
        })
    }

    /// The same for a snapshot that was told from discs: nobody knows what its run counted.
    pub fn finish_told(&mut self, set: SetId, seq: SnapshotSeq, date: Moment) -> Result<()> {
        self.change(set, "finishing a snapshot", |tx| {
            check_in_work(tx, set, seq)?;
            let sql = "UPDATE snapshots SET finished=?3, counted=0 WHERE set_id=?1 AND seq=?2";
            tx.execute(sql, params![set.0, seq.0, date.0])?;
            Ok(())
        })
    }

    /// All snapshots, the oldest first; the unfinished ones, too.
    pub fn snapshots(&self, set: SetId) -> Result<Vec<SnapshotInfo>> {
        self.read("listing the snapshots", |conn| {
            let sql = "SELECT seq, started, finished, source, stored, unchanged, excluded, failed,
                       bytes, counted, uuid FROM snapshots WHERE set_id=? ORDER BY seq";
            conn.prepare(sql)?.query_and_then([set.0], read_snapshot)?.collect()
        })
    }

    /// How much a snapshot holds.
    pub fn extent(&self, set: SetId, seq: SnapshotSeq) -> Result<SnapshotSize> {
        self.read("measuring a snapshot", |conn| {
            let sql = "SELECT count(*), COALESCE(sum(COALESCE(c.size, e.size, 0)), 0),
                       COALESCE(sum(e.kind='f' AND c.sha256 IS NULL AND COALESCE(c.size, e.size) > 0), 0),
                       COALESCE(sum(e.kind='f'), 0)
                       FROM entries e JOIN dirs d ON d.id=e.dir LEFT JOIN contents c ON c.id=e.content
                       WHERE d.set_id=?1 AND e.first_seq<=?2
                       AND (e.last_seq IS NULL OR e.last_seq>=?2)";
            let values = params![set.0, seq.0];
            let mut found = conn.prepare(sql)?.query_and_then(values, |row| {
                Ok(SnapshotSize {
                    paths: number(row, 0)?,
                    bytes: Bytes(number(row, 1)?),
                    waiting: number(row, 2)?,
                    files: number(row, 3)?,
                })
            })?.collect::<Result<Vec<_>, Fault>>()?;
            Ok(found.pop().unwrap_or_default())
        })
    }

    /// All rows that are live now have the attributes that only root is shown, if there are any.
    pub fn saw_trusted(&mut self, set: SetId, seq: SnapshotSeq) -> Result<()> {
        self.change(set, "recording a scan", |tx| {
            check_in_work(tx, set, seq)?;
            let sql = "UPDATE snapshots SET trusted=1 WHERE set_id=? AND seq=?";
            tx.execute(sql, params![set.0, seq.0])?;
            Ok(())
        })
    }

    /// The newest snapshot of which [`saw_trusted`](Self::saw_trusted) was said.
    pub fn last_trusted(&self, set: SetId) -> Result<Option<SnapshotSeq>> {
        self.read("looking for a scan", |conn| {
            let sql = "SELECT max(seq) FROM snapshots WHERE set_id=? AND trusted<>0";
            let seq: Option<u32> = conn.query_row(sql, [set.0], |row| row.get(0))?;
            Ok(seq.map(SnapshotSeq))
        })
    }

    /// The newest snapshot that is finished.
    pub fn newest_snapshot(&self, set: SetId) -> Result<Option<SnapshotSeq>> {
        self.read("looking for the newest snapshot", |conn| {
            let sql = "SELECT max(seq) FROM snapshots WHERE set_id=? AND finished IS NOT NULL";
            let seq: Option<u32> = conn.query_row(sql, [set.0], |row| row.get(0))?;
            Ok(seq.map(SnapshotSeq))
        })
    }
}

fn read_snapshot(row: &Row) -> Result<SnapshotInfo, Fault> {
    let finished: Option<i64> = row.get(2)?;
    let is_told = !matches!(row.get_ref(10)?, rusqlite::types::ValueRef::Null);
    Ok(SnapshotInfo {
        seq: SnapshotSeq(row.get(0)?),
        uuid: is_told.then(|| uuid(row, 10)).transpose()?.map(SnapshotUuid),
        started: Moment(row.get(1)?),
        finished: finished.map(Moment),
        source: path_from(row.get(3)?),
        counts: Counts {
            stored: number(row, 4)?,
            unchanged: number(row, 5)?,
            excluded: number(row, 6)?,
            failed: number(row, 7)?,
            bytes: Bytes(number(row, 8)?),
        },
        counted: row.get(9)?,
    })
}
