//! Discs of two histories of one set (format 10.2): an old catalog was put back and used, or a
//! stranger's disc lies among one's own. The first lines of each INDEX name the discs that were
//! closed before it: they tell which discs belong together.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use crate::codec::openpgp::Opener;
use crate::drive::DiscReader;
use crate::model::{DatedDisc, Digest, DiscNo, DiscUuid, SnapshotSeq};
use crate::port::notice::DiscNotice;
use crate::port::stop::Stop;
use crate::restore::index::index_header;

use crate::flow::base::own_list::{LONGEST_SUMS, SUMS, read_small};
use crate::flow::library::inventory::{FoundDisc, FoundSet};
use crate::flow::{Context, DiscsError, FlowError};

/// What a disc says of itself and of those before it.
#[derive(Clone, Debug)]
struct DiscClaims {
    disc: DiscNo,
    uuid: DiscUuid,
    snapshot: SnapshotSeq,
    date: String,
    /// A SNAPSHOT is on it, by which the set can be restored.
    is_candidate: bool,
    before: Vec<(DiscNo, DiscUuid)>,
    /// Of the lists of these discs.
    sums: Vec<(DiscUuid, Digest)>,
}

/// Why nobody but a person can choose.
enum BranchConflict<'a> {
    Two(&'a DiscClaims, &'a DiscClaims),
    NotHere(DiscUuid),
}

/// What is not of the history that counts.
#[derive(Default)]
pub struct Others {
    pub discs: Vec<FoundDisc>,
    /// What there is to say of them, and of discs that are not as later ones know them.
    pub notices: Vec<DiscNotice>,
}

impl Others {
    pub fn note(&self, context: Context) {
        self.notices.iter().for_each(|notice| context.monitor.note(notice.clone().into()));
    }
}

/// Leaves the discs of one history in the set, and returns the others. `wanted`: a disc of the history
/// that a person means. Discs of format 1 name none that were before them: with these alone nothing is
/// done. A disc that went away tells nothing, which is the error.
pub fn settle(
    found_set: &mut FoundSet,
    read_with: (Option<&Opener>, &Stop),
    wanted: Option<DiscUuid>,
) -> Result<Others, FlowError> {
    let told: Vec<DiscClaims> =
        found_set.all().filter_map(|found| told_by(found, read_with)).collect();
    if let Some(absence) = found_set.all().flat_map(|f| &f.copies).find_map(|copy| copy.absence()) {
        return Err(absence.into());
    }
    let chosen = choose(&told, wanted).map_err(|trouble| match trouble {
        BranchConflict::Two(one, other) => DiscsError::TwoHistories {
            set: found_set.name.clone(),
            one: one.dated().to_string(),
            other: other.dated().to_string(),
        },
        BranchConflict::NotHere(uuid) => {
            DiscsError::NoHistory { set: found_set.name.clone(), uuid }
        }
    })?;
    let Some(newest) = chosen else { return Ok(Others::default()) };
    let history = history_of(newest, &told);
    newest.before.iter().for_each(|&(disc, uuid)| found_set.prefer(disc, uuid));
    found_set.prefer(newest.disc, newest.uuid);
    let strangers: Vec<&DiscClaims> =
        told.iter().filter(|one| !history.contains(&one.uuid)).collect();
    let is_other = |found: &FoundDisc| strangers.iter().any(|one| one.uuid == found.txt.id.uuid);
    let all = std::mem::take(&mut found_set.discs).into_iter();
    let (other, kept): (Vec<_>, Vec<_>) = all.partition(|(_, found)| is_other(found));
    found_set.discs.extend(kept);
    let twins = std::mem::take(&mut found_set.twins).into_iter();
    let (mut discs, kept): (Vec<_>, Vec<_>) = twins.partition(|found| is_other(found));
    found_set.twins = kept;
    discs.extend(other.into_iter().map(|(_, found)| found));
    let notices = strangers
        .iter()
        .map(|one| DiscNotice::OtherHistory { other: one.dated(), newest: newest.dated() });
    Ok(Others { discs, notices: notices.chain(changed(found_set, newest)).collect() })
}

/// Discs whose list of sums is not the one that the newest disc names. What is on them is used as
/// far as it has the sums of the listing.
fn changed(found_set: &FoundSet, newest: &DiscClaims) -> Vec<DiscNotice> {
    let mut notices = Vec::new();
    for (uuid, sum) in &newest.sums {
        let found = found_set.discs.values().filter(|found| found.txt.id.uuid == *uuid);
        for copy in found.flat_map(|found| &found.copies) {
            let list = read_small(&**copy, SUMS, LONGEST_SUMS);
            if list.is_ok_and(|list| Sha256::digest(&list)[..] != sum.0[..]) {
                let (medium, newest) = (copy.title(), newest.dated());
                notices.push(DiscNotice::ListChanged { medium, newest });
            }
        }
    }
    notices
}

impl DiscClaims {
    fn dated(&self) -> DatedDisc {
        DatedDisc { disc: self.disc, date: self.date.clone(), uuid: self.uuid }
    }
}

/// `None`: it is of format 1, or its INDEX cannot be read.
fn told_by(found: &FoundDisc, (opener, stop): (Option<&Opener>, &Stop)) -> Option<DiscClaims> {
    let txt = &found.txt;
    if txt.format == crate::model::Format::One || !txt.listings.index {
        return None;
    }
    let label = found.label();
    let header = |copy: &dyn DiscReader| index_header(copy, opener, &label, stop).ok()?;
    let header = found.copies.iter().find_map(|copy| header(&**copy))?;
    Some(DiscClaims {
        disc: txt.id.number,
        uuid: txt.id.uuid,
        snapshot: txt.snapshot,
        date: txt.date.clone(),
        is_candidate: txt.listings.snapshot,
        sums: header.before.iter().filter_map(|line| Some((line.uuid, line.sums?))).collect(),
        before: header.before.into_iter().map(|line| (line.disc, line.uuid)).collect(),
    })
}

