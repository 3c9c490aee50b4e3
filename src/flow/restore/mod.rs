//! From discs back to files: choose the snapshot and the paths, look at the target, plan, say the
//! plan, then disc by disc. The discs alone are always enough; our own catalog only saves time.

mod at_once;
mod in_drive;
pub mod later_disc;
mod places;
mod request;
pub mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::catalog::Catalog;
use crate::codec::openpgp::Opener;
use crate::drive::{Absence, DiscReader};
use crate::model::rows::SnapshotRow;
use crate::model::{Bytes, DiscNo, Kind, SnapshotSeq};
use crate::port::cause::Cause;
use crate::port::event::Trouble;
use crate::port::files::free_space;
use crate::port::notice::{CatalogNotice, DiscNotice, RestoreNotice};
use crate::port::operator::Operator;
use crate::port::question::{Answer, Question};
use crate::port::stop::Stopped;
use crate::restore::extract::Restorer;
use crate::restore::index::Fetch;
use crate::restore::nodes::DirPolicy;
use crate::restore::place::{PlaceError, Target};
use crate::restore::plan::{RestorePlan, Why, plan};
use crate::restore::privileges::Privileges;
use crate::restore::select::Selection;
use crate::restore::survey::Survey;

use crate::flow::library::branches::settle;
use crate::flow::library::insertion::{RETURNS, while_it_comes_back};
use crate::flow::library::inventory::{FoundDisc, FoundSet, Problem, Vetting};
use crate::flow::library::listings::{ChosenListing, FromDiscs, KnownIn};
use crate::flow::library::repair::Repairer;
use crate::flow::library::unlock::open_set;
use crate::flow::library::vouching::withhold_rights;
use crate::flow::{Context, FlowError, SelectionError};

pub use places::ReadingDrive;
use places::{Places, look_around};
pub use request::{RestoreReport, RestoreRequest};

/// Restores, or (dry run) says what it would do. `drives`: for each of [`RestoreRequest::from`],
/// the drive if it is one. Discs come through drives one after the other; one that is taken out
/// meanwhile is asked for again.
pub fn restore(
    request: &RestoreRequest,
    drives: Vec<Option<ReadingDrive>>,
    context: Context,
) -> Result<RestoreReport, FlowError> {
    let mut places = Places::new(&request.from, drives);
    loop {
        let done = while_it_comes_back(context, || restore_from(request, places.again(), context));
        match done {
            // The others may have all that is needed.
            Err(error) if error.absence().is_some() && places.drop_gone(context) => {}
            done => return done,
        }
    }
}

fn restore_from(
    request: &RestoreRequest,
    mut places: Places,
    context: Context,
) -> Result<RestoreReport, FlowError> {
    let signed_by = request.trust.signed_by.as_ref();
    let repairer = Repairer::new(&request.scratch, signed_by, context);
    let mut vetting = Vetting::new(&request.trust, &request.catalog);
    let mut inventory = look_around(request, &mut places, context)?;
    inventory.name_by_catalog(&request.catalog);
    if signed_by.is_none() {
        inventory.name_with(|reader| repairer.name(reader));
    }
    let mend = |disc: &dyn DiscReader| repairer.repaired(disc);
    let mut inventory = inventory.must_be_signed(signed_by, &mend, context.stop)?;
    vetting.vet(&mut inventory);
    note_problems(&inventory.problems, context);
    inventory.note_gone(context);
    let is_missed = inventory.problems.iter().any(Problem::is_missed);
    let mut in_doubt = is_missed || !inventory.gone.is_empty();
    let mut found_set = inventory.choose(request.name.as_ref())?;
    let known = local_catalog(request, &mut found_set, context)?;
    let needs_key = !(request.dry_run && known.is_some());
    let opener =
        if needs_key { open_set(&request.keys, &found_set, known.as_ref())? } else { None };
    if known.is_none() {
        ask_newest_catalog(request, &mut found_set, opener.as_ref(), &repairer, context)?;
        let others =
            settle(&mut found_set, (opener.as_ref(), context.stop), request.trust.history)?;
        others.note(context);
    }
    for unnamed in found_set.unnamed.drain(..) {
        context.monitor.note(Problem::damage(unnamed.why).notice());
        in_doubt = true;
    }
    found_set.note_twins(context);
    let mut session =
        RestoreSession::new(request, context, found_set, places, opener, repairer, vetting);
    let choice = session.choose(known);
    // What is missing of the listings of a disc that went away is not damaged.
    if let Some(absence) = session.absence() {
        return Err(absence.into());
    }
    let (mut chosen, known) = session.with_later_disc(choice)?;
    if let Some(absence) = session.absence() {
        return Err(absence.into());
    }
    // What cannot be read may be the disc that has the newest listing.
    chosen.is_damaged |= in_doubt && known.is_none();
    session.known = known;
    session.note_empty(&chosen);
    session.run(chosen)
}

