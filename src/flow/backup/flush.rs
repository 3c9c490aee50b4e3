//! `coldcut flush`: the disc that is held back for more is finished as it is. It is the end of a
//! backup without its beginning: the source is not looked at.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::{Catalog, ClosedDiscInfo, KnownSet};
use crate::codec::bzip2_frames::{Bzip2Coder, Bzip2Frames};
use crate::codec::openpgp::Signer;
use crate::model::SetName;
use crate::pack::queue::Queue;

use crate::flow::backup::ledger::CatalogLedger;
use crate::flow::backup::refill::{reopen, spare};
use crate::flow::backup::writer::DiscWriter;
use crate::flow::base::keys::KeyRing;
use crate::flow::base::protection::{is_protected, needs_par2};
use crate::flow::base::recipients::agree;
use crate::flow::base::turn::{hold_chosen, open_to_record};
use crate::flow::burn::recovery_groups::{GroupClosing, Grouping};
use crate::flow::staging::area::Staging;
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::{Context, FlowError};

pub struct FlushRequest<'a> {
    pub catalog: PathBuf,
    pub staging: PathBuf,
    pub name: Option<SetName>,
    pub keys: KeyRing<'a>,
    pub signer: Option<Signer>,
    /// Stock tools are tried on a sample of the disc.
    pub drill: bool,
    pub bzip2: Bzip2Coder,
}

/// What is staged now.
#[derive(Debug, Default)]
pub struct Flushed {
    /// The disc that was held back; `None` if nothing waited.
    pub disc: Option<ClosedDiscInfo>,
    /// Of the group that was in progress.
    pub recovery: Vec<ClosedDiscInfo>,
    /// The recovery discs are made when the staged discs are burned: their images are needed.
    pub recovery_waits: bool,
}

/// Finishes the disc that is held back, and the group of discs that is in progress.
pub fn flush(request: FlushRequest, context: Context) -> Result<Flushed, FlowError> {
    let mut catalog = open_to_record(&request.catalog, context)?;
    let (set, _held) = hold_chosen(&catalog, request.name.as_ref(), context)?;
    request.keys.refuse_needless(&set)?;
    needs_par2(is_protected(&set.facts), context)?;
    let staging = Staging::open(&request.staging)?;
    let disc = match catalog.open_disc(set.id)?.is_none() && catalog.pending_rows(set.id)? == 0 {
        true => None,
        false => Some(close_disc(&request, &mut catalog, &set, &staging, context)?),
    };
    let grouping = Grouping::new(&staging, &set, context);
    let recovery_waits = grouping.close_with(&catalog)? == GroupClosing::WhenBurned;
    let recovery = grouping.make(&mut catalog)?;
    crate::flow::base::turn::ended_well(&catalog, context);
    Ok(Flushed { disc, recovery, recovery_waits })
}

fn close_disc(
    request: &FlushRequest,
    catalog: &mut Catalog,
    set: &KnownSet,
    staging: &Staging,
    context: Context,
) -> Result<ClosedDiscInfo, FlowError> {
    let Some(last) = catalog.snapshots(set.id)?.pop().filter(|last| last.finished.is_some()) else {
        return Err(FlowError::UnfinishedRun(set.facts.name.clone()));
    };
    let sealer = request.keys.sealer_for(set)?;
    let sealer = sealer.map(|sealer| if request.drill { sealer.keeping_keys() } else { sealer });
    agree(catalog, set, sealer.as_ref(), request.keys.new_recipients, context)?;
    let capacity = DiscSize::default().of(Some((&*catalog, set)))?;
    let (signer, drill) = (request.signer.as_ref(), request.drill);
    let bzip2 = Arc::new(Bzip2Frames::new(request.bzip2));
    let writer = DiscWriter { staging, set, sealer, signer, drill, bzip2, capacity, context };
    writer.take_over(catalog)?;
    // Listings alone begin no disc while another one waits and has room.
    if let Some(spare) = spare(&writer, catalog)? {
        reopen(&writer, catalog, &spare, &request.keys)?;
    }
    let texts = writer.texts(catalog, last.seq, &Queue::default())?;
    let (disc, new_disc, known) = writer.next_disc(catalog, &texts, true)?;
    let place = (new_disc, known);
    let (begun, rehashed) = (HashMap::new(), false);
    let mut ledger =
        CatalogLedger::new(catalog, set.id, last.seq, context.monitor, place, begun, rehashed)?;
    writer.close_disc(&texts, &disc, &mut ledger)
}
