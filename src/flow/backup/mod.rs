//! The main job: scan, compare, pack, burn, verify, record; disc by disc until all is stored.

pub mod compare;
pub mod flush;
pub mod guards;
pub mod ledger;
mod own_places;
pub mod pack;
mod provenance;
pub mod refill;
mod request;
mod run;
mod scan;
mod scan_log;
mod set;
pub mod shrink;
mod survey;
pub mod writer;

use std::path::Path;

use crate::catalog::{Catalog, ClosedDiscInfo, Held, KnownSet, Part};
use crate::model::{DiscNo, SetName};
use crate::pack::estimate::Estimate;
use crate::port::clock::Moment;
use crate::port::notice::StagingNotice;
use crate::scan::content::Source;

use crate::flow::backup::compare::SourceComparison;
use crate::flow::backup::pack::PackWork;
use crate::flow::backup::refill::spare;
use crate::flow::backup::writer::DiscWriter;
use crate::flow::base::protection::{is_protected, needs_par2};
use crate::flow::base::turn::{hold_disc, hold_set, open_to_record, unless_in_use};
use crate::flow::burn::pipeline::{Beside, Stations, beside};
use crate::flow::burn::records::waiting;
use crate::flow::burn::station::Drives;
use crate::flow::drill::drill_without_keys;
use crate::flow::library::shelves::say_other_shelf;
use crate::flow::staging::area::{Staging, need};
use crate::flow::staging::clear::clear_done;
use crate::flow::staging::lost::lost_discs;
use crate::flow::{Context, FlowError, choose_set};
pub(in crate::flow) use request::writer;
pub use request::{BackupReport, BackupRequest};
pub(in crate::flow) use run::BackupRun;
use set::{open_set, refuse_foreign_discs, remember_wishes};
use shrink::guarded_scan;
use survey::{begun, is_worth_a_disc, part_filled, reckon};

pub use survey::{BackupPlan, dry_run};

/// The whole run. Without a drive it ends with what is staged.
pub fn backup(
    request: &BackupRequest,
    drives: &mut [Drives],
    context: Context,
) -> Result<BackupReport, FlowError> {
    // What needs no catalog is looked at before one is made.
    Source::open(&request.source)?;
    let wants_discs = request.parity_discs.flatten().is_some();
    needs_par2(wants_discs || request.parity.unwrap_or(0) > 0, context)?;
    let staging = Staging::open(&request.staging)?;
    let mut catalog = open_to_record(&request.catalog, context)?;
    for drives in drives.iter_mut() {
        drives.burner.settle(&|notice| context.monitor.note(notice.into()), context.stop)?;
        refuse_foreign_discs(request, Some(&catalog), &mut *drives.burner, context)?;
    }
    let (set, sealer, is_new, held) = open_set(request, &mut catalog, context)?;
    let sealer = sealer.map(|sealer| if request.drill { sealer.keeping_keys() } else { sealer });
    let set = remember_wishes(request, &mut catalog, set)?;
    let (staging, set) = (&staging, &set);
    needs_par2(is_protected(&set.facts), context)?;
    clear_done(&catalog, staging, set)?;
    let first_encrypted = is_new && sealer.is_some();
    let mut run = BackupRun {
        request,
        writer: writer(request, &catalog, staging, set, sealer, context)?,
        report: BackupReport { first_encrypted, ..BackupReport::default() },
        spare: None,
    };
    run.take_over(&mut catalog)?;
    for drives in drives.iter_mut() {
        say_other_shelf(&catalog, set, &drives.burner.medium(), context)?;
    }
    let report = match drives.is_empty() {
        true => run.all(&mut catalog, None, held)?,
        false => {
            let stations = Stations { staging, set, drives, context };
            beside(stations, &mut catalog, |catalog, drives| {
                // Others may change the set while it burns.
                drop(held);
                run.burn_former(drives, catalog)?;
                let held = hold_set(catalog, set, context)?;
                run.take_over(catalog)?;
                run.all(catalog, Some(drives), held)
            })?
        }
    };
    crate::flow::base::turn::ended_well(&catalog, context);
    Ok(report)
}

/// What became of discs that were staged.
#[derive(Debug, Default)]
pub struct BurnReport {
    pub burned: Vec<ClosedDiscInfo>,
    /// Not whole in the staging area any more.
    pub lost: Vec<DiscNo>,
}

