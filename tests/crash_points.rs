//! The shipped program, ended before each single step that makes something last: every sync, rename
//! and removal of a run, one after the other. strace does it, so that no step is missed by luck.
//!
//! `CRASH_POINTS=all cargo test --test crash_points` tries each; without it, one of a few. Needs
//! the right to trace.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use support::trees::Random;
use support::{Sandbox, assert_same_tree};

/// What separates a state that a crash can leave behind from the next one. Not every machine has
/// all of them, hence the question marks (strace(1)).
const STEPS: &str = "fsync,fdatasync,?rename,renameat,renameat2,?unlink,unlinkat,ftruncate";
/// A restore makes little that lasts; it is ended before each write, too.
const WRITES: &str = "?rename,renameat,renameat2,?unlink,unlinkat,ftruncate,write,pwrite64,\
                      ?mkdir,mkdirat,?chmod,fchmod,fchmodat,utimensat";

/// Discs of 3 MB: three with films, and recovery discs for two each, or what is left.
const STAGE: &str = "backup --stage --no-drill --disc-size 3M --name set --parity-discs 1/2 source";
const BURN: &str = "burn --name set shelf";
/// Packs and burns side by side, and closes the last group.
const BACKUP: &str =
    "backup --flush --no-drill --disc-size 3M --name set --parity-discs 1/2 source shelf";

/// The same onto two shelves at once, a copy on each.
const POOL: &str = "backup --flush --no-drill --disc-size 3M --name set --parity-discs 1/2 \
                    --copies 2 source ./shelf ./other";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..3 {
        let bytes = Random::new(n).bytes(1_900_000);
        fs::write(sandbox.source().join(format!("film{n}")), bytes).unwrap();
    }
    fs::write(sandbox.source().join("text"), "a few words\n").unwrap();
    sandbox
}

/// Ends a run when one of its threads is about to take its `step`th step; false if none takes so
/// many.
fn end_before(sandbox: &Sandbox, step: usize, steps: &str, words: &str) -> bool {
    let run = sandbox.bash(&format!(
        "exec strace -f -qq -o trace -e trace={steps} -e inject={steps}:signal=KILL:when={step} \
         '{}' {words}",
        env!("CARGO_BIN_EXE_coldcut"),
    ));
    let is_ended = fs::read_to_string(sandbox.path("trace")).unwrap().contains("killed by SIGKILL");
    if !is_ended {
        run.ok();
    }
    is_ended
}

/// A run that is ended before its first step, its second, and so on.
struct CrashTrial {
    what: &'static str,
    words: &'static str,
    steps: &'static str,
    /// Where time is short, only each so many is tried.
    every: usize,
    /// Where the run takes place, and where the one before did.
    begin: fn(Option<Sandbox>) -> Sandbox,
    /// What must be true after an end before this step, and the story of it.
    check: fn(&Sandbox, usize, &str),
}

impl CrashTrial {
    fn run(self) {
        let every = if std::env::var_os("CRASH_POINTS").is_some() { 1 } else { self.every };
        let (mut ends, mut last) = (0, None);
        for step in (1..).step_by(every) {
            let sandbox = (self.begin)(last.take());
            if !end_before(&sandbox, step, self.steps, self.words) {
                break;
            }
            (self.check)(&sandbox, step, &format!("{}, ended before step {step}", self.what));
            last = Some(sandbox);
            ends += 1;
        }
        println!("{}: ended {ends} times", self.what);
        assert!(ends >= 3, "{}: only {ends} runs were ended", self.what);
    }
}

fn discs(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    sandbox.run(["discs", "--json", "--name", "set"]).ok().results()
}

