//! The discs that lie at one place, sorted by set: what restoring and verifying start from.

pub(in crate::flow) mod group;
mod identity;
mod naming;
mod problem;
mod trust;
mod trust_error;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use crate::catalog::DiscInfo;
use crate::codec::openpgp::Checker;
use crate::drive::{Absence, DiscReader, Discs, Drive, DriveError, Folder, Shelf, discover};
use crate::format::DiscTxt;
use crate::format::volume::image_name;
use crate::model::disc::Encryption;
use crate::model::{DiscIdentity, DiscNo, DiscUuid, SetName, SetUuid};
use crate::port::cause::Cause;
use crate::port::event::Trouble;
use crate::port::notice::DiscNotice;
use crate::port::stop::{Stop, Stopped};
use crate::port::wanted::WantedMedium;

pub use identity::{Unnamed, identify};
pub use problem::{Problem, ProblemKind};
pub use trust::{Trust, Vetting, is_plain_content};
pub use trust_error::TrustError;

use crate::flow::library::insertion::{Came, with_medium};
use crate::flow::library::signatures::{Doubt, distrust, holds_stripes_only};
use crate::flow::{Context, DiscsError, FlowError, SelectionError, chain};

/// A disc, and the media or images that carry it.
pub struct FoundDisc {
    pub txt: DiscTxt,
    pub copies: Vec<Box<dyn DiscReader>>,
}

impl FoundDisc {
    pub fn label(&self) -> DiscIdentity {
        self.txt.id.clone()
    }
}

/// The discs of one set.
pub struct FoundSet {
    pub name: SetName,
    pub uuid: SetUuid,
    pub discs: BTreeMap<DiscNo, FoundDisc>,
    /// Discs that carry a number of `discs` and are others: a catalog was lost, or an old one used,
    /// and the number given again.
    pub twins: Vec<FoundDisc>,
    /// Discs that lie with these and do not say who they are.
    pub unnamed: Vec<Unnamed>,
}

/// Repairs a damaged disc; `None` if that cannot be done.
pub type RepairFn<'a> = &'a dyn Fn(&dyn DiscReader) -> Option<Box<dyn DiscReader>>;

/// How much of what was found is of no use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnusableCounts {
    /// Things that should be discs and cannot be read as such.
    pub damaged: u64,
    /// Discs, and parts of discs, that do not count.
    pub refused: u64,
}

/// All that lies at a place.
pub struct Inventory {
    pub from: PathBuf,
    pub sets: Vec<FoundSet>,
    pub problems: Vec<Problem>,
    /// Discs of whom that is not known yet; what there is to say of them is not among `problems`.
    pub unnamed: Vec<Unnamed>,
    /// Why things that were here are not any more: nothing is known of their soundness.
    pub gone: Vec<Absence>,
}

/// Looks at a directory of images, a shelf, a mounted disc, or one image.
pub fn look(from: &Path, stop: &Stop) -> Result<Inventory, FlowError> {
    Ok(Inventory::sorted(from, discover(from, stop)?))
}

/// Looks at the disc in a drive, and asks for one that `wanted` describes until it is of use.
pub fn look_in(
    drive: &mut dyn Drive,
    from: &Path,
    wanted: &WantedMedium,
    context: Context,
    fits: impl Fn(&Inventory) -> bool,
) -> Result<Inventory, FlowError> {
    look_and_see(drive, from, wanted, context, fits).map(|(inventory, _)| inventory)
}

/// The same, and how the disc came into the drive.
pub fn look_and_see(
    drive: &mut dyn Drive,
    from: &Path,
    wanted: &WantedMedium,
    context: Context,
    fits: impl Fn(&Inventory) -> bool,
) -> Result<(Inventory, Came), FlowError> {
    with_medium(drive, context, wanted, |drive, came| {
        let mut found = drive.discs()?;
        if let (true, Some(problem)) = (found.discs.is_empty(), found.problems.pop()) {
            return Err(problem.into());
        } else if found.discs.is_empty() {
            return Err(other_disc(drive, wanted)?);
        }
        let inventory = Inventory::sorted(from, found);
        if let Some(absence) = inventory.absence() {
            return Err(absence.into());
        }
        if fits(&inventory) {
            return Ok((inventory, came));
        }
        Err(FlowError::OtherDisc {
            drive: drive.title(),
            found: inventory.words(),
            wanted: wanted.clone().into(),
        })
    })
}

