//! Discs that lie somewhere, read back and compared with what is known of them: our own catalog,
//! else the newest catalog among the discs, else what each disc says of itself.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use crate::catalog::{
    Catalog, CatalogError, CopyNo, DiscInfo, DiscState, Finding, KnownSet, ReadOutcome, SetId,
    Verification,
};
use crate::codec::openpgp::Opener;
use crate::drive::{Absence, DiscReader, Drive, DriveError, Pile};
use crate::format::volume::image_name;
use crate::model::disc::{Encryption, archive_path};
use crate::model::{
    Against, Carrier, DiscIdentity, DiscNo, FileId, Sectors, SetName, ShelfPlace, Strain,
};
use crate::pack::closing::SIGNATURE;
use crate::port::cause::Cause;
use crate::port::clock::Moment;
use crate::port::disc_count::DiscCount;
use crate::port::event::{Activity, Trouble};
use crate::port::monitor::NewTask;
use crate::port::notice::{
    CatalogNotice, DiscVerdict, KeyNotice, OpenedFiles, Outlook, VerifyNotice,
};
use crate::port::wanted::{DiscChoice, WantedDisc, WantedMedium};
use crate::verify::{
    Examined, ExpectedFile, FileFault, Verdict, damaged, examine, is_sealed, outlook,
};

use crate::flow::base::expected::expected;
use crate::flow::base::keys::KeyRing;
use crate::flow::base::own_list::{SUMS, own_list};
use crate::flow::base::turn::open_to_record;
use crate::flow::library::coherence::{Doubts, incoherences};
use crate::flow::library::insertion::while_it_comes_back;
use crate::flow::library::inventory::{
    FoundDisc, FoundSet, Inventory, Trust, UnusableCounts, Vetting, look, look_in,
};
use crate::flow::library::listings::{FromDiscs, KnownIn};
use crate::flow::library::locations::{Met, places_of_disc, recognise_or_record};
use crate::flow::library::shelves::{Visit, as_met, meet};
use crate::flow::library::unlock::check_listings;
use crate::flow::library::unread::not_meant;
use crate::flow::{Context, FlowError};

/// What a verification is asked to do.
pub struct VerifyRequest<'a> {
    pub from: PathBuf,
    /// Need not exist.
    pub catalog: PathBuf,
    /// Only the discs of this set.
    pub name: Option<SetName>,
    /// Which discs count.
    pub trust: Trust,
    /// A directory for a catalog that was unpacked from a disc.
    pub scratch: PathBuf,
    /// With keys that somebody named, encrypted files of discs that our own catalog does not know
    /// are opened. Nobody is asked for one.
    pub keys: Option<KeyRing<'a>>,
    /// The other discs come one after the other: which of them are not here says nothing.
    pub is_of_stack: bool,
}

/// One medium or image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedDisc {
    pub set: SetName,
    pub number: DiscNo,
    /// Where it is.
    pub title: String,
    pub against: Against,
    pub outcome: ReadOutcome,
    pub faults: usize,
    /// Its bytes agree, and it is not as coldcut writes it: that is what the faults are.
    pub is_incoherent: bool,
    /// Whether the disc's recovery data suffices, if it has any and is damaged.
    pub repairable: Option<bool>,
    /// How many of its encrypted files were opened; `None` where there are none, or the catalog has
    /// their sums.
    pub seals: Option<OpenedFiles>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    pub discs: Vec<CheckedDisc>,
    /// Things that should be discs and cannot be read as such.
    pub unreadable: u64,
    /// Discs, and parts of discs, that do not count. Each was told.
    pub refused: u64,
    /// Verified once, and not at this place now.
    pub absent: Vec<(SetName, DiscNo)>,
    /// They were here, and went away while they were read: nothing is known of them.
    pub gone: Vec<AbsentDisc>,
}

/// A disc that went away while it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentDisc {
    /// `None`: before it said who it is.
    pub disc: Option<(SetName, DiscNo)>,
    pub absence: Absence,
}

impl CheckedDisc {
    /// What was found, and what that is worth.
    pub fn verdict(&self) -> DiscVerdict {
        DiscVerdict {
            finding: self.finding(),
            faults: self.faults as u64,
            is_incoherent: self.is_incoherent,
            against: self.against,
            repairable: self.repairable,
            encrypted_files: self.seals,
        }
    }

    /// The same with whose it is.
    pub fn notice(&self) -> VerifyNotice {
        let (set, disc, verdict) = (self.set.clone(), self.number, self.verdict());
        VerifyNotice::DiscChecked { set, disc, verdict }
    }

