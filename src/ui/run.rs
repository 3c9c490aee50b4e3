//! The line about a whole run, above the bars: which disc of how many, and how long the rest takes.
//! Time counts while something is packed, burned or read: a run that waits for a disc, a person or
//! another coldcut is not slower for that.

use super::pace::duration;
use crate::port::clock::Moment;
use crate::port::disc_count::DiscCount;
use crate::port::event::{Activity, Task};
use std::collections::VecDeque;

/// So many of the last discs say how long one takes.
const LAST_DISCS: usize = 8;

/// How far a run is that goes through several discs.
#[derive(Debug, Default)]
pub(super) struct RunProgress {
    pub discs: DiscCount,
    /// The task of the command.
    pub command: Option<Task>,
    /// How many tasks run that count something. While there are none, the run waits.
    running: u64,
    /// Seconds worked until `since`, when a task began or ended.
    worked: i64,
    since: Option<Moment>,
    /// Seconds worked when the first disc was begun, and when each of the last ones was done.
    done_at: VecDeque<i64>,
    /// How many discs are in `done_at`, or were.
    noted: u64,
    /// Bytes read of the disc that a command only reads, and all of them.
    read: Option<(u64, u64)>,
}

impl RunProgress {
    /// A task that counts something begins.
    pub fn begun(&mut self, now: Moment) {
        self.settle(now);
        self.running += 1;
    }

    pub fn ended(&mut self, now: Moment) {
        self.settle(now);
        self.running = self.running.saturating_sub(1);
    }

    pub fn is_working(&self) -> bool {
        self.running > 0
    }

    /// True: another disc was begun.
    pub fn counted(&mut self, discs: DiscCount, now: Moment) -> bool {
        let worked = self.worked(now);
        if self.done_at.is_empty() && discs.begun > 0 {
            self.done_at.push_back(worked);
        }
        for _ in self.noted..discs.done {
            self.done_at.push_back(worked);
            self.noted += 1;
        }
        let more = self.done_at.len().saturating_sub(LAST_DISCS + 1);
        self.done_at.drain(..more);
        self.read = None;
        let is_next = discs.begun > self.discs.begun;
        self.discs = discs;
        is_next
    }

    /// A disc that is read by a command that does nothing else says how fast that is before it is
    /// done.
    pub fn advanced(&mut self, task: &Task, done: u64) {
        let command = self.command.as_ref().map(|command| command.id);
        if let (Activity::Verifying, Some(total)) = (task.what, task.total)
            && task.parent == command
        {
            self.read = Some((done, total));
        }
    }

    fn worked(&self, now: Moment) -> i64 {
        let since = self.since.filter(|_| self.is_working());
        self.worked + since.map_or(0, |since| (now.0 - since.0).max(0))
    }

    fn settle(&mut self, now: Moment) {
        self.worked = self.worked(now);
        self.since = Some(now);
    }

    /// Seconds of work, as far as the discs before tell.
    fn left(&self, now: Moment) -> Option<u64> {
        let rest = self.discs.total?.checked_sub(self.discs.done).filter(|&rest| rest > 0)?;
        let worked = self.worked(now);
        let seconds = |from: i64, to: i64| u64::try_from(to - from).ok();
        match self.done_at.len() {
            0 => None,
            1 => {
                let elapsed = seconds(*self.done_at.front()?, worked)?;
                // A twentieth of a disc says something of the rest.
                let (done, total) = self.read.filter(|(done, total)| *done > total / 20)?;
                let one = u128::from(elapsed) * u128::from(total) / u128::from(done.max(1));
                rest.checked_mul(u64::try_from(one).ok()?)?.checked_sub(elapsed)
            }
            many => {
                // The first disc takes longest: nothing is burned while it is packed.
                let first = usize::from(many > 2);
                let last = *self.done_at.back()?;
                let one = seconds(*self.done_at.get(first)?, last)? / (many - 1 - first) as u64;
                rest.checked_mul(one)?.checked_sub(seconds(last, worked)?.min(one))
            }
        }
        .filter(|&left| left > 0)
    }

