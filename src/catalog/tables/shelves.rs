//! Copies on shelves, of every set: shelves move, and what is on them moves with them.

use crate::catalog::base::carrier;
use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::ids::{CopyNo, SetId};
use crate::catalog::tables::copies::{Copy, read_copy};
use crate::model::{Carrier, DiscNo};
use rusqlite::{Connection, params};

/// A copy that is on a shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    pub set: SetId,
    pub disc: DiscNo,
    pub copy: Copy,
}

/// Where a copy is known to be from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPlacement {
    pub set: SetId,
    pub disc: DiscNo,
    pub copy: CopyNo,
    pub carrier: Carrier,
    /// It was verified where it was before; there it may have been another one.
    pub is_unproved: bool,
}

impl Catalog {
    pub fn shelved(&self) -> Result<Vec<Shelved>> {
        self.read("listing shelves", |conn| {
            let sql = format!(
                "SELECT copy, place, burned, state, {}, set_id, disc FROM copies
                 WHERE bears='shelf' ORDER BY set_id, disc, copy",
                carrier::COLUMNS
            );
            conn.prepare(&sql)?
                .query_and_then([], |row| {
                    let (set, disc) = (SetId(row.get("set_id")?), DiscNo(row.get("disc")?));
                    Ok(Shelved { set, disc, copy: read_copy(row)? })
                })?
                .collect()
        })
    }

    /// Copies are elsewhere now, or more is known of where they are. A disc of which no copy is
    /// left that was verified where it is now is burned, and not read back as far as is known.
    pub fn put_copies(&mut self, puts: &[CopyPlacement]) -> Result<()> {
        if puts.is_empty() {
            return Ok(());
        }
        self.write("recording where copies are", |tx| {
            for put in puts {
                carrier::write(tx, put.set, put.disc, put.copy, &put.carrier)?;
                if put.is_unproved {
                    doubt(tx, put)?;
                }
            }
            Ok(())
        })
    }

    /// Two copies that proved to be one: what was seen of both was seen of `keep`.
    pub fn merge_copies(
        &mut self,
        set: SetId,
        disc: DiscNo,
        keep: CopyNo,
        away: CopyNo,
    ) -> Result<()> {
        self.write("merging two copies", |tx| {
            let of = params![set.0, disc.0, keep.0, away.0];
            for sql in [
                "UPDATE verifications SET copy=?3 WHERE set_id=?1 AND disc=?2 AND copy=?4",
                "UPDATE copies SET place=(SELECT place FROM copies
                    WHERE set_id=?1 AND disc=?2 AND copy=?4)
                 WHERE set_id=?1 AND disc=?2 AND copy=?3 AND place=''",
                "DELETE FROM copies WHERE set_id=?1 AND disc=?2 AND copy=?4 AND ?3<>?4",
            ] {
                tx.execute(sql, of)?;
            }
            Ok(())
        })
    }
}

fn doubt(conn: &Connection, put: &CopyPlacement) -> Result<(), Fault> {
    let sql = "UPDATE copies SET state='burned'
               WHERE set_id=?1 AND disc=?2 AND copy=?3 AND state='ok'";
    conn.execute(sql, params![put.set.0, put.disc.0, put.copy.0])?;
    let sql = "UPDATE discs SET state='burned' WHERE set_id=?1 AND number=?2 AND state='verified'
               AND NOT EXISTS (SELECT 1 FROM copies WHERE set_id=?1 AND disc=?2 AND state='ok')";
    conn.execute(sql, params![put.set.0, put.disc.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::ShelfPlace;

    fn shelf(dir: &str) -> Carrier {
        Carrier::Shelf(ShelfPlace::at(dir))
    }

    fn seen(copy: CopyNo, finding: Finding) -> Verification {
        let (drive, details) = (String::new(), String::new());
        let outcome = ReadOutcome { finding, details, strain: Default::default() };
        Verification { disc: DiscNo(1), copy, at: NOW, drive, outcome }
    }

    /// A closed disc with one content.
    fn closed() -> CatalogBench {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 5, 1)]);
        bench.next_disc();
        bench
    }

    #[test]
    fn what_moved_to_another_disk_is_not_verified_there() {
        let mut bench = closed();
        let (set, disc) = (bench.set, DiscNo(1));
        let copy = bench.cat().record_copy(set, disc, &shelf("/a"), "", NOW).unwrap();
        bench.cat().record_verification(set, &seen(copy, Finding::Ok)).unwrap();
        let put =
            |is_unproved| CopyPlacement { set, disc, copy, carrier: shelf("/b"), is_unproved };
        let state = |bench: &mut CatalogBench| bench.cat().discs(set).unwrap()[0].state;
        bench.cat().put_copies(&[put(false)]).unwrap();
        assert_eq!(state(&mut bench), DiscState::Verified);
        bench.cat().put_copies(&[put(true)]).unwrap();
        assert_eq!(state(&mut bench), DiscState::Burned);
        let found = bench.cat().shelved().unwrap();
        assert_eq!((found[0].copy.state, &found[0].copy.medium), (CopyState::Burned, &shelf("/b")));
        bench.cat().record_verification(set, &seen(copy, Finding::Ok)).unwrap();
        assert_eq!(state(&mut bench), DiscState::Verified);
    }

    #[test]
    fn what_was_seen_of_two_copies_that_are_one_was_seen_of_that() {
        let mut bench = closed();
        let (set, disc) = (bench.set, DiscNo(1));
        let one = bench.cat().record_copy(set, disc, &shelf("a"), "", NOW).unwrap();
        let two = bench.cat().record_copy(set, disc, &shelf("/x/a"), "attic", NOW).unwrap();
        for copy in [one, two] {
            bench.cat().record_verification(set, &seen(copy, Finding::Ok)).unwrap();
        }
        bench.cat().merge_copies(set, disc, two, one).unwrap();
        let copies = bench.cat().copies(set, disc).unwrap();
        assert_eq!(copies.len(), 1);
        assert_eq!((copies[0].number, copies[0].place.as_str()), (two, "attic"));
        assert_eq!(bench.cat().verifications(set, disc).unwrap().len(), 2);
    }
}
