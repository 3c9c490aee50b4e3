//! Numbers for a monitoring system, in the text format of Prometheus (exposition format 0.0.4). No
//! name of a file or directory is in them: whoever collects numbers need not know names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;

use crate::port::clock::Moment;
use crate::port::event::Activity;

use super::answers::refusal;
use super::board::State as BoardState;
use super::run::RunView;
use super::shared::Hub;
use super::view::{SetNumbers, Tally};

const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What is not one of the words or devices that we know.
const OTHER: &str = "other";

pub async fn metrics(State(hub): State<Arc<Hub>>) -> Response {
    let sets = match hub.ask(|view| view.numbers()).await {
        Ok(sets) => sets,
        Err(error) => return refusal(error.status(), &error.to_string()),
    };
    let state = hub.board().state(Moment::now());
    let mut response = Response::new(Body::from(text(&sets, &state)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(KIND));
    response
}

/// Lines of a metric, after what it is.
#[derive(Default)]
struct Page(String);

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// A gauge with all its values; nothing where there is none.
    fn gauge<'a, L: AsRef<[(&'a str, &'a str)]>>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, f64)>,
    ) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            // Writing into a String cannot fail.
            let _ = write!(self.0, "# HELP coldcut_{name} {help}\n# TYPE coldcut_{name} gauge\n");
        }
        for (labels, value) in values {
            let _ = writeln!(self.0, "coldcut_{name}{} {value}", brackets(labels.as_ref()));
        }
    }

    fn number(&mut self, name: &str, help: &str, value: u64) {
        let none: [(&str, &str); 0] = [];
        self.gauge(name, help, [(none, value as f64)]);
    }
}

/// `{set="photos",state="ok"}`
fn brackets(labels: Labels<'_>) -> String {
    let one = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
    match labels {
        [] => String::new(),
        labels => format!("{{{}}}", labels.iter().map(one).collect::<Vec<_>>().join(",")),
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn text(sets: &[SetNumbers], state: &BoardState) -> String {
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    page.gauge("build_info", "The version of coldcut.", [([("version", version)], 1.0)]);
    of_sets(&mut page, sets);
    of_discs(&mut page, sets);
    of_runs(&mut page, state);
    page.0
}

fn of_sets(page: &mut Page, sets: &[SetNumbers]) {
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(&SetNumbers) -> Option<f64>| {
        let values = sets.iter().filter_map(|set| Some(([("set", set.set.as_str())], value(set)?)));
        page.gauge(name, help, values);
    };
    let number = |value: u64| Some(value as f64);
    gauge("set_safe", "1: `status` finds no danger; 0: it does; absent: not known.", &|set| {
        set.is_safe.map(|is_safe| f64::from(u8::from(is_safe)))
    });
    gauge("copies_wanted", "Verified copies that each disc is to have.", &|set| {
        number(set.copies_wanted.into())
    });
    let safe = "of the newest snapshot in as many verified copies as are wanted.";
    gauge("safe_files", &format!("Files {safe}"), &|set| number(set.safe.files));
    gauge("safe_bytes", &format!("Bytes of files {safe}"), &|set| number(set.safe.bytes));
    let rest = "of the newest snapshot in fewer verified copies than are wanted.";
    gauge("unsafe_files", &format!("Files {rest}"), &|set| number(set.at_risk().files));
    gauge("unsafe_bytes", &format!("Bytes of files {rest}"), &|set| number(set.at_risk().bytes));
    gauge("last_backup_timestamp_seconds", "When the newest snapshot was begun.", &|set| {
        set.last_backup.map(|moment| moment.0 as f64)
    });
    gauge(
        "oldest_check_timestamp_seconds",
        "When the good copy was verified that was not read for the longest time.",
        &|set| set.oldest_check.map(|moment| moment.0 as f64),
    );
}

fn of_discs(page: &mut Page, sets: &[SetNumbers]) {
    page.gauge("discs", "Discs by their state.", by_state(sets, |set| &set.discs));
    page.gauge("copies", "Copies by their state.", by_state(sets, |set| &set.copies));
}

fn by_state(
    sets: &[SetNumbers],
    counts: fn(&SetNumbers) -> &BTreeMap<String, u64>,
) -> impl Iterator<Item = ([(&str, &str); 2], f64)> {
    sets.iter().flat_map(move |set| {
        let labels = |state| [("set", set.set.as_str()), ("state", state)];
        counts(set).iter().map(move |(state, count)| (labels(state.as_str()), *count as f64))
    })
}

fn of_runs(page: &mut Page, state: &BoardState) {
    let running = || state.runs.iter().filter(|run| run.reports);
    let sum = |count: fn(&RunView) -> usize| running().map(count).sum::<usize>() as u64;
    page.number("runs", "Runs that report.", running().count() as u64);
    page.number(
        "open_questions",
        "Questions that nobody answered.",
        sum(|run| run.questions.len()),
    );
    page.number("wanted_media", "Media that runs wait for.", sum(|run| run.inserts.len()));
    page.number("journal_last_event", "The number of the newest event.", state.last_event);
    let tasks = running().flat_map(|run| &run.tasks);
    let tasks = counted(tasks.map(|task| activity(&task.phase)));
    let tasks = tasks.iter().map(|(phase, count)| ([("phase", *phase)], *count));
    page.gauge("tasks", "Running tasks by what they do.", tasks);
    let drives = counted(running().flat_map(states_of_drives));
    let drives = drives.iter();
    let drives = drives
        .map(|((state, drive), count)| ([("drive", drive.as_str()), ("state", *state)], *count));
    page.gauge(
        "drives",
        "Drives at work by their state; all that are not devices are one.",
        drives,
    );
}

fn counted<K: Ord>(all: impl Iterator<Item = K>) -> BTreeMap<K, f64> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_insert(0.0) += 1.0;
    }
    counts
}

