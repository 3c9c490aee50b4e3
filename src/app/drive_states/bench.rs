//! What the table of verbs and states is tried with: a set, a drive in a state, and each verb.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::super::{RunError, exit_of, verbs};
use super::table::{DriveCommand, DriveState};
use crate::catalog::{Access, Catalog, Finding, KnownSet};
use crate::drive::fake::{Act, Condition, FOREIGN, FakeDrive, PATH, ROOM, image_on};
use crate::drive::{Drive, DriveError, Shelf};
use crate::flow::WaitLimit;
use crate::flow::backup::{BackupRequest, backup};
use crate::flow::base::keys::{KeyRing, SettingOrigin};
use crate::flow::burn::station::{Drives, Station};
use crate::flow::care::check::{CheckRequest, Due, check};
use crate::flow::care::copy::{CopyRequest, copy};
use crate::flow::care::rebuild::{RebuildRequest, rebuild};
use crate::flow::care::rescue::{RescueRequest, rescue};
use crate::flow::care::verify::{VerifyRequest, verify_from};
use crate::flow::drill::{DrillRequest, drill};
use crate::flow::restore::{RestoreRequest, restore};
use crate::flow::service::migrate::{MigrateRequest, migrate};
use crate::flow::service::watch::{WatchRequest, watch};
use crate::flow::staging::area::Staging;
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::status::latest::StatusLimits;
use crate::flow::status::query::{SetGlance, glance};
use crate::flow::tests::requests::backup_request;
use crate::flow::{Context, FlowError};
use crate::model::glob::PathGlobs;
use crate::model::{Bytes, DiscList, DiscNo, SetName};
use crate::port::clock::Moment;
use crate::port::operator::Nobody;
use crate::port::recorder::Recorder;
use crate::port::stop::Stop;
use crate::restore::place::OverwritePolicy;
use crate::ui::exit::Exit;
use crate::ui::words::dangers;

/// A set with a verified disc 1, a copy of it on a shelf, and disc 2 in the staging area; always at
/// the same place, and made once: each trial works on it as it was.
pub struct DriveStateBench {
    dir: TempDir,
    stop: Stop,
    pub monitor: Recorder,
    pub drive: FakeDrive,
}

impl DriveStateBench {
    pub fn new() -> DriveStateBench {
        let dir = tempfile::tempdir().unwrap();
        let (stop, monitor, drive) = Default::default();
        let bench = DriveStateBench { dir, stop, monitor, drive };
        bench.make();
        fs::rename(bench.path(""), bench.dir.path().join("pattern")).unwrap();
        bench
    }

    fn make(&self) {
        for name in ["source", "blank", "ours", "unverified", "foreign", "shelf", "target"] {
            fs::create_dir_all(self.path(name)).unwrap();
        }
        fs::write(self.path("foreign").join(FOREIGN), vec![7; 40 << 11]).unwrap();
        fs::write(self.path("source/a"), "what is on disc 1").unwrap();
        self.drive.put_in(&self.path("ours"));
        self.backup(true).unwrap();
        let image = image_on(&self.path("ours")).unwrap();
        fs::copy(&image, self.path("shelf").join(image.file_name().unwrap())).unwrap();
        fs::write(self.path("source/b"), "what waits for disc 2").unwrap();
        assert!(matches!(self.backup(true), Err(FlowError::NeverCame { .. })));
        let work = self.path("");
        keep(&work, "before");
        self.drive.put_in(&self.path("unverified"));
        let at_burn = work.clone();
        self.drive.at_each_act(move |_, act| {
            if let Act::Burned = act {
                keep(&at_burn, "killed");
            }
            Ok(())
        });
        assert_eq!(self.run(DriveCommand::Burn), 0);
        bring_back(&work, "before");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("work").join(name)
    }

