//! `coldcut restore`.

use crate::app::{App, RunError};
use crate::cli::args::{Overwrite, RestoreArgs};
use crate::flow::FlowError;
use crate::flow::library::inventory::Trust;
use crate::flow::library::vouching::Rights;
use crate::flow::restore::{RestoreReport, RestoreRequest, restore};
use crate::model::Bytes;
use crate::model::glob::PathGlobs;
use crate::pack::estimate::{READ_SPEED, seconds};
use crate::restore::place;
use crate::ui::exit::Exit;
use crate::ui::summary::{PathTally, RestoreNeeds, RestoreSummary};

use super::{is_device, open_sources, text, trust};

pub fn run(app: &App, args: RestoreArgs) -> Result<Exit, RunError> {
    let mut drives = open_sources(app, &args.from)?;
    let patterns = args.path.iter().map(|glob| text("--path", glob));
    let patterns = patterns.collect::<Result<Vec<String>, RunError>>()?;
    let paths = PathGlobs::new(&patterns).map_err(|error| {
        let words = error.to_string();
        FlowError::Pattern(error, words)
    })?;
    app.with_keys(|keys| {
        let request = RestoreRequest {
            from: args.from.clone(),
            target: args.target.clone(),
            catalog: app.around.catalog(&app.common)?,
            name: app.common.set.clone(),
            snapshot: args.snapshot,
            paths,
            overwrite: overwrite(args.overwrite),
            owners: !args.no_owner,
            rights: rights(&args),
            keys,
            dry_run: args.dry_run,
            trust: Trust { history: args.disc, ..trust(app, args.verify_signature.as_deref())? },
            scratch: app.scratch()?,
        };
        let drives = drives.iter_mut().map(|drive| drive.as_deref_mut()).collect();
        let report = restore(&request, drives, app.context())?;
        tell(app, &report, args.dry_run.then(|| needs(&report)))
    })
}

/// Without owners a set-id program is somebody else's.
fn rights(args: &RestoreArgs) -> Rights {
    match (args.trust_metadata, args.no_trust_metadata || args.no_owner) {
        (_, true) => Rights::LeaveOut,
        (true, false) => Rights::Restore,
        (false, false) => Rights::Vouched,
    }
}

fn overwrite(typed: Overwrite) -> place::OverwritePolicy {
    match typed {
        Overwrite::Never => place::OverwritePolicy::Never,
        Overwrite::Changed => place::OverwritePolicy::Changed,
        Overwrite::Always => place::OverwritePolicy::Always,
    }
}

fn needs(report: &RestoreReport) -> RestoreNeeds {
    let (bytes, longest) = (Bytes(report.bytes_to_read), Bytes(report.bytes_of_longest));
    RestoreNeeds {
        discs: report.discs.clone(),
        bytes,
        seconds: seconds(longest, READ_SPEED),
        is_from_drive: report.drives.iter().any(|(from, _)| is_device(from)),
        changes: report.media_changes,
        drives: report.drives.clone(),
    }
}

/// `plan`: of a dry run.
fn tell(app: &App, report: &RestoreReport, plan: Option<RestoreNeeds>) -> Result<Exit, RunError> {
    let dry_run = plan.is_some();
    let (count, size) = match dry_run {
        true => (report.files_planned, report.bytes_planned),
        false => (report.restored, report.bytes),
    };
    let summary = RestoreSummary {
        snapshot: Some(report.snapshot),
        restored: PathTally { count, size: Bytes(size) },
        kept: PathTally { count: report.kept + report.there, size: Bytes(0) },
        withheld: report.withheld,
        failed: PathTally { count: report.failed + report.missing, size: Bytes(0) },
        missing_discs: report.missing_discs.clone(),
        later_discs: report.later_discs,
        dry_run,
        plan,
    };
    if !app.common.quiet {
        app.screen().say_lines(&summary.text());
        if report.kept > 0 {
            app.screen().say("--overwrite says what to do with files that already exist");
        }
        app.screen().say_lines(&app.last_words(summary.failures()));
    }
    app.screen().object(&summary.object())?;
    Ok(match (report.lacks_discs(), report.is_complete()) {
        (true, _) => Exit::DiscMissing,
        (false, true) => Exit::Done,
        (false, false) => Exit::Incomplete,
    })
}
