//! Is the data safe? What of a set is not, on how many verified copies the rest is, when these were
//! last read, and which discs may be lost without losing a file.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Catalog, DiscState, Found, KnownSet, SetStatus, Tally};
use crate::model::disc::named;
use crate::model::glob::PathGlobs;
use crate::model::{Bytes, DiscNo, Kind, RelPath, SnapshotSeq};
use crate::port::clock::Moment;

use super::FlowError;
use super::lost_staging::lost_words;
use super::query::KnownDisc;
use super::spares::{Spares, spares};
use super::whereabouts::place_of;

/// How safe a set is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// What is not safe, and what to do about it; nothing: all is safe.
    pub dangers: Vec<String>,
    /// Discs that may be lost without losing a file: other good copies exist, or nothing is there
    /// that is not elsewhere.
    pub may_lose: Vec<DiscNo>,
    /// Discs of which one good copy is left, and with it files.
    pub only_copy: Vec<DiscNo>,
    /// Verified once, and no copy was right when it was last read.
    pub no_good_copy: Vec<DiscNo>,
    /// When the good copy that was not read for the longest time was last found right.
    pub oldest: Option<Moment>,
    /// When stock tools last opened each disc that is packed, or that they never did.
    pub drilled: Vec<(DiscNo, Option<Moment>)>,
    /// Groups of discs with recovery discs.
    pub groups: Vec<Spares>,
}

impl Safety {
    pub fn is_safe(&self) -> bool {
        self.dangers.is_empty()
    }
}

pub fn assess(
    catalog: &Catalog,
    set: &KnownSet,
    status: &SetStatus,
    discs: &[KnownDisc],
    lost: &[DiscNo],
) -> Result<Safety, FlowError> {
    let mut safety = Safety::default();
    // Found on a medium, and nobody has read it back since.
    let mut unread = Vec::new();
    let good = discs.iter().filter(|disc| disc.safe_copies() > 0).map(|disc| disc.info.number);
    safety.groups = spares(catalog, set.id, &good.collect())?;
    for disc in discs {
        let number = disc.info.number;
        match (disc.info.state, disc.info.good_copies) {
            (DiscState::Verified, 0) if !disc.covers.is_empty() => {
                safety.no_good_copy.push(number);
            }
            (DiscState::Verified, 2..) => safety.may_lose.push(number),
            (DiscState::Verified, 1) if is_spared(&safety.groups, number) => {
                safety.may_lose.push(number);
            }
            (DiscState::Verified, _) if !is_missed(catalog, set, &safety.groups, number)? => {
                safety.may_lose.push(number);
            }
            (DiscState::Verified, 1) => safety.only_copy.push(number),
            (DiscState::Verified, _) => safety.no_good_copy.push(number),
            (DiscState::Burned, _) => unread.push(number),
            _ => {}
        }
    }
    let good = discs.iter().flat_map(|disc| &disc.media).filter(|medium| medium.copy.is_good());
    let packed =
        discs.iter().filter(|d| !matches!(d.info.state, DiscState::Open | DiscState::Gone));
    let with_files = packed.filter(|disc| disc.covers.is_empty());
    safety.drilled = with_files.map(|disc| (disc.info.number, disc.drilled)).collect();
    safety.oldest = good.filter_map(|medium| medium.verified).min();
    // A set without a snapshot is one whose first backup broke off before it looked at anything.
    if catalog.snapshots(set.id)?.last().is_none_or(|newest| newest.finished.is_none()) {
        let words = "the last backup did not end, or is under way: what it did not come to is not \
                     known; `coldcut backup` goes on with it";
        safety.dangers.push(words.to_owned());
    }
    safety.dangers.extend(lost.iter().map(|&disc| lost_words(disc)));
    let dangers = dangers(set, status, &safety);
    safety.dangers.extend(dangers);
    safety.dangers.extend(unread.iter().map(|disc| {
        format!("disc {disc} was not read back as far as is known: `coldcut verify` does")
    }));
    Ok(safety)
}

/// Whether the disc's group would make good for it.
fn is_spared(groups: &[Spares], disc: DiscNo) -> bool {
    let is_its = |spares: &&Spares| spares.members().contains(&disc);
    groups.iter().filter(is_its).any(|spares| spares.may_lose().is_some_and(|more| more > 0))
}

/// Whether there are files on it, or others of its group cannot be made again without it.
fn is_missed(
    catalog: &Catalog,
    set: &KnownSet,
    groups: &[Spares],
    disc: DiscNo,
) -> Result<bool, FlowError> {
    let is_used = |spares: &Spares| spares.spare.contains(&disc) && spares.may_lose() == Some(0);
    Ok(groups.iter().any(is_used) || catalog.is_needed(set.id, disc)?)
}

fn dangers(set: &KnownSet, status: &SetStatus, safety: &Safety) -> Vec<String> {
    let mut dangers = Vec::new();
    if status.not_yet.files > 0 {
        let files = files_words(status.not_yet);
        dangers.push(format!("{files} are on no disc yet: `coldcut backup` puts them on one"));
    }
    if status.staged.files > 0 {
        let files = files_words(status.staged);
        dangers.push(format!("{files} are on no disc that was found right"));
    }
    for &disc in &safety.no_good_copy {
        dangers.push(no_copy_words(disc, &safety.groups));
    }
    let mut few = Tally::default();
    for (_, tally) in status.by_copies.range(..set.copies) {
        few.files += tally.files;
        few.bytes = Bytes(few.bytes.0.saturating_add(tally.bytes.0));
    }
    if few.files > 0 {
        let files = files_words(few);
        dangers.push(format!(
            "{files} have fewer than {} verified copies: `coldcut copy DISC DEST` makes another",
            set.copies
        ));
    }
    dangers
}

