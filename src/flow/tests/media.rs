//! Copies in a drive that people change the media of: one after the other, told apart where they
//! can be, and one drive for reading and burning.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::catalog::{Access, Catalog, Fate, Finding};
use crate::drive::fake::{FakeDrive, image_on};
use crate::drive::{Drive, Shelf};
use crate::flow::WaitLimit;
use crate::flow::backup::{BackupReport, BackupRequest, backup};
use crate::flow::base::keys::KeyRing;
use crate::flow::burn::station::Drives;
use crate::flow::care::check::{CheckRequest, Due, check};
use crate::flow::care::copy::{CopyRequest, copy};
use crate::flow::care::rebuild::{RebuildRequest, rebuild};
use crate::flow::restore::{RestoreReport, RestoreRequest, restore};
use crate::flow::service::watch::{WatchReport, WatchRequest, watch};
use crate::flow::staging::area::Staging;
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::status::lost_discs::GivingUp;
use crate::flow::tests::requests::backup_request;
use crate::flow::tests::restore::ring;
use crate::flow::*;
use crate::model::disc::Ratio;
use crate::model::glob::PathGlobs;
use crate::model::{DiscList, DiscNo, Sectors};
use crate::port::fake_operator::FakeOperator;
use crate::port::monitor::Monitor;
use crate::port::operator::Operator;
use crate::port::question::Answer;
use crate::port::recorder::Recorder;
use crate::port::stop::Stop;
use crate::restore::place::OverwritePolicy;
use crate::ui::words::insertion::medium;

pub(in crate::flow) struct FlowBench {
    dir: TempDir,
    pub(in crate::flow) tray: FakeDrive,
    pub(in crate::flow) person: FakeOperator<'static>,
    pub(in crate::flow) monitor: Recorder,
    pub(in crate::flow) stop: Stop,
    parity: Option<u8>,
    parity_discs: Option<Ratio>,
}

impl FlowBench {
    pub(in crate::flow) fn new() -> FlowBench {
        let dir = tempfile::tempdir().unwrap();
        for name in ["source", "one", "two", "three"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("source/a"), "content").unwrap();
        let (tray, monitor) = Default::default();
        let person = FakeOperator::yes();
        FlowBench {
            dir,
            tray,
            person,
            monitor,
            stop: Stop::new(),
            parity: None,
            parity_discs: None,
        }
    }

    pub(in crate::flow) fn with_recovery_discs(ratio: &str) -> FlowBench {
        FlowBench { parity_discs: Ratio::parse(ratio), ..FlowBench::new() }
    }

