//! Several drives and a person who changes their media.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::catalog::{Access, Catalog, DiscState};
use crate::drive::fake::{
    Act, Condition, DriveAction, FakeDrive, PATH, ReadFault, Reads, image_on,
};
use crate::drive::{DeviceError, Drive};
use crate::flow::burn::dispatcher::Roles;
use crate::flow::burn::station::Drives;
use crate::flow::tests::media::{FlowBench, fill_two_discs, is_copy};
use crate::flow::{BurnFailure, Context, FlowError, WaitLimit};
use crate::port::fake_operator::FakeOperator;
use crate::port::wanted::{InsertRequest, WantedMedium};
use crate::ui::words::insertion::medium;

/// A drive into which these media are put when they are asked for.
fn tray(bench: &FlowBench, media: &[&str]) -> FakeDrive {
    let tray = FakeDrive::default();
    let media: Vec<_> = media.iter().map(|name| bench.path(name)).collect();
    tray.will_get(&media.iter().map(|dir| dir.as_path()).collect::<Vec<_>>());
    tray
}

fn with_roles(tray: &FakeDrive, roles: Roles) -> Drives {
    let drive: Box<dyn Drive> = Box::new(tray.clone());
    Drives::with_roles(drive, roles)
}

fn burns(tray: &FakeDrive) -> usize {
    tray.told().iter().filter(|told| **told == DriveAction::Burn).count()
}

/// The state of each disc, and how many copies are known of it.
fn discs(bench: &FlowBench) -> Vec<(DiscState, usize)> {
    let catalog = Catalog::open(&bench.path("catalog.sqlite"), Access::Read).unwrap();
    let set = catalog.sets().unwrap().remove(0);
    let discs = catalog.discs(set.id).unwrap();
    let copies = |number| catalog.copies(set.id, number).unwrap().len();
    discs.iter().map(|disc| (disc.state, copies(disc.number))).collect()
}

#[test]
fn a_drive_that_only_burns_goes_on_while_another_reads_back() {
    let bench = FlowBench::new();
    fill_two_discs(&bench);
    let (burner, reader) = (tray(&bench, &["one", "two"]), tray(&bench, &["one", "two"]));
    let mut drives = [with_roles(&burner, Roles::BURNS), with_roles(&reader, Roles::READS)];
    bench.backup_to(1, &mut drives);
    assert_eq!(discs(&bench), [(DiscState::Verified, 1); 2]);
    assert_eq!((burns(&burner), burns(&reader)), (2, 0));
    assert_eq!(reader.still_to_come(), 0, "each disc was put into the reader");
    let asked = bench.asked();
    assert_eq!(asked.iter().filter(|words| words.contains("just burned")).count(), 2, "{asked:?}");
}

#[test]
fn two_copies_of_a_disc_are_made_in_two_drives() {
    let bench = FlowBench::new();
    let (one, two) = (tray(&bench, &["one"]), tray(&bench, &["two"]));
    let mut drives = [with_roles(&one, Roles::BOTH), with_roles(&two, Roles::BOTH)];
    bench.backup_to(2, &mut drives);
    assert_eq!(discs(&bench), [(DiscState::Verified, 2)]);
    assert_eq!((burns(&one), burns(&two)), (1, 1));
    is_copy(&bench.path("one"), &bench.path("two"));
}

/// It was in the middle of a burn. Nobody is asked whether the disc may be burned again.
#[test]
fn a_disc_of_a_drive_that_is_unplugged_is_burned_in_another() {
    let bench = FlowBench::new();
    fill_two_discs(&bench);
    let (lost, other) = (tray(&bench, &["three"]), tray(&bench, &["one", "two"]));
    lost.at_each_act(|drive, act| match act {
        Act::Burn(_) => {
            drive.is(Condition::Gone);
            Err(DeviceError::Gone(PATH.into()).into())
        }
        _ => Ok(()),
    });
    let mut drives = [with_roles(&lost, Roles::BOTH), with_roles(&other, Roles::BOTH)];
    bench.backup_to(1, &mut drives);
    assert_eq!(discs(&bench), [(DiscState::Verified, 1); 2]);
    assert_eq!((burns(&lost), burns(&other)), (0, 2));
    let notes = bench.monitor.words();
    let said = notes.iter().filter(|note| note.contains("is not used any more: "));
    assert_eq!(said.count(), 1, "{notes:?}");
}

/// Two drives with a blank in each, of which one is unplugged while it reads back what it burned.
struct Unplugged {
    bench: FlowBench,
    lost: FakeDrive,
    other: FakeDrive,
}

impl Unplugged {
    fn new() -> Unplugged {
        let bench = FlowBench::new();
        fill_two_discs(&bench);
        let (lost, other) = (FakeDrive::attended("/dev/lost"), FakeDrive::attended("/dev/other"));
        lost.put_in(&bench.path("three"));
        other.put_in(&bench.path("one"));
        lost.slips_after(0, Reads::OfArchives, ReadFault::Unplugged);
        Unplugged { bench, lost, other }
    }

    fn drives(&self) -> [Drives; 2] {
        [&self.lost, &self.other].map(|tray| with_roles(tray, Roles::BOTH))
    }

    fn said(&self, words: &str) -> usize {
        self.bench.monitor.words().iter().filter(|note| note.contains(words)).count()
    }
}

