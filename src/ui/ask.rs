//! The person at the terminal, or the lack of one. Stands apart from the screen because a question
//! must never be asked where nobody can answer: a service would wait for ever.

use super::keyboard::{Keyboard, Line, Silence, TerminalKeyboard};
use super::screen::Screen;
use crate::flow::WaitLimit;
use crate::model::SetName;
use crate::model::path::shown;
use crate::port::operator::{Answer, InsertRequest, Operator, Secret};
use crate::port::stop::Stop;
use crate::port::wanted::MediumKind;
use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NO_ANSWER: &str = "no answer within --wait; taken as no";

pub struct Person {
    screen: Arc<Screen>,
    yes: bool,
    keyboard: Option<Box<dyn Keyboard>>,
    interrupted: AtomicBool,
}

impl Person {
    /// Somebody is there if both stdin and stderr are terminals. `yes` answers confirmations,
    /// whether somebody is there or not. Each question is answered within `patience`, or with no.
    pub fn new(screen: Arc<Screen>, yes: bool, wait_limit: WaitLimit, stop: Stop) -> Person {
        let there = io::stdin().is_terminal() && io::stderr().is_terminal();
        let keyboard =
            there.then(|| Box::new(TerminalKeyboard { stop, wait_limit }) as Box<dyn Keyboard>);
        Person { screen, yes, keyboard, interrupted: AtomicBool::new(false) }
    }

    pub fn is_there(&self) -> bool {
        self.keyboard.is_some()
    }

    /// Whether a signal ended a question: what the run made of the missing answer is not what
    /// happened.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Asks, and judges the line by `judge`.
    fn ask(&self, question: &str, judge: impl Fn(&str) -> Answer) -> Answer {
        let Some(keyboard) = &self.keyboard else { return Answer::NobodyThere };
        match self.heed(self.screen.ask(question, || keyboard.line())) {
            // A line that is not UTF-8 answers nothing.
            Ok(line) => judge(std::str::from_utf8(&line).unwrap_or_default().trim()),
            Err(silence) => {
                // The cursor stands after the question.
                self.screen.say("");
                self.answer_of(silence)
            }
        }
    }

    fn answer_of(&self, silence: Silence) -> Answer {
        match silence {
            Silence::TooLate => {
                self.screen.say(NO_ANSWER);
                Answer::No
            }
            Silence::End | Silence::Stopped => Answer::NobodyThere,
        }
    }

    fn heed(&self, line: Result<Line, Silence>) -> Result<Line, Silence> {
        if let Err(Silence::Stopped) = line {
            self.interrupted.store(true, Ordering::SeqCst);
        }
        line
    }

    fn secret(&self, keyboard: &dyn Keyboard, prompt: &str) -> Option<Secret> {
        match self.heed(keyboard.secret(prompt)) {
            Ok(line) => Some(Secret::new(line.to_vec())),
            Err(Silence::TooLate) => {
                self.screen.put(NO_ANSWER);
                None
            }
            Err(Silence::End | Silence::Stopped) => None,
        }
    }

