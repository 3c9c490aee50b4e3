//! Messages of one kind about many things: thousands of files of a directory that cannot be read, the
//! same doubt about each disc. The first ones are shown as they come and the rest are counted, so
//! that they do not scroll away what matters.

use crate::port::event::Trouble;
use crate::port::notice::{DiscNotice, Notice, RecoveryNotice, VerifyNotice};
use std::collections::BTreeMap;

/// So many of a kind are shown.
const SHOWN: u64 = 10;

/// How many messages of each kind there were.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    kinds: BTreeMap<String, Repeated>,
}

#[derive(Debug, Default)]
struct Repeated {
    shown: u64,
    left_out: u64,
    /// What the last one that was left out said.
    sample: String,
}

impl Repeats {
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

    /// A line for each kind that was shortened; the next such message is counted from one.
    pub fn take_lines(&mut self) -> Vec<String> {
        let kinds = std::mem::take(&mut self.kinds);
        let shortened = kinds.into_values().filter(|repeated| repeated.left_out > 0);
        shortened
            .map(|Repeated { left_out, sample, .. }| {
                let count = grouped(left_out);
                format!("and {count} more like this (--verbose shows all): {sample}")
            })
            .collect()
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
        let mut repeats = Repeats::default();
        let shown = (0..5000).filter(|_| repeats.is_shown("a".into(), "is gone")).count();
        assert_eq!(shown, 10);
        assert!((0..10).all(|_| repeats.is_shown("b".into(), "is damaged")));
        let lines = repeats.take_lines();
        assert_eq!(lines, ["and 4,990 more like this (--verbose shows all): is gone"]);
        assert!(repeats.take_lines().is_empty(), "said once");
    }

    #[test]
    fn thousands_are_grouped() {
        let written = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(written, ["0", "999", "1,000", "1,234,567"]);
    }
}
