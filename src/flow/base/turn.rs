//! Several coldcuts may work with a catalog, but not with the same part of it: whoever comes second
//! waits for his turn, as long as he was told to, or ends before anything is begun.

use std::path::Path;
use std::time::Duration;

use crate::catalog::{Access, Catalog, CatalogError, Held, KnownSet, Part, Patience};
use crate::model::{DiscNo, InUse, SetName};
use crate::port::cause::Cause;
use crate::port::clock::pause;
use crate::port::notice::CatalogNotice;

use crate::flow::base::sets::choose_set;
use crate::flow::{Context, FlowError};

/// Between two looks whether the other one is done.
const LOOK: Duration = Duration::from_millis(500);

/// The catalog, to be written beside others.
pub fn open_to_record(path: &Path, context: Context) -> Result<Catalog, FlowError> {
    let mut catalog = in_turn(context, None, || Catalog::open(path, Access::Record))?;
    catalog.wait_with(patience(path, context))?;
    Ok(catalog)
}

/// A transaction of another writer is short, and waited for: what was done with a disc is not left
/// unrecorded.
fn patience(path: &Path, context: Context) -> Patience {
    let (monitor, stop, path) = (context.monitor.clone(), context.stop.clone(), path.to_owned());
    let mut is_told = false;
    Box::new(move || {
        if !std::mem::replace(&mut is_told, true) {
            let (catalog, pid) = (path.clone(), None);
            monitor.note(CatalogNotice::CatalogInUse { catalog, pid }.into());
        }
        stop.check().is_ok()
    })
}

/// The set that is meant, which nobody else changes until what comes with it is dropped.
pub fn hold_chosen(
    catalog: &Catalog,
    name: Option<&SetName>,
    context: Context,
) -> Result<(KnownSet, Held), FlowError> {
    let set = choose_set(catalog.sets()?, name)?;
    let held = hold_set(catalog, &set, context)?;
    // Whoever had it before may have changed or forgotten it.
    Ok((choose_set(catalog.sets()?, Some(&set.facts.name))?, held))
}

pub fn hold_set(catalog: &Catalog, set: &KnownSet, context: Context) -> Result<Held, FlowError> {
    in_turn(context, Some(&set.facts.name), || catalog.hold(Part::Set(set.id)))
}

/// A disc that nobody else burns, reads back or takes away until what is given is dropped.
pub fn hold_disc(
    catalog: &Catalog,
    set: &KnownSet,
    disc: DiscNo,
    context: Context,
) -> Result<Held, FlowError> {
    in_turn(context, Some(&set.facts.name), || catalog.hold(Part::Disc(set.id, disc)))
}

/// The same of all discs of a set.
pub fn hold_discs(catalog: &Catalog, set: &KnownSet, context: Context) -> Result<Held, FlowError> {
    in_turn(context, Some(&set.facts.name), || catalog.hold(Part::AllDiscs(set.id)))
}

/// `None`: another coldcut has it.
pub fn unless_in_use(held: Result<Held, CatalogError>) -> Result<Option<Held>, FlowError> {
    match held {
        Err(CatalogError::PartInUse { .. }) => Ok(None),
        held => Ok(held.map(Some)?),
    }
}

/// Tries until no other coldcut has what is wanted, for as long as [`Context::turn`] says.
pub fn in_turn<T>(
    context: Context,
    set: Option<&SetName>,
    mut take: impl FnMut() -> Result<T, CatalogError>,
) -> Result<T, FlowError> {
    let deadline = context.turn.deadline();
    let mut is_told = false;
    loop {
        let (what, pid) = match take() {
            Err(error) => in_use(error, set)?,
            taken => return Ok(taken?),
        };
        if deadline.is_over() {
            return Err(FlowError::OthersTurn { what, pid });
        }
        if !std::mem::replace(&mut is_told, true) {
            context.monitor.note(CatalogNotice::of_in_use(what, pid).into());
        }
        pause(LOOK, context.stop)?;
    }
}

/// What another one has, and who; any other error comes back.
fn in_use(
    error: CatalogError,
    set: Option<&SetName>,
) -> Result<(InUse, Option<u32>), CatalogError> {
    match (error, set) {
        (CatalogError::Locked { path, pid }, _) => Ok((InUse::Catalog(path), pid)),
        (CatalogError::PartInUse { part, pid, .. }, Some(set)) => {
            let set = set.clone();
            Ok(match part {
                Part::Set(_) => (InUse::Set(set), pid),
                Part::Disc(_, disc) => (InUse::Disc(set, disc), pid),
                Part::AllDiscs(_) => (InUse::Discs(set), pid),
            })
        }
        (error, _) => Err(error),
    }
}

/// A run that changed the catalog ended well: a copy of it is kept. Without it the run is as good.
pub(in crate::flow) fn ended_well(catalog: &Catalog, context: Context) {
    if let Err(error) = catalog.keep_last() {
        context.monitor.note(CatalogNotice::NoCatalogCopy { why: Cause::of(error) }.into());
    }
}
