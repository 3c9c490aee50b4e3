//! What a backup has to do: the source is compared with the catalog, and the shopping list reckoned.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::super::compare::{Compared, Comparer, Known};
use super::super::{Desk, FlowError};
use super::BackupRequest;
use super::own_places::leave_out;
use super::set::check_source;
use crate::catalog::{Access, Catalog, CatalogError, SetId};
use crate::model::disc::Ratio;
use crate::model::path::shown;
use crate::model::{Sectors, SnapshotSeq};
use crate::pack::estimate::{Estimate, estimate};
use crate::port::clock::Moment;
use crate::scan::filter::Filter;
use crate::scan::walk::walk;

/// What a backup would do.
pub struct Plan {
    pub compared: Compared,
    pub list: Estimate,
    /// Of the discs that it would make.
    pub capacity: Sectors,
}

/// Says what a backup would do, and writes nothing.
pub fn dry_run(request: &BackupRequest, desk: Desk) -> Result<Plan, FlowError> {
    let mut catalog = match Catalog::open(&request.catalog, Access::Read) {
        Ok(catalog) => Some(catalog),
        Err(CatalogError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let set = match &catalog {
        Some(catalog) => catalog.set_by_name(&request.name)?,
        None => None,
    };
    if let Some(set) = &set {
        check_source(request, set)?;
    }
    let begun = match (&catalog, &set) {
        (Some(catalog), Some(set)) => begun(catalog, set.id)?,
        _ => HashMap::new(),
    };
    let facts = set.as_ref().map(|set| &set.facts);
    let parity = request.parity.or(facts.map(|facts| facts.parity)).unwrap_or(0);
    let of_set = facts.and_then(|facts| facts.parity_discs);
    let parity_discs = request.parity_discs.unwrap_or(of_set);
    let capacity = request.disc_size.of(catalog.as_ref().zip(set.as_ref()))?;
    let set = set.map(|set| set.id);
    let known = Known { catalog: catalog.as_mut(), set, seq: None, begun };
    let compared = scan(request, known, desk)?;
    let list = reckon(request, capacity, &compared, (parity, parity_discs));
    Ok(Plan { compared, list, capacity })
}

/// The shopping list, recovery data and recovery discs among it.
pub(super) fn reckon(
    request: &BackupRequest,
    capacity: Sectors,
    compared: &Compared,
    (parity, parity_discs): (u8, Option<Ratio>),
) -> Estimate {
    let list = estimate(&compared.load, capacity, request.archive_size.0);
    let list = list.with_recovery(parity);
    match parity_discs {
        Some(ratio) => list.with_recovery_discs(ratio, capacity),
        None => list,
    }
}

pub(super) fn scan(
    request: &BackupRequest,
    known: Known,
    desk: Desk,
) -> Result<Compared, FlowError> {
    let mut options = request.filter.clone();
    leave_out(request, known.catalog.as_deref(), &mut options)?;
    let filter = Filter::new(&options)?;
    let mut comparer = Comparer::new(known, request.rehash, desk.monitor);
    walk(&request.source, &filter, desk.stop, desk.monitor, &mut comparer)?;
    let compared = comparer.finish()?;
    for shelf in &compared.shelves {
        let dir = request.source.join(OsStr::from_bytes(shelf.as_bytes()));
        let dir = shown(dir.as_os_str().as_bytes());
        desk.monitor.note(&format!("left out: the disc images in {dir}"));
    }
    Ok(compared)
}

pub(super) fn begun(
    catalog: &Catalog,
    set: SetId,
) -> Result<HashMap<SnapshotSeq, Moment>, FlowError> {
    Ok(catalog.snapshots(set)?.into_iter().map(|s| (s.seq, s.started)).collect())
}
