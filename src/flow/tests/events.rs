//! What a run reports, event by event: tasks nest and end, no progress exceeds its total, and each
//! disc comes from staged to verified in this order, whatever the run was like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::pipeline::{PipelineBench, context, nobody_asks};
use super::restore::ring;
use crate::drive::fake::{Act, FakeDrive};
use crate::drive::{Drive, DriveError};
use crate::flow::backup::{BackupRequest, backup};
use crate::flow::burn::station::Drives;
use crate::flow::service::migrate::{MigrateRequest, migrate};
use crate::flow::staging::disc_size::DiscSize;
use crate::model::disc::{Compression, Ratio};
use crate::model::{Bytes, DiscNo};
use crate::port::event::{
    Activity, Event, Listener, Progress, Prompt, Reached, Reply, RunState, Task, TaskId,
};
use crate::port::monitor::{Monitor, NewTask};
use crate::port::operator::reporting::ReportingOperator;
use crate::port::operator::{Nobody, Operator};
use crate::port::passphrase::{PassphraseRequest, Secret};
use crate::port::question::{Answer, Asked, Question};
use crate::port::stop::Stop;
use crate::port::wanted::{DiscChoice, InsertRequest, WantedMedium};

/// All that is heard, in the order in which it was.
#[derive(Default)]
struct Record {
    joined: Mutex<RunState>,
    events: Mutex<Vec<Event>>,
}

impl Listener for Record {
    fn join(&self, state: &RunState) {
        *self.joined.lock().unwrap() = state.clone();
    }

    fn hear(&self, event: &Event) {
        // A page gets it as text.
        let text = serde_json::to_value(event).unwrap();
        assert_eq!(text.as_object().unwrap().len(), 1, "{text}");
        self.events.lock().unwrap().push(event.clone());
    }
}

/// What the events were about, once they are found to be in order.
#[derive(Default)]
struct Audit {
    running: BTreeMap<TaskId, (Task, Progress)>,
    ended: BTreeSet<TaskId>,
    discs: BTreeMap<DiscNo, Vec<Reached>>,
    seen: BTreeSet<&'static str>,
}

impl Audit {
    fn of(events: &[Event]) -> Audit {
        let mut audit = Audit::default();
        events.iter().for_each(|event| audit.take(event));
        assert!(audit.running.is_empty(), "never ended: {:?}", audit.running);
        audit
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Begun(task) => self.begun(task),
            Event::Progress { task, progress } => self.advanced(*task, *progress),
            Event::Ended(task) => self.end(task),
            Event::Disc { number, reached, .. } => {
                self.discs.entry(*number).or_default().push(*reached);
            }
            _ => {}
        }
    }

    fn begun(&mut self, task: &Task) {
        assert!(task.parent.is_none_or(|parent| self.running.contains_key(&parent)), "{task:?}");
        assert!(!self.ended.contains(&task.id), "begun again: {task:?}");
        assert!(self.running.insert(task.id, (task.clone(), Progress::default())).is_none());
        self.seen.insert(task.what.word());
    }

    fn advanced(&mut self, id: TaskId, progress: Progress) {
        let (task, before) = self.running.get_mut(&id).expect("progress of a task that is over");
        assert!(task.total.is_none_or(|total| progress.done <= total), "{progress:?} {task:?}");
        *before = progress;
    }

    fn end(&mut self, task: &Task) {
        let inside = self.running.values().find(|(inner, _)| inner.parent == Some(task.id));
        assert!(inside.is_none(), "{inside:?} outlives {task:?}");
        assert!(self.running.remove(&task.id).is_some(), "ended twice: {task:?}");
        self.ended.insert(task.id);
    }
}

/// A disc is staged once, then burned until a copy is verified, `copies` times.
fn check_steps(steps: &[Reached], copies: u32) {
    let (first, rest) = steps.split_first().unwrap();
    assert_eq!(*first, Reached::Staged, "{steps:?}");
    let mut before = Reached::Staged;
    for &step in rest {
        let may_follow: &[Reached] = match before {
            Reached::Burned => &[Reached::Verified, Reached::Failed],
            _ => &[Reached::Burned, Reached::Failed],
        };
        assert!(may_follow.contains(&step), "{steps:?}");
        before = step;
    }
    let verified = steps.iter().filter(|&&step| step == Reached::Verified).count();
    assert_eq!((before, verified as u32), (Reached::Verified, copies), "{steps:?}");
}

