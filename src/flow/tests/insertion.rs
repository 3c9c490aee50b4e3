//! Which disc is asked for, in which words, and what becomes of another one that is put in.

use std::fs;
use std::path::PathBuf;

use crate::drive::fake::{Act, FakeDrive, image_on};
use crate::drive::{Drive, DriveError, Shelf};
use crate::flow::burn::station::Drives;
use crate::flow::drill::{DrillRequest, DrilledDisc, drill};
use crate::flow::tests::media::{FlowBench, fill_two_discs, restore_from_the_tray};
use crate::flow::tests::restore::ring;
use crate::flow::*;
use crate::model::DiscNo;

/// A set of two discs, each in a folder of its own: what goes into the tray.
pub(in crate::flow) fn two_discs(bench: &FlowBench) -> [PathBuf; 2] {
    fill_two_discs(bench);
    let shelf = bench.path("shelf");
    fs::create_dir(&shelf).unwrap();
    bench.backup(1, Some(&mut Drives::one(Box::new(Shelf::open(&shelf).unwrap()))));
    [1, 2].map(|number| {
        let dir = bench.path(&format!("disc{number}"));
        fs::create_dir(&dir).unwrap();
        let name = format!("films-{number:04}.iso");
        fs::rename(shelf.join(&name), dir.join(name)).unwrap();
        dir
    })
}

fn noted(bench: &FlowBench, words: &str) -> bool {
    bench.monitor.words().iter().any(|note| note.contains(words))
}

#[test]
fn without_a_catalog_a_later_disc_is_asked_for_where_the_one_at_hand_knows_too_little() {
    let bench = FlowBench::new();
    let [one, two] = &two_discs(&bench);
    fs::remove_file(bench.path("catalog.sqlite")).unwrap();
    bench.tray.put_in(one);
    bench.tray.will_get(&[two, one, two]);
    let report = restore_from_the_tray(&bench);
    assert!(report.is_complete(), "{report:?}");
    assert!(noted(&bench, "disc 1 was written before the whole snapshot was on discs"));
    let asked = bench.asked();
    assert!(asked[0].starts_with("the disc of films with the highest number"), "{asked:?}");
    for name in ["a", "film0", "film1", "film2"] {
        let read = |dir: &str| fs::read(bench.path(dir).join(name)).unwrap();
        assert!(read("source") == read("back"), "{name}");
    }
}

#[test]
fn who_has_no_later_disc_gets_back_what_the_first_one_has() {
    let bench = FlowBench::new();
    let [one, _] = &two_discs(&bench);
    fs::remove_file(bench.path("catalog.sqlite")).unwrap();
    bench.tray.put_in(one);
    bench.tray.will_get(&[one]);
    let report = restore_from_the_tray(&bench);
    assert!(report.later_discs && report.lacks_discs() && report.restored > 0, "{report:?}");
    assert_eq!(bench.asked().len(), 1, "it was put in again, and that is an answer");
}

fn drill_the_second(bench: &FlowBench) -> Result<Vec<DrilledDisc>, FlowError> {
    let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
    let request = DrillRequest {
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        from: Some("/dev/fake".into()),
        name: None,
        discs: vec![DiscNo(2)],
        all: false,
        keys: ring(&ask, false),
        trust: Default::default(),
    };
    let drive: &mut (dyn Drive + 'static) = &mut bench.tray.clone();
    drill(&request, Some(drive), bench.context()).map(|report| report.discs)
}

#[test]
fn a_drill_asks_for_the_disc_that_was_named_and_hands_another_one_out() {
    let bench = FlowBench::new();
    let [one, two] = &two_discs(&bench);
    bench.tray.put_in(one);
    bench.tray.will_get(&[one, two]);
    let drilled = drill_the_second(&bench).unwrap();
    assert_eq!(drilled.iter().map(|disc| disc.number).collect::<Vec<_>>(), [DiscNo(2)]);
    let asked = bench.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.iter().all(|words| words.starts_with("disc 2 of films")), "{asked:?}");
    assert!(noted(&bench, "ejecting it"));
}

#[test]
fn a_drill_whose_disc_never_comes_says_so() {
    let bench = FlowBench::new();
    let [one, _] = &two_discs(&bench);
    bench.tray.will_get(&[one]);
    let error = drill_the_second(&bench).unwrap_err();
    let FlowError::NeverCame { wanted, .. } = &error else { panic!("{error}") };
    assert_eq!(wanted.first_disc().unwrap().disc, DiscNo(2));
    assert!(error.to_string().contains("disc 2 of films"), "{error}");
    assert_eq!(bench.tray.inside(), None, "the wrong one was ejected");
}

/// A drive that does not write to this kind of blank, for one.
fn refuse(drive: &FakeDrive, act: Act) -> Result<(), DriveError> {
    match act {
        Act::Burn(_) => {
            let (drive, words) = (drive.title(), "no such medium (sense 5/30/05)".to_owned());
            Err(DriveError::NotBegun { drive, words, remedy: None })
        }
        _ => Ok(()),
    }
}

#[test]
fn a_blank_that_is_refused_before_its_first_byte_stays_and_no_other_is_asked_for() {
    let bench = FlowBench::new();
    let (one, two) = (bench.path("one"), bench.path("two"));
    bench.tray.will_get(&[&one, &two]);
    bench.tray.at_each_act(refuse);
    let drives = || Drives::one(Box::new(bench.tray.clone()));
    let error = bench.try_backup(2, Some(&mut drives())).unwrap_err();
    assert!(matches!(error, FlowError::Drive(DriveError::NotBegun { .. })), "{error}");
    let asked = bench.asked();
    assert_eq!((asked.len(), bench.tray.still_to_come()), (1, 1), "{asked:?}");
    assert_eq!(bench.tray.inside(), Some(one.clone()), "it stays in the drive");
    assert!(!noted(&bench, "retrying on the next blank"));
    assert_eq!((image_on(&one), bench.copies()), (None, Vec::new()), "as it was");
    bench.tray.at_each_act(|_, _| Ok(()));
    bench.backup(2, Some(&mut drives()));
    assert!(image_on(&one).is_some() && image_on(&two).is_some());
    let asked = bench.asked();
    assert!(asked.len() == 1 && asked[0].ends_with("(copy 2 of 2)"), "{asked:?}");
}
