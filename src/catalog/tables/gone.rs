//! Contents on discs of which no copy is left: what such a loss means, how it is marked, and how a
//! content that is stored again takes the place of the one that was lost. Where it was stays known:
//! the disc may be found.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::former;
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::value::{self, number};
use crate::catalog::tables::places::DirTree;
use crate::catalog::tables::status::FileTally;
use crate::model::{Digest, DiscNo, SnapshotSeq};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashSet};

/// What a disc's loss takes from one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossAt {
    pub seq: SnapshotSeq,
    /// Files that have bytes there and nowhere else.
    pub lost: FileTally,
    /// Of these, files whose content the newest state does not have: no source gives it back.
    pub for_good: FileTally,
}

/// What a disc's loss takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscLoss {
    /// Snapshots that lose something, the oldest first; unfinished ones, too.
    pub snapshots: Vec<LossAt>,
    /// Files of the newest state: the next run stores those again that the source still has.
    pub newest: FileTally,
    /// Contents that the newest state does not have, each once.
    pub for_good: FileTally,
}

impl Catalog {
    /// What would be lost if no copy of these discs were left.
    pub fn loss(&self, set: SetId, discs: &[DiscNo]) -> Result<DiscLoss> {
        self.read("looking at what discs hold", |conn| {
            begin_collecting(conn)?;
            discs.iter().try_for_each(|&disc| collect(conn, set, disc, ON_DISC))?;
            former::forget_those_elsewhere(conn, discs)?;
            let loss = tally(conn, set)?;
            forget_collected(conn)?;
            Ok(loss)
        })
    }

    /// Whether a disc carries anything that would be missed.
    pub fn is_needed(&self, set: SetId, disc: DiscNo) -> Result<bool> {
        self.read("looking at what a disc holds", |conn| {
            let sql = format!("SELECT 1 {ON_DISC} LIMIT 1");
            Ok(conn.prepare_cached(&sql)?.exists(params![set.0, disc.0])?)
        })
    }
}

/// The contents with a part on a disc that are not gone with another. Through the parts once:
/// they have no index by archive.
const ON_DISC: &str = "FROM parts p CROSS JOIN archives a ON a.set_id=?1 AND a.number=p.archive
    CROSS JOIN contents c ON c.id=p.content
    WHERE a.disc=?2 AND c.set_id=?1 AND c.gone IS NULL";

pub(in crate::catalog) const EVER_ON_DISC: &str = "FROM parts p
    CROSS JOIN archives a ON a.set_id=?1 AND a.number=p.archive
    CROSS JOIN contents c ON c.id=p.content WHERE a.disc=?2 AND c.set_id=?1";

/// A table of this connection alone.
fn begin_collecting(conn: &Connection) -> Result<(), Fault> {
    Ok(conn.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS lost(id INTEGER PRIMARY KEY); DELETE FROM lost;",
    )?)
}

fn collect(conn: &Connection, set: SetId, disc: DiscNo, from: &str) -> Result<(), Fault> {
    let sql = format!("INSERT OR IGNORE INTO lost SELECT c.id {from}");
    conn.execute(&sql, params![set.0, disc.0])?;
    Ok(())
}

fn forget_collected(conn: &Connection) -> Result<(), Fault> {
    Ok(conn.execute_batch("DELETE FROM lost")?)
}

fn tally(conn: &Connection, set: SetId) -> Result<DiscLoss, Fault> {
    let live = live_contents(conn)?;
    let mut loss = DiscLoss::default();
    // What changes at each snapshot: files begin to be there, and end to be.
    let mut changes: BTreeMap<u32, [TallyChange; 2]> = BTreeMap::new();
    let mut counted = HashSet::new();
    let sql = "SELECT e.content, c.size, e.first_seq, e.last_seq FROM entries e
               JOIN lost l ON l.id=e.content JOIN contents c ON c.id=e.content";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (content, size): (i64, u64) = (row.get(0)?, number(row, 1)?);
        let (first, last): (u32, Option<u32>) = (row.get(2)?, row.get(3)?);
        let is_live = live.contains(&content);
        if last.is_none() {
            loss.newest.add(size);
        } else if !is_live && counted.insert(content) {
            loss.for_good.add(size);
        }
        let after = last.and_then(|last| last.checked_add(1));
        for (at, sign) in [(Some(first), 1), (after, -1)] {
            let Some(at) = at else { continue };
            let [all, for_good] = changes.entry(at).or_default();
            all.add(sign, size);
            if !is_live {
                for_good.add(sign, size);
            }
        }
    }
    loss.snapshots = snapshots(conn, set, &changes)?;
    Ok(loss)
}

