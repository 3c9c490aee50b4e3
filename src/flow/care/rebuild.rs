//! A catalog rebuilt from discs, in any order: the newest catalog among them is taken over, and
//! what it does not know is read from the discs that came later; from listings, and where those are
//! damaged, from the archives themselves.

mod archive_contents;
mod found;
mod found_copies;
mod gather;
mod history;
mod past;
mod request;
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::catalog::{
    Access, Catalog, CatalogError, DiscState, KnownCopies, KnownSet, NumberConflict, Replacement,
    SetFacts, SetId,
};
use crate::codec::openpgp::Opener;
use crate::drive::{DiscReader, Drive};
use crate::model::disc::{Encryption, Ratio};
use crate::model::{DiscNo, SetName, SetUuid, SnapshotSeq};
use crate::port::cause::Cause;
use crate::port::clock::Moment;
use crate::port::event::{Activity, Trouble};
use crate::port::monitor::NewTask;
use crate::port::notice::CatalogNotice;
use crate::port::stop::Stop;

use crate::flow::base::keys::KnownKeys;
use crate::flow::base::set_copy::SetCopy;
use crate::flow::base::turn::in_turn;
use crate::flow::library::branches::settle;
use crate::flow::library::inventory::{FoundDisc, FoundSet, Inventory, Vetting};
use crate::flow::library::listings::FromDiscs;
use crate::flow::library::repair::{RepairableDisc, Repairer};
use crate::flow::library::unlock::check_listings;
use crate::flow::restore::note_problems;
use crate::flow::staging::area::Staging;
use crate::flow::{Context, FlowError, SelectionError};

use archive_contents::ArchiveContents;
pub use request::RebuildRequest;
use settings::SetSettings;

/// A set that was rebuilt.
#[derive(Clone, Debug)]
pub struct RebuiltSet {
    pub set: SetName,
    pub uuid: SetUuid,
    /// Finished snapshots.
    pub snapshots: usize,
    pub newest: Option<SnapshotSeq>,
    /// The disc whose catalog was taken over.
    pub catalog_of: Option<DiscNo>,
    pub discs: Vec<DiscNo>,
    /// Numbers below the highest of which no disc was here.
    pub missing_discs: Vec<DiscNo>,
    pub twins: Vec<NumberConflict>,
    /// Discs that nobody has read back, as far as is known now.
    pub unproven: Vec<DiscNo>,
    /// Verifications and drills that discs tell of, and that do not count: nothing vouches for the
    /// discs.
    pub unvouched: u64,
    /// Files of the newest snapshot whose content is on no disc that was here.
    pub lost_files: u64,
    /// The newest snapshot was pieced together: files that were deleted may be in it.
    pub is_pieced: bool,
    /// Things that could not be read, of which the set would have told more.
    pub complaints: u64,
}

#[derive(Clone, Debug, Default)]
pub struct RebuildReport {
    pub sets: Vec<RebuiltSet>,
    /// Things that should be discs and cannot be read as such.
    pub unreadable: u64,
    /// Discs, and parts of discs, that do not count. Each was told.
    pub refused: u64,
    /// Where the former catalog is now.
    pub aside: Option<PathBuf>,
}

impl RebuildReport {
    /// Nothing is missing of what the discs at hand were to tell.
    pub fn is_complete(&self) -> bool {
        let whole = |set: &RebuiltSet| set.lost_files + set.complaints == 0 && !set.is_pieced;
        self.unreadable + self.refused == 0 && self.sets.iter().all(whole)
    }
}

