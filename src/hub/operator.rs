//! Who answers a run's questions: the person at its terminal, or somebody elsewhere, through the
//! service.

use std::ops::Deref;
use std::sync::Arc;

use crate::flow::WaitLimit;
use crate::port::operator::Operator;
use crate::port::passphrase::{PassphraseRequest, Secret};
use crate::port::question::{Answer, Asked, Question};
use crate::port::stop::Stop;
use crate::port::wanted::InsertRequest;
use crate::ui::ask::Person;

pub use super::desk::Desk;

/// The person at the terminal, while others may answer as well.
pub struct HubOperator {
    person: Person,
    desk: Arc<Desk>,
    /// How long an answer from elsewhere is waited for where nobody is at a terminal.
    wait_limit: WaitLimit,
    stop: Stop,
}

impl HubOperator {
    pub fn new(person: Person, desk: Arc<Desk>, wait_limit: WaitLimit, stop: Stop) -> HubOperator {
        HubOperator { person, desk, wait_limit, stop }
    }

    fn wait_for_others(&self, asked: &Asked<Question>) -> Answer {
        let answer = self.desk.wait(asked.id, self.wait_limit.deadline(), &self.stop);
        if answer.is_none() && self.stop.check().is_err() {
            self.person.note_interrupted();
        }
        answer.unwrap_or(Answer::NobodyThere)
    }
}

impl Deref for HubOperator {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.person
    }
}

impl Operator for HubOperator {
    fn answer(&self, asked: &Asked<Question>) -> Answer {
        let Some(recall) = self.desk.recall(asked.id) else { return self.person.answer(asked) };
        if !self.person.answers(&asked.what) {
            return self.wait_for_others(asked);
        }
        let answer = self.person.answer_unless(asked, &recall);
        answer.or_else(|| self.desk.given(asked.id)).unwrap_or(Answer::NobodyThere)
    }

    /// Only at the terminal: a passphrase passes through no service.
    fn secret(&self, asked: &Asked<PassphraseRequest>) -> Option<Secret> {
        self.person.secret(asked)
    }

    fn summon(&self, request: &InsertRequest) {
        self.person.summon(request);
    }

    fn relay(&self, line: &[u8]) {
        self.person.relay(line);
    }
}
