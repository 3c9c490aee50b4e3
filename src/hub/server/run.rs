//! One run as the service knows it: what it reported of its tasks, the media that it waits for, and
//! its questions. The objects are those of `docs/json.md`, which the run sent; nothing in them is
//! taken for granted.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::hub::choice::choice_word;
use crate::hub::hello::Hello;
use crate::port::clock::Moment;
use crate::ui::pace::RateWindow;

/// Tasks, questions and requests of one run at once: more than any run has.
const MOST: usize = 256;

pub struct Run {
    id: String,
    command: String,
    pid: u32,
    since: Moment,
    link: Option<RunLink>,
    tasks: BTreeMap<u64, RunTask>,
    questions: BTreeMap<u64, AskedQuestion>,
    /// By drive.
    inserts: BTreeMap<String, Value>,
    /// The discs that the command goes through.
    discs: Option<Value>,
    end: Option<End>,
}

/// The process at the other end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub pid: Option<i32>,
    pub user: u32,
}

/// The connection on which the run reports.
struct RunLink {
    connection: u64,
    answers: mpsc::Sender<String>,
    peer: Peer,
    has_spoken: bool,
}

struct RunTask {
    object: Value,
    since: Moment,
    done: u64,
    written: Option<u64>,
    pace: RateWindow,
}

/// Something that is asked.
struct AskedQuestion {
    object: Value,
    given: bool,
    waiting: Vec<oneshot::Sender<Value>>,
}

/// Why an answer is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoSuchQuestion,
    NotAChoice,
    /// Who started the run answers at its terminal.
    TerminalOnly,
    /// Somebody answered before.
    Answered,
    /// The run does not listen.
    Gone,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct End {
    pub at: String,
    /// The exit code.
    pub exit: Option<u64>,
    pub text: String,
}

/// A run, for those who look on.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    pub run: String,
    pub command: String,
    pub pid: u32,
    pub since: String,
    /// `false`: it ended, or cannot reach the service.
    pub reports: bool,
    pub ended: Option<End>,
    pub discs: Option<Value>,
    pub tasks: Vec<TaskView>,
    pub inserts: Vec<Value>,
    pub questions: Vec<Value>,
}

/// A task that is running.
#[derive(Clone, Debug, Serialize)]
pub struct TaskView {
    pub task: u64,
    pub parent: Option<u64>,
    pub phase: String,
    pub set: Option<String>,
    pub disc: Option<u64>,
    pub drive: Option<String>,
    pub since: String,
    pub done: u64,
    pub total: Option<u64>,
    pub written: Option<u64>,
    /// In a second.
    pub rate: Option<u64>,
    pub seconds_left: Option<u64>,
}

impl AskedQuestion {
    fn choices(&self) -> impl Iterator<Item = String> {
        let choices = self.object["choices"].as_array().into_iter().flatten();
        choices.map(choice_word)
    }
}

impl Run {
    pub fn new(hello: &Hello, now: Moment) -> Run {
        Run {
            id: hello.run.clone(),
            command: hello.command.clone(),
            pid: hello.pid,
            since: now,
            link: None,
            tasks: BTreeMap::new(),
            questions: BTreeMap::new(),
            inserts: BTreeMap::new(),
            discs: None,
            end: None,
        }
    }

    pub fn command(&self) -> &str {
        &self.command
    }

    /// Instead of the connection that there was, which ends.
    pub fn connect(&mut self, connection: u64, peer: Peer, answers: mpsc::Sender<String>) {
        self.link = Some(RunLink { connection, answers, peer, has_spoken: false });
    }

    /// Another process reports under this name.
    pub fn is_of_another(&self, peer: Peer) -> bool {
        self.link.as_ref().is_some_and(|link| link.peer != peer)
    }

    /// Whether this is the first line of its connection.
    pub fn speaks_first(&mut self) -> bool {
        self.link.as_mut().is_some_and(|link| !std::mem::replace(&mut link.has_spoken, true))
    }

    /// What it was doing is not known any more.
    pub fn disconnect(&mut self) {
        self.link = None;
        self.forget();
    }

