//! `coldcut check`: reads copies again before they are needed. It picks those that nobody read for
//! the longest time and those of a suspect batch, and keeps how hard each was to read, because
//! media grow slow before they grow silent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::catalog::{
    Access, Catalog, Copy, CopyNo, CopyState, DiscInfo, Finding, KnownSet, Part, ReadOrdinal,
    Verification,
};
use crate::drive::Drive;
use crate::format::volume::image_name;
use crate::model::{Batch, Carrier, DiscNo, SetName, ShelfPlace, Strain};
use crate::port::cause::Cause;
use crate::port::clock::Moment;
use crate::port::disc_count::DiscCount;
use crate::port::notice::{DiscNotice, DriveNotice, VerifyNotice};
use crate::port::wanted::{WantedDisc, WantedMedium};

use crate::flow::base::medium_name::disc_name;
use crate::flow::base::turn::{open_to_record, unless_in_use};
use crate::flow::care::verify::{
    CatalogSet, CheckedDisc, MediumExpectation, verify_copy, wanted_by_catalog,
};
use crate::flow::library::insertion::{Came, RETURNS, comes_back, give_back};
use crate::flow::library::inventory::{FoundDisc, Inventory, Trust, Vetting, look, look_and_see};
use crate::flow::library::locations::{Met, lies_at, places, recognise, settle, shelf_of};
use crate::flow::library::shelves::{Visit, as_met, meet};
use crate::flow::library::unread::{is_doubtful, is_said_to_be};
use crate::flow::{Context, FlowError, SelectionError, choose_set};

/// So many readings of a copy are shown as its trend.
const TREND: usize = 5;

/// Which copies are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// So many, the suspect ones first, then those that were not verified for the longest time.
    Count(u32),
    /// All that have not been verified for this long, and all suspect ones.
    OlderThan(Duration),
}

pub struct CheckRequest {
    /// A drive, or where the copies lie; empty: wherever they are, to be listed only.
    pub from: PathBuf,
    pub catalog: PathBuf,
    /// Only copies of this set.
    pub name: Option<SetName>,
    pub due: Due,
    /// Which discs count.
    pub trust: Trust,
}

/// A copy that is to be read.
#[derive(Clone, Debug)]
pub struct DueCopy {
    pub set: KnownSet,
    pub disc: DiscInfo,
    pub copy: Copy,
    /// When it was last verified.
    pub verified: Option<Moment>,
    /// Why it is suspect.
    pub suspect: Option<String>,
    turn: Option<ReadOrdinal>,
    /// It was never read, and another copy would look the same.
    is_doubtful: bool,
}

impl DueCopy {
    /// `disc 3 of photos, copy 2, kept in shelf B`.
    pub fn words(&self) -> String {
        let wanted = self.wanted();
        disc_name(&wanted) + &wanted.kept.clause()
    }

    fn wanted(&self) -> WantedDisc {
        let wanted = WantedDisc::new(&self.set.facts.name, self.disc.number);
        let kept = places(std::slice::from_ref(&self.copy));
        wanted.copy(Some(self.copy.number.0)).kept(kept)
    }

    /// Whether a disc that lay in the drive unasked counts as this copy.
    fn is_sure(&self, drive: &str, context: Context) -> bool {
        let (set, disc) = (&self.set.facts.name, self.disc.number);
        !self.is_doubtful || is_said_to_be(&self.copy, set, disc, drive, context)
    }

    fn is(&self, found: &FoundDisc) -> bool {
        found.txt.id.set_uuid == self.set.facts.uuid && found.txt.id.uuid == self.disc.uuid
    }
}

/// A copy that was read.
#[derive(Clone, Debug)]
pub struct CheckedCopy {
    pub checked: CheckedDisc,
    pub copy: CopyNo,
    /// Its last readings, the one just made at the end.
    pub trend: Vec<(Moment, Strain)>,
}

#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    pub checked: Vec<CheckedCopy>,
    /// Due, and not there.
    pub missing: Vec<DueCopy>,
    /// Due, and to be looked for elsewhere.
    pub elsewhere: Vec<DueCopy>,
    /// Due, and what is there in their places does not count.
    pub untrusted: Vec<DueCopy>,
    /// Discs and files that do not count, for whoever made them.
    pub refused: u64,
}