/// Which of two discs with one number is meant, and who those are that do not say it: the newest
/// catalog on the discs may know.
fn ask_newest_catalog(
    request: &RestoreRequest,
    found_set: &mut FoundSet,
    opener: Option<&Opener>,
    repairer: &Repairer,
    context: Context,
) -> Result<(), FlowError> {
    if found_set.twins.is_empty() && found_set.unnamed.is_empty() {
        return Ok(());
    }
    let (scratch, repairer) = (&request.scratch, Some(repairer));
    let discs =
        FromDiscs { found_set, opener, scratch, context, repairer, doubts: Default::default() };
    let Some((_, known)) = discs.newest_catalog() else { return Ok(()) };
    let discs = known.catalog.discs(known.set)?;
    let sets = known.catalog.sets()?;
    if let Some(set) = sets.iter().find(|set| set.id == known.set) {
        note_problems(&found_set.name_by(&set.facts, &discs), context);
    }
    discs.iter().for_each(|disc| found_set.prefer(disc.number, disc.uuid));
    Ok(())
}

/// Files for the program's own use, whatever snapshots they are of: these rows of a set, into the
/// request's target.
pub(in crate::flow) fn fetch(
    request: &RestoreRequest,
    drive: Option<ReadingDrive>,
    found_set: FoundSet,
    known: (KnownIn, SnapshotSeq),
    rows: Vec<SnapshotRow>,
    context: Context,
) -> Result<RestoreReport, FlowError> {
    let opener =
        request.keys.opener((&found_set.name, None), found_set.encryption(), |_| Ok(()))?;
    let (known, seq) = known;
    let repairer = Repairer::new(&request.scratch, request.trust.signed_by.as_ref(), context);
    let vetting = Vetting::new(&request.trust, &request.catalog);
    let places = Places::new(&request.from, vec![drive]);
    let mut session =
        RestoreSession::new(request, context, found_set, places, opener, repairer, vetting);
    session.known = Some(known);
    let selection = Selection { rows, ..Selection::default() };
    session.run(ChosenListing { seq, selection, is_damaged: false })
}

pub(in crate::flow) fn note_problems(problems: &[Problem], context: Context) {
    problems.iter().for_each(|problem| context.monitor.note(problem.notice()));
}

/// Our own catalog and the snapshot that is meant, if it knows the set, and no less than the discs
/// do. One that is damaged or newer than this program is no hindrance.
fn local_catalog(
    request: &RestoreRequest,
    found_set: &mut FoundSet,
    context: Context,
) -> Result<Option<(KnownIn, SnapshotSeq)>, FlowError> {
    let found = find_set(&request.catalog, found_set).unwrap_or_else(|error| {
        context.monitor.note(CatalogNotice::CatalogNotUsed { why: Cause::of(error) }.into());
        None
    });
    let Some(known) = found else { return Ok(None) };
    if !found_set.is_known_as_here(&known.catalog.discs(known.set)?) {
        context.monitor.note(CatalogNotice::CatalogOfOtherDiscs.into());
        return Ok(None);
    }
    let on_discs = found_set.discs.values().map(|found| found.txt.snapshot).max();
    let in_catalog = known.catalog.snapshots(known.set)?.last().map(|snapshot| snapshot.seq);
    if on_discs > in_catalog {
        // Whether a disc that is newer than the catalog is the owner's, nothing here can tell.
        let newer = found_set.discs.values().filter(|found| Some(found.txt.snapshot) > in_catalog);
        let discs = newer.map(|found| found.txt.id.number).collect();
        let set = found_set.name.clone();
        context.monitor.note(CatalogNotice::CatalogOlder { set, discs }.into());
        return Ok(None);
    }
    match (known.finished(request.snapshot)?, request.snapshot) {
        (Some(seq), _) => Ok(Some((known, seq))),
        (None, Some(wanted)) => {
            let (set, wanted) = (found_set.name.clone(), wanted.to_string());
            Err(SelectionError::NoSuchSnapshot { set, wanted }.into())
        }
        (None, None) => Ok(None),
    }
}

