//! What a backup has to do: the source is compared with the catalog, and the shopping list reckoned.

use std::collections::HashMap;

use uuid::Uuid;

use crate::catalog::{Catalog, ClosedDiscInfo, KnownSet, SetId};
use crate::drive::Drive;
use crate::flow::backup::compare::{ComparisonBase, SourceComparison};
use crate::flow::backup::refill::{is_recovery_data, missing_key, spare};
use crate::flow::backup::request::{BackupRequest, writer};
use crate::flow::backup::scan::scan;
use crate::flow::backup::set::{
    check_source, refuse_foreign_discs, remember_facts, remember_wishes,
};
use crate::flow::backup::shrink::guarded_scan;
use crate::flow::backup::writer::DiscWriter;
use crate::flow::base::protection::{is_protected, needs_par2};
use crate::flow::base::set_copy::SetCopy;
use crate::flow::staging::area::{Staging, need};
use crate::flow::staging::lost::lost_discs;
use crate::flow::{Context, FlowError, SelectionError};
use crate::model::disc::Ratio;
use crate::model::{Bytes, DiscNo, DiscUuid, Sectors, SnapshotSeq};
use crate::pack::estimate::{Estimate, Media, PartFilled, estimate};
use crate::port::clock::Moment;
use crate::port::notice::StagingNotice;
use crate::port::operator::Nobody;
use crate::scan::content::Source;

/// What a backup would do.
pub struct BackupPlan {
    pub compared: SourceComparison,
    pub list: Estimate,
    /// Of the discs that it would make.
    pub capacity: Sectors,
    /// The disc that is in the staging area already, and is filled up first.
    pub fills_up: Option<DiscNo>,
}

