//! One kind of run, cut at many moments.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use super::bench::PowerBench;
use super::{CutKind, LeftOut, PowerCut, PowerDisk};
use crate::support::Run;
use crate::support::trees::Random;

const COLDCUT: &str = env!("CARGO_BIN_EXE_coldcut");

/// A run mostly waits, for xorriso.
const WORKERS: usize = 4;
/// More cuts that fail say nothing new.
const MOST_FAILURES: usize = 8;

/// A command, and what was done before it on a disk that kept its power.
pub struct PowerRun<'a> {
    /// In `POWER_CUT`.
    pub name: &'static str,
    /// Lines of bash; `coldcut` is the program.
    pub before: &'a str,
    /// What is cut. When it is run again, it must do what it was to do.
    pub command: &'static str,
    /// What does it where that ends with 3: something is there, and nobody knows whose it is.
    pub after_3: Option<&'static str>,
    /// What is done after that, to have all on the shelf.
    pub then: &'static [&'static str],
    /// What all is restored from in the end.
    pub shelf: &'static str,
    /// What else must be true then.
    pub check: fn(&PowerBench, &PowerCut, &str),
    /// Cuts in the short form.
    pub cuts: u64,
    /// The cut comes right after the first sync of a file whose path ends so.
    pub last_sync: Option<&'static str>,
    /// For tests of the tests.
    pub left_out: Option<LeftOut>,
}

impl Default for PowerRun<'_> {
    fn default() -> Self {
        PowerRun {
            name: "",
            before: "",
            command: "",
            after_3: None,
            then: &[],
            shelf: "disk/shelf",
            check: |_, _, _| (),
            cuts: 0,
            last_sync: None,
            left_out: None,
        }
    }
}

