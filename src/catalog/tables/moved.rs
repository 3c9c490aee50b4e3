//! Contents that are stored once more, on another disc: what an old disc has is packed again without
//! its source. The place before is remembered, so that a new disc that never becomes safe, or is
//! lost, takes nothing away as long as the old one is there.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::former::{leave, take_parts};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::value;
use crate::catalog::tables::archives::{self, ArchiveRecord, NewPart, Stored, StoredMember};
use crate::catalog::tables::listing::{RowScope, listed};
use crate::catalog::tables::{discs, gone};
use crate::model::rows::SnapshotRow;
use crate::model::{Digest, DiscNo};
use rusqlite::{Connection, params};
use std::collections::{HashMap, HashSet};

/// A content that has bytes on a disc, under the name that it is stored with next.
#[derive(Clone, Debug)]
pub struct OnDisc {
    /// A row that has it: of the newest state, or the last one that had it.
    pub row: SnapshotRow,
}

impl Catalog {
    /// All contents that have bytes on this disc, in the order of their archives; lost ones, too:
    /// whoever moves them has the disc.
    pub fn contents_on(&self, set: SetId, disc: DiscNo) -> Result<Vec<OnDisc>> {
        let wanted = self.read("looking at what a disc holds", |conn| {
            // A file that was never stored to its end is no content.
            let sql =
                format!("SELECT DISTINCT c.id {} AND c.sha256 IS NOT NULL", gone::EVER_ON_DISC);
            let mut query = conn.prepare(&sql)?;
            let ids = query.query_map(params![set.0, disc.0], |row| row.get(0))?;
            Ok(ids.collect::<rusqlite::Result<HashSet<i64>>>()?)
        })?;
        let mut found: HashMap<i64, (u32, SnapshotRow)> = HashMap::new();
        self.walk(set, RowScope::All, |places, path, raw| {
            let Some(id) = raw.content.as_ref().map(|content| content.id) else { return Ok(()) };
            let until = raw.last.unwrap_or(u32::MAX);
            let is_newer = found.get(&id).is_none_or(|(known, _)| *known < until);
            if wanted.contains(&id) && is_newer {
                let place = places.of(&self.conn, &path, &raw);
                let place = place.map_err(|fault| self.in_listing(fault))?;
                found.insert(id, (until, listed(path, raw, place).row));
            }
            Ok::<(), crate::catalog::base::error::CatalogError>(())
        })?;
        let mut all: Vec<OnDisc> = found.into_values().map(|(_, row)| OnDisc { row }).collect();
        all.sort_by(|a, b| {
            let first = |one: &OnDisc| one.row.place.places.first().map(|place| place.archive);
            first(a).cmp(&first(b)).then_with(|| a.row.path.cmp(&b.row.path))
        });
        Ok(all)
    }

    /// To be said before the first content of this disc is moved.
    pub fn ready_to_move(&mut self, set: SetId, disc: DiscNo) -> Result<()> {
        self.change(set, "preparing to move contents", |tx| gone::ready_to_move(tx, set, disc))
    }

    /// Records an archive that is durable in the staging area, of contents that are known: each is
    /// there from now on, in every snapshot that has it. No row changes.
    pub fn commit_moved(
        &mut self,
        set: SetId,
        archive: &ArchiveRecord,
        members: &[StoredMember],
    ) -> Result<()> {
        self.change(set, "recording an archive", |tx| {
            discs::check_open(tx, set, archive.disc)?;
            archives::insert(tx, set, archive)?;
            let mut renamed = Vec::new();
            for member in members {
                renamed.extend(move_one(tx, set, archive, member)?);
            }
            look_up_names(tx, &renamed)
        })
    }
}

/// Rows of these contents have them under the name in `members` from now on, whatever their own paths
/// are. Once an archive, for it is a look through all rows.
fn look_up_names(conn: &Connection, contents: &[ContentId]) -> Result<(), Fault> {
    conn.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS renamed(id INTEGER PRIMARY KEY); DELETE FROM renamed;",
    )?;
    let mut insert = conn.prepare_cached("INSERT OR IGNORE INTO renamed(id) VALUES(?)")?;
    contents.iter().try_for_each(|content| insert.execute([content.0]).map(drop))?;
    let sql = "UPDATE entries SET moved=1 WHERE moved IS NULL
               AND content IN (SELECT id FROM renamed)";
    conn.execute(sql, [])?;
    Ok(())
}

