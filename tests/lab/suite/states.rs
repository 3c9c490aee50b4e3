//! What coldcut does in each state of a drive: the table of its own test, which runs on a drive
//! that is only a value, once more under a real kernel. Three commands in each state; with
//! `scripts/lab.sh --long` all of them.

#[path = "../../../src/app/drive_states/table.rs"]
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{
    FinishedProgram, Lab, RunningProgram, is_long, noise, somebody_burns, tool, until,
};
use table::{DriveCommand, DriveState, STATES, TABLE};

const SECTORS: u32 = 2048;
const SHORT: [DriveCommand; 3] =
    [DriveCommand::Verify, DriveCommand::Backup, DriveCommand::Restore];
const BUSY: &str = "is in use by another program";

/// What changed a drive or a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DriveAction {
    Eject,
    Burn,
}

/// A set with a verified disc 1 (`ours`), a copy of it on a shelf, disc 2 in the staging area and
/// burned by a run that was killed (`unverified`); catalogs and staging areas of before and after
/// that are kept, and each trial gets its own.
struct LabStateBench {
    lab: Lab,
    one: String,
    two: String,
    trials: u32,
    wrong: Vec<String>,
}

/// A command that was started in a drive.
struct StateTrial {
    verb: DriveCommand,
    dir: PathBuf,
    run: RunningProgram,
}

impl LabStateBench {
    fn new() -> LabStateBench {
        let lab = Lab::new();
        let (one, two) = (lab.one.display().to_string(), lab.two.display().to_string());
        let mut bench = LabStateBench { lab, one, two, trials: 0, wrong: Vec::new() };
        bench.make();
        bench
    }

    fn make(&mut self) {
        let (lab, base) = (&self.lab, self.lab.path("before"));
        lab.blanks("bd-r", SECTORS, &["ours", "unverified"]);
        lab.blanks("bd-r", 8192, &["theirs"]);
        let source = lab.source(1, 300_000);
        lab.insert("one", "ours");
        self.start_in(&base, DriveCommand::Backup).ends().code(0).said("disc 1 is verified");
        fs::write(source.join("second"), noise(2, 900_000)).unwrap();
        self.start_in(&base, DriveCommand::Backup).ends().code(4);
        self.shelf_and_foreign();
        self.kill_a_burn();
        fs::write(source.join("third"), noise(3, 50_000)).unwrap();
    }

    /// What is on disc 1, as images; and a film.
    fn shelf_and_foreign(&self) {
        let (lab, shelf) = (&self.lab, self.lab.path("shelf"));
        fs::create_dir(&shelf).unwrap();
        let state = lab.ctl("disc state ours");
        let sectors = state.rsplit_once('=').unwrap().1;
        let image = shelf.join("source-0001.iso").display().to_string();
        let (from, to) = ("if=/lab/discs/ours.disc", format!("of={image}"));
        tool(&["dd", from, &to, "bs=2048", &format!("count={sectors}")]).code(0);
        lab.ctl(&format!("disc new twin bd-r {SECTORS} {image}"));
        let film = lab.foreign();
        lab.ctl(&format!("disc new film bd-r {SECTORS} {film}"));
    }

    fn kill_a_burn(&self) {
        let (lab, killed) = (&self.lab, self.lab.path("killed"));
        copy(&lab.path("before"), &killed);
        lab.ctl("reset one");
        lab.ctl("rate one write 200000");
        lab.insert("one", "unverified");
        let run = self.start_in(&killed, DriveCommand::Burn);
        until("the first sectors", || lab.ctl("disc state unverified").starts_with("open"));
        run.signal("-KILL");
        drop(run);
        lab.ctl("rate one write 0");
        until("its end", || lab.ctl("disc state unverified").starts_with("finalised"));
        lab.udev_settles();
    }