/// Says what a backup would do, and makes nothing. What a run would refuse is refused, with the same
/// error; nobody is asked, so that what only a person can agree to is refused, too. `dest`: the
/// shelf that discs would go to, if it is there.
pub fn dry_run(
    request: &BackupRequest,
    dest: Option<&mut (dyn Drive + 'static)>,
    context: Context,
) -> Result<BackupPlan, FlowError> {
    let context = Context { operator: &Nobody, ..context };
    Source::open(&request.source)?;
    let catalog = Catalog::open_if_there(&request.catalog)?;
    if let Some(dest) = dest {
        refuse_foreign_discs(request, catalog.as_ref(), dest, context)?;
    }
    let set = catalog.as_ref().map(|catalog| catalog.set_by_name(&request.name)).transpose()?;
    let staging = Staging::at(&request.staging);
    let plan = match (&catalog, set.flatten()) {
        (Some(catalog), Some(set)) => plan_for(request, catalog, &set, &staging, context)?,
        _ => plan_for_new(request, context)?,
    };
    let shares = request.shelves.iter().any(|shelf| staging.shares_with(shelf));
    let need = need(&plan.list, plan.capacity, false, shares);
    staging.check_space(need.least, need.ahead)?;
    Ok(plan)
}

fn plan_for_new(request: &BackupRequest, context: Context) -> Result<BackupPlan, FlowError> {
    let parity_discs = request.parity_discs.flatten();
    let parity = request.parity.unwrap_or(0);
    needs_par2(parity > 0 || parity_discs.is_some(), context)?;
    let capacity = request.disc_size.of(None)?;
    let known =
        ComparisonBase { catalog: None, set: None, seq: None, begun: HashMap::new(), log: None };
    let compared = scan(request, known, context)?;
    let must = compared.differs();
    let list = reckon(request, &compared, must, None, capacity, (parity, parity_discs));
    Ok(BackupPlan { compared, list, capacity, fills_up: None })
}

/// What the run would do to the catalog is done to a copy: the guards judge by what it says then.
fn plan_for(
    request: &BackupRequest,
    catalog: &Catalog,
    set: &KnownSet,
    staging: &Staging,
    context: Context,
) -> Result<BackupPlan, FlowError> {
    check_source(request, set)?;
    request.keys.refuse_other(set)?;
    let catalog = &mut SetCopy::new(catalog, set.id, &staging.scratch(), context.stop)?.catalog;
    let set = catalog.set_by_name(&request.name)?.ok_or(SelectionError::NoSets)?;
    let set = remember_facts(request, catalog, &set)?;
    let set = &remember_wishes(request, catalog, set)?;
    needs_par2(is_protected(&set.facts), context)?;
    for disc in lost_discs(catalog, set, staging)? {
        let notice = StagingNotice::StagedDiscLost { set: None, disc: disc.number };
        context.monitor.note(notice.into());
        catalog.forget_disc_work(set.id, disc.number, DiscUuid(Uuid::new_v4()))?;
    }
    let writer = writer(request, catalog, staging, set, None, context)?;
    let spare = spare(&writer, catalog)?;
    let begun = begun(catalog, set.id)?;
    let first = catalog.newest_listing(set.id)?.is_none();
    let seq = catalog.begin_snapshot(set.id, Moment::now())?;
    let compared = guarded_scan(request, &writer, catalog, seq, begun)?;
    let must = is_worth_a_disc(request, catalog, set.id, &compared, first)?;
    let part = part_filled(request, &writer, catalog, spare.as_ref())?;
    let (fills_up, part) = part.filter(|_| compared.load.files > 0 || must).unzip();
    let (capacity, facts) = (writer.capacity, &set.facts);
    let recovery = (facts.parity, facts.parity_discs);
    let list = reckon(request, &compared, must, part.as_ref(), capacity, recovery);
    Ok(BackupPlan { compared, list, capacity, fills_up })
}

/// Whether a run makes a disc even if no content is new, as far as the scan tells.
pub(super) fn is_worth_a_disc(
    request: &BackupRequest,
    catalog: &Catalog,
    set: SetId,
    compared: &SourceComparison,
    first: bool,
) -> Result<bool, FlowError> {
    Ok(first && compared.differs() || request.flush && catalog.rows_pending(set)?)
}

/// The disc in the staging area that takes more: one that is open, or one that is opened again.
pub(super) fn part_filled(
    request: &BackupRequest,
    writer: &DiscWriter,
    catalog: &Catalog,
    spare: Option<&ClosedDiscInfo>,
) -> Result<Option<(DiscNo, PartFilled)>, FlowError> {
    let set = writer.set.id;
    if let Some(open) = catalog.open_disc(set)? {
        let archives = catalog.archives_of_disc(set, open.number)?;
        let used = archives.iter().map(|archive| archive.size.0).sum();
        return Ok(Some((open.number, PartFilled { capacity: open.capacity, used: Bytes(used) })));
    }
    let Some(spare) = spare else { return Ok(None) };
    if missing_key(writer, catalog, spare.number, &request.keys)?.is_some() {
        return Ok(None);
    }
    let mut files = catalog.disc_files(set, spare.number)?;
    files.retain(|file| !is_recovery_data(&file.path));
    let used = files.iter().map(|file| file.size.0).sum();
    Ok(Some((spare.number, PartFilled { capacity: spare.capacity, used: Bytes(used) })))
}

/// The shopping list, recovery data and recovery discs among it.
pub(super) fn reckon(
    request: &BackupRequest,
    compared: &SourceComparison,
    must: bool,
    part: Option<&PartFilled>,
    capacity: Sectors,
    (parity, parity_discs): (u8, Option<Ratio>),
) -> Estimate {
    let media = Media { capacity, parity };
    let list = estimate(&compared.load, must, part, media, request.archive_size.0);
    match parity_discs {
        Some(ratio) => list.with_recovery_discs(ratio, capacity),
        None => list,
    }
}

pub(super) fn begun(
    catalog: &Catalog,
    set: SetId,
) -> Result<HashMap<SnapshotSeq, Moment>, FlowError> {
    Ok(catalog.snapshots(set)?.into_iter().map(|s| (s.seq, s.started)).collect())
}
