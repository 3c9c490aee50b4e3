//! Whatever is asked is also an event: who looks on sees what is open, and may come late.

use std::ops::Deref;

use super::Operator;
use crate::port::event::{Prompt, Reply};
use crate::port::monitor::Monitor;
use crate::port::passphrase::{PassphraseRequest, Secret};
use crate::port::question::{Answer, Asked, Question};
use crate::port::wanted::InsertRequest;

/// Another operator, whose questions and answers are reported.
pub struct ReportingOperator<O> {
    inner: O,
    monitor: Monitor,
}

impl<O: Operator> ReportingOperator<O> {
    pub fn new(inner: O, monitor: Monitor) -> ReportingOperator<O> {
        ReportingOperator { inner, monitor }
    }
}

impl<O> Deref for ReportingOperator<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.inner
    }
}

impl<O: Operator> Operator for ReportingOperator<O> {
    fn answer(&self, asked: &Asked<Question>) -> Answer {
        self.monitor.asked(asked.id, Prompt::Question(asked.what.clone()));
        let answer = self.inner.answer(asked);
        self.monitor.answered(asked.id, Reply::Answer(answer));
        answer
    }

    fn secret(&self, asked: &Asked<PassphraseRequest>) -> Option<Secret> {
        self.monitor.asked(asked.id, Prompt::Passphrase(asked.what.clone()));
        let secret = self.inner.secret(asked);
        // That there is one, and not a byte of it.
        let reply = secret.as_ref().map_or(Reply::Answer(Answer::NobodyThere), |_| Reply::Given);
        self.monitor.answered(asked.id, reply);
        secret
    }

    fn summon(&self, request: &InsertRequest) {
        self.inner.summon(request);
        self.monitor.wanted(request);
    }

    fn dismiss(&self, request: &InsertRequest) {
        self.inner.dismiss(request);
        self.monitor.no_longer_wanted(request);
    }

    fn relay(&self, line: &[u8]) {
        self.inner.relay(line);
    }
}
