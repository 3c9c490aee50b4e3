//! How the engine asks the person. "Nobody there" is a legal answer to everything.

use super::passphrase::{PassphraseRequest, Secret};
use super::question::{Answer, Asked, Question};
use super::wanted::InsertRequest;

pub mod reporting;

/// The person, or the lack of one. Asked from several threads; nobody gets two questions at once.
///
/// The engine calls [`ask`](Operator::ask) and [`passphrase`](Operator::passphrase), which give what
/// is asked a number; `answer` and `secret` wait for what comes back, from a terminal or, by that
/// number, from elsewhere.
pub trait Operator: Send + Sync {
    /// Waits for the answer: one of the question's [`choices`](Question::choices), or that nobody is
    /// there. `--yes` may answer only what [`is_answered_by_yes`](Question::is_answered_by_yes).
    fn answer(&self, asked: &Asked<Question>) -> Answer;

    /// Waits for a passphrase, which is not shown; `None` if nobody is there. A new passphrase is
    /// requested until two inputs agree.
    fn secret(&self, asked: &Asked<PassphraseRequest>) -> Option<Secret>;

    /// Says what only hands can do and waits for no answer: the drive sees it being done. Said even
    /// where only troubles are.
    fn summon(&self, request: &InsertRequest);

    /// What was asked for is no longer waited for: something was inserted, or nobody came.
    fn dismiss(&self, _request: &InsertRequest) {}

    /// Passes on a line of a program that the person named and that cannot speak to them itself.
    fn relay(&self, _line: &[u8]) {}

    fn ask(&self, question: Question) -> Answer {
        self.answer(&Asked::new(question))
    }

    fn passphrase(&self, request: PassphraseRequest) -> Option<Secret> {
        self.secret(&Asked::new(request))
    }
}

/// No terminal, no person.
pub struct Nobody;

impl Operator for Nobody {
    fn answer(&self, _: &Asked<Question>) -> Answer {
        Answer::NobodyThere
    }
    fn secret(&self, _: &Asked<PassphraseRequest>) -> Option<Secret> {
        None
    }
    fn summon(&self, _: &InsertRequest) {}
}

#[cfg(test)]
mod tests {
    use super::super::question::QuestionId;
    use super::*;
    use crate::model::DiscNo;
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    /// Shows what is asked to somebody who is elsewhere, and waits for them.
    struct Page(Sender<(QuestionId, Question, Sender<Answer>)>);

    impl Operator for Page {
        fn answer(&self, Asked { id, what }: &Asked<Question>) -> Answer {
            let (reply, answer) = channel();
            self.0.send((*id, what.clone(), reply)).unwrap();
            answer.recv().unwrap_or(Answer::NobodyThere)
        }
        fn secret(&self, _: &Asked<PassphraseRequest>) -> Option<Secret> {
            None
        }
        fn summon(&self, _: &InsertRequest) {}
    }

    #[test]
    fn questions_of_two_threads_are_answered_from_elsewhere_by_their_numbers() {
        let (shown, open) = channel();
        let page = Page(shown);
        let ask = |disc| page.ask(Question::BurnNow { disc: DiscNo(disc), used_percent: 40 });
        thread::scope(|scope| {
            let one = scope.spawn(|| ask(1));
            let two = scope.spawn(|| ask(2));
            let mut asked = [open.recv().unwrap(), open.recv().unwrap()];
            asked.sort_by_key(|(id, ..)| std::cmp::Reverse(*id));
            assert_ne!(asked[0].0, asked[1].0);
            for (_, question, reply) in asked {
                let is_first = matches!(question, Question::BurnNow { disc: DiscNo(1), .. });
                reply.send(if is_first { Answer::Yes } else { Answer::No }).unwrap();
            }
            assert_eq!(one.join().unwrap(), Answer::Yes);
            assert_eq!(two.join().unwrap(), Answer::No);
        });
    }
}
