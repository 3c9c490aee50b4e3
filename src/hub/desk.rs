//! Questions of this run that somebody elsewhere may answer, and their answers. The first answer
//! counts, whether it comes from the terminal or from the service.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::port::clock::Deadline;
use crate::port::question::{Answer, Question, QuestionId};
use crate::port::stop::{Recall, Stop};

/// A wish to stop is seen after this time at the latest.
const LOOK: Duration = Duration::from_millis(200);
/// How long the service may be away while a question waits for it: it may be restarted.
const ABSENCE: Duration = Duration::from_secs(60);
/// A service that is there takes a run in before this.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// Whether there is a service that can pass on an answer.
#[derive(Clone, Copy, Debug)]
pub enum Link {
    /// Until this deadline, nobody knows yet.
    Unknown(Deadline),
    Up,
    /// It was there, and until this deadline it may come back.
    Away(Deadline),
    None,
}

#[derive(Debug)]
pub struct Desk {
    state: Mutex<DeskState>,
    news: Condvar,
    /// What can be answered with yes was answered so on the command line.
    yes: bool,
    absence: Duration,
}

#[derive(Debug)]
struct DeskState {
    open: BTreeMap<QuestionId, OpenQuestion>,
    link: Link,
}

#[derive(Debug)]
struct OpenQuestion {
    choices: Vec<Answer>,
    /// Ends the wait at the terminal.
    recall: Recall,
    answer: Option<Answer>,
}

impl Desk {
    pub fn new(yes: bool) -> Desk {
        Desk::within(yes, FIRST_WORD, ABSENCE)
    }

    /// `first_word`: how long a service may take to take the run in; `absence`: how long one that was
    /// there may be away.
    pub(super) fn within(yes: bool, first_word: Duration, absence: Duration) -> Desk {
        let link = Link::Unknown(Deadline::after(first_word));
        let state = Mutex::new(DeskState { open: BTreeMap::new(), link });
        Desk { state, news: Condvar::new(), yes, absence }
    }

    fn state(&self) -> MutexGuard<'_, DeskState> {
        // Whole between any two changes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `true`: the service said something, which alone shows that it is there.
    pub fn set_link(&self, up: bool) {
        let mut state = self.state();
        state.link = match (up, state.link) {
            (true, _) => Link::Up,
            (false, Link::Up) => Link::Away(Deadline::after(self.absence)),
            (false, Link::Away(deadline)) => Link::Away(deadline),
            (false, Link::Unknown(_) | Link::None) => Link::None,
        };
        self.news.notify_all();
    }

    /// From now on it may be answered from elsewhere, unless it was answered on the command line.
    pub fn put(&self, id: QuestionId, question: &Question) {
        let is_answered = self.yes && question.is_answered_by_yes();
        if !question.is_for_the_terminal_only() && !is_answered {
            let choices = question.choices().answers();
            let open = OpenQuestion { choices, recall: Recall::default(), answer: None };
            self.state().open.insert(id, open);
        }
    }

    pub fn remove(&self, id: QuestionId) {
        self.state().open.remove(&id);
    }

    /// What ends the wait at the terminal; `None`: nobody else may answer.
    pub fn recall(&self, id: QuestionId) -> Option<Recall> {
        self.state().open.get(&id).map(|question| question.recall.clone())
    }

    /// An answer from elsewhere. What was answered already, or cannot be answered so, stays as it is.
    pub fn answer(&self, id: QuestionId, answer: Answer) {
        let mut state = self.state();
        let Some(question) = state.open.get_mut(&id) else { return };
        if question.answer.is_none() && question.choices.contains(&answer) {
            question.recall.ask();
            question.answer = question.recall.is_asked().then_some(answer);
            self.news.notify_all();
        }
    }

    /// The answer from elsewhere, if one came.
    pub fn given(&self, id: QuestionId) -> Option<Answer> {
        self.state().open.get(&id)?.answer
    }

    /// Waits for one: until the deadline, a wish to stop, or as long as there may be a service.
    pub fn wait(&self, id: QuestionId, deadline: Deadline, stop: &Stop) -> Option<Answer> {
        let mut state = self.state();
        loop {
            if let Some(answer) = state.open.get(&id).and_then(|question| question.answer) {
                return Some(answer);
            }
            let nobody = match state.link {
                Link::None => true,
                Link::Unknown(deadline) | Link::Away(deadline) => deadline.is_over(),
                Link::Up => false,
            };
            if nobody || deadline.is_over() || stop.check().is_err() {
                return None;
            }
            let time = deadline.left().unwrap_or(LOOK).min(LOOK);
            let woken = self.news.wait_timeout(state, time);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DiscNo;

    const ID: QuestionId = QuestionId(7);

    fn desk() -> Desk {
        let desk = Desk::new(false);
        desk.put(ID, &burn_now());
        desk
    }

    fn burn_now() -> Question {
        Question::BurnNow { disc: DiscNo(1), used_percent: 40 }
    }

    #[test]
    fn the_first_answer_counts_wherever_it_comes_from() {
        let desk = desk();
        desk.answer(ID, Answer::No);
        desk.answer(ID, Answer::Yes);
        assert_eq!(desk.given(ID), Some(Answer::No));
        assert!(!desk.recall(ID).unwrap().has_come(), "the terminal is too late");
        let desk = self::desk();
        assert!(desk.recall(ID).unwrap().has_come());
        desk.answer(ID, Answer::Yes);
        assert_eq!(desk.given(ID), None, "the terminal was first");
    }

    #[test]
    fn what_is_not_a_choice_or_only_for_the_terminal_is_not_taken() {
        let desk = desk();
        desk.answer(ID, Answer::Copy(1));
        desk.answer(QuestionId(8), Answer::Yes);
        assert_eq!(desk.given(ID), None);
        let rights = Question::RestorePrivileges { set_id: 1, attributes: 0, devices: 0 };
        desk.put(QuestionId(9), &rights);
        assert!(desk.recall(QuestionId(9)).is_none());
    }

    #[test]
    fn nobody_is_waited_for_without_a_service() {
        let desk = desk();
        desk.set_link(false);
        assert_eq!(desk.wait(ID, Deadline::never(), &Stop::new()), None);
        desk.set_link(true);
        desk.answer(ID, Answer::Yes);
        assert_eq!(desk.wait(ID, Deadline::never(), &Stop::new()), Some(Answer::Yes));
        let stop = Stop::new();
        stop.ask(2);
        desk.remove(ID);
        assert_eq!(desk.wait(ID, Deadline::never(), &stop), None);
    }

    #[test]
    fn what_the_command_line_answered_is_not_asked_elsewhere() {
        let desk = Desk::new(true);
        desk.put(ID, &burn_now());
        assert!(desk.recall(ID).is_none());
    }

    #[test]
    fn a_service_that_comes_back_without_a_word_is_not_waited_for_again() {
        let desk = Desk::within(false, Duration::ZERO, Duration::ZERO);
        desk.put(ID, &burn_now());
        let deadline = Deadline::after(Duration::from_secs(60));
        assert_eq!(desk.wait(ID, deadline, &Stop::new()), None, "it never said a word");
        desk.set_link(true);
        desk.set_link(false);
        desk.set_link(false);
        assert_eq!(desk.wait(ID, deadline, &Stop::new()), None, "it is away");
        assert!(!deadline.is_over());
    }
}
