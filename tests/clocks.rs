//! Clocks that are wrong, and go back: order is by sequence numbers, nothing is missed, nothing
//! waits for a date to come. libfaketime gives the program its clock; the kernel's own stays right.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use support::trees::set_mtime;
use support::{Run, Sandbox, assert_same_tree, text};

/// A sandbox whose program may be told another time.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    // Dates of files are the kernel's, and time goes on as it does.
    sandbox.set("NO_FAKE_STAT", "1");
    sandbox.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    sandbox
}

fn at(sandbox: &Sandbox, date: &str, words: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_coldcut");
    sandbox.bash(&format!("faketime '{date} 12:00:00' '{program}' {words}"))
}

fn backup(sandbox: &Sandbox, date: &str) -> Run {
    at(sandbox, date, "backup --disc-size 3M --name set source shelf")
}

fn write(sandbox: &Sandbox, name: &str, content: &str) {
    fs::write(sandbox.source().join(name), content).unwrap();
}

const DATES: [&str; 5] = ["2026-01-01", "2040-06-01", "1999-02-03", "2011-11-11", "1969-12-01"];

/// Five states, each stored when another date was thought to be.
fn five_states(sandbox: &Sandbox) {
    for (n, date) in DATES.iter().enumerate() {
        write(sandbox, "letter", &format!("state {n}\n"));
        write(sandbox, &format!("only{n}"), "x");
        backup(sandbox, date).ok();
    }
}

