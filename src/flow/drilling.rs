//! `coldcut drill`: do stock tools open what we made?

mod returned;
mod running;
mod sandbox;
mod staged;
mod sticking;
mod unknown;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::catalog::{
    Access, Catalog, CatalogError, DiscFile, DiscInfo, DiscState, Drill as Record, DrillScope,
    Finding, KnownSet, SetId,
};
use crate::codec::openpgp::Opener;
use crate::drill::{Depth, Drilled, Fault, Files, Key, KnownFile, Sampling, sample};
use crate::drive::Drive;
use crate::model::disc::Encryption;
use crate::model::rows::IndexRow;
use crate::model::{Bytes, DiscNo, SetName, SnapshotSeq};
use crate::port::clock::Moment;
use crate::port::files::free_space;
use crate::port::monitor::{Activity, Phase, Trouble};
use crate::port::operator::Secret;
use crate::port::wanted::WantedMedium;

use super::insertion::while_it_comes_back;
use super::keys::KeyRing;
use super::locating::no_disc;
use super::piles::{FoundDisc, Pile, Piles, Trust, Vetting, look, look_in};
use super::staging::Staging;
use super::turn::open_to_write;
use super::verifying::Against;
use super::whereabouts::kept_disc;
use super::{Desk, FlowError, choose_set};
use returned::{Expected, Maker, content, expected};
use running::Running;
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
    /// What its files were compared with before anything was done with them.
    pub against: Against,
    /// Which restore.sh was run; `None`: a sample was taken, or the files are not what they must be.
    pub script: Option<Script>,
}

/// Whose restore.sh it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// The disc's own, which is the one that was packed.
    OfDisc,
    /// This program's, for discs of that format. The disc's own may be another one: that of another
    /// release, or somebody's.
    OfProgram { differs: bool },
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
    let Some(from) = &request.from else {
        let mut catalog = open_to_write(&request.catalog, desk)?;
        let round = Round { request, staging: &Staging::open(&request.staging)?, desk };
        let set = choose_set(catalog.sets()?, request.name.as_ref())?;
        let discs = round.known(&mut catalog, &set, None, &request.discs)?;
        return Ok(DrillReport { discs, refused: 0 });
    };
    let mut catalog = open_if_there(&request.catalog, desk)?;
    let round = Round { request, staging: &Staging::open(&request.staging)?, desk };
    let mut report = DrillReport::default();
    report.discs = match drive {
        Some(drive) => round.through(catalog.as_mut(), drive, &mut report.refused)?,
        None => {
            let found = look(from, desk.stop)?;
            let pile = round.trusted(found, request.name.as_ref(), &mut report.refused)?;
            round.at_hand(catalog.as_mut(), pile, &request.discs)?
        }
    };
    Ok(report)
}

