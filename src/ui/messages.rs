//! What is said while a run works. Of messages of one kind about many things (thousands of files of a
//! directory that cannot be read, the same doubt about each disc) the first ones are shown as they
//! come and the rest are counted, so that they do not scroll away what matters. What went wrong is
//! said once more at the end of the run if other messages came after it.

use super::words;
use crate::model::plural;
use crate::port::event::Trouble;
use crate::port::notice::{DiscNotice, Notice, RecoveryNotice, VerifyNotice};
use std::collections::BTreeMap;

/// So many of a kind are shown, and so many problems are said again.
const SHOWN: usize = 10;

#[derive(Debug, Default)]
pub(super) struct Messages {
    kinds: BTreeMap<String, Repeated>,
    /// The first problems, and the number of all.
    first: Vec<Trouble>,
    all: usize,
    /// How many there were when something else was said last.
    followed: usize,
}

/// How many messages of a kind there were.
#[derive(Debug, Default)]
struct Repeated {
    shown: usize,
    left_out: u64,
    /// What the last one that was left out said.
    sample: String,
}

impl Messages {
    /// Whether one more message of this kind is shown. `sample`: what stands for the kind.
    pub fn is_shown(&mut self, kind: String, sample: &str) -> bool {
        let repeated = self.kinds.entry(kind).or_default();
        let is_shown = repeated.shown < SHOWN;
        match is_shown {
            true => repeated.shown += 1,
            false => {
                repeated.left_out += 1;
                sample.clone_into(&mut repeated.sample);
            }
        }
        is_shown
    }

    /// A problem, for the end of the run.
    pub fn keep(&mut self, trouble: &Trouble) {
        self.all += 1;
        if self.first.len() < SHOWN {
            self.first.push(trouble.clone());
        }
    }

    /// Something is said that is not a problem.
    pub fn follow(&mut self) {
        self.followed = self.all;
    }

    /// A line for each kind that was shortened; the next such message is counted from one.
    pub fn take_left_out(&mut self) -> Vec<String> {
        let kinds = std::mem::take(&mut self.kinds);
        let shortened = kinds.into_values().filter(|repeated| repeated.left_out > 0);
        shortened
            .map(|Repeated { left_out, sample, .. }| {
                let count = grouped(left_out);
                format!("and {count} more like this (--verbose shows all): {sample}")
            })
            .collect()
    }

    /// The last words of a run: what went wrong, if other messages came after it, and how much.
    /// `count` says how many paths the run did not do and what that is called, such as
    /// `FAILED: 2 paths`; nothing where nothing went wrong.
    pub fn last_words(&self, count: Option<String>) -> String {
        let again = self.problems();
        match (count, self.all) {
            (Some(count), _) => again + &count + "\n",
            (None, 0) => again,
            (None, all) => again + &plural(all as u64, "problem", "problems") + "\n",
        }
    }

    /// Those that something else followed: the others are right above.
    fn problems(&self) -> String {
        let first = self.first.iter().take(self.followed);
        let text: String = first.map(|trouble| words::trouble(trouble) + "\n").collect();
        match self.followed.saturating_sub(self.first.len()) {
            0 => text,
            more => text + &format!("and {more} more\n"),
        }
    }
}

/// What happened, whatever it happened to: without the thing, paths and numbers.
pub(super) fn kind_of_trouble(trouble: &Trouble) -> String {
    // Where it stands as a word: a file may be called `e`.
    let named = |end: &str| format!(" {}{end}", trouble.thing);
    let whole = format!(" {} ", trouble.what.words());
    let what = whole.replace(&named(" "), " ").replace(&named(":"), ":");
    let words = what.split_whitespace().filter(|word| !word.contains('/'));
    let mut kind = String::from("trouble:");
    for word in words {
        kind.push(' ');
        kind.extend(word.chars().filter(|c| !c.is_ascii_digit()));
    }
    kind
}

