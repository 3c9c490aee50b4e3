//! How far the work has come: bars on a terminal, a line now and then in a log, events for
//! programs. The engine reports to a monitor and does not know which of these listens. Tasks that run
//! side by side have a bar each.

use super::asked::{answer_event, insert_event, question_event};
use super::events::{
    count_event, disc_event, end_event, note_event, progress_event, task_event, trouble_event,
};
use super::lock::locked;
use super::messages::{Messages, kind_of_notice, kind_of_trouble};
use super::pace::{RateWindow, duration};
use super::run::RunProgress;
use super::screen::Screen;
use super::words;
use crate::model::Bytes;
use crate::port::clock::Moment;
use crate::port::disc_count::DiscCount;
use crate::port::event::{
    Activity, Event, Listener, Progress, RunState, Task, TaskId, Trouble, Unit,
};
use crate::port::notice::Notice;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Of the disc before: the packing goes on from disc to disc.
    packed: Mutex<Option<Paused>>,
    run: Mutex<RunProgress>,
    run_bar: Mutex<Option<ProgressBar>>,
    /// Those that worked so far: where there are several, each line names its own.
    drives: Mutex<BTreeSet<String>>,
    messages: Mutex<Messages>,
    /// Messages of one kind are not shortened.
    shows_all: bool,
}