    /// `disc 160 of about 247, 158 verified, 9 h 20 min left`, without what is not known. Nothing
    /// about a run of one disc.
    pub fn line(&self, now: Moment) -> Option<String> {
        let DiscCount { begun, verified, total, is_estimate, .. } = self.discs;
        let total = total.filter(|&total| total > 1 && begun > 0)?;
        let about = if is_estimate { "about " } else { "" };
        let mut line = format!("disc {begun} of {about}{total}");
        if verified > 0 {
            line += &format!(", {verified} verified");
        }
        if let Some(left) = self.left(now) {
            line += &format!(", {} left", duration(left));
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::event::TaskId;

    fn count(begun: u64, done: u64, total: u64) -> DiscCount {
        DiscCount { begun, done, verified: done, total: Some(total), is_estimate: true }
    }

    fn line(run: &RunProgress, now: i64) -> String {
        run.line(Moment(now)).unwrap_or_default()
    }

    #[test]
    fn the_line_says_which_disc_of_how_many_and_how_long_the_rest_takes() {
        let mut run = RunProgress::default();
        run.begun(Moment(0));
        run.counted(count(1, 0, 247), Moment(0));
        assert_eq!(line(&run, 500), "disc 1 of about 247");
        run.counted(count(2, 0, 247), Moment(600));
        run.counted(count(3, 1, 247), Moment(3000));
        assert!(line(&run, 3000).starts_with("disc 3 of about 247, 1 verified, "));
        // The second and the third one take 200 s each.
        run.counted(count(4, 2, 247), Moment(3200));
        run.counted(count(5, 3, 247), Moment(3400));
        assert_eq!(line(&run, 3400), "disc 5 of about 247, 3 verified, 13 h 34 min left");
        assert_eq!(line(&run, 3500), "disc 5 of about 247, 3 verified, 13 h 32 min left");
        // One that takes longer than those before promises nothing more.
        assert_eq!(line(&run, 9999), "disc 5 of about 247, 3 verified, 13 h 30 min left");
    }

    #[test]
    fn time_in_which_a_run_waits_does_not_count() {
        let mut run = RunProgress::default();
        for disc in 0..3 {
            let begin = i64::try_from(disc).unwrap() * 100_000;
            run.counted(count(disc + 1, disc, 10), Moment(begin));
            run.begun(Moment(begin));
            run.ended(Moment(begin + 60));
        }
        // Nobody inserts the next one for days.
        run.counted(count(3, 3, 10), Moment(900_000));
        assert_eq!(line(&run, 900_000), "disc 3 of about 10, 3 verified, 7 min left");
        assert_eq!(line(&run, 990_000), "disc 3 of about 10, 3 verified, 7 min left");
    }

    #[test]
    fn a_command_that_only_reads_knows_its_speed_before_the_first_disc_is_done() {
        let of = |id, parent, what, total| {
            let (set, disc, drive) = (None, None, None);
            Task { id: TaskId(id), parent, what, set, disc, drive, total }
        };
        let command = of(1, None, Activity::Command("verify"), None);
        let mut run = RunProgress { command: Some(command), ..Default::default() };
        run.begun(Moment(0));
        let discs = DiscCount { is_estimate: false, ..count(1, 0, 7) };
        run.counted(discs, Moment(0));
        let reading = |parent| of(2, Some(TaskId(parent)), Activity::Verifying, Some(1000));
        run.advanced(&reading(1), 10);
        assert_eq!(line(&run, 10), "disc 1 of 7", "too early");
        run.advanced(&reading(1), 500);
        assert_eq!(line(&run, 100), "disc 1 of 7, 22 min left");
        // A disc that was burned before takes longer than reading it.
        run.counted(discs, Moment(100));
        run.advanced(&reading(9), 500);
        assert_eq!(line(&run, 100), "disc 1 of 7");
    }

    #[test]
    fn nothing_is_said_of_one_disc_or_of_an_unknown_number_and_nonsense_is_left_out() {
        let mut run = RunProgress::default();
        assert_eq!(run.line(Moment(0)), None);
        run.counted(DiscCount { total: None, ..count(3, 2, 0) }, Moment(0));
        assert_eq!(run.line(Moment(0)), None);
        run.counted(count(1, 0, 1), Moment(0));
        assert_eq!(run.line(Moment(0)), None);
        run.counted(count(4, 4, 3), Moment(0));
        assert_eq!(line(&run, 0), "disc 4 of about 3, 4 verified");
        run.counted(count(4, 4, u64::MAX), Moment(-5));
        assert!(line(&run, -9).ends_with("4 verified"), "{}", line(&run, -9));
    }
}