fn find_set(catalog: &Path, found_set: &FoundSet) -> Result<Option<KnownIn>, FlowError> {
    let Some(catalog) = Catalog::open_if_there(catalog)? else { return Ok(None) };
    let set = catalog.sets()?.into_iter().find(|set| set.facts.uuid == found_set.uuid);
    Ok(set.map(|set| KnownIn { catalog, set: set.id, is_sealed: false }))
}

/// One restore under way.
pub(in crate::flow) struct RestoreSession<'a> {
    pub(in crate::flow) request: &'a RestoreRequest<'a>,
    pub(in crate::flow) context: Context<'a>,
    pub(in crate::flow) found_set: FoundSet,
    pub(in crate::flow) places: Places<'a>,
    pub(in crate::flow) opener: Option<Opener>,
    /// A catalog that knows the snapshot: it may know what a damaged INDEX does not tell.
    pub(in crate::flow) known: Option<KnownIn>,
    pub(in crate::flow) repairer: Repairer<'a>,
    /// Whoever comes later is compared with what is known of the set.
    pub(in crate::flow) vetting: Vetting,
    /// Discs that were to be made from their groups; each is tried once.
    pub(in crate::flow) remade: BTreeSet<DiscNo>,
    /// Made again, and not needed yet: where discs come through a drive, none stays otherwise.
    pub(in crate::flow) made: BTreeMap<DiscNo, FoundDisc>,
    /// Nobody had these.
    pub(in crate::flow) never_came: BTreeSet<DiscNo>,
    /// Those of them that are not asked for again.
    pub(in crate::flow) asked_in_vain: BTreeSet<DiscNo>,
}

/// How the target stood before anything was done.
pub(in crate::flow) struct InitialTarget {
    pub(in crate::flow) target: Option<Target>,
    policy: DirPolicy,
}

impl<'a> RestoreSession<'a> {
    fn new(
        request: &'a RestoreRequest<'a>,
        context: Context<'a>,
        found_set: FoundSet,
        places: Places<'a>,
        opener: Option<Opener>,
        repairer: Repairer<'a>,
        vetting: Vetting,
    ) -> RestoreSession<'a> {
        let (remade, never_came, asked_in_vain) = Default::default();
        let (made, known) = (BTreeMap::new(), None);
        RestoreSession {
            request,
            context,
            found_set,
            places,
            opener,
            known,
            repairer,
            vetting,
            remade,
            made,
            never_came,
            asked_in_vain,
        }
    }
}