/// Of facts that may come about each of many discs and call for nothing to be done at once. What a
/// person has to do, a label to write or a disc to put back, is always shown.
pub(super) fn kind_of_notice(notice: &Notice) -> Option<&'static str> {
    match notice {
        Notice::Verify(notice) => match notice {
            VerifyNotice::ComparedWithDiscCatalog { .. } => Some("compared-with-disc-catalog"),
            VerifyNotice::ComparedWithOwnList { .. } => Some("compared-with-own-list"),
            VerifyNotice::DiscNotHere { .. } => Some("disc-not-here"),
            VerifyNotice::CopyDue { .. } => Some("copy-due"),
            _ => None,
        },
        Notice::Disc(notice) => match notice {
            DiscNotice::IdentifiedOtherwise { .. } => Some("identified-otherwise"),
            DiscNotice::SnapshotCorrected { .. } => Some("snapshot-corrected"),
            DiscNotice::OtherHistory { .. } => Some("other-history"),
            DiscNotice::ListChanged { .. } => Some("list-changed"),
            _ => None,
        },
        Notice::Recovery(RecoveryNotice::NotCovered { .. }) => Some("not-covered"),
        _ => None,
    }
}

/// `4,321`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(thing: &str, what: &str) -> String {
        kind_of_trouble(&Trouble::new(thing, what))
    }

    #[test]
    fn a_kind_has_no_paths_numbers_or_things() {
        let one = kind("a b", "cannot open /srv/x: Permission denied at 12 of a b");
        assert_eq!(one, kind("c", "cannot open /srv/y/z: Permission denied at 7 of c"));
        assert_ne!(one, kind("c", "cannot open /srv/y/z: Input/output error"));
        assert_ne!(kind("", "is damaged"), kind("", "is gone"));
    }

    #[test]
    fn the_eleventh_of_a_kind_is_counted_and_other_kinds_are_not_concerned() {
        let mut messages = Messages::default();
        let shown = (0..5000).filter(|_| messages.is_shown("a".into(), "is gone")).count();
        assert_eq!(shown, 10);
        assert!((0..10).all(|_| messages.is_shown("b".into(), "is damaged")));
        let lines = messages.take_left_out();
        assert_eq!(lines, ["and 4,990 more like this (--verbose shows all): is gone"]);
        assert!(messages.take_left_out().is_empty(), "said once");
    }

    /// With something else after them.
    fn after(count: usize) -> Messages {
        let mut messages = Messages::default();
        messages.follow();
        for n in 1..=count {
            messages.keep(&Trouble::new(format!("f{n}"), "cannot be read".to_owned()));
        }
        messages
    }

    #[test]
    fn the_number_is_the_last_line_after_problems_that_other_messages_followed() {
        let last_words = |count, is_followed: bool, failed: Option<&str>| {
            let mut messages = after(count);
            if is_followed {
                messages.follow();
            }
            messages.last_words(failed.map(str::to_owned))
        };
        let failed = Some("FAILED: 2 paths");
        let all = "f1: cannot be read\nf2: cannot be read\nFAILED: 2 paths\n";
        assert_eq!(last_words(2, true, failed), all);
        assert_eq!(last_words(2, false, failed), "FAILED: 2 paths\n", "they are right above");
        assert_eq!(last_words(1, true, None), "f1: cannot be read\n1 problem\n");
        assert_eq!(last_words(1, false, None), "1 problem\n");
        assert_eq!(last_words(0, true, None), "");
        let mut messages = after(1);
        messages.follow();
        messages.keep(&Trouble::new("f2", "cannot be read"));
        assert_eq!(messages.last_words(None), "f1: cannot be read\n2 problems\n", "f2 is above");
    }

    #[test]
    fn very_many_problems_are_counted_at_the_end() {
        let mut messages = after(12);
        messages.follow();
        let text = messages.last_words(Some("FAILED: 12 paths".to_owned()));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[9..], ["f10: cannot be read", "and 2 more", "FAILED: 12 paths"]);
    }

    #[test]
    fn thousands_are_grouped() {
        let written = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(written, ["0", "999", "1,000", "1,234,567"]);
    }
}
