//! The main job: scan, compare, pack, burn, verify, record; disc by disc until all is stored.

mod own_places;
mod provenance;
mod set;
pub mod shrink;
mod survey;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, DiscInfo, DiscState, KnownSet, SetFacts};
use crate::codec::openpgp::{Sealer, Signer};
use crate::model::disc::{Compression, Description, Ratio};
use crate::model::{Bytes, DiscNo, SetName, SnapshotSeq};
use crate::pack::estimate::Estimate;
use crate::port::clock::Moment;
use crate::scan::content::Source;
use crate::scan::filter::FilterOptions;

use super::beside::{Beside, beside};
use super::burning::{Drives, Station};
use super::compare::Compared;
use super::disc_size::DiscSize;
use super::drilling::drill_without_keys;
use super::holding::Hold;
use super::keys::KeyRing;
use super::lost_staging::{lost_discs, lost_words};
use super::packing::PackWork;
use super::records::waiting;
use super::refilling::spare;
use super::shelves::say_other_shelf;
use super::staging::{Staging, need};
use super::turn::open_to_write;
use super::writer::DiscWriter;
use super::{Desk, FlowError, choose_set};
use set::{open_set, refuse_foreign_discs, remember_wishes};
use shrink::guarded_scan;
use survey::{begun, is_worth_a_disc, part_filled, reckon};

pub use survey::{Plan, dry_run};

/// What a backup is asked to do.
pub struct BackupRequest<'a> {
    /// Absolute, without symbolic links.
    pub source: PathBuf,
    pub name: SetName,
    pub catalog: PathBuf,
    pub staging: PathBuf,
    /// Where discs go, if that is a directory.
    pub shelf: Option<PathBuf>,
    pub disc_size: DiscSize,
    pub archive_size: Bytes,
    pub compression: Option<Compression>,
    /// Percent of recovery data; without it, as at the last run.
    pub parity: Option<u8>,
    /// Recovery discs for groups of discs; without it, as at the last run.
    pub parity_discs: Option<Option<Ratio>>,
    pub keys: KeyRing<'a>,
    /// Signs the discs' SHA256SUMS.
    pub signer: Option<Signer>,
    /// Stock tools are tried on a sample of each disc.
    pub drill: bool,
    pub filter: FilterOptions,
    pub rehash: bool,
    pub move_source: bool,
    /// Much of the source may be gone.
    pub allow_shrink: bool,
    /// Percent of the files, or of their bytes, that may be gone without a question.
    pub max_shrink: u8,
    /// What becomes of a last disc that is not full.
    pub hold: Hold,
    pub flush: bool,
    /// Each disc shall have so many verified copies; without it as many as before.
    pub copies: Option<u32>,
    /// To be remembered.
    pub hint: Option<String>,
    /// In clear on the discs, and remembered; an empty text is taken back.
    pub description: Description,
    pub hint_in_clear: Option<bool>,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct BackupReport {
    pub snapshot: Option<SnapshotSeq>,
    pub stored_files: u64,
    pub stored_bytes: u64,
    pub reused: u64,
    pub rows: u64,
    pub removed: u64,
    pub unchanged: u64,
    pub excluded: BTreeMap<String, u64>,
    pub hollow: BTreeMap<String, u64>,
    pub failed: u64,
    /// Read while they changed, or suspected of rot: stored, and worth a look.
    pub suspicious: u64,
    /// Discs that this run finished, with the sizes of their images.
    pub discs: Vec<(DiscNo, Bytes)>,
    pub waiting_files: u64,
    pub waiting_bytes: Bytes,
    pub rows_waiting: u64,
    /// A part-filled disc waits for more.
    pub held: Option<DiscNo>,
    pub first_encrypted: bool,
}

impl BackupReport {
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.suspicious == 0
    }
}

