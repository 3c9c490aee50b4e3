//! All that the service knows: the runs that report, what each is doing, what is asked, and who
//! listens. Values and a journal, without a network.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::hub::hello::Hello;
use crate::port::clock::Moment;

use super::journal::{Journal, JournalEntry};
use super::run::{Peer, Refusal, Run, RunView};

/// Runs that are remembered, those that ended among them.
const MOST_RUNS: usize = 64;
/// Listeners at once.
const MOST_LISTENERS: usize = 64;
/// Events that wait for a listener who reads slowly; after that it is let go.
const MOST_WAITING: usize = 512;

pub struct Board {
    journal: Journal,
    runs: BTreeMap<String, Run>,
    /// In the order in which they began.
    order: VecDeque<String>,
    listeners: Vec<mpsc::Sender<Message>>,
    connections: u64,
    /// Why the journal could not be written, until somebody was told.
    trouble: Option<io::Error>,
}

/// What a listener gets: an event, with its number if it is in the journal.
#[derive(Clone, Debug)]
pub struct Message {
    pub number: Option<u64>,
    pub object: Value,
}

/// Why a run cannot report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    TooMany,
    /// Another process reports under its name.
    NameTaken,
}

/// What goes on.
#[derive(Debug, Serialize)]
pub struct State {
    pub at: String,
    /// The number of the newest event.
    pub last_event: u64,
    pub runs: Vec<RunView>,
}

impl Board {
    pub fn new(journal: Journal) -> Board {
        Board {
            journal,
            runs: BTreeMap::new(),
            order: VecDeque::new(),
            listeners: Vec::new(),
            connections: 0,
            trouble: None,
        }
    }

    /// A run reports from now on; it may have done so before. The number of its connection.
    pub fn begin(
        &mut self,
        hello: &Hello,
        peer: Peer,
        answers: mpsc::Sender<String>,
        now: Moment,
    ) -> Result<u64, NotTaken> {
        if self.runs.get(&hello.run).is_some_and(|run| run.is_of_another(peer)) {
            return Err(NotTaken::NameTaken);
        }
        self.connections += 1;
        let is_own = |entry: &JournalEntry| entry.object["run"] == hello.run.as_str();
        let has_begun = self.journal.after(0).any(is_own);
        if !self.runs.contains_key(&hello.run) {
            self.make_room().then_some(()).ok_or(NotTaken::TooMany)?;
            self.order.push_back(hello.run.clone());
        }
        let run = self.runs.entry(hello.run.clone()).or_insert_with(|| Run::new(hello, now));
        run.connect(self.connections, peer, answers);
        let state = if has_begun { "reports-again" } else { "begun" };
        self.tell(&hello.run, run_event(state), now);
        Ok(self.connections)
    }

    /// Forgets the oldest run that does not report any more, if there are too many.
    fn make_room(&mut self) -> bool {
        if self.order.len() < MOST_RUNS {
            return true;
        }
        let is_over = |id: &String| self.runs.get(id).is_none_or(|run| !run.reports());
        let Some(at) = self.order.iter().position(is_over) else { return false };
        if let Some(id) = self.order.remove(at) {
            self.runs.remove(&id);
        }
        true
    }

    /// What a run sends. Nothing of a connection that another one has replaced. What goes on is told
    /// by the first line alone.
    pub fn hear(&mut self, id: &str, connection: u64, object: Value, now: Moment) {
        let Some(run) = self.runs.get_mut(id).filter(|run| run.is_on(connection)) else { return };
        let is_first = run.speaks_first();
        match object.get("now").filter(|_| is_first) {
            Some(Value::Array(objects)) => {
                run.begin_with(objects, now);
                self.tell_what_is_new(id, objects, now);
            }
            _ if object["event"].is_string() => {
                run.apply(&object, now);
                self.tell(id, object, now);
            }
            _ => {}
        }
    }

    /// What a run reports as it begins to may have happened before anybody listened.
    fn tell_what_is_new(&mut self, id: &str, objects: &[Value], now: Moment) {
        for object in objects {
            let is_same = |entry: &JournalEntry| {
                let mut keys = object.as_object().into_iter().flatten();
                entry.object["run"] == id && keys.all(|(key, value)| entry.object[key] == *value)
            };
            let is_event = object["event"].is_string() && object["event"] != "progress";
            if is_event && !self.journal.after(0).any(is_same) {
                self.tell(id, object.clone(), now);
            }
        }
    }

    /// The connection is closed. A run that did not say that it ended may come back.
    pub fn lose(&mut self, id: &str, connection: u64, now: Moment) {
        let Some(run) = self.runs.get_mut(id).filter(|run| run.is_on(connection)) else { return };
        run.disconnect();
        if !run.is_over() {
            self.tell(id, run_event("silent"), now);
        }
    }

    /// Records an event of a run, unless it is progress, and passes it on.
    fn tell(&mut self, id: &str, mut object: Value, now: Moment) {
        let Some(run) = self.runs.get(id) else { return };
        if let Value::Object(keys) = &mut object {
            keys.insert("at".to_owned(), now.to_string().into());
            keys.insert("command".to_owned(), run.command().into());
            keys.insert("run".to_owned(), id.into());
        }
        let message = match object["event"] == "progress" {
            true => Message { number: None, object },
            false => self.record(object),
        };
        self.listeners.retain(|listener| listener.try_send(message.clone()).is_ok());
    }

