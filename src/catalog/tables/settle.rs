//! The copies in a rebuilt catalog. Verifications that are recorded on the discs count only if a
//! signature or a passphrase shows who made the discs; otherwise anybody can have written them.
//! What the replaced catalog recorded always counts, and a disc that it knew as lost stays lost.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::ids::{CopyNo, SetId};
use crate::catalog::tables::copies::{self, Copy, CopyState, Verification};
use crate::catalog::tables::discs::{DiscInfo, DiscState};
use crate::catalog::tables::drills::{self, DrillRecord};
use crate::catalog::tables::{discs, gone};
use crate::model::{DiscNo, DiscUuid};
use rusqlite::Connection;
use std::collections::HashSet;
use std::hash::Hash;

/// What is known of the copies of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownCopies {
    discs: Vec<SettledDisc>,
    /// Both of all discs, in the order in which they were recorded.
    verifications: Vec<Verification>,
    drills: Vec<DrillRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SettledDisc {
    number: DiscNo,
    uuid: DiscUuid,
    state: DiscState,
    copies: Vec<Copy>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Verifications and drills that discs told of, and that do not count.
    pub refused: u64,
    /// Discs that are lost as the replaced catalog knew, and the discs did not.
    pub lost: Vec<DiscNo>,
}

impl Catalog {
    /// What is known of the copies of all discs, for [`Catalog::settle_copies`].
    pub fn known_copies(&self, set: SetId) -> Result<KnownCopies> {
        let discs = self.discs(set)?.into_iter().map(|DiscInfo { number, uuid, state, .. }| {
            Ok(SettledDisc { number, uuid, state, copies: self.copies(set, number)? })
        });
        Ok(KnownCopies {
            discs: discs.collect::<Result<_>>()?,
            verifications: self.all_verifications(set)?,
            drills: self.all_drills(set)?,
        })
    }

    /// Settles what counts of what discs told of copies. `before` is what the replaced catalog
    /// knew; `vouched`: nobody else than the owner can have made the discs.
    pub fn settle_copies(
        &mut self,
        set: SetId,
        before: &KnownCopies,
        vouched: bool,
    ) -> Result<Settled> {
        let told = self.known_copies(set)?;
        let before = before.of_discs(&told);
        let mut now = told.clone();
        if !vouched {
            now.forget_readings();
        }
        now.remember(&before, vouched);
        if now == told {
            return Ok(Settled::default());
        }
        self.write("settling what is known of copies", |tx| {
            now.write(tx, set)?;
            let changed =
                told.discs.iter().zip(&now.discs).filter(|(was, is)| was.state != is.state);
            let (lost, others): (Vec<_>, Vec<_>) =
                changed.partition(|(_, is)| is.state == DiscState::Gone);
            for (_, is) in others.iter().filter(|(was, _)| was.state == DiscState::Gone) {
                gone::is_found(tx, set, is.number)?;
            }
            lost.iter().try_for_each(|(_, is)| gone::is_gone(tx, set, is.number))?;
            let lost = lost.iter().map(|(_, is)| is.number).collect();
            Ok(Settled { refused: now.missing(&told), lost })
        })
    }
}

impl KnownCopies {
    /// What of it is about the discs of the other.
    fn of_discs(&self, other: &KnownCopies) -> KnownCopies {
        let is_known = |disc: &&SettledDisc| {
            other.discs.iter().any(|o| (o.number, o.uuid) == (disc.number, disc.uuid))
        };
        let discs: Vec<_> = self.discs.iter().filter(is_known).cloned().collect();
        let is_here = |number: DiscNo| discs.iter().any(|disc| disc.number == number);
        let verifications = self.verifications.iter().filter(|seen| is_here(seen.disc));
        let drills = self.drills.iter().filter(|drill| is_here(drill.disc));
        KnownCopies {
            verifications: verifications.cloned().collect(),
            drills: drills.cloned().collect(),
            discs,
        }
    }

    /// Every copy was written, and none was verified. What is worse is believed.
    fn forget_readings(&mut self) {
        self.verifications.clear();
        self.drills.clear();
        for disc in &mut self.discs {
            for copy in disc.copies.iter_mut().filter(|copy| copy.is_good()) {
                copy.state = CopyState::Burned;
            }
            if disc.state == DiscState::Verified {
                disc.state = DiscState::Burned;
            }
        }
    }

