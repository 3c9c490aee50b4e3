//! The two streams. Progress bars, a question and notes share one terminal: whoever writes asks
//! here, and the bars step aside. No bytes of a path reach the terminal unescaped.
//!
//! A question may stay open for hours while a disc burns: nobody who reports waits for its answer.

use super::lock::locked;
use super::styled::Styled;
use super::terminal::{self, Look};
use crate::model::path::{is_text, shown};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

type OutputStream = Box<dyn Write + Send>;

pub struct Screen {
    people: Mutex<People>,
    results: Mutex<OutputStream>,
    look: Look,
    json: bool,
    bars: MultiProgress,
    /// Held by whoever asks.
    asking: Mutex<()>,
}

/// The stream that people read.
struct People {
    stream: OutputStream,
    /// A question stands there, and the cursor after it.
    question: Option<String>,
}

impl People {
    /// A question that is open is said again after the line. A lost terminal must not stop a
    /// backup.
    fn put(&mut self, line: &str) {
        let open = self.question.is_some();
        let _ = writeln!(self.stream, "{}{line}", if open { "\n" } else { "" });
        self.repeat();
    }

    fn repeat(&mut self) {
        if let Some(question) = &self.question {
            let _ = write!(self.stream, "{question} ").and_then(|()| self.stream.flush());
        }
    }
}

impl Screen {
    /// stderr for words, stdout for results.
    pub fn standard(json: bool) -> Screen {
        let screen = Screen::over(Box::new(io::stderr()), Box::new(io::stdout()), json);
        Screen { look: Look::of_results(), ..screen }
    }

    /// Over streams that are not a terminal.
    pub fn over(people: OutputStream, results: OutputStream, json: bool) -> Screen {
        let people = Mutex::new(People { stream: people, question: None });
        let bars = MultiProgress::with_draw_target(terminal::target());
        let (look, asking) = (Look::default(), Mutex::new(()));
        Screen { people, results: results.into(), look, json, bars, asking }
    }

    /// Whether a bar can be drawn: stderr is a terminal that can move its cursor.
    pub fn can_draw() -> bool {
        io::stderr().is_terminal() && !terminal::is_dumb()
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
        locked(&self.people).put(&shown(line.as_bytes()).to_string());
    }

    /// Several lines for people, made by `ui` itself.
    pub fn say_lines(&self, text: &str) {
        text.lines().for_each(|line| self.say(line));
    }

    /// A question, and what waits for its answer. The cursor stands after it, and no bar is drawn;
    /// lines that others say meanwhile appear, and the question again below them. Who asks second
    /// waits for the first answer.
    pub(super) fn ask<T>(&self, question: &str, answer: impl FnOnce() -> T) -> T {
        let _asking = locked(&self.asking);
        let _ = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
        self.open(Some(shown(question.as_bytes()).to_string()));
        let answer = answer();
        self.open(None);
        self.bars.set_draw_target(terminal::target());
        answer
    }

    fn open(&self, question: Option<String>) {
        let mut people = locked(&self.people);
        people.question = question;
        people.repeat();
    }

    /// A result for people: lines on stdout, control characters escaped.
    pub fn result(&self, text: &str) -> io::Result<()> {
        self.styled_result(&Styled::from(text))
    }

    /// The same with colours, where results go to a terminal that shows them.
    pub fn styled_result(&self, text: &Styled) -> io::Result<()> {
        self.put_result(&text.rendered(self.look.colours))
    }

    /// Of the terminal that results go to; `None`: they go elsewhere.
    pub(super) fn columns(&self) -> Option<usize> {
        self.look.columns
    }

    fn put_result(&self, text: &str) -> io::Result<()> {
        self.aside(|| {
            let mut results = locked(&self.results);
            results.write_all(text.as_bytes()).and_then(|()| results.flush())
        })
    }

