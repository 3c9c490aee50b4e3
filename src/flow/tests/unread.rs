//! A run that is killed at any point: the next one neither wastes a burned disc nor counts one
//! twice, whatever is in the drive by then. Copies of a disc are identical to the last byte.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::catalog::{Access, Catalog, CopyNo, CopyState, Finding};
use crate::drive::Drive;
use crate::drive::fake::{Act, FakeDrive, ReadFault, Reads, image_on};
use crate::flow::backup::burn_staged;
use crate::flow::burn::station::Drives;
use crate::flow::care::copy::{CopyRequest, copy};
use crate::flow::tests::media::FlowBench;
use crate::flow::*;
use crate::model::{DiscList, DiscNo};
use crate::port::fake_operator::FakeOperator;
use crate::port::question::{Answer, Question};
use crate::port::wanted::{Purpose, WantedDisc, WantedMedium};

const MEDIA: [&str; 4] = ["one", "two", "three", "four"];

/// What is true, whatever the catalog believes.
#[derive(Default)]
struct ActualState {
    /// Moments until the run dies; `None`: it lives.
    left: Option<u32>,
    /// Which medium a copy was burned onto.
    burned: Vec<(CopyNo, PathBuf)>,
    /// The medium that goes bad after it was burned.
    rots: Option<PathBuf>,
}

#[derive(Clone, Default)]
struct SharedState(Arc<Mutex<ActualState>>);

impl SharedState {
    /// One of the moments at which a run may die.
    fn moment(&self) {
        let mut truth = self.0.lock().unwrap();
        let Some(left) = truth.left.as_mut() else { return };
        if *left == 0 {
            truth.left = None;
            drop(truth);
            panic!("killed");
        }
        *left -= 1;
    }

    /// A run may die before each thing that the drive does, and behind a burn.
    fn at(&self, drive: &FakeDrive, act: Act, catalog: &Path) {
        match act {
            Act::Burn(_) => {
                self.moment();
                begun(catalog);
            }
            Act::Burned => {
                self.note_burned(begun(catalog), &drive.inside().unwrap());
                self.moment();
            }
            Act::Find(_) | Act::Reject(_) | Act::Eject => self.moment(),
            Act::TakeBlank(_) | Act::Await => {}
        }
    }

    fn note_burned(&self, copy: CopyNo, medium: &Path) {
        let mut truth = self.0.lock().unwrap();
        truth.burned.push((copy, medium.to_owned()));
        if truth.rots.as_deref() == Some(medium) {
            spoil(medium);
        }
    }

    fn medium_of(&self, copy: u32) -> Option<PathBuf> {
        let truth = self.0.lock().unwrap();
        truth.burned.iter().find(|(known, _)| known.0 == copy).map(|(_, dir)| dir.clone())
    }
}

/// The copy whose burn is recorded as begun, and nothing more.
fn begun(catalog: &Path) -> CopyNo {
    let catalog = Catalog::open(catalog, Access::Read).unwrap();
    let set = catalog.sets().unwrap().remove(0);
    let copies = catalog.copies(set.id, DiscNo(1)).unwrap();
    let last = copies.last().unwrap();
    assert_eq!(last.state, CopyState::Burned, "a copy has its number before it is burned");
    last.number
}

fn spoil(dir: &Path) {
    let image = image_on(dir).unwrap();
    let mut bytes = fs::read(&image).unwrap();
    let script = bytes.windows(11).position(|window| window == b"#!/bin/bash").unwrap();
    bytes[script] ^= 1;
    fs::write(&image, bytes).unwrap();
}

/// What is in the drive when the next run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    /// What the run that died left there.
    AsItWas,
    Nothing,
    /// The first copy, or what was copied.
    TheFirst,
}

#[derive(Clone, Copy, Debug)]
struct UnreadCase {
    lies: Lies,
    talks: bool,
    /// The second medium is bad when it is read back: nobody may take the first one for it.
    rots: bool,
}

const CASES: [UnreadCase; 4] = [
    UnreadCase { lies: Lies::AsItWas, talks: false, rots: false },
    UnreadCase { lies: Lies::Nothing, talks: false, rots: true },
    UnreadCase { lies: Lies::TheFirst, talks: false, rots: true },
    UnreadCase { lies: Lies::TheFirst, talks: true, rots: true },
];

