//! How fast a work goes now. Not how fast it went since it began: a hole is passed many times faster
//! than files are compressed, and what is left is reckoned from what goes on.

use crate::port::clock::Moment;
use std::collections::VecDeque;

/// Seconds that are looked back: a burner's pauses count, and a hole behind us soon does not.
const WINDOW: i64 = 30;

/// How far the work was, second by second, within the window.
#[derive(Debug)]
pub struct RateWindow(VecDeque<(Moment, u64)>);

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

    /// The same work goes on at `now`, after nothing was done since `then`: that time does not count.
    pub fn go_on(&mut self, then: Moment, now: Moment) {
        let pause = now.0 - then.0;
        self.0.iter_mut().for_each(|(at, _)| at.0 += pause);
    }

    /// What was done in a second; `None` before the first one has passed.
    pub fn rate(&self, now: Moment, done: u64) -> Option<u64> {
        let &(then, before) = self.0.front()?;
        let seconds = u64::try_from(now.0 - then.0).unwrap_or(0);
        done.saturating_sub(before).checked_div(seconds)
    }
}

/// `45 s`, `12 min`, `3 h 05 min`
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => {
            let minutes = seconds.div_ceil(60);
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
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
    fn durations_are_short() {
        assert_eq!(duration(45), "45 s");
        assert_eq!(duration(61), "2 min");
        assert_eq!(duration(3599), "60 min");
        assert_eq!(duration(11_070), "3 h 05 min");
    }

    #[test]
    fn a_pause_does_not_make_the_work_slower() {
        let mut pace = RateWindow::from(Moment(0), 0);
        for second in 1..=20 {
            pace.note(Moment(second), 100 * second as u64);
        }
        // For an hour a disc is burned, and the next one waits.
        pace.go_on(Moment(20), Moment(3620));
        assert_eq!(pace.rate(Moment(3620), 2000), Some(100));
        pace.note(Moment(3630), 3000);
        assert_eq!(pace.rate(Moment(3630), 3000), Some(100));
    }

    #[test]
    fn before_a_second_has_passed_nothing_is_known() {
        let pace = RateWindow::from(Moment(5), 7);
        assert_eq!(pace.rate(Moment(5), 100), None);
        assert_eq!(pace.rate(Moment(7), 107), Some(50));
    }
}