    pub fn finding(&self) -> Finding {
        self.outcome.finding()
    }

    /// Whether the catalog records what was found. A list that anybody could have put onto the disc
    /// shows damage, and makes no copy a verified one.
    fn is_recorded(&self, context: Context) -> bool {
        let is_proof = matches!(self.against, Against::Catalog | Against::Signature);
        if is_proof || self.finding() != Finding::Ok {
            return true;
        }
        let why = format!("the catalog has no list of the files of disc {}", self.number);
        context.monitor.note(CatalogNotice::ResultNotRecorded { why: why.into() }.into());
        false
    }

    /// Takes in what of a disc whose bytes agree is not as coldcut writes it.
    fn judge(&mut self, faults: &[FileFault], found: &FoundDisc, context: Context) {
        if faults.is_empty() {
            return;
        }
        tell(faults, found, &self.title, context);
        self.outcome = damaged(faults, self.outcome.strain());
        (self.faults, self.is_incoherent) = (faults.len(), true);
    }
}

impl VerifyReport {
    fn went_away(&mut self, found: &FoundDisc, absence: Absence, context: Context) {
        let DiscIdentity { set, number: disc, .. } = found.label();
        let why = Cause::of(absence.clone());
        context.monitor.note(VerifyNotice::DiscNotReadCompletely { set, disc, why }.into());
        let disc = Some((found.txt.id.set.clone(), found.txt.id.number));
        self.gone.push(AbsentDisc { disc, absence });
    }

    /// What was found of more discs.
    pub fn add(&mut self, more: VerifyReport) {
        self.discs.extend(more.discs);
        self.absent.extend(more.absent);
        self.gone.extend(more.gone);
        self.unreadable += more.unreadable;
        self.refused += more.refused;
    }

    /// Where the medium goes that this is about.
    pub fn pile(&self) -> Pile {
        let is_good = self.is_sound() && !self.discs.is_empty() && self.gone.is_empty();
        if is_good { Pile::Good } else { Pile::Bad }
    }

    /// Nothing that was looked at is damaged.
    pub fn is_sound(&self) -> bool {
        self.unreadable + self.refused == 0
            && self.discs.iter().all(|disc| disc.finding() == Finding::Ok)
    }
}

