//! Media that are taken out of a drive, and drives that are unplugged, while they are read: nothing
//! is recorded, no blank is taken, and the disc is asked for again.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::{Access, Catalog, Finding};
use crate::drive::fake::{Act, Condition, FakeDrive, ReadFault, Reads, image_on};
use crate::drive::{Drive, Shelf};
use crate::flow::WaitLimit;
use crate::flow::burn::station::Drives;
use crate::flow::care::check::{CheckRequest, Due, check};
use crate::flow::care::copy::{CopyRequest, copy};
use crate::flow::care::rebuild::{RebuildReport, RebuildRequest, rebuild};
use crate::flow::care::verify::{VerifyRequest, verify_from};
use crate::flow::drill::{DrillRequest, DrilledDisc, drill};
use crate::flow::service::migrate::{MigrateReport, MigrateRequest, migrate};
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::tests::insertion::two_discs;
use crate::flow::tests::media::{FlowBench, restore_from};
use crate::flow::tests::restore::ring;
use crate::flow::*;
use crate::model::{Bytes, DiscList, DiscNo, Sectors};
use crate::port::event::Trouble;

const SLIPS: [ReadFault; 3] = [ReadFault::TakenOut, ReadFault::Unplugged, ReadFault::Hangs];

fn bench() -> FlowBench {
    let bench = FlowBench::new();
    fs::write(bench.path("source/film"), vec![7; 300_000]).unwrap();
    bench
}

/// One copy of disc 1, on the medium `one`, verified; it lies outside of the drive.
fn with_a_disc() -> FlowBench {
    let bench = bench();
    bench.tray.will_get(&[&bench.path("one")]);
    bench.backup(1, Some(&mut Drives::one(Box::new(bench.tray.clone()))));
    bench.asked();
    bench
}

fn said(bench: &FlowBench, words: &str) -> bool {
    bench.monitor.words().iter().any(|note| note.contains(words))
}

/// No disc is called damaged. That files are not here is true of one that is gone.
#[track_caller]
fn refuse_damage(bench: &FlowBench, when: &str) {
    let troubles = bench.monitor.heard.troubles.lock().unwrap();
    let is_missing = |trouble: &Trouble| trouble.what.words() == "disc 1 is missing";
    assert!(troubles.iter().all(is_missing), "{when}: {troubles:?}");
}

/// One good copy, as before, and nothing that was seen of it but the burn's own reading back.
#[track_caller]
fn is_as_before(bench: &FlowBench) {
    let copies = bench.copies();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(copies[0].0, "ok");
    assert_eq!(bench.findings(), [Finding::Ok]);
    refuse_damage(bench, "");
}

fn verify(bench: &FlowBench, drive: &mut FakeDrive, context: Context) -> Result<bool, FlowError> {
    let request = VerifyRequest {
        from: "/dev/fake".into(),
        catalog: bench.path("catalog.sqlite"),
        name: None,
        trust: Default::default(),
        scratch: bench.path("staging/scratch"),
        keys: None,
        is_of_stack: false,
    };
    verify_from(&request, Some(drive), context).map(|report| report.is_sound())
}

/// The bench's drive, in which this happens when archives are read.
fn slipping(bench: &FlowBench, slip: ReadFault) -> FakeDrive {
    bench.tray.is(Condition::Works);
    bench.tray.slips_after(0, Reads::OfArchives, slip);
    bench.tray.clone()
}

fn nobody(bench: &FlowBench) -> Context<'_> {
    Context { wait_limit: WaitLimit::AtMost(Duration::ZERO), ..bench.context() }
}

#[test]
fn a_disc_that_is_taken_out_while_it_is_read_back_is_asked_for_again_and_is_good() {
    let bench = bench();
    let (one, two) = (bench.path("one"), bench.path("two"));
    bench.tray.will_get(&[&one, &one, &two]);
    let drive = slipping(&bench, ReadFault::TakenOut);
    bench.backup(1, Some(&mut Drives::one(Box::new(drive))));
    assert!(said(&bench, "the disc was taken out of /dev/fake"));
    let asked = bench.asked();
    assert!(asked[1].contains("disc 1 of films, just burned"), "{asked:?}");
    assert_eq!(image_on(&two), None, "no blank was spent");
    is_as_before(&bench);
}

