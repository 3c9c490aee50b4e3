//! Packing beside burning, with a drive that stands still until the test lets it go on: what goes on
//! meanwhile, what ends what, and what the catalog knows at each step. Nothing here is timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use crate::catalog::{Access, Catalog, CopyState, DiscState, Finding, KnownSet, Part, SetFacts};
use crate::drive::fake::{Act, FakeDrive};
use crate::drive::{Drive, DriveError, Shelf};
use crate::flow::WaitLimit;
use crate::flow::backup::{BackupReport, BackupRequest, BackupRun, backup, burn_staged, writer};
use crate::flow::burn::dispatcher::DriveNo;
use crate::flow::burn::drive_thread::{Call, Messenger, Said};
use crate::flow::burn::pipeline::{Stations, beside};
use crate::flow::burn::records::{CopyStep, DiscEvent, Records};
use crate::flow::burn::station::Drives;
use crate::flow::staging::area::Staging;
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::tests::requests::backup_request;
use crate::flow::tests::restore::ring;
use crate::flow::*;
use crate::model::disc::{Compression, Encryption};
use crate::model::{Bytes, DiscNo, SetName, SetUuid};
use crate::pack::estimate::Estimate;
use crate::port::clock::Moment;
use crate::port::event::{Activity, Event, Listener, Reached};
use crate::port::fake_operator::FakeOperator;
use crate::port::monitor::Monitor;
use crate::port::operator::{Nobody, Operator};
use crate::port::passphrase::{PassphraseRequest, Secret};
use crate::port::question::{Answer, Question};
use crate::port::stop::{Recall, Stop};
use crate::ui::words;
use crate::ui::words::{insertion::medium, questions::question};

/// What the test hears of the run, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RunEvent {
    Packing(u32),
    Disc(u32, Reached),
    Note(String),
    /// The drive is to burn this disc and waits for a word.
    Burn(u32),
    /// The drive is open and waits for a medium, and for a word.
    Open,
    Summons(String),
    Confirm(String),
    /// A disc's turn in the drive is over.
    Rest,
}

/// What the test says to the drive that waits.
#[derive(Clone, Copy)]
enum Word {
    GoOn,
    /// There was no blank after all.
    Fail,
}

/// Tells the test where the drive is, and waits there for a word.
fn stand_still(act: Act, seen: &Sender<RunEvent>, words: &Mutex<Receiver<Word>>) -> Option<Word> {
    let for_what = match act {
        Act::Burn(label) => RunEvent::Burn(label.number.0),
        Act::Await => RunEvent::Open,
        _ => return None,
    };
    seen.send(for_what).unwrap();
    // A test that failed says no word any more, and its drive goes on.
    Some(words.lock().unwrap().recv().unwrap_or(Word::GoOn))
}

/// A drive that stands still before each burn, and while it waits for a medium.
fn held(drive: FakeDrive, seen: Sender<RunEvent>, words: Receiver<Word>) -> FakeDrive {
    let words = Mutex::new(words);
    drive.at_each_act(move |drive, act| match stand_still(act, &seen, &words) {
        Some(Word::Fail) => Err(DriveError::NoMoreBlanks { drive: drive.title() }),
        Some(Word::GoOn) | None => Ok(()),
    });
    drive
}

/// Tells the test what is reported, and holds the packer where it is told to.
struct EventRecorder {
    seen: Sender<RunEvent>,
    /// The packer stands still when it begins this disc, until there is a word.
    hold: Option<(u32, Mutex<Receiver<()>>)>,
}

impl EventRecorder {
    fn tell(&self, seen: RunEvent) {
        // The test may have seen enough.
        let _ = self.seen.send(seen);
    }

    fn packing(&self, disc: Option<DiscNo>) {
        let Some(DiscNo(disc)) = disc else { return };
        self.tell(RunEvent::Packing(disc));
        if let Some((_, go)) = self.hold.as_ref().filter(|(number, _)| *number == disc) {
            let _ = go.lock().unwrap().recv();
        }
    }

