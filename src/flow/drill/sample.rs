//! A sample of a disc that the catalog knows, and what a drill saw, told and recorded.

use crate::catalog::{
    Catalog, DiscFileRecord, DiscInfo, DrillRecord as Record, DrillScope, Finding, KnownSet, SetId,
};
use crate::drill::{Depth, DrillFault, Drilled, Files, KnownFile, SampleKey, Sampling, sample};
use crate::flow::{Context, FlowError};
use crate::model::DiscNo;
use crate::model::rows::IndexRow;
use crate::port::clock::Moment;
use crate::port::event::Trouble;
use crate::port::notice::DrillNotice;

/// What there is to say of a disc before its last words.
pub(super) fn tell(number: DiscNo, seen: &Drilled, context: Context) {
    for fault in &seen.faults {
        let thing = format!("disc {number}: {}", fault.path);
        context.monitor.trouble(&Trouble::new(thing, fault.what.clone()));
    }
    note_untested(number, seen, context);
}

/// Says what could not be tried.
pub(super) fn note_untested(disc: DiscNo, seen: &Drilled, context: Context) {
    for what in seen.skipped.iter().cloned() {
        context.monitor.note(DrillNotice::NotTested { disc, what }.into());
    }
}

pub(super) fn known_files(files: Vec<DiscFileRecord>) -> Vec<KnownFile> {
    let known = |file: DiscFileRecord| {
        let DiscFileRecord { path, size, sha256 } = file;
        KnownFile { path, size: size.0, sha256 }
    };
    files.into_iter().map(known).collect()
}

/// A drill in which nothing could be tried leaves no date.
pub(super) fn record(
    catalog: &mut Catalog,
    set: SetId,
    disc: DiscNo,
    seen: &Drilled,
    scope: DrillScope,
) -> Result<(), FlowError> {
    if seen.files == 0 && seen.faults.is_empty() && !seen.skipped.is_empty() {
        return Ok(());
    }
    let finding = if seen.faults.is_empty() { Finding::Ok } else { Finding::Damaged };
    let details = match seen.faults.is_empty() {
        true => format!("{} files, {} bytes", seen.files, seen.bytes),
        false => fault_lines(&seen.faults),
    };
    Ok(catalog.record_drill(set, &Record { disc, at: Moment::now(), scope, finding, details })?)
}

pub(super) fn fault_lines(faults: &[DrillFault]) -> String {
    let lines: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.path, f.what)).collect();
    lines.join("\n")
}

pub(super) fn take_sample<C>(
    catalog: &Catalog,
    set: &KnownSet,
    disc: &DiscInfo<C>,
    files: &dyn Files,
    key: &SampleKey,
    depth: Depth,
    context: Context,
) -> Result<Drilled, FlowError> {
    let known = known_files(catalog.disc_files(set.id, disc.number)?);
    let knows = |row: &IndexRow| {
        let stored = row.sha256.map(|sha256| catalog.content_by_digest(set.id, &sha256, row.size));
        matches!(stored, Some(Ok(Some(_))))
    };
    let (disc, knows, stop) = (disc.uuid, &knows, context.stop);
    Ok(sample(&Sampling { disc, known: &known, files, key, depth, knows, stop })?)
}
