//! A person for tests: answers as told, and notes what they were asked.

use std::sync::Mutex;

use super::operator::Operator;
use super::passphrase::{PassphraseRequest, Secret};
use super::question::{Answer, Asked, Question};
use super::wanted::InsertRequest;

type Answering<'a> = Box<dyn Fn(&Question) -> Answer + Send + Sync + 'a>;
type Inserting<'a> = Box<dyn Fn(&InsertRequest) + Send + Sync + 'a>;

/// Has no passphrase, whatever else they say.
pub struct FakeOperator<'a> {
    answer: Answering<'a>,
    insert: Inserting<'a>,
    /// What was asked, in order.
    pub questions: Mutex<Vec<Question>>,
    /// What was to be inserted, in order.
    pub requests: Mutex<Vec<InsertRequest>>,
}

impl<'a> FakeOperator<'a> {
    pub fn answering(answer: impl Fn(&Question) -> Answer + Send + Sync + 'a) -> FakeOperator<'a> {
        FakeOperator {
            answer: Box::new(answer),
            insert: Box::new(|_| {}),
            questions: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// The same answer to everything.
    pub fn always(answer: Answer) -> FakeOperator<'a> {
        FakeOperator::answering(move |_| answer)
    }

    /// Nobody is there, and `--yes` was given.
    pub fn yes() -> FakeOperator<'a> {
        FakeOperator::answering(|question| match question.is_answered_by_yes() {
            true => Answer::Yes,
            false => Answer::NobodyThere,
        })
    }

    /// Does this when something is to be inserted.
    pub fn inserting(self, insert: impl Fn(&InsertRequest) + Send + Sync + 'a) -> FakeOperator<'a> {
        FakeOperator { insert: Box::new(insert), ..self }
    }
}

impl Operator for FakeOperator<'_> {
    fn answer(&self, asked: &Asked<Question>) -> Answer {
        self.questions.lock().unwrap().push(asked.what.clone());
        (self.answer)(&asked.what)
    }
    fn secret(&self, _: &Asked<PassphraseRequest>) -> Option<Secret> {
        None
    }
    fn summon(&self, request: &InsertRequest) {
        self.requests.lock().unwrap().push(request.clone());
        (self.insert)(request);
    }
}