    /// A monitor that it listens to, and itself.
    fn listening(self) -> (Monitor, Arc<EventRecorder>) {
        let (monitor, recorder) = (Monitor::new(), Arc::new(self));
        monitor.listen(recorder.clone());
        (monitor, recorder)
    }
}

impl Listener for EventRecorder {
    fn hear(&self, event: &Event) {
        match event {
            Event::Begun(task) if task.what == Activity::Packing => self.packing(task.disc),
            Event::Ended(task) if task.what == Activity::Burning => self.tell(RunEvent::Rest),
            Event::Disc { number, reached, .. } => self.tell(RunEvent::Disc(number.0, *reached)),
            Event::Note(notice) => self.tell(RunEvent::Note(words::notice(notice))),
            Event::Trouble(trouble) => self.tell(RunEvent::Note(trouble.to_string())),
            _ => {}
        }
    }
}

/// Somebody who agrees, and tells the test what they were asked.
fn person(tell: Sender<RunEvent>) -> FakeOperator<'static> {
    let called = tell.clone();
    let answer = move |asked: &Question| match asked.is_answered_by_yes() {
        true => {
            // The test may have seen enough.
            let _ = tell.send(RunEvent::Confirm(question(asked)));
            Answer::Yes
        }
        false => Answer::NobodyThere,
    };
    FakeOperator::answering(answer).inserting(move |request| {
        let _ = called.send(RunEvent::Summons(medium(&request.wanted)));
    })
}

/// A source for three discs of 3 MB, and a place for all that comes of it.
pub(super) struct PipelineBench {
    dir: TempDir,
}

/// A run in another thread, and the strings that it hangs on.
struct Strings {
    seen: Receiver<RunEvent>,
    drive: Sender<Word>,
    packer: Sender<()>,
    stop: Stop,
}

/// How a run is arranged.
#[derive(Clone, Copy, Default)]
struct RunSetup {
    hands: bool,
    /// The packer waits for a word before it packs this disc.
    hold: Option<u32>,
}

impl PipelineBench {
    pub(super) fn new() -> PipelineBench {
        let dir = tempfile::tempdir().unwrap();
        for name in ["source", "shelf"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        for n in 0..7 {
            let mut film = vec![0; 1_000_000];
            getrandom::fill(&mut film).unwrap();
            fs::write(dir.path().join(format!("source/film{n}")), film).unwrap();
        }
        PipelineBench { dir }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn shelf(&self) -> Shelf {
        Shelf::open(&self.path("shelf")).unwrap()
    }

    /// A drive into which blanks are put.
    fn tray(&self) -> FakeDrive {
        let media = ["one", "two", "three"].map(|name| self.path(name));
        media.iter().for_each(|dir| fs::create_dir(dir).unwrap());
        let tray = FakeDrive::default();
        tray.will_get(&media.each_ref().map(PathBuf::as_path));
        tray
    }

    pub(super) fn request<'a>(
        &self,
        ask: &'a crate::flow::base::keys::AskPassphrase<'a>,
    ) -> BackupRequest<'a> {
        let disc_size = DiscSize::typed(Bytes(3_000_000).sectors());
        backup_request(self.dir.path(), "films", disc_size, ring(ask, false))
    }

