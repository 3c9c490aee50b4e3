//! What a run has to report and has not sent yet. It is bounded: a service that does not read is
//! told the state later, instead of everything that led to it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::port::clock::Moment;
use crate::port::event::{Activity, Event, Progress, RunState, Task, TaskId};
use crate::ui::events::{event_object, state_objects};

use super::hello::LONGEST_LINE;

/// Lines that wait at most.
const MOST: usize = 1000;
/// Seconds between two reports of the progress of a task.
const APART: i64 = 1;

/// The lines for the service, and the state of the run, which the next service hears first.
#[derive(Debug, Default)]
pub struct Outbox {
    state: RunState,
    told: BTreeMap<TaskId, Moment>,
    lines: VecDeque<String>,
    /// Somebody reads.
    is_open: bool,
    /// The run is over; this is its last line.
    last: Option<String>,
    is_sent: bool,
}

impl Outbox {
    pub fn join(&mut self, state: &RunState) {
        self.state = state.clone();
    }

    pub fn hear(&mut self, event: &Event, now: Moment) {
        if self.is_open && self.is_due(event, now) {
            if let Some(object) = event_object(event, &self.state) {
                self.push_progress_before(event);
                self.push(&object);
            }
        }
        if let Event::Ended(task) = event {
            self.told.remove(&task.id);
        }
        self.state.apply(event);
    }

    /// Progress has thousands of events a second.
    fn is_due(&mut self, event: &Event, now: Moment) -> bool {
        let Event::Progress { task, .. } = event else { return true };
        let is_due = self.told.get(task).is_none_or(|told| now.0 - told.0 >= APART);
        if is_due {
            self.told.insert(*task, now);
        }
        is_due
    }

    /// How far a task was when it ended was perhaps not due.
    fn push_progress_before(&mut self, event: &Event) {
        let Event::Ended(Task { id, what, .. }) = event else { return };
        let progress = self.state.task(*id).map(|(_, progress)| *progress);
        if let Some(progress) = progress.filter(|progress| *progress != Progress::default()) {
            let is_command = matches!(what, Activity::Command(_));
            let object = event_object(&Event::Progress { task: *id, progress }, &self.state);
            object.filter(|_| !is_command).iter().for_each(|object| self.push(object));
        }
    }

    fn push(&mut self, object: &Value) {
        let line = line(object);
        if self.lines.len() >= MOST {
            self.close();
        } else if line.len() <= LONGEST_LINE {
            self.lines.push_back(line);
        }
    }

    /// A service reads from now on; what it is told first.
    pub fn open(&mut self) -> String {
        self.lines.clear();
        self.is_open = true;
        let objects = state_objects(&self.state);
        let all = line(&json!({"now": objects}));
        // It cannot be long, but for questions with long lists; then only the rest is heard.
        if all.len() <= LONGEST_LINE { all } else { line(&json!({"now": []})) }
    }

    /// Nobody reads any more, or not fast enough.
    pub fn close(&mut self) {
        self.lines.clear();
        self.is_open = false;
    }

    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// What is to be sent now.
    pub fn take(&mut self) -> Vec<String> {
        self.lines.drain(..).collect()
    }

    /// The run is over.
    pub fn end(&mut self, last: &Value) {
        self.last = Some(line(last));
    }

    /// What is sent when nothing else is.
    pub fn last(&self) -> Option<String> {
        self.last.clone()
    }

    pub fn set_sent(&mut self) {
        self.is_sent = true;
    }

    pub fn is_sent(&self) -> bool {
        self.is_sent
    }
}

fn line(object: &Value) -> String {
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    fn task(id: u64) -> Task {
        let what = Activity::Writing;
        let total = Some(100);
        Task { id: TaskId(id), parent: None, what, set: None, disc: None, drive: None, total }
    }

    fn progress(done: u64) -> Event {
        Event::Progress { task: TaskId(1), progress: Progress { done, written: None } }
    }

    fn names(lines: &[String]) -> Vec<String> {
        let read = |line: &String| serde_json::from_str::<Value>(line).unwrap();
        lines.iter().map(|line| read(line)["event"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn progress_is_sent_once_a_second_and_its_end_always() {
        let mut outbox = Outbox::default();
        outbox.open();
        outbox.hear(&Event::Begun(task(1)), Moment(10));
        for (at, done) in [(10, 1), (10, 2), (11, 3), (11, 99)] {
            outbox.hear(&progress(done), Moment(at));
        }
        outbox.hear(&Event::Ended(task(1)), Moment(11));
        let lines = outbox.take();
        assert_eq!(names(&lines), ["phase", "progress", "progress", "progress", "end"]);
        assert!(lines[3].contains("\"done\":99"), "{}", lines[3]);
    }

    #[test]
    fn who_joins_late_hears_what_is_running_first() {
        let mut outbox = Outbox::default();
        outbox.hear(&Event::Begun(task(1)), Moment(10));
        outbox.hear(&progress(5), Moment(10));
        outbox.hear(&Event::Begun(task(2)), Moment(10));
        outbox.hear(&Event::Ended(task(2)), Moment(10));
        let now: Value = serde_json::from_str(&outbox.open()).unwrap();
        let events = now["now"].as_array().unwrap();
        assert_eq!(events.len(), 2, "{now}");
        assert_eq!(events[1]["done"], 5);
    }

    #[test]
    fn a_service_that_does_not_read_costs_a_bounded_memory() {
        let mut outbox = Outbox::default();
        outbox.open();
        for id in 0..5000 {
            outbox.hear(&Event::Begun(task(id)), Moment(0));
            outbox.hear(&Event::Ended(task(id)), Moment(0));
        }
        assert!(!outbox.is_open() && outbox.take().is_empty());
        assert!(outbox.open().contains("[]"));
    }
}