/// Burns what is staged, without looking at the source: `coldcut burn`.
pub fn burn_staged(
    catalog: &Path,
    staging: &Path,
    name: Option<&SetName>,
    discs: &[DiscNo],
    drives: &mut [Drives],
    context: Context,
) -> Result<BurnReport, FlowError> {
    let mut catalog = open_to_record(catalog, context)?;
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
    for &disc in discs {
        // Those that were named are waited for; of all others, another coldcut may burn some.
        hold_disc(&catalog, &set, disc, context)?;
    }
    for &disc in &lost {
        context.monitor.note(StagingNotice::StagedDiscLost { set: None, disc }.into());
    }
    for disc in waits.iter().filter(|d| discs.is_empty() || discs.contains(&d.number)) {
        let claim = catalog.hold(Part::Disc(set.id, disc.number));
        let Some(_claim) = unless_in_use(claim)? else { continue };
        drill_without_keys(&mut catalog, &staging, &set, disc, context)?;
    }
    let stations = Stations { staging: &staging, set: &set, drives, context };
    let burned = beside(stations, &mut catalog, |catalog, drives| {
        drives.burn_waiting(catalog, |disc| discs.is_empty() || discs.contains(&disc))
    })?;
    crate::flow::base::turn::ended_well(&catalog, context);
    Ok(BurnReport { burned, lost })
}

impl BackupRun<'_> {
    /// What other runs left, once they are done with the set.
    fn take_over(&mut self, catalog: &mut Catalog) -> Result<(), FlowError> {
        self.writer.take_over(catalog)?;
        self.spare = spare(&self.writer, catalog)?;
        Ok(())
    }

    /// What runs before left staged, but for the disc that this one fills up.
    fn burn_former(&mut self, drives: &Beside, catalog: &mut Catalog) -> Result<(), FlowError> {
        let spare = self.spare.as_ref().map(|disc| disc.number);
        drives.burn_waiting(catalog, |disc| Some(disc) != spare)?;
        // A recovery disc that was made meanwhile comes after it: it is past being filled up.
        if spare.is_some() && catalog.reopenable(self.writer.set.id)? != spare {
            self.spare = None;
            drives.burn_waiting(catalog, |_| true)?;
        }
        Ok(())
    }

    fn all(
        mut self,
        catalog: &mut Catalog,
        drives: Option<&Beside>,
        held: Held,
    ) -> Result<BackupReport, FlowError> {
        let work = self.scan(catalog, drives)?;
        self.pack(catalog, drives, work, held)?;
        self.finish_report(catalog)?;
        Ok(self.report)
    }

    /// What is new, and whether there is room to pack it.
    pub(in crate::flow) fn scan(
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
        let (load, discs) = (compared.load.span, list.discs);
        Ok(PackWork { seq, queue, begun, rehashed, must, load, discs, ahead })
    }

    /// How many discs may be with the drives while the next one is packed: one for each drive, if
    /// staging has room for them.
    pub(in crate::flow) fn check_space(
        &self,
        list: &Estimate,
        drives: Option<&Beside>,
    ) -> Result<usize, FlowError> {
        let DiscWriter { staging, capacity, context, .. } = &self.writer;
        let mut shelves = self.request.shelves.iter();
        let need = need(
            list,
            *capacity,
            drives.is_some_and(|drives| drives.images > 0),
            shelves.any(|shelf| staging.shares_with(shelf)),
        );
        let burners = drives.map_or(1, Beside::burners);
        let mut ahead = 0;
        for discs in 1..=burners {
            if !staging.check_space(need.least, need.beside(discs))? {
                break;
            }
            ahead = discs;
        }
        if list.discs > 1 && drives.is_some() {
            let discs = ahead + 1;
            let notice = match (ahead, burners) {
                (0, _) => StagingNotice::OneDiscAtATime { need: need.ahead },
                (_, 1) => return Ok(ahead),
                (ahead, drives) if ahead < drives => {
                    StagingNotice::FewerAtOnce { drives, discs, wanted: need.beside(drives) }
                }
                (_, drives) => {
                    StagingNotice::DiscsAtOnce { drives, discs, need: need.beside(drives) }
                }
            };
            context.monitor.note(notice.into());
        }
        Ok(ahead)
    }

    fn note_compared(&mut self, compared: &SourceComparison) {
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