    pub(in crate::flow) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(in crate::flow) fn context(&self) -> Context<'_> {
        Context {
            monitor: &self.monitor,
            operator: &self.person,
            stop: &self.stop,
            wait_limit: WaitLimit::Endless,
            turn: WaitLimit::AtMost(std::time::Duration::ZERO),
            overwrite: false,
            limits: Default::default(),
        }
    }

    pub(in crate::flow) fn asked(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.person.requests.lock().unwrap());
        requests.iter().map(|request| medium(&request.wanted)).collect()
    }

    fn backup_twice(&self) {
        self.tray.will_get(&[&self.path("one"), &self.path("two")]);
        self.backup(2, Some(&mut Drives::one(Box::new(self.tray.clone()))));
    }

    pub(in crate::flow) fn backup(&self, copies: u32, drives: Option<&mut Drives>) {
        self.try_backup(copies, drives).unwrap();
    }

    pub(in crate::flow) fn try_backup(
        &self,
        copies: u32,
        drives: Option<&mut Drives>,
    ) -> Result<BackupReport, FlowError> {
        let drives = drives.map(std::slice::from_mut).unwrap_or_default();
        self.backup_in(copies, drives, self.context())
    }

    /// Into several drives at once.
    pub(in crate::flow) fn backup_to(&self, copies: u32, drives: &mut [Drives]) {
        self.backup_in(copies, drives, self.context()).unwrap();
    }

    /// Packs and stages, and tells this monitor.
    pub(in crate::flow) fn try_backup_with(
        &self,
        monitor: &Monitor,
    ) -> Result<BackupReport, FlowError> {
        self.backup_in(1, &mut [], Context { monitor, ..self.context() })
    }

    pub(in crate::flow) fn backup_in(
        &self,
        copies: u32,
        drives: &mut [Drives],
        context: Context,
    ) -> Result<BackupReport, FlowError> {
        let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
        let disc_size = DiscSize::typed(Sectors(2000));
        let request = BackupRequest {
            source: self.path("source").canonicalize().unwrap(),
            parity: self.parity,
            parity_discs: self.parity_discs.map(Some),
            copies: Some(copies),
            ..backup_request(self.dir.path(), "films", disc_size, ring(&ask, false))
        };
        backup(&request, drives, context)
    }

    pub(in crate::flow) fn watch(&self, operator: &dyn Operator) -> Result<WatchReport, FlowError> {
        self.watch_until(true, operator)
    }

    /// Until nothing is left to burn, or for ever.
    pub(in crate::flow) fn watch_until(
        &self,
        until_done: bool,
        operator: &dyn Operator,
    ) -> Result<WatchReport, FlowError> {
        let mut drives = [Drives::one(Box::new(self.tray.clone()))];
        self.watch_in(&mut drives, until_done, operator)
    }

    pub(in crate::flow) fn watch_in(
        &self,
        drives: &mut [Drives],
        until_done: bool,
        operator: &dyn Operator,
    ) -> Result<WatchReport, FlowError> {
        let request = WatchRequest {
            devices: vec!["/dev/fake".into(); drives.len()],
            catalog: self.path("catalog.sqlite"),
            staging: self.path("staging"),
            scratch: self.path("staging/scratch"),
            until_done,
            trust: Default::default(),
        };
        watch(&request, drives, Context { operator, ..self.context() })
    }

    /// The only archive of disc 1.
    fn staged_archive(&self) -> PathBuf {
        let catalog = Catalog::open(&self.path("catalog.sqlite"), Access::Read).unwrap();
        let set = catalog.sets().unwrap().remove(0);
        let staging = Staging::open(&self.path("staging")).unwrap();
        let archives = staging.disc_dir(&set, DiscNo(1)).join("archives");
        fs::read_dir(archives).unwrap().next().unwrap().unwrap().path()
    }

    /// What the drills of disc 1 found.
    pub(in crate::flow) fn drills(&self) -> Vec<Finding> {
        let catalog = Catalog::open(&self.path("catalog.sqlite"), Access::Read).unwrap();
        let set = catalog.sets().unwrap().remove(0);
        catalog.drills(set.id, DiscNo(1)).unwrap().iter().map(|drill| drill.finding).collect()
    }

    /// What was found whenever a copy of disc 1 was read.
    pub(in crate::flow) fn findings(&self) -> Vec<Finding> {
        let catalog = Catalog::open(&self.path("catalog.sqlite"), Access::Read).unwrap();
        let set = catalog.sets().unwrap().remove(0);
        let seen = catalog.verifications(set.id, DiscNo(1)).unwrap();
        seen.into_iter().map(|seen| seen.outcome.finding()).collect()
    }

    /// State and medium of each copy of disc 1.
    pub(in crate::flow) fn copies(&self) -> Vec<(String, String)> {
        let catalog = Catalog::open(&self.path("catalog.sqlite"), Access::Read).unwrap();
        let set = catalog.sets().unwrap().remove(0);
        let copies = catalog.copies(set.id, DiscNo(1)).unwrap();
        copies.into_iter().map(|c| (c.state.word().to_owned(), c.medium.to_string())).collect()
    }

    fn check(&self, due: Due, media: &[&str]) -> crate::flow::care::check::CheckReport {
        self.tray.take_out();
        let media: Vec<PathBuf> = media.iter().map(|name| self.path(name)).collect();
        self.tray.will_get(&media.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        let (from, catalog) = ("/dev/fake".into(), self.path("catalog.sqlite"));
        let request = CheckRequest { from, catalog, name: None, due, trust: Default::default() };
        check(&request, Some(&mut self.tray.clone()), self.context()).unwrap()
    }
}