/// Makes the catalog again. `drives` are those among the places, in their order. The former catalog
/// is moved aside once the new one is whole, and not before.
pub fn rebuild(
    request: &RebuildRequest,
    drives: Vec<Option<Box<dyn Drive>>>,
    context: Context,
) -> Result<RebuildReport, FlowError> {
    let signed_by = request.trust.signed_by.as_ref();
    let repairer = &Repairer::new(&request.scratch, signed_by, context);
    // Of discs in drives nothing but listings is at hand: those were repaired as they came.
    let is_whole = drives.iter().all(Option::is_none);
    let (mut inventory, _copied) = gather::gather(request, drives, repairer, context)?;
    let repairer = is_whole.then_some(repairer);
    inventory.name_by_catalog(&request.catalog);
    if let (Some(repairer), None) = (repairer, signed_by) {
        inventory.name_with(|disc| repairer.name(disc));
    }
    let mend = |disc: &dyn DiscReader| repairer.and_then(|repairer| repairer.repaired(disc));
    let mut inventory = inventory.must_be_signed(signed_by, &mend, context.stop)?;
    Vetting::new(&request.trust, &request.catalog).vet(&mut inventory);
    let mut report = RebuildReport::default();
    let told = inventory.tell_problems(context);
    report.unreadable += told.damaged;
    report.refused += told.refused;
    refuse_gone(&inventory)?;
    inventory.keep_named(request.name.as_ref())?;
    if inventory.sets.is_empty() {
        return Err(inventory.nothing());
    }
    let (kept, replaced) = present_sets(request, &inventory, context)?;
    let mut new = in_turn(context, None, || Replacement::begin(&request.catalog))?;
    for set in kept {
        take_over(&request.catalog, &set, request, new.catalog(), context.stop)?;
    }
    for found_set in &mut inventory.sets {
        // Whoever is not of this set is offered to the next one.
        found_set.unnamed.append(&mut inventory.unnamed);
        let former = replaced.iter().find(|set| set.facts.uuid == found_set.uuid);
        let rebuilt =
            Rebuilder::new(request, found_set, repairer, (new.catalog(), former), context)?
                .run()?;
        report.sets.push(rebuilt);
        inventory.unnamed.append(&mut found_set.unnamed);
    }
    refuse_gone(&inventory)?;
    found_copies::record(new.catalog(), &inventory.sets, context)?;
    for set in &mut report.sets {
        set.unproven = unread(new.catalog(), set.uuid)?;
    }
    for unnamed in inventory.unnamed.drain(..) {
        report.unreadable += 1;
        let thing = inventory.from.display().to_string();
        context.monitor.trouble(&Trouble::new(thing, unnamed.why));
    }
    report.aside = new.finish()?;
    Ok(report)
}

/// A disc that went away while it was read would be missed in the new catalog, which would look
/// whole: nothing is replaced then.
fn refuse_gone(inventory: &Inventory) -> Result<(), FlowError> {
    inventory.absence().map_or(Ok(()), |absence| Err(absence.into()))
}

/// The sets of the present catalog that stay as they are, and those that are rebuilt; none if it is
/// destroyed.
fn present_sets(
    request: &RebuildRequest,
    inventory: &Inventory,
    context: Context,
) -> Result<(Vec<KnownSet>, Vec<KnownSet>), FlowError> {
    let none = || Ok((Vec::new(), Vec::new()));
    let sets = Catalog::open(&request.catalog, Access::Read).and_then(|catalog| {
        catalog.check()?;
        catalog.sets()
    });
    let sets = match sets {
        Ok(sets) => sets,
        Err(CatalogError::Missing { .. }) => return none(),
        Err(error @ CatalogError::Damaged { .. }) => {
            context.monitor.note(CatalogNotice::CatalogReplaced { why: Cause::of(error) }.into());
            return none();
        }
        Err(CatalogError::NotOurs { .. }) if is_empty(&request.catalog) => return none(),
        Err(error) => return Err(error.into()),
    };
    let is_here =
        |set: &&KnownSet| inventory.sets.iter().any(|found_set| found_set.uuid == set.facts.uuid);
    if let (Some(known), false) = (sets.iter().find(is_here), request.replace) {
        return Err(FlowError::KnownAlready(known.facts.name.clone()));
    }
    Ok(sets.into_iter().partition(|set| !is_here(&set)))
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() == 0)
}

/// Discs of which no copy was read back yet.
fn unread(catalog: &Catalog, uuid: SetUuid) -> Result<Vec<DiscNo>, CatalogError> {
    let Some(set) = catalog.sets()?.into_iter().find(|set| set.facts.uuid == uuid) else {
        return Ok(Vec::new());
    };
    let discs = catalog.discs(set.id)?.into_iter();
    let unread = discs.filter(|disc| disc.state == DiscState::Burned);
    Ok(unread.map(|disc| disc.number).collect())
}

/// A set goes from the present catalog into the new one as it goes onto a disc and back.
fn take_over(
    from: &Path,
    set: &KnownSet,
    request: &RebuildRequest,
    new: &mut Catalog,
    stop: &Stop,
) -> Result<(), FlowError> {
    let from = Catalog::open(from, Access::Read)?;
    let copy = SetCopy::new(&from, set.id, &request.scratch, stop)?;
    let id = import(new, &copy.catalog, stop)?;
    Ok(new.keep_settings(id, set)?)
}

fn import(into: &mut Catalog, from: &Catalog, stop: &Stop) -> Result<SetId, FlowError> {
    into.import_set(from, stop).or_else(|error| {
        stop.check()?;
        Err(error.into())
    })
}