/// Packing that waits until the next disc has its turn.
struct Paused {
    /// The work that it is a part of.
    parent: Option<TaskId>,
    pace: RateWindow,
    at: Moment,
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
        Reporter {
            screen,
            show,
            clock,
            running: Mutex::default(),
            command: Mutex::default(),
            packed: Mutex::default(),
            run: Mutex::default(),
            run_bar: Mutex::default(),
            drives: Mutex::default(),
            messages: Mutex::default(),
            shows_all: false,
        }
    }

    /// Shows each message, however many there are of one kind.
    pub fn showing_all(self) -> Reporter {
        Reporter { shows_all: true, ..self }
    }

    /// Says how many messages were left out: at the end of the work, before its result.
    pub fn say_left_out(&self) {
        let lines = locked(&self.messages).take_left_out();
        lines.iter().for_each(|line| self.screen.say(line));
    }

    /// What went wrong, and how much; see [`Messages::last_words`].
    pub fn last_words(&self, count: Option<String>) -> String {
        locked(&self.messages).last_words(count)
    }

    /// What is not a problem.
    fn say(&self, line: &str) {
        locked(&self.messages).follow();
        self.screen.say(line);
    }

    /// Events are a courtesy: the run does not fail because nobody reads them any more.
    fn event(&self, event: impl Serialize) {
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
            locked(&self.run).command = Some(task.clone());
            *locked(&self.command) = Some(task.clone());
            return;
        }
        self.begin_command();
        self.event(task_event(task));
        locked(&self.drives).extend(task.drive.clone());
        if task.what.unit() == Unit::None {
            return;
        }
        let now = (self.clock)();
        locked(&self.run).begun(now);
        self.draw_run(now);
        if self.show == Show::Lines {
            self.say(&task_line(task, self.has_several_drives()));
        }
        let running = self.bar(task, now);
        locked(&self.running).insert(task.id, running);
    }

    fn has_several_drives(&self) -> bool {
        locked(&self.drives).len() > 1
    }

    fn begin_command(&self) {
        if let Some(command) = locked(&self.command).take() {
            self.event(task_event(&command));
        }
    }

    fn bar(&self, task: &Task, now: Moment) -> RunningBar {
        let bar = (self.show == Show::Bar)
            .then(|| self.screen.add_bar(new_bar(task, self.has_several_drives())));
        RunningBar {
            task: task.clone(),
            progress: Progress::default(),
            pace: self.pace(task, now),
            lined: now,
            told: now,
            news: false,
            bar,
        }
    }

    /// Packing goes on as fast as it was on the disc before: what was between them does not count.
    fn pace(&self, task: &Task, now: Moment) -> RateWindow {
        let is_next =
            |before: &Paused| task.what == Activity::Packing && before.parent == task.parent;
        match locked(&self.packed).take_if(|before| is_next(before)) {
            Some(Paused { mut pace, at, .. }) => {
                pace.go_on(at, now);
                pace
            }
            None => RateWindow::from(now, 0),
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
            locked(&self.run).advanced(&running.task, progress.done);
            if let Some(bar) = &running.bar {
                bar.set_message(running.line(now, self.has_several_drives()));
                self.draw_run(now);
            }
        }
        if self.show == Show::Lines && now.0 - running.lined.0 >= LINES_APART {
            running.lined = now;
            self.say(&running.line(now, self.has_several_drives()));
        }
    }

    /// That a command is over, the end of its output says.
    fn ended(&self, task: &Task) {
        if let Some(ended) = locked(&self.running).remove(&task.id) {
            self.close(ended, (self.clock)());
        }
        if !matches!(task.what, Activity::Command(_)) {
            self.event(end_event(task));
        }
    }

    /// Without it a bar stays behind the last words.
    fn close(&self, ended: RunningBar, now: Moment) {
        if let Some(bar) = &ended.bar {
            self.screen.remove_bar(bar);
        }
        locked(&self.run).ended(now);
        self.draw_run(now);
        if ended.news {
            self.event(progress_event(&ended.task, ended.progress));
        }
        if ended.task.what == Activity::Packing {
            let (parent, pace) = (ended.task.parent, ended.pace);
            *locked(&self.packed) = Some(Paused { parent, pace, at: now });
        }
    }

    fn counted(&self, discs: DiscCount) {
        let now = (self.clock)();
        let (is_next, event, line) = {
            let mut run = locked(&self.run);
            let is_next = run.counted(discs, now);
            (is_next, run.command.as_ref().map(|task| count_event(task, discs)), run.line(now))
        };
        if let Some(event) = event {
            self.begin_command();
            self.event(event);
        }
        match (self.show, line) {
            (Show::Lines, Some(line)) if is_next => self.say(&line),
            (Show::Bar, _) => self.draw_run(now),
            _ => {}
        }
    }

    /// The line above the bars is there as long as there are any.
    fn draw_run(&self, now: Moment) {
        if self.show != Show::Bar {
            return;
        }
        let line = {
            let run = locked(&self.run);
            run.line(now).filter(|_| run.is_working())
        };
        let mut drawn = locked(&self.run_bar);
        match line {
            Some(line) => {
                let bar = drawn.get_or_insert_with(|| self.screen.add_top_bar(run_bar()));
                bar.set_message(line);
                bar.tick();
            }
            None => {
                drawn.take().iter().for_each(|bar| self.screen.remove_bar(bar));
            }
        }
    }

    fn note(&self, notice: &Notice) {
        if self.show != Show::Nothing {
            let text = words::notice(notice);
            let kind = kind_of_notice(notice).map(|kind| format!("notice: {kind}"));
            if self.is_shown(kind, &text) {
                self.say(&text);
            }
            self.event(note_event(notice, &text));
        }
    }

    fn trouble(&self, trouble: &Trouble) {
        locked(&self.messages).keep(trouble);
        if self.is_shown(Some(kind_of_trouble(trouble)), trouble.what.words()) {
            self.screen.say(&words::trouble(trouble));
        }
        self.always(&trouble_event(trouble));
    }

    /// To people; programs get every one.
    fn is_shown(&self, kind: Option<String>, sample: &str) -> bool {
        let kind = kind.filter(|_| !self.shows_all);
        kind.is_none_or(|kind| locked(&self.messages).is_shown(kind, sample))
    }
}