/// A disc that waits, and what a run does with it.
struct UnreadTrial {
    bench: FlowBench,
    world: SharedState,
}

impl UnreadTrial {
    fn new(case: UnreadCase) -> UnreadTrial {
        let bench = FlowBench::new();
        fs::create_dir(bench.path("four")).unwrap();
        let rots = case.rots.then(|| bench.path("two"));
        let world =
            SharedState(Arc::new(Mutex::new(ActualState { rots, ..ActualState::default() })));
        let (truth, catalog) = (world.clone(), bench.path("catalog.sqlite"));
        bench.tray.at_each_act(move |drive, act| {
            truth.at(drive, act, &catalog);
            Ok(())
        });
        UnreadTrial { bench, world }
    }

    fn drive(&self) -> FakeDrive {
        self.bench.tray.clone()
    }

    /// Somebody who puts in what is asked for; if they talk, they answer questions, too, and truly.
    fn person(&self, case: UnreadCase) -> FakeOperator<'_> {
        let answer = move |question: &Question| match question {
            question if question.is_answered_by_yes() => Answer::Yes,
            _ if !case.talks => Answer::NobodyThere,
            Question::IsThisDisc { wanted, .. } => {
                let inside = self.bench.tray.inside();
                let is_it = |copy| self.world.medium_of(copy) == inside;
                if wanted.copy.is_some_and(is_it) { Answer::Yes } else { Answer::No }
            }
            _ => Answer::No,
        };
        FakeOperator::answering(answer).inserting(|request| self.bring(&request.wanted))
    }

    fn bring(&self, wanted: &WantedMedium) {
        self.world.moment();
        let medium = self.fetch(wanted).unwrap_or_else(|| panic!("nobody has {wanted:?}"));
        self.bench.tray.will_get(&[&medium]);
    }

    fn fetch(&self, wanted: &WantedMedium) -> Option<PathBuf> {
        let copy = |disc: &WantedDisc| self.world.medium_of(disc.copy.unwrap_or(1));
        match wanted {
            WantedMedium::Blank(_) => self.blank(),
            WantedMedium::DiscOrBlank { disc, .. } => copy(disc).or_else(|| self.blank()),
            WantedMedium::Disc(WantedDisc { purpose: Some(Purpose::Copy), .. }) => {
                Some(self.bench.path("one"))
            }
            WantedMedium::Disc(disc) => copy(disc),
            WantedMedium::AnyOf { .. } | WantedMedium::AnyDisc { .. } => None,
        }
    }

    fn blank(&self) -> Option<PathBuf> {
        let media = MEDIA.iter().map(|name| self.bench.path(name));
        media.into_iter().find(|dir| image_on(dir).is_none())
    }

    /// Both copies of what is staged.
    fn burn(&self, case: UnreadCase) -> Result<(), FlowError> {
        let (catalog, staging) = (self.bench.path("catalog.sqlite"), self.bench.path("staging"));
        let person = self.person(case);
        let context = Context { operator: &person, ..self.bench.context() };
        let mut drives = Drives::one(Box::new(self.drive()));
        burn_staged(&catalog, &staging, None, &[], std::slice::from_mut(&mut drives), context)
            .map(drop)
    }

    /// One more copy, with one drive for both.
    fn copy(&self, case: UnreadCase) -> Result<(), FlowError> {
        let request = CopyRequest {
            catalog: self.bench.path("catalog.sqlite"),
            staging: self.bench.path("staging"),
            name: None,
            discs: DiscList::of(&[DiscNo(1)]),
            from: Some("/dev/fake".into()),
            trust: Default::default(),
        };
        let person = self.person(case);
        let context = Context { operator: &person, ..self.bench.context() };
        let source: &mut (dyn Drive + 'static) = &mut self.drive();
        copy(&request, Some(source), &mut [Drives::one(Box::new(self.drive()))], context).map(drop)
    }

    /// Lets a run die at this moment; false if it lived through all of them.
    fn dies_at(&self, moment: u32, run: &dyn Fn() -> Result<(), FlowError>) -> bool {
        self.world.0.lock().unwrap().left = Some(moment);
        let ended = catch_unwind(AssertUnwindSafe(run));
        self.world.0.lock().unwrap().left = None;
        match ended {
            Ok(done) => done.unwrap(),
            Err(_) => return true,
        }
        false
    }

    fn put_in(&self, lies: Lies) {
        let (tray, first) = (&self.bench.tray, self.bench.path("one"));
        match lies {
            Lies::AsItWas => {}
            Lies::TheFirst if image_on(&first).is_some() => tray.put_in(&first),
            Lies::TheFirst | Lies::Nothing => tray.take_out(),
        }
    }

    /// Every disc that was burned and is right counts, once, and nothing else does.
    fn check(&self, what: &str) {
        let catalog = Catalog::open(&self.bench.path("catalog.sqlite"), Access::Read).unwrap();
        let set = catalog.sets().unwrap().remove(0);
        let mut good: Vec<String> = Vec::new();
        for copy in catalog.copies(set.id, DiscNo(1)).unwrap() {
            if copy.state == CopyState::Found(Finding::Ok) {
                let medium = copy.medium.disc().unwrap();
                good.push(medium.maker.clone().unwrap());
            }
        }
        good.sort();
        let rots = self.world.0.lock().unwrap().rots.clone();
        let is_right = |dir: &PathBuf| image_on(dir).is_some() && rots.as_ref() != Some(dir);
        let media = MEDIA.iter().filter(|name| is_right(&self.bench.path(name)));
        let mut right: Vec<String> = media.map(|name| (*name).to_owned()).collect();
        right.sort();
        let notes = self.bench.monitor.words();
        assert_eq!(good, right, "{what}: {notes:#?}");
        assert!(good.len() >= 2, "{what}: {good:?}");
    }
}