/// One set in progress.
struct Rebuilder<'a> {
    request: &'a RebuildRequest<'a>,
    context: Context<'a>,
    found_set: &'a FoundSet,
    /// Repairs what can be read from no copy.
    repairer: Option<&'a Repairer<'a>>,
    keys: KnownKeys,
    catalog: &'a mut Catalog,
    set: SetId,
    catalog_of: Option<DiscNo>,
    /// The set in the catalog that is replaced.
    former: Option<SetId>,
    /// Nobody else than the owner can have written the catalog that was taken over.
    is_vouched: bool,
    /// Discs of another history of the set.
    others: Vec<FoundDisc>,
    /// Discs whose listing is not used.
    doubtful: BTreeSet<DiscNo>,
    complaints: u64,
}

impl<'a> Rebuilder<'a> {
    /// Takes over the newest catalog that can be read, or begins the set with what discs say.
    fn new(
        request: &'a RebuildRequest<'a>,
        found_set: &'a mut FoundSet,
        repairer: Option<&'a Repairer<'a>>,
        (catalog, former): (&'a mut Catalog, Option<&KnownSet>),
        context: Context<'a>,
    ) -> Result<Rebuilder<'a>, FlowError> {
        let encryption = found_set.encryption();
        let keys = request.keys.for_known_discs(&found_set.name, encryption, |opener| {
            check_listings(opener, found_set)
        })?;
        let (scratch, opener) = (&request.scratch, keys.opener.as_ref());
        let others = settle(found_set, (opener, context.stop), request.trust.history)?;
        others.note(context);
        let discs =
            FromDiscs { found_set, opener, scratch, context, repairer, doubts: Default::default() };
        let base = discs.newest_proved_catalog();
        context.stop.check()?;
        let complaints = discs.doubts.count();
        let is_signed = request.trust.signed_by.is_some();
        let is_vouched = base.as_ref().is_some_and(|(_, known)| {
            is_signed || (encryption == Encryption::Passphrase && known.is_sealed)
        });
        let (set, catalog_of) = match &base {
            Some((disc, known)) => {
                let discs = known.catalog.discs(known.set)?;
                for set in known.catalog.sets()? {
                    note_problems(&found_set.name_by(&set.facts, &discs), context);
                }
                discs.iter().for_each(|disc| found_set.prefer(disc.number, disc.uuid));
                let set = import(catalog, &known.catalog, context.stop)?;
                let sets = known.catalog.sets()?;
                if let Some(told) = sets.iter().find(|set| set.id == known.set) {
                    let (keys, disc) = (&keys, *disc);
                    SetSettings { told, disc, former, keys, is_signed, context }
                        .settle(catalog, set)?;
                }
                (set, Some(*disc))
            }
            None => {
                let set = catalog.create_set(&facts(request, found_set, &keys))?;
                if let Some(former) = former {
                    catalog.keep_settings(set, former)?;
                    if keys.certs.is_some() {
                        catalog.set_keys(set, keys.certs.as_deref(), keys.token.as_deref())?;
                    }
                }
                (set, None)
            }
        };
        found_set.note_twins(context);
        let doubtful = BTreeSet::new();
        Ok(Rebuilder {
            request,
            context,
            found_set,
            repairer,
            keys,
            catalog,
            set,
            catalog_of,
            former: former.map(|former| former.id),
            is_vouched,
            others: others.discs,
            doubtful,
            complaints,
        })
    }

