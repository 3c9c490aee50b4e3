//! `coldcut drill`: do standard tools open what we made?

mod request;
mod returned;
mod running;
mod sample;
mod sandbox;
mod staged;
mod sticking;
mod unknown;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use crate::catalog::{Catalog, DiscInfo, DiscState, DrillScope, KnownSet};
use crate::codec::openpgp::Opener;
use crate::drill::{Depth, Drilled, SampleKey};
use crate::drive::Drive;
use crate::model::disc::Encryption;
use crate::model::{DiscNo, SetName, SnapshotSeq};
use crate::port::event::Activity;
use crate::port::monitor::{NewTask, RunningTask};
use crate::port::notice::DrillNotice;
use crate::port::passphrase::Secret;
use crate::port::wanted::{DiscChoice, Purpose, WantedDisc, WantedMedium};

use crate::flow::base::sets::no_disc;
use crate::flow::base::turn::open_to_record;
use crate::flow::library::insertion::while_it_comes_back;
use crate::flow::library::inventory::{FoundDisc, FoundSet, Inventory, Vetting, look, look_in};
use crate::flow::library::locations::places_of_disc;
use crate::flow::staging::area::Staging;
use crate::flow::{Context, DiscsError, FlowError, choose_set};
use crate::model::Against;
pub use request::{DrillReport, DrillRequest, DrilledDisc, RestoreScript};
use returned::{ExpectedPath, Maker, content, expected};
use running::DrillRun;
use sample::{known_files, record, take_sample, tell};
use sandbox::{DiscSources, DrillSandbox, check_space, total};

pub(in crate::flow) use staged::{drill_staged, drill_without_keys, is_untried, refuse_unreadable};