    /// Runs a backup while the test pulls the strings, and gives what came of it.
    fn run(&self, plan: RunSetup, test: impl FnOnce(&Strings)) -> Result<BackupReport, FlowError> {
        let (tell, seen) = channel();
        let (drive, words) = channel();
        let (packer, go) = channel();
        let stop = Stop::new();
        let fake = if plan.hands { self.tray() } else { FakeDrive::jukebox(&self.path("shelf")) };
        let held = held(fake, tell.clone(), words);
        let hold = plan.hold.map(|disc| (disc, Mutex::new(go)));
        let person = person(tell.clone());
        let (monitor, _) = EventRecorder { seen: tell, hold }.listening();
        let strings = Strings { seen, drive, packer, stop: stop.clone() };
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                let ask = nobody_asks;
                let context = context(&monitor, &person, &stop);
                backup(&self.request(&ask), &mut [Drives::one(Box::new(held))], context)
            });
            let strings = strings;
            test(&strings);
            run.join().unwrap()
        })
    }

    /// An undisturbed run: the next one.
    fn plain_run(&self) -> BackupReport {
        let (tell, _seen) = channel();
        let (monitor, _) = EventRecorder { seen: tell, hold: None }.listening();
        let mut drives = [Drives::one(Box::new(self.shelf()))];
        let (ask, stop) = (nobody_asks, Stop::new());
        backup(&self.request(&ask), &mut drives, context(&monitor, &Nobody, &stop))
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    fn catalog(&self) -> Catalog {
        Catalog::open(&self.path("catalog.sqlite"), Access::Read).unwrap()
    }

    fn states(&self) -> Vec<DiscState> {
        let catalog = self.catalog();
        let set = catalog.sets().unwrap()[0].id;
        catalog.discs(set).unwrap().iter().map(|disc| disc.state).collect()
    }

    fn staged_dirs(&self) -> usize {
        let dirs = fs::read_dir(self.path("staging")).unwrap().map(|dir| dir.unwrap().path());
        let sets = dirs.filter(|dir| !dir.ends_with("scratch"));
        sets.map(|dir| fs::read_dir(dir).unwrap().count()).sum()
    }
}

pub(super) fn nobody_asks(request: PassphraseRequest) -> Result<Secret, FlowError> {
    panic!("asked for: {request:?}")
}

pub(super) fn context<'a>(
    monitor: &'a Monitor,
    operator: &'a dyn Operator,
    stop: &'a Stop,
) -> Context<'a> {
    {
        let turn = WaitLimit::AtMost(std::time::Duration::ZERO);
        Context {
            monitor,
            operator,
            stop,
            wait_limit: WaitLimit::Endless,
            turn,
            overwrite: false,
            limits: Default::default(),
        }
    }
}

impl Strings {
    /// All that is seen before this, which must come. The minute is for runs that hang.
    fn until(&self, wanted: &RunEvent) -> Vec<RunEvent> {
        let mut before = Vec::new();
        loop {
            match self.seen.recv_timeout(Duration::from_secs(60)) {
                Ok(seen) if seen == *wanted => return before,
                Ok(seen) => before.push(seen),
                Err(_) => panic!("{wanted:?} never came, but {before:?}"),
            }
        }
    }

    /// The same for a text that begins so.
    fn until_text(&self, begin: &str) -> Vec<RunEvent> {
        let mut before = Vec::new();
        loop {
            match self.seen.recv_timeout(Duration::from_secs(60)) {
                Ok(RunEvent::Note(text) | RunEvent::Confirm(text) | RunEvent::Summons(text))
                    if text.starts_with(begin) =>
                {
                    return before;
                }
                Ok(seen) => before.push(seen),
                Err(_) => panic!("{begin:?} never came, but {before:?}"),
            }
        }
    }

    fn drive(&self, word: Word) {
        self.drive.send(word).unwrap();
    }
}

fn is_safe(disc: u32) -> RunEvent {
    RunEvent::Disc(disc, Reached::Verified)
}

#[test]
fn the_next_disc_is_packed_while_one_is_burned_and_no_more_than_that() {
    let bench = PipelineBench::new();
    let report = bench.run(RunSetup::default(), |strings| {
        strings.until(&RunEvent::Burn(1));
        // The drive stands still, and the second disc is packed all the same.
        strings.until(&RunEvent::Disc(2, Reached::Staged));
        strings.until(&RunEvent::Note(
            "disc 2 is packed; it will be burned once disc 1 is verified".to_owned(),
        ));
        assert_eq!(bench.states(), [DiscState::Staged; 2]);
        assert_eq!(bench.staged_dirs(), 2);
        strings.drive(Word::GoOn);
        let before = strings.until(&RunEvent::Packing(3));
        assert!(before.contains(&is_safe(1)), "{before:?}");
        strings.drive(Word::GoOn);
        strings.drive(Word::GoOn);
    });
    assert_eq!(report.unwrap().discs.len(), 3);
    assert_eq!(bench.states(), [DiscState::Verified; 3]);
    assert_eq!(bench.staged_dirs(), 0);
}