#[test]
fn verify_asks_for_the_disc_again_and_reads_it_anew() {
    let bench = with_a_disc();
    let one = bench.path("one");
    bench.tray.will_get(&[&one, &one]);
    let mut drive = slipping(&bench, ReadFault::TakenOut);
    assert!(verify(&bench, &mut drive, bench.context()).unwrap());
    assert!(said(&bench, "the disc was taken out of /dev/fake"));
    assert_eq!(bench.asked().last().unwrap(), "disc 1 of films");
    assert_eq!(bench.findings(), [Finding::Ok; 2]);
}

#[test]
fn without_anybody_who_could_insert_it_verify_ends_and_records_nothing() {
    for slip in SLIPS {
        let bench = with_a_disc();
        bench.tray.put_in(&bench.path("one"));
        let mut drive = slipping(&bench, slip);
        let error = verify(&bench, &mut drive, nobody(&bench)).unwrap_err();
        match slip {
            ReadFault::TakenOut => assert!(matches!(error, FlowError::NeverCame { .. }), "{error}"),
            ReadFault::Unplugged | ReadFault::Hangs => {
                assert_eq!(error.absence(), Some(&slip.absence()));
            }
        }
        assert!(said(&bench, &slip.absence().to_string()));
        is_as_before(&bench);
    }
}

#[test]
fn check_suspects_nobody_and_reads_the_disc_when_it_is_there_again() {
    let bench = with_a_disc();
    let one = bench.path("one");
    let (from, catalog): (PathBuf, _) = ("/dev/fake".into(), bench.path("catalog.sqlite"));
    let request =
        CheckRequest { from, catalog, name: None, due: Due::Count(1), trust: Default::default() };
    bench.tray.put_in(&one);
    let mut drive = slipping(&bench, ReadFault::Unplugged);
    let report = check(&request, Some(&mut drive), nobody(&bench)).unwrap();
    assert_eq!((report.checked.len(), report.missing.len()), (0, 1));
    is_as_before(&bench);
    bench.tray.put_in(&one);
    bench.tray.will_get(&[&one]);
    let mut drive = slipping(&bench, ReadFault::TakenOut);
    let report = check(&request, Some(&mut drive), bench.context()).unwrap();
    assert_eq!((report.checked.len(), report.missing.len()), (1, 0));
    assert!(report.is_sound() && report.checked[0].trend.iter().all(|(_, s)| s.unreadable == 0));
    assert_eq!(bench.findings(), [Finding::Ok; 2]);
}

#[test]
fn a_restore_asks_for_the_disc_again_and_gives_the_rest() {
    let bench = with_a_disc();
    let one = bench.path("one");
    bench.tray.put_in(&one);
    bench.tray.will_get(&[&one]);
    let mut drive = slipping(&bench, ReadFault::TakenOut);
    let report = restore_from(&bench, &mut drive, bench.context()).unwrap();
    assert!(report.is_complete() && report.gone.is_none(), "{report:?}");
    assert!(said(&bench, "the disc was taken out of /dev/fake"));
    assert_eq!(bench.asked().last().unwrap(), "disc 1 of films");
    assert_eq!(fs::read(bench.path("back/film")).unwrap(), vec![7; 300_000]);
    is_as_before(&bench);
}

/// Its listings are read from the disc, too.
#[test]
fn a_restore_without_a_catalog_gives_all_at_whatever_read_the_disc_is_taken_out() {
    let bench = with_a_disc();
    fs::remove_file(bench.path("catalog.sqlite")).unwrap();
    bench.tray.comes_back();
    for well in 0.. {
        let _ = fs::remove_dir_all(bench.path("back"));
        bench.tray.put_in(&bench.path("one"));
        bench.tray.slips_after(well, Reads::All, ReadFault::TakenOut);
        let report = restore_from(&bench, &mut bench.tray.clone(), bench.context()).unwrap();
        let (is_complete, gone) = (report.is_complete(), &report.gone);
        assert!(is_complete && gone.is_none(), "{well}: {report:?}");
        assert_eq!(fs::read(bench.path("back/film")).unwrap(), vec![7; 300_000]);
        refuse_damage(&bench, &format!("after {well} reads"));
        if bench.tray.has_yet_to_slip() {
            assert!(well > 5, "{well}");
            return;
        }
    }
}

