//! What the service passes on, for a person at a terminal: its stream of events, and a line for each.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::time::Duration;

use serde_json::Value;

use crate::model::Bytes;
use crate::port::clock::Moment;
use crate::port::stop::Stop;
use crate::ui::pace::duration;

use super::choice::choice_word;
use super::client::{self, ClientError};
use super::place::HubPlace;

/// A wish to stop is seen after this time at the latest.
const LOOK: Duration = Duration::from_millis(300);
/// No event is as long as this.
const LONGEST: usize = 1 << 20;
/// Seconds between two lines about the progress of one task.
const LINES_APART: i64 = 30;

/// What the service says of the present, then each event. Ends with the service, or with `stop`.
/// The errors of `state` and `each` are the caller's own.
pub fn follow<E: From<ClientError>>(
    place: &HubPlace,
    stop: &Stop,
    mut state: impl FnMut(&Value) -> Result<(), E>,
    mut each: impl FnMut(&Value) -> Result<(), E>,
) -> Result<(), E> {
    let now = client::get(place, "/api/state")?.text()?;
    let now: Value = serde_json::from_str(&now).map_err(|_| ClientError::NotAService)?;
    state(&now)?;
    let after = now["last_event"].as_u64().unwrap_or(0);
    let mut stream = client::get(place, &format!("/api/events?after={after}"))?.endless()?;
    stream.get_ref().set_read_timeout(Some(LOOK)).map_err(ClientError::Talk)?;
    let mut line = Vec::new();
    while next_line(&mut stream, &mut line, stop)? {
        if let Some(data) = line.strip_prefix(b"data: ") {
            let event = serde_json::from_slice(data).map_err(|_| ClientError::NotAService)?;
            each(&event)?;
        }
        line.clear();
    }
    Ok(())
}