/// Gives the contents that are stored whole now, under this member's name.
fn move_one(
    conn: &Connection,
    set: SetId,
    archive: &ArchiveRecord,
    member: &StoredMember,
) -> Result<Vec<ContentId>, Fault> {
    let size = member.entry.size;
    match &member.stored {
        Stored::NoContent => Ok(Vec::new()),
        Stored::Whole { sha256, frames } => {
            let number = archive.number;
            let new = NewPart { archive: number, part: 0, frames, file_offset: None, length: None };
            let contents = all_with(conn, set, sha256, size)?;
            for &content in &contents {
                leave(conn, content)?;
                archives::insert_part(conn, content, &new)?;
                let sql = "INSERT INTO members(content, path) VALUES(?,?)";
                let path = member.member.as_bytes();
                conn.prepare_cached(sql)?.execute(params![content.0, path])?;
            }
            Ok(contents)
        }
        Stored::Part { end, .. } => {
            let stored = archives::store_part(conn, set, archive.number, member)?;
            let Some(end) = end else { return Ok(Vec::new()) };
            let known = all_with(conn, set, &end.sha256, size)?;
            if let Some(&content) = known.iter().find(|known| **known != stored) {
                leave(conn, content)?;
                take_parts(conn, content, stored)?;
            }
            Ok(Vec::new())
        }
    }
}