#[derive(Clone, Copy, Default)]
struct TallyChange {
    files: i64,
    bytes: i128,
}

impl TallyChange {
    fn add(&mut self, sign: i64, size: u64) {
        self.files += sign;
        self.bytes += i128::from(sign) * i128::from(size);
    }

    fn then(self, next: TallyChange) -> TallyChange {
        TallyChange { files: self.files + next.files, bytes: self.bytes + next.bytes }
    }

    fn tally(self) -> FileTally {
        let bytes = u64::try_from(self.bytes).unwrap_or(u64::MAX);
        FileTally { files: self.files.unsigned_abs(), bytes: crate::model::Bytes(bytes) }
    }
}

fn snapshots(
    conn: &Connection,
    set: SetId,
    changes: &BTreeMap<u32, [TallyChange; 2]>,
) -> Result<Vec<LossAt>, Fault> {
    let mut query = conn.prepare("SELECT seq FROM snapshots WHERE set_id=? ORDER BY seq")?;
    let seqs: Vec<u32> = query.query_map([set.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut waiting = changes.iter().peekable();
    let mut now = [TallyChange::default(); 2];
    let mut found = Vec::new();
    for seq in seqs {
        while let Some((_, change)) = waiting.next_if(|(at, _)| **at <= seq) {
            now = [now[0].then(change[0]), now[1].then(change[1])];
        }
        if now[0].files > 0 {
            let (lost, for_good) = (now[0].tally(), now[1].tally());
            found.push(LossAt { seq: SnapshotSeq(seq), lost, for_good });
        }
    }
    Ok(found)
}

fn live_contents(conn: &Connection) -> Result<HashSet<i64>, Fault> {
    let sql = "SELECT content FROM entries WHERE last_seq IS NULL
               AND content IN (SELECT id FROM lost)";
    Ok(conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// No copy of this disc is left.
pub(in crate::catalog) fn is_gone(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<(), Fault> {
    begin_collecting(conn)?;
    collect(conn, set, disc, ON_DISC)?;
    former::return_those_elsewhere(conn, "lost")?;
    part_names(conn, set)?;
    conn.execute("UPDATE contents SET gone=1 WHERE id IN (SELECT id FROM lost)", [])?;
    forget_collected(conn)
}

/// Makes ready for contents of this disc, lost ones too, to be found under names of other members.
pub(in crate::catalog) fn ready_to_move(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<(), Fault> {
    begin_collecting(conn)?;
    collect(conn, set, disc, EVER_ON_DISC)?;
    part_names(conn, set)?;
    forget_collected(conn)
}

/// The collected contents' names are written down, and no row says any more that it carries one.
fn part_names(conn: &Connection, set: SetId) -> Result<(), Fault> {
    keep_names(conn, set)?;
    conn.execute(
        "UPDATE entries SET moved=1 WHERE moved IS NULL AND content IN
             (SELECT l.id FROM lost l JOIN parts p ON p.content=l.id AND p.part=0)",
        [],
    )?;
    Ok(())
}

/// A content that is stored again has another member's name than the rows say that now stand for
/// it; so its present name is written down, and the rows say no more that they carry it.
fn keep_names(conn: &Connection, set: SetId) -> Result<(), Fault> {
    let tree = DirTree::load(conn, set)?;
    let sql = "SELECT e.content, e.dir, e.name FROM entries e
               JOIN lost l ON l.id=e.content JOIN parts p ON p.content=e.content AND p.part=0
               WHERE e.moved IS NULL";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([])?;
    let mut insert = conn.prepare("INSERT OR REPLACE INTO members(content, path) VALUES(?,?)")?;
    while let Some(row) = rows.next()? {
        let (content, dir, name): (i64, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        insert.execute(params![content, tree.entry_path(dir, &name)?.as_bytes()])?;
    }
    Ok(())
}

/// A copy of this disc was read, and is right. Nothing changes for a disc that was not gone.
pub(in crate::catalog) fn is_found(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<(), Fault> {
    conn.execute(
        "UPDATE contents SET gone=NULL WHERE set_id=?1 AND gone=1
         AND id IN (SELECT p.content FROM parts p
             CROSS JOIN archives a ON a.set_id=?1 AND a.number=p.archive WHERE a.disc=?2)
         AND id NOT IN (SELECT p.content FROM parts p
             CROSS JOIN archives a ON a.set_id=?1 AND a.number=p.archive
             CROSS JOIN discs d ON d.set_id=?1 AND d.number=a.disc
             WHERE d.state='gone' AND d.number<>?2)",
        params![set.0, disc.0],
    )?;
    Ok(())
}

fn with_digest(
    conn: &Connection,
    set: SetId,
    sha256: &Digest,
    size: u64,
) -> Result<Option<ContentId>, Fault> {
    let sql = "SELECT id FROM contents WHERE gone=1 AND substr(sha256,1,8)=?1 AND sha256=?2
               AND set_id=?3 AND size=?4 LIMIT 1";
    let values = params![&sha256.0[..8], sha256.0, set.0, value::stored(size)];
    let id: Option<i64> =
        conn.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    Ok(id.map(ContentId))
}

/// A lost content that is being stored again in one piece: where it was is history, and every row
/// of every snapshot that had it has it again.
pub(in crate::catalog) fn regain(
    conn: &Connection,
    set: SetId,
    sha256: &Digest,
    size: u64,
) -> Result<Option<ContentId>, Fault> {
    let Some(found) = with_digest(conn, set, sha256, size)? else { return Ok(None) };
    former::leave(conn, found)?;
    Ok(Some(found))
}

/// A content in parts, just completed, that turns out to be a lost one: its parts become those of
/// the lost one, and it is one with it.
pub(in crate::catalog) fn regain_in_parts(
    conn: &Connection,
    set: SetId,
    stored: ContentId,
    sha256: &Digest,
    size: u64,
) -> Result<ContentId, Fault> {
    let Some(found) = with_digest(conn, set, sha256, size)? else { return Ok(stored) };
    let sql = "UPDATE entries SET content=?1 WHERE content=?2";
    conn.execute(sql, [found.0, stored.0])?;
    former::leave(conn, found)?;
    former::take_parts(conn, found, stored)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::base::error::Refused;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::Strain;

    /// Snapshot 1: `old` and `same` on disc 1, `other` on disc 2; snapshot 2 has no `old` any more.
    fn two_discs() -> CatalogBench {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("old", 7, 1), whole("d/same", 5, 2)]);
        verified_disc(&mut bench);
        bench.store(&[whole("other", 3, 3)]);
        verified_disc(&mut bench);
        bench.next_run();
        bench.put(&[RowChange::Remove(p("old"))]);
        bench
    }

    fn verified_disc(bench: &mut CatalogBench) {
        let (set, disc) = (bench.set, bench.disc);
        bench.next_disc();
        let copy = bench.cat().record_copy(set, disc, &bd_r(), "", NOW).unwrap();
        read(bench, disc, copy, Finding::Ok);
    }

    fn read(bench: &mut CatalogBench, disc: DiscNo, copy: CopyNo, finding: Finding) {
        let (drive, details, strain) = (String::new(), String::new(), Strain::default());
        let outcome = ReadOutcome { finding, details, strain };
        let seen = Verification { disc, copy, at: NOW, drive, outcome };
        let set = bench.set;
        bench.cat().record_verification(set, &seen).unwrap();
    }

    fn give_up(bench: &mut CatalogBench, fate: Fate) {
        let set = bench.set;
        bench.cat().give_up(set, DiscNo(1), &[CopyNo(1)], fate, false).unwrap();
    }

    fn is_found(bench: &CatalogBench, seed: u64, size: u64) -> bool {
        let catalog = bench.catalog.as_ref().unwrap();
        catalog.content_by_digest(bench.set, &sha(seed), size).unwrap().is_some()
    }

    fn on(bench: &CatalogBench, seq: u32, path: &str) -> (u32, bool, Option<String>) {
        let place = bench.row(seq, path).place;
        (place.places[0].disc.0, place.complete, place.member.map(|member| member.to_string()))
    }

    fn tally(files: u64, bytes: u64) -> FileTally {
        FileTally { files, bytes: crate::model::Bytes(bytes) }
    }

    /// As a catalog that was rebuilt knows discs: it need not know of a copy, either.
    #[test]
    fn a_disc_that_nobody_is_known_to_have_read_can_be_lost() {
        for copies in [0, 1] {
            let mut bench = CatalogBench::new();
            bench.store(&[whole("a", 7, 1)]);
            bench.next_disc();
            let (set, disc) = (bench.set, DiscNo(1));
            bench.cat().assume_burned(set, &[]).unwrap();
            let record = |_| bench.cat().record_copy(set, disc, &bd_r(), "", NOW).unwrap();
            let copies: Vec<CopyNo> = (0..copies).map(record).collect();
            bench.cat().give_up(set, disc, &copies, Fate::Lost, false).unwrap();
            assert_eq!(bench.cat().discs(set).unwrap()[0].state, DiscState::Gone);
            assert!(!is_found(&bench, 1, 7));
        }
    }

    #[test]
    fn what_a_loss_means_is_told_for_every_snapshot() {
        let bench = two_discs();
        let loss = bench.catalog.as_ref().unwrap().loss(bench.set, &[DiscNo(1)]).unwrap();
        let at = |seq, lost, for_good| LossAt { seq: SnapshotSeq(seq), lost, for_good };
        let first = at(1, tally(2, 12), tally(1, 7));
        assert_eq!(loss.snapshots, [first, at(2, tally(1, 5), tally(0, 0))]);
        assert_eq!((loss.newest, loss.for_good), (tally(1, 5), tally(1, 7)));
        let other = bench.catalog.as_ref().unwrap().loss(bench.set, &[DiscNo(2)]).unwrap();
        assert_eq!((other.newest, other.for_good), (tally(1, 3), tally(0, 0)));
        let both =
            bench.catalog.as_ref().unwrap().loss(bench.set, &[DiscNo(1), DiscNo(2)]).unwrap();
        assert_eq!((both.newest, both.for_good), (tally(2, 8), tally(1, 7)));
    }

    #[test]
    fn a_lost_content_is_known_and_not_found_and_is_stored_again_for_all_snapshots() {
        let mut bench = two_discs();
        give_up(&mut bench, Fate::Lost);
        let discs = bench.cat().discs(SetId(1)).unwrap();
        assert_eq!((discs[0].state, discs[1].state), (DiscState::Gone, DiscState::Verified));
        assert!(!is_found(&bench, 2, 5) && is_found(&bench, 3, 3));
        assert!(!bench.cat().known_sizes(SetId(1)).unwrap().contains(&5));
        assert!(!bench.known("d/same").content.unwrap().complete(), "it is read again");
        assert!(bench.known("other").content.unwrap().complete());
        let status = bench.cat().status(SetId(1)).unwrap();
        assert_eq!((status.not_yet, status.verified), (tally(1, 5), tally(1, 3)));
        assert_eq!(on(&bench, 1, "old"), (1, true, Some("old".into())), "history stays visible");
        // Stored again under another name: the old one, in the old snapshot, is that member now.
        bench.store(&[whole("moved", 5, 2)]);
        assert_eq!(on(&bench, 1, "d/same"), (3, true, Some("moved".into())));
        assert_eq!(on(&bench, 2, "moved"), (3, true, Some("moved".into())));
        assert_eq!(on(&bench, 1, "old").0, 1);
        assert!(is_found(&bench, 2, 5));
        // Nothing more of it is lost with the disc.
        let loss = bench.cat().loss(SetId(1), &[DiscNo(1)]).unwrap();
        assert_eq!(loss, DiscLoss::default(), "what is gone already is not lost twice");
    }

    #[test]
    fn a_lost_file_in_parts_is_one_with_what_was_stored_again() {
        let mut bench = CatalogBench::new();
        bench.store(&[slice("film", 200, 1, None), slice("film", 200, 2, Some(8))]);
        verified_disc(&mut bench);
        bench.next_run();
        give_up(&mut bench, Fate::Retired);
        assert!(!is_found(&bench, 8, 200));
        let again = |part, end| match slice("film", 200, part, end) {
            StoredMember {
                stored: Stored::Part { part, file_offset, length, frames, end, .. },
                ..
            } => {
                let id = PartsId(0xbeef);
                let stored = Stored::Part { id, part, file_offset, length, frames, end };
                StoredMember { stored, ..slice("film", 200, part, None) }
            }
            other => other,
        };
        bench.store(&[again(1, None)]);
        bench.next_disc();
        bench.store(&[again(2, Some(8))]);
        for seq in [1, 2] {
            let place = bench.row(seq, "film").place;
            let discs: Vec<u32> = place.places.iter().map(|place| place.disc.0).collect();
            assert_eq!((discs, place.complete), (vec![2, 3], true), "snapshot {seq}");
            assert!(place.member.unwrap().to_string().ends_with("000000000000beef"));
        }
        assert!(is_found(&bench, 8, 200));
    }

    #[test]
    fn whoever_reads_a_lost_copy_has_found_it_and_a_retired_one_stays_given_up() {
        let mut bench = two_discs();
        give_up(&mut bench, Fate::Lost);
        read(&mut bench, DiscNo(1), CopyNo(1), Finding::Ok);
        assert!(is_found(&bench, 2, 5));
        assert_eq!(bench.cat().discs(SetId(1)).unwrap()[0].state, DiscState::Verified);
        assert_eq!(on(&bench, 1, "d/same"), (1, true, Some("d/same".into())));
        give_up(&mut bench, Fate::Retired);
        read(&mut bench, DiscNo(1), CopyNo(1), Finding::Ok);
        assert!(!is_found(&bench, 2, 5));
        assert_eq!(bench.cat().discs(SetId(1)).unwrap()[0].state, DiscState::Gone);
    }

    #[test]
    fn a_content_that_is_on_two_discs_is_found_when_both_are() {
        let mut bench = CatalogBench::new();
        bench.store(&[slice("film", 200, 1, None)]);
        verified_disc(&mut bench);
        bench.store(&[slice("film", 200, 2, Some(8))]);
        verified_disc(&mut bench);
        let set = bench.set;
        for disc in [1, 2] {
            bench.cat().give_up(set, DiscNo(disc), &[CopyNo(1)], Fate::Lost, false).unwrap();
        }
        read(&mut bench, DiscNo(2), CopyNo(1), Finding::Ok);
        assert!(!is_found(&bench, 8, 200));
        read(&mut bench, DiscNo(1), CopyNo(1), Finding::Ok);
        assert!(is_found(&bench, 8, 200));
    }

    #[test]
    fn a_disc_with_another_copy_or_its_staging_is_not_gone() {
        let mut bench = two_discs();
        let set = bench.set;
        let second = bench.cat().record_copy(set, DiscNo(1), &bd_r(), "", NOW).unwrap();
        read(&mut bench, DiscNo(1), second, Finding::Ok);
        give_up(&mut bench, Fate::Lost);
        assert_eq!(bench.cat().discs(set).unwrap()[0].state, DiscState::Verified);
        bench.cat().give_up(set, DiscNo(1), &[second], Fate::Lost, true).unwrap();
        assert_eq!(bench.cat().discs(set).unwrap()[0].state, DiscState::Staged);
        assert!(is_found(&bench, 2, 5));
        let unknown = bench.cat().give_up(set, DiscNo(1), &[CopyNo(9)], Fate::Lost, true);
        assert!(matches!(unknown, Err(CatalogError::Refused(Refused::NoCopy(..)))));
    }
}
