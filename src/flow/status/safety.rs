//! Is the data safe? What of a set is not, on how many verified copies the rest is, when these were
//! last read, and which discs may be lost without losing a file.

pub(in crate::flow) mod files;

use std::time::Duration;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::catalog::{Catalog, CopyNo, DiscState, FileTally, KnownSet, SetStatus, Waiting};
use crate::model::{Bytes, DiscNo};
use crate::port::clock::Moment;

use crate::flow::FlowError;
use crate::flow::library::known_discs::{KnownDisc, KnownMedium};
use crate::flow::library::recovery_status::{RecoveryStatus, recovery_status};
use crate::flow::status::danger::{
    AllowedWait, AwaitedMedium, CopyDanger, CopyDate, Danger, Doubt,
};
use crate::flow::status::latest::{Aged, Latest, StatusLimits, age, is_too_old};

pub use files::{FileSafety, FilesSafety};

/// How safe a set is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    pub dangers: Vec<Danger>,
    pub unknown: Vec<Doubt>,
    pub allowed: Vec<AllowedWait>,
    pub latest: Latest,
    /// Copies whose images are gone from these shelves.
    pub missing: BTreeMap<PathBuf, Vec<(DiscNo, CopyNo)>>,
    /// Good copies that were verified on a date that is in the future: nobody knows when.
    pub misdated: Vec<(DiscNo, CopyNo, Moment)>,
    /// Discs that may be lost without losing a file: other good copies exist, or nothing is there
    /// that is not elsewhere.
    pub may_lose: Vec<DiscNo>,
    /// Discs of which one good copy is left, and with it files.
    pub only_copy: Vec<DiscNo>,
    /// Verified once, and no copy was right when it was last read.
    pub no_good_copy: Vec<DiscNo>,
    /// When the good copy that was not read for the longest time was last verified.
    pub oldest: Option<Moment>,
    /// When standard tools last opened each disc that is packed, or that they never did.
    pub drilled: Vec<(DiscNo, Option<Moment>)>,
    /// Groups of discs with recovery discs.
    pub groups: Vec<RecoveryStatus>,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SafetyVerdict {
    NotSafe,
    #[default]
    Unknown,
    Safe,
}

impl SafetyVerdict {
    fn of(dangers: &[Danger], unknown: &[Doubt]) -> SafetyVerdict {
        match (dangers.is_empty(), unknown.is_empty()) {
            (false, _) => SafetyVerdict::NotSafe,
            (true, false) => SafetyVerdict::Unknown,
            (true, true) => SafetyVerdict::Safe,
        }
    }
}

impl Safety {
    pub fn verdict(&self) -> SafetyVerdict {
        SafetyVerdict::of(&self.dangers, &self.unknown)
    }
}

pub fn assess(
    catalog: &Catalog,
    set: &KnownSet,
    status: &SetStatus,
    discs: &[KnownDisc],
    lost: &[DiscNo],
    (limits, now): (&StatusLimits, Moment),
) -> Result<Safety, FlowError> {
    let mut safety = Safety { latest: Latest::look(catalog, set)?, ..Safety::default() };
    safety.dangers = safety.latest.dangers();
    safety.unknown = safety.latest.unknowns();
    match safety.latest.aged(limits, now) {
        Some(Aged::Old(danger)) => safety.dangers.push(danger),
        Some(Aged::Unknown(doubt)) => safety.unknown.push(doubt),
        None => {}
    }
    safety.missing = missing(discs);
    safety.judge_checks(discs, limits, now);
    let unread = safety.sort_discs(catalog, set, discs)?;
    let packed =
        discs.iter().filter(|d| !matches!(d.info.state, DiscState::Open | DiscState::Gone));
    let with_files = packed.filter(|disc| disc.covers.is_empty());
    safety.drilled = with_files.map(|disc| (disc.info.number, disc.drilled)).collect();
    safety.dangers.extend(lost.iter().map(|&disc| Danger::StagingLost(disc)));
    let waits = Waits::split(status, limits.allow_waiting, now);
    safety.allowed = waits.allowed_waits();
    let dangers = dangers(set, status, &waits, &safety);
    safety.dangers.extend(dangers);
    safety
        .dangers
        .extend((!unread.is_empty()).then_some(Danger::Copies(CopyDanger::NotReadBack(unread))));
    Ok(safety)
}

