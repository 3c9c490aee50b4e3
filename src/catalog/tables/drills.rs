//! Drills: when plain tools were last tried on a disc, and what came of it.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::value::word;
use crate::model::{DiscNo, Finding};
use crate::port::clock::Moment;
use rusqlite::{Connection, Row, params};

/// How much of a disc was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DrillScope {
    Sample,
    Whole,
}

impl DrillScope {
    pub fn word(self) -> &'static str {
        match self {
            DrillScope::Sample => "sample",
            DrillScope::Whole => "whole",
        }
    }

    pub fn from_word(word: &str) -> Option<DrillScope> {
        [DrillScope::Sample, DrillScope::Whole].into_iter().find(|scope| scope.word() == word)
    }
}

/// One drill of one disc.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DrillRecord {
    pub disc: DiscNo,
    pub at: Moment,
    pub scope: DrillScope,
    pub finding: Finding,
    pub details: String,
}

impl Catalog {
    /// It changes nothing else: a copy is safe or not by its being read back alone.
    pub fn record_drill(&mut self, set: SetId, drill: &DrillRecord) -> Result<()> {
        self.write("recording a drill", |tx| insert(tx, set, drill))
    }

    /// Every drill of a disc, the oldest first.
    pub fn drills(&self, set: SetId, disc: DiscNo) -> Result<Vec<DrillRecord>> {
        self.read("listing drills", |conn| {
            let sql = "SELECT disc, at, scope, finding, details FROM drills
                       WHERE set_id=? AND disc=? ORDER BY id";
            conn.prepare(sql)?.query_and_then(params![set.0, disc.0], read_drill)?.collect()
        })
    }

    /// Every drill of a set, in the order in which they were recorded.
    pub(in crate::catalog) fn all_drills(&self, set: SetId) -> Result<Vec<DrillRecord>> {
        self.read("listing drills", |conn| {
            let sql = "SELECT disc, at, scope, finding, details FROM drills
                       WHERE set_id=? ORDER BY id";
            conn.prepare(sql)?.query_and_then([set.0], read_drill)?.collect()
        })
    }
}

pub(in crate::catalog) fn insert(
    conn: &Connection,
    set: SetId,
    drill: &DrillRecord,
) -> Result<(), Fault> {
    let sql = "INSERT INTO drills(set_id, disc, at, scope, finding, details) VALUES(?,?,?,?,?,?)";
    let DrillRecord { disc, at, scope, finding, details } = drill;
    conn.execute(sql, params![set.0, disc.0, at.0, scope.word(), finding.word(), details])?;
    Ok(())
}

fn read_drill(row: &Row) -> Result<DrillRecord, Fault> {
    Ok(DrillRecord {
        disc: DiscNo(row.get(0)?),
        at: Moment(row.get(1)?),
        scope: word(row, 2, DrillScope::from_word)?,
        finding: word(row, 3, Finding::from_word)?,
        details: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::port::stop::Stop;

    #[test]
    fn drills_are_kept_by_disc_in_order_and_go_with_what_was_packed() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1)]);
        let (set, disc) = (bench.set, bench.disc);
        let drill =
            |scope, finding| DrillRecord { disc, at: NOW, scope, finding, details: "x".into() };
        let both =
            [drill(DrillScope::Sample, Finding::Damaged), drill(DrillScope::Whole, Finding::Ok)];
        for drill in &both {
            bench.cat().record_drill(set, drill).unwrap();
        }
        assert_eq!(bench.cat().drills(set, disc).unwrap(), both);
        let out = bench.dir.path().join("out.sqlite");
        bench.cat().export_set(set, &out, &Stop::new()).unwrap();
        assert_eq!(Catalog::open_exported(&out).unwrap().drills(set, disc).unwrap(), both);
        let unknown = DrillRecord { disc: DiscNo(99), ..both[0].clone() };
        assert!(bench.cat().record_drill(set, &unknown).is_err());
        let fresh = crate::model::DiscUuid(uuid::Uuid::from_u128(5));
        bench.cat().forget_disc_work(set, disc, fresh).unwrap();
        assert_eq!(bench.cat().drills(set, disc).unwrap(), []);
    }
}