/// What is in the drive instead: nothing, or a blank.
fn other_disc(drive: &mut dyn Drive, wanted: &WantedMedium) -> Result<FlowError, FlowError> {
    let content = drive.slot().map(|slot| slot.content()).transpose()?.flatten();
    let (drive, wanted) = (drive.title(), wanted.clone().into());
    Ok(match content {
        Some(found) => FlowError::OtherDisc { drive, found, wanted },
        None => DriveError::Empty { drive }.into(),
    })
}

/// What a drive could not make a disc of.
pub(in crate::flow) fn drive_problem(error: DriveError) -> Problem {
    Problem::of_drive(error, is_called_like_ours)
}

/// `holidays-0007.iso`: whatever is in it, it was a coldcut disc.
fn is_called_like_ours(path: &Path) -> bool {
    let stem = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".iso"));
    stem.and_then(|stem| stem.rsplit_once('-')).is_some_and(|(set, number)| {
        let is_number = number.len() >= 4 && number.bytes().all(|b| b.is_ascii_digit());
        is_number && SetName::new(set).is_some()
    })
}

impl FoundSet {
    fn add(&mut self, txt: DiscTxt, reader: Box<dyn DiscReader>) {
        let mut all = self.discs.values_mut().chain(&mut self.twins);
        if let Some(known) = all.find(|found| found.txt.id.uuid == txt.id.uuid) {
            // One file by two names is one copy.
            let file = reader.file_id();
            if file.is_none() || !known.copies.iter().any(|copy| copy.file_id() == file) {
                known.copies.push(reader);
            }
            return;
        }
        let found = FoundDisc { txt, copies: vec![reader] };
        match self.discs.entry(found.txt.id.number) {
            Entry::Vacant(place) => drop(place.insert(found)),
            Entry::Occupied(mut place) if is_before(&place.get().txt, &found.txt) => {
                self.twins.push(place.insert(found));
            }
            Entry::Occupied(_) => self.twins.push(found),
        }
    }

    /// Without the discs of which no copy is left.
    fn drop_empty(&mut self) {
        self.discs.retain(|_, found| !found.copies.is_empty());
        self.twins.retain(|found| !found.copies.is_empty());
    }

    /// Of two discs with one number, the one that is meant is that which somebody knows by its
    /// UUID, as a catalog does.
    pub fn prefer(&mut self, number: DiscNo, uuid: DiscUuid) {
        let wanted = |twin: &FoundDisc| (twin.txt.id.number, twin.txt.id.uuid) == (number, uuid);
        if let Some(at) = self.twins.iter().position(wanted) {
            let twin = self.twins.swap_remove(at);
            self.twins.extend(self.discs.insert(number, twin));
        }
    }

    /// Prefers what a catalog knows. False if it knows a disc of a number that is here as another
    /// one: it tells of another history.
    pub fn is_known_as_here(&mut self, discs: &[DiscInfo]) -> bool {
        discs.iter().for_each(|disc| self.prefer(disc.number, disc.uuid));
        discs.iter().all(|disc| {
            self.discs.get(&disc.number).is_none_or(|found| found.txt.id.uuid == disc.uuid)
        })
    }

    /// How the set is encrypted, as far as any of its discs says it.
    pub fn encryption(&self) -> Encryption {
        let mut said = self.all().map(|found| found.txt.encryption);
        said.find(|said| *said != Encryption::None).unwrap_or(Encryption::None)
    }

    /// All discs, the twins, too.
    pub fn all(&self) -> impl Iterator<Item = &FoundDisc> {
        self.discs.values().chain(&self.twins)
    }

