//! Copies: the media that carry a disc, where each is kept, what was seen whenever one was read,
//! and which of them are no more. A disc is verified only through a verification that found every
//! byte right.

use crate::catalog::base::carrier;
use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result};
use crate::catalog::base::ids::{CopyNo, SetId};
use crate::catalog::base::value::word;
use crate::catalog::tables::discs::{DiscState, check_closed, mark_failed, mark_verified, state};
use crate::catalog::tables::gone;
use crate::model::{Carrier, DiscNo, Finding, Strain};
use crate::port::clock::Moment;
use rusqlite::{Connection, Row, params};
use std::time::Duration;

/// Why a copy is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Nobody knows where it is. Whoever reads it again has found it.
    Lost,
    /// Given up on purpose, for good.
    Retired,
}

/// What is known of one medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CopyState {
    /// Written, not read back yet.
    Burned,
    /// As its newest verification found it.
    Found(Finding),
    /// It counts for nothing any more.
    Gone(Fate),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub number: CopyNo,
    /// What carries it.
    pub medium: Carrier,
    /// Where a person keeps it; empty if they did not say.
    pub place: String,
    pub burned: Moment,
    pub state: CopyState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verification {
    pub disc: DiscNo,
    pub copy: CopyNo,
    pub at: Moment,
    /// The drive that read it.
    pub drive: String,
    pub outcome: ReadOutcome,
}

/// What reading a copy came to. Nobody above the catalog puts one together from its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadOutcome {
    pub(in crate::catalog) finding: Finding,
    pub(in crate::catalog) details: String,
    pub(in crate::catalog) strain: Strain,
}

/// What readings of a copy came to, in the order in which they were recorded, whatever the clock
/// said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings {
    pub disc: DiscNo,
    pub copy: CopyNo,
    /// The last one that found every byte right.
    pub good: Option<(ReadOrdinal, Moment)>,
    /// The last one that did not.
    pub bad: Option<ReadOrdinal>,
}

/// The place of a reading among all readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadOrdinal(i64);

impl ReadOutcome {
    /// Every byte was right: recorded, this makes the disc safe. Only `verify` calls it, with what
    /// it has a proof of; `tests/architecture/rules.rs` refuses all others.
    pub fn sound(details: String, strain: Strain) -> ReadOutcome {
        ReadOutcome { finding: Finding::Ok, details, strain }
    }

    pub fn damaged(details: String, strain: Strain) -> ReadOutcome {
        ReadOutcome { finding: Finding::Damaged, details, strain }
    }

    pub fn finding(&self) -> Finding {
        self.finding
    }

    /// Bad files and sectors, slow places: for people who look into the catalog.
    #[cfg(test)]
    pub fn details(&self) -> &str {
        &self.details
    }

    pub fn strain(&self) -> Strain {
        self.strain
    }
}

impl Finding {
    pub fn word(self) -> &'static str {
        match self {
            Finding::Ok => "ok",
            Finding::Damaged => "damaged",
            Finding::Unreadable => "unreadable",
        }
    }

    pub(in crate::catalog) fn from_word(word: &str) -> Option<Finding> {
        [Finding::Ok, Finding::Damaged, Finding::Unreadable].into_iter().find(|f| f.word() == word)
    }
}

impl Fate {
    pub fn word(self) -> &'static str {
        match self {
            Fate::Lost => "lost",
            Fate::Retired => "retired",
        }
    }
}

const BURNED: &str = "burned";

impl CopyState {
    pub fn word(self) -> &'static str {
        match self {
            CopyState::Burned => BURNED,
            CopyState::Found(finding) => finding.word(),
            CopyState::Gone(fate) => fate.word(),
        }
    }

    fn from_word(word: &str) -> Option<CopyState> {
        let fate = [Fate::Lost, Fate::Retired].into_iter().find(|fate| fate.word() == word);
        match word {
            BURNED => Some(CopyState::Burned),
            _ => {
                fate.map(CopyState::Gone).or_else(|| Finding::from_word(word).map(CopyState::Found))
            }
        }
    }
}

impl Copy {
    /// It was read back, and every byte was right when it was last read.
    pub fn is_good(&self) -> bool {
        self.state == CopyState::Found(Finding::Ok)
    }

    /// It is there, in whatever state.
    pub fn is_kept(&self) -> bool {
        !matches!(self.state, CopyState::Gone(_))
    }
}

