//! Is the data safe? What of a set is not, on how many verified copies the rest is, when these were
//! last read, and which discs may be lost without losing a file.

pub(in crate::flow) mod files;

use std::time::Duration;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::catalog::{Catalog, CopyNo, DiscState, FileTally, KnownSet, SetStatus, Waiting};
use crate::model::disc_list::named;
use crate::model::{Bytes, DiscNo, plural};
use crate::port::clock::Moment;

use crate::flow::FlowError;
use crate::flow::base::error::lost_words;
use crate::flow::library::known_discs::{KnownDisc, KnownMedium};
use crate::flow::library::recovery_status::{RecoveryStatus, recovery_status};
use crate::flow::status::latest::{Aged, Latest, StatusLimits, age, ago, is_too_old};

pub use files::{FileSafety, FilesSafety};

/// How safe a set is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// What is not safe, and what to do about it.
    pub dangers: Vec<String>,
    /// What nobody knows; with it, whether all is safe is not known, either.
    pub unknown: Vec<String>,
    /// What is not safe and may be so for a while, as was allowed.
    pub allowed: Vec<String>,
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
    fn of(dangers: &[String], unknown: &[String]) -> SafetyVerdict {
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
        Some(Aged::Old(words)) => safety.dangers.push(words),
        Some(Aged::Unknown(words)) => safety.unknown.push(words),
        None => {}
    }
    safety.missing = missing(discs);
    safety.judge_checks(discs, limits, now);
    let unread = safety.sort_discs(catalog, set, discs)?;
    let packed =
        discs.iter().filter(|d| !matches!(d.info.state, DiscState::Open | DiscState::Gone));
    let with_files = packed.filter(|disc| disc.covers.is_empty());
    safety.drilled = with_files.map(|disc| (disc.info.number, disc.drilled)).collect();
    safety.dangers.extend(lost.iter().map(|&disc| lost_words(disc)));
    let waits = Waits::split(status, limits.allow_waiting, now);
    safety.allowed = waits.words();
    let dangers = dangers(set, status, &waits, &safety);
    safety.dangers.extend(dangers);
    safety.dangers.extend((!unread.is_empty()).then(|| {
        let are = if unread.len() == 1 { "is" } else { "are" };
        let discs = named(&unread);
        format!("{discs} {are} not known to have been verified: run `coldcut verify`")
    }));
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
            let words = || format!("disc {disc}, copy {}", medium.copy.number.0);
            match medium.verified {
                Some(at) if at > now => {
                    self.misdated.push((disc, medium.copy.number, at));
                    misdated.extend(is_due.then(|| format!("{} ({at})", words())));
                }
                at => {
                    self.oldest = self.oldest.into_iter().chain(at).min();
                    let when = at.map_or("never".to_owned(), |at| ago(at, now));
                    due.extend(is_due.then(|| format!("{} ({when})", words())));
                }
            }
        }
        self.dangers.extend(few(due).map(|copies| {
            format!("not verified for too long: {copies}; `coldcut check` reads them again")
        }));
        self.unknown.extend(few(misdated).map(|copies| {
            format!("verified on a date in the future, so it is not known when: {copies}")
        }));
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

/// So many copies are named; `check --dry-run` lists all that are due.
const NAMED: usize = 5;

fn few(mut copies: Vec<String>) -> Option<String> {
    let more = copies.len().saturating_sub(NAMED);
    copies.truncate(NAMED);
    copies.extend((more > 0).then(|| format!("{more} more")));
    (!copies.is_empty()).then(|| copies.join(", "))
}

/// What waits in the staging area, and not too long.
struct Waits {
    allowed: Waiting,
    /// Since when the oldest is there that waits for a disc, and for another copy of one.
    since: [Option<Moment>; 2],
    now: Moment,
}

impl Waits {
    fn split(status: &SetStatus, limit: Option<Duration>, now: Moment) -> Waits {
        let mut waits = Waits { allowed: Waiting::default(), since: [None; 2], now };
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

    fn words(&self) -> Vec<String> {
        let first = self.allowed.staged.and(self.allowed.not_yet);
        let line = |tally: FileTally, what: &str, since: Option<Moment>| {
            let ago = ago(since?, self.now);
            Some(format!("waiting {what}: {}, the oldest from {ago}", files_words(tally)))
        };
        let [since, copies_since] = self.since;
        let first = line(first, "in the staging area", since);
        let copies = line(self.allowed.copies, "for another copy", copies_since);
        first.into_iter().chain(copies).collect()
    }
}

fn dangers(set: &KnownSet, status: &SetStatus, waits: &Waits, safety: &Safety) -> Vec<String> {
    let mut dangers = Vec::new();
    let not_yet = status.not_yet.without(waits.allowed.not_yet);
    let staged = status.staged.without(waits.allowed.staged);
    if not_yet.files > 0 {
        let files = files_words(not_yet);
        dangers.push(format!("not on a disc yet: {files}; run `coldcut backup`"));
    }
    if staged.files > 0 {
        let files = files_words(staged);
        dangers.push(format!("not on a verified disc yet: {files}"));
    }
    for &disc in &safety.no_good_copy {
        dangers.push(no_copy_words(disc, safety));
    }
    let mut few = FileTally::default();
    for (_, tally) in status.by_copies.range(..set.copies) {
        few.files += tally.files;
        few.bytes = Bytes(few.bytes.0.saturating_add(tally.bytes.0));
    }
    let few = few.without(waits.allowed.copies);
    if few.files > 0 {
        let files = files_words(few);
        dangers.push(format!(
            "fewer than {} verified copies of {files}; `coldcut copy DISC DEST` makes another",
            set.copies
        ));
    }
    dangers
}

fn no_copy_words(disc: DiscNo, Safety { groups, missing, .. }: &Safety) -> String {
    // What was only moved away may come back.
    let is_missing = missing.values().flatten().any(|(gone, _)| *gone == disc);
    let again = match is_missing {
        true => format!(
            "put its image back, or `coldcut lost {disc}`, and the next backup stores its files again"
        ),
        false => format!("`coldcut retire {disc}`, and the next backup stores its files again"),
    };
    if let Some(recovery_status) =
        groups.iter().find(|recovery_status| recovery_status.group.recovery.contains(&disc))
    {
        let covered = named(&recovery_status.group.discs);
        return format!(
            "disc {disc}, a recovery disc for {covered}, has no good copy left: `coldcut retire {disc}` records that"
        );
    }
    match groups.iter().find(|recovery_status| recovery_status.makes(disc)) {
        None => format!("disc {disc} has no good copy left: {again}"),
        Some(recovery_status) => {
            format!(
                "disc {disc} has no good copy left; {}; otherwise {again}",
                how_to_make(disc, recovery_status)
            )
        }
    }
}

/// What a person does to have a lost disc's files again.
pub fn how_to_make(disc: DiscNo, recovery_status: &RecoveryStatus) -> String {
    let sources = named(&recovery_status.sources());
    format!("`coldcut restore` rebuilds disc {disc} from images of {sources} in one directory")
}

fn files_words(tally: FileTally) -> String {
    format!("{} ({})", plural(tally.files, "file", "files"), tally.bytes)
}
