//! Recovery discs and the discs that they cover: what can be rebuilt if it is lost (format 11).

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::ids::SetId;
use crate::catalog::tables::discs;
use crate::catalog::tables::discs::{ClosedDiscRecord, NewDisc};
use crate::model::DiscNo;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Discs that are protected together, and the recovery discs that were made for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryGroup {
    pub discs: Vec<DiscNo>,
    pub recovery: Vec<DiscNo>,
}

impl Catalog {
    /// A recovery disc for these discs is staged, all at once: one that is begun and not closed
    /// would be filled with files by the next run.
    pub fn stage_recovery_disc(
        &mut self,
        set: SetId,
        disc: &NewDisc,
        covered: &[DiscNo],
        closed: &ClosedDiscRecord,
    ) -> Result<()> {
        self.change(set, "staging a recovery disc", |tx| {
            discs::begin(tx, set, disc, closed.closed)?;
            cover(tx, set, disc.number, covered)?;
            discs::close(tx, set, disc.number, closed)
        })
    }

    /// `disc`, which is known already, is a recovery disc for these discs.
    pub fn record_recovery_disc(
        &mut self,
        set: SetId,
        disc: DiscNo,
        covered: &[DiscNo],
    ) -> Result<()> {
        self.change(set, "recording a recovery disc", |tx| cover(tx, set, disc, covered))
    }

    /// All groups, the first discs first. The recovery discs of a group cover the same discs.
    pub fn recovery_groups(&self, set: SetId) -> Result<Vec<RecoveryGroup>> {
        self.read("listing recovery discs", |conn| {
            let mut groups: BTreeMap<Vec<DiscNo>, Vec<DiscNo>> = BTreeMap::new();
            for (recovery, discs) in covered(conn, set)? {
                groups.entry(discs).or_default().push(recovery);
            }
            let group = |(discs, recovery)| RecoveryGroup { discs, recovery };
            Ok(groups.into_iter().map(group).collect())
        })
    }

    /// The discs that a recovery disc covers; none if it is no recovery disc.
    pub fn covered_by(&self, set: SetId, disc: DiscNo) -> Result<Vec<DiscNo>> {
        self.read("looking at a disc", |conn| {
            let sql = "SELECT disc FROM covered WHERE set_id=? AND recovery=? ORDER BY disc";
            let mut query = conn.prepare_cached(sql)?;
            let discs = query.query_map(params![set.0, disc.0], |row| Ok(DiscNo(row.get(0)?)))?;
            Ok(discs.collect::<Result<_, _>>()?)
        })
    }

    /// Whether there is a recovery disc for this disc.
    pub fn is_covered(&self, set: SetId, disc: DiscNo) -> Result<bool> {
        self.read("looking at a disc", |conn| {
            let sql = "SELECT 1 FROM covered WHERE set_id=? AND disc=? LIMIT 1";
            Ok(conn.prepare_cached(sql)?.exists(params![set.0, disc.0])?)
        })
    }
}

fn cover(tx: &Connection, set: SetId, disc: DiscNo, covered: &[DiscNo]) -> Result<(), Fault> {
    let sql = "INSERT OR IGNORE INTO covered(set_id, recovery, disc) VALUES(?,?,?)";
    for covered in covered {
        tx.prepare_cached(sql)?.execute(params![set.0, disc.0, covered.0])?;
    }
    Ok(())
}

fn covered(conn: &Connection, set: SetId) -> Result<BTreeMap<DiscNo, Vec<DiscNo>>, Fault> {
    let sql = "SELECT recovery, disc FROM covered WHERE set_id=? ORDER BY recovery, disc";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    let mut covered: BTreeMap<DiscNo, Vec<DiscNo>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        covered.entry(DiscNo(row.get(0)?)).or_default().push(DiscNo(row.get(1)?));
    }
    Ok(covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;

    #[test]
    fn recovery_discs_for_the_same_discs_are_one_group() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        for _ in 0..4 {
            bench.next_disc();
        }
        let [one, two, three, four] = [1, 2, 3, 4].map(DiscNo);
        bench.cat().record_recovery_disc(set, three, &[one, two]).unwrap();
        bench.cat().record_recovery_disc(set, four, &[two, one]).unwrap();
        let group = RecoveryGroup { discs: vec![one, two], recovery: vec![three, four] };
        assert_eq!(bench.cat().recovery_groups(set).unwrap(), [group]);
        assert_eq!(bench.cat().covered_by(set, three).unwrap(), [one, two]);
        assert_eq!(bench.cat().covered_by(set, one).unwrap(), []);
        assert!(bench.cat().is_covered(set, one).unwrap());
        assert!(!bench.cat().is_covered(set, three).unwrap());
    }

    #[test]
    fn a_recovery_disc_is_staged_whole_or_not_at_all() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        bench.next_disc();
        let seq = bench.seq;
        let covered = [DiscNo(1)];
        // Disc 2 is in progress already.
        let taken = bench.cat().stage_recovery_disc(set, &new_disc(2), &covered, &closed(seq));
        assert!(taken.is_err());
        assert_eq!(bench.cat().recovery_groups(set).unwrap(), []);
        let of_group = ClosedDiscRecord { listing: None, ..closed(seq) };
        bench.cat().stage_recovery_disc(set, &new_disc(3), &covered, &of_group).unwrap();
        let discs = bench.cat().discs(set).unwrap();
        assert_eq!(discs[2].state, crate::catalog::DiscState::Staged);
        assert_eq!(bench.cat().covered_by(set, DiscNo(3)).unwrap(), covered);
        assert!(!bench.cat().owes_listing(set).unwrap(), "disc 1 has it");
    }
}
