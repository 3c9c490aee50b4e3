//! Restores that read at several places at once: drives and people who insert discs into them, and
//! shelves on different disks. What comes back is what comes back from one place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use super::restore::{RestoreBench, RestoreOptions, ask, compare, noise, ring, text};
use crate::drive::Drive;
use crate::drive::fake::{FakeDrive, ReadFault, Reads};
use crate::flow::restore::{ReadingDrive, RestoreReport, RestoreRequest, restore};
use crate::flow::{Context, FlowError, WaitLimit};
use crate::model::DiscNo;
use crate::model::glob::PathGlobs;
use crate::port::fake_operator::FakeOperator;
use crate::port::operator::{Nobody, Operator};
use crate::port::question::Answer;
use crate::port::stop::Stop;
use crate::port::wanted::{InsertRequest, WantedMedium};
use crate::restore::place::OverwritePolicy;

/// Discs that share a file with the next one, each a medium of its own.
struct DiscsBench {
    bench: RestoreBench,
    media: Vec<PathBuf>,
    drives: Vec<FakeDrive>,
}

fn small_discs() -> RestoreBench {
    let mut bench = RestoreBench::new();
    (bench.archive_size, bench.capacity) = (300 << 10, crate::model::Sectors(1024));
    for number in 0..6 {
        bench.write(&format!("{number:02}.jpg"), noise(700_000));
        bench.write(&format!("text/{number}"), text(50_000 + number));
    }
    bench.write("long.jpg", noise(3_000_000));
    bench.write("again.jpg", fs::read(bench.source("long.jpg")).unwrap());
    fs::hard_link(bench.source("00.jpg"), bench.source("text/linked")).unwrap();
    bench.backup();
    assert!(bench.images() >= 4, "{} discs", bench.images());
    bench
}

impl DiscsBench {
    fn new(drives: usize) -> DiscsBench {
        let bench = small_discs();
        let medium = |number: usize| {
            let dir = bench.path(&format!("medium-{number}"));
            fs::create_dir(&dir).unwrap();
            let image = bench.image(number as u32);
            fs::rename(&image, dir.join(image.file_name().unwrap())).unwrap();
            dir
        };
        let media = (1..=bench.images()).map(medium).collect();
        let drives = (0..drives).map(|at| FakeDrive::attended(&format!("/dev/sr{at}"))).collect();
        DiscsBench { bench, media, drives }
    }