/// Verifies all discs at a place. Damage is in the report, not an error.
/// With a drive, the disc that is in it; one that is taken out meanwhile is asked for again.
pub fn verify_from(
    request: &VerifyRequest,
    drive: Option<&mut (dyn Drive + 'static)>,
    context: Context,
) -> Result<VerifyReport, FlowError> {
    let Some(drive) = drive else {
        return verify_piles(request, look(&request.from, context.stop)?, context);
    };
    let mut wanted = WantedMedium::any(None, DiscChoice::ToVerify);
    while_it_comes_back(context, || {
        let inventory = look_in(drive, &request.from, &wanted, context, |_| true)?;
        let report = verify_piles(request, inventory, context)?;
        // It is the only one: there is nothing else to tell.
        match report.gone.first() {
            Some(gone) => {
                // It is read again as the first one.
                context.monitor.count_discs(|count| *count = DiscCount::default());
                if let Some((set, number)) = &gone.disc {
                    wanted = WantedDisc::new(set, *number).into();
                }
                Err(gone.absence.clone().into())
            }
            None => Ok(report),
        }
    })
}

fn verify_piles(
    request: &VerifyRequest,
    mut inventory: Inventory,
    context: Context,
) -> Result<VerifyReport, FlowError> {
    inventory.name_by_catalog(&request.catalog);
    name_by_discs(request, &mut inventory, context);
    inventory.give_up_unnamed();
    let signed_by = request.trust.signed_by.as_ref();
    let mut inventory = inventory.keep_signed(signed_by, &|_| None, context.stop)?;
    Vetting::comparing(&request.trust, &request.catalog).vet(&mut inventory);
    let mut report = VerifyReport::default();
    let told = inventory.tell_problems(context);
    report.unreadable += told.damaged;
    report.refused += told.refused;
    let nameless = inventory.gone.iter().cloned().map(|absence| AbsentDisc { disc: None, absence });
    report.gone.extend(nameless);
    inventory.keep_named(request.name.as_ref())?;
    if inventory.sets.is_empty() && told == UnusableCounts::default() {
        return Err(inventory.nothing());
    }
    let catalog = local_catalog(request, context);
    let mut seen = Vec::new();
    let mut ended = Ok(());
    let media = inventory.sets.iter().flat_map(FoundSet::all).map(|found| found.copies.len());
    let media = media.sum::<usize>() as u64;
    context.monitor.count_discs(|count| count.expect(media, false));
    for found_set in &mut inventory.sets {
        let known = catalog.as_ref().and_then(|catalog| CatalogSet::find(catalog, found_set));
        if let Some(known) = &known {
            found_set.is_known_as_here(&known.discs);
        }
        found_set.note_twins(context);
        ended = verify_pile(request, found_set, known.as_ref(), context, &mut report, &mut seen);
        if ended.is_err() {
            break;
        }
        if !request.is_of_stack {
            note_absent(found_set, known.as_ref(), context, &mut report)?;
        }
    }
    drop(catalog);
    // What was found counts even if the rest was not looked at any more.
    record(request, &seen, context);
    ended.map(|()| report)
}

/// Discs that do not say who they are may be known to the newest catalog among the others.
fn name_by_discs(request: &VerifyRequest, inventory: &mut Inventory, context: Context) {
    let mut known = Vec::new();
    for found_set in inventory.sets.iter().filter(|_| !inventory.unnamed.is_empty()) {
        let (newest, _) = newest_catalog(request, found_set, context);
        let Some(KnownIn { catalog, set, .. }) = newest else { continue };
        let sets = catalog.sets().unwrap_or_default();
        let facts = sets.into_iter().find(|found| found.id == set).map(|set| set.facts);
        known.extend(facts.map(|facts| (facts, catalog.discs(set).unwrap_or_default())));
    }
    known.iter().for_each(|(facts, discs)| inventory.name_by(facts, discs));
}

fn local_catalog(request: &VerifyRequest, context: Context) -> Option<Catalog> {
    Catalog::open_if_there(&request.catalog).unwrap_or_else(|error| {
        context.monitor.note(CatalogNotice::CatalogNotCompared { why: Cause::of(error) }.into());
        None
    })
}

/// A set as our own catalog knows it.
pub(in crate::flow) struct CatalogSet<'a> {
    catalog: &'a Catalog,
    set: KnownSet,
    discs: Vec<DiscInfo>,
}

impl<'a> CatalogSet<'a> {
    pub(in crate::flow) fn find(
        catalog: &'a Catalog,
        found_set: &FoundSet,
    ) -> Option<CatalogSet<'a>> {
        let set = catalog.sets().ok()?.into_iter().find(|set| set.facts.uuid == found_set.uuid)?;
        let discs = catalog.discs(set.id).ok()?;
        Some(CatalogSet { catalog, set, discs })
    }

    fn disc(&self, found: &FoundDisc) -> Option<&DiscInfo> {
        let same =
            |disc: &&DiscInfo| disc.uuid == found.txt.id.uuid && disc.number == found.txt.id.number;
        self.discs.iter().find(same).filter(|disc| disc.state != DiscState::Open)
    }
}

/// What a medium must hold.
pub(in crate::flow) struct MediumExpectation {
    files: Vec<ExpectedFile>,
    image: Option<Sectors>,
    against: Against,
}

impl MediumExpectation {
    /// The list that it is compared with is signed, unless something better is known.
    fn signed(self) -> MediumExpectation {
        MediumExpectation { against: self.against.max(Against::Signature), ..self }
    }
}

/// What was seen of one medium, to be recorded.
struct VerifiedMedium {
    set: KnownSet,
    disc: DiscNo,
    title: String,
    medium: Carrier,
    file: Option<FileId>,
    outcome: ReadOutcome,
}

