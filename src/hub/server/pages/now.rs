//! What goes on: who is needed, each drive, each run, and how the last ones ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use crate::hub::server::access::Caller;
use crate::hub::server::run::{RunView, TaskView};
use crate::hub::server::shared::Hub;
use crate::port::clock::Moment;
use crate::ui::pace::duration;

use super::layout::{self, Tab};
use super::{drawing, questions, shown};

/// Runs that ended, the newest first.
const LAST: usize = 6;

pub async fn page(State(hub): State<Arc<Hub>>, Extension(caller): Extension<Caller>) -> Response {
    let now = Moment::now();
    let state = hub.board().state(now);
    let (running, over): (Vec<RunView>, Vec<RunView>) =
        state.runs.into_iter().partition(|run| run.reports);
    let content = html! {
        h1.hidden { "Now" }
        section #needed data-live aria-label="What is needed" { (questions::open(&running, &caller)) }
        section #drives.grid data-live aria-label="Drives" {
            @for (drive, tasks) in by_drive(&running) { (drive_card(drive, &tasks, now)) }
        }
        section #runs.grid data-live aria-label="Runs" {
            @for run in &running { (run_card(run, now)) }
            @if running.is_empty() {
                article.card.rest {
                    (drawing::disc(0, "blank"))
                    div {
                        h2 { "Nothing is running" }
                        p.quiet { "Runs on this machine appear here by themselves." }
                    }
                }
            }
        }
        section #last data-live {
            @if !over.is_empty() {
                h2 { "Last" }
                ul.runs { @for run in over.iter().take(LAST) { (ended(run)) } }
            }
        }
    };
    layout::page(&hub, Tab::Now, content)
}

/// What each drive does; the part that counts, not the whole that it belongs to.
fn by_drive(runs: &[RunView]) -> BTreeMap<&str, Vec<OwnTask<'_>>> {
    let mut drives: BTreeMap<&str, Vec<OwnTask<'_>>> = BTreeMap::new();
    for task in runs.iter().flat_map(own_tasks) {
        if let (Some(drive), Some(_)) = (&task.1.drive, task.1.total) {
            drives.entry(drive).or_default().push(task);
        }
    }
    drives
}

/// A task and the name of its run: each run numbers its own.
type OwnTask<'a> = (&'a str, &'a TaskView);

fn own_tasks(run: &RunView) -> impl Iterator<Item = OwnTask<'_>> {
    run.tasks.iter().map(|task| (run.run.as_str(), task))
}

fn drive_card(drive: &str, tasks: &[OwnTask<'_>], now: Moment) -> Markup {
    html! {
        article.card.drive {
            h2 { (shown::text(drive)) }
            @for task in tasks { (task_block(*task, now, true)) }
            p.keep { "Do not take the disc out." }
        }
    }
}

/// `Writing disc 3 of photos`
fn title(task: &TaskView) -> String {
    let mut words = shown::text(&task.phase);
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    if let Some(disc) = task.disc {
        words += &format!(" disc {disc}");
    }
    if let Some(set) = &task.set {
        words += &format!(" of {}", shown::text(set));
    }
    words
}

fn amount(task: &TaskView, number: u64) -> String {
    if task.phase == "scanning" { format!("{number} entries") } else { shown::size(number) }
}

fn task_block((run, task): OwnTask<'_>, now: Moment, is_drawn: bool) -> Markup {
    let percent = task.total.map(|total| shown::percent(task.done, total));
    let label = format!("task-{run}-{}", task.task);
    html! {
        div.task {
            @if is_drawn { (drawing::disc(percent.unwrap_or(0), phase_class(&task.phase))) }
            div {
                h3 id=(label) { (title(task)) }
                @match percent {
                    Some(percent) => {
                        div.bar {
                            progress max="100" value=(percent) aria-labelledby=(label) {}
                            span.number { (percent) " %" }
                        }
                    }
                    None => {}
                }
                p.quiet { (details(task, now)) }
            }
        }
    }
}

/// `12.5 GB of 25.0 GB · 18.0 MB/s · 12 min left, until 14:32`
fn details(task: &TaskView, now: Moment) -> String {
    let mut parts = vec![match task.total {
        Some(total) => format!("{} of {}", amount(task, task.done), amount(task, total)),
        None => amount(task, task.done),
    }];
    parts.extend(task.rate.map(|rate| format!("{}/s", amount(task, rate))));
    if let Some(left) = task.seconds_left {
        let end = Moment(now.0.saturating_add_unsigned(left));
        parts.push(format!("{} left, until {}", duration(left), shown::clock(end)));
    }
    parts.join(" · ")
}

fn phase_class(phase: &str) -> &'static str {
    match phase {
        "writing" | "imaging" => "writing",
        "verifying" | "reading" | "drilling" => "reading",
        _ => "plain",
    }
}

fn run_card(run: &RunView, now: Moment) -> Markup {
    let own = own_tasks(run).filter(|(_, task)| task.drive.is_none() && counts(task));
    html! {
        article.card.run {
            h2 { (shown::text(&run.command)) }
            p.quiet { "since " (shown::minute(Some(&run.since))) (discs(run.discs.as_ref())) }
            @for task in own { (task_block(task, now, false)) }
        }
    }
}

/// The whole of a command counts nothing itself.
fn counts(task: &TaskView) -> bool {
    task.total.is_some() || task.done > 0
}

/// ` · disc 2 of 4, 1 verified`
fn discs(counted: Option<&Value>) -> String {
    let Some(counted) = counted else { return String::new() };
    let number = |key: &str| counted[key].as_u64();
    let Some(begun) = number("begun") else { return String::new() };
    let about = if counted["estimated"] == true { "about " } else { "" };
    let of = number("total").map(|total| format!(" of {about}{total}")).unwrap_or_default();
    format!(" · disc {begun}{of}, {} verified", number("verified").unwrap_or(0))
}

fn ended(run: &RunView) -> Markup {
    let (class, words, at) = match &run.ended {
        Some(end) if end.exit == Some(0) => ("good", "done".to_owned(), Some(&end.at)),
        Some(end) => {
            let exit = end.exit.map(|exit| exit.to_string()).unwrap_or_default();
            ("bad", format!("exit code {exit}: {}", shown::text(&end.text)), Some(&end.at))
        }
        None => ("doubt", "was killed, or no longer reports".to_owned(), None),
    };
    html! {
        li class=(class) {
            b { (shown::text(&run.command)) } " "
            span { (words) } " "
            span.quiet { (shown::minute(at.map(String::as_str))) }
        }
    }
}