impl Safety {
    /// Which discs may be lost; those that were found on a medium, and nobody has read back since,
    /// are the answer.
    fn sort_discs(
        &mut self,
        catalog: &Catalog,
        set: &KnownSet,
        discs: &[KnownDisc],
    ) -> Result<Vec<DiscNo>, FlowError> {
        let mut unread = Vec::new();
        let good = discs.iter().filter(|disc| disc.safe_copies() > 0).map(|disc| disc.info.number);
        self.groups = recovery_status(catalog, set.id, &good.collect())?;
        for disc in discs {
            let number = disc.info.number;
            match (disc.info.state, disc.info.good_copies) {
                (DiscState::Verified, 0) if !disc.covers.is_empty() => {
                    self.no_good_copy.push(number);
                }
                (DiscState::Verified, 2..) => self.may_lose.push(number),
                (DiscState::Verified, 1) if is_spared(&self.groups, number) => {
                    self.may_lose.push(number);
                }
                (DiscState::Verified, _) if !is_missed(catalog, set, &self.groups, number)? => {
                    self.may_lose.push(number);
                }
                (DiscState::Verified, 1) => self.only_copy.push(number),
                (DiscState::Verified, _) => self.no_good_copy.push(number),
                (DiscState::Burned, _) => unread.push(number),
                _ => {}
            }
        }
        Ok(unread)
    }
}

/// Whether the disc's group would replace it.
fn is_spared(groups: &[RecoveryStatus], disc: DiscNo) -> bool {
    let is_its = |recovery_status: &&RecoveryStatus| recovery_status.members().contains(&disc);
    groups
        .iter()
        .filter(is_its)
        .any(|recovery_status| recovery_status.may_lose().is_some_and(|more| more > 0))
}

/// Whether there are files on it, or others of its group cannot be rebuilt without it.
fn is_missed(
    catalog: &Catalog,
    set: &KnownSet,
    groups: &[RecoveryStatus],
    disc: DiscNo,
) -> Result<bool, FlowError> {
    let is_used = |recovery_status: &RecoveryStatus| {
        recovery_status.spare.contains(&disc) && recovery_status.may_lose() == Some(0)
    };
    Ok(groups.iter().any(is_used) || catalog.is_needed(set.id, disc)?)
}

impl Safety {
    /// When copies were last verified, and which ones of them so long ago that they are due.
    fn judge_checks<'a>(
        &mut self,
        discs: impl IntoIterator<Item = &'a KnownDisc>,
        limits: &StatusLimits,
        now: Moment,
    ) {
        let (mut due, mut misdated) = (Vec::new(), Vec::new());
        for (disc, medium) in good_copies(discs) {
            let is_due =
                limits.max_check_age.is_some_and(|age| is_too_old(medium.verified, age, now));
            let (copy, verified) = (medium.copy.number, medium.verified);
            let if_due = is_due.then_some(CopyDate { disc, copy, verified });
            match verified {
                Some(at) if at > now => {
                    self.misdated.push((disc, copy, at));
                    misdated.extend(if_due);
                }
                at => {
                    self.oldest = self.oldest.into_iter().chain(at).min();
                    due.extend(if_due);
                }
            }
        }
        self.dangers.extend((!due.is_empty()).then_some(Danger::Copies(CopyDanger::CheckDue(due))));
        self.unknown.extend((!misdated.is_empty()).then_some(Doubt::FutureChecks(misdated)));
    }
}