/// The copies that are due, in the order in which they are to be read.
pub fn due(request: &CheckRequest, now: Moment) -> Result<Vec<DueCopy>, FlowError> {
    let catalog = Catalog::open(&request.catalog, Access::Read)?;
    Ok(pick(candidates(&catalog, request.name.as_ref())?, request.due, now))
}

/// Every copy that counts, of the sets that are meant, the most urgent first. Suspicion knows no
/// sets: media of one purchase carry several.
fn candidates(catalog: &Catalog, name: Option<&SetName>) -> Result<Vec<DueCopy>, FlowError> {
    let sets = catalog.sets()?;
    let meant = match name {
        Some(name) => vec![choose_set(catalog.sets()?, Some(name))?],
        None if sets.is_empty() => return Err(SelectionError::NoSets.into()),
        None => sets.clone(),
    };
    let suspects = suspects(catalog, &sets)?;
    let mut all = Vec::new();
    for set in meant {
        let readings = catalog.readings(set.id)?;
        for disc in catalog.discs(set.id)? {
            let copies = catalog.copies(set.id, disc.number)?;
            for copy in copies.iter().cloned() {
                let is_doubtful = is_doubtful(&copy, &copies);
                let is_unread = copy.state == CopyState::Burned;
                // One that another coldcut burns at this moment is not there yet.
                let counts = copy.is_good()
                    || is_unread
                        && unless_in_use(catalog.hold(Part::Disc(set.id, disc.number)))?.is_some();
                let here =
                    |r: &&crate::catalog::Readings| r.disc == disc.number && r.copy == copy.number;
                let good = readings.iter().find(here).and_then(|r| r.good);
                let suspect = suspects.why(&copy, good.map(|(turn, _)| turn));
                if counts {
                    let (set, disc) = (set.clone(), disc.clone());
                    let (turn, verified) = good.unzip();
                    all.push(DueCopy { set, disc, copy, verified, suspect, turn, is_doubtful });
                }
            }
        }
    }
    all.sort_by_key(|due| (due.suspect.is_none(), due.turn));
    Ok(all)
}

fn pick(all: Vec<DueCopy>, due: Due, now: Moment) -> Vec<DueCopy> {
    match due {
        Due::Count(count) => all.into_iter().take(count as usize).collect(),
        Due::OlderThan(age) => {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            let limit = now.0.saturating_sub(age);
            // A date that is still to come was set by a wrong clock, and says nothing.
            let is_old = |at: Moment| at.0 <= limit || at > now;
            let is_due = |due: &DueCopy| due.suspect.is_some() || due.verified.is_none_or(is_old);
            all.into_iter().filter(is_due).collect()
        }
    }
}

/// Batches of which a medium failed, and when it last did.
struct Suspects(BTreeMap<Batch, (ReadOrdinal, String)>);

fn suspects(catalog: &Catalog, sets: &[KnownSet]) -> Result<Suspects, FlowError> {
    let mut failed: BTreeMap<Batch, (ReadOrdinal, String)> = BTreeMap::new();
    for set in sets {
        for reading in catalog.readings(set.id)? {
            let Some(bad) = reading.bad else { continue };
            let copies = catalog.copies(set.id, reading.disc)?;
            let copy = copies.iter().find(|copy| copy.number == reading.copy);
            let Some(batch) = copy.and_then(|copy| copy.medium.batch()) else { continue };
            let words = format!("disc {} of {}, on {batch}, failed", reading.disc, set.facts.name);
            let newest = failed.entry(batch).or_insert_with(|| (bad, words.clone()));
            if bad > newest.0 {
                *newest = (bad, words);
            }
        }
    }
    Ok(Suspects(failed))
}

impl Suspects {
    /// A copy is trusted again once it was verified after the failure.
    fn why(&self, copy: &Copy, found_right: Option<ReadOrdinal>) -> Option<String> {
        let (failed, words) = self.0.get(&copy.medium.batch()?)?;
        (found_right < Some(*failed)).then(|| words.clone())
    }
}