    /// All as it was made, and the drive in this state.
    pub fn anew(&mut self, state: DriveState) {
        remove(&self.path(""));
        copy_tree(&self.dir.path().join("pattern"), &self.path(""));
        if state == DriveState::OursUnverified {
            bring_back(&self.path(""), "killed");
        }
        (self.stop, self.monitor, self.drive) = Default::default();
        self.drive.stops(&self.stop);
        let medium = match state {
            DriveState::Empty => None,
            DriveState::Blank | DriveState::Refusing => Some("blank"),
            DriveState::OursUnverified => Some("unverified"),
            DriveState::Foreign => Some("foreign"),
            _ => Some("ours"),
        };
        medium.into_iter().for_each(|name| self.drive.put_in(&self.path(name)));
        self.drive.is(match state {
            DriveState::InUse => Condition::InUse,
            DriveState::Gone => Condition::Gone,
            DriveState::Hanging => Condition::Hangs,
            _ => Condition::Works,
        });
        if state == DriveState::Refusing {
            self.drive.at_each_act(|drive, act| match act {
                Act::Burn(_) => {
                    let (drive, words) = (drive.title(), "no such medium (sense 5/30/05)".into());
                    Err(DriveError::NotBegun { drive, words, remedy: None })
                }
                _ => Ok(()),
            });
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            monitor: &self.monitor,
            operator: &Nobody,
            stop: &self.stop,
            wait_limit: WaitLimit::AtMost(Duration::ZERO),
            turn: WaitLimit::AtMost(Duration::ZERO),
            overwrite: false,
            limits: Default::default(),
        }
    }

    fn burner(&self) -> Drives {
        Drives::one(Box::new(self.drive.clone()))
    }

    pub fn run(&self, verb: DriveCommand) -> u8 {
        let ended = match verb {
            DriveCommand::Backup => self.backup(true),
            DriveCommand::Burn => self.burn(),
            DriveCommand::Restore => self.restore(),
            DriveCommand::Verify => self.verify(),
            DriveCommand::Check => self.check(),
            DriveCommand::CopyFrom => self.copy(true),
            DriveCommand::CopyTo => self.copy(false),
            DriveCommand::Drill => self.drill(),
            DriveCommand::Migrate => self.migrate(),
            DriveCommand::Watch => self.watch(),
            DriveCommand::Rebuild => self.rebuild(),
            DriveCommand::Rescue => self.rescue(),
            DriveCommand::Status => self.status(),
        };
        ended.unwrap_or_else(|error| exit_of(&RunError::Flow(error))).code()
    }

    fn backup(&self, flush: bool) -> Result<Exit, FlowError> {
        let (dir, disc_size) = (&self.path(""), DiscSize::typed(ROOM));
        let request = BackupRequest {
            flush,
            copies: Some(1),
            ..backup_request(dir, name().as_str(), disc_size, keys())
        };
        backup(&request, &mut [self.burner()], self.context()).map(|_| Exit::Done)
    }

    fn burn(&self) -> Result<Exit, FlowError> {
        let staging = Staging::open(&self.path("staging"))?;
        let mut catalog = Catalog::open(&self.path("catalog.sqlite"), Access::Write)?;
        let set = set(&catalog);
        let (drives, context) = (&mut self.burner(), self.context());
        let mut station = Station { staging: &staging, set: &set, drives, context };
        station.burn_waiting(&mut catalog, |_| true).map(|_| Exit::Done)
    }

    fn restore(&self) -> Result<Exit, FlowError> {
        let request = RestoreRequest {
            from: vec![PATH.into()],
            target: self.path("target"),
            catalog: self.path("catalog.sqlite"),
            name: None,
            snapshot: None,
            paths: PathGlobs::new(&["a"]).unwrap(),
            overwrite: OverwritePolicy::Never,
            owners: false,
            rights: crate::flow::library::vouching::Rights::Restore,
            keys: keys(),
            dry_run: false,
            trust: Default::default(),
            scratch: self.path("scratch"),
        };
        let report = restore(&request, vec![Some(&mut self.drive.clone())], self.context())?;
        Ok(match (report.lacks_discs(), report.is_complete()) {
            (true, _) => Exit::DiscMissing,
            (false, complete) => {
                if complete {
                    Exit::Done
                } else {
                    Exit::Incomplete
                }
            }
        })
    }