impl PowerRun<'_> {
    /// Cuts the power at moments that `POWER_CUTS` or `POWER_CUT` name.
    pub fn torment(&self) {
        if let (None, Ok(words)) = (self.left_out, std::env::var("POWER_LEAVE_OUT")) {
            return PowerRun { left_out: Some(read_left_out(&words)), ..*self }.torment();
        }
        let bench = PowerBench::new();
        let begin = self.begin(&bench);
        let (run, counted) = self.cut(&bench, &begin, None);
        run.ok();
        if std::env::var_os("POWER_SHOW").is_some() {
            counted.syncs().iter().for_each(|(at, path)| println!("{at:6} {}", path.display()));
        }
        let cuts = Mutex::new(self.cuts(&counted));
        let all = cuts.lock().unwrap().len();
        let outcomes = std::thread::scope(|scope| {
            let others = (1..WORKERS.min(all)).map(|_| {
                scope.spawn(|| {
                    let bench = PowerBench::new();
                    let begin = self.begin(&bench);
                    self.work(&bench, &begin, &cuts)
                })
            });
            let others: Vec<_> = others.collect();
            let mut outcomes = self.work(&bench, &begin, &cuts);
            outcomes.extend(others.into_iter().flat_map(|worker| worker.join().unwrap()));
            outcomes
        });
        let killed = outcomes.iter().filter(|outcome| **outcome == Outcome::Killed).count();
        let failed = outcomes.iter().filter(|outcome| **outcome == Outcome::Failed).count();
        let (steps, syncs) = (counted.operations(), counted.syncs().len());
        println!(
            "{}: {killed} of {all} cuts before the end; {steps} operations, {syncs} syncs",
            self.name
        );
        assert!(failed == 0, "{}: {failed} cuts failed, see above", self.name);
        assert!(killed > 0 || all < 8, "{}: no run was cut", self.name);
    }

    /// One cut, in which nothing survives that was not synced.
    pub fn cut_once(&self) {
        let bench = PowerBench::new();
        let begin = self.begin(&bench);
        let cut = PowerCut { at: u64::MAX, kind: CutKind::Nothing, seed: 0 };
        assert!(self.try_cut(&bench, &begin, cut) == Outcome::Killed, "the run was not cut");
    }

    /// Whether a cut after the end of the run is noticed, where these syncs do nothing. Each kind of cut
    /// is tried.
    pub fn misses(&self, left_out: LeftOut) -> bool {
        let run = PowerRun { left_out: Some(left_out), ..*self };
        let bench = PowerBench::new();
        let begin = run.begin(&bench);
        CutKind::ALL.into_iter().any(|kind| {
            let cut = PowerCut { at: u64::MAX, kind, seed: 1 };
            catch_unwind(AssertUnwindSafe(|| run.try_cut(&bench, &begin, cut))).is_err()
        })
    }

    fn begin(&self, bench: &PowerBench) -> PowerDisk {
        let before = self.before;
        let line = format!("mkdir disk/shelf\ncoldcut() {{ {COLDCUT:?} \"$@\"; }}\n{before}");
        let (run, disk) = bench.run_on(PowerDisk::default(), "bash", &["-euc", &line]);
        run.ok();
        disk.powered_up()
    }

    fn cut(
        &self,
        bench: &PowerBench,
        begin: &PowerDisk,
        cut: Option<PowerCut>,
    ) -> (Run, PowerDisk) {
        let mut disk = begin.clone();
        match (self.last_sync, cut) {
            (Some(path), Some(cut)) => disk.cut_after_sync(path, cut),
            _ => disk.plan(cut),
        }
        disk.leave_out(self.left_out);
        let words: Vec<&str> = self.command.split_whitespace().collect();
        bench.run_on(disk, COLDCUT, &words)
    }

    fn work(
        &self,
        bench: &PowerBench,
        begin: &PowerDisk,
        cuts: &Mutex<VecDeque<PowerCut>>,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some(cut) = { cuts.lock().unwrap().pop_front() } {
            let tried = catch_unwind(AssertUnwindSafe(|| self.try_cut(bench, begin, cut)));
            let outcome = tried.unwrap_or_else(|_| {
                eprintln!(
                    "again: POWER_CUT={} cargo test --test power_cuts {}",
                    cut.words(self.name),
                    self.name
                );
                Outcome::Failed
            });
            outcomes.push(outcome);
            if outcomes.iter().filter(|outcome| **outcome == Outcome::Failed).count()
                >= MOST_FAILURES
            {
                cuts.lock().unwrap().clear();
            }
        }
        outcomes
    }

    fn try_cut(&self, bench: &PowerBench, begin: &PowerDisk, cut: PowerCut) -> Outcome {
        let story = cut.words(self.name);
        bench.clear();
        let (run, disk) = self.cut(bench, begin, Some(cut));
        let is_killed = run.output.status.code().is_none();
        if !is_killed {
            run.ok();
        }
        let mut found = disk.clone().powered_up();
        found.leave_out(None);
        let mounted = bench.mount(found);
        bench.check_safe_discs(&disk, &story);
        for line in std::iter::once(&self.command).chain(self.then) {
            let mut run = bench.run(line);
            if let (Some(3), Some(line)) = (run.output.status.code(), self.after_3) {
                run = bench.run(line);
            }
            let was_done = run.stderr().contains("nothing is staged");
            assert!(run.output.status.success() || was_done, "{story}: {}", run.story());
            let is_lost = run.stderr().contains("no longer complete");
            assert!(!is_lost, "{story}: a packed disc was lost: {}", run.story());
        }
        bench.check_finished(self.shelf, &story);
        (self.check)(bench, &cut, &story);
        drop(mounted);
        if is_killed { Outcome::Killed } else { Outcome::CutAtTheEnd }
    }

    fn cuts(&self, counted: &PowerDisk) -> VecDeque<PowerCut> {
        if let Ok(words) = std::env::var("POWER_CUT") {
            return PowerCut::read(&words, self.name).into_iter().collect();
        }
        let seed = std::env::var("SEED").map_or(20_261_130, |text| text.parse().unwrap());
        let mut random = Random::new(seed);
        let kind = |at: usize| CutKind::ALL[at % CutKind::ALL.len()];
        match std::env::var("POWER_CUTS").as_deref() {
            Ok("all") => {
                let syncs = counted.syncs().iter().flat_map(|(at, _)| [*at, at + 1]);
                let each = |(n, at)| PowerCut { at, kind: kind(n / 2), seed: random.next() };
                syncs.enumerate().map(each).collect()
            }
            number => {
                let number = number.map_or(self.cuts, |text| text.parse().unwrap());
                // The last ones come after the end: what was reported as done must be durable.
                let end = counted.operations() + counted.operations() / 8;
                let each =
                    |n| PowerCut { at: random.below(end), kind: kind(n), seed: random.next() };
                (0..number as usize).map(each).collect()
            }
        }
    }
}

/// `files:PART`, `dirs:PART` or `system`.
fn read_left_out(words: &str) -> LeftOut {
    match words.split_once(':') {
        Some(("files", part)) => LeftOut::Files(part.to_owned().leak()),
        Some(("dirs", part)) => LeftOut::Dirs(part.to_owned().leak()),
        _ => LeftOut::System,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Killed,
    /// The run had ended before so many operations were done.
    CutAtTheEnd,
    Failed,
}

impl PowerCut {
    fn words(&self, name: &str) -> String {
        format!("{name}:{}:{:?}:{}", self.at, self.kind, self.seed)
    }

    /// What [`words`](Self::words) made, if it is of this run.
    fn read(words: &str, name: &str) -> Option<PowerCut> {
        let [run, at, kind, seed] = words.split(':').collect::<Vec<_>>().try_into().unwrap();
        let kind = CutKind::ALL.into_iter().find(|found| format!("{found:?}") == kind).unwrap();
        (run == name).then(|| PowerCut {
            at: at.parse().unwrap(),
            kind,
            seed: seed.parse().unwrap(),
        })
    }
}