/// The whole run. Without a drive it ends with what is staged.
pub fn backup(
    request: &BackupRequest,
    drives: Option<&mut Drives>,
    desk: Desk,
) -> Result<BackupReport, FlowError> {
    // What needs no catalog is looked at before one is made.
    Source::open(&request.source)?;
    let wants_discs = request.parity_discs.flatten().is_some();
    needs_par2(wants_discs || request.parity.unwrap_or(0) > 0, desk)?;
    let staging = Staging::open(&request.staging)?;
    let mut catalog = open_to_write(&request.catalog, desk)?;
    let mut drives = drives;
    if let Some(drives) = drives.as_deref_mut() {
        drives.burner.settle(&|words| desk.monitor.note(words), desk.stop)?;
        refuse_foreign_discs(request, Some(&catalog), &mut *drives.burner, desk)?;
    }
    let (set, sealer, is_new) = open_set(request, &mut catalog, desk)?;
    let sealer = sealer.map(|sealer| if request.drill { sealer.keeping_keys() } else { sealer });
    let set = remember_wishes(request, &mut catalog, set)?;
    let (staging, set) = (&staging, &set);
    needs_par2(is_protected(&set.facts), desk)?;
    clear_done(&catalog, staging, set)?;
    let first_encrypted = is_new && sealer.is_some();
    let mut run = Run {
        request,
        writer: writer(request, &catalog, staging, set, sealer, desk)?,
        report: BackupReport { first_encrypted, ..BackupReport::default() },
        spare: None,
    };
    run.writer.take_over(&mut catalog)?;
    run.spare = spare(&run.writer, &catalog)?;
    if let Some(drives) = drives.as_deref_mut() {
        say_other_shelf(&catalog, set, &drives.burner.medium(), desk)?;
    }
    let report = match drives {
        None => run.all(&mut catalog, None)?,
        Some(drives) => {
            let mut station = Station { staging, set, drives, desk };
            run.burn_former(&mut station, &mut catalog)?;
            beside(station, &mut catalog, |catalog, drives| run.all(catalog, Some(drives)))?
        }
    };
    super::ended_well(&catalog, desk);
    Ok(report)
}

/// Whether the set has recovery data, on its discs or on discs of its own.
pub(super) fn is_protected(facts: &SetFacts) -> bool {
    facts.parity > 0 || facts.parity_discs.is_some()
}

/// The program that makes recovery data, or repairs with it, is asked for before hours of work, not
/// behind them: whoever cannot get it now will not on the day of the restore.
pub(super) fn needs_par2(wanted: bool, desk: Desk) -> Result<(), FlowError> {
    if wanted { Ok(crate::recovery::program::check(desk.stop)?) } else { Ok(()) }
}

/// What became of discs that were staged.
#[derive(Debug, Default)]
pub struct BurnReport {
    pub burned: Vec<DiscInfo>,
    /// Not whole in the staging area any more.
    pub lost: Vec<DiscNo>,
}

/// Burns what is staged, without looking at the source: `coldcut burn`.
pub fn burn_staged(
    catalog: &Path,
    staging: &Path,
    name: Option<&SetName>,
    discs: &[DiscNo],
    drives: &mut Drives,
    desk: Desk,
) -> Result<BurnReport, FlowError> {
    let mut catalog = open_to_write(catalog, desk)?;
    let set = choose_set(catalog.sets()?, name)?;
    let staging = Staging::open(staging)?;
    clear_done(&catalog, &staging, &set)?;
    let waits = waiting(&catalog, &set, &staging)?;
    let lost: Vec<DiscNo> =
        lost_discs(&catalog, &set, &staging)?.iter().map(|disc| disc.number).collect();
    if let Some(wanted) = discs.iter().find(|wanted| !waits.iter().any(|d| d.number == **wanted)) {
        return Err(match lost.contains(wanted) {
            true => FlowError::StagingLost(*wanted),
            false => FlowError::NothingStaged(format!(" as disc {wanted}")),
        });
    }
    lost.iter().for_each(|&disc| desk.monitor.note(&lost_words(disc)));
    for disc in waits.iter().filter(|d| discs.is_empty() || discs.contains(&d.number)) {
        drill_without_keys(&mut catalog, &staging, &set, disc, desk)?;
    }
    let mut station = Station { staging: &staging, set: &set, drives, desk };
    let burned =
        station.burn_waiting(&mut catalog, |disc| discs.is_empty() || discs.contains(&disc))?;
    super::ended_well(&catalog, desk);
    Ok(BurnReport { burned, lost })
}

/// Takes away what a run left of discs that are safe, because it was killed at that moment.
fn clear_done(catalog: &Catalog, staging: &Staging, set: &KnownSet) -> Result<(), FlowError> {
    staging.clear_scratch()?;
    let discs = catalog.discs(set.id)?;
    // Staging is kept until as many copies as are wanted were read back.
    let mut safe = discs
        .iter()
        .filter(|disc| disc.state == DiscState::Verified && disc.good_copies >= set.copies);
    safe.try_for_each(|disc| staging.remove(set, disc.number))
}

/// What writes the run's discs.
pub(super) fn writer<'a>(
    request: &'a BackupRequest,
    catalog: &Catalog,
    staging: &'a Staging,
    set: &'a KnownSet,
    sealer: Option<Sealer>,
    desk: Desk<'a>,
) -> Result<DiscWriter<'a>, FlowError> {
    let capacity = request.disc_size.of(Some((catalog, set)))?;
    let (signer, drill) = (request.signer.as_ref(), request.drill);
    Ok(DiscWriter { staging, set, sealer, signer, drill, capacity, desk })
}

