//! A run reports to the service, if there is one. It never waits for it: events go into a bounded
//! queue, and a thread of its own sends them. A service that dies or hangs is given up and looked for
//! again later; it then hears the state of the run first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::port::clock::{Deadline, Moment};
use crate::port::event::{Event, Listener, Prompt, RunState};
use crate::port::question::{Answer, QuestionId};

use super::client;
use super::desk::Desk;
use super::hello::{Hello, LONGEST_LINE};
use super::outbox::Outbox;
use super::place::HubPlace;

/// Between two looks for a service.
const RETRY: Duration = Duration::from_secs(2);
/// How long the end of a run waits for its last events to be sent. Only a service that hangs takes
/// so long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The listener that reports.
#[derive(Clone)]
pub struct HubReporter {
    shared: Arc<Shared>,
}

struct Shared {
    outbox: Mutex<Outbox>,
    news: Condvar,
    desk: Arc<Desk>,
    place: HubPlace,
    hello: Hello,
}

impl HubReporter {
    /// Looks for the service from now on, and reports to it. Without a thread for it nobody hears
    /// what the run does, and the run is the same.
    pub fn start(place: HubPlace, hello: Hello, desk: Arc<Desk>) -> HubReporter {
        let (outbox, news) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { outbox, news, desk, place, hello });
        let own = shared.clone();
        let started = thread::Builder::new().name("report".to_owned()).spawn(move || own.run());
        if started.is_err() {
            shared.desk.set_link(false);
            shared.outbox().set_sent();
        }
        HubReporter { shared }
    }

    /// The run is over: its exit code, and its last words. What is not sent in a second is not sent.
    pub fn end(&self, exit: u8, text: &str) {
        let mut outbox = self.shared.outbox();
        outbox.end(&json!({"event": "run", "state": "ended", "exit": exit, "text": text}));
        self.shared.news.notify_all();
        let deadline = Deadline::after(LAST_WORDS);
        while !outbox.is_sent() && !deadline.is_over() {
            outbox = self.shared.wait(outbox, deadline.left().unwrap_or_default());
        }
    }
}

impl Listener for HubReporter {
    fn join(&self, state: &RunState) {
        self.shared.outbox().join(state);
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::Asked { question, prompt: Prompt::Question(what) } => {
                self.shared.desk.put(*question, what);
            }
            Event::Answered { question, .. } => self.shared.desk.remove(*question),
            _ => {}
        }
        self.shared.outbox().hear(event, Moment::now());
        self.shared.news.notify_all();
    }
}

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // Whole between any two changes.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, held: MutexGuard<'a, Outbox>, time: Duration) -> MutexGuard<'a, Outbox> {
        self.news.wait_timeout(held, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Until the run is over.
    fn run(self: &Arc<Shared>) {
        loop {
            if let Ok(stream) = client::report(&self.place, &self.hello) {
                self.desk.set_link(true);
                self.talk(stream);
            }
            self.desk.set_link(false);
            self.outbox().close();
            if self.is_over_after(RETRY) {
                break;
            }
        }
        self.outbox().set_sent();
        self.news.notify_all();
    }

    /// Waits before the next look; `true`: the run ended meanwhile.
    fn is_over_after(&self, time: Duration) -> bool {
        let deadline = Deadline::after(time);
        let mut outbox = self.outbox();
        while outbox.last().is_none() && !deadline.is_over() {
            outbox = self.wait(outbox, deadline.left().unwrap_or_default());
        }
        outbox.last().is_some()
    }

    /// Sends what happens, until the run is over or nobody reads any more.
    fn talk(self: &Arc<Shared>, reader: BufReader<UnixStream>) {
        let Ok(stream) = reader.get_ref().try_clone() else { return };
        let first = self.outbox().open();
        let own = self.clone();
        let answers = thread::Builder::new().name("answers".to_owned());
        let Ok(answers) = answers.spawn(move || own.hear_answers(reader)) else { return };
        self.send(&stream, first);
        // This also ends the other thread, whose last step must not meet the next connection.
        let _ = stream.shutdown(Shutdown::Both);
        let _ = answers.join();
    }

    fn send(&self, mut stream: &UnixStream, first: String) {
        let mut lines = vec![first];
        loop {
            if lines.iter().any(|line| stream.write_all(line.as_bytes()).is_err()) {
                return;
            }
            lines = {
                let mut outbox = self.outbox();
                let mut lines = outbox.take();
                while lines.is_empty() && outbox.is_open() && outbox.last().is_none() {
                    outbox = self.news.wait(outbox).unwrap_or_else(PoisonError::into_inner);
                    lines = outbox.take();
                }
                if !outbox.is_open() {
                    return;
                }
                lines
            };
            if lines.is_empty() {
                let last = self.outbox().last().unwrap_or_default();
                let _ = stream.write_all(last.as_bytes());
                return;
            }
        }
    }

    /// Answers come as long as the service is there.
    fn hear_answers(&self, mut reader: BufReader<UnixStream>) {
        let mut line = String::new();
        loop {
            line.clear();
            match (&mut reader).take(LONGEST_LINE as u64).read_line(&mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    if let Some((question, answer)) = answer_in(&line) {
                        self.desk.answer(question, answer);
                    }
                }
            }
        }
        self.outbox().close();
        self.news.notify_all();
    }
}

/// `{"question": 2, "answer": "yes"}`
fn answer_in(line: &str) -> Option<(QuestionId, Answer)> {
    let object: Value = serde_json::from_str(line).ok()?;
    let answer = Answer::parse(object["answer"].as_str()?)?;
    Some((QuestionId(object["question"].as_u64()?), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_word_and_nothing_else_is_one() {
        let found = answer_in("{\"question\": 2, \"answer\": \"yes\"}\n");
        assert_eq!(found, Some((QuestionId(2), Answer::Yes)));
        let copy = answer_in("{\"question\": 2, \"answer\": \"3\"}");
        assert_eq!(copy.unwrap().1, Answer::Copy(3));
        for line in ["", "{}", "[1]", "{\"question\": -1, \"answer\": \"yes\"}", "nonsense"] {
            assert_eq!(answer_in(line), None, "{line}");
        }
    }
}