/// How a run is.
#[derive(Clone, Debug)]
struct RandomRun {
    files: Vec<(u8, u32)>,
    /// Which burns fail, counted from the first.
    failing: BTreeSet<u32>,
    parity: Option<u8>,
    parity_discs: bool,
}

fn random_run() -> impl Strategy<Value = RandomRun> {
    let files = prop::collection::vec((any::<u8>(), 0..1_500_000u32), 0..8);
    // Two in a row may fail, and the third blank takes the disc.
    let failing = prop::collection::btree_set((0..12u32).prop_map(|burn| burn * 2), 0..3);
    (files, failing, prop::option::of(Just(10)), any::<bool>()).prop_map(
        |(files, failing, parity, parity_discs)| RandomRun { files, failing, parity, parity_discs },
    )
}

/// A jukebox in which some burns fail.
fn jukebox(bench: &PipelineBench, failing: BTreeSet<u32>) -> FakeDrive {
    let drive = FakeDrive::jukebox(&bench.path("shelf"));
    let burns = Mutex::new(0);
    drive.at_each_act(move |drive, act| {
        let Act::Burn(label) = act else { return Ok(()) };
        let mut burns = burns.lock().unwrap();
        *burns += 1;
        match failing.contains(&(*burns - 1)) {
            true => Err(DriveError::Write {
                drive: drive.title(),
                label: Box::new(label.clone()),
                sector: None,
                words: "no".to_owned(),
                remedy: None,
            }),
            false => Ok(()),
        }
    });
    drive
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn tasks_nest_and_end_and_every_disc_comes_to_its_end_in_order(runs in prop::collection::vec(random_run(), 1..3)) {
        let bench = PipelineBench::new();
        for film in 3..7 {
            fs::remove_file(bench.path("source").join(format!("film{film}"))).unwrap();
        }
        for (number, run) in runs.into_iter().enumerate() {
            for (index, (byte, length)) in run.files.iter().enumerate() {
                let path = bench.path("source").join(format!("{number}-{index}"));
                fs::write(path, vec![*byte; *length as usize]).unwrap();
            }
            let (monitor, journal) = (Monitor::new(), Arc::<Record>::default());
            monitor.listen(journal.clone());
            let command = monitor.begin(NewTask::new(Activity::Command("backup")));
            let (ask, stop) = (nobody_asks, Stop::new());
            let request = BackupRequest {
                drill: run.parity.is_some(),
                compression: Some(Compression::None),
                parity: run.parity,
                parity_discs: run.parity_discs.then_some(Some(Ratio { data: 2, recovery: 1 })),
                ..bench.request(&ask)
            };
            let mut drives = [Drives::one(Box::new(jukebox(&bench, run.failing)))];
            let done = backup(&request, &mut drives, context(&command, &Nobody, &stop));
            done.unwrap_or_else(|error| panic!("{}", crate::flow::chain(&error)));
            drop(command);
            let audit = Audit::of(&journal.events.lock().unwrap());
            audit.discs.values().for_each(|steps| check_steps(steps, 1));
            prop_assert!(number > 0 || audit.seen.is_superset(
                &["backup", "scanning", "packing", "burning", "writing", "verifying"].into()
            ), "{:?}", audit.seen);
        }
    }
}