/// One run over one set.
pub(super) struct Run<'a> {
    pub request: &'a BackupRequest<'a>,
    pub writer: DiscWriter<'a>,
    pub report: BackupReport,
    /// The newest disc, if it waits in the staging area and has room.
    pub spare: Option<DiscInfo>,
}

impl Run<'_> {
    /// What runs before left staged, but for the disc that this one fills up.
    fn burn_former(
        &mut self,
        station: &mut Station,
        catalog: &mut Catalog,
    ) -> Result<(), FlowError> {
        let spare = self.spare.as_ref().map(|disc| disc.number);
        station.burn_waiting(catalog, |disc| Some(disc) != spare)?;
        // A recovery disc that was made meanwhile comes behind it: it is past being filled up.
        if spare.is_some() && catalog.reopenable(self.writer.set.id)? != spare {
            self.spare = None;
            station.burn_waiting(catalog, |_| true)?;
        }
        Ok(())
    }

    fn all(
        mut self,
        catalog: &mut Catalog,
        drives: Option<&Beside>,
    ) -> Result<BackupReport, FlowError> {
        let work = self.scan(catalog, drives)?;
        self.pack(catalog, drives, work)?;
        self.finish_report(catalog)?;
        Ok(self.report)
    }

    /// What is new, and whether there is room to pack it.
    pub(super) fn scan(
        &mut self,
        catalog: &mut Catalog,
        drives: Option<&Beside>,
    ) -> Result<PackWork, FlowError> {
        let KnownSet { id: set, facts, .. } = self.writer.set;
        let set = *set;
        let begun = begun(catalog, set)?;
        let first = catalog.newest_listing(set)?.is_none();
        let seq = catalog.begin_snapshot(set, Moment::now())?;
        self.report.snapshot = Some(seq);
        catalog.say_of_run(set, seq, &provenance::options(&self.request.filter))?;
        let mut compared = guarded_scan(self.request, &self.writer, catalog, seq, begun.clone())?;
        catalog.say_of_run(set, seq, &provenance::left_out(&compared))?;
        let queue = std::mem::take(&mut compared.queue);
        let must = is_worth_a_disc(self.request, catalog, set, &compared, first)?;
        let part = part_filled(self.request, &self.writer, catalog, self.spare.as_ref())?;
        let part = part.map(|(_, part)| part);
        let recovery = (facts.parity, facts.parity_discs);
        let capacity = self.writer.capacity;
        let list = reckon(self.request, &compared, must, part.as_ref(), capacity, recovery);
        let ahead = self.check_space(&list, drives)?;
        let rehashed = std::mem::take(&mut compared.rehashed);
        self.note_compared(&compared);
        let must = first && (compared.differs() || !queue.is_empty()) || self.request.flush;
        Ok(PackWork { seq, queue, begun, rehashed, must, load: compared.load.span, ahead })
    }

    /// Whether staging has room for the disc that is burned and for the next one, too.
    pub(super) fn check_space(
        &self,
        list: &Estimate,
        drives: Option<&Beside>,
    ) -> Result<bool, FlowError> {
        let shelf = self.request.shelf.as_deref();
        let need = need(
            list,
            self.writer.capacity,
            drives.is_some_and(|drives| drives.wants_image),
            shelf.is_some_and(|shelf| self.writer.staging.shares_with(shelf)),
        );
        let ahead = self.writer.staging.check_space(need.least, need.ahead)?;
        if !ahead && list.discs > 1 && drives.is_some() {
            self.writer.desk.monitor.note(&format!(
                "the staging area has no room to pack a disc while one is burned (that takes {}): \
                 each disc is safe before the next one is packed",
                need.ahead
            ));
        }
        Ok(ahead)
    }

    fn note_compared(&mut self, compared: &Compared) {
        self.report.unchanged = compared.unchanged;
        self.report.rows = compared.rows;
        self.report.removed = compared.removed;
        self.report.excluded = compared.excluded.clone();
        self.report.hollow = compared.hollow.clone();
        self.report.failed = compared.failed;
    }

    fn finish_report(&mut self, catalog: &Catalog) -> Result<(), FlowError> {
        let status = catalog.status(self.writer.set.id)?;
        self.report.waiting_files = status.staged.files + status.not_yet.files;
        self.report.waiting_bytes = status.staged.bytes + status.not_yet.bytes;
        self.report.rows_waiting = catalog.pending_rows(self.writer.set.id)?;
        Ok(())
    }
}