    fn record(&mut self, object: Value) -> Message {
        let (JournalEntry { number, object }, written) = self.journal.append(object);
        if let Err(error) = written {
            self.trouble = Some(error);
        }
        Message { number: Some(number), object }
    }

    /// Why the journal is not written, once for each time.
    pub fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// The number of the newest event in the journal.
    pub fn last_event(&self) -> u64 {
        self.journal.last()
    }

    /// The events after this one that are remembered, and all that follow. `None`: too many listen.
    pub fn listen(&mut self, after: u64) -> Option<(Vec<Message>, mpsc::Receiver<Message>)> {
        self.listeners.retain(|listener| !listener.is_closed());
        if self.listeners.len() >= MOST_LISTENERS {
            return None;
        }
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        self.listeners.push(sender);
        Some((self.events_after(after), receiver))
    }

    pub fn events_after(&self, after: u64) -> Vec<Message> {
        // A number from a former journal that is not there any more says nothing.
        let after = if after > self.journal.last() { 0 } else { after };
        let message = |entry: &JournalEntry| Message {
            number: Some(entry.number),
            object: entry.object.clone(),
        };
        self.journal.after(after).map(message).collect()
    }

    pub fn state(&self, now: Moment) -> State {
        let newest_first = self.order.iter().rev().filter_map(|id| self.runs.get(id));
        State {
            at: now.to_string(),
            last_event: self.journal.last(),
            runs: newest_first.map(|run| run.view(now)).collect(),
        }
    }

    /// All that is asked, the oldest first.
    pub fn questions(&self) -> Vec<Value> {
        let runs = self.order.iter().filter_map(|id| self.runs.get(id));
        runs.flat_map(Run::questions).collect()
    }

    /// Passes an answer on to the run that asked; what became of the question comes later.
    pub fn answer(&mut self, id: &str, answer: &str) -> Result<oneshot::Receiver<Value>, Refusal> {
        let (run, number) = id.split_once('-').ok_or(Refusal::NoSuchQuestion)?;
        let number = number.parse().map_err(|_| Refusal::NoSuchQuestion)?;
        let run = self.runs.get_mut(run).ok_or(Refusal::NoSuchQuestion)?;
        run.pass_on(number, answer)
    }
}

/// The service's own events.
fn run_event(state: &str) -> Value {
    serde_json::json!({"event": "run", "state": state})
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PEER: Peer = Peer { pid: Some(1), user: 1000 };

    fn hello() -> Hello {
        named("0123abcd")
    }

    fn named(run: &str) -> Hello {
        let (run, command) = (run.to_owned(), "lost".to_owned());
        Hello { run, command, pid: 1, catalog: String::new() }
    }

    fn board(dir: &tempfile::TempDir) -> Board {
        Board::new(Journal::open(&dir.path().join("events")).unwrap())
    }

    #[test]
    fn no_other_process_takes_the_name_of_a_run_that_reports() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = board(&dir);
        let mut begin = |peer| {
            let (answers, waiting) = mpsc::channel(1);
            (board.begin(&hello(), peer, answers, Moment(0)), waiting)
        };
        let (first, mut waiting) = begin(PEER);
        for other in [Peer { pid: Some(2), ..PEER }, Peer { user: 0, ..PEER }] {
            assert_eq!(begin(other).0, Err(NotTaken::NameTaken));
        }
        assert_eq!(waiting.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        let (again, _replacing) = begin(PEER);
        assert_ne!(first.unwrap(), again.unwrap());
        let replaced = Err(mpsc::error::TryRecvError::Disconnected);
        assert_eq!(waiting.try_recv(), replaced, "the former connection ends");
    }

    #[test]
    fn more_runs_than_can_be_shown_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = board(&dir);
        let (answers, _waiting) = mpsc::channel(1);
        let mut begin = |number| {
            board.begin(&named(&format!("{number:08x}")), PEER, answers.clone(), Moment(0))
        };
        assert!((0..MOST_RUNS).all(|number| begin(number).is_ok()));
        assert_eq!(begin(MOST_RUNS), Err(NotTaken::TooMany));
    }

    #[test]
    fn only_the_first_line_says_what_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = board(&dir);
        let (answers, _waiting) = mpsc::channel(1);
        let connection = board.begin(&hello(), PEER, answers, Moment(0)).unwrap();
        let phase = |task| json!({"event": "phase", "phase": "writing", "task": task});
        for task in [1, 2] {
            board.hear("0123abcd", connection, json!({"now": [phase(task)]}), Moment(0));
        }
        let state = board.state(Moment(0));
        let tasks: Vec<u64> = state.runs[0].tasks.iter().map(|task| task.task).collect();
        assert_eq!((tasks, board.last_event()), (vec![1], 2));
    }

    #[test]
    fn what_was_asked_before_anybody_listened_is_an_event_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut board = board(&dir);
        let asked = json!({"event": "question", "question": 1, "choices": ["yes", "no"]});
        for _ in 0..2 {
            let (answers, _waiting) = mpsc::channel(1);
            let connection = board.begin(&hello(), PEER, answers, Moment(0)).unwrap();
            let now = json!({"now": [asked, {"event": "progress", "task": 1, "done": 2}]});
            board.hear("0123abcd", connection, now, Moment(0));
        }
        let events = board.events_after(0);
        let names: Vec<&Value> = events.iter().map(|event| &event.object["event"]).collect();
        assert_eq!(names, ["run", "question", "run"]);
        assert_eq!(board.questions().len(), 1);
    }
}