    /// A result or an event for programs: one object, one line on stdout. Nothing without `--json`.
    pub fn object(&self, object: &impl Serialize) -> io::Result<()> {
        match self.json {
            true => self.put_result(&(one_line(object)? + "\n")),
            false => Ok(()),
        }
    }

    /// Does something while no bar is drawn. Threads that report meanwhile wait until it is done.
    /// It does not nest.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bars.suspend(work)
    }

    /// Draws this bar below the others, from now on.
    pub fn add_bar(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }

    /// Draws this bar above the others, from now on.
    pub fn add_top_bar(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.insert(0, bar)
    }

    /// Wipes a bar.
    pub fn remove_bar(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.bars.remove(bar);
    }
}

fn one_line(object: &impl Serialize) -> io::Result<String> {
    Ok(harmless(&serde_json::to_value(object)?))
}

/// JSON that harms no terminal, with the keys in alphabetical order. Characters that are not text are
/// in strings only, and the writer leaves those beyond ASCII as they are.
pub fn harmless(object: &Value) -> String {
    let mut line = String::new();
    for c in object.to_string().chars() {
        match is_text(c) {
            true => line.push(c),
            false => line.extend(c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}"))),
        }
    }
    line
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

    /// A terminal of that width, and what is on it.
    pub fn terminal(columns: usize) -> (Screen, Paper) {
        let paper = Paper::default();
        let screen = Screen::over(Box::new(paper.clone()), Box::new(paper.clone()), false);
        (Screen { look: Look { colours: true, columns: Some(columns) }, ..screen }, paper)
    }
}

#[cfg(test)]
mod tests {
    use super::shown;
    use super::testing::screen;
    use serde_json::{Value, json};

    /// Every character that is escaped for people.
    #[test]
    fn what_programs_get_changes_no_terminal_and_has_the_same_value() {
        let harmful: String = ('\0'..=char::MAX)
            .filter(|c| shown(c.to_string().as_bytes()) != c.to_string())
            .collect();
        assert!(harmful.contains('\u{9b}') && harmful.contains('\u{202e}'));
        let (screen, _, results) = screen(true);
        let object = json!({"a": harmful, harmful.as_str(): "Äpfel \u{1f34e}"});
        screen.object(&object).unwrap();
        let text = results.text();
        let line = text.strip_suffix('\n').unwrap();
        assert_eq!(shown(line.as_bytes()), line);
        assert!(line.contains("Äpfel \u{1f34e}"), "text is left as it is");
        assert_eq!(serde_json::from_str::<Value>(line).unwrap(), object);
    }

    #[test]
    fn words_and_results_never_share_a_stream() {
        let (screen, people, results) = screen(true);
        screen.say("a note");
        screen.result("a row\n").unwrap();
        screen.object(&json!({"id": 1})).unwrap();
        assert_eq!(people.text(), "a note\n");
        assert_eq!(results.text(), "a row\n{\"id\":1}\n");
    }

    /// A caller that forgets to escape a name from a disc harms nobody.
    #[test]
    fn a_result_for_people_moves_no_cursor() {
        let (screen, _, results) = screen(false);
        screen.result("a\u{1b}[2J\nb\u{202e}\n").unwrap();
        assert_eq!(results.text(), "a\\u{1b}[2J\nb\\u{202e}\n");
    }

    /// Whoever burns a disc reports to the screen: it must not wait for a person.
    #[test]
    fn lines_that_come_while_a_question_is_open_appear_and_the_question_again() {
        let (screen, people, _) = screen(true);
        let other = screen.clone();
        let (said, heard) = std::sync::mpsc::channel();
        screen.ask("Burn it now? [y/N]", || {
            std::thread::spawn(move || {
                other.say("Insert a blank disc.");
                said.send(()).unwrap();
            });
            heard.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        });
        screen.say("done");
        let expected = "Burn it now? [y/N] \nInsert a blank disc.\nBurn it now? [y/N] done\n";
        assert_eq!(people.text(), expected);
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