/// Drills the discs that are meant. Damage is in the report, not an error; a disc that is taken out
/// of the drive meanwhile is asked for again.
pub fn drill(
    request: &DrillRequest,
    mut drive: Option<&mut (dyn Drive + 'static)>,
    context: Context,
) -> Result<DrillReport, FlowError> {
    while_it_comes_back(context, || drill_those(request, drive.as_deref_mut(), context))
}

fn drill_those(
    request: &DrillRequest,
    drive: Option<&mut (dyn Drive + 'static)>,
    context: Context,
) -> Result<DrillReport, FlowError> {
    let Some(from) = &request.from else {
        let mut catalog = open_to_record(&request.catalog, context)?;
        let round = Round { request, staging: &Staging::open(&request.staging)?, context };
        let set = choose_set(catalog.sets()?, request.name.as_ref())?;
        let discs = round.known(&mut catalog, &set, None, &request.discs)?;
        return Ok(DrillReport { discs, refused: 0 });
    };
    let mut catalog = open_if_there(&request.catalog, context)?;
    let round = Round { request, staging: &Staging::open(&request.staging)?, context };
    let mut report = DrillReport::default();
    report.discs = match drive {
        Some(drive) => round.through(catalog.as_mut(), drive, &mut report.refused)?,
        None => {
            let found = look(from, context.stop)?;
            let found_set = round.trusted(found, request.name.as_ref(), &mut report.refused)?;
            round.at_hand(catalog.as_mut(), found_set, &request.discs)?
        }
    };
    Ok(report)
}

/// Discs that lie somewhere need no catalog, and none is made for them.
fn open_if_there(path: &Path, context: Context) -> Result<Option<Catalog>, FlowError> {
    match Catalog::open_if_there(path)? {
        None => Ok(None),
        Some(read) => {
            drop(read);
            open_to_record(path, context).map(Some)
        }
    }
}

/// One run of the command.
struct Round<'a, 'k> {
    request: &'a DrillRequest<'k>,
    staging: &'a Staging,
    context: Context<'a>,
}

impl Round<'_, '_> {
    /// The discs that were named, one after the other; without a name, the one that is in the
    /// drive.
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
            let found_set = self.inserted(catalog.as_deref(), drive, number, refused)?;
            drilled.extend(self.at_hand(catalog.as_deref_mut(), found_set, number.as_slice())?);
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
    ) -> Result<FoundSet, FlowError> {
        let Round { request, context, .. } = *self;
        let from = request.from.as_deref().unwrap_or(Path::new(""));
        let name = request.name.as_ref();
        let (Some(number), Some(catalog)) = (number, catalog) else {
            let wanted = WantedMedium::any(None, DiscChoice::ToDrill);
            let is_it = |found_set: &FoundSet| {
                number.is_none_or(|number| found_set.discs.contains_key(&number))
            };
            let found = look_in(drive, from, &wanted, context, |inventory| {
                inventory.sets.iter().any(is_it)
            })?;
            return self.trusted(found, name, refused);
        };
        let set = choose_set(catalog.sets()?, name)?;
        let known = catalog.disc(set.id, number)?.ok_or_else(|| no_disc(&set, number))?;
        let kept = places_of_disc(catalog, set.id, number);
        let wanted = WantedDisc::new(&set.facts.name, number);
        let wanted = wanted.kept(kept).to(Purpose::Drill).into();
        let is_it = |found_set: &FoundSet| {
            let found = found_set.discs.get(&number).map(|found| found.txt.id.uuid);
            found_set.uuid == set.facts.uuid && found == Some(known.uuid)
        };
        let inventory =
            look_in(drive, from, &wanted, context, |inventory| inventory.sets.iter().any(is_it))?;
        self.trusted(inventory, Some(&set.facts.name), refused)
    }

    /// The discs that are meant, without what does not count; that is told.
    fn trusted(
        &self,
        inventory: Inventory,
        name: Option<&SetName>,
        refused: &mut u64,
    ) -> Result<FoundSet, FlowError> {
        let trust = &self.request.trust;
        let vetting = Vetting::new(trust, &self.request.catalog);
        let (inventory, count) = trust.sift(inventory, vetting, self.context)?;
        *refused += count;
        inventory.choose(name)
    }

    /// Discs that lie somewhere: first those that the catalog knows.
    fn at_hand(
        &self,
        catalog: Option<&mut Catalog>,
        found_set: FoundSet,
        only: &[DiscNo],
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let parted = parted(catalog.as_deref(), found_set, only)?;
        let mut done = Vec::new();
        if let (Some(catalog), Some((set, found_set))) = (catalog, parted.known) {
            done = self.known(catalog, &set, Some(&found_set), &[])?;
        }
        if let Some(found_set) = parted.unknown {
            done.extend(unknown::drill(
                self.request,
                &self.staging.scratch(),
                &found_set,
                self.context,
            )?);
        }
        Ok(done)
    }

    /// Discs that the catalog knows.
    fn known(
        &self,
        catalog: &mut Catalog,
        set: &KnownSet,
        found_set: Option<&FoundSet>,
        only: &[DiscNo],
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let Round { request, staging, context } = *self;
        let discs = discs_of(catalog, set, found_set, only)?;
        let discs = without_recovery_discs(catalog, set, discs, context)?;
        if discs.is_empty() {
            return Ok(Vec::new());
        }
        let sandbox = DrillSandbox::make(&staging.scratch())?;
        let places = DiscSources { staging, set, found_set, sandbox: &sandbox, stop: context.stop };
        let keys = DrillKeys::of(request, set)?;
        let session = DrillSession { catalog, set, context };
        match request.all {
            true => session.all(&discs, &places, keys.passphrase.as_ref()),
            false => session.samples(&discs, &places, &keys),
        }
    }
}

/// Discs at hand, by whether the catalog knows them.
struct Parted {
    known: Option<(KnownSet, FoundSet)>,
    unknown: Option<FoundSet>,
}

fn parted(
    catalog: Option<&Catalog>,
    mut found_set: FoundSet,
    only: &[DiscNo],
) -> Result<Parted, FlowError> {
    let sets = catalog.map(Catalog::sets).transpose()?.unwrap_or_default();
    let set = sets.into_iter().find(|set| set.facts.uuid == found_set.uuid);
    let discs = match (catalog, &set) {
        (Some(catalog), Some(set)) => catalog.discs(set.id)?,
        _ => Vec::new(),
    };
    found_set.is_known_as_here(&discs);
    if let Some(lost) = only.iter().find(|wanted| !found_set.discs.contains_key(wanted)) {
        return Err(FlowError::NotHere(*lost));
    }
    let is_known = |found: &FoundDisc| {
        let same = |disc: &&DiscInfo| disc.number == found.txt.id.number;
        let known = discs.iter().find(same).filter(|disc| disc.state != DiscState::Open);
        known.is_some_and(|disc| disc.uuid == found.txt.id.uuid)
    };
    let meant = found_set.discs.into_iter().filter(|(no, _)| only.is_empty() || only.contains(no));
    let (known, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        meant.partition(|(_, found)| is_known(found));
    let (name, uuid) = (found_set.name, found_set.uuid);
    let of = |discs: BTreeMap<DiscNo, FoundDisc>| {
        let (name, twins, unnamed) = (name.clone(), Vec::new(), Vec::new());
        (!discs.is_empty()).then_some(FoundSet { name, uuid, discs, twins, unnamed })
    };
    Ok(Parted { known: set.zip(of(known)), unknown: of(unknown) })
}

/// The discs that are there and known, or those of them that were named.
fn discs_of(
    catalog: &Catalog,
    set: &KnownSet,
    found_set: Option<&FoundSet>,
    only: &[DiscNo],
) -> Result<Vec<DiscInfo>, FlowError> {
    let mut discs = catalog.discs(set.id)?;
    discs.retain(|disc| match found_set {
        None => matches!(disc.state, DiscState::Staged | DiscState::Failed),
        Some(found_set) => found_set
            .discs
            .get(&disc.number)
            .is_some_and(|found| disc.state != DiscState::Open && found.txt.id.uuid == disc.uuid),
    });
    if let Some(lost) = only.iter().find(|wanted| !discs.iter().any(|d| d.number == **wanted)) {
        return Err(FlowError::NotHere(*lost));
    }
    discs.retain(|disc| only.is_empty() || only.contains(&disc.number));
    match (discs.is_empty(), found_set) {
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
    context: Context,
) -> Result<Vec<DiscInfo>, FlowError> {
    let mut with_files = Vec::new();
    for disc in discs {
        if catalog.covered_by(set.id, disc.number)?.is_empty() {
            with_files.push(disc);
        } else {
            let disc = disc.number;
            context.monitor.note(DrillNotice::RecoveryDiscNotDrilled { disc }.into());
        }
    }
    Ok(with_files)
}

/// What opens the set's files, in the shapes that gpg and we ourselves take.
struct DrillKeys {
    passphrase: Option<Secret>,
    opener: Option<Opener>,
}

impl DrillKeys {
    fn of(request: &DrillRequest, set: &KnownSet) -> Result<DrillKeys, FlowError> {
        match set.facts.encryption {
            Encryption::None => Ok(DrillKeys { passphrase: None, opener: None }),
            Encryption::Passphrase => {
                let passphrase = Some(request.keys.checked_passphrase(set)?);
                Ok(DrillKeys { passphrase, opener: None })
            }
            // restore.sh takes gpg's key ring, as it would on the day that it is needed.
            Encryption::Recipients if request.all => {
                Ok(DrillKeys { passphrase: None, opener: None })
            }
            Encryption::Recipients => {
                let name = (&set.facts.name, None);
                let opener = request.keys.opener(name, Encryption::Recipients, |_| Ok(()))?;
                Ok(DrillKeys { passphrase: None, opener })
            }
        }
    }
}

struct DrillSession<'a> {
    catalog: &'a mut Catalog,
    set: &'a KnownSet,
    context: Context<'a>,
}

impl DrillSession<'_> {
    fn samples(
        mut self,
        discs: &[DiscInfo],
        places: &DiscSources,
        keys: &DrillKeys,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let by_opener = |file: &File| match &keys.opener {
            Some(opener) => opener.file_key(file).map(Some),
            None => Ok(None),
        };
        let key = match (&keys.passphrase, self.set.facts.encryption) {
            (Some(secret), _) => SampleKey::Passphrase(secret),
            (None, Encryption::None) => SampleKey::None,
            (None, _) => SampleKey::Files(&by_opener),
        };
        let mut done = Vec::new();
        for disc in discs {
            let _task = self.begin(disc);
            let known = self.catalog.disc_files(self.set.id, disc.number)?;
            let files = places.files_of(disc.number, known_files(known), false)?;
            let seen = take_sample(
                self.catalog,
                self.set,
                disc,
                &files,
                &key,
                Depth::Thorough,
                self.context,
            )?;
            files.refuse_gone()?;
            done.push(self.record(disc, seen, DrillScope::Sample, None)?);
        }
        Ok(done)
    }

    fn begin(&self, disc: &DiscInfo) -> RunningTask {
        self.context.monitor.begin(NewTask::new(Activity::Drilling).disc(disc.number))
    }

    /// restore.sh, over all these discs at once, and every path of their newest listing that is on
    /// them wholly; then simple-restore.sh, if that is all of them. They get the passphrase, and
    /// run with our rights: only where every file of the discs, themselves among them, is the one
    /// that was packed.
    fn all(
        self,
        discs: &[DiscInfo],
        places: &DiscSources,
        passphrase: Option<&Secret>,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let name = &self.set.facts.name;
        let seq = discs.iter().filter_map(|disc| disc.listing()).max();
        let seq = seq.ok_or_else(|| DiscsError::NoListing(name.clone()))?;
        let maker = &Maker::new(places.sandbox, false);
        let expected = self.expected(discs, seq, maker)?;
        self.check_space(discs, places, content(&expected))?;
        let mut seen: Vec<Drilled> = discs.iter().map(|_| Drilled::default()).collect();
        let mut dirs = Vec::new();
        for (disc, seen) in discs.iter().zip(&mut seen) {
            let _task = self.begin(disc);
            let known = self.catalog.disc_files(self.set.id, disc.number)?;
            let files = places.files_of(disc.number, known_files(known), true)?;
            seen.faults.extend(files.bring_all());
            self.context.stop.check()?;
            files.refuse_gone()?;
            dirs.push((disc.number, files.dir().to_owned()));
        }
        if seen.iter().any(|seen| !seen.faults.is_empty()) {
            self.context.monitor.note(DrillNotice::ScriptNotRun.into());
            return self.record_all(discs, seen, None);
        }
        // That of the newest disc, which knows what the others may have.
        let last = dirs.last().map(|(_, dir)| dir.clone()).unwrap_or_default();
        let (dirs, expected, sandbox) = (&dirs, &expected, places.sandbox);
        let running =
            DrillRun { dirs, expected, passphrase, maker, sandbox, context: self.context };
        let _task = self.context.monitor.begin(NewTask::new(Activity::Drilling));
        running.restore_sh(&last.join("restore.sh"), &mut seen)?;
        let formats = discs.iter().map(|disc| disc.format);
        running.simple_restore_sh(&last.join("simple-restore.sh"), formats, &mut seen)?;
        self.record_all(discs, seen, Some(RestoreScript::OfDisc))
    }

    /// What a restore of them all saw.
    fn record_all(
        mut self,
        discs: &[DiscInfo],
        seen: Vec<Drilled>,
        script: Option<RestoreScript>,
    ) -> Result<Vec<DrilledDisc>, FlowError> {
        let both = discs.iter().zip(seen);
        both.map(|(disc, seen)| self.record(disc, seen, DrillScope::Whole, script)).collect()
    }

    fn expected(
        &self,
        discs: &[DiscInfo],
        seq: SnapshotSeq,
        maker: &Maker,
    ) -> Result<Vec<ExpectedPath>, FlowError> {
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
        places: &DiscSources,
        content: u64,
    ) -> Result<(), FlowError> {
        let images = discs.iter().filter_map(|disc| disc.image()).map(|image| image.bytes().0);
        let copies = if places.found_set.is_some() { total(images) } else { 0 };
        check_space(places.sandbox, content.saturating_add(copies))
    }

    fn record(
        &mut self,
        disc: &DiscInfo,
        seen: Drilled,
        scope: DrillScope,
        script: Option<RestoreScript>,
    ) -> Result<DrilledDisc, FlowError> {
        let (set, number) = (self.set.facts.name.clone(), disc.number);
        tell(number, &seen, self.context);
        record(self.catalog, self.set.id, number, &seen, scope)?;
        Ok(DrilledDisc { set, number, seen, against: Against::Catalog, script })
    }
}