fn verify_pile(
    request: &VerifyRequest,
    found_set: &FoundSet,
    known: Option<&CatalogSet>,
    context: Context,
    report: &mut VerifyReport,
    seen: &mut Vec<VerifiedMedium>,
) -> Result<(), FlowError> {
    let reading = VerifySession {
        request,
        found_set,
        known,
        context,
        on_discs: OnceCell::new(),
        opener: OnceCell::new(),
    };
    for found in found_set.all() {
        if let Some(words) = found.swapped_for(&request.from) {
            context.monitor.count_discs(|count| count.skip(found.copies.len() as u64));
            let thing = found.label().to_string();
            context.monitor.trouble(&Trouble::new(thing, words));
            report.unreadable += 1;
            continue;
        }
        for copy in &found.copies {
            context.monitor.count_discs(DiscCount::begin);
            let checked = match reading.verify(&**copy, found) {
                Ok(checked) => checked,
                Err(FlowError::Drive(DriveError::Gone(absence))) => {
                    context.monitor.count_discs(|count| count.end(false));
                    report.went_away(found, absence, context);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let known = known.filter(|known| known.disc(found).is_some());
            if let Some(known) = known.filter(|_| checked.is_recorded(context)) {
                seen.push(VerifiedMedium {
                    set: known.set.clone(),
                    disc: found.txt.id.number,
                    title: copy.title(),
                    medium: copy.medium(),
                    file: copy.file_id(),
                    outcome: checked.outcome.clone(),
                });
            }
            let is_verified = checked.finding() == Finding::Ok;
            context.monitor.count_discs(|count| count.end(is_verified));
            report.discs.push(checked);
        }
    }
    Ok(())
}

/// The discs of one set, and what they are compared with, which is looked for once, when it is
/// needed.
struct VerifySession<'a> {
    request: &'a VerifyRequest<'a>,
    found_set: &'a FoundSet,
    known: Option<&'a CatalogSet<'a>>,
    context: Context<'a>,
    /// The newest catalog on the discs, and what was wrong with others.
    on_discs: OnceCell<(Option<KnownIn>, Doubts)>,
    opener: OnceCell<Option<Opener>>,
}

impl VerifySession<'_> {
    fn verify(&self, copy: &dyn DiscReader, found: &FoundDisc) -> Result<CheckedDisc, FlowError> {
        let VerifySession { request, found_set, known, context, .. } = *self;
        if let Some(wanted) = known.and_then(|known| wanted_by_catalog(known, found)) {
            return verify_copy(copy, found, Ok(wanted), None, context);
        }
        let (newest, doubts) =
            self.on_discs.get_or_init(|| newest_catalog(request, found_set, context));
        let wanted = wanted_by_discs(copy, found, newest.as_ref());
        let is_signed = request.trust.signed_by.is_some() && copy.file(SIGNATURE).is_some();
        let wanted = wanted.map(|wanted| if is_signed { wanted.signed() } else { wanted });
        let opener =
            self.opener.get_or_init(|| opener_at_hand(request, found_set, context)).as_ref();
        let mut checked = verify_copy(copy, found, wanted, opener, context)?;
        if checked.finding() == Finding::Ok {
            let faults = incoherences(copy, found, opener, doubts, context.stop);
            context.stop.check()?;
            // What cannot be read of a disc that is away says nothing about it.
            if let Some(absence) = copy.absence() {
                return Err(absence.into());
            }
            checked.judge(&faults, found, context);
        }
        Ok(checked)
    }
}

/// What opens a set's files, if it was named; one that does not is no reason not to read the discs.
fn opener_at_hand(
    request: &VerifyRequest,
    found_set: &FoundSet,
    context: Context,
) -> Option<Opener> {
    let check = |opener: &Opener| check_listings(opener, found_set);
    let keys = request.keys.as_ref()?;
    keys.at_hand(&found_set.name, found_set.encryption(), check).unwrap_or_else(|error| {
        let (set, why) = (found_set.name.clone(), Cause::of(error));
        context.monitor.note(KeyNotice::FilesNotOpened { set, why }.into());
        None
    })
}

pub(in crate::flow) fn verify_copy(
    reader: &dyn DiscReader,
    found: &FoundDisc,
    wanted: Result<MediumExpectation, String>,
    opener: Option<&Opener>,
    context: Context,
) -> Result<CheckedDisc, FlowError> {
    let title = reader.title();
    let total = reader.files().iter().map(|file| file.size.0).sum();
    let DiscIdentity { set, number, .. } = &found.txt.id;
    let new = NewTask::new(Activity::Verifying).set(set).disc(*number).total(total);
    let task = context.monitor.begin(new);
    let (against, outcome, faults, seals) = match wanted {
        Err(what) => {
            let faults = vec![FileFault { path: SUMS.to_owned(), what }];
            let outcome = damaged(&faults, Strain::default());
            (Against::OwnList, outcome, faults, OpenedFiles::default())
        }
        Ok(wanted) => {
            note_against(&title, wanted.against, context);
            let uuid = found.txt.id.uuid;
            let MediumExpectation { files, image, against } = wanted;
            let Examined { verdict, strain, seals } =
                examine(reader, uuid, &files, image, opener, &task, context.stop)?;
            match verdict {
                Verdict::Sound(proof) => (against, proof.outcome(), Vec::new(), seals),
                Verdict::Damaged(faults) => (against, damaged(&faults, strain), faults, seals),
            }
        }
    };
    // What cannot be read of a disc that is away says nothing about it.
    if let (false, Some(absence)) = (faults.is_empty(), reader.absence()) {
        return Err(absence.into());
    }
    let repairable = outlook_of(reader, &faults, context)?;
    tell(&faults, found, &title, context);
    let (set, number) = (found.txt.id.set.clone(), found.txt.id.number);
    if let Some(outlook) = repairable {
        let (set, disc) = (set.clone(), number);
        context.monitor.note(VerifyNotice::DiscDamaged { set, disc, outlook }.into());
    }
    let repairable = repairable.map(|outlook| outlook.is_repairable());
    let seals = seals_of(reader, against, seals);
    let checked = CheckedDisc {
        set,
        number,
        title,
        against,
        outcome,
        faults: faults.len(),
        is_incoherent: false,
        repairable,
        seals,
    };
    Ok(checked)
}