/// Reads the copies that are due, as far as they come: through the drive one after the other, or
/// from where they lie.
pub fn check(
    request: &CheckRequest,
    drive: Option<&mut (dyn Drive + 'static)>,
    context: Context,
) -> Result<CheckReport, FlowError> {
    // Without a catalog there is nothing to check, and none is made here.
    drop(Catalog::open(&request.catalog, Access::Read)?);
    let catalog = open_to_record(&request.catalog, context)?;
    let mut session = CheckSession { request, catalog, context, report: CheckReport::default() };
    match drive {
        Some(drive) => session.through(drive)?,
        None => session.at_place()?,
    }
    Ok(session.report)
}

struct CheckSession<'a> {
    request: &'a CheckRequest,
    catalog: Catalog,
    context: Context<'a>,
    report: CheckReport,
}

impl CheckSession<'_> {
    /// What is on a shelf is not inserted anywhere.
    fn through(&mut self, drive: &mut (dyn Drive + 'static)) -> Result<(), FlowError> {
        let all = candidates(&self.catalog, self.request.name.as_ref())?;
        let (shelved, loose): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|due| shelf_of(&due.copy).is_some());
        self.report.elsewhere = self.pick(shelved);
        let mut due = self.pick(loose);
        self.expect(&due);
        let mut returns = 0;
        while let Some(first) = due.first() {
            let wanted = match due.len() {
                1 => first.wanted().into(),
                _ => WantedMedium::AnyOf { discs: due.iter().map(DueCopy::wanted).collect() },
            };
            let fits = |inventory: &Inventory| {
                each(inventory).any(|disc| due.iter().any(|due| due.is(disc)))
            };
            match look_and_see(drive, &self.request.from, &wanted, self.context, fits) {
                Ok((inventory, came)) => {
                    let came_in =
                        each(&inventory).find_map(|disc| due.iter().position(|d| d.is(disc)));
                    let inventory = self.trusted(inventory)?;
                    let (title, context) = (drive.title(), self.context);
                    if let (Some(at), true) = (came_in, inventory.sets.is_empty()) {
                        self.report.untrusted.push(due.remove(at));
                        self.context.monitor.count_discs(|count| count.skip(1));
                        drop(inventory);
                        give_back(drive, context)?;
                        continue;
                    }
                    let is_it = |due: &DueCopy, disc: &FoundDisc| {
                        due.is(disc) && (came == Came::AsAsked || due.is_sure(&title, context))
                    };
                    let found = each(&inventory).find_map(|disc| {
                        Some((disc, due.iter().position(|due| is_it(due, disc))?))
                    });
                    let Some((disc, at)) = found else {
                        drop(inventory);
                        let notice = DriveNotice::PerhapsOtherCopy { drive: title };
                        context.monitor.note(notice.into());
                        if let Some(slot) = drive.slot() {
                            slot.eject()?;
                        }
                        continue;
                    };
                    let one = due.remove(at);
                    match self.read(&inventory, disc, 0, &one, None) {
                        Err(error) if error.absence().is_some() => {
                            let is_lasting = !comes_back(&error);
                            self.tell_gone(error);
                            self.context.monitor.count_discs(DiscCount::put_back);
                            due.insert(0, one);
                            drop(inventory);
                            returns += 1;
                            if is_lasting || returns > RETURNS {
                                self.report.missing.append(&mut due);
                            }
                            continue;
                        }
                        read => read?,
                    }
                    // The same medium must not be taken for the next copy that is due.
                    drop(inventory);
                    give_back(drive, self.context)?;
                }
                Err(error @ FlowError::NeverCame { .. }) => {
                    let notice = DriveNotice::NotInserted { why: Cause::of(error) };
                    self.context.monitor.note(notice.into());
                    self.report.missing.append(&mut due);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What lies at a place is what is found there, and what was put there and is not.
    fn at_place(&mut self) -> Result<(), FlowError> {
        let inventory = look(&self.request.from, self.context.stop)?;
        let all_lying: HashSet<CopyKey> =
            lying(&inventory, &mut self.catalog, self.context)?.into_keys().collect();
        let inventory = self.trusted(inventory)?;
        let lying = lying(&inventory, &mut self.catalog, self.context)?;
        // Shelves that moved are known by now.
        let all = candidates(&self.catalog, self.request.name.as_ref())?;
        let is_here = |due: &DueCopy| all_lying.contains(&key(due));
        let belongs = |due: &DueCopy| {
            shelf_of(&due.copy).is_some_and(|dir| is_within(dir, &self.request.from))
        };
        let (here, other): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|due| is_here(due) || belongs(due));
        self.report.elsewhere = match self.request.due {
            Due::OlderThan(_) => self.pick(other),
            Due::Count(_) => Vec::new(),
        };
        if here.is_empty() {
            return Err(inventory.nothing());
        }
        let due = self.pick(here);
        self.expect(&due);
        for due in due {
            match lying.get(&key(&due)) {
                Some((disc, at, medium)) => {
                    match self.read(&inventory, disc, *at, &due, Some(medium)) {
                        Err(error) if error.absence().is_some() => {
                            self.tell_gone(error);
                            self.context.monitor.count_discs(|count| count.end(false));
                            self.report.missing.push(due);
                        }
                        read => read?,
                    }
                }
                None => {
                    self.context.monitor.count_discs(|count| count.skip(1));
                    match all_lying.contains(&key(&due)) {
                        true => self.report.untrusted.push(due),
                        false => self.report.missing.push(due),
                    }
                }
            }
        }
        Ok(())
    }

    /// Without what no disc that counts has; that is told.
    fn trusted(&mut self, inventory: Inventory) -> Result<Inventory, FlowError> {
        let CheckRequest { trust, catalog, .. } = self.request;
        let (inventory, refused) =
            trust.sift(inventory, Vetting::comparing(trust, catalog), self.context)?;
        self.report.refused += refused;
        Ok(inventory)
    }

    fn tell_gone(&self, error: FlowError) {
        self.context.monitor.note(DiscNotice::DiscGone { why: Cause::of(error) }.into());
    }

    fn pick(&self, all: Vec<DueCopy>) -> Vec<DueCopy> {
        pick(all, self.request.due, Moment::now())
    }

    /// Says what is to be read.
    fn expect(&self, due: &[DueCopy]) {
        self.context.monitor.count_discs(|count| count.expect(due.len() as u64, false));
        for due in due {
            let notice = VerifyNotice::CopyDue {
                set: due.set.facts.name.clone(),
                disc: due.disc.number,
                copy: due.copy.number.0,
                places: places(std::slice::from_ref(&due.copy)),
                suspect: due.suspect.clone(),
            };
            self.context.monitor.note(notice.into());
        }
    }

    fn read(
        &mut self,
        inventory: &Inventory,
        disc: &FoundDisc,
        at: usize,
        due: &DueCopy,
        medium: Option<&Carrier>,
    ) -> Result<(), FlowError> {
        let Some(reader) = disc.copies.get(at) else { return Ok(()) };
        let wanted = self.wanted(inventory, disc)?;
        self.context.monitor.count_discs(DiscCount::begin);
        let checked = verify_copy(&**reader, disc, Ok(wanted), None, self.context)?;
        let seen = Verification {
            disc: due.disc.number,
            copy: due.copy.number,
            at: Moment::now(),
            drive: reader.title(),
            outcome: checked.outcome.clone(),
        };
        if let Some(medium) = medium {
            let standard = image_name(&due.set.facts.name, seen.disc);
            let (file, finding) = (reader.file_id(), Some(checked.finding()));
            let met = Met { medium, file, standard: &standard, finding };
            settle(&mut self.catalog, due.set.id, seen.disc, &due.copy, &met)?;
        }
        self.catalog.record_verification(due.set.id, &seen)?;
        let trend = trend(&self.catalog, due)?;
        let is_verified = checked.finding() == Finding::Ok;
        self.context.monitor.count_discs(|count| count.end(is_verified));
        self.report.checked.push(CheckedCopy { checked, copy: due.copy.number, trend });
        Ok(())
    }

    fn wanted(
        &self,
        inventory: &Inventory,
        disc: &FoundDisc,
    ) -> Result<MediumExpectation, FlowError> {
        let found_set =
            inventory.sets.iter().find(|found_set| found_set.uuid == disc.txt.id.set_uuid);
        let known = found_set.and_then(|found_set| CatalogSet::find(&self.catalog, found_set));
        known
            .and_then(|known| wanted_by_catalog(&known, disc))
            .ok_or_else(|| SelectionError::NoSets.into())
    }
}

fn each(inventory: &Inventory) -> impl Iterator<Item = &FoundDisc> {
    inventory.sets.iter().flat_map(|found_set| found_set.discs.values())
}

/// A set's UUID, a disc of it, a copy of that.
type CopyKey = (String, DiscNo, CopyNo);

/// A disc at a place, which of its media there, and what carries it.
type Lying<'a> = BTreeMap<CopyKey, (&'a FoundDisc, usize, Carrier)>;

fn key(due: &DueCopy) -> CopyKey {
    (due.set.facts.uuid.to_string(), due.disc.number, due.copy.number)
}

/// Which copy each medium at a place is.
fn lying<'a>(
    inventory: &'a Inventory,
    catalog: &mut Catalog,
    context: Context,
) -> Result<Lying<'a>, FlowError> {
    let mut lying = Lying::new();
    let sets = catalog.sets()?;
    let shelves = shelves_of(inventory, catalog, context)?;
    for disc in each(inventory) {
        let Some(set) = sets.iter().find(|set| set.facts.uuid == disc.txt.id.set_uuid) else {
            continue;
        };
        let copies = catalog.copies(set.id, disc.txt.id.number)?;
        let standard = image_name(&set.facts.name, disc.txt.id.number);
        let mut taken = HashSet::new();
        // Those that lie where they were put are told first.
        let mut media: Vec<usize> = (0..disc.copies.len()).collect();
        let medium = |at: usize| as_met(&disc.copies[at].medium(), &shelves);
        let is_at_home = |at: &usize| copies.iter().any(|c| lies_at(c, &medium(*at)));
        media.sort_by_key(|at| !is_at_home(at));
        for at in media {
            let (medium, file) = (medium(at), disc.copies[at].file_id());
            let met = Met { medium: &medium, file, standard: &standard, finding: None };
            if let Some(copy) = recognise(&copies, &met, &taken) {
                taken.insert(copy.number);
                let key = (set.facts.uuid.to_string(), disc.txt.id.number, copy.number);
                lying.insert(key, (disc, at, medium));
            }
        }
    }
    Ok(lying)
}