/// What counts at each drive, and not the whole that it belongs to.
fn states_of_drives(run: &RunView) -> Vec<(&'static str, String)> {
    let waiting = run.inserts.iter().filter_map(|insert| insert["drive"].as_str());
    let waiting = waiting.map(|drive| ("waiting", device(drive)));
    let counting = run.tasks.iter().filter(|task| task.total.is_some());
    let working =
        counting.filter_map(|task| Some((activity(&task.phase), device(task.drive.as_deref()?))));
    waiting.chain(working).collect()
}

/// A run says what it likes; a label says what we know.
fn activity(word: &str) -> &'static str {
    use Activity::{
        Burning, Drilling, Imaging, Packing, Protecting, Reading, Repairing, Rescuing, Restoring,
        Scanning, Verifying, Writing,
    };
    let known = [
        Burning, Scanning, Packing, Protecting, Drilling, Imaging, Writing, Verifying, Reading,
        Repairing, Rescuing, Restoring,
    ];
    known.map(Activity::word).into_iter().find(|own| *own == word).unwrap_or(OTHER)
}

/// The device in a drive's title; a shelf is a directory, whose name stays here.
fn device(title: &str) -> String {
    let first = title.split_whitespace().next().unwrap_or_default();
    let is_name = |name: &str| {
        (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let name = first.strip_prefix("/dev/").filter(|name| is_name(name));
    name.map_or_else(|| OTHER.to_owned(), |name| format!("/dev/{name}"))
}

impl SetNumbers {
    fn at_risk(&self) -> Tally {
        Tally {
            files: self.all.files.saturating_sub(self.safe.files),
            bytes: self.all.bytes.saturating_sub(self.safe.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::hello::Hello;
    use crate::hub::server::run::{Peer, Run};
    use serde_json::json;
    use tokio::sync::mpsc;

    fn state(events: &[serde_json::Value]) -> BoardState {
        let hello = Hello {
            run: "0123abcd".into(),
            command: "burn".into(),
            pid: 1,
            catalog: String::new(),
        };
        let mut run = Run::new(&hello, Moment(0));
        run.connect(1, Peer { pid: None, user: 0 }, mpsc::channel(1).0);
        events.iter().for_each(|event| run.apply(event, Moment(0)));
        BoardState { at: String::new(), last_event: 7, runs: vec![run.view(Moment(0))] }
    }

    #[test]
    fn what_a_run_says_never_becomes_a_label() {
        let state = state(&[
            json!({"event": "phase", "task": 1, "phase": "writing", "total": 9, "drive": "/dev/sr0 (HL-DT-ST)"}),
            json!({"event": "phase", "task": 2, "phase": "x\"} 1\ny", "total": 9, "drive": "/srv/secret"}),
            json!({"event": "insert", "drive": "/dev/../secret", "wanted": "secret"}),
        ]);
        let text = text(&[], &state);
        for line in [
            "coldcut_tasks{phase=\"writing\"} 1",
            "coldcut_tasks{phase=\"other\"} 1",
            "coldcut_drives{drive=\"/dev/sr0\",state=\"writing\"} 1",
            "coldcut_drives{drive=\"other\",state=\"waiting\"} 1",
            "coldcut_wanted_media 1",
            "coldcut_journal_last_event 7",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}: {text}");
        }
        assert!(!text.contains("secret") && !text.contains("HL-DT"), "{text}");
    }

    #[test]
    fn a_label_is_escaped_and_what_is_not_known_is_absent() {
        assert_eq!(brackets(&[("set", "a\"\\\n")]), "{set=\"a\\\"\\\\\\n\"}");
        let set = SetNumbers {
            set: "photos".into(),
            all: Tally { files: 3, bytes: 30 },
            safe: Tally { files: 1, bytes: 10 },
            ..SetNumbers::default()
        };
        let text = text(&[set], &state(&[]));
        assert!(text.contains("coldcut_unsafe_bytes{set=\"photos\"} 20\n"), "{text}");
        for absent in ["set_safe{", "last_backup", "coldcut_discs"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }
}