fn tell(faults: &[FileFault], found: &FoundDisc, title: &str, context: Context) {
    for fault in faults {
        let thing = format!("{}: {}", found.label(), fault.path);
        let what = format!("{} ({title})", fault.what);
        context.monitor.trouble(&Trouble::new(thing, what));
    }
}

/// What there is to say of a disc's encrypted files; what was not opened is locked.
fn seals_of(reader: &dyn DiscReader, against: Against, seals: OpenedFiles) -> Option<OpenedFiles> {
    let sealed = reader.files().iter().filter(|file| is_sealed(&file.path)).count() as u64;
    let OpenedFiles { opened, .. } = seals;
    let seals = OpenedFiles { opened, locked: sealed.saturating_sub(opened) };
    (against != Against::Catalog && sealed > 0).then_some(seals)
}

/// Whether what is damaged can be repaired, where the disc has what tells.
fn outlook_of(
    reader: &dyn DiscReader,
    faults: &[FileFault],
    context: Context,
) -> Result<Option<Outlook>, FlowError> {
    if faults.is_empty() {
        return Ok(None);
    }
    let told = outlook(reader, faults, context.stop)?;
    match reader.absence() {
        Some(absence) => Err(absence.into()),
        None => Ok(told),
    }
}

fn note_against(title: &str, against: Against, context: Context) {
    let medium = title.to_owned();
    let notice = match against {
        Against::Catalog | Against::Signature => return,
        Against::DiscCatalog => VerifyNotice::ComparedWithDiscCatalog { medium },
        Against::OwnList => VerifyNotice::ComparedWithOwnList { medium },
    };
    context.monitor.note(notice.into());
}

pub(in crate::flow) fn wanted_by_catalog(
    known: &CatalogSet,
    found: &FoundDisc,
) -> Option<MediumExpectation> {
    let disc = known.disc(found)?;
    let files = known.catalog.disc_files(known.set.id, disc.number).ok()?;
    let files: Vec<ExpectedFile> = files.iter().map(expected).collect();
    let image = disc.image();
    (!files.is_empty()).then_some(MediumExpectation { files, image, against: Against::Catalog })
}

/// The newest catalog that can be read without a passphrase, which is not asked for; and what was
/// wrong with those that were refused.
fn newest_catalog(
    request: &VerifyRequest,
    found_set: &FoundSet,
    context: Context,
) -> (Option<KnownIn>, Doubts) {
    let is_plain = |found: &FoundDisc| found.txt.encryption == Encryption::None;
    if !found_set.all().all(is_plain) {
        return Default::default();
    }
    let discs = FromDiscs {
        found_set,
        opener: None,
        scratch: &request.scratch,
        context,
        repairer: None,
        doubts: Default::default(),
    };
    let newest = discs.catalogs().next();
    (newest, discs.doubts)
}

/// The disc's own list, corrected by what a catalog on the discs knows.
fn wanted_by_discs(
    reader: &dyn DiscReader,
    found: &FoundDisc,
    newest: Option<&KnownIn>,
) -> Result<MediumExpectation, String> {
    let (mut files, sums_fault) = match own_list(reader) {
        Ok(files) => (files, None),
        Err(fault) => (BTreeMap::new(), Some(fault)),
    };
    let known = newest.map(|newest| known_files(newest, found)).unwrap_or_default();
    let against = if known.is_empty() { Against::OwnList } else { Against::DiscCatalog };
    files.extend(known.into_iter().map(|file| (file.path.clone(), file)));
    match sums_fault {
        // A catalog that was written after this disc knows its list, too.
        Some(fault) if !files.contains_key(SUMS) => Err(fault),
        _ => Ok(MediumExpectation {
            files: files.into_values().collect(),
            image: reader.image_sectors(),
            against,
        }),
    }
}

