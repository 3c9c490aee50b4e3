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
use super::hello::{Hello, LONGEST_LINE, SILENCE};
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
    shared: Arc<Reporting>,
}

struct Reporting {
    outbox: Mutex<Outbox>,
    news: Condvar,
    desk: Arc<Desk>,
    place: HubPlace,
    hello: Hello,
    patience: Delays,
}

/// How long this side waits.
#[derive(Clone, Copy)]
struct Delays {
    retry: Duration,
    silence: Duration,
}

impl HubReporter {
    /// Looks for the service from now on, and reports to it. Without a thread for it nobody hears
    /// what the run does, and the run is the same.
    pub fn start(place: HubPlace, hello: Hello, desk: Arc<Desk>) -> HubReporter {
        let patience = Delays { retry: RETRY, silence: SILENCE };
        HubReporter::start_with(place, hello, desk, patience)
    }

    fn start_with(place: HubPlace, hello: Hello, desk: Arc<Desk>, patience: Delays) -> HubReporter {
        let (outbox, news) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Reporting { outbox, news, desk, place, hello, patience });
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

impl Reporting {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // Whole between any two changes.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, held: MutexGuard<'a, Outbox>, time: Duration) -> MutexGuard<'a, Outbox> {
        self.news.wait_timeout(held, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Until the run is over.
    fn run(self: &Arc<Reporting>) {
        loop {
            if let Ok(stream) = client::report(&self.place, &self.hello, self.patience.silence) {
                self.talk(stream);
            }
            self.desk.set_link(false);
            self.outbox().close();
            if self.is_over_after(self.patience.retry) {
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
    fn talk(self: &Arc<Reporting>, reader: BufReader<UnixStream>) {
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

    /// Answers come as long as the service is there, which only what it says shows.
    fn hear_answers(&self, mut reader: BufReader<UnixStream>) {
        let mut line = String::new();
        loop {
            line.clear();
            match (&mut reader).take(LONGEST_LINE as u64).read_line(&mut line) {
                Err(_) => break,
                // Too long, or cut off: not a line that the service sends.
                Ok(_) if !line.ends_with('\n') => break,
                Ok(_) => {
                    self.desk.set_link(true);
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
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use crate::model::DiscNo;
    use crate::port::question::Question;
    use crate::port::stop::Stop;

    const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    const SHORT: Duration = Duration::from_millis(20);

    const LONG: Duration = Duration::from_secs(60);

    /// Asks a question that only the service can answer; it behaves so, and may take so long.
    fn asks(
        time: Duration,
        behaviour: impl Fn(usize, UnixStream) + Send + 'static,
    ) -> Option<Answer> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            listener.incoming().enumerate().for_each(|(n, stream)| behaviour(n, stream.unwrap()));
        });
        let desk = Arc::new(Desk::within(false, time, time));
        desk.put(QuestionId(1), &Question::BurnNow { disc: DiscNo(1), used_percent: 40 });
        let patience = Delays { retry: SHORT, silence: time };
        let (place, hello) = (HubPlace::read(Some(path)), Hello::new("burn", Path::new("/c")));
        let reporter = HubReporter::start_with(place, hello, desk.clone(), patience);
        let deadline = Deadline::after(LONG);
        let answer = desk.wait(QuestionId(1), deadline, &Stop::new());
        assert!(!deadline.is_over(), "the run waits for a service that is not there");
        reporter.end(0, "");
        answer
    }

    fn switches(mut stream: &UnixStream) {
        let mut lines = BufReader::new(stream).lines();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        // The run may have gone meanwhile.
        let _ = stream.write_all(SWITCH);
    }

    #[test]
    fn a_service_that_takes_runs_in_and_closes_is_not_waited_for() {
        assert_eq!(asks(SHORT, |_, stream| switches(&stream)), None);
    }

    #[test]
    fn a_service_that_never_says_anything_is_not_waited_for() {
        let silent = |_: usize, stream: UnixStream| {
            switches(&stream);
            std::mem::forget(stream);
        };
        assert_eq!(asks(SHORT, silent), None);
    }

    #[test]
    fn a_service_that_falls_silent_is_not_waited_for() {
        let once = |n: usize, mut stream: UnixStream| {
            switches(&stream);
            if n == 0 {
                let _ = stream.write_all(b"\n");
            }
            std::mem::forget(stream);
        };
        assert_eq!(asks(SHORT, once), None);
    }

    #[test]
    fn an_answer_of_a_service_counts() {
        let answers = |_: usize, mut stream: UnixStream| {
            switches(&stream);
            let _ = stream.write_all(b"\n{\"question\": 1, \"answer\": \"yes\"}\n");
            std::mem::forget(stream);
        };
        assert_eq!(asks(LONG, answers), Some(Answer::Yes));
    }

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
