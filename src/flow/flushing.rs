//! `coldcut flush`: the disc that is held back for more is finished as it is. It is the end of a
//! backup without its beginning: the source is not looked at.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::catalog::{Access, Catalog, DiscInfo};
use crate::codec::openpgp::{Sealer, Signer};
use crate::model::SetName;
use crate::model::size::NAMED_SIZES;
use crate::pack::queue::Queue;
use crate::scan::filter::FilterOptions;

use super::backup::{BackupReport, BackupRequest, Run};
use super::keys::KeyRing;
use super::ledger::CatalogLedger;
use super::staging::Staging;
use super::{Desk, FlowError, choose_set};

pub struct FlushRequest<'a> {
    pub catalog: PathBuf,
    pub staging: PathBuf,
    pub name: Option<SetName>,
    pub keys: KeyRing<'a>,
    pub signer: Option<Signer>,
}

/// The disc that is staged now; `None` if nothing waited.
pub fn flush(request: FlushRequest, desk: Desk) -> Result<Option<DiscInfo>, FlowError> {
    let mut catalog = Catalog::open(&request.catalog, Access::Write)?;
    let set = choose_set(catalog.sets()?, request.name.as_ref())?;
    if catalog.open_disc(set.id)?.is_none() && catalog.pending_rows(set.id)? == 0 {
        return Ok(None);
    }
    let Some(last) = catalog.snapshots(set.id)?.pop().filter(|last| last.finished.is_some()) else {
        return Err(FlowError::UnfinishedRun(set.facts.name));
    };
    let sealer = request.keys.sealer_for(&set)?.map(Sealer::keeping_keys);
    let staging = Staging::open(&request.staging)?;
    let backup = BackupRequest {
        source: set.facts.source.clone(),
        name: set.facts.name.clone(),
        catalog: request.catalog,
        staging: request.staging,
        shelf: None,
        capacity: NAMED_SIZES[0].1,
        archive_size: crate::model::Bytes(0),
        compression: None,
        parity: None,
        parity_discs: None,
        keys: request.keys,
        signer: request.signer,
        drill: true,
        filter: FilterOptions::default(),
        rehash: false,
        move_source: false,
        min_fill: None,
        flush: true,
        copies: None,
        hint: None,
    };
    let report = BackupReport::default();
    let (staging, set) = (&staging, &set);
    let run = Run { request: &backup, staging, set, sealer, desk, report };
    run.miss_signer(&catalog)?;
    run.forget_lost_staging(&mut catalog)?;
    let texts = run.texts(&catalog, last.seq, &Queue::default())?;
    let (disc, new_disc, known) = run.next_disc(&catalog, &texts, true)?;
    let place = (new_disc, known);
    let (begun, rehashed) = (HashMap::new(), false);
    let set = run.set.id;
    let mut ledger =
        CatalogLedger::new(&mut catalog, set, last.seq, desk.monitor, place, begun, rehashed)?;
    let closed = run.close_disc(&texts, &disc, &mut ledger)?;
    run.drill(ledger.catalog(), &closed)?;
    super::ended_well(ledger.catalog(), desk);
    Ok(Some(closed))
}