    pub fn is_on(&self, connection: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.connection == connection)
    }

    pub fn reports(&self) -> bool {
        self.link.is_some()
    }

    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    fn forget(&mut self) {
        self.tasks.clear();
        self.questions.clear();
        self.inserts.clear();
        self.discs = None;
    }

    /// All that is going on as the run begins to report.
    pub fn begin_with(&mut self, objects: &[Value], now: Moment) {
        self.forget();
        objects.iter().for_each(|object| self.apply(object, now));
    }

    pub fn apply(&mut self, object: &Value, now: Moment) {
        match object["event"].as_str().unwrap_or_default() {
            "task" | "phase" => self.begin_task(object, now),
            "progress" => self.advance(object, now),
            "end" => {
                object["task"].as_u64().and_then(|task| self.tasks.remove(&task));
            }
            "question" => self.ask(object),
            "answer" => self.answered(object),
            "insert" => self.want(object),
            "insert-over" => {
                object["drive"].as_str().and_then(|drive| self.inserts.remove(drive));
            }
            "run" if object["state"] == "ended" => self.end(object, now),
            _ => {}
        }
    }

    fn begin_task(&mut self, object: &Value, now: Moment) {
        let Some(id) = object["task"].as_u64().filter(|_| self.tasks.len() < MOST) else { return };
        let (pace, object) = (RateWindow::from(now, 0), object.clone());
        self.tasks.insert(id, RunTask { object, since: now, done: 0, written: None, pace });
    }

    /// That of the command counts discs.
    fn advance(&mut self, object: &Value, now: Moment) {
        if object.get("begun").is_some() {
            self.discs = Some(object.clone());
            return;
        }
        let task = object["task"].as_u64().and_then(|id| self.tasks.get_mut(&id));
        let (Some(task), Some(done)) = (task, object["done"].as_u64()) else { return };
        (task.done, task.written) = (done, object["written"].as_u64());
        task.pace.note(now, done);
    }

    fn ask(&mut self, object: &Value) {
        let Some(id) = object["question"].as_u64() else { return };
        if self.questions.len() < MOST {
            let object = object.clone();
            let question = AskedQuestion { object, given: false, waiting: Vec::new() };
            self.questions.insert(id, question);
        }
    }

    fn answered(&mut self, object: &Value) {
        let id = object["question"].as_u64();
        let Some(question) = id.and_then(|id| self.questions.remove(&id)) else { return };
        for waiting in question.waiting {
            // Whoever waited may be gone.
            let _ = waiting.send(object["answer"].clone());
        }
    }

    fn want(&mut self, object: &Value) {
        let Some(drive) = object["drive"].as_str() else { return };
        if self.inserts.len() < MOST {
            self.inserts.insert(drive.to_owned(), object.clone());
        }
    }

    fn end(&mut self, object: &Value, now: Moment) {
        let text = object["text"].as_str().unwrap_or_default().to_owned();
        self.end = Some(End { at: now.to_string(), exit: object["exit"].as_u64(), text });
        self.forget();
    }

    /// Sends an answer to the run; what it makes of it comes back as its event.
    pub fn pass_on(&mut self, id: u64, answer: &str) -> Result<oneshot::Receiver<Value>, Refusal> {
        let question = self.questions.get_mut(&id).ok_or(Refusal::NoSuchQuestion)?;
        if question.object["terminal_only"] == true {
            return Err(Refusal::TerminalOnly);
        }
        if !question.choices().any(|choice| choice == answer) {
            return Err(Refusal::NotAChoice);
        }
        if question.given {
            return Err(Refusal::Answered);
        }
        let link = self.link.as_ref().ok_or(Refusal::Gone)?;
        let line = format!("{}\n", json!({"question": id, "answer": answer}));
        link.answers.try_send(line).map_err(|_| Refusal::Gone)?;
        question.given = true;
        let (sender, receiver) = oneshot::channel();
        question.waiting.push(sender);
        Ok(receiver)
    }

    /// What it asks, with a name that no other question has.
    pub fn questions(&self) -> impl Iterator<Item = Value> {
        self.questions.iter().filter(|(_, question)| !question.given).map(|(id, question)| {
            let mut object = question.object.clone();
            if let Value::Object(keys) = &mut object {
                keys.insert("id".to_owned(), format!("{}-{id}", self.id).into());
                keys.insert("command".to_owned(), self.command.as_str().into());
                keys.insert("run".to_owned(), self.id.as_str().into());
            }
            object
        })
    }

    pub fn view(&self, now: Moment) -> RunView {
        RunView {
            run: self.id.clone(),
            command: self.command.clone(),
            pid: self.pid,
            since: self.since.to_string(),
            reports: self.reports(),
            ended: self.end.clone(),
            discs: self.discs.clone(),
            tasks: self.tasks.iter().map(|(id, task)| task.view(*id, now)).collect(),
            inserts: self.inserts.values().cloned().collect(),
            questions: self.questions().collect(),
        }
    }
}