/// Each old disc is a round of its own, and what is packed is counted over all of them.
#[test]
fn a_migration_of_several_discs_packs_no_more_than_its_total() {
    let bench = PipelineBench::new();
    let jukebox = |shelf: &str| Drives::one(Box::new(FakeDrive::jukebox(&bench.path(shelf))));
    let (ask, stop, monitor) = (nobody_asks, Stop::new(), Monitor::new());
    let context = context(&monitor, &Nobody, &stop);
    backup(&bench.request(&ask), &mut [jukebox("shelf")], context).unwrap();
    let journal = Arc::<Record>::default();
    monitor.listen(journal.clone());
    fs::create_dir(bench.path("new")).unwrap();
    let request = MigrateRequest {
        bzip2: Default::default(),
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        name: None,
        discs: None,
        from: Some(bench.path("shelf")),
        disc_size: DiscSize::typed(Bytes(12_000_000).sectors()),
        archive_size: Bytes(1 << 20),
        keys: ring(&ask, false),
        signer: None,
        drill: false,
        trust: Default::default(),
    };
    let report = migrate(&request, None, &mut jukebox("new"), context).unwrap();
    assert!(report.emptied.len() > 1, "{report:?}");
    let audit = Audit::of(&journal.events.lock().unwrap());
    assert!(audit.seen.contains("packing"), "{:?}", audit.seen);
}

#[test]
fn who_listens_late_is_told_what_is_running() {
    let monitor = Monitor::new();
    let command = monitor.begin(NewTask::new(Activity::Command("burn")));
    let over = command.begin(NewTask::new(Activity::Imaging).disc(DiscNo(3)).total(9));
    drop(over);
    let writing = command.begin(NewTask::new(Activity::Writing).disc(DiscNo(3)).total(9));
    writing.done(4);
    let person = ReportingOperator::new(Nobody, monitor.clone());
    let insert = |drive: &str| {
        let wanted = WantedMedium::any(None, DiscChoice::ToVerify);
        InsertRequest { drive: drive.to_owned(), wanted }
    };
    ["/dev/sr0", "/dev/sr1"].iter().for_each(|drive| person.summon(&insert(drive)));
    person.dismiss(&insert("/dev/sr0"));
    let late = Arc::<Record>::default();
    monitor.listen(late.clone());
    writing.done(5);
    drop(writing);
    let joined = late.joined.lock().unwrap();
    let seen: Vec<_> = joined.tasks().map(|(task, now)| (task.what.word(), now.done)).collect();
    assert_eq!(seen, [("burn", 0), ("writing", 4)]);
    assert_eq!(joined.wanted().collect::<Vec<_>>(), [&insert("/dev/sr1")]);
    assert!(serde_json::to_value(&*joined).unwrap()["wanted"]["/dev/sr1"].is_object());
    let events = late.events.lock().unwrap();
    assert!(matches!(events[0], Event::Progress { progress: Progress { done: 5, .. }, .. }));
    assert!(matches!(&events[1], Event::Ended(task) if task.what == Activity::Writing));
    assert_eq!(events.len(), 2);
}

/// Asks its own monitor what is open while it answers.
struct LookingBack(Monitor, Arc<Record>);

impl Operator for LookingBack {
    fn answer(&self, _: &Asked<Question>) -> Answer {
        self.0.listen(self.1.clone());
        Answer::Yes
    }
    fn secret(&self, _: &Asked<PassphraseRequest>) -> Option<Secret> {
        None
    }
    fn summon(&self, _: &InsertRequest) {}
}

#[test]
fn a_question_is_open_until_it_is_answered() {
    let (monitor, late) = (Monitor::new(), Arc::<Record>::default());
    let person =
        ReportingOperator::new(LookingBack(monitor.clone(), late.clone()), monitor.clone());
    let question = Question::AnotherDisc { drive: "/dev/sr0".to_owned() };
    assert_eq!(person.ask(question.clone()), Answer::Yes);
    let open: Vec<Prompt> =
        late.joined.lock().unwrap().questions().map(|(_, prompt)| prompt.clone()).collect();
    assert_eq!(open, [Prompt::Question(question)]);
    let answered = |event: &Event| match event {
        Event::Answered { reply, .. } => Some(*reply),
        _ => None,
    };
    let heard: Vec<_> = late.events.lock().unwrap().iter().filter_map(answered).collect();
    assert_eq!(heard, [Reply::Answer(Answer::Yes)]);
    let after = Arc::<Record>::default();
    monitor.listen(after.clone());
    assert_eq!(after.joined.lock().unwrap().questions().count(), 0);
}