impl Catalog {
    /// A medium was written; it counts for nothing until it is verified.
    pub fn record_copy(
        &mut self,
        set: SetId,
        disc: DiscNo,
        medium: &Carrier,
        place: &str,
        burned: Moment,
    ) -> Result<CopyNo> {
        self.write("recording a copy", |tx| {
            check_closed(tx, set, disc)?;
            let sql = "SELECT COALESCE(max(copy), 0) + 1 FROM copies WHERE set_id=? AND disc=?";
            let next: u32 = tx.query_row(sql, params![set.0, disc.0], |row| row.get(0))?;
            insert(tx, set, disc, CopyNo(next), medium, place, burned)?;
            Ok(CopyNo(next))
        })
    }

    /// Where a person keeps a copy.
    pub fn set_place(&mut self, set: SetId, disc: DiscNo, copy: CopyNo, place: &str) -> Result<()> {
        self.write("recording a place", |tx| {
            let sql = "UPDATE copies SET place=?4 WHERE set_id=?1 AND disc=?2 AND copy=?3";
            one_copy(tx.execute(sql, params![set.0, disc.0, copy.0, place])?, disc, copy)
        })
    }

    pub fn copies(&self, set: SetId, disc: DiscNo) -> Result<Vec<Copy>> {
        self.read("listing copies", |conn| {
            let sql = format!(
                "SELECT copy, place, burned, state, {} FROM copies
                 WHERE set_id=? AND disc=? ORDER BY copy",
                carrier::COLUMNS
            );
            conn.prepare(&sql)?.query_and_then(params![set.0, disc.0], read_copy)?.collect()
        })
    }

    /// What reading a copy found. The first copy that is right makes the disc verified; a disc
    /// that never had a right one is failed; a verified one stays so, with a copy less. A lost copy
    /// that was read is found; a retired one stays so, whatever is on it.
    pub fn record_verification(&mut self, set: SetId, seen: &Verification) -> Result<()> {
        self.write("recording a verification", |tx| {
            check_closed(tx, set, seen.disc)?;
            let before = copy_state(tx, set, seen.disc, seen.copy)?;
            insert_verification(tx, set, seen)?;
            if before == CopyState::Gone(Fate::Retired) {
                return Ok(());
            }
            set_state(tx, set, seen.disc, seen.copy, CopyState::Found(seen.outcome.finding))?;
            match seen.outcome.finding {
                Finding::Ok => {
                    gone::is_found(tx, set, seen.disc)?;
                    mark_verified(tx, set, seen.disc)
                }
                Finding::Damaged | Finding::Unreadable => mark_failed(tx, set, seen.disc),
            }
        })
    }

    /// Every verification of a disc, the oldest first.
    pub fn verifications(&self, set: SetId, disc: DiscNo) -> Result<Vec<Verification>> {
        self.read("listing verifications", |conn| {
            let sql = "SELECT disc, copy, at, drive, finding, details, slow, slowest, unreadable
                       FROM verifications WHERE set_id=? AND disc=? ORDER BY id";
            conn.prepare(sql)?.query_and_then(params![set.0, disc.0], read_verification)?.collect()
        })
    }

    /// Every verification of a set, in the order in which they were recorded.
    pub(in crate::catalog) fn all_verifications(&self, set: SetId) -> Result<Vec<Verification>> {
        self.read("listing verifications", |conn| {
            let sql = "SELECT disc, copy, at, drive, finding, details, slow, slowest, unreadable
                       FROM verifications WHERE set_id=? ORDER BY id";
            conn.prepare(sql)?.query_and_then([set.0], read_verification)?.collect()
        })
    }

    /// When each copy of a set was last read, and how that ended; nothing of one never read.
    pub fn readings(&self, set: SetId) -> Result<Vec<Readings>> {
        self.read("looking at verifications", |conn| {
            // The last one's date, which need not be the latest: clocks go back.
            let sql = "SELECT disc, copy, good, (SELECT at FROM verifications WHERE id=good), bad
                       FROM (SELECT disc, copy, max(CASE WHEN finding='ok' THEN id END) AS good,
                       max(CASE WHEN finding<>'ok' THEN id END) AS bad
                       FROM verifications WHERE set_id=? GROUP BY disc, copy)";
            conn.prepare(sql)?.query_and_then([set.0], read_readings)?.collect()
        })
    }

    /// These copies are no more. If none is left that may be right, the disc is gone, and its
    /// contents with it: they are known and not found, so that the next run stores again what it
    /// still has. `staged`: the disc waits in the staging area, whole, and can be burned again.
    pub fn give_up(
        &mut self,
        set: SetId,
        disc: DiscNo,
        copies: &[CopyNo],
        fate: Fate,
        staged: bool,
    ) -> Result<()> {
        self.change(set, "giving up copies", |tx| {
            for &copy in copies {
                copy_state(tx, set, disc, copy)?;
                set_state(tx, set, disc, copy, CopyState::Gone(fate))?;
            }
            let was_written =
                matches!(state(tx, set, disc)?, Some(DiscState::Verified | DiscState::Burned));
            let stands = !was_written || has_unsettled_copy(tx, set, disc)?;
            if stands {
                return Ok(());
            }
            let now = if staged { DiscState::Staged } else { DiscState::Gone };
            let sql = "UPDATE discs SET state=?3 WHERE set_id=?1 AND number=?2";
            tx.execute(sql, params![set.0, disc.0, now.word()])?;
            if staged { Ok(()) } else { gone::is_gone(tx, set, disc) }
        })
    }
}