    /// Puts the drive into the state; the name of the disc in it.
    fn arrange(&self, state: DriveState) {
        let disc = match state {
            DriveState::Empty | DriveState::Gone | DriveState::InUse => None,
            DriveState::Blank | DriveState::Refusing => Some("blank"),
            DriveState::Ours | DriveState::Hanging => Some("ours"),
            DriveState::OursUnverified => Some("unverified"),
            DriveState::Foreign => Some("film"),
        };
        self.lab.ctl("reset one");
        if state == DriveState::Refusing {
            self.lab.ctl("fault one refuses on");
        }
        self.lab.blanks("bd-r", SECTORS, &["blank"]);
        disc.into_iter().for_each(|disc| self.lab.insert("one", disc));
    }

    fn start(&mut self, verb: DriveCommand, state: DriveState, drive: &str) -> StateTrial {
        let dir = self.lab.path(&format!("trial{}", self.trials));
        self.trials += 1;
        let pattern = if state == DriveState::OursUnverified { "killed" } else { "before" };
        copy(&self.lab.path(pattern), &dir);
        if verb == DriveCommand::Rebuild {
            fs::remove_file(dir.join("catalog.sqlite")).unwrap();
        }
        let run = coldcut(&self.lab, &dir, &words(verb, drive, &self.lab, &dir));
        StateTrial { verb, dir, run }
    }

    fn start_in(&self, dir: &Path, verb: DriveCommand) -> RunningProgram {
        fs::create_dir_all(dir).unwrap();
        coldcut(&self.lab, dir, &words(verb, &self.one, &self.lab, dir))
    }

    /// One command in the first drive, as it is now.
    fn try_verb(&mut self, verb: DriveCommand, state: DriveState, name: &str) -> FinishedProgram {
        let mark = self.lab.commands("one", 0).len();
        let one = self.one.clone();
        let trial = self.start(verb, state, &one);
        let dir = trial.dir.clone();
        let done = trial.ends();
        let log = self.lab.commands("one", mark);
        let told = told(&log, name == "burning");
        self.judge(verb, state, name, &done, &told);
        if state == DriveState::InUse && log.iter().any(|line| is_move(line) || is_unlock(line)) {
            self.wrong.push(format!("{verb:?}, {name}: the drive was moved"));
        }
        self.nothing_is_damaged(verb, name, &dir);
        done
    }

    fn judge(
        &mut self,
        verb: DriveCommand,
        state: DriveState,
        name: &str,
        done: &FinishedProgram,
        told: &[DriveAction],
    ) {
        let column = STATES.iter().position(|other| *other == state).unwrap();
        let row = TABLE.iter().find(|(other, _)| *other == verb).unwrap().1;
        let (code, wanted) = row[column];
        if (done.code, told) != (Some(i32::from(code)), wanted) {
            let (is, lines) = (done.code, done.lines.join("\n  "));
            self.wrong.push(format!(
                "{verb:?}, {name}: {is:?} {told:?} and not {code} {wanted:?}:\n  {lines}"
            ));
        }
        let blank = self.lab.ctl("disc state blank").starts_with("blank");
        if matches!(state, DriveState::Blank | DriveState::Refusing)
            && blank == wanted.contains(&DriveAction::Burn)
        {
            self.wrong.push(format!("{verb:?}, {name}: the blank is still one: {blank}"));
        }
    }

    fn nothing_is_damaged(&mut self, verb: DriveCommand, name: &str, dir: &Path) {
        if !dir.join("catalog.sqlite").exists() {
            return;
        }
        let discs = coldcut(&self.lab, dir, &["discs".to_owned(), "--json".to_owned()]).ends();
        if discs.has("damaged") || discs.has("failed") {
            self.wrong.push(format!("{verb:?}, {name}: {:?}", discs.lines));
        }
    }

    fn in_one_state(&mut self, state: DriveState, verbs: &[DriveCommand]) {
        for &verb in verbs {
            self.arrange(state);
            self.try_verb(verb, state, &format!("{state:?}"));
        }
    }