pub(in crate::flow) fn is_copy(one: &Path, other: &Path) {
    let read = |dir: &Path| fs::read(image_on(dir).unwrap()).unwrap();
    assert!(read(one) == read(other));
}

#[test]
fn each_copy_gets_a_blank_of_its_own_and_is_ejected() {
    let bench = FlowBench::new();
    bench.backup_twice();
    is_copy(&bench.path("one"), &bench.path("two"));
    let medium = |maker: &str| ("ok".to_owned(), format!("BD-R {maker}, burned in F"));
    assert_eq!(bench.copies(), [medium("one"), medium("two")]);
    assert_eq!(bench.tray.inside(), None, "it was ejected");
    let asked = bench.asked();
    assert!(
        asked[0].ends_with("(copy 1 of 2)") && asked[1].ends_with("(copy 2 of 2)"),
        "{asked:?}"
    );
    let notes = bench.monitor.words();
    assert!(notes.iter().any(|note| note.ends_with("label it 0001_FILMS, copy 2")), "{notes:?}");
}

/// The first copy is in the drive again, when the second one is to be burned: it is no second.
#[test]
fn a_copy_that_is_put_in_again_is_not_counted_twice() {
    let bench = FlowBench::new();
    bench.backup_twice();
    let (one, three) = (bench.path("one"), bench.path("three"));
    bench.tray.will_get(&[&one, &one, &three]);
    let request = CopyRequest {
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        name: None,
        discs: DiscList::of(&[DiscNo(1)]),
        from: Some("/dev/fake".into()),
        trust: Default::default(),
    };
    let mut drives = [Drives::one(Box::new(bench.tray.clone()))];
    let source: &mut (dyn Drive + 'static) = &mut bench.tray.clone();
    let copied = copy(&request, Some(source), &mut drives, bench.context()).unwrap();
    assert_eq!(copied[0].copies, 3);
    is_copy(&one, &three);
    assert_eq!(bench.copies().len(), 3);
    assert!(fs::read_dir(bench.path("staging/scratch")).unwrap().next().is_none());
}

#[test]
fn copies_that_are_due_are_asked_for_and_taken_in_any_order() {
    let bench = FlowBench::new();
    bench.backup_twice();
    bench.asked();
    let report = bench.check(Due::Count(2), &["three", "two", "one"]);
    assert!(report.is_sound());
    let read: Vec<u32> = report.checked.iter().map(|copy| copy.copy.0).collect();
    assert_eq!(read, [1, 2]);
    assert_eq!(bench.tray.still_to_come(), 0, "each medium was read once");
    assert!(bench.asked()[0].starts_with("disc 1 of films, copy 1"));
    let report = bench.check(Due::Count(1), &[]);
    assert_eq!(report.missing.len(), 1, "nobody came");
}

#[test]
fn damage_in_a_drive_is_recorded_with_its_copy() {
    let bench = FlowBench::new();
    bench.backup_twice();
    let image = image_on(&bench.path("one")).unwrap();
    let mut bytes = fs::read(&image).unwrap();
    let script = bytes.windows(11).position(|window| window == b"#!/bin/bash").unwrap();
    bytes[script] ^= 1;
    fs::write(&image, bytes).unwrap();
    let report = bench.check(Due::OlderThan(Duration::ZERO), &["one", "two"]);
    let found: Vec<Finding> = report.checked.iter().map(|copy| copy.checked.finding()).collect();
    assert!(found.contains(&Finding::Damaged) && found.contains(&Finding::Ok), "{found:?}");
    assert_eq!(bench.copies().iter().filter(|(state, _)| state == "ok").count(), 1);
}

#[test]
fn who_watches_a_drive_drills_what_nobody_drilled_before_it_is_burned() {
    let bench = FlowBench::new();
    bench.backup(1, None);
    assert_eq!(bench.drills(), []);
    bench.tray.will_get(&[&bench.path("one")]);
    let report = bench.watch(&bench.person).unwrap();
    assert_eq!((report.burned, report.failures), (vec![("films".to_owned(), 1)], 0));
    assert_eq!(bench.drills(), [Finding::Ok]);
}

#[test]
fn who_watches_a_drive_spends_no_blank_on_a_disc_that_stock_tools_cannot_open() {
    let bench = FlowBench::new();
    bench.backup(1, None);
    let archive = bench.staged_archive();
    let mut bytes = fs::read(&archive).unwrap();
    // In the checksum of the first block: a bit of a table that no byte uses would change nothing.
    bytes[12] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let one = bench.path("one");
    bench.tray.will_get(&[&one]);
    // Somebody who goes home when they are called for the second time.
    let called = AtomicU32::new(0);
    let person = FakeOperator::always(Answer::NobodyThere).inserting(|_| {
        if called.fetch_add(1, Ordering::Relaxed) == 1 {
            bench.stop.ask(15);
        }
    });
    assert!(matches!(bench.watch(&person), Err(FlowError::Stopped(_))));
    assert_eq!(bench.drills(), [Finding::Damaged]);
    assert_eq!((image_on(&one), bench.tray.inside()), (None, None), "the blank was ejected");
    let notes = bench.monitor.words();
    let said = |words: &str| notes.iter().any(|note| note.contains(words));
    assert!(said("cannot be read with standard tools"), "{notes:?}");
}

pub(in crate::flow) fn fill_two_discs(bench: &FlowBench) {
    for n in 0..3_u64 {
        let mut state = n + 1;
        let noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let content: Vec<u8> = std::iter::repeat_with(noise).take(1_500_000).collect();
        fs::write(bench.path(&format!("source/film{n}")), content).unwrap();
    }
}

/// The discs of a set with recovery discs, each in a folder of its own: what goes into the tray.
fn discs_for_the_tray(bench: &FlowBench) -> Vec<PathBuf> {
    fill_two_discs(bench);
    let shelf = bench.path("shelf");
    fs::create_dir(&shelf).unwrap();
    bench.backup(1, Some(&mut Drives::one(Box::new(Shelf::open(&shelf).unwrap()))));
    let place = |number: usize| {
        let dir = bench.path(&format!("disc{number}"));
        fs::create_dir(&dir).unwrap();
        let name = format!("films-{number:04}.iso");
        fs::rename(shelf.join(&name), dir.join(name)).unwrap();
        dir
    };
    (1..=3).map(place).collect()
}

pub(in crate::flow) fn restore_from_the_tray(bench: &FlowBench) -> RestoreReport {
    restore_from(bench, &mut bench.tray.clone(), bench.context()).unwrap()
}

pub(in crate::flow) fn restore_from(
    bench: &FlowBench,
    drive: &mut (dyn Drive + 'static),
    context: Context,
) -> Result<RestoreReport, FlowError> {
    let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
    restore(&restore_request(bench, ring(&ask, false)), vec![Some(drive)], context)
}

fn restore_request<'a>(bench: &FlowBench, keys: KeyRing<'a>) -> RestoreRequest<'a> {
    RestoreRequest {
        trust: Default::default(),
        from: vec!["/dev/fake".into()],
        target: bench.path("back"),
        catalog: bench.path("catalog.sqlite"),
        name: None,
        snapshot: None,
        paths: PathGlobs::default(),
        overwrite: OverwritePolicy::Never,
        owners: false,
        rights: crate::flow::library::vouching::Rights::Restore,
        keys,
        dry_run: false,
        scratch: bench.path("scratch"),
    }
}