impl RunTask {
    fn view(&self, task: u64, now: Moment) -> TaskView {
        let text = |key: &str| self.object[key].as_str().map(str::to_owned);
        let total = self.object["total"].as_u64();
        let rate = self.pace.rate(now, self.done).filter(|rate| *rate > 0);
        let left = total.and_then(|total| total.checked_sub(self.done));
        TaskView {
            task,
            parent: self.object["parent"].as_u64(),
            phase: text("phase").unwrap_or_default(),
            set: text("set"),
            disc: self.object["disc"].as_u64(),
            drive: text("drive"),
            since: self.since.to_string(),
            done: self.done,
            total,
            written: self.written,
            rate,
            seconds_left: left.zip(rate).map(|(left, rate)| left / rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer { pid: Some(1), user: 0 };

    fn run() -> Run {
        let hello = Hello {
            run: "0123abcd".to_owned(),
            command: "backup".to_owned(),
            pid: 1,
            catalog: String::new(),
        };
        Run::new(&hello, Moment(0))
    }

    fn question(choices: Value) -> Value {
        json!({"event": "question", "question": 3, "choices": choices, "text": "?"})
    }

    #[test]
    fn a_task_is_shown_with_its_rate_and_what_is_left() {
        let mut run = run();
        let phase =
            json!({"event": "phase", "phase": "writing", "task": 1, "total": 100, "disc": 7});
        run.apply(&phase, Moment(0));
        for (at, done) in [(1, 10), (2, 20), (3, 30)] {
            run.apply(&json!({"event": "progress", "task": 1, "done": done}), Moment(at));
        }
        let task = run.view(Moment(3)).tasks.remove(0);
        assert_eq!((task.done, task.rate, task.seconds_left), (30, Some(10), Some(7)));
        run.apply(&json!({"event": "end", "task": 1}), Moment(4));
        assert!(run.view(Moment(4)).tasks.is_empty());
    }

    #[test]
    fn an_answer_goes_to_the_run_once_and_only_if_it_is_a_choice() {
        let mut run = run();
        run.apply(&question(json!(["yes", "no"])), Moment(0));
        assert_eq!(run.pass_on(3, "yes").unwrap_err(), Refusal::Gone);
        let (sender, mut lines) = mpsc::channel(4);
        run.connect(1, PEER, sender);
        assert_eq!(run.pass_on(3, "maybe").unwrap_err(), Refusal::NotAChoice);
        assert_eq!(run.pass_on(4, "yes").unwrap_err(), Refusal::NoSuchQuestion);
        let mut outcome = run.pass_on(3, "yes").unwrap();
        assert_eq!(run.pass_on(3, "no").unwrap_err(), Refusal::Answered);
        assert_eq!(lines.try_recv().unwrap(), "{\"answer\":\"yes\",\"question\":3}\n");
        assert_eq!(run.questions().count(), 0, "it is answered everywhere");
        run.apply(&json!({"event": "answer", "question": 3, "answer": "no"}), Moment(1));
        assert_eq!(outcome.try_recv().unwrap(), "no", "the terminal was first");
    }

    #[test]
    fn copies_are_chosen_by_their_numbers_and_passphrases_not_at_all() {
        let mut run = run();
        let (sender, _lines) = mpsc::channel(4);
        run.connect(1, PEER, sender);
        run.apply(&question(json!([])), Moment(0));
        assert_eq!(run.pass_on(3, "secret").unwrap_err(), Refusal::NotAChoice);
        run.apply(&question(json!([1, 2])), Moment(0));
        run.pass_on(3, "2").unwrap();
        let mut only = question(json!(["yes", "no"]));
        only["terminal_only"] = true.into();
        run.apply(&only, Moment(0));
        assert_eq!(run.pass_on(3, "yes").unwrap_err(), Refusal::TerminalOnly);
    }

    #[test]
    fn nothing_that_a_run_sends_is_taken_for_granted() {
        let mut run = run();
        for object in [
            json!({}),
            json!({"event": 3}),
            json!({"event": "phase", "task": -1}),
            json!({"event": "phase", "task": 1, "total": "many", "phase": 7}),
            json!({"event": "progress", "task": 1, "done": 1.5}),
            json!({"event": "progress", "task": 1, "done": u64::MAX}),
            json!({"event": "question", "question": 1, "choices": {"a": 1}}),
            json!({"event": "insert", "drive": null}),
            json!({"event": "run", "state": "ended", "exit": "x", "text": []}),
        ] {
            run.apply(&object, Moment(0));
        }
        for task in 0..10_000 {
            run.apply(&json!({"event": "phase", "task": task}), Moment(0));
        }
        assert_eq!(run.view(Moment(0)).tasks.len(), MOST);
        assert!(run.is_over());
    }
}