    fn remember(&mut self, before: &KnownCopies, vouched: bool) {
        let KnownCopies { discs, verifications, drills } = self;
        let later = beyond(verifications, &before.verifications);
        let later: HashSet<(DiscNo, CopyNo)> = later.map(|seen| (seen.disc, seen.copy)).collect();
        for was in &before.discs {
            if let Some(disc) = discs.iter_mut().find(|disc| disc.number == was.number) {
                disc.remember(was, vouched, |copy| later.contains(&(was.number, copy)));
            }
        }
        append(verifications, &before.verifications);
        append(drills, &before.drills);
    }

    /// How many readings of the other are not among these.
    fn missing(&self, told: &KnownCopies) -> u64 {
        let verifications = beyond(&told.verifications, &self.verifications).count();
        (verifications + beyond(&told.drills, &self.drills).count()) as u64
    }

    /// In place of all that is there.
    fn write(&self, conn: &Connection, set: SetId) -> Result<(), Fault> {
        for table in ["verifications", "drills", "copies"] {
            conn.execute(&format!("DELETE FROM {table} WHERE set_id=?"), [set.0])?;
        }
        for disc in &self.discs {
            for Copy { number, medium, place, burned, state } in &disc.copies {
                copies::insert(conn, set, disc.number, *number, medium, place, *burned)?;
                copies::set_state(conn, set, disc.number, *number, *state)?;
            }
            discs::set_state(conn, set, disc.number, disc.state)?;
        }
        self.verifications.iter().try_for_each(|v| copies::insert_verification(conn, set, v))?;
        self.drills.iter().try_for_each(|drill| drills::insert(conn, set, drill))
    }
}

fn append<T: Clone + Eq + Hash>(all: &mut Vec<T>, more: &[T]) {
    let new: Vec<T> = beyond(more, all).cloned().collect();
    all.extend(new);
}

/// Those that the others do not have.
fn beyond<'a, T: Eq + Hash>(these: &'a [T], others: &[T]) -> impl Iterator<Item = &'a T> {
    let others: HashSet<&T> = others.iter().collect();
    let new: Vec<&T> = these.iter().filter(|one| !others.contains(one)).collect();
    new.into_iter()
}

impl SettledDisc {
    /// Of a copy that both know, whoever knows of later readings knows it better; but one that is
    /// no more, as far as either can be believed, is no more.
    fn remember(&mut self, was: &SettledDisc, vouched: bool, is_later: impl Fn(CopyNo) -> bool) {
        self.copies.retain(|told| is_later(told.number) || !was.gave_up(told));
        for copy in &was.copies {
            match self.copies.iter_mut().find(|told| told.number == copy.number) {
                None => self.copies.push(copy.clone()),
                Some(_) if is_later(copy.number) && copy.is_kept() => {}
                Some(told) if vouched && !told.is_kept() => {}
                Some(told) => *told = copy.clone(),
            }
        }
        self.copies.sort_by_key(|copy| copy.number);
        self.state = self.state_after(was.state);
    }

    /// Its burn came to nothing: numbers are given in order, so whoever knows a later copy knew this
    /// one. The catalog on a disc that was made meanwhile tells of it as burned.
    fn gave_up(&self, told: &Copy) -> bool {
        let is_known = self.copies.iter().any(|copy| copy.number == told.number);
        let knows_later = self.copies.iter().any(|copy| copy.number > told.number);
        told.state == CopyState::Burned && knows_later && !is_known
    }

