//! `coldcut lost` and `coldcut retire`.

use crate::app::{App, RunError};
use crate::catalog::{Fate, FileTally};
use crate::cli::args::GiveUpArgs;
use crate::flow::FlowError;
use crate::flow::library::locations::kept;
use crate::flow::status::lost_discs::{GivenUp, GivingUp};
use crate::model::plural;
use crate::port::operator::Operator;
use crate::port::question::{Answer, Question};
use crate::ui::exit::Exit;
use crate::ui::json::care::{GiveUpSummary, GivenUpObject};
use crate::ui::json::event::Summary;
use crate::ui::json::tally::TallyObject;
use crate::ui::media::LossLine;
use crate::ui::table;
use crate::ui::words::dangers::how_to_rebuild;

pub fn run(app: &App, args: GiveUpArgs, fate: Fate) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let staging = app.around.staging(&app.common)?;
    let name = app.common.set.as_ref();
    let work =
        GivingUp::weigh(&catalog, &staging, name, &args.discs, args.copy, fate, app.context())?;
    table::print(app.screen(), &losses(&work)?)?;
    say_loss(app, &work, fate);
    let (set, discs) = (work.set.facts.name.clone(), args.discs);
    let question = match fate {
        Fate::Lost => Question::RecordLost { set, discs },
        Fate::Retired => Question::Retire { set, discs },
    };
    if app.person.ask(question) != Answer::Yes {
        return Err(FlowError::NotAgreed.into());
    }
    let summary = match fate {
        Fate::Lost => Summary::Lost(summary(&work)),
        Fate::Retired => Summary::Retire(summary(&work)),
    };
    work.record()?;
    app.summary(summary)?;
    Ok(Exit::Done)
}

fn losses(work: &GivingUp) -> Result<Vec<LossLine>, RunError> {
    let dates = work.dates()?;
    let line = |at: &crate::catalog::LossAt| LossLine {
        set: work.set.facts.name.clone(),
        id: at.seq,
        date: dates.get(&at.seq).copied().unwrap_or(crate::port::clock::Moment(0)),
        files: at.lost.files,
        size: at.lost.bytes,
        for_good: at.for_good.files,
        for_good_size: at.for_good.bytes,
    };
    Ok(work.loss.snapshots.iter().map(line).collect())
}

fn say_loss(app: &App, work: &GivingUp, fate: Fate) {
    for disc in &work.discs {
        app.screen().say(&disc_words(work, disc));
    }
    for (disc, recovery_status) in &work.made_again {
        app.screen().say(&how_to_rebuild(*disc, &recovery_status.sources()));
    }
    let loss = &work.loss;
    if loss.newest.files > 0 {
        app.screen().say(&format!(
            "{} ({}) of the newest snapshot would no longer be on any disc; the next `coldcut \
             backup` stores those that the source still has",
            plural(loss.newest.files, "file", "files"),
            loss.newest.bytes
        ));
    }
    if loss.for_good.files > 0 {
        let unless = match fate {
            Fate::Lost => ", unless a copy is found",
            Fate::Retired => "",
        };
        app.screen().say(&format!(
            "{} ({}) of older snapshots would be GONE FOR EVER{unless}",
            plural(loss.for_good.files, "file", "files"),
            loss.for_good.bytes
        ));
    }
    if work.discs.iter().all(|disc| !disc.takes_all()) || loss.snapshots.is_empty() {
        app.screen().say("no files would be lost");
    }
}

/// `disc 3 of photos: copies 1, 2 no longer count; no usable copy is left`.
fn disc_words(work: &GivingUp, disc: &GivenUp) -> String {
    let numbers: Vec<String> = disc.copies.iter().map(|copy| copy.0.to_string()).collect();
    let goes = match &numbers[..] {
        [] => "no remaining copy is affected".to_owned(),
        [one] => format!("copy {one} no longer counts"),
        several => format!("copies {} no longer count", several.join(", ")),
    };
    let left = match (disc.good.len(), disc.staged, disc.unread) {
        (1.., _, _) => {
            format!("{} left{}", count(disc.good.len()), kept(&disc.good))
        }
        (0, true, _) => "it is still in the staging area, and `coldcut burn` burns it".to_owned(),
        (0, false, 1..) => "what is left has never been verified: run `coldcut verify`".to_owned(),
        (0, false, 0) => "no usable copy is left".to_owned(),
    };
    format!("disc {} of {}: {goes}; {left}", disc.disc, work.set.facts.name)
}

fn count(copies: usize) -> String {
    match copies {
        1 => "one verified copy is".to_owned(),
        copies => format!("{copies} verified copies are"),
    }
}

fn summary(work: &GivingUp) -> GiveUpSummary {
    let tally = |tally: FileTally| TallyObject { count: tally.files, size: tally.bytes.0 };
    let disc = |disc: &GivenUp| GivenUpObject {
        disc: disc.disc.0,
        copies: disc.copies.iter().map(|copy| copy.0).collect(),
        good_left: disc.good.len(),
        staged: disc.staged,
    };
    GiveUpSummary {
        discs: work.discs.iter().map(disc).collect(),
        newest: tally(work.loss.newest),
        for_good: tally(work.loss.for_good),
        made_again: work.made_again.iter().map(|(disc, _)| disc.0).collect(),
    }
}
