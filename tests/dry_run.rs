//! A dry run says what the real run would do: the same discs, the same refusals, the same exit
//! code. It writes nothing.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use serde_json::{Value, json};
use support::trees::Random;
use support::{Run, Sandbox};

fn run(sandbox: &Sandbox, line: &str) -> Run {
    sandbox.run(line.split_whitespace())
}

fn add(sandbox: &Sandbox, name: &str, bytes: usize) {
    let seed = name.bytes().map(u64::from).sum();
    fs::write(sandbox.source().join(name), Random::new(seed).bytes(bytes)).unwrap();
}

/// The catalog, and all files that are staged or on a shelf.
fn state(sandbox: &Sandbox) -> String {
    let line = "sha256sum catalog.sqlite || true; find staging shelf | sort";
    sandbox.bash(line).ok().stdout()
}

/// A dry run, behind which everything is as it was.
#[track_caller]
fn dry(sandbox: &Sandbox, line: &str) -> Run {
    let before = state(sandbox);
    let done = run(sandbox, &format!("{line} --dry-run --json"));
    assert_eq!(state(sandbox), before, "{}", done.story());
    done
}

#[track_caller]
fn plan(sandbox: &Sandbox, line: &str) -> Value {
    dry(sandbox, line).ok().objects().last().unwrap()["plan"].clone()
}

/// What a dry run is refused, and the run after it, too.
#[track_caller]
fn both_are_refused(sandbox: &Sandbox, line: &str, why: &str) {
    dry(sandbox, line).code(1).says(why);
    run(sandbox, line).code(1).says(why);
}

const NIGHT: &str = "backup --stage --disc-size 4M --name films source";

/// One disc in the staging area, about half full.
fn with_a_staged_disc(options: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    add(&sandbox, "one", 1_500_000);
    run(&sandbox, &format!("{NIGHT} {options}")).ok();
    age(&sandbox);
    sandbox
}

/// As if the files had not been written at the very moment of the backup: such are read again.
fn age(sandbox: &Sandbox) {
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    catalog.execute("UPDATE snapshots SET started=started+60", []).unwrap();
}

#[test]
fn the_disc_that_is_filled_up_is_counted_with_what_is_on_it() {
    for options in ["", "--min-fill 90", "--parity 10"] {
        let sandbox = with_a_staged_disc(options);
        assert_eq!(plan(&sandbox, NIGHT)["discs"], 0, "{options}");
        add(&sandbox, "two", 1_000_000);
        let one = plan(&sandbox, NIGHT);
        assert_eq!((&one["discs"], &one["fills_up"]), (&1.into(), &1.into()), "{options}: {one}");
        assert!(one["on_discs"].as_u64().unwrap() > 2_500_000, "{options}: {one}");
        assert!(one["staging"].as_u64().unwrap() < 4_000_000, "{options}: {one}");
        dry(&sandbox, NIGHT).says("Disc 1, which is in the staging area");
        // Too much for it: it is the first of two.
        add(&sandbox, "three", 3_000_000);
        let two = plan(&sandbox, NIGHT);
        assert_eq!((&two["discs"], &two["fills_up"]), (&2.into(), &1.into()), "{options}: {two}");
        run(&sandbox, NIGHT).ok();
        assert_eq!(run(&sandbox, "discs --json").ok().results().len(), 2, "{options}");
    }
}

#[test]
fn a_restore_says_which_discs_it_needs_and_how_long_it_takes() {
    let sandbox = Sandbox::with_films(7);
    run(&sandbox, "backup --disc-size 3M --set films source shelf").ok();
    // Another name of what is on the discs already.
    sandbox.bash("cp source/film0 source/again").ok();
    run(&sandbox, "backup --disc-size 3M --set films --flush source shelf").ok();
    let all = dry(&sandbox, "restore shelf target");
    all.ok().says("Needs discs 1-3: 7.00 MB.\n");
    assert!(!sandbox.target().exists());
    let plan = &all.objects().pop().unwrap()["plan"];
    assert_eq!(
        *plan,
        json!({"discs": [1, 2, 3], "bytes": 7_000_000, "seconds": 1, "changes": 0, "drives": []})
    );
    let one = dry(&sandbox, "restore --path film0 shelf target");
    let plan = &one.ok().objects().pop().unwrap()["plan"];
    assert_eq!((&plan["discs"], &plan["bytes"]), (&json!([1]), &json!(1_000_000)));
    run(&sandbox, "restore shelf target").ok();
    let none = dry(&sandbox, "restore shelf target");
    assert_eq!(
        none.ok().says("No disc is needed.").objects().pop().unwrap()["plan"]["discs"],
        json!([])
    );
    let real = run(&sandbox, "restore --json shelf other").ok().objects().pop().unwrap();
    assert_eq!(real.get("plan"), None);
}