/// Discs that lie somewhere need no catalog, and none is made for them.
fn open_if_there(path: &Path, desk: Desk) -> Result<Option<Catalog>, FlowError> {
    match Catalog::open(path, Access::Read) {
        Err(CatalogError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(read) => {
            drop(read);
            open_to_write(path, desk).map(Some)
        }
    }
}

/// One run of the command.
struct Round<'a, 'k> {
    request: &'a DrillRequest<'k>,
    staging: &'a Staging,
    desk: Desk<'a>,
}

impl Round<'_, '_> {
    /// The discs that were named, one after the other; without a name, the one that is in the drive.
    fn through(
        &self,
        mut catalog: Option<&mut Catalog>,
        drive: &mut (dyn Drive + 'static),
        refused: &mut u64,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let named: Vec<Option<DiscNo>> = match self.request.discs.is_empty() {
            true => vec![None],
            false => self.request.discs.iter().copied().map(Some).collect(),
        };
        let mut drilled = Vec::new();
        for number in named {
            let pile = self.inserted(catalog.as_deref(), drive, number, refused)?;
            drilled.extend(self.at_hand(catalog.as_deref_mut(), pile, number.as_slice())?);
        }
        Ok(drilled)
    }

    /// The disc in the drive, once it is the one that was named.
    fn inserted(
        &self,
        catalog: Option<&Catalog>,
        drive: &mut (dyn Drive + 'static),
        number: Option<DiscNo>,
        refused: &mut u64,
    ) -> Result<Pile, FlowError> {
        let Round { request, desk, .. } = *self;
        let from = request.from.as_deref().unwrap_or(Path::new(""));
        let name = request.name.as_ref();
        let (Some(number), Some(catalog)) = (number, catalog) else {
            let wanted = WantedMedium::any("the disc to drill");
            let is_it = |pile: &Pile| number.is_none_or(|number| pile.discs.contains_key(&number));
            let found = look_in(drive, from, &wanted, desk, |piles| piles.sets.iter().any(is_it))?;
            return self.trusted(found, name, refused);
        };
        let set = choose_set(catalog.sets()?, name)?;
        let known = catalog.discs(set.id)?.into_iter().find(|disc| disc.number == number);
        let known = known.ok_or_else(|| no_disc(&set, number))?;
        let kept = kept_disc(catalog, set.id, number);
        let wanted =
            WantedMedium::disc(&set.facts.name, number).with(&kept).with(", to be drilled");
        let is_it = |pile: &Pile| {
            let found = pile.discs.get(&number).map(|found| found.txt.disc_uuid);
            pile.uuid == set.facts.uuid && found == Some(known.uuid)
        };
        let piles = look_in(drive, from, &wanted, desk, |piles| piles.sets.iter().any(is_it))?;
        self.trusted(piles, Some(&set.facts.name), refused)
    }

    /// The discs that are meant, without what does not count; that is told.
    fn trusted(
        &self,
        piles: Piles,
        name: Option<&SetName>,
        refused: &mut u64,
    ) -> Result<Pile, FlowError> {
        let trust = &self.request.trust;
        let vetting = Vetting::new(trust, &self.request.catalog);
        let (piles, count) = trust.sift(piles, vetting, self.desk)?;
        *refused += count;
        piles.choose(name)
    }

    /// Discs that lie somewhere: first those that the catalog knows.
    fn at_hand(
        &self,
        catalog: Option<&mut Catalog>,
        pile: Pile,
        only: &[DiscNo],
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let parted = parted(catalog.as_deref(), pile, only)?;
        let mut done = Vec::new();
        if let (Some(catalog), Some((set, pile))) = (catalog, parted.known) {
            done = self.known(catalog, &set, Some(&pile), &[])?;
        }
        if let Some(pile) = parted.unknown {
            done.extend(unknown::drill(self.request, &self.staging.scratch(), &pile, self.desk)?);
        }
        Ok(done)
    }

    /// Discs that the catalog knows.
    fn known(
        &self,
        catalog: &mut Catalog,
        set: &KnownSet,
        pile: Option<&Pile>,
        only: &[DiscNo],
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let Round { request, staging, desk } = *self;
        let discs = discs_of(catalog, set, pile, only)?;
        let discs = without_recovery_discs(catalog, set, discs, desk)?;
        if discs.is_empty() {
            return Ok(Vec::new());
        }
        let sandbox = Sandbox::make(&staging.scratch())?;
        let places = Places { staging, set, pile, sandbox: &sandbox, stop: desk.stop };
        let keys = Keys::of(request, set)?;
        let session = Session { catalog, set, desk };
        match request.all {
            true => session.all(&discs, &places, keys.passphrase.as_ref()),
            false => session.samples(&discs, &places, &keys),
        }
    }
}

/// Discs at hand, by whether the catalog knows them.
struct Parted {
    known: Option<(KnownSet, Pile)>,
    unknown: Option<Pile>,
}

fn parted(catalog: Option<&Catalog>, mut pile: Pile, only: &[DiscNo]) -> Result<Parted, FlowError> {
    let sets = catalog.map(Catalog::sets).transpose()?.unwrap_or_default();
    let set = sets.into_iter().find(|set| set.facts.uuid == pile.uuid);
    let discs = match (catalog, &set) {
        (Some(catalog), Some(set)) => catalog.discs(set.id)?,
        _ => Vec::new(),
    };
    pile.is_known_as_here(&discs);
    if let Some(lost) = only.iter().find(|wanted| !pile.discs.contains_key(wanted)) {
        return Err(FlowError::NotHere(*lost));
    }
    let is_known = |found: &FoundDisc| {
        let same = |disc: &&DiscInfo| disc.number == found.txt.disc;
        let known = discs.iter().find(same).filter(|disc| disc.state != DiscState::Open);
        known.is_some_and(|disc| disc.uuid == found.txt.disc_uuid)
    };
    let meant = pile.discs.into_iter().filter(|(no, _)| only.is_empty() || only.contains(no));
    let (known, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        meant.partition(|(_, found)| is_known(found));
    let (name, uuid) = (pile.name, pile.uuid);
    let of = |discs: BTreeMap<DiscNo, FoundDisc>| {
        let (name, twins, unnamed) = (name.clone(), Vec::new(), Vec::new());
        (!discs.is_empty()).then_some(Pile { name, uuid, discs, twins, unnamed })
    };
    Ok(Parted { known: set.zip(of(known)), unknown: of(unknown) })
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
            let files = places.files_of(disc.number, known_files(known), false)?;
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
            done.push(self.record(disc, seen, DrillScope::Sample, None)?);
        }
        Ok(done)
    }

    fn begin(&self, disc: &DiscInfo) {
        let disc = Some(disc.number.0);
        self.desk.monitor.phase(&Phase { what: Activity::Drilling, disc, total: None });
    }

    /// restore.sh, over all these discs at once, and every path of their newest listing that is on
    /// them wholly; then simple-restore.sh, if that is all of them. They get the passphrase, and run
    /// with our rights: only where every file of the discs, themselves among them, is the one that
    /// was packed.
    fn all(
        self,
        discs: &[DiscInfo],
        places: &Places,
        passphrase: Option<&Secret>,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let name = &self.set.facts.name;
        let seq = discs.iter().filter_map(|disc| disc.listing).max();
        let seq = seq.ok_or_else(|| FlowError::NoListing(name.clone()))?;
        let maker = &Maker::new(places.sandbox, false);
        let expected = self.expected(discs, seq, maker)?;
        self.check_space(discs, places, content(&expected))?;
        let mut seen: Vec<Drilled> = discs.iter().map(|_| Drilled::default()).collect();
        let mut dirs = Vec::new();
        for (disc, seen) in discs.iter().zip(&mut seen) {
            self.begin(disc);
            let known = self.catalog.disc_files(self.set.id, disc.number)?;
            let files = places.files_of(disc.number, known_files(known), true)?;
            seen.faults.extend(files.bring_all());
            self.desk.stop.check()?;
            files.refuse_gone()?;
            dirs.push((disc.number, files.dir().to_owned()));
        }
        if seen.iter().any(|seen| !seen.faults.is_empty()) {
            self.desk
                .monitor
                .note("restore.sh was not run: not all files are those that were packed");
            return self.record_all(discs, seen, None);
        }
        // That of the newest disc, which knows what the others may have.
        let last = dirs.last().map(|(_, dir)| dir.clone()).unwrap_or_default();
        let (dirs, expected, sandbox) = (&dirs, &expected, places.sandbox);
        let running = Running { dirs, expected, passphrase, maker, sandbox, desk: self.desk };
        running.restore_sh(&last.join("restore.sh"), &mut seen)?;
        let formats = discs.iter().map(|disc| disc.format);
        running.simple_restore_sh(&last.join("simple-restore.sh"), formats, &mut seen)?;
        self.record_all(discs, seen, Some(Script::OfDisc))
    }

    /// What a restore of them all saw.
    fn record_all(
        mut self,
        discs: &[DiscInfo],
        seen: Vec<Drilled>,
        script: Option<Script>,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let both = discs.iter().zip(seen);
        both.map(|(disc, seen)| self.record(disc, seen, DrillScope::Whole, script)).collect()
    }

    fn expected(
        &self,
        discs: &[DiscInfo],
        seq: SnapshotSeq,
        maker: &Maker,
    ) -> Result<Vec<Expected>, FlowError> {
        let here = |disc: DiscNo| discs.iter().any(|known| known.number == disc);
        let mut rows = Vec::new();
        self.catalog.snapshot_rows(self.set.id, seq, |listed| {
            rows.push(listed.row);
            Ok::<(), FlowError>(())
        })?;
        Ok(expected(rows.into_iter(), here, maker))
    }

    fn check_space(
        &self,
        discs: &[DiscInfo],
        places: &Places,
        content: u64,
    ) -> Result<(), FlowError> {
        let images = discs.iter().filter_map(|disc| disc.image).map(|image| image.bytes().0);
        let copies = if places.pile.is_some() { total(images) } else { 0 };
        check_space(places.sandbox, content.saturating_add(copies))
    }

    fn record(
        &mut self,
        disc: &DiscInfo,
        seen: Drilled,
        scope: DrillScope,
        script: Option<Script>,
    ) -> Result<DrilledDisc, FlowError> {
        let (set, number) = (self.set.facts.name.clone(), disc.number);
        tell(number, &seen, self.desk);
        record(self.catalog, self.set.id, number, &seen, scope)?;
        Ok(DrilledDisc { set, number, seen, against: Against::Catalog, script })
    }
}

/// Listings say what sizes they like; together these may be more than a number holds.
fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// What there is to say of a disc before its last words.
fn tell(number: DiscNo, seen: &Drilled, desk: Desk) {
    for fault in &seen.faults {
        let thing = format!("disc {number}: {}", fault.path);
        desk.monitor.trouble(&Trouble { thing, what: fault.what.clone() });
    }
    for words in &seen.skipped {
        desk.monitor.note(&format!("disc {number}: not tried: {words}"));
    }
}

fn check_space(sandbox: &Sandbox, need: u64) -> Result<(), FlowError> {
    let dir = sandbox.0.clone();
    let free = free_space(&dir).unwrap_or(u64::MAX);
    match need > free {
        true => Err(FlowError::StagingFull { dir, need: Bytes(need), free: Bytes(free) }),
        false => Ok(()),
    }
}

fn known_files(files: Vec<DiscFile>) -> Vec<KnownFile> {
    let known = |file: DiscFile| {
        let DiscFile { path, size, sha256 } = file;
        KnownFile { path, size: size.0, sha256 }
    };
    files.into_iter().map(known).collect()
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
    let known = known_files(catalog.disc_files(set.id, disc.number)?);
    let knows = |row: &IndexRow| {
        let stored = row.sha256.map(|sha256| catalog.content_by_digest(set.id, &sha256, row.size));
        matches!(stored, Some(Ok(Some(_))))
    };
    let (disc, knows, stop) = (disc.uuid, &knows, desk.stop);
    Ok(sample(&Sampling { disc, known: &known, files, key, depth, knows, stop })?)
}