impl RestoreSession<'_> {
    fn discs_at_hand(&self) -> FromDiscs<'_> {
        let RestoreSession { found_set, opener, context, request, repairer, .. } = self;
        let (opener, scratch, context) = (opener.as_ref(), &request.scratch, *context);
        FromDiscs {
            found_set,
            opener,
            scratch,
            context,
            repairer: Some(repairer),
            doubts: Default::default(),
        }
    }

    pub(in crate::flow) fn choose(
        &mut self,
        known: Option<(KnownIn, SnapshotSeq)>,
    ) -> Result<(ChosenListing, Option<KnownIn>), FlowError> {
        let globs = &self.request.paths;
        if let Some((known, seq)) = known {
            match known.select(seq, globs) {
                Ok(chosen) => return self.checked(chosen).map(|chosen| (chosen, Some(known))),
                Err(FlowError::Catalog(error)) if !self.request.dry_run => {
                    let notice = CatalogNotice::CatalogNotUsed { why: Cause::of(error) };
                    self.context.monitor.note(notice.into());
                }
                Err(error) => return Err(error),
            }
        }
        self.remake_newer()?;
        let chosen = self.discs_at_hand().select(self.request.snapshot, globs)?;
        self.checked(chosen).map(|chosen| (chosen, None))
    }

    /// Nothing is what somebody gets who backed up a disk that was not mounted.
    fn note_empty(&self, chosen: &ChosenListing) {
        let is_file = |row: &SnapshotRow| matches!(row.kind, Kind::File | Kind::Hardlink);
        if !self.request.paths.is_empty() || chosen.selection.rows.iter().any(is_file) {
            return;
        }
        let former = |known: &KnownIn| known.last_with_files(chosen.seq).ok().flatten();
        let former = match &self.known {
            Some(known) => former(known),
            None => self.discs_at_hand().newest_catalog().and_then(|(_, known)| former(&known)),
        };
        if let Some((before, files)) = former {
            let notice = RestoreNotice::SnapshotEmpty {
                snapshot: chosen.seq,
                earlier: before.seq,
                date: before.started,
                files,
            };
            self.context.monitor.note(notice.into());
        }
    }

    fn checked(&self, chosen: ChosenListing) -> Result<ChosenListing, FlowError> {
        let unmatched = &chosen.selection.unmatched;
        if unmatched.is_empty() {
            return Ok(chosen);
        }
        let (set, patterns) = (self.found_set.name.clone(), unmatched.join(", "));
        Err(FlowError::NothingMatches { set, seq: chosen.seq, patterns })
    }

    fn run(mut self, chosen: ChosenListing) -> Result<RestoreReport, FlowError> {
        let ChosenListing { seq, mut selection, is_damaged } = chosen;
        let root_mode = selection.root_mode();
        let before = self.look_at_target(root_mode)?;
        let stands = (!before.policy.target_is_new).then_some(&*self.request.target);
        let is_vouched = self.known.is_some() || self.request.trust.signed_by.is_some();
        let withheld = withhold_rights(
            self.request.rights,
            self.request.dry_run,
            is_vouched,
            stands,
            &mut selection,
            self.context,
        );
        let overwrite = self.request.overwrite;
        let survey = Survey::new(before.target.as_ref(), overwrite, self.context.stop);
        if survey.reads() {
            self.context.monitor.note(RestoreNotice::TargetRead.into());
        }
        let plan = plan(selection, |row| survey.standing(row));
        let mut report = self.report(&plan, seq, is_damaged);
        self.foresee(&plan, &mut report);
        if withheld.is_doubt {
            report.withheld = withheld.what;
        }
        self.say_plan(&plan, &report);
        if self.request.dry_run {
            // Those that are not in the drive would be asked for.
            if !self.places.has_drives() {
                report.missing_discs = self.absent(&plan);
            }
            return Ok(report);
        }
        self.tell_lost(&plan);
        self.check_space(&plan)?;
        let target = match before.target {
            Some(target) => target,
            None => self.open_target()?,
        };
        self.restore(&plan, &target, before.policy, &mut report)?;
        Ok(report)
    }

    fn open_target(&self) -> Result<Target, FlowError> {
        let is_root = rustix::process::geteuid().is_root();
        Ok(Target::open(&self.request.target, self.request.owners && is_root)?)
    }

    /// One that a restore made and did not finish is as new.
    pub(in crate::flow) fn look_at_target(
        &self,
        root_mode: u32,
    ) -> Result<InitialTarget, FlowError> {
        let dir = &self.request.target;
        let exists = fs::metadata(dir).is_ok();
        let target = if exists { Some(self.open_target()?) } else { None };
        let is_empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        let policy = DirPolicy {
            overwrite: self.request.overwrite,
            target_is_new: target.as_ref().is_none_or(|root| root.is_root_unfinished(root_mode)),
            target_was_empty: exists && is_empty,
        };
        Ok(InitialTarget { target, policy })
    }

    fn report(&self, plan: &RestorePlan, seq: SnapshotSeq, listing_damaged: bool) -> RestoreReport {
        let lost = |why: fn(&Why) -> bool| plan.lost.iter().filter(|l| why(&l.why)).count() as u64;
        let not_on_a_disc = lost(|why| *why == Why::NotOnADisc);
        // Our own catalog knows all discs; a listing on a disc none after its own.
        let later_discs = not_on_a_disc > 0 && self.known.is_none();
        RestoreReport {
            set: self.found_set.name.clone(),
            snapshot: seq,
            discs: plan.discs.keys().copied().collect(),
            files_planned: plan.files,
            bytes_planned: plan.bytes,
            bytes_to_read: plan.bytes_to_read(),
            media_changes: 0,
            bytes_of_longest: plan.bytes_to_read(),
            drives: Vec::new(),
            restored: 0,
            bytes: 0,
            there: plan.there,
            kept: lost(|why| *why == Why::Kept),
            failed: lost(|why| matches!(why, Why::Barred(_) | Why::NoFirst))
                + if later_discs { 0 } else { not_on_a_disc },
            missing: if later_discs { not_on_a_disc } else { 0 },
            missing_discs: Vec::new(),
            later_discs,
            complaints: 0,
            withheld: Privileges::default(),
            listing_damaged,
            gone: None,
        }
    }

    fn say_plan(&self, plan: &RestorePlan, report: &RestoreReport) {
        let note = |notice: RestoreNotice| self.context.monitor.note(notice.into());
        note(RestoreNotice::RestorePlan {
            set: report.set.clone(),
            snapshot: report.snapshot,
            files: plan.files,
            size: Bytes(plan.bytes),
            discs: report.discs.clone(),
        });
        if !self.places.has_drives() {
            self.say_absent(self.absent(plan));
        }
        if plan.there > 0 {
            note(RestoreNotice::FilesThere { files: plan.there });
        }
        if report.listing_damaged {
            note(RestoreNotice::ListingDamaged);
        }
        if self.request.dry_run && !plan.lost.is_empty() {
            note(RestoreNotice::NotRestorable { paths: plan.lost.len() as u64 });
        }
    }

    fn say_absent(&self, discs: Vec<DiscNo>) {
        if discs.is_empty() {
            return;
        }
        let kept = discs.iter().map(|&disc| (disc, self.places(disc)));
        let kept: Vec<_> = kept.filter(|(_, places)| !places.is_empty()).collect();
        for from in self.places.dirs.iter().cloned() {
            let discs = discs.clone();
            self.context.monitor.note(RestoreNotice::DiscsMissing { from, discs }.into());
        }
        for (disc, places) in kept {
            self.context.monitor.note(RestoreNotice::DiscKept { disc, places }.into());
        }
    }

    fn absent(&self, plan: &RestorePlan) -> Vec<DiscNo> {
        let discs = plan.discs.keys().copied();
        discs.filter(|number| !self.found_set.discs.contains_key(number)).collect()
    }

    fn tell_lost(&self, plan: &RestorePlan) {
        for lost in &plan.lost {
            let trouble = Trouble::new(lost.path.to_string(), lost.why.to_string());
            self.context.monitor.trouble(&trouble);
        }
    }

    fn check_space(&self, plan: &RestorePlan) -> Result<(), FlowError> {
        let dir = &self.request.target;
        let free = free_space(dir)
            .map_err(|source| PlaceError::Target { path: dir.display().to_string(), source })?;
        enough_space(dir, Bytes(plan.bytes), Bytes(free), self.context.operator)
    }

    fn restore(
        &mut self,
        plan: &RestorePlan,
        target: &Target,
        policy: DirPolicy,
        report: &mut RestoreReport,
    ) -> Result<(), FlowError> {
        let restorer = Restorer::new(plan, target, self.context.monitor, self.context.stop)
            .within(self.context.limits)
            .at_once(self.readers());
        let mark = target.begin();
        let dirs = restorer.make_dirs(policy);
        let worked =
            self.all_discs(plan, &restorer, report).and_then(|()| Ok(restorer.make_nodes()?));
        // Before directories get their times, which this changes.
        let settled = target.settle(mark);
        restorer.finish_dirs(dirs);
        report.take(&restorer.tally());
        worked.and(settled.and_then(|()| target.sync()).map_err(|source| self.unsynced(source)))
    }

    fn unsynced(&self, source: std::io::Error) -> FlowError {
        let path = self.request.target.display().to_string();
        PlaceError::Target { path, source }.into()
    }

    fn all_discs(
        &mut self,
        plan: &RestorePlan,
        restorer: &Restorer,
        report: &mut RestoreReport,
    ) -> Result<(), FlowError> {
        if self.readers() > 1 {
            self.read_at_once(plan, restorer, report.snapshot)?;
        }
        for &number in plan.discs.keys() {
            if !restorer.needs(number) {
                continue;
            }
            if !self.read_to_its_end(plan, number, restorer, report)? {
                restorer.missing(number);
                report.missing_discs.push(number);
            }
        }
        Ok(())
    }

    /// A disc that goes away meanwhile is asked for again, and gives the rest. False: it never
    /// came, or not again.
    fn read_to_its_end(
        &mut self,
        plan: &RestorePlan,
        number: DiscNo,
        restorer: &Restorer,
        report: &mut RestoreReport,
    ) -> Result<bool, FlowError> {
        let mut gone = None;
        for _ in 0..=RETURNS {
            if !self.obtain(number)? {
                break;
            }
            let Some(absence) = self.disc(plan, number, restorer, report.snapshot)? else {
                return Ok(true);
            };
            let notice = DiscNotice::DiscGone { why: Cause::of(absence.clone()) };
            self.context.monitor.note(notice.into());
            self.forget_gone(number);
            if !absence.may_be_inserted_again() && !matches!(absence, Absence::Place { .. }) {
                self.places.drop_first_drive();
            }
            gone = Some(absence);
        }
        report.gone = gone.or(report.gone.take());
        Ok(false)
    }

    /// What went away is not at hand any more.
    fn forget_gone(&mut self, number: DiscNo) {
        self.repairer.forget_all();
        if let Some(found) = self.found_set.discs.get_mut(&number) {
            found.copies.retain(|copy| copy.absence().is_none());
            if found.copies.is_empty() {
                self.found_set.discs.remove(&number);
            }
        }
    }

    fn absence(&self) -> Option<Absence> {
        let unnamed = self.found_set.unnamed.iter().map(|unnamed| &unnamed.reader);
        let mut all = self.found_set.all().flat_map(|found| &found.copies).chain(unnamed);
        all.find_map(|reader| reader.absence())
    }

    fn disc(
        &self,
        plan: &RestorePlan,
        number: DiscNo,
        restorer: &Restorer,
        seq: SnapshotSeq,
    ) -> Result<Option<Absence>, Stopped> {
        let Some(found) = self.found_set.discs.get(&number) else { return Ok(None) };
        let repairable = self.repairer.offer(found);
        let copies = Repairer::copies(found, repairable.as_ref());
        let elsewhere = std::cell::OnceCell::new();
        let locate = |disc: DiscNo, content: usize| {
            let known = self.known.as_ref().or_else(|| {
                elsewhere.get_or_init(|| self.discs_at_hand().catalogs().next()).as_ref()
            });
            known.map_or_else(Vec::new, |known| places_in(known, seq, plan, disc, content))
        };
        let opener = self.opener.as_ref();
        let restored = restorer.disc(&found.label(), None, &copies, opener, &locate);
        self.repairer.forget(found);
        restored
    }
}