#[test]
fn snapshots_are_in_the_order_of_their_numbers_whatever_their_dates() {
    let sandbox = sandbox();
    five_states(&sandbox);
    let list = sandbox.run(["snapshots", "--json"]).results();
    let ids: Vec<_> = list.iter().map(|one| one["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    for (one, date) in list.iter().zip(DATES) {
        // That it was the program's clock is what the rest of these tests stands on.
        assert!(one["date"].as_str().unwrap().starts_with(date), "{one}");
    }
    let shelf = text(&sandbox.shelf());
    sandbox.run(["restore", &shelf, "back"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
    for n in 0..5 {
        let target = text(&sandbox.path(&format!("back{n}")));
        let seq = (n + 1).to_string();
        sandbox.run(["restore", "--snapshot", &seq, &shelf, &target]).ok();
        let letter = fs::read_to_string(Path::new(&target).join("letter")).unwrap();
        assert_eq!(letter, format!("state {n}\n"));
        assert_eq!(fs::read_dir(&target).unwrap().count(), n + 2);
    }
}

#[test]
fn discs_alone_tell_the_newest_state_by_number_and_not_by_date() {
    let sandbox = sandbox();
    five_states(&sandbox);
    let shelf = text(&sandbox.shelf());
    sandbox.run(["--catalog", "none.sqlite", "restore", &shelf, "back"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
    sandbox.run(["--catalog", "new.sqlite", "catalog", "rebuild", &shelf]).ok();
    let list = sandbox.run(["--catalog", "new.sqlite", "snapshots", "--json"]).results();
    let dates: Vec<_> = list.iter().map(|one| one["date"].as_str().unwrap()).collect();
    assert!(dates.iter().zip(DATES).all(|(is, was)| is.starts_with(was)), "{dates:?}");
}

/// A file that is put back to an older date, or to one that is still to come, changed all the same;
/// of the same size, so that the size does not tell.
#[test]
fn a_changed_file_is_seen_whichever_way_its_date_went() {
    let sandbox = sandbox();
    let letter = sandbox.source().join("letter");
    write(&sandbox, "letter", "aaaa");
    set_mtime(&letter, 1_500_000_000, 0);
    backup(&sandbox, "2026-12-31").ok();
    for (n, seconds) in [1_000_000_000, 4_000_000_000, 4_000_000_000, -5].into_iter().enumerate() {
        write(&sandbox, "letter", &format!("{n}{n}{n}{n}"));
        set_mtime(&letter, seconds, 0);
        for date in ["2026-12-31", "1999-01-01"] {
            backup(&sandbox, date).ok();
        }
        let target = text(&sandbox.path(&format!("back{n}")));
        sandbox.run(["restore", &text(&sandbox.shelf()), &target]).ok();
        assert_same_tree(&sandbox.source(), Path::new(&target));
    }
}

/// Whatever the clock said, a run ends (`Sandbox` kills one that hangs), and nothing is stored
/// twice.
#[test]
fn unchanged_files_stay_unchanged_while_the_clock_jumps() {
    let sandbox = sandbox();
    write(&sandbox, "letter", "dear reader");
    set_mtime(&sandbox.source().join("letter"), 4_000_000_000, 0);
    backup(&sandbox, "1999-01-01").ok();
    for date in ["2040-01-01", "1969-12-01", "2026-01-01", "2100-01-01"] {
        let run = backup(&sandbox, date);
        run.ok().says("stored: 0 paths");
    }
    assert_eq!(sandbox.images().len(), 1);
}

#[test]
fn what_is_due_for_a_check_goes_by_order_and_a_date_to_come_is_no_proof() {
    let sandbox = sandbox();
    for (n, date) in ["2040-01-01", "2026-01-01", "1999-01-01"].iter().enumerate() {
        write(&sandbox, &format!("file{n}"), date);
        backup(&sandbox, date).ok();
    }
    let due = |date: &str, which: &str| -> Vec<u64> {
        let rows = at(&sandbox, date, &format!("check --dry-run --json {which} shelf"));
        rows.ok().results().iter().map(|row| row["id"].as_u64().unwrap()).collect()
    };
    // The first to be read again is the one that was read first.
    assert_eq!(due("2026-06-01", "--count 1"), [1]);
    assert_eq!(due("1980-01-01", "--count 1"), [1]);
    // One was right in 2040, which is in the future; one in 1999, which is long ago.
    assert_eq!(due("2026-06-01", "--max-check-age 1y"), [1, 3]);
    at(&sandbox, "2026-06-01", "check --max-check-age 1y shelf").ok();
    assert_eq!(due("2026-06-02", "--max-check-age 1y"), Vec::<u64>::new());
    assert_eq!(due("2026-06-02", "--count 1"), [2]);
    for date in ["1969-12-01", "1980-01-01", "2026-06-01", "2100-01-01"] {
        let status = at(&sandbox, date, "status");
        status.ok();
        let words = status.stdout() + &status.stderr();
        assert!(!words.contains('-') || !words.contains("-1 "), "{}", status.story());
        let says_when = ["oldest successful check", "was verified on"];
        assert!(says_when.iter().any(|when| words.contains(when)), "{}", status.story());
        // Two of the three dates are in the future, and named.
        let to_come = words.matches("which is in the future").count();
        assert_eq!(to_come > 0, date != "2100-01-01", "{}", status.story());
    }
}

/// What a run each night does with a disc that is not full.
fn night(sandbox: &Sandbox, date: &str) -> Run {
    write(sandbox, &format!("night {date}"), date);
    let words = "backup --stage --disc-size 3M --name set --min-fill 90 --max-hold 30d source";
    at(sandbox, date, words)
}

fn state(sandbox: &Sandbox) -> Vec<String> {
    let discs = sandbox.run(["discs", "--json"]).results();
    discs.iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_disc_that_is_held_back_is_closed_by_the_first_run_after_its_time() {
    let sandbox = sandbox();
    for date in ["2026-01-01", "2026-01-15", "2026-01-30"] {
        night(&sandbox, date).ok().says("waits in the staging area");
        assert_eq!(state(&sandbox), ["open"], "{date}");
    }
    night(&sandbox, "2026-02-01").ok().says("has waited for more files since 2026-01-01");
    assert_eq!(state(&sandbox), ["staged"]);
    // What is filled up has waited as long, and is closed again.
    night(&sandbox, "2026-02-02").ok();
    assert_eq!(state(&sandbox), ["staged"]);
    sandbox.run(["burn", "shelf"]).ok();
    night(&sandbox, "2026-02-03").ok().says("waits in the staging area");
    assert_eq!(state(&sandbox), ["verified", "open"]);
}

#[test]
fn a_clock_that_is_behind_closes_no_disc_and_holds_none_for_ever() {
    for wrong in ["1970-01-02", "1999-02-03"] {
        // When the disc was begun, as the first run of all.
        let fresh = sandbox();
        night(&fresh, wrong).ok();
        night(&fresh, "2026-01-01").ok();
        night(&fresh, "2026-01-30").ok();
        assert_eq!(state(&fresh), ["open"], "begun in {wrong}");
        night(&fresh, "2026-02-01").ok();
        assert_eq!(state(&fresh), ["staged"], "begun in {wrong}");
        // In between.
        let waiting = sandbox();
        night(&waiting, "2026-01-01").ok();
        night(&waiting, wrong).ok();
        night(&waiting, "2026-01-30").ok();
        assert_eq!(state(&waiting), ["open"], "{wrong} in between");
        night(&waiting, "2026-02-01").ok();
        assert_eq!(state(&waiting), ["staged"], "{wrong} in between");
    }
    // A clock that was ahead when it was begun.
    let ahead = sandbox();
    for date in ["2077-01-01", "2026-01-01", "2026-01-02", "2026-01-31"] {
        night(&ahead, date).ok();
        assert_eq!(state(&ahead), ["open"], "{date}");
    }
    night(&ahead, "2026-02-02").ok();
    assert_eq!(state(&ahead), ["staged"]);
}
