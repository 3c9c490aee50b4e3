//! How far the work has come: bars on a terminal, a line now and then in a log, events for
//! programs. The engine reports to [`Monitor`] and does not know which of these listens. Works that
//! go on side by side have a reporter each, and share the screen.

use super::asked::{answer_event, insert_event, question_event};
use super::lock::locked;
use super::pace::RateWindow;
use super::screen::Screen;
use super::words;
use crate::model::Bytes;
use crate::port::clock::Moment;
use crate::port::event::{
    Activity, Event, Listener, Progress, RunState, Task, TaskId, Trouble, Unit,
};
use crate::port::notice::Notice;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Seconds between two lines in a log: an hour of burning makes 120 of them.
const LINES_APART: i64 = 30;
/// Seconds between two events for programs, and between two texts beside a bar.
const EVENTS_APART: i64 = 1;

/// How progress is shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    Bar,
    Lines,
    /// `--quiet`: troubles only.
    Nothing,
}

impl Show {
    /// What fits `--quiet` and the stream that people read.
    pub fn choose(quiet: bool) -> Show {
        match quiet {
            true => Show::Nothing,
            false if Screen::can_draw() => Show::Bar,
            false => Show::Lines,
        }
    }
}

type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

pub struct Reporter {
    screen: Arc<Screen>,
    show: Show,
    clock: Clock,
    running: Mutex<BTreeMap<TaskId, RunningBar>>,
    /// The command, until it has a part: one that only prints what is known has none.
    command: Mutex<Option<Task>>,
    /// What the packing of the discs before has done: its count goes on from disc to disc.
    packed: AtomicU64,
}

/// A task that counts something.
struct RunningBar {
    task: Task,
    progress: Progress,
    pace: RateWindow,
    lined: Moment,
    told: Moment,
    /// Something came in since the last event.
    news: bool,
    bar: Option<ProgressBar>,
}

impl Reporter {
    pub fn new(screen: Arc<Screen>, show: Show) -> Reporter {
        Reporter::with_clock(screen, show, Arc::new(Moment::now))
    }

    pub fn with_clock(screen: Arc<Screen>, show: Show, clock: Clock) -> Reporter {
        let (running, command) = (Mutex::default(), Mutex::default());
        Reporter { screen, show, clock, running, command, packed: AtomicU64::new(0) }
    }

    /// Events are a courtesy: the run does not fail because nobody reads them any more.
    fn event(&self, event: Value) {
        if self.show != Show::Nothing {
            let _ = self.screen.object(&event);
        }
    }

    /// What somebody must know even with `--quiet`.
    fn always(&self, event: &Value) {
        let _ = self.screen.object(event);
    }

    fn begun(&self, task: &Task) {
        if matches!(task.what, Activity::Command(_)) {
            *locked(&self.command) = Some(task.clone());
            return;
        }
        if let Some(command) = locked(&self.command).take() {
            self.event(task_event(&command));
        }
        self.event(task_event(task));
        if task.what.unit() == Unit::None {
            return;
        }
        if self.show == Show::Lines {
            self.screen.say(&task_line(task));
        }
        let running = self.bar(task, (self.clock)());
        locked(&self.running).insert(task.id, running);
    }

    fn bar(&self, task: &Task, now: Moment) -> RunningBar {
        let bar = (self.show == Show::Bar).then(|| self.screen.add_bar(new_bar(task)));
        // A count that goes on begins where the disc before left it.
        let before =
            if task.what == Activity::Packing { self.packed.load(Ordering::Relaxed) } else { 0 };
        RunningBar {
            task: task.clone(),
            progress: Progress::default(),
            pace: RateWindow::from(now, before),
            lined: now,
            told: now,
            news: false,
            bar,
        }
    }

    fn advanced(&self, task: TaskId, progress: Progress) {
        if self.show == Show::Nothing {
            return;
        }
        if let Some(running) = locked(&self.running).get_mut(&task) {
            self.advance(running, progress, (self.clock)());
        }
    }