#[test]
fn a_disc_that_takes_no_more_is_not_counted() {
    let sandbox = with_a_staged_disc("");
    add(&sandbox, "two", 1_000_000);
    let other_size = NIGHT.replace("4M", "5M");
    assert_eq!(plan(&sandbox, &other_size)["fills_up"], Value::Null);
    run(&sandbox, "burn shelf").ok();
    let plan = plan(&sandbox, NIGHT);
    assert_eq!((&plan["discs"], &plan["fills_up"]), (&1.into(), &Value::Null));
    assert!(plan["on_discs"].as_u64().unwrap() < 2_500_000, "{plan}");
}

#[test]
fn listings_alone_are_a_disc_only_when_they_are_to_be_flushed() {
    let sandbox = with_a_staged_disc("");
    run(&sandbox, "burn shelf").ok();
    fs::remove_file(sandbox.source().join("one")).unwrap();
    fs::create_dir(sandbox.source().join("dir")).unwrap();
    dry(&sandbox, NIGHT).ok().says("No disc is needed");
    assert_eq!(plan(&sandbox, &format!("{NIGHT} --flush"))["discs"], 1);
}

#[test]
fn files_whose_staged_disc_is_lost_are_counted_again() {
    let sandbox = with_a_staged_disc("");
    sandbox.bash("rm -r staging/films-*/0001").ok();
    let plan = plan(&sandbox, NIGHT);
    assert_eq!(plan["discs"], 1);
    assert!(plan["on_discs"].as_u64().unwrap() > 1_500_000, "{plan}");
}

#[test]
fn an_emptied_source_is_refused_as_the_run_refuses_it() {
    let sandbox = with_a_staged_disc("");
    sandbox.bash("mv source away; mkdir source").ok();
    let status = || run(&sandbox, "status --json --allow-waiting 1d").results();
    let status = || status().into_iter().find(|object| object["set"] == "films").unwrap();
    let before = status();
    dry(&sandbox, NIGHT).code(1).says("is empty, but snapshot 1").says("--allow-shrink");
    assert_eq!(status()["unfinished"], before["unfinished"]);
    dry(&sandbox, &format!("{NIGHT} --allow-shrink")).ok();
    both_are_refused(&sandbox, NIGHT, "is empty, but snapshot 1");
    assert_eq!(status()["unfinished"], true);
}

#[test]
fn a_source_that_shrank_is_refused_as_the_run_refuses_it() {
    let sandbox = Sandbox::new();
    (0..30).for_each(|n| add(&sandbox, &format!("file{n}"), 1_000 + n));
    run(&sandbox, NIGHT).ok();
    // Another name is no loss.
    sandbox.bash("mkdir source/dir; mv source/file* source/dir").ok();
    dry(&sandbox, NIGHT).ok();
    sandbox.bash("rm source/dir/file1?; rm source/dir/file2?").ok();
    both_are_refused(&sandbox, NIGHT, "20 files");
}

#[test]
fn what_is_refused_before_the_scan_is_refused_in_a_dry_run() {
    let sandbox = with_a_staged_disc("");
    sandbox.passphrase_file(b"horse");
    both_are_refused(&sandbox, &format!("{NIGHT} --passphrase-file passphrase"), "not encrypted");
    sandbox.bash("mkdir other").ok();
    both_are_refused(&sandbox, &NIGHT.replace("source", "other"), "--move-source");
    both_are_refused(&sandbox, &NIGHT.replace("films", "film"), "--new-set");
    // The shelf has discs of a set with this name that another catalog knows.
    run(&sandbox, "burn shelf").ok();
    let elsewhere = "backup --catalog other.sqlite --staging other-staging --disc-size 4M \
                     --name films source shelf";
    both_are_refused(&sandbox, elsewhere, "films");
}
