//! The person at the terminal, or the lack of one. Stands apart from the screen because a question
//! must never be asked where nobody can answer: a service would wait for ever.

use super::keyboard::{Keyboard, Line, Silence, TerminalKeyboard};
use super::screen::Screen;
use super::words::insertion::insert_request;
use super::words::questions::{self as words, prompt};
use crate::flow::WaitLimit;
use crate::model::path::shown;
use crate::port::operator::Operator;
use crate::port::passphrase::{PassphraseRequest, Secret};
use crate::port::question::{Answer, Asked, Choices, Question};
use crate::port::stop::{Recall, Stop};
use crate::port::wanted::InsertRequest;
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
    /// whether somebody is there or not. Each question is answered within `wait_limit`, or with no.
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

    /// The answer of whoever is at the terminal; `None` if it came from elsewhere meanwhile, which
    /// is what `recall` says.
    pub fn answer_unless(
        &self,
        Asked { what, .. }: &Asked<Question>,
        recall: &Recall,
    ) -> Option<Answer> {
        let answer = match self.yes && what.is_answered_by_yes() {
            true => Answer::Yes,
            false => self.choose(&what.choices(), &words::question(what), recall)?,
        };
        recall.has_come().then_some(answer)
    }

    /// Whether this question is answered here: somebody is there, or `--yes` says yes to it.
    pub fn answers(&self, question: &Question) -> bool {
        self.is_there() || self.yes && question.is_answered_by_yes()
    }

    /// A signal ended a question that was open elsewhere.
    pub fn note_interrupted(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
    }

    /// Asks, and judges the line by `judge`.
    fn at_keyboard(
        &self,
        question: &str,
        recall: &Recall,
        judge: impl Fn(&str) -> Answer,
    ) -> Option<Answer> {
        let Some(keyboard) = &self.keyboard else { return Some(Answer::NobodyThere) };
        match self.heed(self.screen.ask(question, || keyboard.line(recall))) {
            // A line that is not UTF-8 answers nothing.
            Ok(line) => Some(judge(std::str::from_utf8(&line).unwrap_or_default().trim())),
            Err(silence) => {
                // The cursor stands after the question.
                self.screen.say("");
                self.answer_of(silence)
            }
        }
    }

    fn answer_of(&self, silence: Silence) -> Option<Answer> {
        match silence {
            Silence::TooLate => {
                self.screen.say(NO_ANSWER);
                Some(Answer::No)
            }
            Silence::End | Silence::Stopped => Some(Answer::NobodyThere),
            Silence::Recalled => None,
        }
    }

    fn heed(&self, line: Result<Line, Silence>) -> Result<Line, Silence> {
        if let Err(Silence::Stopped) = line {
            self.interrupted.store(true, Ordering::SeqCst);
        }
        line
    }

    fn secret_line(&self, keyboard: &dyn Keyboard, prompt: &str) -> Option<Secret> {
        match self.heed(keyboard.secret(prompt)) {
            Ok(line) => Some(Secret::new(line.to_vec())),
            Err(Silence::TooLate) => {
                self.screen.put(NO_ANSWER);
                None
            }
            Err(Silence::End | Silence::Stopped | Silence::Recalled) => None,
        }
    }

    fn passphrase_twice(&self, keyboard: &dyn Keyboard, prompt: &str) -> Option<Secret> {
        loop {
            let first = self.secret_line(keyboard, &format!("{prompt}: "))?;
            if first.bytes().is_empty() {
                self.screen.put("A passphrase cannot be empty.");
                continue;
            }
            let second = self.secret_line(keyboard, "Repeat the passphrase: ")?;
            if first.bytes() == second.bytes() {
                return Some(first);
            }
            self.screen.put("They do not match. Try again.");
        }
    }

    fn choose(&self, choices: &Choices, text: &str, recall: &Recall) -> Option<Answer> {
        self.at_keyboard(&prompt(text, choices), recall, |line| match (choices, line) {
            (Choices::YesOrNo, "y" | "Y" | "yes" | "Yes" | "YES") => Answer::Yes,
            (Choices::YesOrNo, _) => Answer::No,
            (Choices::Copies(copies), line) => {
                let number = line.parse().ok().filter(|number| copies.contains(number));
                number.map_or(Answer::No, Answer::Copy)
            }
            (Choices::DoneOrGiveUp, "q" | "Q") => Answer::GiveUp,
            (Choices::DoneOrGiveUp, _) => Answer::Done,
        })
    }

    fn typed(&self, request: &PassphraseRequest, text: &str) -> Option<Secret> {
        let keyboard = self.keyboard.as_deref()?;
        // A hint is what somebody typed once; it may hold anything.
        let prompt = shown(text.as_bytes()).to_string();
        self.screen.aside(|| match request.is_new() {
            true => self.passphrase_twice(keyboard, &prompt),
            false => self.secret_line(keyboard, &format!("{prompt}: ")),
        })
    }
}

