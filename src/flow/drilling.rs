//! `coldcut drill`: do stock tools open what we made?

mod sandbox;
mod staged;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::catalog::{
    Catalog, DiscInfo, DiscState, Drill as Record, DrillScope, Finding, KnownSet, SetId,
};
use crate::codec::openpgp::Opener;
use crate::drill::{
    Depth, Drilled, Fault, Files, Key, KnownFile, Sampling, Wanted, Whole, sample, whole,
};
use crate::drive::Drive;
use crate::model::disc::Encryption;
use crate::model::rows::IndexRow;
use crate::model::{Bytes, DiscNo, Kind, SetName, SnapshotSeq};
use crate::port::clock::Moment;
use crate::port::files::free_space;
use crate::port::monitor::{Activity, Phase, Trouble};
use crate::port::operator::Secret;
use crate::port::wanted::WantedMedium;

use super::insertion::while_it_comes_back;
use super::keys::KeyRing;
use super::locating::no_disc;
use super::piles::{Pile, Piles, Trust, Vetting, look, look_in};
use super::staging::Staging;
use super::turn::open_to_write;
use super::whereabouts::kept_disc;
use super::{Desk, FlowError, choose_set};
use sandbox::{Places, Sandbox};

pub(super) use staged::{drill_staged, drill_without_keys, is_untried, refuse_unreadable};

/// What a drill is asked to do.
pub struct DrillRequest<'a> {
    pub catalog: PathBuf,
    pub staging: PathBuf,
    /// Discs that lie somewhere; `None`: those that are staged.
    pub from: Option<PathBuf>,
    pub name: Option<SetName>,
    /// None: all that are there.
    pub discs: Vec<DiscNo>,
    pub all: bool,
    pub keys: KeyRing<'a>,
    /// Which discs count, of those that lie somewhere.
    pub trust: Trust,
}

/// One disc, drilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrilledDisc {
    pub set: SetName,
    pub number: DiscNo,
    pub seen: Drilled,
}

/// What became of a drill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrillReport {
    pub discs: Vec<DrilledDisc>,
    /// Discs and files that do not count, for whoever made them.
    pub refused: u64,
}

impl DrillReport {
    pub fn is_sound(&self) -> bool {
        self.refused == 0 && self.discs.iter().all(|disc| disc.seen.faults.is_empty())
    }
}

