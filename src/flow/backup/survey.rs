//! What a backup has to do: the source is compared with the catalog, and the shopping list reckoned.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::compare::{Compared, Comparer, Known};
use super::super::guards::absolute;
use super::super::{Desk, FlowError};
use super::BackupRequest;
use super::set::check_source;
use crate::catalog::{Access, Catalog, CatalogError, SetId};
use crate::model::disc::Ratio;
use crate::model::{RelPath, Sectors, SnapshotSeq};
use crate::pack::estimate::{Estimate, estimate};
use crate::port::clock::Moment;
use crate::scan::filter::{Filter, FilterOptions};
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
    leave_out_own_places(request, &mut options)?;
    let filter = Filter::new(&options)?;
    let mut comparer = Comparer::new(known, request.rehash, desk.monitor);
    walk(&request.source, &filter, desk.stop, desk.monitor, &mut comparer)?;
    comparer.finish()
}

/// What is coldcut's own inside of the source is left out by its name: a shelf, staging area or
/// catalog would be different after every run, and a shelf would hold itself.
fn leave_out_own_places(
    request: &BackupRequest,
    options: &mut FilterOptions,
) -> Result<(), FlowError> {
    let dirs = request.shelf.iter().chain([&request.staging]).filter_map(|dir| absolute(dir));
    for dir in dirs {
        options.own_dirs.extend(inside(request, &dir)?);
    }
    for file in own_files(&request.catalog) {
        options.own_files.extend(inside(request, &file)?);
    }
    Ok(())
}

/// The catalog with all that lies beside it: beside the file itself, and, if its name is a link,
/// beside that, too.
fn own_files(catalog: &Path) -> Vec<PathBuf> {
    let linked = catalog.parent().zip(catalog.file_name());
    let linked = linked.and_then(|(dir, name)| Some(absolute(dir)?.join(name)));
    linked.into_iter().chain(absolute(catalog)).flat_map(|path| Catalog::files(&path)).collect()
}

/// Where a place is in the source; `None` if it is elsewhere.
fn inside(request: &BackupRequest, place: &Path) -> Result<Option<RelPath>, FlowError> {
    let Ok(inside) = place.strip_prefix(&request.source) else { return Ok(None) };
    match RelPath::new(inside.as_os_str().as_bytes()) {
        Some(path) => Ok(Some(path)),
        // The source itself.
        None => Err(FlowError::OwnPlace(place.to_owned())),
    }
}

pub(super) fn begun(
    catalog: &Catalog,
    set: SetId,
) -> Result<HashMap<SnapshotSeq, Moment>, FlowError> {
    Ok(catalog.snapshots(set)?.into_iter().map(|s| (s.seq, s.started)).collect())
}