impl Operator for Person {
    fn answer(&self, asked: &Asked<Question>) -> Answer {
        // Nobody recalls it.
        self.answer_unless(asked, &Recall::default()).unwrap_or(Answer::NobodyThere)
    }

    fn secret(&self, Asked { what, .. }: &Asked<PassphraseRequest>) -> Option<Secret> {
        self.typed(what, &words::passphrase(what))
    }

    fn relay(&self, line: &[u8]) {
        self.screen.say(&shown(line));
    }

    fn summon(&self, request: &InsertRequest) {
        self.screen.say(&insert_request(request));
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::insert_event;
    use super::super::progress::{Reporter, Show};
    use super::super::screen::testing::{Paper, screen};
    use super::*;
    use crate::model::{CopyPlace, CopyPlaces, DiscList, DiscNo, Sectors, SetName};
    use crate::port::monitor::Monitor;
    use crate::port::operator::reporting::ReportingOperator;
    use crate::port::passphrase::PassphraseOf;
    use crate::port::wanted::WantedBlank;
    use crate::port::wanted::WantedMedium;
    use crate::port::wanted::{DiscChoice, WantedDisc};
    use serde_json::{Value, json};
    use std::sync::Mutex;

    /// Types these lines one after the other, then nothing.
    struct Typist(Mutex<Vec<&'static str>>);

    impl Keyboard for Typist {
        fn line(&self, _: &Recall) -> Result<Line, Silence> {
            let mut lines = self.0.lock().unwrap();
            match lines.is_empty() {
                true => Err(Silence::End),
                false => Ok(Line::new(lines.remove(0).as_bytes().to_vec())),
            }
        }
        fn secret(&self, _: &str) -> Result<Line, Silence> {
            self.line(&Recall::default())
        }
    }

    fn person(yes: bool, lines: &[&'static str]) -> (Person, Paper) {
        let (screen, people, _) = screen(false);
        (typing(screen, yes, lines), people)
    }

    /// The same, while programs listen.
    fn reported(yes: bool, lines: &[&'static str]) -> (ReportingOperator<Person>, Paper, Paper) {
        let ((screen, people, results), monitor) = (screen(true), Monitor::new());
        monitor.listen(Arc::new(Reporter::new(screen.clone(), Show::Lines)));
        (ReportingOperator::new(typing(screen, yes, lines), monitor), people, results)
    }

    fn typing(screen: Arc<Screen>, yes: bool, lines: &[&'static str]) -> Person {
        let keyboard: Box<dyn Keyboard> = Box::new(Typist(Mutex::new(lines.to_vec())));
        let interrupted = AtomicBool::new(false);
        Person { screen, yes, keyboard: Some(keyboard), interrupted }
    }

    fn films() -> SetName {
        SetName::new("films").unwrap()
    }

    fn burn_now() -> Question {
        Question::BurnNow { disc: DiscNo(1), used_percent: 40 }
    }

    fn which_copy() -> Question {
        let discs = DiscList::of(&[DiscNo(1)]);
        Question::WhichCopy { set: films(), discs, copies: vec![1, 2] }
    }

    fn bring_disc() -> Question {
        let wanted = WantedDisc::new(&films(), DiscNo(1));
        Question::BringDisc { wanted, dir: "/shelf".into() }
    }

    fn new_passphrase() -> PassphraseRequest {
        PassphraseRequest::first(PassphraseOf::NewSet { set: films() })
    }

    fn known_passphrase() -> PassphraseRequest {
        PassphraseRequest::first(PassphraseOf::Set { set: films(), hint: None })
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (line, answer) in
            [("y", Answer::Yes), ("yes", Answer::Yes), ("", Answer::No), ("maybe", Answer::No)]
        {
            let (person, people) = person(false, &[line]);
            assert_eq!(person.ask(burn_now()), answer);
            assert!(people.text().ends_with("waits for more files [y/N] "), "{}", people.text());
        }
        assert_eq!(person(false, &[]).0.ask(burn_now()), Answer::NobodyThere);
    }

    #[test]
    fn a_choice_is_one_of_the_numbers_or_none() {
        let no = Answer::No;
        for (line, chosen) in [("2", Answer::Copy(2)), ("3", no), ("", no), ("two", no)] {
            let (person, people) = person(true, &[line]);
            assert_eq!(person.ask(which_copy()), chosen, "{line}");
            assert!(people.text().ends_with("Which one is it? [1/2] "), "{}", people.text());
        }
        assert_eq!(person(true, &[]).0.ask(which_copy()), Answer::NobodyThere);
    }

    #[test]
    fn yes_answers_confirmations_but_has_no_hands() {
        let (mut person, _) = person(true, &[]);
        person.keyboard = None;
        assert_eq!(person.ask(burn_now()), Answer::Yes);
        let question = Question::RestorePrivileges { set_id: 1, attributes: 0, devices: 0 };
        assert_eq!(person.ask(question), Answer::NobodyThere);
        assert_eq!(person.ask(bring_disc()), Answer::NobodyThere);
        assert!(person.passphrase(known_passphrase()).is_none());
    }

    #[test]
    fn hands_report_back_or_give_up() {
        let (person, _) = person(true, &["", "q"]);
        assert_eq!(person.ask(bring_disc()), Answer::Done);
        assert_eq!(person.ask(bring_disc()), Answer::GiveUp);
        assert_eq!(person.ask(bring_disc()), Answer::NobodyThere);
    }

    #[test]
    fn a_request_for_a_disc_asks_for_no_answer() {
        let (person, people, results) = reported(false, &[]);
        let kept = CopyPlaces(vec![CopyPlace { copy: 1, place: "shelf B".into() }]);
        let wanted = WantedDisc::new(&films(), DiscNo(3)).kept(kept);
        person.summon(&InsertRequest { drive: "/dev/sr0".into(), wanted: wanted.into() });
        let words = "Insert disc 3 of films, kept in shelf B, into /dev/sr0.\n";
        assert_eq!(people.text(), words);
        let event: Value = serde_json::from_str(&results.text()).unwrap();
        assert_eq!(
            event,
            json!({
                "event": "insert", "drive": "/dev/sr0",
                "wanted": "disc 3 of films, kept in shelf B", "what": "disc", "or_blank": false,
                "set": "films", "disc": 3, "copy": null, "sectors": null,
                "medium": {
                    "kind": "disc", "set": "films", "disc": 3, "copy": null,
                    "kept": [{"copy": 1, "place": "shelf B"}], "burned": null, "purpose": null,
                },
            })
        );
    }

    /// The keys that were there before `medium` was.
    #[test]
    fn an_insert_event_names_set_disc_and_room_whatever_the_medium() {
        let keys = |wanted: WantedMedium| {
            let event = insert_event(&InsertRequest { drive: String::new(), wanted });
            ["what", "or_blank", "set", "disc", "copy", "sectors"].map(|key| event[key].clone())
        };
        let null = Value::Null;
        let any = WantedMedium::any(Some(&films()), DiscChoice::Any);
        let of_set =
            [json!("disc"), json!(false), json!("films"), null.clone(), null.clone(), null];
        assert_eq!(keys(any), of_set);
        let disc = WantedDisc::new(&films(), DiscNo(3)).copy(Some(2));
        let named = |what: &str, or_blank: bool, sectors: Value| {
            [json!(what), json!(or_blank), json!("films"), json!(3), json!(2), sectors]
        };
        let discs = vec![disc.clone(), WantedDisc::new(&films(), DiscNo(4))];
        assert_eq!(keys(WantedMedium::AnyOf { discs }), named("disc", false, Value::Null));
        let sectors = Sectors(9);
        let either = WantedMedium::DiscOrBlank { disc, sectors };
        assert_eq!(keys(either), named("disc", true, json!(9)));
        let (set, disc, copy) = (films(), DiscNo(3), Some(2));
        let blank = WantedBlank { set, disc, sectors, copy, copies: None };
        assert_eq!(keys(WantedMedium::Blank(blank)), named("blank", false, json!(9)));
    }

    #[test]
    fn a_new_passphrase_is_typed_until_two_agree() {
        let (person, people) = person(false, &["", "one", "two", "three", "three"]);
        assert_eq!(person.passphrase(new_passphrase()).unwrap().bytes(), b"three");
        assert!(people.text().contains("cannot be empty"));
        assert!(people.text().contains("do not match"));
        assert!(person.passphrase(new_passphrase()).is_none());
    }

    #[test]
    fn a_known_passphrase_is_asked_for_once() {
        let (person, _) = person(false, &["open", "sesame"]);
        assert_eq!(person.passphrase(known_passphrase()).unwrap().bytes(), b"open");
    }

    #[test]
    fn programs_see_each_question_and_its_answer_under_one_number() {
        let (person, _, results) = reported(true, &["2", "q"]);
        person.ask(burn_now());
        person.ask(which_copy());
        person.ask(bring_disc());
        person.ask(which_copy());
        let events: Vec<Value> =
            results.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let number = |event: &Value| event["question"].as_u64().unwrap();
        for pair in events.chunks(2) {
            assert_eq!(
                (&pair[0]["event"], &pair[1]["event"]),
                (&json!("question"), &json!("answer"))
            );
            assert_eq!(number(&pair[0]), number(&pair[1]));
        }
        assert!(events.chunks(2).map(|pair| number(&pair[0])).is_sorted_by(|one, next| one < next));
        let answers: Vec<&Value> = events.iter().skip(1).step_by(2).map(|e| &e["answer"]).collect();
        assert_eq!(answers, [&json!("yes"), &json!(2), &json!("give-up"), &json!(null)]);
        let choices: Vec<&Value> =
            events.iter().step_by(2).map(|event| &event["choices"]).collect();
        let done = json!(["done", "give-up"]);
        assert_eq!(choices, [&json!(["yes", "no"]), &json!([1, 2]), &done, &json!([1, 2])]);
        assert_eq!((&events[0]["kind"], &events[0]["disc"]), (&json!("burn-now"), &json!(1)));
        assert!(events[0]["text"].as_str().unwrap().ends_with("it waits for more files"));
    }

    #[test]
    fn no_event_has_a_byte_of_a_passphrase() {
        let (person, _, results) = reported(false, &["open sesame"]);
        let secret = person.passphrase(known_passphrase()).unwrap();
        assert_eq!(secret.bytes(), b"open sesame");
        person.passphrase(known_passphrase());
        let text = results.text();
        assert!(!text.contains("sesame"), "{text}");
        let events: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events[0]["kind"], "set-passphrase");
        assert_eq!(events[0]["choices"], json!([]));
        assert_eq!((&events[1]["answer"], &events[3]["answer"]), (&json!("given"), &json!(null)));
    }
}
