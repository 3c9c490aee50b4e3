//! Which snapshots there are, and which of them is in progress.

use crate::catalog::base::error::{Fault, Refused};
use crate::catalog::base::ids::SetId;
use crate::model::SnapshotSeq;
use rusqlite::{Connection, OptionalExtension, params};

pub(in crate::catalog) fn newest(
    conn: &Connection,
    set: SetId,
) -> Result<Option<SnapshotSeq>, Fault> {
    let sql = "SELECT max(seq) FROM snapshots WHERE set_id=?";
    let seq: Option<u32> = conn.prepare_cached(sql)?.query_row([set.0], |row| row.get(0))?;
    Ok(seq.map(SnapshotSeq))
}

/// Only the newest snapshot takes rows, and only until it is finished: history never changes.
pub(in crate::catalog) fn check_in_work(
    conn: &Connection,
    set: SetId,
    seq: SnapshotSeq,
) -> Result<(), Fault> {
    let sql = "SELECT finished IS NULL FROM snapshots WHERE set_id=? AND seq=?";
    let open: Option<bool> =
        conn.prepare_cached(sql)?.query_row(params![set.0, seq.0], |row| row.get(0)).optional()?;
    match open {
        Some(true) if newest(conn, set)? == Some(seq) => Ok(()),
        _ => Err(Refused::NotInWork(seq).into()),
    }
}

pub(in crate::catalog) fn check_known(
    conn: &Connection,
    set: SetId,
    seq: SnapshotSeq,
) -> Result<(), Fault> {
    let sql = "SELECT 1 FROM snapshots WHERE set_id=? AND seq=?";
    match conn.prepare_cached(sql)?.exists(params![set.0, seq.0])? {
        true => Ok(()),
        false => Err(Refused::NoSnapshot(seq).into()),
    }
}