#[test]
fn a_burn_that_fails_for_good_ends_the_packing_and_everything_stays_staged() {
    let bench = PipelineBench::new();
    let error = bench.run(RunSetup::default(), |strings| {
        strings.until(&RunEvent::Burn(1));
        strings.drive(Word::Fail);
        strings.until(&RunEvent::Rest);
    });
    let error = error.unwrap_err();
    assert!(matches!(error, FlowError::Burn(BurnFailure::NoBlank { .. })), "{error:?}");
    let states = bench.states();
    let waits = |state: &DiscState| matches!(state, DiscState::Staged | DiscState::Open);
    assert!(states.len() < 3 && states.iter().all(waits), "the third was begun: {states:?}");
    bench.plain_run();
    assert_eq!(bench.states(), [DiscState::Verified; 3]);
}

#[test]
fn a_disc_in_the_drive_ends_though_the_packing_failed() {
    let bench = PipelineBench::new();
    let error = bench.run(RunSetup { hold: Some(2), ..RunSetup::default() }, |strings| {
        strings.until(&RunEvent::Packing(2));
        fs::remove_dir_all(bench.path("staging/scratch")).unwrap();
        fs::write(bench.path("staging/scratch"), "").unwrap();
        strings.packer.send(()).unwrap();
        strings.until_text("packing failed: ");
        strings.drive(Word::GoOn);
        strings.until(&is_safe(1));
    });
    let error = error.unwrap_err();
    assert!(matches!(error, FlowError::Pack(_)), "{error:?}");
    assert_eq!(bench.states()[0], DiscState::Verified);
    fs::remove_file(bench.path("staging/scratch")).unwrap();
    bench.plain_run();
    assert_eq!(bench.states(), [DiscState::Verified; 3]);
}

#[test]
fn a_wish_to_stop_ends_the_packing_and_lets_the_burn_end() {
    let bench = PipelineBench::new();
    let error = bench.run(RunSetup::default(), |strings| {
        strings.until(&RunEvent::Burn(1));
        strings.stop.ask(2);
        strings.drive(Word::GoOn);
        strings.until(&RunEvent::Disc(1, Reached::Burned));
    });
    assert!(matches!(error, Err(FlowError::Stopped(_))), "{error:?}");
    assert_eq!(bench.states()[0], DiscState::Staged, "burned, and nobody read it back");
    // The next run has no need to burn it again.
    bench
        .run(RunSetup::default(), |strings| {
            let before = strings.until(&is_safe(1));
            assert!(!before.contains(&RunEvent::Burn(1)), "{before:?}");
            strings.drive(Word::GoOn);
            strings.drive(Word::GoOn);
        })
        .unwrap();
    assert_eq!(bench.states(), [DiscState::Verified; 3]);
}

#[test]
fn a_blank_is_asked_for_while_packing_goes_on_and_the_question_waits_for_the_disc_before() {
    let bench = PipelineBench::new();
    let report = bench.run(RunSetup { hands: true, ..RunSetup::default() }, |strings| {
        strings.until_text("a blank disc for disc 1 of films");
        strings.until(&RunEvent::Disc(2, Reached::Staged));
        for disc in 1..=3 {
            // Into the drive, and burned.
            strings.drive(Word::GoOn);
            strings.until(&RunEvent::Burn(disc));
            strings.drive(Word::GoOn);
            if disc == 2 {
                let before = strings.until_text("disc 3 is ");
                assert!(before.contains(&is_safe(2)), "{before:?}");
            }
        }
    });
    assert_eq!(report.unwrap().discs.len(), 3);
    assert_eq!(bench.states(), [DiscState::Verified; 3]);
}

