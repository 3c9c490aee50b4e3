//! The person at the terminal, or the lack of one. Stands apart from the screen because a question
//! must never be asked where nobody can answer: a service would wait for ever.

use super::screen::Screen;
use crate::port::operator::{Answer, Operator, Secret, Summons};
use crate::port::stop::Stop;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;

/// Where answers come from.
trait Keyboard: Send + Sync {
    /// A line without its end; `None` at the end of input or when the run is to stop.
    fn line(&self) -> Option<String>;
    /// A line that is not shown; `None` where that is not possible, or at the end of input.
    fn secret(&self, prompt: &str) -> Option<String>;
}

pub struct Person {
    screen: Arc<Screen>,
    yes: bool,
    keyboard: Option<Box<dyn Keyboard>>,
}

impl Person {
    /// Somebody is there if both stdin and stderr are terminals. `yes` answers confirmations,
    /// whether somebody is there or not.
    pub fn new(screen: Arc<Screen>, yes: bool, stop: Stop) -> Person {
        let there = io::stdin().is_terminal() && io::stderr().is_terminal();
        let keyboard = there.then(|| Box::new(Terminal { stop }) as Box<dyn Keyboard>);
        Person { screen, yes, keyboard }
    }

    pub fn is_there(&self) -> bool {
        self.keyboard.is_some()
    }

    /// Asks, and judges the line by `judge`.
    fn ask(&self, question: &str, judge: impl Fn(&str) -> Answer) -> Answer {
        let Some(keyboard) = &self.keyboard else { return Answer::NobodyThere };
        let line = self.screen.ask(question, || keyboard.line());
        line.map_or(Answer::NobodyThere, |line| judge(line.trim()))
    }

    fn passphrase_twice(&self, keyboard: &dyn Keyboard, prompt: &str) -> Option<Secret> {
        loop {
            let first = Secret::new(keyboard.secret(&format!("{prompt}: "))?.into_bytes());
            if first.bytes().is_empty() {
                self.screen.put("A passphrase cannot be empty.");
                continue;
            }
            let second = Secret::new(keyboard.secret("Once more: ")?.into_bytes());
            if first.bytes() == second.bytes() {
                return Some(first);
            }
            self.screen.put("The two differ. Again.");
        }
    }
}

impl Operator for Person {
    fn confirm(&self, question: &str) -> Answer {
        if self.yes {
            return Answer::Yes;
        }
        self.confirm_in_person(question)
    }

    fn confirm_in_person(&self, question: &str) -> Answer {
        self.ask(&format!("{question} [y/N]"), |line| match line {
            "y" | "Y" | "yes" | "Yes" | "YES" => Answer::Yes,
            _ => Answer::No,
        })
    }

    fn hands(&self, request: &str) -> Answer {
        self.ask(&format!("{request} Then press Enter (q gives up):"), |line| match line {
            "q" | "Q" => Answer::No,
            _ => Answer::Yes,
        })
    }

    fn summon(&self, call: &Summons) {
        let Summons { drive, wanted } = call;
        self.screen.say(&format!("Insert {wanted}, into {drive}."));
        // Events are a courtesy: the run does not fail because nobody reads them any more.
        let event = serde_json::json!({"event": "insert", "drive": drive, "wanted": wanted});
        let _ = self.screen.object(&event);
    }

    fn passphrase(&self, prompt: &str, twice: bool) -> Option<Secret> {
        let keyboard = self.keyboard.as_deref()?;
        self.screen.aside(|| match twice {
            true => self.passphrase_twice(keyboard, prompt),
            false => Some(Secret::new(keyboard.secret(&format!("{prompt}: "))?.into_bytes())),
        })
    }
}

struct Terminal {
    stop: Stop,
}

impl Terminal {
    /// Waits for a line or for the wish to stop. A read would be restarted after Ctrl-C, as signal
    /// handlers ask for; `poll` never is (signal(7)).
    fn ready(&self) -> bool {
        let stdin = io::stdin();
        loop {
            if self.stop.check().is_err() {
                return false;
            }
            let mut descriptors = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            // The signal may come just before `poll`; half a second later it is seen.
            match poll(&mut descriptors, PollTimeout::from(500u16)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }
}

impl Keyboard for Terminal {
    fn line(&self) -> Option<String> {
        let mut line = String::new();
        let read = self.ready().then(|| io::stdin().read_line(&mut line))?;
        // 0 bytes: the end of input. A line that is not UTF-8 answers nothing.
        (read.ok()? > 0).then_some(line)
    }

    fn secret(&self, prompt: &str) -> Option<String> {
        rpassword::prompt_password(prompt).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::screen::testing::{Paper, screen};
    use super::*;
    use std::sync::Mutex;

    /// Types these lines one after the other, then nothing.
    struct Typist(Mutex<Vec<&'static str>>);

    impl Keyboard for Typist {
        fn line(&self) -> Option<String> {
            let mut lines = self.0.lock().unwrap();
            (!lines.is_empty()).then(|| lines.remove(0).to_owned())
        }
        fn secret(&self, _: &str) -> Option<String> {
            self.line()
        }
    }

    fn person(yes: bool, lines: &[&'static str]) -> (Person, Paper) {
        let (screen, people, _) = screen(false);
        let keyboard: Box<dyn Keyboard> = Box::new(Typist(Mutex::new(lines.to_vec())));
        (Person { screen, yes, keyboard: Some(keyboard) }, people)
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (line, answer) in
            [("y", Answer::Yes), ("yes", Answer::Yes), ("", Answer::No), ("maybe", Answer::No)]
        {
            let (person, people) = person(false, &[line]);
            assert_eq!(person.confirm("Burn disc 1?"), answer);
            assert_eq!(people.text(), "Burn disc 1? [y/N] ");
        }
        assert_eq!(person(false, &[]).0.confirm("?"), Answer::NobodyThere);
    }

    #[test]
    fn yes_answers_confirmations_but_has_no_hands() {
        let (mut person, _) = person(true, &[]);
        person.keyboard = None;
        assert_eq!(person.confirm("?"), Answer::Yes);
        assert_eq!(person.confirm_in_person("?"), Answer::NobodyThere);
        assert_eq!(person.hands("Insert disc 1."), Answer::NobodyThere);
        assert!(person.passphrase("Passphrase", false).is_none());
    }

    #[test]
    fn hands_report_back_or_give_up() {
        let (person, _) = person(true, &["", "q"]);
        assert_eq!(person.hands("Insert disc 1."), Answer::Yes);
        assert_eq!(person.hands("Insert disc 1."), Answer::No);
        assert_eq!(person.hands("Insert disc 1."), Answer::NobodyThere);
    }

    #[test]
    fn a_summons_names_disc_and_drive_and_asks_for_no_answer() {
        let (person, people) = person(false, &[]);
        let call = Summons { drive: "/dev/sr0".into(), wanted: "disc 3 of holidays".into() };
        person.summon(&call);
        assert_eq!(people.text(), "Insert disc 3 of holidays, into /dev/sr0.\n");
    }

    #[test]
    fn a_new_passphrase_is_typed_until_two_agree() {
        let (person, people) = person(false, &["", "one", "two", "three", "three"]);
        assert_eq!(person.passphrase("New", true).unwrap().bytes(), b"three");
        assert!(people.text().contains("cannot be empty"));
        assert!(people.text().contains("differ"));
        assert!(person.passphrase("New", true).is_none());
    }

    #[test]
    fn a_known_passphrase_is_asked_for_once() {
        let (person, _) = person(false, &["open", "sesame"]);
        assert_eq!(person.passphrase("P", false).unwrap().bytes(), b"open");
    }
}