    /// The disc as it would be if it were repaired.
    fn repairable(&self, found: &'a FoundDisc) -> Option<RepairableDisc<'a>> {
        self.repairer?.offer(found)
    }

    fn opener(&self) -> Option<&Opener> {
        self.keys.opener.as_ref()
    }

    fn run(mut self) -> Result<RebuiltSet, FlowError> {
        let mut archive_contents = ArchiveContents::default();
        for found in self.found_set.discs.values() {
            self.context.stop.check()?;
            let new = NewTask::new(Activity::Reading).disc(found.txt.id.number);
            let _task = self.context.monitor.begin(new);
            self.look_for_contradiction(found);
            self.adopt(found, &mut archive_contents)?;
        }
        for twin in self.found_set.twins.iter().chain(&self.others) {
            let (number, uuid) = (twin.txt.id.number, twin.txt.id.uuid);
            let snapshot = twin.txt.snapshot;
            self.catalog.adopt_twin(self.set, &NumberConflict { number, uuid, snapshot })?;
        }
        let waiting = self.still_staged()?;
        self.catalog.assume_burned(self.set, &waiting)?;
        let is_pieced = self.tell_history(archive_contents)?;
        let unvouched = self.settle_copies()?;
        self.report(is_pieced, unvouched)
    }

    /// Gives how many readings do not count that discs told of.
    fn settle_copies(&mut self) -> Result<u64, FlowError> {
        let before = match self.former {
            Some(former) => {
                Catalog::open(&self.request.catalog, Access::Read)?.known_copies(former)?
            }
            None => KnownCopies::default(),
        };
        let settled = self.catalog.settle_copies(self.set, &before, self.is_vouched)?;
        let found = settled.lost.into_iter().filter(|disc| self.found_set.discs.contains_key(disc));
        let discs: Vec<DiscNo> = found.collect();
        if !discs.is_empty() {
            let set = self.found_set.name.clone();
            self.context.monitor.note(CatalogNotice::LostInFormerCatalog { set, discs }.into());
        }
        Ok(settled.refused)
    }

    /// The listing of a disc whose INDEX contradicts its DISC.txt is another time's, or another
    /// disc's.
    fn look_for_contradiction(&mut self, found: &FoundDisc) {
        let (scratch, opener, context) =
            (&self.request.scratch, self.keys.opener.as_ref(), self.context);
        let (found_set, repairer) = (self.found_set, self.repairer);
        let discs =
            FromDiscs { found_set, opener, scratch, context, repairer, doubts: Default::default() };
        if let Some(why) = discs.contradiction(found) {
            self.trouble(found.label().to_string(), why);
            self.doubtful.insert(found.txt.id.number);
        }
    }

    /// Discs that wait for a burner, whole: the staging area outlived the catalog.
    fn still_staged(&self) -> Result<Vec<DiscNo>, FlowError> {
        let staging = Staging::open(&self.request.staging)?;
        let known = self.known_set()?;
        let mut waiting = Vec::new();
        for disc in self.catalog.discs(self.set)? {
            let files = self.catalog.disc_files(self.set, disc.number)?;
            let files: Vec<_> = files.into_iter().map(|file| (file.path, file.size.0)).collect();
            let waits = matches!(disc.state, DiscState::Staged | DiscState::Failed);
            if waits && !files.is_empty() && staging.holds(&known, disc.number, &files) {
                waiting.push(disc.number);
            }
        }
        Ok(waiting)
    }

    fn known_set(&self) -> Result<KnownSet, FlowError> {
        let sets = self.catalog.sets()?;
        sets.into_iter().find(|set| set.id == self.set).ok_or_else(|| SelectionError::NoSets.into())
    }

    fn trouble(&mut self, thing: String, what: impl Into<Cause>) {
        self.complaints += 1;
        self.context.monitor.trouble(&Trouble::new(thing, what));
    }

    fn report(self, is_pieced: bool, unvouched: u64) -> Result<RebuiltSet, FlowError> {
        let snapshots = self.catalog.snapshots(self.set)?;
        let newest = self.catalog.newest_snapshot(self.set)?;
        let lost_files = match newest {
            Some(seq) => self.catalog.extent(self.set, seq)?.waiting,
            None => 0,
        };
        let discs = self.catalog.discs(self.set)?;
        let here: BTreeSet<DiscNo> = self.found_set.discs.keys().copied().collect();
        let known = discs.iter().map(|disc| disc.number);
        let highest = known.chain(here.iter().copied()).max().map_or(0, |number| number.0);
        let missing = (1..=highest).map(DiscNo).filter(|number| !here.contains(number));
        Ok(RebuiltSet {
            set: self.found_set.name.clone(),
            uuid: self.found_set.uuid,
            snapshots: snapshots.iter().filter(|snapshot| snapshot.finished.is_some()).count(),
            newest,
            catalog_of: self.catalog_of,
            missing_discs: missing.collect(),
            twins: self.catalog.twins(self.set)?,
            unproven: Vec::new(), // until the media are recorded
            unvouched,
            discs: here.into_iter().collect(),
            lost_files,
            is_pieced,
            complaints: self.complaints,
        })
    }
}

/// A set of which no catalog is left.
fn facts(request: &RebuildRequest, found_set: &FoundSet, keys: &KnownKeys) -> SetFacts {
    let first = found_set.discs.values().next();
    let last = found_set.discs.values().next_back();
    let date = first.and_then(|found| Moment::parse(&found.txt.date));
    SetFacts {
        name: found_set.name.clone(),
        uuid: found_set.uuid,
        source: PathBuf::new(), // until a listing tells
        encryption: last.map_or(Encryption::None, |found| found.txt.encryption),
        certs: keys.certs.clone(),
        token: keys.token.clone(),
        hidden: request.keys.hidden,
        compression: last.map_or(crate::model::disc::Compression::Bzip2, |f| f.txt.compression),
        parity: last.map_or(0, |found| found.txt.parity),
        parity_discs: ratio(found_set),
        created: date.unwrap_or(Moment(0)),
    }
}

/// How many recovery discs for how many: the largest group tells, for others were closed early.
fn ratio(found_set: &FoundSet) -> Option<Ratio> {
    let groups = found_set.discs.values().filter_map(|found| found.txt.group.as_ref());
    let group = groups.max_by_key(|group| group.discs.len())?;
    Ratio::parse(&format!("{}/{}", group.of, group.discs.len()))
}
