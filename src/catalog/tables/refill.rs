//! A closed disc that is opened again, to be filled up: only one that no medium can carry, because
//! no burn of it was ever begun, and that nothing else refers to.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result};
use crate::catalog::base::ids::SetId;
use crate::catalog::tables::discs::DiscState;
use crate::catalog::tables::{copies, discs, forget};
use crate::model::{DiscNo, DiscUuid};
use crate::port::clock::Moment;
use rusqlite::{Connection, OptionalExtension, params};

impl Catalog {
    /// A burner is about to be started on the disc: from now on a medium may carry it, whatever
    /// comes of the burn. To be called before the burner is.
    pub fn record_burn(&mut self, set: SetId, disc: DiscNo, at: Moment) -> Result<()> {
        self.write("recording that a burn begins", |tx| {
            discs::check_closed(tx, set, disc)?;
            let sql = "UPDATE discs SET burn=COALESCE(burn, ?3) WHERE set_id=?1 AND number=?2";
            tx.execute(sql, params![set.0, disc.0, at.0])?;
            Ok(())
        })
    }

    /// The newest disc of a set, if it is one that may be opened again as far as the catalog knows:
    /// staged, never begun to be burned, no recovery disc, and covered by none.
    pub fn reopenable(&self, set: SetId) -> Result<Option<DiscNo>> {
        self.read("looking at the newest disc", |conn| {
            let sql = "SELECT max(number) FROM discs WHERE set_id=?";
            let newest: Option<u32> = conn.query_row(sql, [set.0], |row| row.get(0))?;
            let Some(disc) = newest.map(DiscNo) else { return Ok(None) };
            Ok(check(conn, set, disc).is_ok().then_some(disc))
        })
    }

    /// Opens it under a fresh UUID: what was made of it until now is another disc. What is packed
    /// stays; that it was closed, with which files, and that it was drilled is forgotten.
    pub fn reopen_disc(&mut self, set: SetId, disc: DiscNo, fresh: DiscUuid) -> Result<()> {
        self.change(set, "reopening a disc", |tx| {
            check(tx, set, disc)?;
            for table in ["disc_files", "drills"] {
                let sql = format!("DELETE FROM {table} WHERE set_id=? AND disc=?");
                tx.execute(&sql, params![set.0, disc.0])?;
            }
            forget::reopen(tx, set, disc, fresh)
        })
    }
}

fn check(conn: &Connection, set: SetId, disc: DiscNo) -> std::result::Result<(), Fault> {
    let refused = || Fault::Refused(Refused::DiscState(disc, "filled up"));
    if discs::state(conn, set, disc)? != Some(DiscState::Staged) {
        return Err(refused());
    }
    let sql = "SELECT burn IS NOT NULL OR number<>(SELECT max(number) FROM discs WHERE set_id=?1)
               OR EXISTS (SELECT 1 FROM covered WHERE set_id=?1 AND (recovery=?2 OR disc=?2))
               OR EXISTS (SELECT 1 FROM copies WHERE set_id=?1 AND disc=?2)
               FROM discs WHERE set_id=?1 AND number=?2";
    let is_tied: Option<bool> =
        conn.query_row(sql, params![set.0, disc.0], |row| row.get(0)).optional()?;
    if is_tied != Some(false) || copies::has_unsettled_copy(conn, set, disc)? {
        return Err(refused());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::{DiscNo, DiscUuid};
    use crate::port::clock::Moment;
    use uuid::Uuid;

    fn fresh() -> DiscUuid {
        DiscUuid(Uuid::from_u128(77))
    }

    fn close_first(bench: &mut CatalogBench) {
        let (set, seq) = (bench.set, bench.seq);
        bench.cat().close_disc(set, DiscNo(1), &testing::closed(seq)).unwrap();
    }

    /// A set with disc 1 closed, and nothing else.
    fn closed() -> CatalogBench {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1)]);
        close_first(&mut bench);
        bench
    }

    #[test]
    fn a_staged_disc_is_open_again_with_all_that_was_packed() {
        let mut bench = closed();
        let set = bench.set;
        assert_eq!(bench.cat().reopenable(set).unwrap(), Some(DiscNo(1)));
        bench.cat().reopen_disc(set, DiscNo(1), fresh()).unwrap();
        let disc = bench.cat().open_disc(set).unwrap().unwrap();
        assert_eq!(disc.uuid, fresh());
        assert_eq!(bench.cat().disc_files(set, DiscNo(1)).unwrap(), []);
        assert_eq!(bench.cat().archives_of_disc(set, DiscNo(1)).unwrap().len(), 1);
        close_first(&mut bench);
        assert_eq!(bench.cat().reopenable(set).unwrap(), Some(DiscNo(1)));
    }

    #[test]
    fn one_that_a_burner_was_started_on_stays_closed_for_ever() {
        let mut bench = closed();
        let set = bench.set;
        bench.cat().record_burn(set, DiscNo(1), Moment(5)).unwrap();
        assert_eq!(bench.cat().reopenable(set).unwrap(), None);
        let refused = bench.cat().reopen_disc(set, DiscNo(1), fresh());
        assert!(matches!(refused, Err(CatalogError::Refused(_))), "{refused:?}");
    }

    #[test]
    fn so_does_one_that_is_not_the_newest_or_is_in_a_group() {
        let mut bench = closed();
        let set = bench.set;
        bench.cat().begin_disc(set, &new_disc(2), NOW).unwrap();
        assert_eq!(bench.cat().reopenable(set).unwrap(), None);
        assert!(bench.cat().reopen_disc(set, DiscNo(1), fresh()).is_err());
        let mut bench = closed();
        let set = bench.set;
        bench.cat().record_recovery_disc(set, DiscNo(1), &[DiscNo(9)]).unwrap();
        assert_eq!(bench.cat().reopenable(set).unwrap(), None);
    }
}