    fn mounted(&mut self, verbs: &[DriveCommand]) {
        self.arrange(DriveState::Ours);
        self.lab.udev_settles();
        let place = self.lab.path("mnt");
        fs::create_dir(&place).unwrap();
        let place = place.display().to_string();
        tool(&["mount", "-o", "ro", &self.one, &place]).code(0);
        for &verb in verbs {
            let done = self.try_verb(verb, DriveState::InUse, "mounted");
            self.says(verb, &done, &format!("{BUSY}: it is mounted at {place}"));
        }
        tool(&["umount", &place]).code(0);
        self.try_verb(DriveCommand::Verify, DriveState::Ours, "no more mounted");
    }

    fn burning(&mut self, verbs: &[DriveCommand]) {
        self.arrange(DriveState::Empty);
        let run = somebody_burns(&self.lab, "theirs", 12_000_000);
        // All commands take minutes, and the burn is not to end before they do.
        self.lab.ctl("rate one write 20000");
        for &verb in verbs {
            let done = self.try_verb(verb, DriveState::InUse, "burning");
            self.says(verb, &done, &format!("{BUSY}: xorriso, process"));
        }
        self.lab.run(["rescue", &self.one, "--to", "rescued.iso"]).code(1).said(BUSY);
        assert!(self.lab.ctl("disc state theirs").starts_with("open"), "the burn continues");
        self.lab.ctl("rate one write 0");
        run.ends().code(0).said("completed successfully");
        assert!(self.lab.ctl("disc state theirs").starts_with("finalised"));
    }

    fn gone(&mut self, verbs: &[DriveCommand]) {
        self.arrange(DriveState::Ours);
        self.lab.ctl("drive unplug one");
        for &verb in verbs {
            self.try_verb(verb, DriveState::Gone, "gone");
        }
        self.lab.ctl("drive add one");
    }

    fn says(&mut self, verb: DriveCommand, done: &FinishedProgram, words: &str) {
        // What is in a drive is nothing to `status`.
        if verb != DriveCommand::Status && !done.has(words) {
            self.wrong.push(format!("{verb:?} did not say {words:?}: {:?}", done.lines));
        }
    }

    /// In the second drive, at the same time as all else: the kernel waits a minute for the drive
    /// before it opens the node, and coldcut waits another one.
    fn begin_in_a_silent_drive(&mut self, verb: DriveCommand) -> StateTrial {
        let two = self.two.clone();
        self.start(verb, DriveState::Hanging, &two)
    }

    fn end_in_a_silent_drive(&mut self, StateTrial { verb, dir, run }: StateTrial) {
        let done = run.ends();
        self.judge(verb, DriveState::Hanging, "hanging", &done, &[]);
        self.says(verb, &done, "the drive does not answer");
        self.nothing_is_damaged(verb, "hanging", &dir);
    }
}

impl StateTrial {
    /// Who watches goes on for ever: it is stopped when it waits for a person, or for the drive.
    fn ends(self) -> FinishedProgram {
        if self.verb == DriveCommand::Watch {
            let waits = |line: &String| line.contains("Insert ") || line.contains(BUSY);
            let is_over = || self.run.has_ended() || self.run.said().iter().any(waits);
            until("the end of the watch", is_over);
            self.run.signal("-TERM");
        }
        self.run.ends()
    }
}

fn coldcut(lab: &Lab, dir: &Path, words: &[String]) -> RunningProgram {
    let mut command = Command::new("coldcut");
    command.args(words).current_dir(lab.dir.path());
    command.env("COLDCUT_CATALOG", dir.join("catalog.sqlite"));
    command.env("COLDCUT_STAGING", dir.join("staging"));
    RunningProgram::new(command)
}

