//! The two streams. A progress bar, a question and a note share one terminal: whoever writes asks
//! here, and the bar steps aside. No bytes of a path reach the terminal unescaped.

use crate::model::path::shown;
use indicatif::ProgressBar;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Stream = Box<dyn Write + Send>;

pub struct Screen {
    people: Mutex<Stream>,
    results: Mutex<Stream>,
    json: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Screen {
    /// stderr for words, stdout for results.
    pub fn standard(json: bool) -> Screen {
        Screen::over(Box::new(io::stderr()), Box::new(io::stdout()), json)
    }

    pub fn over(people: Stream, results: Stream, json: bool) -> Screen {
        Screen { people: people.into(), results: results.into(), json, bar: Mutex::new(None) }
    }

    /// Whether a bar can be drawn: stderr is a terminal that can move its cursor.
    pub fn can_draw() -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        io::stderr().is_terminal() && !dumb
    }

    pub fn json(&self) -> bool {
        self.json
    }

    /// A line for people, control characters escaped.
    pub fn say(&self, line: &str) {
        self.aside(|| self.put(line));
    }

    /// The same within `aside`, which does not nest.
    pub(super) fn put(&self, line: &str) {
        // A lost terminal must not stop a backup.
        let _ = writeln!(locked(&self.people), "{}", shown(line.as_bytes()));
    }

    /// Several lines for people, made by `ui` itself.
    pub fn say_lines(&self, text: &str) {
        text.lines().for_each(|line| self.say(line));
    }

    /// A question, within `aside`: no line end, the cursor waits behind it.
    pub(super) fn ask(&self, question: &str) {
        let mut people = locked(&self.people);
        let _ = write!(people, "{} ", shown(question.as_bytes())).and_then(|()| people.flush());
    }

    /// A result for people: lines on stdout.
    pub fn result(&self, text: &str) -> io::Result<()> {
        self.aside(|| {
            let mut results = locked(&self.results);
            results.write_all(text.as_bytes()).and_then(|()| results.flush())
        })
    }

    /// A result or an event for programs: one object, one line on stdout. Nothing without `--json`.
    pub fn object(&self, object: &Value) -> io::Result<()> {
        match self.json {
            true => self.result(&format!("{object}\n")),
            false => Ok(()),
        }
    }

    /// Does something while no bar is drawn. Threads that report meanwhile wait until it is done.
    /// It does not nest.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        let bar = locked(&self.bar).clone();
        match bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// The bar that steps aside from now on; the one before is wiped.
    pub fn set_bar(&self, bar: Option<ProgressBar>) {
        let before = std::mem::replace(&mut *locked(&self.bar), bar);
        if let Some(before) = before {
            before.finish_and_clear();
        }
    }
}

/// A thread that panicked while it wrote leaves at worst half a line.
pub(super) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use std::sync::Arc;

    /// A stream whose text can be read back.
    #[derive(Clone, Default)]
    pub struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub fn text(&self) -> String {
            String::from_utf8(locked(&self.0).clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            locked(&self.0).write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A screen, what people read on it, and what programs read.
    pub fn screen(json: bool) -> (Arc<Screen>, Paper, Paper) {
        let (people, results) = (Paper::default(), Paper::default());
        let screen = Screen::over(Box::new(people.clone()), Box::new(results.clone()), json);
        (Arc::new(screen), people, results)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::screen;
    use serde_json::json;

    #[test]
    fn words_and_results_never_share_a_stream() {
        let (screen, people, results) = screen(true);
        screen.say("a note");
        screen.result("a row\n").unwrap();
        screen.object(&json!({"id": 1})).unwrap();
        assert_eq!(people.text(), "a note\n");
        assert_eq!(results.text(), "a row\n{\"id\":1}\n");
    }

    #[test]
    fn a_hostile_name_stays_on_its_line() {
        let (screen, people, results) = screen(false);
        screen.say("evil\n\x1b[2Jname");
        assert_eq!(people.text(), "evil\\n\\u{1b}[2Jname\n");
        screen.object(&json!({})).unwrap();
        assert_eq!(results.text(), "", "objects are for --json only");
    }
}