/// Nothing is known of it but that it was written.
pub(in crate::catalog) fn insert(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
    copy: CopyNo,
    medium: &Carrier,
    place: &str,
    burned: Moment,
) -> Result<(), Fault> {
    let sql = "INSERT INTO copies(set_id, disc, copy, place, burned, state, bears, words)
               VALUES(?,?,?,?,?,?,'','')";
    conn.execute(sql, params![set.0, disc.0, copy.0, place, burned.0, BURNED])?;
    carrier::write(conn, set, disc, copy, medium)
}

fn copy_state(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
    copy: CopyNo,
) -> Result<CopyState, Fault> {
    let sql = "SELECT state FROM copies WHERE set_id=? AND disc=? AND copy=?";
    let mut query = conn.prepare(sql)?;
    let mut found = query
        .query_and_then(params![set.0, disc.0, copy.0], |row| word(row, 0, CopyState::from_word))?;
    found.next().transpose()?.ok_or_else(|| Refused::NoCopy(disc, copy.0).into())
}

pub(in crate::catalog) fn set_state(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
    copy: CopyNo,
    state: CopyState,
) -> Result<(), Fault> {
    let sql = "UPDATE copies SET state=?4 WHERE set_id=?1 AND disc=?2 AND copy=?3";
    one_copy(conn.execute(sql, params![set.0, disc.0, copy.0, state.word()])?, disc, copy)
}

pub(in crate::catalog) fn one_copy(
    changed: usize,
    disc: DiscNo,
    copy: CopyNo,
) -> Result<(), Fault> {
    if changed == 1 { Ok(()) } else { Err(Refused::NoCopy(disc, copy.0).into()) }
}

pub(in crate::catalog) fn insert_verification(
    conn: &Connection,
    set: SetId,
    seen: &Verification,
) -> Result<(), Fault> {
    let ReadOutcome { finding, details, strain } = &seen.outcome;
    let sql = "INSERT INTO verifications(set_id, disc, copy, at, drive, finding, details, slow,
               slowest, unreadable) VALUES(?,?,?,?,?,?,?,?,?,?)";
    conn.execute(
        sql,
        params![
            set.0,
            seen.disc.0,
            seen.copy.0,
            seen.at.0,
            seen.drive,
            finding.word(),
            details,
            strain.slow,
            u32::try_from(strain.slowest.as_millis()).unwrap_or(u32::MAX),
            strain.unreadable,
        ],
    )?;
    Ok(())
}

pub(in crate::catalog) fn read_copy(row: &Row) -> Result<Copy, Fault> {
    Ok(Copy {
        number: CopyNo(row.get(0)?),
        place: row.get(1)?,
        burned: Moment(row.get(2)?),
        state: word(row, 3, CopyState::from_word)?,
        medium: carrier::read(row, 4)?,
    })
}

fn read_readings(row: &Row) -> Result<Readings, Fault> {
    let turn = row.get::<_, Option<i64>>(2)?.map(ReadOrdinal);
    let at = row.get::<_, Option<i64>>(3)?.map(Moment);
    Ok(Readings {
        disc: DiscNo(row.get(0)?),
        copy: CopyNo(row.get(1)?),
        good: turn.zip(at),
        bad: row.get::<_, Option<i64>>(4)?.map(ReadOrdinal),
    })
}

fn read_verification(row: &Row) -> Result<Verification, Fault> {
    let slowest: u32 = row.get(7)?;
    Ok(Verification {
        disc: DiscNo(row.get(0)?),
        copy: CopyNo(row.get(1)?),
        at: Moment(row.get(2)?),
        drive: row.get(3)?,
        outcome: ReadOutcome {
            finding: word(row, 4, Finding::from_word)?,
            details: row.get(5)?,
            strain: Strain {
                slow: row.get(6)?,
                slowest: Duration::from_millis(slowest.into()),
                unreadable: row.get(8)?,
            },
        },
    })
}

/// Whether a medium was written that may yet turn out, or once was, good.
pub(in crate::catalog) fn has_unsettled_copy(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM copies WHERE set_id=? AND disc=? AND state IN ('ok', 'burned')";
    Ok(conn.prepare_cached(sql)?.exists(params![set.0, disc.0])?)
}