fn no_copy_words(disc: DiscNo, groups: &[Spares]) -> String {
    let again = format!("`coldcut retire {disc}`, and the next backup stores its files again");
    if let Some(spares) = groups.iter().find(|spares| spares.group.recovery.contains(&disc)) {
        let covered = named(&spares.group.discs);
        return format!(
            "disc {disc}, a recovery disc for {covered}, has no good copy left: `coldcut retire {disc}` records that"
        );
    }
    match groups.iter().find(|spares| spares.makes(disc)) {
        None => format!("disc {disc} has no good copy left: {again}"),
        Some(spares) => {
            format!("disc {disc} has no good copy left; {}. {again}", how_to_make(disc, spares))
        }
    }
}

/// What a person does to have a lost disc's files again.
pub fn how_to_make(disc: DiscNo, spares: &Spares) -> String {
    let sources = named(&spares.sources());
    format!(
        "`coldcut restore` makes disc {disc} again from images of {sources}, if they are in one folder"
    )
}

fn files_words(tally: Tally) -> String {
    let word = if tally.files == 1 { "file" } else { "files" };
    format!("{} {word}, {},", tally.files, tally.bytes)
}

/// How safe one file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSafety {
    pub path: RelPath,
    pub size: u64,
    /// Verified copies, the least of the discs that it is on.
    pub copies: u32,
    pub discs: Vec<DiscNo>,
    /// When the least recently verified of its discs was last found right.
    pub verified: Option<Moment>,
    /// Where the good copies are.
    pub places: Vec<String>,
}

/// Every file of the snapshot that is meant, those that are not safe first, and how many patterns
/// mean nothing.
pub fn files(
    catalog: &Catalog,
    set: &KnownSet,
    seq: SnapshotSeq,
    globs: &PathGlobs,
    discs: &[KnownDisc],
) -> Result<Vec<FileSafety>, FlowError> {
    let known: BTreeMap<DiscNo, &KnownDisc> =
        discs.iter().map(|disc| (disc.info.number, disc)).collect();
    let found = catalog.find(set.id, Some(seq), |path| globs.matches(path))?;
    check_meant(set, seq, globs, &found)?;
    let mut rows = Vec::new();
    for file in found {
        match file.kind {
            Kind::File if file.size == 0 => rows.push(listed(file, discs)),
            Kind::File => {
                let places = file.place.places.iter().map(|place| place.disc).collect();
                rows.push(judged(file.path, file.size, places, file.place.complete, &known));
            }
            Kind::Hardlink => rows.extend(linked(catalog, set, seq, &file, &known)?),
            _ => {}
        }
    }
    rows.sort_by(|a, b| a.copies.cmp(&b.copies).then_with(|| a.path.cmp(&b.path)));
    Ok(rows)
}

fn check_meant(
    set: &KnownSet,
    seq: SnapshotSeq,
    globs: &PathGlobs,
    found: &[Found],
) -> Result<(), FlowError> {
    let mut seen = vec![false; globs.patterns().count()];
    found.iter().for_each(|file| globs.mark(&file.path, &mut seen));
    let unmatched: Vec<&str> =
        globs.patterns().zip(&seen).filter(|(_, seen)| !**seen).map(|(text, _)| text).collect();
    if unmatched.is_empty() {
        return Ok(());
    }
    let (set, patterns) = (set.facts.name.clone(), unmatched.join(", "));
    Err(FlowError::NothingMatches { set, seq, patterns })
}

/// Another name of a file is as safe as the file.
fn linked(
    catalog: &Catalog,
    set: &KnownSet,
    seq: SnapshotSeq,
    link: &Found,
    known: &BTreeMap<DiscNo, &KnownDisc>,
) -> Result<Option<FileSafety>, FlowError> {
    let Some(file) = catalog.resolve(set.id, seq, &link.path)? else { return Ok(None) };
    let places = file.parts.iter().map(|part| part.place.disc).collect();
    let complete = file.digest.is_some();
    Ok(Some(judged(link.path.clone(), file.size, places, complete, known)))
}

/// An empty file has no bytes: it is safe with the listing that names it.
fn listed(file: Found, discs: &[KnownDisc]) -> FileSafety {
    let with_listing = discs.iter().filter(|disc| disc.info.listing >= Some(file.first));
    let best = with_listing.max_by_key(|disc| disc.safe_copies());
    let places = best.map(|disc| BTreeSet::from([disc.info.number])).unwrap_or_default();
    let known = discs.iter().map(|disc| (disc.info.number, disc)).collect();
    judged(file.path, 0, places, true, &known)
}

fn judged(
    path: RelPath,
    size: u64,
    on: BTreeSet<DiscNo>,
    complete: bool,
    known: &BTreeMap<DiscNo, &KnownDisc>,
) -> FileSafety {
    let discs: Vec<&KnownDisc> = on.iter().filter_map(|disc| known.get(disc).copied()).collect();
    let least = discs.iter().map(|disc| disc.safe_copies()).min().unwrap_or(0);
    let verified = discs.iter().map(|disc| disc.verified).min().flatten();
    let media = discs.iter().flat_map(|disc| &disc.media).filter(|m| m.copy.is_good());
    let places: BTreeSet<String> = media.filter_map(|medium| place_of(&medium.copy)).collect();
    FileSafety {
        path,
        size,
        copies: if complete { least } else { 0 },
        discs: on.into_iter().collect(),
        verified,
        places: places.into_iter().collect(),
    }
}