#[test]
fn a_disc_that_was_burned_when_its_drive_was_unplugged_is_read_back_in_another() {
    let run = Unplugged::new();
    let (bench, lost, other) = (&run.bench, &run.lost, &run.other);
    let person = FakeOperator::yes().inserting(|request: &InsertRequest| {
        let is_blank = matches!(request.wanted, WantedMedium::Blank(_));
        let medium = if is_blank { "two" } else { "three" };
        let drive = if request.drive.starts_with("/dev/lost") { lost } else { other };
        drive.put_in(&bench.path(medium));
    });
    let context = Context { operator: &person, ..bench.context() };
    bench.backup_in(1, &mut run.drives(), context).unwrap();
    assert_eq!(discs(bench), [(DiscState::Verified, 1); 2], "{:?}", bench.monitor.words());
    assert_eq!((burns(lost), burns(other)), (1, 1), "no blank was spent twice");
    assert_eq!(run.said("is not used any more: "), 1);
}

#[test]
fn a_disc_of_an_unplugged_drive_that_nobody_brings_ends_the_run_and_is_not_burned_again() {
    let run = Unplugged::new();
    let (bench, lost, other) = (&run.bench, &run.lost, &run.other);
    let wait_limit = WaitLimit::AtMost(Duration::ZERO);
    let context = Context { wait_limit, ..bench.context() };
    let error = bench.backup_in(1, &mut run.drives(), context).unwrap_err();
    let is_it = matches!(error, FlowError::Burn(BurnFailure::NeverReadBack { .. }));
    assert!(is_it, "{error}\n{:?}", bench.monitor.words());
    assert_eq!(burns(lost), 1, "it is not burned again");
    // The other disc may be staged before or after this.
    let states: Vec<DiscState> = discs(bench).iter().map(|disc| disc.0).collect();
    let safe = states.iter().filter(|state| **state == DiscState::Verified).count();
    assert_eq!(burns(other), safe, "{states:?}");
}

#[test]
fn several_drives_are_watched_and_each_disc_is_burned_once() {
    let bench = FlowBench::new();
    fill_two_discs(&bench);
    bench.backup(1, None);
    let (one, two) = (tray(&bench, &["one", "two"]), tray(&bench, &["three"]));
    let mut drives = [with_roles(&one, Roles::BOTH), with_roles(&two, Roles::BOTH)];
    let report = bench.watch_in(&mut drives, true, &bench.person).unwrap();
    let mut burned: Vec<u32> = report.burned.iter().map(|(_, disc)| *disc).collect();
    burned.sort();
    assert_eq!((burned, report.failures), (vec![1, 2], 0), "{:?}", bench.monitor.words());
    assert_eq!(burns(&one) + burns(&two), 2);
    let written =
        ["one", "two", "three"].iter().filter(|name| image_on(&bench.path(name)).is_some());
    assert_eq!(written.count(), 2);
}

/// Each burn waits until the other one has begun: a watch that made one copy after the other would
/// wait in vain.
#[test]
fn two_copies_of_a_disc_are_burned_at_once_by_a_watch() {
    let bench = FlowBench::new();
    bench.backup(2, None);
    let trays = [tray(&bench, &["one"]), tray(&bench, &["two"])];
    let begun = Arc::new((Mutex::new(0), Condvar::new()));
    for tray in &trays {
        let begun = begun.clone();
        tray.at_each_act(move |_, act| {
            let (Act::Burn(_), (count, change)) = (act, &*begun) else { return Ok(()) };
            let mut count = count.lock().unwrap();
            *count += 1;
            change.notify_all();
            let alone = |count: &mut i32| *count < 2;
            let waited = change.wait_timeout_while(count, Duration::from_secs(60), alone).unwrap();
            assert!(!waited.1.timed_out(), "one copy is burned after the other");
            Ok(())
        });
    }
    let mut drives = trays.clone().map(|tray| with_roles(&tray, Roles::BOTH));
    let report = bench.watch_in(&mut drives, true, &bench.person).unwrap();
    assert_eq!((report.burned.len(), report.failures), (1, 0), "{:?}", bench.monitor.words());
    assert_eq!(discs(&bench), [(DiscState::Verified, 2)]);
    assert_eq!((burns(&trays[0]), burns(&trays[1])), (1, 1));
    is_copy(&bench.path("one"), &bench.path("two"));
}

/// Nobody inserts anything before both drives have asked.
#[test]
fn two_empty_drives_of_a_watch_ask_for_different_discs_and_copies() {
    for (copies, expected) in
        [(1, ["a blank disc for disc 1", "a blank disc for disc 2"]), (2, ["copy 1", "copy 2"])]
    {
        let bench = FlowBench::new();
        if copies == 1 {
            fill_two_discs(&bench);
        }
        bench.backup(copies, None);
        let trays = [tray(&bench, &[]), tray(&bench, &[])];
        let asked = Mutex::new(Vec::new());
        let person = FakeOperator::yes().inserting(|request: &InsertRequest| {
            let mut asked = asked.lock().unwrap();
            asked.push(medium(&request.wanted));
            if asked.len() == 2 {
                trays[0].will_get(&[&bench.path("one")]);
                trays[1].will_get(&[&bench.path("two")]);
            }
        });
        let mut drives = trays.clone().map(|tray| with_roles(&tray, Roles::BOTH));
        let report = bench.watch_in(&mut drives, true, &person).unwrap();
        assert_eq!(report.failures, 0, "{:?}", bench.monitor.words());
        drop(person);
        let mut first = asked.into_inner().unwrap();
        first.truncate(2);
        first.sort();
        let fits = first.iter().zip(expected).all(|(asked, words)| asked.contains(words));
        assert!(fits, "{first:?}");
        assert!(discs(&bench).iter().all(|disc| *disc == (DiscState::Verified, copies as usize)));
    }
}