/// Kills a run at each of its moments in turn, and looks at what the next one made of it.
fn at_every_moment(
    case: UnreadCase,
    prepare: impl Fn(&UnreadTrial),
    run: impl Fn(&UnreadTrial) -> Result<(), FlowError>,
) {
    for moment in 0.. {
        let trial = UnreadTrial::new(case);
        prepare(&trial);
        let died = trial.dies_at(moment, &|| run(&trial));
        if died {
            trial.put_in(case.lies);
            run(&trial).unwrap();
        }
        trial.check(&format!("{case:?}, killed at {moment}"));
        if !died {
            assert!(moment > 7, "only {moment} moments were tried");
            return;
        }
    }
}

fn two_copies_are_two_media(case: UnreadCase) {
    at_every_moment(case, |trial| trial.bench.backup(2, None), |trial| trial.burn(case));
}

fn a_copy_is_not_its_original(case: UnreadCase) {
    let burned = |trial: &UnreadTrial| {
        trial.bench.backup(1, None);
        trial.burn(case).unwrap();
    };
    at_every_moment(case, burned, |trial| trial.copy(case));
}

/// One test for each case: they take long, and run side by side.
macro_rules! whenever_the_run_is_killed {
    ($($holds:ident { $($test:ident: $case:expr;)* })*) => { $($(
        #[test]
        fn $test() {
            $holds($case);
        }
    )*)* };
}

whenever_the_run_is_killed! {
    two_copies_are_two_media {
        two_copies_are_two_media_whenever_the_run_that_burns_is_killed: CASES[0];
        two_copies_are_two_media_where_the_drive_is_emptied_and_one_rots: CASES[1];
        two_copies_are_two_media_where_the_first_one_is_put_in_and_one_rots: CASES[2];
        two_copies_are_two_media_where_somebody_answers_and_one_rots: CASES[3];
    }
    a_copy_is_not_its_original {
        a_copy_is_never_its_original_whenever_the_run_that_copies_is_killed: CASES[0];
        a_copy_is_never_its_original_where_the_drive_is_emptied_and_one_rots: CASES[1];
        a_copy_is_never_its_original_where_the_original_is_put_in_and_one_rots: CASES[2];
        a_copy_is_never_its_original_where_somebody_answers_and_one_rots: CASES[3];
    }
}

/// A disc whose copy of this number, the last one that is wanted, was burned, and whose run died
/// before it read that back.
fn unread(copy: u32, case: UnreadCase) -> UnreadTrial {
    for moment in 0.. {
        let trial = UnreadTrial::new(case);
        trial.bench.backup(copy, None);
        assert!(trial.dies_at(moment, &|| trial.burn(case)), "it was never unread");
        if trial.world.medium_of(copy).is_some() {
            trial.bench.asked();
            return trial;
        }
    }
    unreachable!()
}

