//! How safe single files are. The same truth as for the whole set, as far as it concerns them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catalog::{Catalog, FoundPath, KnownSet, Outside};
use crate::model::glob::PathGlobs;
use crate::model::rows::{Note, Place};
use crate::model::{ArchiveNo, DiscNo, Kind, RelPath, SnapshotSeq};
use crate::port::clock::Moment;

use crate::flow::FlowError;
use crate::flow::library::known_discs::KnownDisc;
use crate::flow::library::locations::place_of;
use crate::flow::status::danger::{Danger, Doubt};
use crate::flow::status::latest::{Aged, Latest, StatusLimits, age};
use crate::flow::status::safety::{Safety, SafetyVerdict};

/// How safe one file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSafety {
    pub path: RelPath,
    pub size: u64,
    /// Verified copies, the least of the discs that it is on.
    pub copies: u32,
    pub discs: Vec<DiscNo>,
    /// When the least recently verified of its discs was last verified.
    pub verified: Option<Moment>,
    /// Where the good copies are.
    pub places: Vec<String>,
    /// It could not be read later, and stands as of this date.
    pub stale: Option<String>,
    /// It waits in the staging area for a disc, or for another copy of one, since then.
    pub waits: Option<Moment>,
}

/// The files that are meant, and what else stands against calling them safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesSafety {
    /// Those that are not safe first.
    pub files: Vec<FileSafety>,
    pub dangers: Vec<Danger>,
    pub unknown: Vec<Doubt>,
}

impl FilesSafety {
    pub fn verdict(&self) -> SafetyVerdict {
        SafetyVerdict::of(&self.dangers, &self.unknown)
    }
}

/// What is known of all files of a set.
struct FileFacts<'a> {
    catalog: &'a Catalog,
    set: &'a KnownSet,
    seq: SnapshotSeq,
    all: &'a [KnownDisc],
    discs: BTreeMap<DiscNo, &'a KnownDisc>,
    /// Discs that wait in the staging area for another copy.
    owed: &'a [DiscNo],
    /// Archives that wait in the staging area, since when.
    staged: HashMap<ArchiveNo, Moment>,
    begun: BTreeMap<SnapshotSeq, Moment>,
    /// Directories that could not be read: what is in them stands as of a date.
    unread: Vec<(RelPath, String)>,
}

/// Every file of the snapshot that is meant, those that are not safe first. A pattern that means
/// nothing is an error.
pub fn files(
    catalog: &Catalog,
    set: &KnownSet,
    seq: SnapshotSeq,
    globs: &PathGlobs,
    (discs, outside): (&[KnownDisc], &Outside),
    (limits, now): (&StatusLimits, Moment),
) -> Result<FilesSafety, FlowError> {
    let latest = Latest::look(catalog, set)?;
    let snapshots = catalog.snapshots(set.id)?;
    let facts = FileFacts {
        catalog,
        set,
        seq,
        all: discs,
        discs: discs.iter().map(|disc| (disc.info.number, disc)).collect(),
        owed: &outside.owed,
        staged: catalog.staged_since(set.id, outside)?,
        begun: snapshots.iter().map(|info| (info.seq, info.started)).collect(),
        unread: catalog.unread_dirs(set.id)?,
    };
    let found = catalog.find(set.id, Some(seq), |path| globs.matches(path))?;
    check_meant(set, seq, globs, &found, &latest)?;
    let mut files = Vec::new();
    for file in found {
        files.extend(facts.judge(file)?);
    }
    files.sort_by(|a, b| {
        (a.copies, a.stale.is_none(), &a.path).cmp(&(b.copies, b.stale.is_none(), &b.path))
    });
    let mut safety = FilesSafety { files, ..FilesSafety::default() };
    safety.judge_backup(&latest, globs, limits, now);
    safety.judge_files(set, limits, now);
    safety.judge_checks(discs, limits, now);
    Ok(safety)
}

impl FilesSafety {
    /// What the newest backup lacks may be newer versions of these files.
    fn judge_backup(
        &mut self,
        latest: &Latest,
        globs: &PathGlobs,
        limits: &StatusLimits,
        now: Moment,
    ) {
        self.dangers = latest.end_danger().into_iter().collect();
        self.unknown = latest.unknowns();
        match latest.aged(limits, now) {
            Some(Aged::Old(danger)) => self.dangers.push(danger),
            Some(Aged::Unknown(doubt)) => self.unknown.push(doubt),
            None => {}
        }
        for failed in latest.unreadable.iter().filter(|failed| globs.matches(&failed.path)) {
            let (path, why) = (failed.path.clone(), failed.what.clone());
            self.dangers.push(Danger::PathUnreadable { path, why });
        }
        let named = latest.unreadable.len() as u64;
        if latest.failed.is_some_and(|failed| failed > named) {
            self.unknown.push(Doubt::NamelessFailures);
        }
    }

    fn judge_files(&mut self, set: &KnownSet, limits: &StatusLimits, now: Moment) {
        let may_wait = |since: Moment| {
            let limit = limits.allow_waiting;
            limit.is_some_and(|limit| age(since, now).is_some_and(|age| age < limit))
        };
        let is_safe = |file: &&FileSafety| {
            let is_stored = file.copies >= set.copies || file.waits.is_some_and(may_wait);
            file.stale.is_none() && is_stored
        };
        let count = self.files.iter().filter(|file| !is_safe(file)).count() as u64;
        self.dangers.extend((count > 0).then_some(Danger::FilesNotSafe(count)));
    }