/// Every content of this digest: there may be two where one was lost and found.
fn all_with(
    conn: &Connection,
    set: SetId,
    sha256: &Digest,
    size: u64,
) -> Result<Vec<ContentId>, Fault> {
    let sql = "SELECT id FROM contents WHERE substr(sha256,1,8)=?1 AND sha256=?2 AND set_id=?3
               AND size=?4";
    let values = params![&sha256.0[..8], sha256.0, set.0, value::stored(size)];
    let mut query = conn.prepare_cached(sql)?;
    let ids = query.query_map(values, |row| Ok(ContentId(row.get(0)?)))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::{DiscUuid, SnapshotSeq, Strain};
    use uuid::Uuid;

    /// `old` in snapshot 1 only, `d/same` in both, a film in two parts; all on disc 1, which is
    /// verified; disc 2 is open.
    fn one_disc() -> CatalogBench {
        let mut bench = CatalogBench::new();
        bench.store(&[
            whole("d/same", 5, 2),
            whole("old", 7, 1),
            slice("film", 200, 1, None),
            slice("film", 200, 2, Some(8)),
        ]);
        verified(&mut bench, 1);
        bench.next_run();
        bench.put(&[RowChange::Remove(p("old"))]);
        bench
    }

    fn verified(bench: &mut CatalogBench, disc: u32) {
        let (set, disc) = (bench.set, DiscNo(disc));
        if bench.disc == disc {
            bench.next_disc();
        }
        let copy = bench.cat().record_copy(set, disc, &bd_r(), "", NOW).unwrap();
        let (drive, details, strain) = (String::new(), String::new(), Strain::default());
        let outcome = ReadOutcome::sound(details, strain);
        let seen = Verification { disc, copy, at: NOW, drive, outcome };
        bench.cat().record_verification(set, &seen).unwrap();
    }

    /// Everything of disc 1 onto disc 2, under other names: what was whole in parts, and the other
    /// way round.
    fn move_all(bench: &mut CatalogBench) {
        let set = bench.set;
        bench.cat().ready_to_move(set, DiscNo(1)).unwrap();
        let number = bench.cat().next_archive(set).unwrap();
        let record = archive(number, DiscNo(2), SnapshotSeq(1));
        let in_parts = |number, last: Option<u64>| {
            let stored = Stored::Part {
                id: PartsId(0xbeef),
                part: number,
                file_offset: 0,
                length: 2,
                frames: frames(0),
                end: last.map(|seed| FileEnd { sha256: sha(seed) }),
            };
            StoredMember { stored, ..whole("d/same", 5, 2) }
        };
        let members = [
            whole("old name", 7, 1),
            in_parts(1, None),
            in_parts(2, Some(2)),
            whole("film", 200, 8),
        ];
        bench.cat().commit_moved(set, &record, &members).unwrap();
    }

    fn on(bench: &CatalogBench, seq: u32, path: &str) -> (Vec<u32>, bool, String) {
        let place = bench.row(seq, path).place;
        let discs = place.places.iter().map(|place| place.disc.0).collect();
        (discs, place.complete, place.member.map(|m| m.to_string()).unwrap_or_default())
    }

    const PARTS: &str = ".coldcut-parts/feed000000000001";

    fn are_on_the_first(bench: &CatalogBench) {
        for seq in [1, 2] {
            assert_eq!(on(bench, seq, "d/same"), (vec![1], true, "d/same".into()));
            assert_eq!(on(bench, seq, "film"), (vec![1, 1], true, PARTS.into()));
        }
        assert_eq!(on(bench, 1, "old"), (vec![1], true, "old".into()));
    }

    #[test]
    fn contents_on_a_disc_are_named_once_and_by_their_newest_row() {
        let bench = one_disc();
        let found = bench.catalog.as_ref().unwrap().contents_on(bench.set, DiscNo(1)).unwrap();
        let names: Vec<String> = found.iter().map(|one| one.row.path.to_string()).collect();
        assert_eq!(names, ["d/same", "film", "old"]);
        assert!(
            bench.catalog.as_ref().unwrap().contents_on(bench.set, DiscNo(2)).unwrap().is_empty()
        );
    }

    #[test]
    fn what_is_moved_is_there_for_every_snapshot_and_no_row_changes() {
        let mut bench = one_disc();
        move_all(&mut bench);
        for seq in [1, 2] {
            let parts = ".coldcut-parts/000000000000beef";
            assert_eq!(on(&bench, seq, "d/same"), (vec![2, 2], true, parts.into()));
            assert_eq!(on(&bench, seq, "film"), (vec![2], true, "film".into()));
        }
        assert_eq!(on(&bench, 1, "old"), (vec![2], true, "old name".into()));
        let set = bench.set;
        assert!(!bench.cat().is_needed(set, DiscNo(1)).unwrap());
        assert!(bench.cat().contents_on(set, DiscNo(1)).unwrap().is_empty());
        assert!(bench.known("film").content.unwrap().complete(), "it is not read again");
    }

    #[test]
    fn a_new_disc_that_never_was_takes_nothing_away() {
        let mut bench = one_disc();
        move_all(&mut bench);
        let fresh = DiscUuid(Uuid::from_u128(99));
        let set = bench.set;
        bench.cat().forget_disc_work(set, DiscNo(2), fresh).unwrap();
        are_on_the_first(&bench);
        assert!(bench.known("d/same").content.unwrap().complete());
    }

    #[test]
    fn a_new_disc_that_is_lost_takes_nothing_away_while_the_old_one_is_there() {
        let mut bench = one_disc();
        move_all(&mut bench);
        verified(&mut bench, 2);
        let set = bench.set;
        assert_eq!(bench.cat().loss(set, &[DiscNo(2)]).unwrap(), DiscLoss::default());
        assert_eq!(bench.cat().loss(set, &[DiscNo(1), DiscNo(2)]).unwrap().for_good.files, 1);
        bench.cat().give_up(set, DiscNo(2), &[CopyNo(1)], Fate::Lost, false).unwrap();
        are_on_the_first(&bench);
        bench.cat().give_up(set, DiscNo(1), &[CopyNo(1)], Fate::Lost, false).unwrap();
        assert!(!bench.known("film").content.unwrap().complete());
        assert_eq!(on(&bench, 1, "old"), (vec![1], true, "old".into()), "history stays visible");
    }

    #[test]
    fn where_a_lost_content_was_is_known_even_if_it_was_packed_again_in_vain() {
        let mut bench = one_disc();
        let set = bench.set;
        bench.cat().give_up(set, DiscNo(1), &[CopyNo(1)], Fate::Lost, false).unwrap();
        bench.store(&[whole("d/same", 5, 2)]);
        assert_eq!(on(&bench, 1, "d/same").0, [2]);
        let fresh = DiscUuid(Uuid::from_u128(99));
        bench.cat().forget_disc_work(set, DiscNo(2), fresh).unwrap();
        assert_eq!(on(&bench, 1, "d/same"), (vec![1], true, "d/same".into()));
        assert!(!bench.known("d/same").content.unwrap().complete(), "it is stored again");
    }
}