    fn verify(&self) -> Result<Exit, FlowError> {
        let request = VerifyRequest {
            from: PATH.into(),
            catalog: self.path("catalog.sqlite"),
            name: None,
            trust: Default::default(),
            scratch: self.path("scratch"),
            keys: None,
            is_of_stack: false,
        };
        let report = verify_from(&request, Some(&mut self.drive.clone()), self.context())?;
        Ok(if report.is_sound() { Exit::Done } else { Exit::Damage })
    }

    fn check(&self) -> Result<Exit, FlowError> {
        let (from, catalog) = (PATH.into(), self.path("catalog.sqlite"));
        let request = CheckRequest {
            from,
            catalog,
            name: None,
            due: Due::Count(1),
            trust: Default::default(),
        };
        let report = check(&request, Some(&mut self.drive.clone()), self.context())?;
        let missing = if report.missing.is_empty() { Exit::Done } else { Exit::DiscMissing };
        Ok(missing.and(if report.is_sound() { Exit::Done } else { Exit::Damage }))
    }

    fn copy(&self, from_drive: bool) -> Result<Exit, FlowError> {
        let shelf = self.path(if from_drive { "target" } else { "shelf" });
        let from = if from_drive { PATH.into() } else { shelf.clone() };
        let request = CopyRequest {
            catalog: self.path("catalog.sqlite"),
            staging: self.path("staging"),
            name: None,
            discs: DiscList::of(&[DiscNo(1)]),
            from: Some(from),
            trust: Default::default(),
        };
        let mut source = self.drive.clone();
        let source: Option<&mut (dyn Drive + 'static)> =
            if from_drive { Some(&mut source) } else { None };
        let mut drives = match from_drive {
            true => Drives::one(Box::new(Shelf::open(&shelf)?)),
            false => self.burner(),
        };
        copy(&request, source, std::slice::from_mut(&mut drives), self.context())
            .map(|_| Exit::Done)
    }

    fn drill(&self) -> Result<Exit, FlowError> {
        let request = DrillRequest {
            catalog: self.path("catalog.sqlite"),
            staging: self.path("staging"),
            from: Some(PATH.into()),
            name: None,
            discs: Vec::new(),
            all: false,
            keys: keys(),
            trust: Default::default(),
        };
        let drilled = drill(&request, Some(&mut self.drive.clone()), self.context())?;
        let is_sound = drilled.is_sound();
        Ok(if is_sound { Exit::Done } else { Exit::Damage })
    }

    fn migrate(&self) -> Result<Exit, FlowError> {
        let request = MigrateRequest {
            bzip2: Default::default(),
            catalog: self.path("catalog.sqlite"),
            staging: self.path("staging"),
            name: None,
            discs: Some(DiscList::of(&[DiscNo(1)])),
            from: Some(self.path("shelf")),
            disc_size: DiscSize::typed(ROOM),
            archive_size: Bytes(1 << 20),
            keys: keys(),
            signer: None,
            drill: true,
            trust: Default::default(),
        };
        let report = migrate(&request, None, &mut self.burner(), self.context())?;
        Ok(if report.failed > 0 { Exit::Incomplete } else { Exit::Done })
    }

    fn watch(&self) -> Result<Exit, FlowError> {
        let request = WatchRequest {
            devices: vec![PATH.into()],
            catalog: self.path("catalog.sqlite"),
            staging: self.path("staging"),
            scratch: self.path("scratch"),
            until_done: true,
            trust: Default::default(),
        };
        let report = watch(&request, &mut [self.burner()], self.context())?;
        Ok(match (report.damaged, report.failures) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Incomplete,
            _ => Exit::Damage,
        })
    }

    /// Of a catalog that is lost.
    fn rebuild(&self) -> Result<Exit, FlowError> {
        remove(&self.path("catalog.sqlite"));
        let request = RebuildRequest {
            from: vec![PATH.into()],
            catalog: self.path("catalog.sqlite"),
            staging: self.path("staging"),
            name: None,
            keys: keys(),
            replace: false,
            scratch: self.path("scratch"),
            trust: Default::default(),
        };
        let drive: Box<dyn Drive> = Box::new(self.drive.clone());
        let report = rebuild(&request, vec![Some(drive)], self.context())?;
        Ok(if report.is_complete() { Exit::Done } else { Exit::Incomplete })
    }