    fn passphrase_twice(&self, keyboard: &dyn Keyboard, prompt: &str) -> Option<Secret> {
        loop {
            let first = self.secret(keyboard, &format!("{prompt}: "))?;
            if first.bytes().is_empty() {
                self.screen.put("A passphrase cannot be empty.");
                continue;
            }
            let second = self.secret(keyboard, "Repeat the passphrase: ")?;
            if first.bytes() == second.bytes() {
                return Some(first);
            }
            self.screen.put("They do not match. Try again.");
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

    fn choose(&self, question: &str, numbers: &[u32]) -> Option<u32> {
        let all: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let chosen = Cell::new(None);
        self.ask(&format!("{question} [{}]", all.join("/")), |line| {
            chosen.set(line.parse().ok().filter(|number| numbers.contains(number)));
            Answer::Yes
        });
        chosen.get()
    }

    fn hands(&self, request: &str) -> Answer {
        self.ask(&format!("{request} Then press Enter (q to quit):"), |line| match line {
            "q" | "Q" => Answer::No,
            _ => Answer::Yes,
        })
    }

    fn relay(&self, line: &[u8]) {
        self.screen.say(&shown(line));
    }

    fn summon(&self, call: &InsertRequest) {
        let InsertRequest { drive, wanted } = call;
        let wanted_words = wanted.to_string();
        let comma = if wanted_words.contains(',') { "," } else { "" };
        self.screen.say(&format!("Insert {wanted_words}{comma} into {drive}."));
        // Events are a courtesy: the run does not fail because nobody reads them any more.
        let event = serde_json::json!({
            "event": "insert",
            "drive": drive,
            "wanted": wanted.to_string(),
            "what": if wanted.what == MediumKind::Blank { "blank" } else { "disc" },
            "or_blank": wanted.what == MediumKind::Either,
            "set": wanted.set.as_ref().map(SetName::as_str),
            "disc": wanted.disc.map(|disc| disc.0),
            "copy": wanted.copy,
            "sectors": wanted.sectors.map(|sectors| sectors.0),
        });
        let _ = self.screen.object(&event);
    }

    fn passphrase(&self, prompt: &str, twice: bool) -> Option<Secret> {
        let keyboard = self.keyboard.as_deref()?;
        // A hint is what somebody typed once; it may hold anything.
        let prompt = shown(prompt.as_bytes()).to_string();
        self.screen.aside(|| match twice {
            true => self.passphrase_twice(keyboard, &prompt),
            false => self.secret(keyboard, &format!("{prompt}: ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::screen::testing::{Paper, screen};
    use super::*;
    use crate::port::wanted::WantedMedium;
    use std::sync::Mutex;

    /// Types these lines one after the other, then nothing.
    struct Typist(Mutex<Vec<&'static str>>);

    impl Keyboard for Typist {
        fn line(&self) -> Result<Line, Silence> {
            let mut lines = self.0.lock().unwrap();
            match lines.is_empty() {
                true => Err(Silence::End),
                false => Ok(Line::new(lines.remove(0).as_bytes().to_vec())),
            }
        }
        fn secret(&self, _: &str) -> Result<Line, Silence> {
            self.line()
        }
    }

    fn person(yes: bool, lines: &[&'static str]) -> (Person, Paper) {
        let (screen, people, _) = screen(false);
        let keyboard: Box<dyn Keyboard> = Box::new(Typist(Mutex::new(lines.to_vec())));
        let interrupted = AtomicBool::new(false);
        (Person { screen, yes, keyboard: Some(keyboard), interrupted }, people)
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
    fn a_choice_is_one_of_the_numbers_or_none() {
        for (line, chosen) in [("2", Some(2)), ("3", None), ("", None), ("two", None)] {
            let (person, people) = person(true, &[line]);
            assert_eq!(person.choose("Which copy?", &[1, 2]), chosen, "{line}");
            assert_eq!(people.text(), "Which copy? [1/2] ");
        }
        assert_eq!(person(true, &[]).0.choose("Which copy?", &[1, 2]), None);
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
        let wanted = WantedMedium::any("disc 3 of holidays");
        let call = InsertRequest { drive: "/dev/sr0".into(), wanted };
        person.summon(&call);
        assert_eq!(people.text(), "Insert disc 3 of holidays into /dev/sr0.\n");
        let wanted = WantedMedium::any("disc 3 of holidays, kept in shelf B");
        person.summon(&InsertRequest { drive: "/dev/sr0".into(), wanted });
        assert!(people.text().ends_with(", kept in shelf B, into /dev/sr0.\n"));
    }

    #[test]
    fn a_new_passphrase_is_typed_until_two_agree() {
        let (person, people) = person(false, &["", "one", "two", "three", "three"]);
        assert_eq!(person.passphrase("New", true).unwrap().bytes(), b"three");
        assert!(people.text().contains("cannot be empty"));
        assert!(people.text().contains("do not match"));
        assert!(person.passphrase("New", true).is_none());
    }

    #[test]
    fn a_known_passphrase_is_asked_for_once() {
        let (person, _) = person(false, &["open", "sesame"]);
        assert_eq!(person.passphrase("P", false).unwrap().bytes(), b"open");
    }
}