    /// It goes with the copies: a disc that was lost stays so until one is verified.
    fn state_after(&self, was: DiscState) -> DiscState {
        use DiscState::{Burned, Gone, Verified};
        match (was, self.state, self.copies.iter().any(Copy::is_good)) {
            (Gone, _, false) | (_, Gone, false) => Gone,
            (Verified, ..) | (_, Gone, true) => Verified,
            (_, Verified, false) => Burned,
            (_, told, _) => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::Strain;
    use crate::port::clock::Moment;

    /// Discs 1 and 2, a file on each, both read and verified; tools opened disc 1.
    fn two_discs() -> CatalogBench {
        let mut bench = CatalogBench::new();
        for (name, seed) in [("a", 1), ("b", 2)] {
            bench.store(&[whole(name, 7, seed)]);
            let (set, disc) = (bench.set, bench.disc);
            bench.next_disc();
            bench.cat().record_copy(set, disc, &bd_r(), "", NOW).unwrap();
            read(&mut bench, disc, 1, Finding::Ok, NOW);
        }
        let (disc, at, finding) = (DiscNo(1), NOW, Finding::Ok);
        let drill =
            DrillRecord { disc, at, scope: DrillScope::Sample, finding, details: String::new() };
        let set = bench.set;
        bench.cat().record_drill(set, &drill).unwrap();
        bench
    }

    fn read(bench: &mut CatalogBench, disc: DiscNo, copy: u32, finding: Finding, at: Moment) {
        let (drive, details, strain) = (String::new(), String::new(), Strain::default());
        let outcome = ReadOutcome { finding, details, strain };
        let seen = Verification { disc, copy: CopyNo(copy), at, drive, outcome };
        let set = bench.set;
        bench.cat().record_verification(set, &seen).unwrap();
    }

    fn later(seconds: i64) -> Moment {
        Moment(NOW.0 + seconds)
    }

    fn lose(bench: &mut CatalogBench, disc: u32) {
        let set = bench.set;
        bench.cat().give_up(set, DiscNo(disc), &[CopyNo(1)], Fate::Lost, false).unwrap();
    }

    fn known(bench: &CatalogBench) -> KnownCopies {
        bench.catalog.as_ref().unwrap().known_copies(bench.set).unwrap()
    }

    fn settle(bench: &mut CatalogBench, before: &KnownCopies, vouched: bool) -> Settled {
        let set = bench.set;
        bench.cat().settle_copies(set, before, vouched).unwrap()
    }

    fn states(bench: &CatalogBench) -> Vec<(&'static str, Vec<&'static str>)> {
        let copies = |disc: &SettledDisc| disc.copies.iter().map(|c| c.state.word()).collect();
        let closed = known(bench).discs.into_iter().filter(|disc| disc.state != DiscState::Open);
        closed.map(|disc| (disc.state.word(), copies(&disc))).collect()
    }

    fn files_at_hand(bench: &CatalogBench) -> [bool; 2] {
        let catalog = bench.catalog.as_ref().unwrap();
        [1, 2].map(|seed| catalog.content_by_digest(bench.set, &sha(seed), 7).unwrap().is_some())
    }

    #[test]
    fn what_nothing_vouches_for_was_written_and_never_read() {
        let mut bench = two_discs();
        let all = known(&bench);
        assert_eq!(settle(&mut bench, &KnownCopies::default(), true), Settled::default());
        assert_eq!(known(&bench), all);
        assert_eq!(settle(&mut bench, &KnownCopies::default(), false).refused, 3);
        assert_eq!(states(&bench), [("burned", vec!["burned"]), ("burned", vec!["burned"])]);
        assert_eq!((known(&bench).verifications, known(&bench).drills), (vec![], vec![]));
        // Whoever reads one makes it count.
        read(&mut bench, DiscNo(1), 1, Finding::Ok, later(9));
        assert_eq!(states(&bench)[0], ("verified", vec!["ok"]));
    }

    #[test]
    fn what_is_bad_is_believed_whoever_tells_it() {
        let mut bench = two_discs();
        read(&mut bench, DiscNo(1), 1, Finding::Damaged, later(1));
        lose(&mut bench, 2);
        settle(&mut bench, &KnownCopies::default(), false);
        assert_eq!(states(&bench), [("burned", vec!["damaged"]), ("gone", vec!["lost"])]);
        assert_eq!(files_at_hand(&bench), [true, false]);
    }

    #[test]
    fn what_was_seen_here_stays() {
        let mut bench = two_discs();
        let all = known(&bench);
        assert_eq!(settle(&mut bench, &all, false), Settled::default());
        assert_eq!(known(&bench), all);
        // A copy of disc 2 that only the disc tells of is one that nobody read.
        let set = bench.set;
        bench.cat().record_copy(set, DiscNo(2), &bd_r(), "", NOW).unwrap();
        read(&mut bench, DiscNo(2), 2, Finding::Ok, later(1));
        assert_eq!(settle(&mut bench, &all, false).refused, 1);
        assert_eq!(states(&bench)[1], ("verified", vec!["ok", "burned"]));
        // Of another disc with the number nothing was seen.
        let mut other = all.clone();
        other.discs[1].uuid = DiscUuid(uuid::Uuid::from_u128(7));
        settle(&mut bench, &other, false);
        assert_eq!(states(&bench)[1], ("burned", vec!["burned", "burned"]));
    }

    /// Copies 1 and 2 were begun when the next disc took the catalog along; copy 1 failed, and is
    /// now copy 3.
    #[test]
    fn a_burn_that_came_to_nothing_is_no_copy_though_a_disc_tells_of_it() {
        let begun = |numbers: &[u32]| {
            let mut bench = CatalogBench::new();
            bench.store(&[whole("a", 7, 1)]);
            bench.next_disc();
            let set = bench.set;
            for &number in numbers {
                bench.cat().begin_copy(set, DiscNo(1), CopyNo(number), &bd_r(), NOW).unwrap();
            }
            bench
        };
        let numbers = |bench: &CatalogBench| -> Vec<u32> {
            known(bench).discs[0].copies.iter().map(|copy| copy.number.0).collect()
        };
        let mut former = begun(&[2, 3]);
        let mut bench = begun(&[1, 2]);
        settle(&mut bench, &known(&former), true);
        assert_eq!(numbers(&bench), [2, 3]);
        // What the former catalog cannot know, or what was read, stays.
        for (told, read_back, expected) in [(4, false, [2, 3, 4]), (1, true, [1, 2, 3])] {
            let mut bench = begun(&[told]);
            if read_back {
                read(&mut bench, DiscNo(1), told, Finding::Ok, NOW);
            }
            settle(&mut bench, &known(&former), true);
            assert_eq!(numbers(&bench), expected);
        }
        read(&mut former, DiscNo(1), 2, Finding::Ok, NOW);
        settle(&mut bench, &known(&former), false);
        assert_eq!(states(&bench), [("verified", vec!["ok", "burned"])]);
    }

    #[test]
    fn no_disc_makes_a_known_loss_or_damage_good() {
        for vouched in [false, true] {
            let mut bench = two_discs();
            read(&mut bench, DiscNo(1), 1, Finding::Damaged, later(1));
            lose(&mut bench, 2);
            let before = known(&bench);
            let mut bench = two_discs();
            assert_eq!(files_at_hand(&bench), [true, true]);
            let lost = settle(&mut bench, &before, vouched).lost;
            assert_eq!(lost, [DiscNo(2)], "{vouched}");
            assert_eq!(states(&bench), [("verified", vec!["damaged"]), ("gone", vec!["lost"])]);
            assert_eq!(files_at_hand(&bench), [true, false]);
            assert_eq!(known(&bench), before);
            read(&mut bench, DiscNo(2), 1, Finding::Ok, later(2));
            assert_eq!(files_at_hand(&bench), [true, true]);
        }
    }

    #[test]
    fn later_readings_of_discs_that_are_vouched_for_count_before_earlier_ones_of_ours() {
        let mut bench = two_discs();
        read(&mut bench, DiscNo(1), 1, Finding::Damaged, later(1));
        let before = known(&bench);
        read(&mut bench, DiscNo(1), 1, Finding::Ok, later(2));
        lose(&mut bench, 2);
        let told = known(&bench);
        assert_eq!(settle(&mut bench, &before, true), Settled::default());
        assert_eq!(known(&bench), told);
        // Nobody vouches for that: the readings are ours, and so is the loss that never was.
        assert_eq!(settle(&mut bench, &before, false).refused, 1);
        assert_eq!(states(&bench), [("verified", vec!["damaged"]), ("verified", vec!["ok"])]);
        assert_eq!(files_at_hand(&bench), [true, true]);
    }
}