fn words(verb: DriveCommand, drive: &str, lab: &Lab, dir: &Path) -> Vec<String> {
    let at = |path: PathBuf| path.display().to_string();
    let (source, shelf, target) =
        (at(lab.path("source")), at(lab.path("shelf")), at(dir.join("target")));
    let size = ["--disc-size", "4M", "--archive-size", "1M"];
    let words = match verb {
        DriveCommand::Backup => {
            [&["backup", &source, drive, "--flush", "--no-drill", "--compress", "none"], &size[..]]
                .concat()
        }
        DriveCommand::Burn => vec!["burn", drive],
        DriveCommand::Restore => vec!["restore", drive, &target, "--path", "file0"],
        DriveCommand::Verify => vec!["verify", drive],
        DriveCommand::Check => vec!["check", drive],
        DriveCommand::CopyFrom => vec!["copy", "1", &target, "--from", drive],
        DriveCommand::CopyTo => vec!["copy", "1", drive, "--from", &shelf],
        DriveCommand::Drill => vec!["drill", drive],
        DriveCommand::Migrate => {
            [&["migrate", "1", "--to", drive, "--from", &shelf], &size[..]].concat()
        }
        DriveCommand::Watch => vec!["watch", drive, "--until-done"],
        DriveCommand::Rebuild => vec!["catalog", "rebuild", drive],
        DriveCommand::Rescue => vec!["rescue", drive, "--to", &target],
        DriveCommand::Status => vec!["status"],
    };
    words.into_iter().chain(["--wait", "0s"]).map(str::to_owned).collect()
}

fn copy(from: &Path, to: &Path) {
    tool(&["cp", "-a", from.to_str().unwrap(), to.to_str().unwrap()]).code(0);
}

/// Tray opened or closed: START STOP UNIT with LoEj (MMC-6 6.42).
fn is_move(line: &str) -> bool {
    line.starts_with("1b 00 00 00 02") || line.starts_with("1b 00 00 00 03")
}

fn is_unlock(line: &str) -> bool {
    line.starts_with("1e 00 00 00 00")
}

/// What a drive was told in the end: to reload is to open and to close.
fn told(log: &[String], somebody_burns: bool) -> Vec<DriveAction> {
    let has_burned =
        !somebody_burns && log.iter().any(|line| line.starts_with("2a ") && !line.contains("->"));
    let last = log.iter().rfind(|line| is_move(line) && !line.contains("->"));
    let is_out = last.is_some_and(|line| line.starts_with("1b 00 00 00 02"));
    let told = [(has_burned, DriveAction::Burn), (is_out, DriveAction::Eject)];
    told.into_iter().filter(|(is, _)| *is).map(|(_, told)| told).collect()
}

#[test]
fn each_command_ends_as_it_must_in_each_state_of_a_drive() {
    let all: Vec<DriveCommand> = TABLE.iter().map(|(verb, _)| *verb).collect();
    let verbs = if is_long() { &all[..] } else { &SHORT[..] };
    let mut bench = LabStateBench::new();
    bench.lab.insert("two", "twin");
    bench.lab.udev_settles();
    let mark = bench.lab.commands("two", 0).len();
    bench.lab.ctl("fault two hang on");
    let silent = bench.begin_in_a_silent_drive(SHORT[0]);
    let others = [DriveState::InUse, DriveState::Gone, DriveState::Hanging];
    let plain = |state: &&DriveState| !others.contains(state);
    for state in STATES.iter().filter(plain) {
        bench.in_one_state(*state, verbs);
    }
    bench.mounted(verbs);
    bench.burning(verbs);
    bench.end_in_a_silent_drive(silent);
    for &verb in if is_long() { &SHORT[1..] } else { &[] } {
        let silent = bench.begin_in_a_silent_drive(verb);
        bench.end_in_a_silent_drive(silent);
    }
    let log = bench.lab.commands("two", mark);
    bench.lab.ctl("fault two hang off");
    bench.gone(verbs);
    assert_eq!(log.iter().find(|line| is_move(line)), None, "of the drive that does not answer");
    assert!(bench.wrong.is_empty(), "{}", bench.wrong.join("\n"));
}