#[test]
fn a_restore_from_a_drive_that_is_gone_ends_with_what_is_missing() {
    for slip in SLIPS {
        let bench = with_a_disc();
        bench.tray.put_in(&bench.path("one"));
        let mut drive = slipping(&bench, slip);
        let report = restore_from(&bench, &mut drive, nobody(&bench)).unwrap();
        assert_eq!(report.missing_discs, [DiscNo(1)]);
        assert_eq!((report.failed, report.gone.as_ref()), (0, Some(&slip.absence())), "{report:?}");
        assert!(report.lacks_discs() && said(&bench, &slip.absence().to_string()));
    }
}

#[test]
fn a_copy_of_a_disc_that_is_taken_out_goes_on_when_it_is_there_again() {
    let bench = with_a_disc();
    let (one, two) = (bench.path("one"), bench.path("two"));
    let request = CopyRequest {
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        name: None,
        discs: DiscList::of(&[DiscNo(1)]),
        from: Some("/dev/fake".into()),
        trust: Default::default(),
    };
    bench.tray.put_in(&one);
    let mut drives = Drives::one(Box::new(bench.tray.clone()));
    let source: &mut (dyn Drive + 'static) = &mut slipping(&bench, ReadFault::Unplugged);
    let error = copy(&request, Some(source), std::slice::from_mut(&mut drives), nobody(&bench))
        .err()
        .unwrap();
    assert_eq!(error.absence(), Some(&ReadFault::Unplugged.absence()));
    assert_eq!(image_on(&two), None, "no blank was asked for");
    is_as_before(&bench);
    bench.tray.put_in(&one);
    bench.tray.will_get(&[&one, &two]);
    let source: &mut (dyn Drive + 'static) = &mut slipping(&bench, ReadFault::TakenOut);
    let copied =
        copy(&request, Some(source), std::slice::from_mut(&mut drives), bench.context()).unwrap();
    assert_eq!(copied[0].copies, 2);
}

#[test]
fn who_is_asked_for_the_second_copy_again_hears_which_one_it_is() {
    let bench = bench();
    let (one, two) = (bench.path("one"), bench.path("two"));
    bench.tray.will_get(&[&one, &two]);
    bench.tray.comes_back();
    bench.tray.at_each_act(|drive, act| {
        if matches!(act, Act::Burned) && drive.still_to_come() == 0 {
            drive.slips_after(0, Reads::OfArchives, ReadFault::TakenOut);
        }
        Ok(())
    });
    bench.backup(2, Some(&mut Drives::one(Box::new(bench.tray.clone()))));
    let asked = bench.asked();
    let wanted = "disc 1 of films, copy 2, just burned, to be verified";
    assert_eq!(asked.last().unwrap(), wanted, "{asked:?}");
    assert_eq!(bench.findings(), [Finding::Ok; 2]);
}

/// How a run ended, at which of its reads the disc went away, and what it left.
struct EndedRun<T> {
    bench: FlowBench,
    result: Result<T, FlowError>,
    when: String,
}

/// Runs it on benches that are made alike, and lets the disc go away at its first read, at one in
/// between, and at its last one. It is not read on.
fn going<T>(
    slip: ReadFault,
    make: &dyn Fn() -> FlowBench,
    run: &dyn Fn(&FlowBench, Context) -> Result<T, FlowError>,
) -> Vec<EndedRun<T>> {
    let whole = make();
    let before = whole.tray.reads().0;
    run(&whole, whole.context()).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let reads = whole.tray.reads().0 - before;
    let moments = BTreeSet::from([0, reads / 2, reads - 1]);
    let at = |well: u32| {
        let (bench, when) = (make(), format!("{slip:?} after {well} of {reads} reads"));
        bench.tray.slips_after(well, Reads::All, slip);
        if slip == ReadFault::TakenOut {
            bench.tray.comes_back();
        }
        let result = run(&bench, bench.context());
        assert!(!bench.tray.has_yet_to_slip(), "{when}: it stayed");
        assert!(bench.tray.reads().1 <= 8, "{when}: it was read on");
        refuse_damage(&bench, &when);
        EndedRun { bench, result, when }
    };
    moments.into_iter().map(at).collect()
}

fn is_gone<T>(ended: &EndedRun<T>, slip: ReadFault) {
    let Err(error) = &ended.result else { panic!("{}: it succeeded", ended.when) };
    assert_eq!(error.absence(), Some(&slip.absence()), "{}: {error}", ended.when);
}

const GONE: [ReadFault; 2] = [ReadFault::Unplugged, ReadFault::Hangs];

fn drill_it(all: bool, bench: &FlowBench, context: Context) -> Result<Vec<DrilledDisc>, FlowError> {
    let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
    let request = DrillRequest {
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        from: Some("/dev/fake".into()),
        name: None,
        discs: vec![DiscNo(1)],
        all,
        keys: ring(&ask, false),
        trust: Default::default(),
    };
    drill(&request, Some(&mut bench.tray.clone()), context).map(|report| report.discs)
}

fn with_a_disc_in_the_drive() -> FlowBench {
    let bench = with_a_disc();
    bench.tray.put_in(&bench.path("one"));
    bench
}

#[test]
fn a_drill_asks_for_a_disc_that_is_taken_out_again_and_condemns_none_that_is_gone() {
    for all in [false, true] {
        let run = |bench: &FlowBench, context: Context| drill_it(all, bench, context);
        for EndedRun { bench, result, when } in
            going(ReadFault::TakenOut, &with_a_disc_in_the_drive, &run)
        {
            let drilled = result.unwrap();
            assert!(drilled.len() == 1 && drilled[0].seen.faults.is_empty(), "{when}");
            assert!(said(&bench, "the disc was taken out of /dev/fake"), "{when}");
            assert_eq!(bench.asked(), ["disc 1 of films, to be drilled"], "{when}");
            assert_eq!(bench.drills(), [Finding::Ok], "{when}");
        }
        for slip in GONE {
            for ended in going(slip, &with_a_disc_in_the_drive, &run) {
                is_gone(&ended, slip);
                assert_eq!(ended.bench.drills(), [], "{}", ended.when);
                is_as_before(&ended.bench);
            }
        }
    }
}

/// A set of two discs, the first of which is in the drive.
fn with_two_discs() -> FlowBench {
    let bench = bench();
    let [one, two] = two_discs(&bench);
    bench.tray.put_in(&one);
    bench.tray.will_get(&[&two]);
    bench
}

/// In place of a catalog that is sound.
fn rebuild_it(bench: &FlowBench, context: Context) -> Result<RebuildReport, FlowError> {
    let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
    let request = RebuildRequest {
        from: vec!["/dev/fake".into()],
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        name: None,
        keys: ring(&ask, false),
        replace: true,
        scratch: bench.path("scratch"),
        trust: Default::default(),
    };
    rebuild(&request, vec![Some(Box::new(bench.tray.clone()))], context)
}

/// What a catalog says of discs, files and snapshots.
fn told_by(catalog: &Catalog) -> String {
    let set = catalog.sets().unwrap().remove(0).id;
    let mut told = format!("{:?}", catalog.newest_snapshot(set).unwrap());
    for disc in catalog.discs(set).unwrap() {
        let mut files = catalog.disc_files(set, disc.number).unwrap();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let files = files.iter().map(|file| (&file.path, file.size, file.sha256));
        let files: Vec<_> = files.filter(|(path, ..)| path.starts_with("archives/")).collect();
        let copies = catalog.copies(set, disc.number).unwrap().len();
        told += &format!("\n{} {:?} {copies}: {files:?}", disc.number, disc.uuid);
    }
    for snapshot in catalog.snapshots(set).unwrap() {
        told += &format!("\n{:?}", (snapshot.seq, snapshot.started, snapshot.finished.is_some()));
        let row = |listed: crate::catalog::CatalogRow| {
            let row = listed.row;
            told += &format!("\n{} {} {:?} {:?}", row.path, row.size, row.sha256, row.place);
            Ok::<(), FlowError>(())
        };
        catalog.snapshot_rows(set, snapshot.seq, row).unwrap();
    }
    told
}

fn catalog_of(bench: &FlowBench) -> Catalog {
    Catalog::open(&bench.path("catalog.sqlite"), Access::Read).unwrap()
}

#[test]
fn a_catalog_is_made_anew_of_all_of_a_disc_that_was_taken_out_or_not_at_all() {
    for EndedRun { bench, result, when } in going(ReadFault::TakenOut, &with_two_discs, &rebuild_it)
    {
        let report = result.unwrap();
        assert!(report.is_complete() && report.sets[0].discs.len() == 2, "{when}: {report:?}");
        assert!(said(&bench, "the disc was taken out of /dev/fake"), "{when}");
        let aside = Catalog::open(&report.aside.unwrap(), Access::Read).unwrap();
        assert_eq!(told_by(&catalog_of(&bench)), told_by(&aside), "{when}");
    }
    for slip in GONE {
        let run = |bench: &FlowBench, context: Context| {
            let before = told_by(&catalog_of(bench));
            let ended = rebuild_it(bench, context);
            if ended.is_err() {
                assert_eq!(told_by(&catalog_of(bench)), before, "the sound one stays");
            }
            ended
        };
        for ended in going(slip, &with_two_discs, &run) {
            is_gone(&ended, slip);
        }
    }
}

fn staged() -> FlowBench {
    let bench = bench();
    bench.backup(1, None);
    bench.tray.will_get(&[&bench.path("one")]);
    bench
}

#[test]
fn who_watches_reads_a_burned_disc_back_when_it_is_there_again() {
    let run = |bench: &FlowBench, _: Context| bench.watch(&bench.person);
    for EndedRun { bench, result, when } in going(ReadFault::TakenOut, &staged, &run) {
        let report = result.unwrap();
        assert_eq!((report.burned.len(), report.failures, report.damaged), (1, 0, 0), "{when}");
        let asked = bench.asked();
        assert!(
            asked.len() == 2 && asked[1].starts_with("disc 1 of films, burned on "),
            "{asked:?}"
        );
        assert!(!said(&bench, "timed out waiting for") && !said(&bench, "ejecting it"), "{when}");
        is_as_before(&bench);
    }
    for slip in GONE {
        for ended in going(slip, &staged, &run) {
            is_gone(&ended, slip);
            let copies = ended.bench.copies();
            assert!(copies.len() == 1 && copies[0].0 == "burned", "{}: {copies:?}", ended.when);
            assert_eq!(ended.bench.findings(), [], "{}", ended.when);
            is_read_back_when_it_is_there_again(&ended.bench, &ended.when);
        }
    }
}

/// The next one who watches meets the disc that was burned, and it is taken out while they look who
/// it is.
fn is_read_back_when_it_is_there_again(bench: &FlowBench, when: &str) {
    bench.tray.is(Condition::Works);
    bench.tray.slips_after(0, Reads::All, ReadFault::TakenOut);
    bench.tray.comes_back();
    bench.monitor.heard.notes.lock().unwrap().clear();
    let report = bench.watch(&bench.person).unwrap();
    assert_eq!((report.burned.len(), report.failures), (1, 0), "{when}");
    assert!(said(bench, "the disc was taken out of /dev/fake"), "{when}");
    is_as_before(bench);
}

/// Until nobody inserts anything any more.
fn watch_on(bench: &FlowBench, _: Context) -> Result<(), FlowError> {
    bench.tray.stops(&bench.stop);
    match bench.watch_until(false, &bench.person) {
        Err(FlowError::Stopped(_)) => Ok(()),
        other => other.map(|report| panic!("{report:?}")),
    }
}

#[test]
fn who_watches_verifies_a_disc_when_it_is_there_again() {
    for EndedRun { bench, result, when } in
        going(ReadFault::TakenOut, &with_a_disc_in_the_drive, &watch_on)
    {
        result.unwrap();
        let notes = bench.monitor.words();
        let right = notes.iter().filter(|note| note.contains("every byte matches")).count();
        assert_eq!(right, 1, "{when}: {notes:?}");
        assert!(!notes.iter().any(|note| note.ends_with("ejecting it")), "{when}: {notes:?}");
        assert_eq!(bench.findings(), [Finding::Ok; 2], "{when}");
    }
    for slip in GONE {
        for ended in going(slip, &with_a_disc_in_the_drive, &watch_on) {
            is_gone(&ended, slip);
            is_as_before(&ended.bench);
        }
    }
}

/// Disc 1, in the drive, onto a disc on a shelf.
fn migrate_it(bench: &FlowBench, context: Context) -> Result<MigrateReport, FlowError> {
    let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
    let request = MigrateRequest {
        bzip2: Default::default(),
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        name: None,
        discs: Some(DiscList::of(&[DiscNo(1)])),
        from: Some("/dev/fake".into()),
        disc_size: DiscSize::typed(Sectors(2000)),
        archive_size: Bytes(1 << 20),
        keys: ring(&ask, false),
        signer: None,
        drill: true,
        trust: Default::default(),
    };
    let mut drives = Drives::one(Box::new(Shelf::open(&bench.path("three")).unwrap()));
    migrate(&request, Some(&mut bench.tray.clone()), &mut drives, context)
}

fn is_migrated(result: Result<MigrateReport, FlowError>, when: &str) {
    let report = result.unwrap_or_else(|error| panic!("{when}: {}", chain(&error)));
    assert_eq!((report.files, report.failed), (2, 0), "{when}");
    assert_eq!((report.made.len(), &report.emptied[..]), (1, &[DiscNo(1)][..]), "{when}");
}

#[test]
fn what_a_disc_holds_is_moved_when_it_is_there_again_and_no_file_of_it_is_given_up() {
    for EndedRun { bench, result, when } in
        going(ReadFault::TakenOut, &with_a_disc_in_the_drive, &migrate_it)
    {
        is_migrated(result, &when);
        assert!(said(&bench, "the disc was taken out of /dev/fake"), "{when}");
        let asked = bench.asked();
        assert!(asked.len() == 1 && asked[0].starts_with("disc 1 of films"), "{when}: {asked:?}");
        is_as_before(&bench);
    }
    for slip in GONE {
        for ended in going(slip, &with_a_disc_in_the_drive, &migrate_it) {
            is_gone(&ended, slip);
            is_as_before(&ended.bench);
            let EndedRun { bench, when, .. } = ended;
            bench.tray.is(Condition::Works);
            is_migrated(migrate_it(&bench, bench.context()), &when);
        }
    }
}

#[test]
fn a_copy_on_a_shelf_that_goes_away_is_made_of_the_next_one() {
    let bench = bench();
    let shelf = || Shelf::open(&bench.path("one")).unwrap();
    bench.backup(2, Some(&mut Drives::one(Box::new(shelf()))));
    let image = fs::metadata(image_on(&bench.path("one")).unwrap()).unwrap();
    // Its last sector is not there any more when it is to be read.
    let fault = format!("gone_after = [1, {}]\n", image.len() / 2048 - 1);
    fs::write(bench.path("one/.shelf.toml"), fault).unwrap();
    let request = CopyRequest {
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        name: None,
        discs: DiscList::of(&[DiscNo(1)]),
        from: None,
        trust: Default::default(),
    };
    let mut drives = Drives::one(Box::new(Shelf::open(&bench.path("two")).unwrap()));
    let copied = copy(&request, None, std::slice::from_mut(&mut drives), nobody(&bench)).unwrap();
    assert_eq!(copied[0].copies, 3);
    assert!(image_on(&bench.path("two")).is_some());
    assert_eq!(bench.findings(), [Finding::Ok; 3]);
}
