//! `coldcut status`: is my data safe?

use crate::app::{App, RunError};
use crate::cli::args::StatusArgs;
use crate::flow::FlowError;
use crate::flow::burn::records::Copies;
use crate::flow::burn::station::medium_wanted;
use crate::flow::library::recovery_status::RecoveryStatus;
use crate::flow::staging::area::source_bytes;
use crate::flow::status::query::{SetGlance, glance};
use crate::flow::status::safety::{FileSafety, SafetyVerdict};
use crate::model::glob::PathGlobs;
use crate::model::{Bytes, SetName};
use crate::port::clock::Moment;
use crate::ui::exit::Exit;
use crate::ui::safety::{FileSafetyLine, GroupLine, SafetyLine};
use crate::ui::status::{PlacesInUse, StatusLine, print_status};
use crate::ui::table;
use crate::ui::words::dangers;
use crate::ui::words::insertion::medium;

use super::query::open;
use super::text;

pub fn run(app: &App, args: StatusArgs) -> Result<Exit, RunError> {
    if !args.paths.is_empty() {
        return files(app, &args);
    }
    let catalog = app.around.catalog(&app.common)?;
    let staging = app.around.staging(&app.common)?;
    let now = Moment::now();
    let is_there = catalog.exists();
    let limits = |set: &SetName| args.limits.of(set);
    let sets = glance(&catalog, &staging, app.common.set.as_ref(), &limits, now);
    let places = PlacesInUse { catalog_exists: is_there, catalog, staging };
    let sets = match sets {
        Err(error) if !is_there => {
            // Programs are told where it was looked for.
            print_status(app.screen(), &places, &[], now)?;
            return Err(error.into());
        }
        sets => sets?,
    };
    let lines: Vec<StatusLine> = sets.into_iter().map(|set| status_line(set, now)).collect();
    print_status(app.screen(), &places, &lines, now)?;
    if lines.is_empty() {
        app.screen().say("nothing has been backed up with this catalog yet");
        return Ok(Exit::Incomplete);
    }
    let worst = lines.iter().map(|set| set.safety.verdict).min();
    Ok(exit(worst.unwrap_or_default()))
}

/// What is not safe, or not known to be, is for whoever watches: the same code as for files that
/// were not stored.
pub fn exit(verdict: SafetyVerdict) -> Exit {
    if verdict == SafetyVerdict::Safe { Exit::Done } else { Exit::Incomplete }
}

fn files(app: &App, args: &StatusArgs) -> Result<Exit, RunError> {
    let patterns = args.paths.iter().map(|glob| text("PATH", glob));
    let patterns = patterns.collect::<Result<Vec<String>, RunError>>()?;
    let globs = PathGlobs::new(&patterns).map_err(|error| {
        let words = error.to_string();
        FlowError::Pattern(error, words)
    })?;
    let query = open(app)?;
    let now = Moment::now();
    let staging = app.around.staging(&app.common)?;
    let safety = query.safety_of(&globs, &staging, &args.limits.of(query.name()), now)?;
    let verdict = safety.verdict();
    let lines: Vec<FileSafetyLine> =
        safety.files.into_iter().map(|file| file_line(file, now)).collect();
    table::print(app.screen(), &lines)?;
    for danger in &safety.dangers {
        app.screen().say(&dangers::danger(danger, now));
    }
    for doubt in &safety.unknown {
        app.screen().say(&dangers::doubt(doubt));
    }
    Ok(exit(verdict))
}

fn file_line(file: FileSafety, now: Moment) -> FileSafetyLine {
    FileSafetyLine {
        path: file.path.as_bytes().to_vec(),
        size: Bytes(file.size),
        copies: file.copies,
        discs: file.discs,
        verified: file.verified,
        places: file.places,
        stale: file.stale,
        now,
    }
}

/// The blank for the first disc that waits for one, or for another copy. Whoever has a disc in progress
/// asks for its blanks.
fn wanted(glance: &SetGlance) -> Option<String> {
    use crate::catalog::DiscState::{Failed, Staged};
    let first = glance.discs.iter().find(|disc| {
        let number = &disc.info.number;
        let is_staged = matches!(disc.info.state, Staged | Failed);
        let is_waiting = is_staged && !glance.outside.lost.contains(number)
            || glance.outside.owed.contains(number);
        is_waiting && !glance.in_work.contains(number)
    })?;
    let copies: Vec<_> = first.media.iter().map(|medium| medium.copy.clone()).collect();
    let wanted = glance.set.copies as usize;
    let disc = first.info.clone().closed()?;
    Some(medium(&medium_wanted(&glance.set, &disc, &Copies::of(&copies), wanted)))
}

pub(super) fn status_line(glance: SetGlance, now: Moment) -> StatusLine {
    use crate::catalog::DiscState::{Failed, Open, Staged, Verified};
    let count = |states: &[crate::catalog::DiscState]| {
        glance.discs.iter().filter(|disc| states.contains(&disc.info.state)).count() as u64
    };
    let facts = &glance.set.facts;
    StatusLine {
        set: facts.name.clone(),
        uuid: facts.uuid,
        source: source_bytes(&facts.source),
        encryption: facts.encryption,
        snapshots: glance.snapshots.len() as u64,
        newest: glance.snapshots.last().map(|s| (s.seq, s.started)),
        safe: count(&[Verified]),
        staged: count(&[Open, Staged, Failed]),
        waiting: glance.status.staged.files + glance.status.not_yet.files,
        waiting_size: glance.status.staged.bytes + glance.status.not_yet.bytes,
        rows_waiting: glance.pending_rows,
        wanted: wanted(&glance),
        in_work: glance.in_work.clone(),
        safety: safety_line(&glance, now),
    }
}

fn safety_line(glance: &SetGlance, now: Moment) -> SafetyLine {
    let nowhere = glance.status.staged.files + glance.status.not_yet.files;
    let mut by_copies: Vec<(u32, u64)> =
        glance.status.by_copies.iter().map(|(&copies, tally)| (copies, tally.files)).collect();
    if nowhere > 0 {
        by_copies.insert(0, (0, nowhere));
    }
    let safety = &glance.safety;
    SafetyLine {
        verdict: safety.verdict(),
        dangers: safety.dangers.iter().map(|danger| dangers::danger(danger, now)).collect(),
        unknown: safety.unknown.iter().map(dangers::doubt).collect(),
        allowed: safety.allowed.iter().map(|wait| dangers::allowed(wait, now)).collect(),
        latest: safety.latest.clone(),
        age: safety.latest.age(now),
        missing: safety.missing.clone(),
        misdated: safety.misdated.clone(),
        by_copies,
        wanted: glance.set.copies,
        may_lose: safety.may_lose.clone(),
        only_copy: safety.only_copy.clone(),
        no_good_copy: safety.no_good_copy.clone(),
        oldest: safety.oldest,
        drilled: safety.drilled.clone(),
        groups: safety.groups.iter().map(group_line).collect(),
    }
}

fn group_line(recovery_status: &RecoveryStatus) -> GroupLine {
    GroupLine {
        discs: recovery_status.group.discs.clone(),
        recovery: recovery_status.group.recovery.clone(),
        lost: recovery_status.lost.clone(),
        may_lose: recovery_status.may_lose(),
    }
}