    fn advance(&self, running: &mut RunningBar, progress: Progress, now: Moment) {
        running.progress = progress;
        running.pace.note(now, progress.done);
        running.news = true;
        if let Some(bar) = &running.bar {
            bar.set_position(progress.done);
        }
        if now.0 - running.told.0 >= EVENTS_APART {
            running.told = now;
            running.news = false;
            self.event(progress_event(&running.task, progress));
            if let Some(bar) = &running.bar {
                bar.set_message(running.line(now));
            }
        }
        if self.show == Show::Lines && now.0 - running.lined.0 >= LINES_APART {
            running.lined = now;
            self.screen.say(&running.line(now));
        }
    }

    /// That a command is over, the end of its output says.
    fn ended(&self, task: &Task) {
        if let Some(ended) = locked(&self.running).remove(&task.id) {
            self.close(&ended);
        }
        if !matches!(task.what, Activity::Command(_)) {
            self.event(json!({"event": "end", "task": task.id}));
        }
    }

    /// Without it a bar stays behind the last words.
    fn close(&self, ended: &RunningBar) {
        if let Some(bar) = &ended.bar {
            self.screen.remove_bar(bar);
        }
        if ended.task.what == Activity::Packing {
            self.packed.store(ended.progress.done, Ordering::Relaxed);
        }
        if ended.news {
            self.event(progress_event(&ended.task, ended.progress));
        }
    }

    fn note(&self, notice: &Notice) {
        if self.show != Show::Nothing {
            let text = words::notice(notice);
            self.screen.say(&text);
            self.event(json!({"event": "note", "text": text, "notice": notice}));
        }
    }

    fn trouble(&self, trouble: &Trouble) {
        self.screen.say(&trouble.to_string());
        self.always(&json!({"event": "trouble", "thing": trouble.thing, "what": trouble.what}));
    }
}

impl RunningBar {
    fn line(&self, now: Moment) -> String {
        let rate = self.pace.rate(now, self.progress.done);
        progress_line(&self.task, self.progress, rate, self.bar.is_none())
    }
}

impl Listener for Reporter {
    fn join(&self, state: &RunState) {
        for (task, progress) in state.tasks() {
            self.begun(task);
            self.advanced(task.id, *progress);
        }
        state.questions().for_each(|(id, prompt)| self.always(&question_event(id, prompt)));
        state.wanted().for_each(|request| self.always(&insert_event(request)));
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::Begun(task) => self.begun(task),
            Event::Progress { task, progress } => self.advanced(*task, *progress),
            Event::Ended(task) => self.ended(task),
            Event::Disc { number, reached, .. } => {
                self.event(json!({"event": "disc", "disc": number, "state": reached}));
            }
            Event::Note(notice) => self.note(notice),
            Event::Trouble(trouble) => self.trouble(trouble),
            Event::Asked { question, prompt } => self.always(&question_event(*question, prompt)),
            Event::Answered { question, reply } => self.always(&answer_event(*question, *reply)),
            Event::Wanted(request) => self.always(&insert_event(request)),
            // A program sees the next phase.
            Event::NoLongerWanted(_) => {}
        }
    }
}

fn new_bar(task: &Task) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(task.total, ProgressDrawTarget::hidden());
    let template = match task.total {
        Some(_) => "[{bar:8}] {wide_msg}",
        None => "{spinner} {wide_msg}",
    };
    // The templates above are fixed and a test reads them; the plain style is no loss.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(task_line(task))
}

/// `packing disc 3, 25.0 GB`
fn task_line(task: &Task) -> String {
    let total = task.total.map(|total| format!(", {}", amount(task, total)));
    format!("{}{}", heading(task), total.unwrap_or_default())
}

fn heading(task: &Task) -> String {
    match task.disc {
        Some(disc) => format!("{} disc {disc}", task.what.word()),
        None => task.what.word().to_owned(),
    }
}

/// A scan counts entries, everything else counts bytes.
fn amount(task: &Task, number: u64) -> String {
    match task.what.unit() {
        Unit::Entries => format!("{number} entries"),
        Unit::Bytes | Unit::None => Bytes(number).to_string(),
    }
}