    fn restore(
        &self,
        shelf: Option<&Path>,
        person: &dyn Operator,
        wait_limit: WaitLimit,
        dry_run: bool,
    ) -> Result<RestoreReport, FlowError> {
        let (ask, stop) = (ask(None), Stop::new());
        let mut drives = self.drives.clone();
        let mut from: Vec<PathBuf> =
            (0..drives.len()).map(|at| format!("/dev/sr{at}").into()).collect();
        let mut places: Vec<Option<ReadingDrive>> =
            drives.iter_mut().map(|drive| Some(drive as &mut (dyn Drive + 'static))).collect();
        from.extend(shelf.map(Path::to_owned));
        places.extend(shelf.map(|_| None));
        let request = RestoreRequest {
            trust: Default::default(),
            from,
            target: self.bench.path("back"),
            catalog: self.bench.path("catalog.sqlite"),
            name: None,
            snapshot: None,
            paths: PathGlobs::default(),
            overwrite: OverwritePolicy::Never,
            owners: true,
            rights: crate::flow::library::vouching::Rights::Restore,
            keys: ring(&ask, false),
            dry_run,
            scratch: self.bench.path("scratch"),
        };
        let context = Context { wait_limit, ..self.bench.context(person, &stop) };
        restore(&request, places, context)
    }

    #[track_caller]
    fn assert_comes_back(&self, report: &RestoreReport) {
        let notes = self.bench.notes();
        assert!(report.is_complete(), "{report:?}\n{:?}\n{notes}", self.bench.troubles());
        compare::assert_same_tree(&self.bench.path("source"), &self.bench.path("back"));
    }

    fn drive_of(&self, request: &InsertRequest) -> usize {
        let titles = self.drives.iter().map(|drive| drive.title());
        titles.into_iter().position(|title| title == request.drive).unwrap()
    }
}

/// The disc of a request, and 1 if any will do.
fn disc_of(request: &InsertRequest) -> DiscNo {
    match &request.wanted {
        WantedMedium::Disc(wanted) => wanted.disc,
        _ => DiscNo(1),
    }
}

/// What was inserted, and where.
#[derive(Default)]
struct Hands {
    given: Vec<(usize, DiscNo)>,
    waiting: Vec<(usize, DiscNo)>,
}

impl Hands {
    fn has(&self, disc: DiscNo) -> bool {
        self.given.iter().any(|(_, given)| *given == disc)
    }

    fn put(&mut self, bench: &DiscsBench, drive: usize, disc: DiscNo) {
        self.given.push((drive, disc));
        bench.drives[drive].put_in(&bench.media[disc.0 as usize - 1]);
    }
}

/// Two discs that are asked for at the same time are inserted each into the drive of the other, and
/// the last one into whichever is free and did not ask.
fn swapping<'b>(bench: &'b DiscsBench, hands: &'b Mutex<Hands>) -> FakeOperator<'b> {
    FakeOperator::always(Answer::NobodyThere).inserting(move |request| {
        let (drive, disc) = (bench.drive_of(request), disc_of(request));
        let mut hands = hands.lock().unwrap();
        if hands.has(disc) {
            return;
        }
        hands.waiting.retain(|(_, waiting)| *waiting != disc);
        hands.waiting.push((drive, disc));
        let waiting = std::mem::take(&mut hands.waiting);
        match waiting[..] {
            [(one, first), (other, second)] if one != other => {
                hands.put(bench, one, second);
                hands.put(bench, other, first);
            }
            [(_, only)] if hands.given.is_empty() => hands.put(bench, drive, only),
            [(_, last)] if hands.given.len() + 1 == bench.media.len() => {
                let free = |at: &usize| *at != drive && bench.drives[*at].inside().is_none();
                let other = (0..bench.drives.len()).find(free).unwrap_or(drive);
                hands.put(bench, other, last);
            }
            _ => hands.waiting = waiting,
        }
    })
}

/// Each disc into the drive that asks for it.
fn helpful<'b>(bench: &'b DiscsBench, hands: &'b Mutex<Hands>) -> FakeOperator<'b> {
    FakeOperator::always(Answer::NobodyThere).inserting(move |request| {
        hands.lock().unwrap().put(bench, bench.drive_of(request), disc_of(request));
    })
}

#[test]
fn two_and_three_drives_read_at_once_and_each_disc_is_inserted_once() {
    for drives in [2, 3] {
        let bench = DiscsBench::new(drives);
        let hands = Mutex::default();
        let person = helpful(&bench, &hands);
        let report = bench.restore(None, &person, WaitLimit::Endless, false).unwrap();
        bench.assert_comes_back(&report);
        let given = std::mem::take(&mut hands.lock().unwrap().given);
        let discs: BTreeSet<DiscNo> = given.iter().map(|(_, disc)| *disc).collect();
        assert_eq!((discs.len(), given.len()), (bench.media.len(), bench.media.len()), "{given:?}");
        let used: BTreeSet<usize> = given.iter().map(|(drive, _)| *drive).collect();
        assert_eq!(used.len(), drives, "{given:?}");
    }
}

#[test]
fn a_disc_is_taken_in_whichever_drive_it_is_inserted() {
    let bench = DiscsBench::new(2);
    let hands = Mutex::default();
    let person = swapping(&bench, &hands);
    let report = bench.restore(None, &person, WaitLimit::Endless, false).unwrap();
    bench.assert_comes_back(&report);
    let given = std::mem::take(&mut hands.lock().unwrap().given);
    let discs: BTreeSet<DiscNo> = given.iter().map(|(_, disc)| *disc).collect();
    assert_eq!((discs.len(), given.len()), (bench.media.len(), bench.media.len()), "{given:?}");
    let notes = bench.bench.notes();
    assert!(!notes.contains("ejecting"), "none was refused: {notes}");
}

#[test]
fn the_disc_of_a_drive_that_goes_away_is_read_in_the_other_one() {
    for fault in [ReadFault::Unplugged, ReadFault::Hangs] {
        let bench = DiscsBench::new(2);
        bench.drives[1].slips_after(1, Reads::OfArchives, fault);
        let hands = Mutex::default();
        let person = helpful(&bench, &hands);
        let report = bench.restore(None, &person, WaitLimit::Endless, false).unwrap();
        assert!(!bench.drives[1].has_yet_to_slip());
        bench.assert_comes_back(&report);
        let notes = bench.bench.notes();
        assert!(notes.contains("/dev/sr1 (F) is not used any more"), "{notes}");
    }
}

#[test]
fn a_disc_that_is_taken_out_meanwhile_is_asked_for_again() {
    let bench = DiscsBench::new(2);
    bench.drives[0].slips_after(2, Reads::OfArchives, ReadFault::TakenOut);
    let hands = Mutex::default();
    let person = helpful(&bench, &hands);
    let report = bench.restore(None, &person, WaitLimit::Endless, false).unwrap();
    bench.assert_comes_back(&report);
    assert_eq!(hands.lock().unwrap().given.len(), bench.media.len() + 1);
}

#[test]
fn where_nobody_inserts_anything_the_discs_in_the_drives_are_read_and_the_others_named() {
    let bench = DiscsBench::new(2);
    bench.drives[0].put_in(&bench.media[1]);
    bench.drives[1].put_in(&bench.media[0]);
    let at_once = WaitLimit::AtMost(Duration::ZERO);
    let report = bench.restore(None, &Nobody, at_once, false).unwrap();
    let missing: Vec<DiscNo> = (3..=bench.media.len() as u32).map(DiscNo).collect();
    assert_eq!(report.missing_discs, missing);
    assert!(report.restored > 0 && report.missing > 0, "{report:?}");
}

#[test]
fn what_lies_on_a_shelf_is_not_asked_for() {
    let bench = DiscsBench::new(2);
    let shelf = bench.bench.path("shelf");
    for medium in bench.media.iter().step_by(2) {
        let image = fs::read_dir(medium).unwrap().map(|entry| entry.unwrap().path());
        for image in image.filter(|path| path.extension().is_some_and(|e| e == "iso")) {
            fs::rename(&image, shelf.join(image.file_name().unwrap())).unwrap();
        }
    }
    let hands = Mutex::default();
    let person = helpful(&bench, &hands);
    let report = bench.restore(Some(&shelf), &person, WaitLimit::Endless, false).unwrap();
    bench.assert_comes_back(&report);
    let given: BTreeSet<u32> = hands.lock().unwrap().given.iter().map(|(_, disc)| disc.0).collect();
    let even: BTreeSet<u32> = (1..=bench.media.len() as u32).filter(|n| n % 2 == 0).collect();
    assert_eq!(given, even);
}

#[test]
fn a_dry_run_says_what_each_drive_would_read_and_how_often_discs_are_inserted() {
    let bench = DiscsBench::new(2);
    bench.drives[1].put_in(&bench.media[0]);
    let report = bench.restore(None, &Nobody, WaitLimit::Endless, true).unwrap();
    assert_eq!(report.media_changes, bench.media.len() as u64 - 1, "one is in a drive");
    let [(one, first), (other, second)] = &report.drives[..] else { panic!("{report:?}") };
    assert_eq!([one, other].map(|path| path.to_str().unwrap()), ["/dev/sr0", "/dev/sr1"]);
    assert_eq!(second[0], DiscNo(1), "{report:?}");
    let mut all = [first.clone(), second.clone()].concat();
    all.sort();
    assert_eq!(all, report.discs);
    assert!(report.bytes_of_longest <= report.bytes_to_read, "{report:?}");
    assert!(!bench.bench.path("back").exists());
}

/// Directories that are, where that can be, on two disks.
fn on_two_disks() -> Vec<TempDir> {
    let memory = Path::new("/dev/shm");
    let other = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    vec![tempfile::tempdir().unwrap(), tempfile::tempdir_in(other).unwrap()]
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit as u64) as usize
    }
}

fn damage(image: &Path, dice: &mut Dice) {
    let mut bytes = fs::read(image).unwrap();
    let from = bytes.len() / 4 + dice.below(bytes.len() / 2);
    let end = (from + 300_000).min(bytes.len());
    bytes[from..end].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(image, bytes).unwrap();
}

#[test]
fn what_comes_back_from_several_shelves_is_what_comes_back_from_one() {
    let seed = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in seed.map_or(0..6, |seed| seed..seed + 1) {
        println!("SEED={seed}");
        let mut dice = Dice(seed);
        let mut bench = small_discs();
        bench.assert_comes_back("one", RestoreOptions::default());
        let dirs = on_two_disks();
        bench.shelves = dirs.iter().map(|dir| dir.path().to_owned()).collect();
        for number in 1..=bench.images() as u32 {
            let image = bench.image(number);
            let name = image.file_name().unwrap();
            let first = dice.below(2);
            fs::copy(&image, bench.shelves[first].join(name)).unwrap();
            // A copy on the other shelf, and one of the two is damaged.
            if dice.below(2) == 0 {
                fs::copy(&image, bench.shelves[1 - first].join(name)).unwrap();
                damage(&bench.shelves[dice.below(2)].join(name), &mut dice);
            }
        }
        for catalog in [false, true] {
            let wish = RestoreOptions { catalog, ..RestoreOptions::default() };
            bench.assert_comes_back(&format!("two-{catalog}"), wish);
        }
    }
}

#[test]
fn a_disc_that_lies_on_no_shelf_is_named_once_all_others_are_read() {
    let mut bench = small_discs();
    let dirs = on_two_disks();
    bench.shelves = dirs.iter().map(|dir| dir.path().to_owned()).collect();
    for number in (1..=bench.images() as u32).filter(|number| *number != 2) {
        let image = bench.image(number);
        let to = bench.shelves[number as usize % 2].join(image.file_name().unwrap());
        fs::copy(&image, to).unwrap();
    }
    let report = bench.restore("back", RestoreOptions { catalog: true, ..Default::default() });
    assert_eq!(report.missing_discs, [DiscNo(2)], "{report:?}");
    assert!(report.restored > 0 && report.missing > 0 && report.failed == 0, "{report:?}");
    let left: Vec<_> = fs::read_dir(bench.path("back")).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")));
}

#[test]
fn parts_of_a_file_are_joined_in_whichever_order_their_discs_come() {
    use crate::flow::library::inventory::look;
    use crate::flow::library::listings::FromDiscs;
    use crate::restore::extract::Restorer;
    use crate::restore::place::Target;
    use crate::restore::plan::{TargetState, plan};

    let bench = small_discs();
    let stop = Stop::new();
    let found_set = look(&bench.path("shelf"), &stop).unwrap().choose(None).unwrap();
    let (context, scratch) = (bench.context(&Nobody, &stop), bench.path("scratch"));
    let discs = FromDiscs {
        found_set: &found_set,
        opener: None,
        scratch: &scratch,
        context,
        repairer: None,
        doubts: Default::default(),
    };
    let chosen = discs.select(None, &PathGlobs::default()).unwrap();
    let plan = plan(chosen.selection, |_| TargetState::Free);
    assert!(plan.split_over_discs().count() >= 2);
    let mut dice = Dice(7);
    let ascending: Vec<DiscNo> = plan.discs.keys().copied().collect();
    for attempt in 0..4 {
        let mut order: Vec<DiscNo> = ascending.iter().rev().copied().collect();
        (1..order.len() * attempt.min(1)).for_each(|at| order.swap(at, dice.below(at + 1)));
        let to = bench.path(&format!("back-{attempt}"));
        let target = Target::open(&to, false).unwrap();
        let restorer = Restorer::new(&plan, &target, &bench.monitor, &stop);
        for number in &order {
            let found = &found_set.discs[number];
            let copies = [&*found.copies[0]];
            let read = restorer.disc(&found.label(), None, &copies, None, &|_, _| Vec::new());
            assert_eq!(read.unwrap(), None);
        }
        assert_eq!(restorer.tally().failed, 0, "{order:?} {:?}", bench.troubles());
        for name in ["long.jpg", "again.jpg", "00.jpg", "05.jpg"] {
            let same = fs::read(to.join(name)).unwrap() == fs::read(bench.source(name)).unwrap();
            assert!(same, "{name} {order:?}");
        }
    }
}