fn good_copies<'a>(
    discs: impl IntoIterator<Item = &'a KnownDisc>,
) -> impl Iterator<Item = (DiscNo, &'a KnownMedium)> {
    let of_disc = |disc: &'a KnownDisc| {
        let number = disc.info.number;
        disc.media.iter().map(move |medium| (number, medium))
    };
    discs.into_iter().flat_map(of_disc).filter(|(_, medium)| medium.is_good())
}

fn missing(discs: &[KnownDisc]) -> BTreeMap<PathBuf, Vec<(DiscNo, CopyNo)>> {
    let mut missing: BTreeMap<PathBuf, Vec<(DiscNo, CopyNo)>> = BTreeMap::new();
    for disc in discs {
        for KnownMedium { copy, .. } in disc.media.iter().filter(|medium| medium.is_missing) {
            let Some(dir) = copy.medium.shelf() else { continue };
            let copies = missing.entry(dir.to_owned()).or_default();
            copies.push((disc.info.number, copy.number));
        }
    }
    missing
}

/// What waits in the staging area, and not too long.
struct Waits {
    allowed: Waiting,
    /// Since when the oldest is there that waits for a disc, and for another copy of one.
    since: [Option<Moment>; 2],
}

impl Waits {
    fn split(status: &SetStatus, limit: Option<Duration>, now: Moment) -> Waits {
        let mut waits = Waits { allowed: Waiting::default(), since: [None; 2] };
        for (&since, &part) in &status.waiting {
            if limit.is_some_and(|limit| age(since, now).is_some_and(|age| age < limit)) {
                waits.allowed.add(part);
                let first = part.staged.and(part.not_yet);
                for (known, tally) in waits.since.iter_mut().zip([first, part.copies]) {
                    *known = known.or((tally.files > 0).then_some(since));
                }
            }
        }
        waits
    }

    fn allowed_waits(&self) -> Vec<AllowedWait> {
        let first = self.allowed.staged.and(self.allowed.not_yet);
        let wait = |what, files, since: Option<Moment>| {
            since.map(|since| AllowedWait { what, files, since })
        };
        let [since, copies_since] = self.since;
        let first = wait(AwaitedMedium::Disc, first, since);
        let copies = wait(AwaitedMedium::AnotherCopy, self.allowed.copies, copies_since);
        first.into_iter().chain(copies).collect()
    }
}

fn dangers(set: &KnownSet, status: &SetStatus, waits: &Waits, safety: &Safety) -> Vec<Danger> {
    let mut dangers = Vec::new();
    let not_yet = status.not_yet.without(waits.allowed.not_yet);
    let staged = status.staged.without(waits.allowed.staged);
    if not_yet.files > 0 {
        dangers.push(Danger::NotOnDisc(not_yet));
    }
    if staged.files > 0 {
        dangers.push(Danger::NotOnVerifiedDisc(staged));
    }
    dangers.extend(safety.no_good_copy.iter().map(|&disc| Danger::Copies(none_good(disc, safety))));
    let mut few = FileTally::default();
    for (_, tally) in status.by_copies.range(..set.copies) {
        few.files += tally.files;
        few.bytes = Bytes(few.bytes.0.saturating_add(tally.bytes.0));
    }
    let few = few.without(waits.allowed.copies);
    if few.files > 0 {
        dangers.push(Danger::Copies(CopyDanger::Few { wanted: set.copies, files: few }));
    }
    dangers
}

fn none_good(disc: DiscNo, Safety { groups, missing, .. }: &Safety) -> CopyDanger {
    let covering = groups.iter().find(|status| status.group.recovery.contains(&disc));
    if let Some(status) = covering {
        return CopyDanger::NoneGoodOfRecovery { disc, covers: status.group.discs.clone() };
    }
    let is_missing = missing.values().flatten().any(|(gone, _)| *gone == disc);
    let making = groups.iter().find(|status| status.makes(disc));
    let sources = making.map(RecoveryStatus::sources).unwrap_or_default();
    CopyDanger::NoneGood { disc, is_missing, sources }
}
