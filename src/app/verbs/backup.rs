//! `coldcut backup`.

use crate::app::{App, RunError};
use crate::cli::args::BackupArgs;
use crate::cli::resolve::{self, ResolveError};
use crate::flow::FlowError;
use crate::flow::backup::guards::{NewSetGuard, ProgramGuard};
use crate::flow::backup::shrink::MAY_SHRINK;
use crate::flow::backup::{BackupPlan, BackupReport, BackupRequest, backup, dry_run};
use crate::flow::base::keys::KeyRing;
use crate::flow::burn::station::Drives;
use crate::flow::staging::area::need;
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::staging::holding::HoldPolicy;
use crate::model::SetName;
use crate::model::disc::Description;
use crate::model::path::shown;
use crate::model::{Bytes, Sectors, plural};
use crate::pack::estimate::{Estimate, minutes};
use crate::port::operator::{Nobody, Operator};
use crate::scan::filter::FilterOptions;
use crate::ui::exit::Exit;
use crate::ui::json::storing::BackupPlanObject;
use crate::ui::summary::{BackupSummary, PathTally};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::{
    burner, check_dest, is_device, open_dests, open_shelf, refuse_one_twice, signer, text,
};

pub fn run(app: &App, args: BackupArgs) -> Result<Exit, RunError> {
    app.with_keys(|keys| {
        let mut request = request(app, &args, keys)?;
        guard(app, &args, &request)?;
        if args.dry_run {
            let dest = request.shelves.iter().find(|dest| dest.is_dir());
            let mut shelf = dest.map(|dest| open_shelf(app, dest)).transpose()?;
            let is_burned = args.dest.iter().any(|dest| is_device(dest));
            let planned = dry_run(&request, shelf.as_deref_mut(), app.context())?;
            return plan(app, &planned, is_burned);
        }
        let mut drives = open_dests(app, &args.dest, &args.burning)?;
        if args.disc_size.is_none() {
            request.disc_size.blank = smallest_blank(&mut drives)?;
        }
        let report = backup(&request, &mut drives, app.context_for(&args.burning))?;
        tell(app, &report)
    })
}

/// Discs are planned for the blanks that lie ready: each fits into any of them.
fn smallest_blank(drives: &mut [Drives]) -> Result<Option<Sectors>, RunError> {
    let mut smallest = None;
    for drives in drives.iter_mut().filter(|drives| drives.roles.burns) {
        let blank = drives.burner.blank_capacity().map_err(FlowError::from)?;
        smallest = smallest.into_iter().chain(blank).min();
    }
    Ok(smallest)
}

fn request<'a>(
    app: &App,
    args: &BackupArgs,
    keys: KeyRing<'a>,
) -> Result<BackupRequest<'a>, RunError> {
    let source = resolve::source(&args.source).map_err(|error| no_source(args, error))?;
    if args.dest.is_empty() && !args.stage && !args.dry_run {
        return Err(RunError::Usage(BackupArgs::NO_DEST.to_owned()));
    }
    let name = match &app.common.set {
        Some(name) => name.clone(),
        None => resolve::default_name(&source)?,
    };
    Ok(BackupRequest {
        name,
        catalog: app.around.catalog(&app.common)?,
        staging: app.around.staging(&app.common)?,
        shelves: args.dest.iter().filter(|dest| !is_device(dest)).cloned().collect(),
        disc_size: DiscSize { typed: args.disc_size, blank: None },
        archive_size: args.archive_size,
        compression: args.compress,
        bzip2: args.frames.bzip2.unwrap_or_default(),
        parity: args.parity,
        parity_discs: args.parity_discs.map(|discs| discs.0),
        keys,
        signer: signer(app, &args.signing)?,
        drill: !args.no_drill,
        filter: filter(args)?,
        rehash: args.rehash,
        move_source: args.move_source,
        allow_shrink: args.allow_shrink,
        max_shrink: args.max_shrink.unwrap_or(MAY_SHRINK),
        hold: HoldPolicy { min_fill: args.min_fill, max_hold: args.max_hold },
        flush: args.flush,
        copies: args.copies,
        hint: args.hint.clone(),
        description: Description {
            title: args.said.title.clone(),
            description: args.said.description.clone(),
            contact: args.said.contact.clone(),
            rights: args.said.rights.clone(),
            hint: None,
        },
        hint_in_clear: args.said.hint_in_clear,
        source,
    })
}

