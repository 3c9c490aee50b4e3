//! Copies that were burned and not read back, where others of the disc lie about: media are alike to
//! the last byte, so nobody but a person can tell which one was put in unasked.

use crate::catalog::{Copy, CopyNo, CopyState, Fate};
use crate::model::{DiscNo, SetName};
use crate::port::question::{Answer, Question};
use crate::port::wanted::{BurnDate, WantedDisc};

use crate::flow::Context;

/// Whether a medium in a drive could be another than this unread copy.
pub fn is_doubtful(copy: &Copy, all: &[Copy]) -> bool {
    let could_be = |other: &&Copy| {
        other.number != copy.number
            && !other.medium.is_place()
            && !matches!(other.state, CopyState::Burned | CopyState::Gone(Fate::Retired))
    };
    copy.state == CopyState::Burned && !copy.medium.is_place() && all.iter().any(|o| could_be(&o))
}

/// A person says that the disc in this drive is the copy that nobody read back.
pub fn is_said_to_be(
    copy: &Copy,
    set: &SetName,
    disc: DiscNo,
    drive: &str,
    context: Context,
) -> bool {
    let wanted = WantedDisc::new(set, disc).copy(Some(copy.number.0));
    let (drive, wanted) = (drive.to_owned(), wanted.burned(BurnDate::On(copy.burned)));
    context.operator.ask(Question::IsThisDisc { drive, wanted }) == Answer::Yes
}

/// The copies that a medium in a drive is not, as far as anybody says: without a word, none that
/// was never read.
pub fn not_meant(
    all: &[Copy],
    set: &SetName,
    disc: DiscNo,
    drive: &str,
    context: Context,
) -> Vec<CopyNo> {
    let Some(newest) = all.iter().rfind(|copy| is_doubtful(copy, all)) else { return Vec::new() };
    let is_newest = is_said_to_be(newest, set, disc, drive, context);
    let is_other = |copy: &&Copy| match is_newest {
        true => copy.number != newest.number,
        false => is_doubtful(copy, all),
    };
    all.iter().filter(is_other).map(|copy| copy.number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Finding;
    use crate::flow::WaitLimit;
    use crate::model::Carrier;
    use crate::port::clock::Moment;
    use crate::port::fake_operator::FakeOperator;
    use crate::port::recorder::Recorder;
    use crate::port::stop::Stop;

    fn copy(number: u32, state: CopyState) -> Copy {
        let medium = Carrier::found_in("/dev/sr0 (Y)".to_owned());
        Copy { number: CopyNo(number), medium, place: String::new(), burned: Moment(0), state }
    }

    #[test]
    fn an_unread_copy_is_in_doubt_only_beside_one_that_may_be_put_in() {
        let unread = copy(2, CopyState::Burned);
        let beside = |state| is_doubtful(&unread, &[copy(1, state), unread.clone()]);
        assert!(beside(CopyState::Found(Finding::Ok)));
        assert!(beside(CopyState::Gone(Fate::Lost)));
        assert!(!beside(CopyState::Gone(Fate::Retired)));
        assert!(!beside(CopyState::Burned), "one is as good as the other");
        assert!(!is_doubtful(&copy(1, CopyState::Found(Finding::Ok)), &[unread]));
    }

    #[test]
    fn without_a_word_a_disc_is_no_copy_that_was_never_read() {
        let all = [copy(1, CopyState::Found(Finding::Ok)), copy(2, CopyState::Burned)];
        let (set, monitor, stop) =
            (SetName::new("films").unwrap(), Recorder::default(), Stop::new());
        let ruled_out = |answer, all: &[Copy]| {
            let operator = FakeOperator::always(answer);
            let wait_limit = WaitLimit::Endless;
            let context = Context {
                monitor: &monitor,
                operator: &operator,
                stop: &stop,
                wait_limit,
                turn: wait_limit,
                overwrite: false,
                limits: Default::default(),
            };
            let not = not_meant(all, &set, DiscNo(1), "/dev/sr0 (Y)", context);
            for question in operator.questions.lock().unwrap().drain(..) {
                let Question::IsThisDisc { drive, wanted } = question else { panic!() };
                assert_eq!((drive.as_str(), wanted.copy), ("/dev/sr0 (Y)", Some(2)));
                assert_eq!(wanted.burned, Some(BurnDate::On(Moment(0))));
            }
            not.into_iter().map(|copy| copy.0).collect::<Vec<_>>()
        };
        assert_eq!(ruled_out(Answer::Yes, &all), [1]);
        assert_eq!(ruled_out(Answer::No, &all), [2]);
        assert_eq!(ruled_out(Answer::NobodyThere, &all), [2]);
        assert!(ruled_out(Answer::NobodyThere, &all[1..]).is_empty(), "it can be no other");
        assert!(ruled_out(Answer::NobodyThere, &all[..1]).is_empty(), "nothing is unread");
    }
}