/// What the catalog says of the set's discs: states, and those of their copies.
fn known(catalog: &Path) -> String {
    let catalog = Catalog::open(catalog, Access::Read).unwrap();
    let set = catalog.sets().unwrap()[0].id;
    let discs = catalog.discs(set).unwrap();
    let words = discs.iter().filter(|disc| disc.state != DiscState::Open).map(|disc| {
        let copies = catalog.copies(set, disc.number).unwrap();
        let copies = copies.iter().map(|copy| match copy.state {
            CopyState::Burned => " burned",
            CopyState::Found(finding) => [" ok", " bad"][usize::from(finding != Finding::Ok)],
            CopyState::Gone(_) => " gone",
        });
        format!("{}:{:?}{}", disc.number, disc.state, copies.collect::<String>())
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What is known of the disc in hand at this act.
fn look(act: Act, catalog: &Path) -> Option<String> {
    let (what, label) = match act {
        Act::TakeBlank(label) => ("blank", label),
        Act::Burn(label) => ("burn", label),
        Act::Find(label) => ("find", label),
        Act::Reject(label) => ("reject", label),
        Act::Burned | Act::Eject | Act::Await => return None,
    };
    let known = known(catalog);
    let wanted = format!("{}:", label.number);
    let own = known.split(", ").find_map(|disc| disc.strip_prefix(&wanted));
    Some(format!("{} {what}, {}", label.number, own.unwrap_or("unknown")))
}

/// What the catalog knows at each step of the drive, in a run and in `coldcut burn`.
const STEPS: [&str; 16] = [
    "1 find, Staged",
    "1 blank, Staged",
    "1 burn, Staged burned",
    "1 find, Staged burned",
    "1 reject, Failed bad",
    "1 blank, Failed bad",
    "1 burn, Failed bad burned",
    "1 find, Failed bad burned",
    "2 find, Staged",
    "2 blank, Staged",
    "2 burn, Staged burned",
    // The program failed, and nothing can be read.
    "2 find, Staged burned",
    "2 blank, Failed",
    "2 burn, Failed burned",
    "2 find, Failed burned",
    "3 find, Staged",
];

/// A drive whose first disc proves damaged when it is read back, and whose second cannot be written.
fn looking(bench: &PipelineBench) -> ([Drives; 1], Receiver<String>) {
    let faults = "read_error = [1, 600, 3]\nwrite_error_at = [2, 700]\n";
    fs::write(bench.path("shelf/.shelf.toml"), faults).unwrap();
    let (log, lines) = channel();
    let catalog = bench.path("catalog.sqlite");
    let drive = FakeDrive::jukebox(&bench.path("shelf"));
    drive.at_each_act(move |_, act| {
        look(act, &catalog).into_iter().for_each(|line| log.send(line).unwrap());
        Ok(())
    });
    ([Drives::one(Box::new(drive))], lines)
}

fn check_steps(lines: Receiver<String>) {
    let steps: Vec<String> = lines.into_iter().collect();
    assert_eq!(steps[..STEPS.len()], STEPS);
    assert_eq!(
        steps[STEPS.len()..],
        ["3 blank, Staged", "3 burn, Staged burned", "3 find, Staged burned"]
    );
}

#[test]
fn each_step_is_recorded_before_the_drive_takes_the_next() {
    let bench = PipelineBench::new();
    let (mut drives, lines) = looking(&bench);
    let (tell, _seen) = channel();
    let (monitor, _) = EventRecorder { seen: tell, hold: None }.listening();
    let (ask, stop) = (nobody_asks, Stop::new());
    backup(&bench.request(&ask), &mut drives, context(&monitor, &Nobody, &stop)).unwrap();
    drop(drives);
    check_steps(lines);
}

#[test]
fn burning_what_was_staged_records_the_same_steps() {
    let bench = PipelineBench::new();
    let (tell, _seen) = channel();
    let (monitor, _) = EventRecorder { seen: tell, hold: None }.listening();
    let (ask, stop) = (nobody_asks, Stop::new());
    let context = context(&monitor, &Nobody, &stop);
    backup(&bench.request(&ask), &mut [], context).unwrap();
    assert_eq!(bench.states(), [DiscState::Staged; 3]);
    let (mut drives, lines) = looking(&bench);
    let (catalog, staging) = (bench.path("catalog.sqlite"), bench.path("staging"));
    burn_staged(&catalog, &staging, None, &[], &mut drives, context).unwrap();
    drop(drives);
    check_steps(lines);
}

#[test]
fn a_record_that_cannot_be_kept_fails_the_disc_and_not_the_packer() {
    let (calls, called) = channel();
    let recall = Recall::default();
    let messenger =
        || Messenger { drive: DriveNo(0), disc: DiscNo(1), calls: &calls, recall: &recall };
    let copy = crate::catalog::CopyNo(1);
    let record = DiscEvent { disc: DiscNo(1), copy, at: Moment(0), step: CopyStep::Failed };
    thread::scope(|scope| {
        let drives = scope.spawn(|| messenger().keep(record.clone()));
        let Ok(Call { said: Said::Keep(kept, answer), .. }) = called.recv() else {
            panic!("no record came")
        };
        assert_eq!(kept, record);
        answer.send(Err(SelectionError::NoSets.into())).unwrap();
        assert!(matches!(
            drives.join().unwrap(),
            Err(FlowError::Selection(SelectionError::NoSets))
        ));
        // Nobody is there any more.
        let drives = scope.spawn(|| messenger().keep(record.clone()));
        drop(called.recv().unwrap());
        assert!(matches!(
            drives.join().unwrap(),
            Err(FlowError::Burn(BurnFailure::Unexpected(DiscNo(1))))
        ));
    });
}

/// A set that has no disc yet.
fn new_set(bench: &PipelineBench, catalog: &mut Catalog) -> KnownSet {
    catalog
        .create_set(&SetFacts {
            name: SetName::new("films").unwrap(),
            uuid: SetUuid(Uuid::new_v4()),
            source: bench.path("source"),
            encryption: Encryption::None,
            certs: None,
            token: None,
            hidden: false,
            compression: Compression::None,
            parity: 0,
            parity_discs: None,
            created: Moment(0),
        })
        .unwrap();
    catalog.sets().unwrap().remove(0)
}

#[test]
fn without_room_for_two_discs_each_is_safe_before_the_next_is_packed() {
    let bench = PipelineBench::new();
    let (tell, seen) = channel();
    let (monitor, _) = EventRecorder { seen: tell, hold: None }.listening();
    let (ask, stop) = (nobody_asks, Stop::new());
    let context = context(&monitor, &Nobody, &stop);
    let request = bench.request(&ask);
    let mut catalog = Catalog::open(&request.catalog, Access::Write).unwrap();
    let (set, staging) =
        (&new_set(&bench, &mut catalog), &Staging::open(&request.staging).unwrap());
    // No machine has room for two of these discs, and each has room for the little of now.
    let disc_size = DiscSize::typed(Bytes(1 << 60).sectors());
    let vast = BackupRequest { disc_size, ..bench.request(&ask) };
    let list = Estimate { discs: 2, on_discs: Bytes(1 << 61), staging: Bytes(1) };
    let run = |request, catalog: &Catalog| BackupRun {
        request,
        writer: writer(request, catalog, staging, set, None, context).unwrap(),
        report: BackupReport::default(),
        spare: None,
    };
    let mut drives = [Drives::one(Box::new(bench.shelf()))];
    let stations = Stations { staging, set, drives: &mut drives, context };
    beside(stations, &mut catalog, |catalog, drives| {
        let ahead = run(&vast, catalog).check_space(&list, Some(drives))?;
        let mut run = run(&request, catalog);
        let mut work = run.scan(catalog, Some(drives))?;
        assert_eq!((work.ahead, ahead), (1, 0));
        work.ahead = ahead;
        let held = catalog.hold(Part::Set(set.id))?;
        run.pack(catalog, Some(drives), work, held)
    })
    .unwrap();
    let seen: Vec<RunEvent> = seen.try_iter().collect();
    let says =
        |seen: &&RunEvent| matches!(seen, RunEvent::Note(text) if text.contains("no room to pack"));
    assert_eq!(seen.iter().filter(says).count(), 1, "{seen:?}");
    let at = |wanted: &RunEvent| seen.iter().position(|seen| seen == wanted).unwrap();
    for disc in [1, 2] {
        assert!(at(&is_safe(disc)) < at(&RunEvent::Packing(disc + 1)), "{seen:?}");
    }
    assert_eq!(bench.states(), [DiscState::Verified; 3]);
}