impl RunningBar {
    fn line(&self, now: Moment, names_drive: bool) -> String {
        let rate = self.pace.rate(now, self.progress.done);
        let heading = heading(&self.task, names_drive);
        heading + &progress_line(&self.task, self.progress, rate, self.bar.is_none())
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
        if state.discs() != DiscCount::default() {
            self.counted(state.discs());
        }
    }

    fn hear(&self, event: &Event) {
        // The person's own words, which are not said here, scroll problems away as any others do.
        if matches!(event, Event::Asked { .. } | Event::Wanted(_)) {
            locked(&self.messages).follow();
        }
        match event {
            Event::Begun(task) => self.begun(task),
            Event::Progress { task, progress } => self.advanced(*task, *progress),
            Event::Ended(task) => self.ended(task),
            Event::Disc { number, reached, .. } => self.event(disc_event(*number, *reached)),
            Event::Discs(discs) => self.counted(*discs),
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

fn new_bar(task: &Task, names_drive: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(task.total, ProgressDrawTarget::hidden());
    let template = match task.total {
        Some(_) => "[{bar:8}] {wide_msg}",
        None => "{spinner} {wide_msg}",
    };
    // The templates above are fixed and a test reads them; the plain style is no loss.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(task_line(task, names_drive))
}

/// A line of its own.
fn run_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    // As above.
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// `packing disc 3, 25.0 GB`
fn task_line(task: &Task, names_drive: bool) -> String {
    let total = task.total.map(|total| format!(", {}", amount(task, total)));
    heading(task, names_drive) + &total.unwrap_or_default()
}

/// `writing disc 3 in /dev/sr0`
fn heading(task: &Task, names_drive: bool) -> String {
    let disc = task.disc.map(|disc| format!(" disc {disc}")).unwrap_or_default();
    // The title of a drive has its model behind its path.
    let path = |title: &String| title.split(" (").next().unwrap_or(title).to_owned();
    let drive = task.drive.as_ref().filter(|_| names_drive).map(path);
    let drive = drive.map(|drive| format!(" in {drive}")).unwrap_or_default();
    format!("{}{disc}{drive}", task.what.word())
}

/// A scan counts entries, everything else counts bytes.
fn amount(task: &Task, number: u64) -> String {
    match task.what.unit() {
        Unit::Entries => format!("{number} entries"),
        Unit::Bytes | Unit::None => Bytes(number).to_string(),
    }
}

/// What follows the heading: `: 12.5 GB of 25.0 GB (50 %), ratio 0.80, 40.0 MB/s, 5 min left`; a bar shows the
/// percent by itself, and needs the room.
fn progress_line(task: &Task, progress: Progress, rate: Option<u64>, percents: bool) -> String {
    let mut line = format!(": {}", amount(task, progress.done));
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

#[cfg(test)]
mod tests {
    use super::super::screen::testing::{Paper, screen};
    use super::*;
    use crate::model::DiscNo;
    use crate::port::event::Reached;
    use crate::port::monitor::{Monitor, NewTask};
    use crate::port::notice::{BurnNotice, VerifyNotice};
    use serde_json::json;
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

    /// A reporter whose left-out messages can be asked for.
    fn speaker(show: Show, json: bool, shows_all: bool) -> (Monitor, Arc<Reporter>, Paper, Paper) {
        let (screen, people, results) = screen(json);
        let reporter = Reporter::with_clock(screen, show, Arc::new(|| Moment(0)));
        let reporter = Arc::new(if shows_all { reporter.showing_all() } else { reporter });
        let monitor = Monitor::new();
        monitor.listen(reporter.clone());
        (monitor, reporter, people, results)
    }

    /// Files that cannot be read, and one other trouble among them.
    fn unreadable(monitor: &Monitor, count: usize) {
        for number in 1..=count {
            let what = format!("cannot be opened: /src/{number}: Permission denied");
            monitor.trouble(&Trouble::new(format!("file {number}"), what));
        }
        monitor.trouble(&Trouble::new("disc 3", "is damaged"));
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
    fn where_several_drives_work_each_line_names_its_drive() {
        let (monitor, time, people, _) = reporter(Show::Lines, false);
        let burning = |drive: &str, disc: u32| {
            let new = NewTask::new(Activity::Burning).disc(DiscNo(disc));
            monitor.begin(new.drive(drive.to_owned()))
        };
        let writing = |around: &crate::port::monitor::RunningTask, disc: u32| {
            around.begin(NewTask::new(Activity::Writing).disc(DiscNo(disc)).total(1000))
        };
        let one = burning("/dev/sr0 (ASUS BW-16D1HT)", 1);
        drop(writing(&one, 1));
        let two = burning("/mnt/shelf", 2);
        let (one, two) = (writing(&one, 1), writing(&two, 2));
        let packing = monitor.begin(packing());
        time.fetch_add(LINES_APART, Ordering::SeqCst);
        one.done(300);
        two.done(600);
        packing.progress(done(2_500_000_000));
        assert_eq!(
            people.text(),
            "writing disc 1, 1.00 kB\nwriting disc 1 in /dev/sr0, 1.00 kB\n\
             writing disc 2 in /mnt/shelf, 1.00 kB\npacking disc 3, 25.0 GB\n\
             writing disc 1 in /dev/sr0: 300 B of 1.00 kB (30 %), 10 B/s, 2 min left\n\
             writing disc 2 in /mnt/shelf: 600 B of 1.00 kB (60 %), 20 B/s, 20 s left\n\
             packing disc 3: 2.50 GB of 25.0 GB (10 %), ratio 0.80, 83.3 MB/s, 5 min left\n"
        );
    }

    #[test]
    fn quiet_says_troubles_and_nothing_else() {
        let (monitor, _, people, results) = reporter(Show::Nothing, true);
        let task = monitor.begin(packing());
        task.progress(done(1));
        monitor.note(BurnNotice::ClosingDisc { disc: DiscNo(3) }.into());
        monitor.trouble(&Trouble::new("a\nb", "cannot be read"));
        drop(task);
        assert_eq!(people.text(), "a\\nb: cannot be read\n");
        assert_eq!(
            results.text(),
            "{\"advice\":null,\"event\":\"trouble\",\"thing\":\"a\\nb\",\"what\":\"cannot be read\"}\n"
        );
    }

    #[test]
    fn troubles_of_one_kind_are_shown_ten_times_and_then_counted() {
        for show in [Show::Lines, Show::Nothing] {
            let (monitor, reporter, people, results) = speaker(show, true, false);
            unreadable(&monitor, 50);
            reporter.say_left_out();
            let text = people.text();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 12, "{text}");
            assert_eq!(lines[0], "file 1: cannot be opened: /src/1: Permission denied");
            assert_eq!(lines[10], "disc 3: is damaged", "other kinds are shown");
            let rest = "and 40 more like this (--verbose shows all): cannot be opened: /src/50: \
                Permission denied";
            assert_eq!(lines[11], rest);
            assert_eq!(results.text().lines().count(), 51, "programs get every event");
            reporter.say_left_out();
            assert_eq!(people.text(), text, "the count is said once");
        }
    }

    #[test]
    fn verbose_shows_every_trouble() {
        let (monitor, reporter, people, _) = speaker(Show::Lines, false, true);
        unreadable(&monitor, 50);
        reporter.say_left_out();
        assert_eq!(people.text().lines().count(), 51);
    }

    #[test]
    fn doubts_about_many_discs_are_counted_and_what_a_person_has_to_do_is_always_shown() {
        let (monitor, reporter, people, results) = speaker(Show::Lines, true, false);
        for number in 1..=20 {
            let medium = format!("shelf/{number}.iso");
            monitor.note(VerifyNotice::ComparedWithOwnList { medium }.into());
            let (disc, label) = (DiscNo(number), format!("SET_{number:04}"));
            monitor.note(BurnNotice::DiscDone { disc, copy: None, label }.into());
        }
        reporter.say_left_out();
        let text = people.text();
        let count = |word: &str| text.lines().filter(|line| line.contains(word)).count();
        assert_eq!((count("SET_"), count("shelf/")), (20, 11), "{text}");
        assert!(
            text.contains("and 10 more like this (--verbose shows all): shelf/20.iso"),
            "{text}"
        );
        assert_eq!(results.text().lines().count(), 40);
    }

    #[test]
    fn a_log_says_once_for_each_disc_how_far_the_run_is() {
        let (monitor, time, people, results) = reporter(Show::Lines, true);
        let command = monitor.begin(NewTask::new(Activity::Command("burn")));
        command.count_discs(|count| count.expect(3, false));
        for number in [5, 6] {
            command.count_discs(DiscCount::begin);
            let new = NewTask::new(Activity::Writing).disc(DiscNo(number)).total(100);
            let task = command.begin(new);
            time.fetch_add(600, Ordering::SeqCst);
            drop(task);
            command.count_discs(|count| count.end(true));
            // Nobody is there to change the disc.
            time.fetch_add(7200, Ordering::SeqCst);
        }
        let lines = "disc 1 of 3\nwriting disc 5, 100 B\n\
            disc 2 of 3, 1 verified, 20 min left\nwriting disc 6, 100 B\n";
        assert_eq!(people.text(), lines);
        let events: Vec<Value> =
            results.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = json!({"event": "progress", "phase": "burn", "task": events[0]["task"],
            "total": 3, "done": 2, "begun": 2, "verified": 2, "estimated": false});
        assert_eq!(events.last(), Some(&last));
    }

    #[test]
    fn packing_goes_on_at_its_pace_after_the_disc_before_was_burned() {
        let (monitor, time, people, _) = reporter(Show::Lines, false);
        let mut packed = 0;
        for _ in 0..2 {
            let task = monitor.begin(packing());
            for _ in 0..30 {
                time.fetch_add(1, Ordering::SeqCst);
                packed += 100_000_000;
                task.progress(done(packed));
            }
            drop(task);
            time.fetch_add(3600, Ordering::SeqCst);
        }
        let task = monitor.begin(packing());
        time.fetch_add(LINES_APART, Ordering::SeqCst);
        task.progress(done(packed + 30 * 100_000_000));
        let text = people.text();
        assert_eq!(text.matches(", 100 MB/s, ").count(), 3, "{text}");
    }

    #[test]
    fn notes_reach_people_and_programs() {
        let (monitor, _, people, results) = reporter(Show::Lines, true);
        monitor.note(BurnNotice::BurnAborted { disc: DiscNo(3) }.into());
        let text = "disc 3: the burn was aborted; the disc in the drive is ruined";
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
        assert_eq!(line(None, 0, 0), ": 0 B");
        assert_eq!(line(Some(0), 0, 5), ": 0 B of 0 B (100 %)");
        assert_eq!(line(Some(10), 20, 1), ": 20 B of 10 B (100 %), 20 B/s");
        assert_eq!(line(Some(1000), 999, 0), ": 999 B of 1.00 kB (99 %)");
        assert!(line(Some(u64::MAX), u64::MAX - 1, 1).contains("(99 %)"));
        let scan = task(Activity::Scanning, None);
        assert_eq!(
            progress_line(&scan, done(10), Some(2), true),
            ": 10 entries, ratio 0.80, 2 entries/s"
        );
    }

    #[test]
    fn the_bars_templates_are_sound() {
        for total in [None, Some(1)] {
            let bar = new_bar(&task(Activity::Writing, total), false);
            assert!(bar.message().starts_with("writing"));
        }
        for template in ["[{bar:8}] {wide_msg}", "{spinner} {wide_msg}", "{wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