    /// Of the discs that these files are on.
    fn judge_checks(&mut self, discs: &[KnownDisc], limits: &StatusLimits, now: Moment) {
        let on: BTreeSet<DiscNo> =
            self.files.iter().flat_map(|file| &file.discs).copied().collect();
        let mut of_these = Safety::default();
        of_these.judge_checks(
            discs.iter().filter(|disc| on.contains(&disc.info.number)),
            limits,
            now,
        );
        self.dangers.extend(of_these.dangers);
        self.unknown.extend(of_these.unknown);
    }
}

fn check_meant(
    set: &KnownSet,
    seq: SnapshotSeq,
    globs: &PathGlobs,
    found: &[FoundPath],
    latest: &Latest,
) -> Result<(), FlowError> {
    let mut seen = vec![false; globs.patterns().count()];
    let failed = latest.unreadable.iter().map(|failed| &failed.path);
    found.iter().map(|file| &file.path).chain(failed).for_each(|path| globs.mark(path, &mut seen));
    let unmatched: Vec<&str> =
        globs.patterns().zip(&seen).filter(|(_, seen)| !**seen).map(|(text, _)| text).collect();
    if unmatched.is_empty() {
        return Ok(());
    }
    let (set, patterns) = (set.facts.name.clone(), unmatched.join(", "));
    Err(FlowError::NothingMatches { set, seq, patterns })
}

impl FileFacts<'_> {
    /// `None` for what is no file.
    fn judge(&self, file: FoundPath) -> Result<Option<FileSafety>, FlowError> {
        let stale = match &file.note {
            Note::Stale(date) => Some(date.clone()),
            _ => self.unread.iter().find(|(dir, _)| is_in(&file.path, dir)).map(|(_, d)| d.clone()),
        };
        let judged = match file.kind {
            Kind::File if file.size == 0 => Some(self.listed(file)),
            Kind::File => {
                Some(self.stored(file.path, file.size, &file.place.places, file.place.complete))
            }
            Kind::Hardlink => self.linked(&file)?,
            _ => None,
        };
        Ok(judged.map(|judged| FileSafety { stale, ..judged }))
    }

    /// Another name of a file is as safe as the file.
    fn linked(&self, link: &FoundPath) -> Result<Option<FileSafety>, FlowError> {
        let file = self.catalog.resolve(self.set.id, self.seq, &link.path)?;
        Ok(file.map(|file| {
            let places: Vec<Place> = file.parts.iter().map(|part| part.place).collect();
            self.stored(link.path.clone(), file.size, &places, file.digest.is_some())
        }))
    }

    /// An empty file has no bytes: it is safe with the listing that names it.
    fn listed(&self, file: FoundPath) -> FileSafety {
        let with_listing = self.all.iter().filter(|disc| disc.info.listing() >= Some(file.first));
        let best = with_listing.max_by_key(|disc| disc.safe_copies());
        let on = best.map(|disc| BTreeSet::from([disc.info.number])).unwrap_or_default();
        let waits = match best.filter(|disc| disc.safe_copies() > 0) {
            None => self.begun.get(&file.first).copied(),
            Some(disc) if self.owed.contains(&disc.info.number) => {
                disc.info.closing.and_then(|closing| closing.at)
            }
            Some(_) => None,
        };
        self.judged(file.path, 0, on, true, waits)
    }

    fn stored(&self, path: RelPath, size: u64, places: &[Place], complete: bool) -> FileSafety {
        let on = places.iter().map(|place| place.disc).collect();
        let is_enough = |disc: &DiscNo| {
            self.discs.get(disc).is_some_and(|disc| disc.safe_copies() >= self.set.copies)
        };
        let unsafe_parts = places.iter().filter(|place| !is_enough(&place.disc));
        let since: Option<Vec<Moment>> =
            unsafe_parts.map(|place| self.staged.get(&place.archive).copied()).collect();
        let waits = since.filter(|_| complete).and_then(|since| since.into_iter().min());
        self.judged(path, size, on, complete, waits)
    }

    fn judged(
        &self,
        path: RelPath,
        size: u64,
        on: BTreeSet<DiscNo>,
        complete: bool,
        waits: Option<Moment>,
    ) -> FileSafety {
        let discs: Vec<&KnownDisc> =
            on.iter().filter_map(|disc| self.discs.get(disc).copied()).collect();
        let least = discs.iter().map(|disc| disc.safe_copies()).min().unwrap_or(0);
        let verified = discs.iter().map(|disc| disc.verified).min().flatten();
        let media = discs.iter().flat_map(|disc| &disc.media).filter(|m| m.is_good());
        let places: BTreeSet<String> = media.filter_map(|medium| place_of(&medium.copy)).collect();
        let copies = if complete { least } else { 0 };
        FileSafety {
            path,
            size,
            copies,
            discs: on.into_iter().collect(),
            verified,
            places: places.into_iter().collect(),
            stale: None,
            waits: waits.filter(|_| copies < self.set.copies),
        }
    }
}

fn is_in(path: &RelPath, dir: &RelPath) -> bool {
    let mut names = path.components();
    dir.components().all(|name| names.next() == Some(name))
}