    /// Says which discs share a number.
    pub(in crate::flow) fn note_twins(&self, context: Context) {
        for twin in &self.twins {
            let DiscIdentity { number: disc, uuid: other, .. } = twin.txt.id;
            let used = self.discs.get(&disc).map(|found| found.txt.id.uuid);
            let medium = twin.copies.first().map_or_else(String::new, |copy| copy.title());
            let set = self.name.clone();
            context.monitor.note(DiscNotice::SameNumber { set, disc, used, other, medium }.into());
        }
    }
}

/// The higher snapshot wins; among equals the UUID decides, so that the order in which discs are
/// found does not.
fn is_before(a: &DiscTxt, b: &DiscTxt) -> bool {
    (a.snapshot, a.id.uuid.0) < (b.snapshot, b.id.uuid.0)
}

impl Inventory {
    /// Tells what could not be used of what was found; how much of that matters.
    pub fn tell_problems(&self, context: Context) -> UnusableCounts {
        let mut told = UnusableCounts::default();
        self.note_gone(context);
        for problem in &self.problems {
            match problem {
                Problem::Unusable { kind: ProblemKind::Damage, .. } => told.damaged += 1,
                Problem::Unusable { kind: ProblemKind::Refused, .. } => told.refused += 1,
                _ => {}
            }
            self.tell_problem(problem, context);
        }
        told
    }

    /// A disc that is missed is trouble; all else a person may want to know.
    fn tell_problem(&self, problem: &Problem, context: Context) {
        match problem.why().filter(|_| problem.is_missed()) {
            Some(why) => {
                let thing = self.from.display().to_string();
                context.monitor.trouble(&Trouble::new(thing, why.clone()));
            }
            None => context.monitor.note(problem.notice()),
        }
    }

    /// Says what was here and is not any more.
    pub(in crate::flow) fn note_gone(&self, context: Context) {
        for absence in &self.gone {
            context.monitor.note(DiscNotice::DiscGone { why: Cause::of(absence.clone()) }.into());
        }
    }

    fn sorted(from: &Path, found: Discs) -> Inventory {
        let mut inventory = Inventory::at(from);
        inventory.take(found);
        inventory
    }

    /// A place at which nothing was found yet.
    pub fn at(from: &Path) -> Inventory {
        let (sets, problems, unnamed, gone) = Default::default();
        Inventory { from: from.to_owned(), sets, problems, unnamed, gone }
    }

    /// Why something that was here is not any more.
    pub fn absence(&self) -> Option<Absence> {
        let known = self.sets.iter().flat_map(FoundSet::all).flat_map(|found| &found.copies);
        let mut all = known.chain(self.unnamed.iter().map(|unnamed| &unnamed.reader));
        self.gone.first().cloned().or_else(|| all.find_map(|reader| reader.absence()))
    }

    /// Discs of which nobody knows who they are, are of no use.
    pub fn give_up_unnamed(&mut self) {
        self.problems.extend(self.unnamed.drain(..).map(|unnamed| Problem::damage(unnamed.why)));
    }

