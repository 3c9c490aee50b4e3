//! The drill of a staged disc, before a blank is spent on it: what does not open is not burned.

use std::fs::File;

use crate::catalog::{Catalog, ClosedDiscInfo, DiscState, DrillScope, Finding, KnownSet};
use crate::codec::openpgp::{OpenError, Sealer};
use crate::drill::{Depth, DrillError, InPlace, SampleKey};
use crate::flow::drill::sample::{fault_lines, note_untested, record, take_sample};
use crate::flow::staging::area::Staging;
use crate::flow::{Context, FlowError};
use crate::model::disc::Encryption;
use crate::port::event::Activity;
use crate::port::monitor::NewTask;
use crate::port::notice::DrillNotice;

/// Tries a disc that a run before left untried, where nobody is there to give a key.
pub(in crate::flow) fn drill_without_keys(
    catalog: &mut Catalog,
    staging: &Staging,
    set: &KnownSet,
    disc: &ClosedDiscInfo,
    context: Context,
) -> Result<(), FlowError> {
    if !is_untried(catalog, set, disc)? {
        return Ok(());
    }
    if set.facts.encryption.is_on() {
        context.monitor.note(DrillNotice::NotDrilledWithoutKey { disc: disc.number }.into());
        return Ok(());
    }
    drill_staged(catalog, staging, set, disc, None, context)
}

/// Whether a staged disc was never tried, or did not open then. One that was burned already was
/// tried before, or nobody wanted it.
pub(in crate::flow) fn is_untried(
    catalog: &Catalog,
    set: &KnownSet,
    disc: &ClosedDiscInfo,
) -> Result<bool, FlowError> {
    let is_staged = matches!(disc.state, DiscState::Staged | DiscState::Failed);
    let has_files = catalog.covered_by(set.id, disc.number)?.is_empty();
    Ok(is_staged && has_files && newest(catalog, set, disc)? != Some(Finding::Ok))
}

/// What the last drill of the disc found.
fn newest(
    catalog: &Catalog,
    set: &KnownSet,
    disc: &ClosedDiscInfo,
) -> Result<Option<Finding>, FlowError> {
    Ok(catalog.drills(set.id, disc.number)?.last().map(|drill| drill.finding))
}

/// A staged disc that standard tools could not read is burned by nobody. Of one that was burned
/// already the drill may have met a bad copy.
pub(in crate::flow) fn refuse_unreadable(
    catalog: &Catalog,
    set: &KnownSet,
    disc: &ClosedDiscInfo,
) -> Result<(), FlowError> {
    let is_bad = newest(catalog, set, disc)? == Some(Finding::Damaged);
    match is_bad && catalog.copies(set.id, disc.number)?.is_empty() {
        true => Err(FlowError::DrillFailed {
            disc: disc.number,
            words: "found by the last drill".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Tries a sample of a staged disc. Without the tools it is not tried, and that is said.
pub(in crate::flow) fn drill_staged(
    catalog: &mut Catalog,
    staging: &Staging,
    set: &KnownSet,
    disc: &ClosedDiscInfo,
    sealer: Option<&Sealer>,
    context: Context,
) -> Result<(), FlowError> {
    let number = disc.number;
    let _task = context.monitor.begin(NewTask::new(Activity::Drilling).disc(number));
    let dir = staging.disc_dir(set, number);
    let secret = sealer.and_then(|sealer| sealer.locks().secret());
    let by_sealer = |file: &File| match sealer {
        Some(sealer) => sealer.file_key(file).map_err(OpenError::Read),
        None => Ok(None),
    };
    let key = match (&secret, set.facts.encryption) {
        (Some(secret), _) => SampleKey::Passphrase(secret),
        (None, Encryption::None) => SampleKey::None,
        (None, _) => SampleKey::Files(&by_sealer),
    };
    let seen = match take_sample(catalog, set, disc, &InPlace(&dir), &key, Depth::Quick, context) {
        Err(FlowError::Drill(DrillError::NoTool(tool))) => {
            let notice = DrillNotice::NotDrilledWithoutTool { disc: number, tool };
            context.monitor.note(notice.into());
            return Ok(());
        }
        seen => seen?,
    };
    note_untested(number, &seen, context);
    record(catalog, set.id, number, &seen, DrillScope::Sample)?;
    match seen.faults.is_empty() {
        true => Ok(()),
        false => {
            let words = fault_lines(&seen.faults).replace('\n', "; ");
            Err(FlowError::DrillFailed { disc: number, words })
        }
    }
}
