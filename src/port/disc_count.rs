//! How many discs a command goes through, and how far it has come: what bars of single discs do not
//! show.

use serde::Serialize;

/// The discs of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiscCount {
    /// How many were begun: the one that is packed, burned or read now is the last of these.
    pub begun: u64,
    /// With how many the command is done, whatever came of it.
    pub done: u64,
    /// How many of those were read completely, and every byte was right.
    pub verified: u64,
    /// How many there are, if that is known or can be estimated.
    pub total: Option<u64>,
    /// Whether `total` is an estimate.
    pub is_estimate: bool,
}

impl DiscCount {
    /// So many come after those that were begun.
    pub fn expect(&mut self, more: u64, is_estimate: bool) {
        self.total = Some(self.begun.saturating_add(more));
        self.is_estimate = is_estimate;
    }

    /// The next one is begun. There are never fewer discs than were begun.
    pub fn begin(&mut self) {
        self.begun += 1;
        self.total = self.total.map(|total| total.max(self.begun));
    }

    /// So many of them are not read after all.
    pub fn skip(&mut self, fewer: u64) {
        self.total = self.total.map(|total| total.saturating_sub(fewer).max(self.begun));
    }

    /// The one that was begun last is begun again later.
    pub fn put_back(&mut self) {
        self.begun = self.begun.saturating_sub(1);
    }

    pub fn end(&mut self, is_verified: bool) {
        self.done += 1;
        self.verified += u64::from(is_verified);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_fewer_discs_than_were_begun() {
        let mut count = DiscCount::default();
        count.begin();
        assert_eq!(count.total, None);
        count.expect(1, true);
        count.begin();
        assert_eq!(count.total, Some(2));
        count.begin();
        assert_eq!((count.begun, count.total), (3, Some(3)));
    }

    #[test]
    fn a_disc_that_went_away_is_begun_again_and_a_damaged_one_is_not_verified() {
        let mut count = DiscCount::default();
        count.expect(2, false);
        count.begin();
        count.put_back();
        count.begin();
        count.end(false);
        count.begin();
        count.end(true);
        let expected =
            DiscCount { begun: 2, done: 2, verified: 1, total: Some(2), is_estimate: false };
        assert_eq!(count, expected);
    }
}