/// The disc whose listing counts: the newest, if all others that have one are of its history; of
/// those whose history has the wanted disc. `None`: no disc tells of a history.
fn choose(
    told: &[DiscClaims],
    wanted: Option<DiscUuid>,
) -> Result<Option<&DiscClaims>, BranchConflict<'_>> {
    let newest = |fits: &dyn Fn(&DiscClaims) -> bool| {
        let fitting = told.iter().filter(|one| one.is_candidate && fits(one));
        fitting.max_by_key(|one| (one.snapshot, one.disc, one.uuid.0))
    };
    let fits =
        |one: &DiscClaims| wanted.is_none_or(|wanted| history_of(one, told).contains(&wanted));
    let newest = match (newest(&fits), wanted) {
        (Some(newest), _) => newest,
        (None, Some(wanted)) => return Err(BranchConflict::NotHere(wanted)),
        (None, None) => return Ok(None),
    };
    let history = history_of(newest, told);
    // A disc from before two histories parted decides nothing.
    let is_other =
        |one: &&DiscClaims| one.is_candidate && fits(one) && !history.contains(&one.uuid);
    told.iter()
        .find(is_other)
        .map_or(Ok(Some(newest)), |other| Err(BranchConflict::Two(newest, other)))
}

/// The disc itself, those before it, those before these, and those that it is before. Not every
/// disc names all before it: a catalog that was rebuilt may not have known one.
fn history_of(one: &DiscClaims, told: &[DiscClaims]) -> HashSet<DiscUuid> {
    let mut history: HashSet<DiscUuid> = HashSet::new();
    let mut waiting = vec![one];
    while let Some(next) = waiting.pop() {
        for (_, uuid) in &next.before {
            if history.insert(*uuid) {
                waiting.extend(told.iter().filter(|other| other.uuid == *uuid));
            }
        }
    }
    let behind = told.iter().filter(|other| other.before.iter().any(|(_, uuid)| *uuid == one.uuid));
    history.extend(behind.map(|other| other.uuid));
    history.insert(one.uuid);
    history
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn uuid(number: u128) -> DiscUuid {
        DiscUuid(Uuid::from_u128(number))
    }

    /// A disc whose UUID ends with its name, and the discs that it names.
    fn told(name: u128, disc: u32, before: &[(u32, u128)]) -> DiscClaims {
        DiscClaims {
            disc: DiscNo(disc),
            uuid: uuid(name),
            snapshot: SnapshotSeq(disc),
            date: String::new(),
            is_candidate: true,
            before: before.iter().map(|&(disc, name)| (DiscNo(disc), uuid(name))).collect(),
            sums: Vec::new(),
        }
    }

    fn chosen(told: &[DiscClaims], wanted: Option<u128>) -> Result<u128, [u128; 2]> {
        match choose(told, wanted.map(uuid)) {
            Ok(newest) => Ok(newest.map_or(0, |one| one.uuid.0.as_u128())),
            Err(BranchConflict::Two(one, other)) => {
                Err([one, other].map(|one| one.uuid.0.as_u128()))
            }
            Err(BranchConflict::NotHere(uuid)) => Err([uuid.0.as_u128(), 0]),
        }
    }

    #[test]
    fn one_history_is_the_newest_discs() {
        let discs = [told(1, 1, &[]), told(2, 2, &[(1, 1)]), told(3, 3, &[(1, 1), (2, 2)])];
        assert_eq!(chosen(&discs, None), Ok(3));
        assert_eq!(chosen(&[], None), Ok(0));
        // One in the middle that is not here is named all the same.
        let history = history_of(&discs[2], &discs[2..]);
        assert!([1, 2, 3].map(uuid).iter().all(|one| history.contains(one)));
    }

    #[test]
    fn two_branches_are_for_a_person_to_choose_from() {
        let mut discs = vec![told(1, 1, &[]), told(2, 2, &[(1, 1)]), told(22, 2, &[(1, 1)])];
        discs.push(told(33, 3, &[(1, 1), (2, 22)]));
        assert_eq!(chosen(&discs, None), Err([33, 2]));
        assert_eq!(chosen(&discs, Some(2)), Ok(2));
        assert_eq!(chosen(&discs, Some(22)), Ok(33));
        assert_eq!(chosen(&discs, Some(1)), Err([33, 2]), "it is of both");
        assert_eq!(chosen(&discs, Some(9)), Err([9, 0]));
        let history = history_of(&discs[1], &discs);
        assert!(!history.contains(&uuid(33)) && !history.contains(&uuid(22)));
    }

    #[test]
    fn a_disc_that_a_later_one_does_not_name_is_of_the_history_if_one_between_names_it() {
        let mut discs = vec![told(1, 1, &[]), told(2, 2, &[(1, 1)]), told(3, 3, &[(1, 1), (2, 2)])];
        discs.push(told(4, 4, &[(1, 1), (3, 3)]));
        assert_eq!(chosen(&discs, None), Ok(4));
        discs.remove(2);
        assert_eq!(chosen(&discs, None), Err([4, 2]), "nothing that is here names it");
    }

    #[test]
    fn a_disc_without_a_listing_is_of_the_history_that_it_names() {
        let middle = DiscClaims { is_candidate: false, ..told(2, 2, &[(1, 1)]) };
        let discs = [told(1, 1, &[]), middle];
        assert_eq!(chosen(&discs, None), Ok(1));
        assert!(history_of(&discs[0], &discs).contains(&uuid(2)));
    }
}