/// Drills the discs that are meant. Damage is in the report, not an error; a disc that is taken out
/// of the drive meanwhile is asked for again.
pub fn drill(
    request: &DrillRequest,
    mut drive: Option<&mut (dyn Drive + 'static)>,
    desk: Desk,
) -> Result<DrillReport, FlowError> {
    while_it_comes_back(desk, || drill_those(request, drive.as_deref_mut(), desk))
}

fn drill_those(
    request: &DrillRequest,
    drive: Option<&mut (dyn Drive + 'static)>,
    desk: Desk,
) -> Result<DrillReport, FlowError> {
    let mut catalog = open_to_write(&request.catalog, desk)?;
    let staging = Staging::open(&request.staging)?;
    let mut report = DrillReport::default();
    let at_place = |pile| Round { request, staging: &staging, pile, discs: &request.discs, desk };
    report.discs = match (&request.from, drive) {
        (Some(_), Some(drive)) => {
            through(request, &mut catalog, &staging, drive, desk, &mut report.refused)?
        }
        (Some(from), None) => {
            let found = look(from, desk.stop)?;
            let pile = trusted(request, found, request.name.as_ref(), desk, &mut report.refused)?;
            at_place(Some(pile)).drill(&mut catalog)?
        }
        (None, _) => at_place(None).drill(&mut catalog)?,
    };
    Ok(report)
}

/// The discs that were named, one after the other; without a name, the one that is in the drive.
fn through(
    request: &DrillRequest,
    catalog: &mut Catalog,
    staging: &Staging,
    drive: &mut (dyn Drive + 'static),
    desk: Desk,
    refused: &mut u64,
) -> Result<Vec<DrilledDisc>, FlowError> {
    let named: Vec<Option<DiscNo>> = match request.discs.is_empty() {
        true => vec![None],
        false => request.discs.iter().copied().map(Some).collect(),
    };
    let mut drilled = Vec::new();
    for number in named {
        let pile = Some(inserted(request, catalog, drive, number, desk, refused)?);
        let discs = number.as_slice();
        drilled.extend(Round { request, staging, pile, discs, desk }.drill(catalog)?);
    }
    Ok(drilled)
}

/// The disc in the drive, once it is the one that was named.
fn inserted(
    request: &DrillRequest,
    catalog: &Catalog,
    drive: &mut (dyn Drive + 'static),
    number: Option<DiscNo>,
    desk: Desk,
    refused: &mut u64,
) -> Result<Pile, FlowError> {
    let from = request.from.as_deref().unwrap_or(Path::new(""));
    let name = request.name.as_ref();
    let Some(number) = number else {
        let wanted = WantedMedium::any("the disc to drill");
        let found = look_in(drive, from, &wanted, desk, |_| true)?;
        return trusted(request, found, name, desk, refused);
    };
    let set = choose_set(catalog.sets()?, name)?;
    let known = catalog.discs(set.id)?.into_iter().find(|disc| disc.number == number);
    let known = known.ok_or_else(|| no_disc(&set, number))?;
    let kept = kept_disc(catalog, set.id, number);
    let wanted = WantedMedium::disc(&set.facts.name, number).with(&kept).with(", to be drilled");
    let is_it = |pile: &Pile| {
        let found = pile.discs.get(&number).map(|found| found.txt.disc_uuid);
        pile.uuid == set.facts.uuid && found == Some(known.uuid)
    };
    let piles = look_in(drive, from, &wanted, desk, |piles| piles.sets.iter().any(is_it))?;
    trusted(request, piles, Some(&set.facts.name), desk, refused)
}

/// The discs that are meant, without what does not count; that is told.
fn trusted(
    request: &DrillRequest,
    piles: Piles,
    name: Option<&SetName>,
    desk: Desk,
    refused: &mut u64,
) -> Result<Pile, FlowError> {
    let trust = &request.trust;
    let (piles, count) = trust.sift(piles, Vetting::new(trust, &request.catalog), desk)?;
    *refused += count;
    piles.choose(name)
}

/// Discs that are at hand together.
struct Round<'a, 'k> {
    request: &'a DrillRequest<'k>,
    staging: &'a Staging,
    pile: Option<Pile>,
    /// None: all of them.
    discs: &'a [DiscNo],
    desk: Desk<'a>,
}

impl Round<'_, '_> {
    fn drill(&self, catalog: &mut Catalog) -> Result<Vec<DrilledDisc>, FlowError> {
        let Round { request, staging, pile, discs, desk } = self;
        let desk = *desk;
        let set = set_of(catalog, pile.as_ref(), request.name.as_ref())?;
        let discs = discs_of(catalog, &set, pile.as_ref(), discs)?;
        let discs = without_recovery_discs(catalog, &set, discs, desk)?;
        if discs.is_empty() {
            return Ok(Vec::new());
        }
        let sandbox = Sandbox::make(&staging.scratch())?;
        let (pile, stop) = (pile.as_ref(), desk.stop);
        let places = Places { staging, set: &set, pile, sandbox: &sandbox, stop };
        let keys = Keys::of(request, &set)?;
        let session = Session { catalog, set: &set, desk };
        match request.all {
            true => session.all(&discs, &places, keys.passphrase.as_ref()),
            false => session.samples(&discs, &places, &keys),
        }
    }
}

fn set_of(
    catalog: &Catalog,
    pile: Option<&Pile>,
    name: Option<&SetName>,
) -> Result<KnownSet, FlowError> {
    let sets = catalog.sets()?;
    match pile {
        Some(pile) => {
            let found = sets.into_iter().find(|set| set.facts.uuid == pile.uuid);
            found.ok_or(FlowError::UnknownSet)
        }
        None => choose_set(sets, name),
    }
}

/// The discs that are there and known, or those of them that were named.
fn discs_of(
    catalog: &Catalog,
    set: &KnownSet,
    pile: Option<&Pile>,
    only: &[DiscNo],
) -> Result<Vec<DiscInfo>, FlowError> {
    let mut discs = catalog.discs(set.id)?;
    discs.retain(|disc| match pile {
        None => matches!(disc.state, DiscState::Staged | DiscState::Failed),
        Some(pile) => pile
            .discs
            .get(&disc.number)
            .is_some_and(|found| disc.state != DiscState::Open && found.txt.disc_uuid == disc.uuid),
    });
    if let Some(lost) = only.iter().find(|wanted| !discs.iter().any(|d| d.number == **wanted)) {
        return Err(FlowError::NotHere(*lost));
    }
    discs.retain(|disc| only.is_empty() || only.contains(&disc.number));
    match (discs.is_empty(), pile) {
        (true, None) => Err(FlowError::NothingStaged(String::new())),
        (true, Some(_)) => Err(FlowError::UnknownSet),
        (false, _) => Ok(discs),
    }
}

/// There are no files on these that could be tried.
fn without_recovery_discs(
    catalog: &Catalog,
    set: &KnownSet,
    discs: Vec<DiscInfo>,
    desk: Desk,
) -> Result<Vec<DiscInfo>, FlowError> {
    let mut with_files = Vec::new();
    for disc in discs {
        if catalog.covered_by(set.id, disc.number)?.is_empty() {
            with_files.push(disc);
        } else {
            desk.monitor.note(&format!("disc {}: a recovery disc, not tried", disc.number));
        }
    }
    Ok(with_files)
}

/// What opens the set's files, in the shapes that gpg and we ourselves take.
struct Keys {
    passphrase: Option<Secret>,
    opener: Option<Opener>,
}

impl Keys {
    fn of(request: &DrillRequest, set: &KnownSet) -> Result<Keys, FlowError> {
        match set.facts.encryption {
            Encryption::None => Ok(Keys { passphrase: None, opener: None }),
            Encryption::Passphrase => {
                let passphrase = Some(request.keys.checked_passphrase(set)?);
                Ok(Keys { passphrase, opener: None })
            }
            // restore.sh takes gpg's key ring, as it would on the day that it is needed.
            Encryption::Recipients if request.all => Ok(Keys { passphrase: None, opener: None }),
            Encryption::Recipients => {
                let name = (&set.facts.name, None);
                let opener = request.keys.opener(name, Encryption::Recipients, |_| Ok(()))?;
                Ok(Keys { passphrase: None, opener })
            }
        }
    }
}

struct Session<'a> {
    catalog: &'a mut Catalog,
    set: &'a KnownSet,
    desk: Desk<'a>,
}

impl Session<'_> {
    fn samples(
        mut self,
        discs: &[DiscInfo],
        places: &Places,
        keys: &Keys,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let by_opener = |file: &File| match &keys.opener {
            Some(opener) => opener.file_key(file).map(Some),
            None => Ok(None),
        };
        let key = match (&keys.passphrase, self.set.facts.encryption) {
            (Some(secret), _) => Key::Passphrase(secret),
            (None, Encryption::None) => Key::None,
            (None, _) => Key::Files(&by_opener),
        };
        let mut done = Vec::new();
        for disc in discs {
            self.begin(disc);
            let known = self.catalog.disc_files(self.set.id, disc.number)?;
            let files = places.files_of(disc.number, known, false)?;
            let seen = take_sample(
                self.catalog,
                self.set,
                disc,
                &files,
                &key,
                Depth::Thorough,
                self.desk,
            )?;
            files.refuse_gone()?;
            done.push(self.record(disc, seen, DrillScope::Sample)?);
        }
        Ok(done)
    }

    fn begin(&self, disc: &DiscInfo) {
        let disc = Some(disc.number.0);
        self.desk.monitor.phase(&Phase { what: Activity::Drilling, disc, total: None });
    }

    /// restore.sh, over all these discs at once, and every file of their newest listing that is on
    /// them wholly. It gets the passphrase, and runs with our rights: only where every file of the
    /// discs, itself among them, is the one that was packed.
    fn all(
        self,
        discs: &[DiscInfo],
        places: &Places,
        passphrase: Option<&Secret>,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let name = &self.set.facts.name;
        let seq = discs.iter().filter_map(|disc| disc.listing).max();
        let seq = seq.ok_or_else(|| FlowError::NoListing(name.clone()))?;
        let wanted = self.wanted(discs, seq)?;
        self.check_space(discs, places, wanted.iter().map(|(_, size)| size).sum())?;
        let mut seen: Vec<Drilled> = discs.iter().map(|_| Drilled::default()).collect();
        let mut dirs = Vec::new();
        for (disc, seen) in discs.iter().zip(&mut seen) {
            self.begin(disc);
            let known = self.catalog.disc_files(self.set.id, disc.number)?;
            let files = places.files_of(disc.number, known, true)?;
            seen.faults.extend(files.bring_all());
            self.desk.stop.check()?;
            files.refuse_gone()?;
            dirs.push((disc.number, files.dir().to_owned()));
        }
        if seen.iter().any(|seen| !seen.faults.is_empty()) {
            self.desk
                .monitor
                .note("restore.sh was not run: not all files are those that were packed");
            return self.record_all(discs, seen);
        }
        let target = places.sandbox.0.join("restored");
        let drill = Whole { discs: &dirs, target: &target, passphrase, stop: self.desk.stop };
        if let Some(what) = whole(&drill)? {
            for seen in &mut seen {
                seen.faults.push(Fault { path: "restore.sh".to_owned(), what: what.clone() });
            }
        }
        for (file, size) in &wanted {
            self.desk.stop.check()?;
            let at = discs.iter().position(|disc| disc.number == file.disc).unwrap_or(0);
            match file.fault(&target) {
                Some(fault) => seen[at].faults.push(fault),
                None => {
                    seen[at].files += 1;
                    seen[at].bytes += size;
                }
            }
        }
        self.record_all(discs, seen)
    }

    /// What a restore of them all saw.
    fn record_all(
        mut self,
        discs: &[DiscInfo],
        seen: Vec<Drilled>,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let both = discs.iter().zip(seen);
        both.map(|(disc, seen)| self.record(disc, seen, DrillScope::Whole)).collect()
    }

    fn wanted(
        &self,
        discs: &[DiscInfo],
        seq: SnapshotSeq,
    ) -> Result<Vec<(Wanted, u64)>, FlowError> {
        let here = |disc: DiscNo| discs.iter().any(|known| known.number == disc);
        let mut wanted = Vec::new();
        self.catalog.snapshot_rows(self.set.id, seq, |listed| {
            let row = listed.row;
            let all_here = row.place.complete && row.place.places.iter().all(|at| here(at.disc));
            if let (Kind::File, Some(sha256), Some(first), true) =
                (row.kind, row.sha256, row.place.places.first(), all_here)
            {
                wanted.push((Wanted { disc: first.disc, path: row.path, sha256 }, row.size));
            }
            Ok::<(), FlowError>(())
        })?;
        Ok(wanted)
    }

    fn check_space(
        &self,
        discs: &[DiscInfo],
        places: &Places,
        content: u64,
    ) -> Result<(), FlowError> {
        let images = discs.iter().filter_map(|disc| disc.image).map(|image| image.bytes().0);
        let copies: u64 = if places.pile.is_some() { images.sum() } else { 0 };
        let dir = places.sandbox.0.clone();
        let (need, free) = (content + copies, free_space(&dir).unwrap_or(u64::MAX));
        match need > free {
            true => Err(FlowError::StagingFull { dir, need: Bytes(need), free: Bytes(free) }),
            false => Ok(()),
        }
    }

    fn record(
        &mut self,
        disc: &DiscInfo,
        seen: Drilled,
        scope: DrillScope,
    ) -> Result<DrilledDisc, FlowError> {
        let number = disc.number;
        for fault in &seen.faults {
            let thing = format!("disc {number}: {}", fault.path);
            self.desk.monitor.trouble(&Trouble { thing, what: fault.what.clone() });
        }
        for words in &seen.skipped {
            self.desk.monitor.note(&format!("disc {number}: not tried: {words}"));
        }
        record(self.catalog, self.set.id, number, &seen, scope)?;
        Ok(DrilledDisc { set: self.set.facts.name.clone(), number, seen })
    }
}

/// A drill in which nothing could be tried leaves no date.
fn record(
    catalog: &mut Catalog,
    set: SetId,
    disc: DiscNo,
    seen: &Drilled,
    scope: DrillScope,
) -> Result<(), FlowError> {
    if seen.files == 0 && seen.faults.is_empty() && !seen.skipped.is_empty() {
        return Ok(());
    }
    let finding = if seen.faults.is_empty() { Finding::Ok } else { Finding::Damaged };
    let details = match seen.faults.is_empty() {
        true => format!("{} files, {} bytes", seen.files, seen.bytes),
        false => fault_lines(&seen.faults),
    };
    Ok(catalog.record_drill(set, &Record { disc, at: Moment::now(), scope, finding, details })?)
}

fn fault_lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.path, f.what)).collect();
    lines.join("\n")
}

fn take_sample(
    catalog: &Catalog,
    set: &KnownSet,
    disc: &DiscInfo,
    files: &dyn Files,
    key: &Key,
    depth: Depth,
    desk: Desk,
) -> Result<Drilled, FlowError> {
    let known: Vec<KnownFile> = catalog
        .disc_files(set.id, disc.number)?
        .into_iter()
        .map(|file| KnownFile { path: file.path, size: file.size.0, sha256: file.sha256 })
        .collect();
    let knows = |row: &IndexRow| {
        let stored = row.sha256.map(|sha256| catalog.content_by_digest(set.id, &sha256, row.size));
        matches!(stored, Some(Ok(Some(_))))
    };
    let (disc, knows, stop) = (disc.uuid, &knows, desk.stop);
    Ok(sample(&Sampling { disc, known: &known, files, key, depth, knows, stop })?)
}