/// `packing disc 3: 12.5 GB of 25.0 GB (50 %), ratio 0.80, 40.0 MB/s, 5 min left`; a bar shows the
/// percent by itself, and needs the room.
fn progress_line(task: &Task, progress: Progress, rate: Option<u64>, percents: bool) -> String {
    let mut line = format!("{}: {}", heading(task), amount(task, progress.done));
    if let Some(total) = task.total {
        line += &format!(" of {}", amount(task, total));
        if percents {
            line += &format!(" ({} %)", percent(progress.done, total));
        }
    }
    if let (Some(written), true) = (progress.written, progress.done > 0) {
        line += &format!(", ratio {:.2}", written as f64 / progress.done as f64);
    }
    if let Some(rate) = rate.filter(|&rate| rate > 0) {
        line += &format!(", {}/s", amount(task, rate));
        if let Some(rest) = task.total.and_then(|total| total.checked_sub(progress.done)) {
            line += &format!(", {} left", duration(rest / rate));
        }
    }
    line
}

/// Rounded down: 100 % is only what is finished.
fn percent(done: u64, total: u64) -> u64 {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    if total == 0 { 100 } else { percent.min(100) as u64 }
}

/// `45 s`, `12 min`, `3 h 05 min`
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => {
            let minutes = seconds.div_ceil(60);
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

/// A task that counts is a phase.
fn task_event(task: &Task) -> Value {
    let event = if task.what.unit() == Unit::None { "task" } else { "phase" };
    json!({
        "event": event,
        "phase": task.what.word(),
        "disc": task.disc,
        "total": task.total,
        "task": task.id,
        "parent": task.parent,
        "set": task.set,
        "drive": task.drive,
    })
}

fn progress_event(task: &Task, progress: Progress) -> Value {
    json!({
        "event": "progress",
        "phase": task.what.word(),
        "disc": task.disc,
        "total": task.total,
        "done": progress.done,
        "written": progress.written,
        "task": task.id,
    })
}

#[cfg(test)]
mod tests {
    use super::super::screen::testing::{Paper, screen};
    use super::*;
    use crate::model::DiscNo;
    use crate::port::event::Reached;
    use crate::port::monitor::{Monitor, NewTask};
    use crate::port::notice::BurnNotice;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// A reporter that listens, whose clock stands until it is moved.
    fn reporter(show: Show, json: bool) -> (Monitor, Arc<AtomicI64>, Paper, Paper) {
        let (screen, people, results) = screen(json);
        let time = Arc::new(AtomicI64::new(1000));
        let hand = time.clone();
        let clock = Arc::new(move || Moment(hand.load(Ordering::SeqCst)));
        let monitor = Monitor::new();
        monitor.listen(Arc::new(Reporter::with_clock(screen, show, clock)));
        (monitor, time, people, results)
    }

    fn packing() -> NewTask {
        NewTask::new(Activity::Packing).disc(DiscNo(3)).total(25_000_000_000)
    }

    fn task(what: Activity, total: Option<u64>) -> Task {
        let (set, disc, drive) = (None, None, None);
        Task { id: TaskId(1), parent: None, what, set, disc, drive, total }
    }

    fn done(done: u64) -> Progress {
        Progress { done, written: Some(done * 4 / 5) }
    }

    #[test]
    fn a_log_gets_a_line_at_the_start_and_then_every_half_minute() {
        let (monitor, time, people, results) = reporter(Show::Lines, false);
        let task = monitor.begin(packing());
        for second in 1..=65 {
            time.fetch_add(1, Ordering::SeqCst);
            task.progress(done(second * 100_000_000));
        }
        drop(task);
        let expected = "packing disc 3, 25.0 GB\n\
            packing disc 3: 3.00 GB of 25.0 GB (12 %), ratio 0.80, 100 MB/s, 4 min left\n\
            packing disc 3: 6.00 GB of 25.0 GB (24 %), ratio 0.80, 100 MB/s, 4 min left\n";
        assert_eq!(people.text(), expected);
        assert_eq!(results.text(), "");
    }

    #[test]
    fn programs_get_an_event_a_second_and_the_last_one() {
        let (monitor, time, _, results) = reporter(Show::Lines, true);
        let task = monitor.begin(packing());
        for step in 1..=10 {
            task.progress(done(step));
        }
        time.fetch_add(1, Ordering::SeqCst);
        task.progress(done(11));
        task.progress(done(12));
        drop(task);
        let events: Vec<Value> =
            results.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 4, "{events:?}");
        assert_eq!(events[0]["event"], "phase");
        assert_eq!((&events[1]["done"], &events[1]["disc"]), (&json!(11), &json!(3)));
        assert_eq!(events[2]["done"], 12);
        assert_eq!(events[3], json!({"event": "end", "task": events[0]["task"]}));
    }

    #[test]
    fn two_works_side_by_side_do_not_end_each_others_phases() {
        let (monitor, time, people, results) = reporter(Show::Lines, true);
        let task = monitor.begin(packing());
        let beside = monitor.begin(NewTask::new(Activity::Writing).disc(DiscNo(2)).total(1000));
        beside.disc(DiscNo(2), Reached::Burned);
        time.fetch_add(LINES_APART, Ordering::SeqCst);
        task.progress(done(2_500_000_000));
        beside.done(300);
        drop(beside);
        drop(task);
        assert_eq!(
            people.text(),
            "packing disc 3, 25.0 GB\nwriting disc 2, 1.00 kB\n\
             packing disc 3: 2.50 GB of 25.0 GB (10 %), ratio 0.80, 83.3 MB/s, 5 min left\n\
             writing disc 2: 300 B of 1.00 kB (30 %), 10 B/s, 2 min left\n"
        );
        let events: Vec<Value> =
            results.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let phases: Vec<String> = events[3..]
            .iter()
            .filter(|event| event["event"] == "progress")
            .map(|event| format!("{} {}", event["phase"].as_str().unwrap(), event["disc"]))
            .collect();
        assert_eq!(phases, ["packing 3", "writing 2"]);
        assert_eq!(events[2], json!({"event": "disc", "disc": 2, "state": "burned"}));
    }

    #[test]
    fn quiet_says_troubles_and_nothing_else() {
        let (monitor, _, people, results) = reporter(Show::Nothing, true);
        let task = monitor.begin(packing());
        task.progress(done(1));
        monitor.note(BurnNotice::ClosingDisc { disc: DiscNo(3) }.into());
        monitor.trouble(&Trouble { thing: "a\nb".into(), what: "cannot be read".into() });
        drop(task);
        assert_eq!(people.text(), "a\\nb: cannot be read\n");
        assert_eq!(
            results.text(),
            "{\"event\":\"trouble\",\"thing\":\"a\\nb\",\"what\":\"cannot be read\"}\n"
        );
    }

    #[test]
    fn notes_reach_people_and_programs() {
        let (monitor, _, people, results) = reporter(Show::Lines, true);
        monitor.note(BurnNotice::BurnAborted { disc: DiscNo(3) }.into());
        let text = "disc 3: the burn was aborted; the disc in the drive is lost";
        assert_eq!(people.text(), format!("{text}\n"));
        let event: Value = serde_json::from_str(&results.text()).unwrap();
        let notice = json!({"kind": "burn-aborted", "disc": 3});
        assert_eq!(event, json!({"event": "note", "text": text, "notice": notice}));
    }

    #[test]
    fn numbers_that_make_no_sense_do_no_harm() {
        let line = |total, done, seconds| {
            progress_line(
                &task(Activity::Writing, total),
                Progress { done, written: None },
                done.checked_div(seconds),
                true,
            )
        };
        assert_eq!(line(None, 0, 0), "writing: 0 B");
        assert_eq!(line(Some(0), 0, 5), "writing: 0 B of 0 B (100 %)");
        assert_eq!(line(Some(10), 20, 1), "writing: 20 B of 10 B (100 %), 20 B/s");
        assert_eq!(line(Some(1000), 999, 0), "writing: 999 B of 1.00 kB (99 %)");
        assert!(line(Some(u64::MAX), u64::MAX - 1, 1).contains("(99 %)"));
        let scan = task(Activity::Scanning, None);
        assert_eq!(
            progress_line(&scan, done(10), Some(2), true),
            "scanning: 10 entries, ratio 0.80, 2 entries/s"
        );
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(45), "45 s");
        assert_eq!(duration(61), "2 min");
        assert_eq!(duration(3599), "60 min");
        assert_eq!(duration(11_070), "3 h 05 min");
    }

    #[test]
    fn the_bars_templates_are_sound() {
        for total in [None, Some(1)] {
            let bar = new_bar(&task(Activity::Writing, total));
            assert!(bar.message().starts_with("writing"));
        }
        for template in ["[{bar:8}] {wide_msg}", "{spinner} {wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