/// `false`: the stream is over, or it is to stop.
fn next_line(
    stream: &mut impl BufRead,
    line: &mut Vec<u8>,
    stop: &Stop,
) -> Result<bool, ClientError> {
    loop {
        // What came before a time was up stays in the line.
        let room = (LONGEST + 1).saturating_sub(line.len()) as u64;
        match (&mut *stream).take(room).read_until(b'\n', line) {
            Ok(0) => return Ok(false),
            Ok(_) if line.len() > LONGEST => return Err(ClientError::NotAService),
            Ok(_) => return Ok(true),
            Err(error) if is_time_up(&error) && stop.check().is_ok() => {}
            Err(error) if is_time_up(&error) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_time_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Makes a line of an event, as a log has them.
#[derive(Default)]
pub struct Narrator {
    /// When the progress of a task was last told, and what the task is.
    tasks: BTreeMap<(String, u64), (Moment, Value)>,
}

impl Narrator {
    /// What is going on as the first event is waited for.
    pub fn state(&mut self, state: &Value, now: Moment) -> Vec<String> {
        let mut lines = Vec::new();
        for run in list(&state["runs"]).filter(|run| run["reports"] == true) {
            let name = |rest: String| format!("{}: {rest}", text(run, "command"));
            lines.push(name("is running".to_owned()));
            for task in list(&run["tasks"]).filter(|task| !task["total"].is_null()) {
                self.note_task(&text(run, "run"), task, now);
                lines.push(name(progress_words(task, task)));
            }
            let open = list(&run["inserts"]).chain(list(&run["questions"]));
            lines.extend(open.filter_map(|object| event_words(object).map(name)));
        }
        lines
    }

    /// `None`: nothing that a person wants to read.
    pub fn line(&mut self, event: &Value, now: Moment) -> Option<String> {
        let run = text(event, "run");
        let words = match event["event"].as_str()? {
            "progress" => self.progress(&run, event, now)?,
            "phase" => {
                self.note_task(&run, event, now);
                task_words(event)
            }
            "end" => {
                self.tasks.remove(&(run, event["task"].as_u64()?));
                return None;
            }
            _ => event_words(event)?,
        };
        Some(format!("{}: {words}", text(event, "command")))
    }

    fn note_task(&mut self, run: &str, task: &Value, now: Moment) {
        if let Some(number) = task["task"].as_u64() {
            self.tasks.insert((run.to_owned(), number), (now, task.clone()));
        }
    }

    fn progress(&mut self, run: &str, event: &Value, now: Moment) -> Option<String> {
        let task = event["task"].as_u64().map(|task| (run.to_owned(), task))?;
        let (told, task) = self.tasks.get_mut(&task)?;
        (now.0 - told.0 >= LINES_APART).then(|| {
            *told = now;
            progress_words(task, event)
        })
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Of a key; nothing if it has none.
fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

/// What needs no other event to be understood.
fn event_words(event: &Value) -> Option<String> {
    Some(match event["event"].as_str()? {
        "insert" => format!("insert {} into {}", text(event, "wanted"), text(event, "drive")),
        "insert-over" => format!("{}: no longer waiting for a disc", text(event, "drive")),
        "question" => question_words(event),
        "answer" if event["answer"].is_null() => "not answered".to_owned(),
        "answer" => format!("answered: {}", choice_word(&event["answer"])),
        "note" => text(event, "text"),
        "trouble" => format!("{}: {}", text(event, "thing"), text(event, "what")),
        "disc" => format!("disc {} is {}", event["disc"], text(event, "state")),
        "run" => run_words(event),
        _ => return None,
    })
}

/// With the name under which it can be answered, and what may be answered.
fn question_words(event: &Value) -> String {
    let id = match event["id"].as_str() {
        Some(id) => id.to_owned(),
        None => format!("{}-{}", text(event, "run"), event["question"]),
    };
    let choices: Vec<String> = list(&event["choices"]).map(choice_word).collect();
    match event["terminal_only"] == true {
        true => format!("{} (asked at its terminal)", text(event, "text")),
        false => format!("{} [{}] (question {id})", text(event, "text"), choices.join("/")),
    }
}

fn run_words(event: &Value) -> String {
    match (event["state"].as_str(), event["exit"].as_u64()) {
        (Some("begun"), _) => "begins".to_owned(),
        (Some("reports-again"), _) => "is running".to_owned(),
        (Some("ended"), Some(0)) => "done".to_owned(),
        (Some("ended"), Some(exit)) => {
            let reason = text(event, "text").replace('\n', "; ");
            format!("ended with exit code {exit}: {reason}")
        }
        _ => "was killed, or no longer reports".to_owned(),
    }
}

/// `writing disc 3 of photos in /dev/sr0`
pub fn task_words(task: &Value) -> String {
    let mut words = text(task, "phase");
    if let Some(disc) = task["disc"].as_u64() {
        words += &format!(" disc {disc}");
    }
    if let Some(set) = task["set"].as_str() {
        words += &format!(" of {set}");
    }
    if let Some(drive) = task["drive"].as_str() {
        words += &format!(" in {drive}");
    }
    words
}

/// How far `task` is, by a progress event or by itself.
fn progress_words(task: &Value, progress: &Value) -> String {
    let done = progress["done"].as_u64().unwrap_or(0);
    let is_count = task["phase"] == "scanning";
    let amount = |number: u64| match is_count {
        true => format!("{number} entries"),
        false => Bytes(number).to_string(),
    };
    let mut words = format!("{}: {}", task_words(task), amount(done));
    if let Some(total) = task["total"].as_u64().filter(|total| *total > 0) {
        let percent = u128::from(done) * 100 / u128::from(total);
        words += &format!(" of {} ({percent} %)", amount(total));
    }
    if let Some(left) = progress["seconds_left"].as_u64() {
        words += &format!(", {} left", duration(left));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_event_that_matters_has_a_line() {
        let mut narrator = Narrator::default();
        let mut line = |mut event: Value| {
            event["command"] = "backup".into();
            event["run"] = "0123abcd".into();
            narrator.line(&event, Moment(0))
        };
        let said = [
            (
                json!({"event": "phase", "phase": "writing", "disc": 3, "set": "photos",
                    "drive": "/dev/sr0", "task": 1}),
                "writing disc 3 of photos in /dev/sr0",
            ),
            (
                json!({"event": "insert", "wanted": "a blank disc", "drive": "/dev/sr0"}),
                "insert a blank disc into /dev/sr0",
            ),
            (
                json!({"event": "question", "question": 2, "text": "Burn it?",
                    "choices": ["yes", "no"], "terminal_only": false}),
                "Burn it? [yes/no] (question 0123abcd-2)",
            ),
            (
                json!({"event": "question", "question": 2, "text": "Passphrase", "choices": [],
                    "terminal_only": true}),
                "Passphrase (asked at its terminal)",
            ),
            (json!({"event": "answer", "question": 2, "answer": 7}), "answered: 7"),
            (json!({"event": "answer", "question": 2, "answer": null}), "not answered"),
            (json!({"event": "disc", "disc": 3, "state": "verified"}), "disc 3 is verified"),
            (
                json!({"event": "trouble", "thing": "a", "what": "cannot be read"}),
                "a: cannot be read",
            ),
            (
                json!({"event": "run", "state": "ended", "exit": 4, "text": "a\nb"}),
                "ended with exit code 4: a; b",
            ),
        ];
        for (event, words) in said {
            assert_eq!(line(event).unwrap(), format!("backup: {words}"));
        }
        assert_eq!(line(json!({"event": "task", "phase": "backup"})), None);
        assert_eq!(line(json!({"event": 3})), None);
    }

    #[test]
    fn a_line_without_end_is_not_an_event() {
        let mut line = Vec::new();
        let mut endless = io::BufReader::new(io::repeat(b'x').take(64 * LONGEST as u64));
        let read = next_line(&mut endless, &mut line, &Stop::new());
        assert!(matches!(read, Err(ClientError::NotAService)) && line.len() == LONGEST + 1);
    }

    /// As with `follow | head -1`.
    #[test]
    fn an_error_of_the_output_is_not_one_of_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request = io::BufReader::new(stream.try_clone().unwrap());
            request.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            io::Write::write_all(&mut stream, b"HTTP/1.0 200 OK\r\n\r\n{}").unwrap();
        });
        #[derive(Debug)]
        enum FollowFailure {
            Service,
            Output,
        }
        impl From<ClientError> for FollowFailure {
            fn from(_: ClientError) -> FollowFailure {
                FollowFailure::Service
            }
        }
        let place = HubPlace::read(Some(path));
        let ended = follow(&place, &Stop::new(), |_| Err(FollowFailure::Output), |_| Ok(()));
        assert!(matches!(ended, Err(FollowFailure::Output)), "{ended:?}");
    }

    #[test]
    fn progress_is_told_now_and_then() {
        let mut narrator = Narrator::default();
        let task = json!({"event": "phase", "phase": "writing", "disc": 3, "task": 1, "run": "a",
                          "command": "burn", "total": 50_000_000});
        narrator.line(&task, Moment(0)).unwrap();
        let progress = json!({"event": "progress", "task": 1, "run": "a", "command": "burn",
                              "done": 25_000_000});
        assert_eq!(narrator.line(&progress, Moment(29)), None);
        let line = narrator.line(&progress, Moment(30)).unwrap();
        assert_eq!(line, "burn: writing disc 3: 25.0 MB of 50.0 MB (50 %)");
        assert_eq!(narrator.line(&progress, Moment(31)), None);
    }
}
