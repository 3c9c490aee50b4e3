//! Taking back what was stored on a disc that never was: its staging is gone.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result};
use crate::catalog::base::former;
use crate::catalog::base::ids::SetId;
use crate::catalog::tables::discs::DiscState;
use crate::catalog::tables::{copies, discs};
use crate::model::{DiscNo, DiscUuid};
use rusqlite::{Connection, params};

impl Catalog {
    /// Forgets all that was packed for a disc of which no medium exists. Contents that have a
    /// part there are stored nowhere any more, in any snapshot, so that the next run stores them
    /// again; one that was elsewhere before is there again. The disc is open and empty, under the
    /// same number and a fresh UUID: a medium that a failed burn spoilt may carry the old one.
    pub fn forget_disc_work(&mut self, set: SetId, disc: DiscNo, fresh: DiscUuid) -> Result<()> {
        self.change(set, "forgetting a disc", |tx| {
            check_forgettable(tx, set, disc)?;
            collect_gone(tx, set, disc)?;
            former::return_all(tx, "gone")?;
            forget_contents(tx, set)?;
            forget_files(tx, set, disc)?;
            tx.execute(
                "UPDATE discs SET begun=NULL WHERE set_id=? AND number=?",
                params![set.0, disc.0],
            )?;
            reopen(tx, set, disc, fresh)
        })
    }
}

fn check_forgettable(conn: &Connection, set: SetId, disc: DiscNo) -> Result<(), Fault> {
    match discs::state(conn, set, disc)? {
        None => Err(Refused::DiscState(disc, "forgotten").into()),
        Some(DiscState::Burned | DiscState::Verified | DiscState::Gone) => {
            Err(Refused::Burned(disc).into())
        }
        Some(_) if copies::has_unsettled_copy(conn, set, disc)? => {
            Err(Refused::Burned(disc).into())
        }
        Some(_) => Ok(()),
    }
}

/// The contents that lose a part, in a table of this connection alone.
fn collect_gone(conn: &Connection, set: SetId, disc: DiscNo) -> Result<(), Fault> {
    conn.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS gone(id INTEGER PRIMARY KEY); DELETE FROM gone;",
    )?;
    conn.execute(
        "INSERT INTO gone SELECT DISTINCT c.id FROM contents c JOIN parts p ON p.content=c.id
         JOIN archives a ON a.set_id=c.set_id AND a.number=p.archive
         WHERE c.set_id=? AND a.disc=?",
        params![set.0, disc.0],
    )?;
    Ok(())
}

/// Rows keep the size that their content had.
fn forget_contents(conn: &Connection, set: SetId) -> Result<(), Fault> {
    conn.execute(
        "UPDATE entries SET size=(SELECT size FROM contents c WHERE c.id=entries.content),
             content=NULL, moved=NULL
         WHERE content IN (SELECT id FROM gone)
             AND dir IN (SELECT id FROM dirs WHERE set_id=?)",
        [set.0],
    )?;
    conn.execute_batch(
        "DELETE FROM parts WHERE content IN (SELECT id FROM gone);
         DELETE FROM former_parts WHERE content IN (SELECT id FROM gone);
         DELETE FROM members WHERE content IN (SELECT id FROM gone);
         DELETE FROM contents WHERE id IN (SELECT id FROM gone);
         DELETE FROM gone;",
    )?;
    Ok(())
}

fn forget_files(conn: &Connection, set: SetId, disc: DiscNo) -> Result<(), Fault> {
    for table in ["archives", "disc_files", "verifications", "copies", "drills"] {
        let sql = format!("DELETE FROM {table} WHERE set_id=? AND disc=?");
        conn.execute(&sql, params![set.0, disc.0])?;
    }
    // Neither is it a recovery disc any more, nor does one cover what comes under this number.
    let sql = "DELETE FROM covered WHERE set_id=?1 AND (recovery=?2 OR disc=?2)";
    conn.execute(sql, params![set.0, disc.0])?;
    Ok(())
}

/// Open, under a UUID that no medium carries.
pub(in crate::catalog) fn reopen(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
    fresh: DiscUuid,
) -> Result<(), Fault> {
    let sql = "UPDATE discs SET state='open', uuid=?3, image=NULL, closed=NULL, last_seq=NULL,
               listings=NULL, listing_seq=NULL, burn=NULL WHERE set_id=?1 AND number=?2";
    conn.execute(sql, params![set.0, disc.0, fresh.0.as_bytes()])?;
    Ok(())
}