/// A word without a slash may be the name of a set, mistyped.
fn no_source(args: &BackupArgs, error: ResolveError) -> ResolveError {
    let is_missing = matches!(&error, ResolveError::NoSource { source, .. }
        if source.kind() == ErrorKind::NotFound);
    match is_missing && args.may_be_a_mistyped_set() {
        true => ResolveError::NoSuchSet {
            word: shown(args.source.as_os_str().as_bytes()),
            configured: args.configured.iter().map(SetName::as_str).collect::<Vec<_>>().join(", "),
        },
        false => error,
    }
}

/// What is refused or asked before anything is opened, made or read: first what no answer changes. A
/// dry run asks nobody, and is refused what a run would be that nobody answers.
fn guard(app: &App, args: &BackupArgs, request: &BackupRequest) -> Result<(), RunError> {
    for dest in &args.dest {
        let (source, name) = (Some(request.source.as_path()), Some(&request.name));
        check_dest(app, dest, &args.burning, source, name)?;
    }
    refuse_one_twice(&args.dest)?;
    let program_guard = |burner| ProgramGuard {
        catalog: &request.catalog,
        name: Some(&request.name),
        burner,
        drill: !args.no_drill,
        new_set: Some((request.keys.of_new_set(), request.compression)),
    };
    if args.dest.is_empty() {
        program_guard(None).check(app.context())?;
    }
    for dest in &args.dest {
        program_guard(Some(burner(dest, &args.burning))).check(app.context())?;
    }
    let operator: &dyn Operator = if args.dry_run { &Nobody } else { &app.person };
    let guard = NewSetGuard {
        catalog: &request.catalog,
        name: &request.name,
        source: &request.source,
        is_typed: args.is_name_typed,
        is_configured: args.configured.contains(&request.name),
        is_meant: args.new_set,
        moves: args.move_source,
    };
    Ok(guard.check(operator)?)
}

fn filter(args: &BackupArgs) -> Result<FilterOptions, RunError> {
    Ok(FilterOptions {
        exclude: args
            .exclude
            .iter()
            .map(|glob| text("--exclude", glob))
            .collect::<Result<_, _>>()?,
        exclude_from: args.exclude_from.clone(),
        exclude_caches: args.exclude_caches,
        exclude_if_present: args
            .exclude_if_present
            .iter()
            .map(|name| name.clone().into_vec())
            .collect(),
        one_file_system: args.one_file_system,
        ..FilterOptions::default()
    })
}

/// The shopping list of a dry run. `is_burned`: the discs go into a drive.
fn plan(app: &App, plan: &BackupPlan, is_burned: bool) -> Result<Exit, RunError> {
    let BackupPlan { compared, list, capacity, fills_up } = plan;
    let summary = BackupSummary {
        stored: PathTally {
            count: compared.load.files + compared.rows,
            size: Bytes(compared.load.bytes),
        },
        unchanged: PathTally { count: compared.unchanged, size: Bytes(0) },
        excluded: excluded(&compared.excluded),
        hollow: compared.hollow.clone().into_iter().collect(),
        failed: PathTally { count: compared.failed, size: Bytes(0) },
        dry_run: true,
        ..BackupSummary::default()
    };
    app.screen().say_lines(&summary.text());
    app.screen().say_lines(&shopping_list(*capacity, list, is_burned));
    if let Some(disc) = fills_up {
        app.screen().say(&format!(
            "Disc {disc}, which is in the staging area, is one of them; it is filled first."
        ));
    }
    app.screen().say_lines(&app.last_words(summary.failures()));
    app.screen().object(&summary.object(Some(plan_object(plan))))?;
    Ok(if compared.failed > 0 { Exit::Incomplete } else { Exit::Done })
}