/// For each disc the recovery discs that cover it.
fn covers(sandbox: &Sandbox) -> Vec<(u32, u32)> {
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    let mut query = catalog.prepare("SELECT disc, recovery FROM covered ORDER BY disc").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// All is stored and safe, each disc is in one group, and nothing is left over.
#[track_caller]
fn check_finished(sandbox: &Sandbox, story: &str) {
    let discs = discs(sandbox);
    assert!(discs.iter().all(|disc| disc["state"] == "verified"), "{story}: {discs:?}");
    assert_eq!(discs.len(), sandbox.images().len(), "{story}");
    let covers = covers(sandbox);
    let covered: BTreeSet<u32> = covers.iter().map(|(disc, _)| *disc).collect();
    let recovery: BTreeSet<u32> = covers.iter().map(|(_, recovery)| *recovery).collect();
    assert_eq!(covered.len(), covers.len(), "{story}: a disc is in two groups: {covers:?}");
    assert_eq!(covered.len() + recovery.len(), discs.len(), "{story}: {covers:?}");
    assert!(covered.is_disjoint(&recovery), "{story}: {covers:?}");
    let left = sandbox.bash("find \"$COLDCUT_STAGING\" -type f").ok().stdout();
    assert_eq!(left, "", "{story}");
}

/// The files come back, from all discs but one.
#[track_caller]
fn check_without(sandbox: &Sandbox, lost: usize, story: &str) {
    let images = sandbox.images();
    let image = &images[lost % images.len()];
    let away = sandbox.path("away");
    fs::rename(image, &away).unwrap();
    let run = sandbox.run(["restore", "--catalog", "none", "shelf", "target"]);
    assert!(run.output.status.success(), "{story}, without {image:?}: {}", run.story());
    assert_same_tree(&sandbox.source(), &sandbox.target());
    fs::remove_dir_all(sandbox.target()).unwrap();
    fs::rename(away, image).unwrap();
}

/// The next run goes on, and all is well.
#[track_caller]
fn go_on(sandbox: &Sandbox, step: usize, story: &str) {
    sandbox.run(BACKUP.split(' ')).ok();
    check_finished(sandbox, story);
    check_without(sandbox, step, story);
}

#[test]
fn packing_can_end_before_every_step() {
    let (what, begin) = ("backup --stage", |_| sandbox());
    CrashTrial { what, words: STAGE, steps: STEPS, every: 40, begin, check: go_on }.run();
}

#[test]
fn burning_can_end_before_every_step() {
    let staged = |_| {
        let sandbox = sandbox();
        sandbox.run(STAGE.split(' ')).ok();
        sandbox
    };
    let (what, begin) = ("burn", staged);
    CrashTrial { what, words: BURN, steps: STEPS, every: 40, begin, check: go_on }.run();
}

/// A disc that was closed is opened, filled up and closed again. What the first night packed is on it
/// whatever happens, and the source is not asked for it again.
#[test]
fn filling_a_staged_disc_up_can_end_before_every_step() {
    let night = "backup --stage --no-drill --disc-size 3M --name set --parity 5 source";
    let begin = |_| {
        let sandbox = Sandbox::new();
        fs::write(sandbox.source().join("film"), Random::new(1).bytes(900_000)).unwrap();
        sandbox
            .run("backup --stage --no-drill --disc-size 3M --name set --parity 5 source".split(' '))
            .ok();
        fs::write(sandbox.source().join("more"), Random::new(2).bytes(200_000)).unwrap();
        sandbox
    };
    let check = |sandbox: &Sandbox, _, story: &str| {
        let film = read(&sandbox.source().join("film"));
        fs::remove_file(sandbox.source().join("film")).unwrap();
        // That a file is gone is a row alone: without --flush it may wait for the next disc.
        let line = "backup --no-drill --flush --name set source shelf";
        let run = sandbox.run(line.split(' '));
        assert!(run.output.status.success(), "{story}: {}", run.story());
        assert!(!run.stderr().contains("packed again"), "{story}: {}", run.story());
        let discs = discs(sandbox);
        let states: Vec<&str> = discs.iter().filter_map(|disc| disc["state"].as_str()).collect();
        assert_eq!(states, ["verified"], "{story}");
        let left = sandbox.bash("find \"$COLDCUT_STAGING\" -type f").ok().stdout();
        assert_eq!(left, "", "{story}");
        sandbox.run("verify shelf".split(' ')).ok();
        sandbox.run("restore --catalog none --snapshot 1 shelf target".split(' ')).ok();
        assert!(read(&sandbox.target().join("film")) == film, "{story}");
        fs::remove_dir_all(sandbox.target()).unwrap();
        sandbox.run("restore --catalog none shelf target".split(' ')).ok();
        assert_same_tree(&sandbox.source(), &sandbox.target());
    };
    let what = "backup --stage, onto a disc that was closed";
    CrashTrial { what, words: night, steps: STEPS, every: 11, begin, check }.run();
}

/// Both at once, in threads of their own.
#[test]
fn a_backup_can_end_before_every_step() {
    let (what, begin) = ("backup", |_| sandbox());
    CrashTrial { what, words: BACKUP, steps: STEPS, every: 40, begin, check: go_on }.run();
}

#[test]
fn a_backup_onto_two_shelves_can_end_before_every_step() {
    let check = |sandbox: &Sandbox, step: usize, story: &str| {
        sandbox.run(POOL.split_whitespace()).ok();
        check_finished(sandbox, story);
        assert!(discs(sandbox).iter().all(|disc| disc["copies"] == 2), "{story}");
        let same = "diff <(cd shelf; cksum *.iso) <(cd other; cksum *.iso)";
        assert_eq!(sandbox.bash(same).stdout(), "", "{story}: one copy is on each shelf");
        check_without(sandbox, step, story);
    };
    let (what, begin) = ("backup onto two shelves", |_| sandbox());
    CrashTrial { what, words: POOL, steps: STEPS, every: 60, begin, check }.run();
}

#[test]
fn a_restore_can_end_before_every_step() {
    let begin = |last: Option<Sandbox>| {
        last.unwrap_or_else(|| {
            let sandbox = sandbox();
            sandbox.run(BACKUP.split(' ')).ok();
            sandbox
        })
    };
    let check = |sandbox: &Sandbox, _, story: &str| {
        check_no_half_file(sandbox, story);
        sandbox.run(["restore", "shelf", "target"]).ok();
        assert_same_tree(&sandbox.source(), &sandbox.target());
        fs::remove_dir_all(sandbox.target()).unwrap();
    };
    let (what, words) = ("restore", "restore shelf target");
    CrashTrial { what, words, steps: WRITES, every: 15, begin, check }.run();
}

/// What has its name has its content.
#[track_caller]
fn check_no_half_file(sandbox: &Sandbox, story: &str) {
    let Ok(entries) = fs::read_dir(sandbox.target()) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let original = sandbox.source().join(path.file_name().unwrap());
        let is_named = original.exists();
        assert!(!is_named || read(&path) == read(&original), "{story}: {path:?} is not whole");
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
