//! The set that a backup stores into: found or made, with what the request says of it.

use uuid::Uuid;

use crate::catalog::{Catalog, Held, KnownSet, SetFacts};
use crate::codec::openpgp::Sealer;
use crate::drive::{Drive, DriveError};
use crate::flow::backup::ledger::choose_compression;
use crate::flow::backup::request::BackupRequest;
use crate::flow::base::keys::NewKeys;
use crate::flow::base::recipients::agree;
use crate::flow::base::turn::hold_set;
use crate::flow::library::inventory::drive_problem;
use crate::flow::status::keysheet::remember_hint;
use crate::flow::{Context, FlowError, SelectionError};
use crate::model::{DiscIdentity, SetName, SetUuid};
use crate::port::cause::Cause;
use crate::port::clock::Moment;
use crate::port::notice::{DiscNotice, DriveNotice, SetNotice};

/// A place that carries discs of this name which the catalog does not know is not written to.
pub(super) fn refuse_foreign_discs(
    request: &BackupRequest,
    catalog: Option<&Catalog>,
    drive: &mut dyn Drive,
    context: Context,
) -> Result<(), FlowError> {
    let set = catalog.map(|catalog| catalog.set_by_name(&request.name)).transpose()?.flatten();
    let (known, twins) = match (catalog, &set) {
        (Some(catalog), Some(set)) => (catalog.discs(set.id)?, catalog.twins(set.id)?),
        _ => (Vec::new(), Vec::new()),
    };
    let found = match drive.discs() {
        // What is in it now is not what will be burned.
        Err(error) if error.is_in_use() => {
            context.monitor.note(DriveNotice::DriveInUse { why: Cause::of(error) }.into());
            return Ok(());
        }
        found => found?,
    };
    for problem in found.problems {
        context.monitor.note(match problem {
            DriveError::Gone(absence) => DiscNotice::DiscGone { why: Cause::of(absence) }.into(),
            problem => drive_problem(problem).notice(),
        });
    }
    for reader in &found.discs {
        let labels: Vec<DiscIdentity> = DiscIdentity::candidates(&**reader).collect();
        // What was taken out is not what will be burned; without its drive nothing will.
        match reader.absence() {
            Some(absence) if absence.leaves_no_drive() => return Err(absence.into()),
            Some(absence) => {
                context.monitor.note(DiscNotice::DiscGone { why: Cause::of(absence) }.into());
            }
            None => {}
        }
        let is_known = |label: &DiscIdentity| {
            let same_set = set.as_ref().is_some_and(|set| set.facts.uuid == label.set_uuid);
            let same_disc = known.iter().any(|d| d.number == label.number && d.uuid == label.uuid)
                || twins.iter().any(|twin| (twin.number, twin.uuid) == (label.number, label.uuid));
            same_set && same_disc
        };
        let is_named = labels.iter().any(|label| label.set == request.name);
        if is_named && !labels.iter().any(is_known) {
            let place = drive.title();
            return Err(FlowError::ForeignDiscs { place, name: request.name.clone() });
        }
    }
    Ok(())
}

/// The set, made if it is new, and what seals its discs. A wrong passphrase ends the run here.
pub(super) fn open_set(
    request: &BackupRequest,
    catalog: &mut Catalog,
    context: Context,
) -> Result<(KnownSet, Option<Sealer>, bool, Held), FlowError> {
    if let Some((set, held)) = hold_known(request, catalog, context)? {
        check_source(request, &set)?;
        let sealer = request.keys.sealer_for(&set)?;
        agree(catalog, &set, sealer.as_ref(), request.keys.new_recipients, context)?;
        return Ok((remember_facts(request, catalog, &set)?, sealer, false, held));
    }
    context.monitor.note(announcement(request, &catalog.sets()?).into());
    let keys = request.keys.for_new_set(&request.name)?;
    let sealer = create_set(request, catalog, keys)?;
    let set = known_set(catalog, &request.name)?;
    let held = hold_set(catalog, &set, context)?;
    agree(catalog, &set, sealer.as_ref(), true, context)?;
    Ok((set, sealer, true, held))
}

/// The set of this name, if there is one; as it is when nobody else changes it any more.
fn hold_known(
    request: &BackupRequest,
    catalog: &Catalog,
    context: Context,
) -> Result<Option<(KnownSet, Held)>, FlowError> {
    let Some(set) = catalog.set_by_name(&request.name)? else { return Ok(None) };
    let held = hold_set(catalog, &set, context)?;
    let set = catalog.set_by_name(&request.name)?.filter(|now| now.id == set.id);
    Ok(set.map(|set| (set, held)))
}

/// What a run may change of a set's facts.
pub(super) fn remember_facts(
    request: &BackupRequest,
    catalog: &mut Catalog,
    set: &KnownSet,
) -> Result<KnownSet, FlowError> {
    let compression = choose_compression(request.compression, Some(set.facts.compression));
    catalog.set_source(set.id, &request.source)?;
    catalog.set_compression(set.id, compression)?;
    catalog.set_parity_discs(set.id, request.parity_discs.unwrap_or(set.facts.parity_discs))?;
    catalog.set_parity(set.id, request.parity.unwrap_or(set.facts.parity))?;
    known_set(catalog, &request.name)
}

/// A slip of the finger makes a set, too: each is named, with what nobody can change afterwards.
fn announcement(request: &BackupRequest, others: &[KnownSet]) -> SetNotice {
    SetNotice::NewSet {
        set: request.name.clone(),
        encryption: request.keys.of_new_set(),
        others: others.iter().map(|set| set.facts.name.clone()).collect(),
    }
}

/// What is said of the set beside its source.
pub(super) fn remember_wishes(
    request: &BackupRequest,
    catalog: &mut Catalog,
    set: KnownSet,
) -> Result<KnownSet, FlowError> {
    if let Some(copies) = request.copies {
        catalog.set_copies(set.id, copies)?;
    }
    if let Some(size) = request.disc_size.typed {
        catalog.set_disc_size(set.id, size)?;
    }
    if let Some(hint) = &request.hint {
        remember_hint(catalog, &set, hint)?;
    }
    catalog.describe(set.id, &request.description, request.hint_in_clear)?;
    known_set(catalog, &request.name)
}

fn create_set(
    request: &BackupRequest,
    catalog: &mut Catalog,
    keys: NewKeys,
) -> Result<Option<Sealer>, FlowError> {
    catalog.create_set(&SetFacts {
        name: request.name.clone(),
        uuid: SetUuid(Uuid::new_v4()),
        source: request.source.clone(),
        encryption: keys.encryption,
        certs: keys.certs,
        token: keys.token,
        hidden: request.keys.hidden,
        compression: choose_compression(request.compression, None),
        parity: request.parity.unwrap_or(0),
        parity_discs: request.parity_discs.flatten(),
        created: Moment::now(),
    })?;
    Ok(keys.sealer)
}

fn known_set(catalog: &Catalog, name: &SetName) -> Result<KnownSet, FlowError> {
    catalog.set_by_name(name)?.ok_or_else(|| SelectionError::NoSets.into())
}

/// Another directory under the same name is refused: its files would replace the first one's in
/// every listing.
pub(super) fn check_source(request: &BackupRequest, set: &KnownSet) -> Result<(), FlowError> {
    let known = &set.facts.source;
    if *known == request.source || request.move_source {
        return Ok(());
    }
    Err(FlowError::OtherSource { name: request.name.clone(), known: known.clone() })
}
