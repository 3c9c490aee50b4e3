//! Media that are taken out of a drive, and drives that are unplugged, while they are read: nothing
//! is recorded, no blank is taken, and the disc is asked for again.

use std::path::PathBuf;
use std::time::Duration;

use super::burning::Drives;
use super::checking::{CheckRequest, Due, check};
use super::copying::{CopyRequest, copy};
use super::insertion::Patience;
use super::media_tests::{Bench, restore_from};
use super::verifying::{VerifyRequest, verify_from};
use super::*;
use crate::catalog::Finding;
use crate::drive::Drive;
use crate::drive::fake::{Condition, FakeDrive, Reads, Slip, image_on};
use crate::model::DiscNo;

const SLIPS: [Slip; 3] = [Slip::TakenOut, Slip::Unplugged, Slip::Hangs];

fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::write(bench.path("source/film"), vec![7; 300_000]).unwrap();
    bench
}

/// One copy of disc 1, on the medium `one`, verified; it lies outside of the drive.
fn with_a_disc() -> Bench {
    let bench = bench();
    bench.tray.will_get(&[&bench.path("one")]);
    bench.backup(1, Some(&mut Drives::one(Box::new(bench.tray.clone()))));
    bench.asked();
    bench
}

fn said(bench: &Bench, words: &str) -> bool {
    bench.monitor.notes.lock().unwrap().iter().any(|note| note.contains(words))
}

/// One good copy, as before, and nothing that was seen of it but the burn's own reading back.
#[track_caller]
fn is_as_before(bench: &Bench) {
    let copies = bench.copies();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(copies[0].0, "ok");
    assert_eq!(bench.findings(), [Finding::Ok]);
    assert!(bench.monitor.troubles.lock().unwrap().is_empty(), "nothing is held against it");
}

fn verify(bench: &Bench, drive: &mut FakeDrive, desk: Desk) -> Result<bool, FlowError> {
    let request = VerifyRequest {
        from: "/dev/fake".into(),
        catalog: bench.path("catalog.sqlite"),
        name: None,
        signed_by: None,
        scratch: bench.path("staging/scratch"),
    };
    verify_from(&request, Some(drive), desk).map(|report| report.is_sound())
}

/// The bench's drive, in which this happens when archives are read.
fn slipping(bench: &Bench, slip: Slip) -> FakeDrive {
    bench.tray.is(Condition::Works);
    bench.tray.slips_after(0, Reads::OfArchives, slip);
    bench.tray.clone()
}

fn nobody(bench: &Bench) -> Desk<'_> {
    Desk { patience: Patience::AtMost(Duration::ZERO), ..bench.desk() }
}

#[test]
fn a_disc_that_is_taken_out_while_it_is_read_back_is_asked_for_again_and_is_good() {
    let bench = bench();
    let (one, two) = (bench.path("one"), bench.path("two"));
    bench.tray.will_get(&[&one, &one, &two]);
    let drive = slipping(&bench, Slip::TakenOut);
    bench.backup(1, Some(&mut Drives::one(Box::new(drive))));
    assert!(said(&bench, "the disc was taken out of /dev/fake"));
    let asked = bench.asked();
    assert!(asked[1].contains("disc 1 of films, which was just burned"), "{asked:?}");
    assert_eq!(image_on(&two), None, "no blank was spent");
    is_as_before(&bench);
}

#[test]
fn verify_asks_for_the_disc_again_and_reads_it_anew() {
    let bench = with_a_disc();
    let one = bench.path("one");
    bench.tray.will_get(&[&one, &one]);
    let mut drive = slipping(&bench, Slip::TakenOut);
    assert!(verify(&bench, &mut drive, bench.desk()).unwrap());
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
            Slip::TakenOut => assert!(matches!(error, FlowError::NeverCame { .. }), "{error}"),
            Slip::Unplugged | Slip::Hangs => {
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
    let request = CheckRequest { from, catalog, name: None, due: Due::Count(1) };
    bench.tray.put_in(&one);
    let mut drive = slipping(&bench, Slip::Unplugged);
    let report = check(&request, Some(&mut drive), nobody(&bench)).unwrap();
    assert_eq!((report.checked.len(), report.missing.len()), (0, 1));
    is_as_before(&bench);
    bench.tray.put_in(&one);
    bench.tray.will_get(&[&one]);
    let mut drive = slipping(&bench, Slip::TakenOut);
    let report = check(&request, Some(&mut drive), bench.desk()).unwrap();
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
    let mut drive = slipping(&bench, Slip::TakenOut);
    let report = restore_from(&bench, &mut drive, bench.desk()).unwrap();
    assert!(report.is_complete() && report.gone.is_none(), "{report:?}");
    assert!(said(&bench, "the disc was taken out of /dev/fake"));
    assert_eq!(bench.asked().last().unwrap(), "disc 1 of films");
    assert_eq!(std::fs::read(bench.path("back/film")).unwrap(), vec![7; 300_000]);
    is_as_before(&bench);
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
        discs: (DiscNo(1), DiscNo(1)),
        from: Some("/dev/fake".into()),
    };
    bench.tray.put_in(&one);
    let mut drives = Drives::one(Box::new(bench.tray.clone()));
    let source: &mut (dyn Drive + 'static) = &mut slipping(&bench, Slip::Unplugged);
    let error = copy(&request, Some(source), &mut drives, nobody(&bench)).err().unwrap();
    assert_eq!(error.absence(), Some(&Slip::Unplugged.absence()));
    assert_eq!(image_on(&two), None, "no blank was asked for");
    is_as_before(&bench);
    bench.tray.put_in(&one);
    bench.tray.will_get(&[&one, &two]);
    let source: &mut (dyn Drive + 'static) = &mut slipping(&bench, Slip::TakenOut);
    let copied = copy(&request, Some(source), &mut drives, bench.desk()).unwrap();
    assert_eq!(copied[0].copies, 2);
}