/// What a catalog from a disc knows of a disc: all of one before its own, the archives of its own.
fn known_files(newest: &KnownIn, found: &FoundDisc) -> Vec<ExpectedFile> {
    let KnownIn { catalog, set, .. } = newest;
    let number = found.txt.id.number;
    let discs = catalog.discs(*set).unwrap_or_default();
    if !discs.iter().any(|disc| disc.number == number && disc.uuid == found.txt.id.uuid) {
        return Vec::new();
    }
    let files = catalog.disc_files(*set, number).unwrap_or_default();
    if !files.is_empty() {
        return files.iter().map(expected).collect();
    }
    let archives = catalog.archives_of_disc(*set, number).unwrap_or_default();
    let as_expected = |archive: &crate::catalog::ArchiveRecord| ExpectedFile {
        path: archive_path(archive.number, archive.compression, archive.encrypted),
        size: archive.size.0,
        sha256: archive.sha256,
    };
    archives.iter().map(as_expected).collect()
}

/// Discs that are on media and do not lie here: for the person to know, no fault.
fn note_absent(
    found_set: &FoundSet,
    known: Option<&CatalogSet>,
    context: Context,
    report: &mut VerifyReport,
) -> Result<(), FlowError> {
    let Some(known) = known else { return Ok(()) };
    let here: HashSet<DiscNo> = found_set.discs.keys().copied().collect();
    for disc in &known.discs {
        let was_burned = matches!(disc.state, DiscState::Verified | DiscState::Burned);
        if was_burned && !here.contains(&disc.number) {
            let places = places_of_disc(known.catalog, known.set.id, disc.number);
            let (set, disc) = (found_set.name.clone(), disc.number);
            context.monitor.note(VerifyNotice::DiscNotHere { set, disc, places }.into());
            report.absent.push((found_set.name.clone(), disc));
        }
    }
    Ok(())
}

/// Records what was seen; a catalog that cannot be written now changes no finding.
fn record(request: &VerifyRequest, seen: &[VerifiedMedium], context: Context) {
    if seen.is_empty() {
        return;
    }
    let recorded = open_to_record(&request.catalog, context)
        .and_then(|mut catalog| Ok(record_all(&mut catalog, seen, context).map(|()| catalog)?));
    if let Ok(catalog) = &recorded {
        crate::flow::base::turn::ended_well(catalog, context);
    }
    if let Err(error) = recorded {
        context.monitor.note(CatalogNotice::ResultNotRecorded { why: Cause::of(error) }.into());
    }
}

fn record_all(
    catalog: &mut Catalog,
    seen: &[VerifiedMedium],
    context: Context,
) -> Result<(), CatalogError> {
    let mut shelves: HashMap<PathBuf, ShelfPlace> = HashMap::new();
    for dir in seen.iter().filter_map(|seen| seen.medium.shelf()) {
        if !shelves.contains_key(dir) {
            let here =
                meet(catalog, dir, Visit::Read, &|notice| context.monitor.note(notice.into()))?;
            shelves.insert(dir.to_owned(), here);
        }
    }
    let mut taken: HashMap<(SetId, DiscNo), HashSet<CopyNo>> = HashMap::new();
    for seen in seen {
        let taken = taken.entry((seen.set.id, seen.disc)).or_default();
        let medium = as_met(&seen.medium, &shelves);
        let standard = image_name(&seen.set.facts.name, seen.disc);
        let (file, finding) = (seen.file, Some(seen.outcome.finding()));
        let met = Met { medium: &medium, file, standard: &standard, finding };
        if !medium.is_place() {
            let (name, copies) = (&seen.set.facts.name, catalog.copies(seen.set.id, seen.disc)?);
            taken.extend(not_meant(&copies, name, seen.disc, &seen.title, context));
        }
        let copy = recognise_or_record(catalog, seen.set.id, seen.disc, &met, taken)?;
        taken.insert(copy);
        let verification = Verification {
            disc: seen.disc,
            copy,
            at: Moment::now(),
            drive: seen.title.clone(),
            outcome: seen.outcome.clone(),
        };
        catalog.record_verification(seen.set.id, &verification)?;
    }
    Ok(())
}