fn plan_object(plan: &BackupPlan) -> BackupPlanObject {
    let list = &plan.list;
    let minutes = speeds(list).into_iter();
    BackupPlanObject {
        discs: list.discs,
        capacity: plan.capacity.bytes().0,
        fills_up: plan.fills_up.map(|disc| disc.0),
        on_discs: list.on_discs.0,
        staging: list.staging.0,
        minutes: minutes.map(|(speed, minutes)| (format!("{speed}x"), minutes)).collect(),
    }
}

fn shopping_list(capacity: Sectors, list: &Estimate, is_burned: bool) -> String {
    if list.discs == 0 {
        return "No disc is needed.\n".to_owned();
    }
    let times = if is_burned { burning_times(list) } else { String::new() };
    let ahead = match list.discs {
        ..2 => String::new(),
        _ => format!(
            "; with {} a disc is packed while one is burned",
            need(list, capacity, false, false).ahead
        ),
    };
    format!(
        "At most {} of {capacity}, {} in all; fewer if the files compress.\n\
         {times}{} of free space is needed in the staging area{ahead}.\n",
        plural(list.discs, "disc", "discs"),
        list.on_discs,
        list.staging
    )
}

fn burning_times(list: &Estimate) -> String {
    let times: Vec<String> = speeds(list)
        .into_iter()
        .map(|(speed, minutes)| format!("{minutes} min at {speed}x"))
        .collect();
    let times = times.join(", ");
    format!("Burning takes at most {times}, and reading back takes as long again.\n")
}

/// Speeds that BD-R media are sold for, and the minutes that writing takes.
fn speeds(list: &Estimate) -> Vec<(u64, u64)> {
    [4, 6, 12].into_iter().map(|speed| (speed, minutes(list.on_discs, speed))).collect()
}

fn excluded(rules: &std::collections::BTreeMap<String, u64>) -> Vec<(String, PathTally)> {
    rules.iter().map(|(rule, &count)| (rule.clone(), PathTally { count, size: Bytes(0) })).collect()
}

fn tell(app: &App, report: &BackupReport) -> Result<Exit, RunError> {
    let summary = BackupSummary {
        snapshot: report.snapshot,
        stored: PathTally {
            count: report.stored_files + report.reused + report.rows,
            size: Bytes(report.stored_bytes),
        },
        unchanged: PathTally { count: report.unchanged, size: Bytes(0) },
        excluded: excluded(&report.excluded),
        hollow: report.hollow.clone().into_iter().collect(),
        failed: PathTally { count: report.failed, size: Bytes(0) },
        waiting: PathTally { count: report.waiting_files, size: report.waiting_bytes },
        rows_waiting: report.rows_waiting,
        recoded_frames: report.recoded_frames,
        discs: report.discs.clone(),
        dry_run: false,
    };
    if !app.common.quiet {
        app.screen().say_lines(&summary.text());
        if let Some(disc) = report.held {
            app.screen().say(&format!(
                "disc {disc} is not full enough and waits in the staging area; --flush burns it"
            ));
        }
        if report.first_encrypted {
            app.screen().say(
                "These discs are encrypted: without the passphrase or key nobody can read them, \
                 and nobody can help.",
            );
        }
        app.screen().say_lines(&app.last_words(summary.failures()));
    }
    app.screen().object(&summary.object(None))?;
    Ok(if report.is_complete() { Exit::Done } else { Exit::Incomplete })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_discs_for_a_drive_have_burning_times() {
        let list = Estimate { discs: 1, on_discs: Bytes(25_025_314_816), staging: Bytes(1) };
        let words = |is_burned| shopping_list(Sectors(12_219_392), &list, is_burned);
        assert!(words(true).contains("\nBurning takes at most 24 min at 4x, "), "{}", words(true));
        assert!(
            !words(false).contains("min") && words(false).contains("fewer"),
            "{}",
            words(false)
        );
    }
}