#[test]
fn a_dry_run_counts_how_often_the_disc_in_the_drive_must_be_changed() {
    for (inside, then, changes) in [(0, &[1][..], 1), (1, &[0, 1], 2)] {
        let bench = FlowBench::with_recovery_discs("1/2");
        let discs = discs_for_the_tray(&bench);
        bench.tray.will_get(&[&discs[inside]]);
        let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
        let request = restore_request(&bench, ring(&ask, false));
        let dry_run = RestoreRequest { dry_run: true, ..request };
        let plan = restore(&dry_run, vec![Some(&mut bench.tray.clone())], bench.context()).unwrap();
        assert_eq!((&plan.discs[..], plan.media_changes), (&[1, 2].map(DiscNo)[..], changes));
        assert_eq!(plan.missing_discs, [], "they are asked for");
        assert_eq!(plan.bytes_to_read, 3 * 1_500_000 + 7);
        bench.asked();
        // As many as the run asks for.
        let then: Vec<&Path> = then.iter().map(|&disc| discs[disc].as_path()).collect();
        bench.tray.will_get(&then);
        assert!(restore_from_the_tray(&bench).is_complete());
        assert_eq!(bench.asked().len() as u64, changes);
    }
}

#[test]
fn a_disc_that_never_comes_is_made_again_from_discs_that_come_one_after_the_other() {
    for is_told in [false, true] {
        let bench = FlowBench::with_recovery_discs("1/2");
        let [one, two, three] = &discs_for_the_tray(&bench)[..] else { panic!() };
        fs::remove_dir_all(two).unwrap();
        if is_told {
            let (catalog, staging) = (bench.path("catalog.sqlite"), bench.path("staging"));
            let discs = DiscList::of(&[DiscNo(2)]);
            GivingUp::weigh(&catalog, &staging, None, &discs, None, Fate::Lost, bench.context())
                .unwrap()
                .record()
                .unwrap();
        }
        bench.asked();
        // Nobody has disc 2, of which the catalog knows only if it was told.
        let media: &[&Path] =
            if is_told { &[one, three] } else { &[one, &bench.path("no"), one, three] };
        bench.tray.will_get(media);
        let report = restore_from_the_tray(&bench);
        assert!(report.is_complete(), "{report:?}\n{:?}", bench.monitor.words());
        for name in ["a", "film0", "film1", "film2"] {
            let read = |dir: &str| fs::read(bench.path(dir).join(name)).unwrap();
            assert!(read("source") == read("back"), "{name}");
        }
        assert_eq!(
            bench.asked().iter().filter(|words| words.contains("disc 2")).count(),
            usize::from(!is_told)
        );
        assert_eq!(fs::read_dir(bench.path("scratch")).unwrap().count(), 0);
    }
}