    fn rescue(&self) -> Result<Exit, FlowError> {
        let image = self.path("target/rescued.iso");
        let request = RescueRequest {
            from: vec![PATH.into()],
            map: image.with_extension("map"),
            image,
            scratch: self.path("scratch"),
            catalog: self.path("catalog.sqlite"),
            trust: Default::default(),
        };
        let report = rescue(&request, &|_, _| self.drive.sectors(), self.context())?;
        Ok(if report.is_whole() { Exit::Done } else { Exit::Incomplete })
    }

    fn glance(&self) -> Result<Vec<SetGlance>, FlowError> {
        let (catalog, staging) = (self.path("catalog.sqlite"), self.path("staging"));
        glance(&catalog, &staging, None, &|_| StatusLimits::default(), Moment::now())
    }

    fn status(&self) -> Result<Exit, FlowError> {
        let worst = self.glance()?.iter().map(|set| set.safety.verdict()).min();
        Ok(verbs::status::exit(worst.unwrap_or_default()))
    }

    /// What `status` says of discs that are to be given up.
    pub fn advice_to_retire(&self) -> Vec<String> {
        let sets = self.glance().unwrap_or_default().into_iter();
        let dangers = sets.flat_map(|set| set.safety.dangers);
        let dangers = dangers.map(|one| dangers::danger(&one, Moment::now()));
        dangers.filter(|words| words.contains("retire")).collect()
    }

    /// How often reading or drilling a disc is recorded to have found damage.
    pub fn damage_on_record(&self) -> usize {
        let Ok(catalog) = Catalog::open(&self.path("catalog.sqlite"), Access::Read) else {
            return 0;
        };
        let found = catalog.sets().unwrap().into_iter().flat_map(|set| {
            let discs = catalog.discs(set.id).unwrap();
            let numbers: Vec<DiscNo> = discs.iter().map(|disc| disc.number).collect();
            let read = numbers.iter().flat_map(|no| catalog.verifications(set.id, *no).unwrap());
            let drilled = numbers.iter().flat_map(|no| catalog.drills(set.id, *no).unwrap());
            let findings = read.map(|read| read.outcome.finding());
            findings.chain(drilled.map(|drill| drill.finding)).collect::<Vec<_>>()
        });
        found.filter(|found| *found != Finding::Ok).count()
    }
}

fn name() -> SetName {
    SetName::new("films").unwrap()
}

fn keys() -> KeyRing<'static> {
    KeyRing {
        passphrase: &|_| Err(FlowError::NotAgreed),
        encrypt: false,
        plain: None,
        named: None,
        recipients: Vec::new(),
        recipients_named: SettingOrigin::Typed,
        new_recipients: false,
        note: &|_| (),
        hidden: false,
        secret_key: None,
        tries: 1,
    }
}

fn set(catalog: &Catalog) -> KnownSet {
    catalog.sets().unwrap().remove(0)
}

/// What the catalog and the staging area are like now.
fn keep(work: &Path, name: &str) {
    for entry in fs::read_dir(work).unwrap().map(|entry| entry.unwrap()) {
        if is_program_s(&entry.file_name().to_string_lossy()) {
            copy_tree(&entry.path(), &work.join(name).join(entry.file_name()));
        }
    }
}

fn bring_back(work: &Path, name: &str) {
    for entry in fs::read_dir(work).unwrap().map(|entry| entry.unwrap()) {
        if is_program_s(&entry.file_name().to_string_lossy()) {
            remove(&entry.path());
        }
    }
    copy_tree(&work.join(name), work);
}

fn is_program_s(name: &str) -> bool {
    name.starts_with("catalog.sqlite") || name == "staging"
}

fn copy_tree(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy_tree(&entry.path(), &to.join(entry.file_name()));
    }
}

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}