    /// More discs, sorted in among the others.
    pub fn take(&mut self, found: Discs) {
        for problem in found.problems {
            match problem {
                DriveError::Gone(absence) => self.gone.push(absence),
                problem => self.problems.push(drive_problem(problem)),
            }
        }
        for reader in found.discs {
            let told = identify(&*reader);
            if let (Err(_), Some(absence)) = (&told, reader.absence()) {
                self.gone.push(absence);
                continue;
            }
            match told {
                Ok((txt, remark)) => {
                    self.problems.extend(remark.map(Problem::Remark));
                    self.add(txt, reader);
                }
                Err(Problem::Unusable { kind: ProblemKind::Damage, why }) => {
                    self.unnamed.push(Unnamed { reader, why });
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// Without the discs that none of these keys signed; they become problems. One whose list of
    /// sums is signed, and which is only damaged, is repaired before.
    pub fn keep_signed(
        mut self,
        checker: Option<&Checker>,
        mend: RepairFn,
        stop: &Stop,
    ) -> Result<Inventory, Stopped> {
        let Some(checker) = checker else { return Ok(self) };
        let Inventory { sets, problems, unnamed, .. } = &mut self;
        let mut repaired = Vec::new();
        let all = sets
            .iter_mut()
            .flat_map(|found_set| found_set.discs.values_mut().chain(&mut found_set.twins));
        for found in all {
            let copies = std::mem::take(&mut found.copies);
            let sifted = sift(copies, checker, mend, problems, stop)?;
            found.copies = sifted.signed;
            repaired.extend(sifted.repaired);
        }
        for Unnamed { reader, why } in unnamed.drain(..) {
            let sifted = sift(vec![reader], checker, mend, problems, stop)?;
            // Who does not say who they are in a signed text are nobody.
            problems.extend((!sifted.signed.is_empty()).then_some(Problem::damage(why)));
            repaired.extend(sifted.repaired);
        }
        self.sets.iter_mut().for_each(FoundSet::drop_empty);
        // Who such a disc is says what was signed, and not what was read before.
        self.take(Discs { discs: repaired, problems: Vec::new() });
        self.give_up_unnamed();
        self.sets.retain(|found_set| !found_set.discs.is_empty());
        Ok(self)
    }

    /// The same, where there must be something left.
    pub fn must_be_signed(
        self,
        checker: Option<&Checker>,
        mend: RepairFn,
        stop: &Stop,
    ) -> Result<Inventory, FlowError> {
        let inventory = self.keep_signed(checker, mend, stop)?;
        if checker.is_some() && inventory.sets.is_empty() {
            return Err(inventory.nothing());
        }
        Ok(inventory)
    }

    /// What was found, for people.
    pub(in crate::flow) fn words(&self) -> String {
        let discs = self.sets.iter().flat_map(|found_set| found_set.discs.values());
        let mut words: Vec<String> = discs.map(|found| found.label().to_string()).collect();
        words
            .extend(self.problems.iter().filter_map(|problem| problem.why().map(Cause::to_string)));
        words.extend(self.unnamed.iter().map(|unnamed| unnamed.why.to_string()));
        words.join(", ")
    }

    fn add(&mut self, txt: DiscTxt, reader: Box<dyn DiscReader>) {
        let at = self
            .sets
            .iter()
            .position(|found_set| found_set.uuid == txt.id.set_uuid)
            .unwrap_or_else(|| {
                let (name, uuid) = (txt.id.set.clone(), txt.id.set_uuid);
                let (discs, twins, unnamed) = (BTreeMap::new(), Vec::new(), Vec::new());
                self.sets.push(FoundSet { name, uuid, discs, twins, unnamed });
                self.sets.len() - 1
            });
        let found_set = &mut self.sets[at];
        // A set can have been renamed: the name on the disc with the highest number counts.
        if found_set.all().all(|found| found.txt.id.number < txt.id.number) {
            found_set.name = txt.id.set.clone();
        }
        found_set.add(txt, reader);
    }

    /// All but the set of this name is left out, if one is named.
    pub fn keep_named(&mut self, name: Option<&SetName>) -> Result<(), FlowError> {
        let Some(wanted) = name else { return Ok(()) };
        let known = self.names();
        self.sets.retain(|found_set| found_set.name == *wanted);
        if self.sets.is_empty() && !known.is_empty() {
            return Err(SelectionError::NoSuchSet { wanted: wanted.clone(), known }.into());
        }
        Ok(())
    }

    /// The set that is meant: the named one, or the only one.
    pub fn choose(mut self, name: Option<&SetName>) -> Result<FoundSet, FlowError> {
        let known = self.names();
        if self.sets.is_empty() {
            return Err(self.nothing());
        }
        let mut meant: Vec<FoundSet> = self
            .sets
            .into_iter()
            .filter(|found_set| name.is_none_or(|n| found_set.name == *n))
            .collect();
        match (meant.pop(), meant.is_empty(), name) {
            (Some(found_set), true, _) => {
                Ok(FoundSet { unnamed: std::mem::take(&mut self.unnamed), ..found_set })
            }
            (Some(_), false, _) => Err(SelectionError::SeveralSets { known }.into()),
            (None, _, Some(wanted)) => {
                Err(SelectionError::NoSuchSet { wanted: wanted.clone(), known }.into())
            }
            (None, _, None) => Err(DiscsError::NoDiscs(self.from).into()),
        }
    }

    /// Why there is no disc to work with.
    pub fn nothing(&self) -> FlowError {
        if let Some(absence) = self.gone.first() {
            return absence.clone().into();
        }
        let from = self.from.clone();
        let of_ours = [ProblemKind::Damage, ProblemKind::Refused, ProblemKind::Newer];
        let is_ours = |problem: &&Problem| problem.kind().is_some_and(|k| of_ours.contains(&k));
        let problem = self.problems.iter().find(is_ours).and_then(Problem::why);
        match problem.or(self.unnamed.first().map(|unnamed| &unnamed.why)) {
            Some(why) => DiscsError::Unusable { from, what: why.clone() }.into(),
            None => DiscsError::NoDiscs(from).into(),
        }
    }

    /// Names; where two sets have the same, their UUIDs, too.
    fn names(&self) -> String {
        let twice = |found_set: &FoundSet| {
            self.sets.iter().filter(|p| p.name == found_set.name).count() > 1
        };
        let named = |found_set: &FoundSet| match twice(found_set) {
            true => format!("{} ({})", found_set.name, found_set.uuid),
            false => found_set.name.to_string(),
        };
        self.sets.iter().map(named).collect::<Vec<_>>().join(", ")
    }
}

/// Copies of a disc by their signatures.
struct Sifted {
    signed: Vec<Box<dyn DiscReader>>,
    /// The disc as it was signed, where none of the copies is so any more.
    repaired: Option<Box<dyn DiscReader>>,
}

fn sift(
    copies: Vec<Box<dyn DiscReader>>,
    checker: &Checker,
    mend: RepairFn,
    problems: &mut Vec<Problem>,
    stop: &Stop,
) -> Result<Sifted, Stopped> {
    let mut sifted = Sifted { signed: Vec::new(), repaired: None };
    let mut doubtful = Vec::new();
    for copy in copies {
        match distrust(&*copy, checker, stop)? {
            Some(doubt) if !holds_stripes_only(&*copy) => doubtful.push((copy, doubt)),
            _ => sifted.signed.push(copy),
        }
    }
    for (copy, Doubt { what, is_mendable }) in doubtful {
        // A repair takes long, and one sound copy is enough.
        if is_mendable && sifted.signed.is_empty() && sifted.repaired.is_none() {
            sifted.repaired = mend(&*copy);
            if sifted.repaired.is_some() {
                problems.push(Problem::Remark(DiscNotice::SignedDiscRepaired { why: what.into() }));
                continue;
            }
        }
        problems.push(if is_mendable { Problem::damage(what) } else { Problem::refused(what) });
    }
    Ok(sifted)
}

/// Reaches for a disc where it should be, and says what is there if it is another one.
pub fn wrong_disc(from: &Path, label: &DiscIdentity) -> Option<String> {
    if !from.is_dir() || Folder::is_one(from) {
        return None;
    }
    match Shelf::open(from).and_then(|mut shelf| shelf.find(label)) {
        Err(error @ DriveError::WrongDisc { .. }) => Some(chain(&error)),
        _ => None,
    }
}

impl FoundDisc {
    /// A shelf may be told to give another disc than the one that is in its place; a disc that
    /// lies elsewhere, as one of two sets of one name must, was found already.
    pub fn swapped_for(&self, from: &Path) -> Option<String> {
        let place =
            from.join(image_name(&self.txt.id.set, self.txt.id.number)).display().to_string();
        let in_place = self.copies.iter().any(|copy| copy.title() == place);
        in_place.then(|| wrong_disc(from, &self.label()))?
    }
}