/// A person may know better: holes take no space.
fn enough_space(
    dir: &Path,
    need: Bytes,
    free: Bytes,
    operator: &dyn Operator,
) -> Result<(), FlowError> {
    let dir = dir.to_owned();
    if need <= free
        || operator.ask(Question::TooLittleSpace { dir: dir.clone(), need, free }) == Answer::Yes
    {
        return Ok(());
    }
    Err(FlowError::TargetFull { dir, need, free })
}

/// Where a catalog says that the parts of a content on this disc are.
pub(in crate::flow) fn places_in(
    known: &KnownIn,
    seq: SnapshotSeq,
    plan: &RestorePlan,
    disc: DiscNo,
    content: usize,
) -> Vec<Fetch> {
    let Some(path) = plan.paths(content).next() else { return Vec::new() };
    let Ok(Some(file)) = known.catalog.resolve(known.set, seq, path) else { return Vec::new() };
    let here = file.parts.iter().filter(|part| part.place.disc == disc);
    here.map(|part| Fetch {
        content,
        archive: part.place.archive,
        frames: part.frames,
        size: part.length,
        sha256: None,
        part: part.part,
        file_offset: part.file_offset,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::fake_operator::FakeOperator;
    use crate::port::operator::Nobody;

    #[test]
    fn too_little_space_is_an_error_unless_a_person_says_yes() {
        let dir = Path::new("/to");
        let asked = |free, who: &dyn Operator| enough_space(dir, Bytes(10), Bytes(free), who);
        assert!(asked(10, &Nobody).is_ok());
        assert!(matches!(asked(9, &Nobody), Err(FlowError::TargetFull { .. })));
        assert!(asked(9, &FakeOperator::yes()).is_ok());
    }
}
