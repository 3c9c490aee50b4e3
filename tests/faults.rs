//! A source on a disk that is dying: reads that fail. strace lets the system calls of the shipped
//! program fail on one path, as the kernel does when a sector is lost. Needs the right to trace.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use serde_json::Value;
use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree, differences};

const READS: &str = "read,pread64,readv,preadv,preadv2";

fn with_files(sizes: &[(&str, usize)]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (n, (name, size)) in sizes.iter().enumerate() {
        let path = sandbox.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, Random::new(n as u64).bytes(*size)).unwrap();
    }
    sandbox
}

const BACKUP: &str = "backup --json --disc-size 3M --name set source shelf";

fn backup(sandbox: &Sandbox) -> Run {
    sandbox.run(BACKUP.split(' '))
}

/// A run in which these system calls fail with EIO on this path of the source.
fn failing(sandbox: &Sandbox, path: &str, calls: &str, when: &str) -> Run {
    let path = sandbox.source().join(path);
    let run = sandbox.bash(&format!(
        "strace -f -qq -o trace -e trace={calls} -e inject={calls}:error=EIO:when={when} \
         -P '{}' '{}' {BACKUP}",
        path.display(),
        env!("CARGO_BIN_EXE_coldcut"),
    ));
    let trace = fs::read_to_string(sandbox.path("trace")).unwrap();
    assert!(trace.contains("INJECTED"), "no call failed\n{}", run.story());
    run
}

/// The one thing that the run complained of.
#[track_caller]
fn trouble(run: &Run) -> Value {
    let objects = run.objects();
    let mut troubles = objects.into_iter().filter(|object| object["event"] == "trouble");
    let first = troubles.next().unwrap_or_else(|| panic!("no trouble\n{}", run.story()));
    assert!(troubles.next().is_none(), "{}", run.story());
    first
}

#[track_caller]
fn restored(sandbox: &Sandbox, target: &str) -> Vec<String> {
    let shelf = sandbox.shelf().display().to_string();
    sandbox.run(["restore", &shelf, target]).ok();
    differences(&sandbox.source(), &sandbox.path(target))
}

/// Small, held in memory, streamed, and cut at a disc's edge; failing at once and in the middle.
#[test]
fn a_file_that_cannot_be_read_is_named_left_out_whole_and_stored_by_the_next_run() {
    let sizes = [("a/small", 3), ("a/held", 200_000), ("long", 1_500_000), ("split", 4_000_000)];
    for (name, when) in [("a/small", "1+"), ("a/held", "1+"), ("long", "1+"), ("long", "3+")]
        .into_iter()
        .chain([("split", "4"), ("split", "6+"), ("split", "14+")])
    {
        let sandbox = with_files(&sizes);
        let run = failing(&sandbox, name, READS, when);
        run.code(3).says(name);
        let told = trouble(&run);
        assert_eq!(told["thing"], name);
        assert!(told["what"].as_str().unwrap().contains("Input/output error"), "{told}");
        let summary = run.objects().pop().unwrap();
        assert_eq!(summary["failed"]["count"], 1, "{}", run.story());
        assert_eq!(restored(&sandbox, "back"), [format!("{name}: missing")], "{when}");
        backup(&sandbox).ok();
        assert_eq!(restored(&sandbox, "back2"), Vec::<String>::new(), "{when}");
    }
}

#[test]
fn a_file_that_was_stored_before_keeps_its_last_state_marked_stale() {
    let sandbox = with_files(&[("film", 1_500_000), ("other", 5)]);
    backup(&sandbox).ok();
    let before = fs::read(sandbox.source().join("film")).unwrap();
    fs::write(sandbox.source().join("film"), Random::new(99).bytes(1_600_000)).unwrap();
    failing(&sandbox, "film", READS, "3+").code(3).says("film");
    let found = sandbox.run(["find", "film", "--json"]).results();
    assert!(found[0]["note"].as_str().unwrap().starts_with("stale:"), "{found:?}");
    let shelf = sandbox.shelf().display().to_string();
    sandbox.run(["restore", &shelf, "back"]).ok();
    assert!(fs::read(sandbox.path("back/film")).unwrap() == before);
    backup(&sandbox).ok();
    assert_eq!(restored(&sandbox, "back2"), Vec::<String>::new());
    let found = sandbox.run(["find", "film", "--json"]).results();
    assert!(found[0]["note"].is_null(), "{found:?}");
}

/// What is below it is not taken for deleted.
#[test]
fn a_directory_that_cannot_be_read_is_named_and_what_it_held_stays() {
    let sandbox = with_files(&[("deep/one", 100), ("deep/two", 200), ("other", 5)]);
    backup(&sandbox).ok();
    fs::write(sandbox.source().join("new"), "new").unwrap();
    let run = failing(&sandbox, "deep", "getdents64", "1+");
    run.code(3).says("deep").says("Input/output error");
    assert_eq!(restored(&sandbox, "back"), Vec::<String>::new());
    backup(&sandbox).ok();
    assert_eq!(restored(&sandbox, "back2"), Vec::<String>::new());
}

/// Names without a directory: the folder that they are in counts.
#[test]
fn a_relative_catalog_and_staging_work_in_a_folder_of_ones_own_and_of_nobody_elses() {
    let sandbox = with_files(&[("file", 100)]);
    let program = env!("CARGO_BIN_EXE_coldcut");
    let both = "--catalog known.sqlite --staging waiting";
    let run = |folder: &str, words: &str| {
        sandbox.bash(&format!("mkdir -p {folder}; cd {folder}; '{program}' {both} {words}"))
    };
    for words in ["backup ../source shelf --name set", "status", "restore shelf back"] {
        run("own", words).ok();
    }
    assert_same_tree(&sandbox.source(), &sandbox.path("own/back"));
    let theirs = sandbox.path("theirs");
    fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(12_345), Some(12_345)).unwrap();
    let refused = run("theirs", "backup ../source shelf --name set");
    refused.code(1).says("belongs to user 12345").says("sudo -u '#12345'");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
}
