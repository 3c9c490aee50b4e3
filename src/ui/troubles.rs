//! What went wrong in a run, kept until its end: what was said when it happened has long scrolled
//! away when a disc is burned.

use super::words;
use crate::model::plural;
use crate::port::event::Trouble;

/// So many are said again.
const SAID_AGAIN: usize = 10;

/// The first ones, and the number of all.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    first: Vec<Trouble>,
    all: usize,
}

impl Troubles {
    pub fn keep(&mut self, trouble: &Trouble) {
        self.all += 1;
        if self.first.len() < SAID_AGAIN {
            self.first.push(trouble.clone());
        }
    }

    /// The last words of a run: a line each, and how many. `count` says how many paths it did not do
    /// and what that is called, such as `FAILED: 2 paths`; nothing where nothing went wrong.
    pub fn last_words(&self, count: Option<String>) -> String {
        let mut text: String =
            self.first.iter().map(|trouble| words::trouble(trouble) + "\n").collect();
        let more = self.all - self.first.len();
        if more > 0 {
            text += &format!("and {more} more\n");
        }
        match (count, self.all) {
            (Some(count), _) => text + &count + "\n",
            (None, 0) => text,
            (None, all) => text + &plural(all as u64, "problem", "problems") + "\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(count: usize) -> Troubles {
        let mut troubles = Troubles::default();
        for n in 1..=count {
            let (thing, what) = (format!("f{n}"), "cannot be read".to_owned());
            troubles.keep(&Trouble::new(thing, what));
        }
        troubles
    }

    #[test]
    fn the_number_is_the_last_line() {
        let failed = Some("FAILED: 2 paths".to_owned());
        assert_eq!(
            after(2).last_words(failed),
            "f1: cannot be read\nf2: cannot be read\nFAILED: 2 paths\n"
        );
        assert_eq!(after(1).last_words(None), "f1: cannot be read\n1 problem\n");
        assert_eq!(after(0).last_words(None), "");
    }

    #[test]
    fn very_many_are_counted() {
        let text = after(12).last_words(Some("FAILED: 12 paths".to_owned()));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[9..], ["f10: cannot be read", "and 2 more", "FAILED: 12 paths"]);
    }
}