const QUIET: UnreadCase = UnreadCase { lies: Lies::Nothing, talks: false, rots: false };

fn is_burned(trial: &UnreadTrial, name: &str) -> bool {
    image_on(&trial.bench.path(name)).is_some()
}

#[test]
fn who_watches_asks_once_for_the_disc_that_was_not_read_back_and_burns_no_other() {
    let trial = unread(1, QUIET);
    let bench = &trial.bench;
    // A blank that nobody asked for is there.
    bench.tray.put_in(&bench.path("two"));
    bench.tray.will_get(&[&bench.path("one")]);
    let report = bench.watch(&bench.person).unwrap();
    assert_eq!((report.burned.len(), report.failures), (1, 0), "{report:?}");
    assert!(!is_burned(&trial, "two"), "it was ejected");
    let asked = bench.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("disc 1 of films, burned on 2"), "{asked:?}");
    assert!(asked[0].contains(", not verified yet, or a blank disc of "), "{asked:?}");
    let notes = bench.monitor.words();
    assert!(!notes.iter().any(|note| note.contains("timed out waiting for")), "{notes:?}");
    assert_eq!(bench.copies().len(), 1);
}

#[test]
fn who_is_asked_for_a_copy_that_was_not_read_back_hears_which_one() {
    let trial = unread(2, QUIET);
    let bench = &trial.bench;
    bench.tray.take_out();
    bench.tray.will_get(&[&bench.path("two")]);
    assert_eq!(bench.watch(&bench.person).unwrap().burned.len(), 1);
    let asked = bench.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("disc 1 of films, copy 2, burned on 2"), "{asked:?}");
    assert!(asked[0].contains(", not verified yet, or a blank disc of "), "{asked:?}");
    let states: Vec<String> = bench.copies().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["ok", "ok"]);
}

#[test]
fn an_unread_disc_that_is_taken_out_again_is_asked_for_by_its_date() {
    let trial = unread(1, QUIET);
    let bench = &trial.bench;
    bench.tray.slips_after(0, Reads::OfArchives, ReadFault::TakenOut);
    bench.tray.comes_back();
    let (catalog, staging) = (bench.path("catalog.sqlite"), bench.path("staging"));
    let mut drives = Drives::one(Box::new(trial.drive()));
    burn_staged(&catalog, &staging, None, &[], std::slice::from_mut(&mut drives), bench.context())
        .unwrap();
    let asked = bench.asked();
    assert!(asked.len() == 1 && asked[0].starts_with("disc 1 of films, burned on 2"), "{asked:?}");
    assert!(asked[0].ends_with(", not verified yet"), "{asked:?}");
    assert_eq!(bench.findings(), [Finding::Ok]);
}

#[test]
fn who_watches_and_gets_the_blank_that_would_do_as_well_burns_it() {
    let trial = unread(1, QUIET);
    let bench = &trial.bench;
    bench.tray.take_out();
    bench.tray.will_get(&[&bench.path("two")]);
    let report = bench.watch(&bench.person).unwrap();
    assert_eq!(report.burned.len(), 1, "{report:?}");
    assert!(is_burned(&trial, "two"));
    let states: Vec<String> = bench.copies().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["burned", "ok"], "the first one may turn up");
}

#[test]
fn a_disc_of_somebody_else_is_handed_out_with_a_true_sentence() {
    let bench = FlowBench::new();
    bench.backup(1, None);
    let mut xorriso = std::process::Command::new("xorriso");
    xorriso.args(["-as", "mkisofs", "-quiet", "-o"]).arg(bench.path("two/holiday.iso"));
    assert!(xorriso.arg(bench.path("source")).status().unwrap().success());
    bench.tray.will_get(&[&bench.path("two"), &bench.path("one")]);
    bench.watch(&bench.person).unwrap();
    let notes = bench.monitor.words();
    let told: Vec<&String> = notes.iter().filter(|note| note.contains("holiday.iso")).collect();
    assert!(told.len() == 1 && told[0].ends_with("ejecting it"), "{notes:?}");
    assert!(!notes.iter().any(|note| note.contains("timed out waiting for")), "{notes:?}");
}
