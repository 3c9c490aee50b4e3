//! How fast a work goes now. Not how fast it went since it began: a hole is passed many times faster
//! than files are compressed, and what is left is reckoned from what goes on.

use crate::port::clock::Moment;
use std::collections::VecDeque;

/// Seconds that are looked back: a burner's pauses count, and a hole behind us soon does not.
const WINDOW: i64 = 30;

/// How far the work was, second by second, within the window.
#[derive(Debug)]
pub(super) struct RateWindow(VecDeque<(Moment, u64)>);

impl RateWindow {
    pub fn from(now: Moment, done: u64) -> RateWindow {
        RateWindow(VecDeque::from([(now, done)]))
    }

    pub fn note(&mut self, now: Moment, done: u64) {
        if self.0.back().is_some_and(|&(last, _)| now.0 > last.0) {
            self.0.push_back((now, done));
        }
        while self.0.get(1).is_some_and(|&(next, _)| now.0 - next.0 >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// What was done in a second; `None` before the first one has passed.
    pub fn rate(&self, now: Moment, done: u64) -> Option<u64> {
        let &(then, before) = self.0.front()?;
        let seconds = u64::try_from(now.0 - then.0).unwrap_or(0);
        done.saturating_sub(before).checked_div(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_that_was_passed_does_not_promise_that_the_rest_goes_as_fast() {
        let mut pace = RateWindow::from(Moment(0), 0);
        let mut done = 0;
        for second in 1..=100 {
            done += if second <= 60 { 1_000_000 } else { 10 };
            pace.note(Moment(second), done);
        }
        assert_eq!(pace.rate(Moment(100), done), Some(10));
    }

    #[test]
    fn before_a_second_has_passed_nothing_is_known() {
        let pace = RateWindow::from(Moment(5), 7);
        assert_eq!(pace.rate(Moment(5), 100), None);
        assert_eq!(pace.rate(Moment(7), 107), Some(50));
    }
}
