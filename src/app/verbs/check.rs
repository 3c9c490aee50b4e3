//! `coldcut check`.

use crate::app::{App, RunError};
use crate::catalog::Finding;
use crate::cli::args::CheckArgs;
use crate::flow::care::check::{CheckReport, CheckRequest, CheckedCopy, Due, DueCopy, check, due};
use crate::flow::library::locations::place_of;
use crate::model::strain::Strain;
use crate::port::clock::Moment;
use crate::ui::exit::Exit;
use crate::ui::json::care::{CheckSummary, CheckedCopyObject, DueCopyObject, ReadingObject};
use crate::ui::json::event::Summary;
use crate::ui::media::DueLine;
use crate::ui::{table, words};

use super::{open_source, say_failed, trust};

pub fn run(app: &App, args: CheckArgs) -> Result<Exit, RunError> {
    let request = CheckRequest {
        trust: trust(app, args.verify_signature.as_deref())?,
        from: args.from.clone(),
        catalog: app.around.catalog(&app.common)?,
        name: app.common.set.clone(),
        due: match (args.max_check_age, args.count) {
            (Some(age), _) => Due::OlderThan(age),
            (None, count) => Due::Count(count.unwrap_or(1)),
        },
    };
    if args.dry_run {
        let now = Moment::now();
        let lines: Vec<DueLine> =
            due(&request, now)?.iter().map(|due| due_line(due, now)).collect();
        table::print(app.screen(), &lines)?;
        return Ok(Exit::Done);
    }
    let mut drive = open_source(app, &request.from)?;
    let report = check(&request, drive.as_deref_mut(), app.context())?;
    tell(app, &report)?;
    let damage = if report.is_sound() { Exit::Done } else { Exit::Damage };
    let missing = if report.missing.is_empty() { Exit::Done } else { Exit::DiscMissing };
    Ok(damage.and(missing))
}

fn due_line(due: &DueCopy, now: Moment) -> DueLine {
    DueLine {
        set: due.set.facts.name.clone(),
        disc: due.disc.number,
        copy: due.copy.number.0,
        verified: due.verified,
        suspect: due.suspect.clone(),
        place: place_of(&due.copy),
        medium: due.copy.medium.clone(),
        now,
    }
}

fn tell(app: &App, report: &CheckReport) -> Result<(), RunError> {
    let due = report.checked.len() + report.missing.len() + report.untrusted.len();
    let is_well = |copy: &&CheckedCopy| copy.checked.finding() == Finding::Ok && !copy.ages();
    let (well, ill): (Vec<_>, Vec<_>) = report.checked.iter().partition(is_well);
    if !app.common.quiet {
        well.iter().for_each(|copy| app.screen().say(&line(copy)));
        for due in &report.elsewhere {
            app.screen().say(&format!("{} is due but kept elsewhere", due.words()));
        }
        if due == 0 {
            app.screen().say("nothing is due");
        }
    }
    ill.iter().for_each(|copy| app.screen().say(&line(copy)));
    for due in &report.untrusted {
        app.screen().say(&format!("{} is due and WAS REFUSED (see above)", due.words()));
    }
    for due in &report.missing {
        app.screen().say(&format!("{} is due and NOT THERE", due.words()));
    }
    let damaged = ill.iter().filter(|copy| copy.checked.finding() != Finding::Ok).count();
    let failed = damaged + report.untrusted.len() + report.missing.len();
    say_failed(app, failed, due, "copies");
    app.summary(Summary::Check(summary(report)))
}

fn line(copy: &CheckedCopy) -> String {
    let checked = &copy.checked;
    format!(
        "disc {} of {}, copy {}: {}{}",
        checked.number,
        checked.set,
        copy.copy.0,
        words::verdict(&checked.verdict()),
        trend_words(copy)
    )
}

/// How the last readings went, as far as there is anything to say.
fn trend_words(copy: &CheckedCopy) -> String {
    let slow: Vec<String> = copy.trend.iter().map(|(_, strain)| strain.slow.to_string()).collect();
    let unreadable: Vec<String> =
        copy.trend.iter().map(|(_, strain)| strain.unreadable.to_string()).collect();
    let mut words = String::new();
    if copy.trend.iter().any(|(_, strain)| strain.slow > 0) {
        let slowest = copy.trend.last().map_or(0, |(_, strain)| strain.slowest.as_secs());
        words += &format!("; slow places {} (now up to {slowest} s)", slow.join(", "));
    }
    if copy.trend.iter().any(|(_, strain)| strain.unreadable > 0) {
        words += &format!("; unreadable places {}", unreadable.join(", "));
    }
    if copy.ages() {
        words += "; AGEING: make another copy soon (`coldcut copy`)";
    }
    words
}

fn summary(report: &CheckReport) -> CheckSummary {
    let due = |due: &[DueCopy]| due.iter().map(due_object).collect();
    CheckSummary {
        copies: report.checked.iter().map(copy_object).collect(),
        missing: due(&report.missing),
        elsewhere: due(&report.elsewhere),
        refused: due(&report.untrusted),
    }
}

fn copy_object(copy: &CheckedCopy) -> CheckedCopyObject {
    let checked = &copy.checked;
    CheckedCopyObject {
        set: checked.set.to_string(),
        disc: checked.number.0,
        copy: copy.copy.0,
        finding: checked.finding().into(),
        faults: checked.faults,
        ages: copy.ages(),
        trend: copy.trend.iter().map(reading_object).collect(),
    }
}

fn reading_object((at, strain): &(Moment, Strain)) -> ReadingObject {
    ReadingObject {
        date: at.to_string(),
        slow: strain.slow,
        slowest_ms: u64::try_from(strain.slowest.as_millis()).unwrap_or(u64::MAX),
        unreadable: strain.unreadable,
    }
}

fn due_object(due: &DueCopy) -> DueCopyObject {
    DueCopyObject {
        set: due.set.facts.name.to_string(),
        disc: due.disc.number.0,
        copy: due.copy.number.0,
        place: place_of(&due.copy),
    }
}