/// The drive gives it away afterwards, so what is damaged of its listings is repaired while it is
/// there.
#[test]
fn a_damaged_disc_in_a_drive_is_repaired_before_a_catalog_is_made_of_it() {
    let bench = FlowBench { parity: Some(40), ..FlowBench::new() };
    let one = bench.path("one");
    bench.tray.will_get(&[&one]);
    bench.backup(1, Some(&mut Drives::one(Box::new(bench.tray.clone()))));
    let image = image_on(&one).unwrap();
    let found = Shelf::open(&one).unwrap().discs().unwrap().discs.remove(0);
    let mut bytes = fs::read(&image).unwrap();
    for name in ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "catalog.sqlite.bz2"] {
        let place = found.file(name).unwrap().places().next().unwrap().start as usize;
        bytes[place..place + 2048].fill(0);
    }
    fs::write(&image, bytes).unwrap();
    fs::remove_file(bench.path("catalog.sqlite")).unwrap();
    let ask = |_: crate::port::passphrase::PassphraseRequest| Err(FlowError::NotAgreed);
    let request = RebuildRequest {
        from: vec!["/dev/fake".into()],
        catalog: bench.path("catalog.sqlite"),
        staging: bench.path("staging"),
        name: None,
        keys: ring(&ask, false),
        replace: false,
        scratch: bench.path("scratch"),
        trust: Default::default(),
    };
    bench.tray.will_get(&[&one]);
    let report =
        rebuild(&request, vec![Some(Box::new(bench.tray.clone()))], bench.context()).unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.sets[0].catalog_of, Some(DiscNo(1)));
    assert_eq!(fs::read_dir(bench.path("scratch")).unwrap().count(), 0);
    // What was in the drive is a copy, and not what was copied from it.
    let (_, medium) = &bench.copies()[0];
    assert!(!medium.starts_with("files in "), "{medium}");
}