/// How the shelves at a place are to be noted.
fn shelves_of(
    inventory: &Inventory,
    catalog: &mut Catalog,
    context: Context,
) -> Result<HashMap<PathBuf, ShelfPlace>, FlowError> {
    let mut shelves = HashMap::new();
    for medium in each(inventory).flat_map(|disc| &disc.copies).map(|copy| copy.medium()) {
        let Some(dir) = medium.shelf() else { continue };
        if !shelves.contains_key(dir) {
            let here =
                meet(catalog, dir, Visit::Read, &|notice| context.monitor.note(notice.into()))?;
            shelves.insert(dir.to_owned(), here);
        }
    }
    Ok(shelves)
}

fn is_within(dir: &Path, from: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(dir).starts_with(real(from))
}

fn trend(catalog: &Catalog, due: &DueCopy) -> Result<Vec<(Moment, Strain)>, FlowError> {
    let mut seen = catalog.verifications(due.set.id, due.disc.number)?;
    seen.retain(|seen| seen.copy == due.copy.number);
    let skip = seen.len().saturating_sub(TREND);
    Ok(seen.into_iter().skip(skip).map(|seen| (seen.at, seen.outcome.strain())).collect())
}

impl CheckReport {
    pub fn is_sound(&self) -> bool {
        self.refused == 0 && self.checked.iter().all(|copy| copy.checked.finding() == Finding::Ok)
    }
}

impl CheckedCopy {
    /// It takes more tries, or longer ones, than when it was read before.
    pub fn ages(&self) -> bool {
        match &self.trend[..] {
            [.., (_, before), (_, now)] => {
                now.unreadable > before.unreadable
                    || now.slow > before.slow
                    || now.slowest > before.slowest.saturating_mul(2)
            }
            _ => false,
        }
    }
}
