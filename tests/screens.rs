//! What people see: at a terminal of 80 columns, and in a pipe or a log.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use support::Sandbox;
use support::trees::Random;

const GREEN: &str = "\u{1b}[32m";
const BOLD_RED: &str = "\u{1b}[1;31m";
const PLAIN: &str = "\u{1b}[0m";

/// What the program prints at a terminal of 80 columns; bash's `set` goes before it.
#[track_caller]
fn at_80(sandbox: &Sandbox, set: &str, words: &str) -> String {
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!("stty cols 80 rows 24; {set} exec {program} {words}");
    let (_, text) = sandbox.bash_at_terminal(&line).ends();
    text.replace("\r\n", "\n")
}

#[track_caller]
fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
}

/// Three verified discs of the set `films`; a file is on all of them.
fn three_discs() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("long"), Random::new(1).bytes(7_000_000)).unwrap();
    let run = sandbox.run("backup source shelf --disc-size 3M --name films".split(' '));
    run.ok();
    assert_eq!(sandbox.images().len(), 3);
    sandbox
}

#[test]
fn tables_fit_a_terminal_of_80_columns() {
    let sandbox = three_discs();
    sandbox.run(["locate", "1-3", "Box 3"]).ok();
    let discs = at_80(&sandbox, "", "discs");
    fits(&discs);
    assert!(discs.starts_with("DISC  STATE"), "{discs}");
    assert!(!discs.contains("COVERS"), "no disc covers others: {discs}");
    assert_eq!(discs.lines().filter(|line| line.ends_with("Box 3")).count(), 3, "{discs}");
    sandbox.run(["locate", "1", "the second box on the shelf in the cellar of the office"]).ok();
    let discs = at_80(&sandbox, "", "discs");
    fits(&discs);
    assert!(discs.contains("the second") && discs.contains("…\n"), "{discs}");
    for words in ["snapshots", "set list"] {
        fits(&at_80(&sandbox, "", words));
    }
    let status = at_80(&sandbox, "", "status");
    let table = status.find("\nSET  ").expect("a table");
    fits(&status[table..]);
}

#[test]
fn nothing_is_left_out_in_a_pipe() {
    let sandbox = three_discs();
    let place = "the second box on the shelf in the cellar of the office, behind the other one";
    sandbox.run(["locate", "1", place]).ok();
    let discs = sandbox.run(["discs"]).ok().stdout();
    assert!(discs.contains(place) && !discs.contains('…'), "{discs}");
    for heading in ["SNAPSHOT", "DRILLED", "OF", "WHERE"] {
        assert!(discs.lines().next().unwrap().contains(heading), "{heading}: {discs}");
    }
}

/// Kiritimati is 14 hours ahead of UTC.
#[test]
fn dates_are_those_of_the_place_where_one_is() {
    let mut sandbox = three_discs();
    sandbox.set("TZ", "<+14>-14");
    let today = || sandbox.bash("date +%F").ok().stdout().trim().to_owned();
    let before = today();
    let texts: Vec<String> =
        [&["discs"][..], &["snapshots"], &["ls"], &["status"], &["set", "list"], &["keysheet"]]
            .into_iter()
            .map(|words| sandbox.run(words).ok().stdout())
            .collect();
    let days = [before, today()];
    for text in &texts {
        assert!(days.iter().any(|day| text.contains(day)), "none of {days:?} is in {text}");
        let has_offset = |word: &str| word.starts_with("20") && word.ends_with('Z');
        assert!(!text.split_whitespace().any(has_offset), "{text}");
    }
}

#[test]
fn discs_are_listed_as_ranges() {
    let sandbox = three_discs();
    let listed = sandbox.run(["ls"]).ok().stdout();
    assert!(listed.contains("  1-3  "), "{listed}");
    let run = sandbox.run("backup source shelf2 --disc-size 3M --name again --new-set".split(' '));
    assert!(run.ok().stderr().contains("  discs 1-3: "), "{}", run.story());
}

#[test]
fn a_plan_for_a_shelf_says_nothing_of_burning_times() {
    let sandbox = Sandbox::with_films(7);
    let plan = "backup source shelf --disc-size 3M --dry-run";
    let words = sandbox.run(plan.split(' ')).ok().stderr();
    assert!(words.contains("At most ") && !words.contains(" min at "), "{words}");
    assert!(!words.contains("Writing takes"), "{words}");
}

/// As a user who cannot read everything.
#[test]
fn failures_are_the_last_words_of_a_run() {
    let sandbox = Sandbox::with_films(2);
    for name in ["a-secret", "b-secret"] {
        fs::write(sandbox.source().join(name), "secret\n").unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_coldcut"), sandbox.path("coldcut")).unwrap();
    sandbox
        .bash("chown -R 65534:65534 . && chown 0:0 source/*secret && chmod 600 source/*secret")
        .ok();
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups ./coldcut";
    let run = sandbox.bash(&format!("{nobody} backup source shelf --disc-size 4M"));
    let words = run.code(3).stderr();
    let last: Vec<&str> = words.lines().rev().take(3).collect();
    assert_eq!(last[0], "FAILED: 2 paths", "{}", run.story());
    assert!(last[1].contains("b-secret") && last[2].contains("a-secret"), "{}", run.story());
    let disc = words.find("  disc 1: ").expect("the disc");
    assert!(disc < words.find("FAILED").unwrap(), "{}", run.story());
}

#[test]
fn a_restore_that_failed_says_so_last() {
    let sandbox = Sandbox::with_films(2);
    sandbox.run("backup source shelf --disc-size 4M".split(' ')).ok();
    let in_the_way = sandbox.target().join("film1");
    fs::create_dir_all(&in_the_way).unwrap();
    fs::write(in_the_way.join("x"), "x").unwrap();
    let run = sandbox.run(["restore", "shelf", "target", "--overwrite", "always"]);
    let words = run.code(3).stderr();
    assert_eq!(words.lines().last(), Some("NOT restored: 1 path"), "{}", run.story());
    // Nothing but the summary came after it.
    assert_eq!(words.matches("film1: ").count(), 1, "{}", run.story());
}

#[test]
fn damaged_discs_are_the_last_words_of_a_verification() {
    let sandbox = three_discs();
    let image = &sandbox.images()[0];
    let mut bytes = fs::read(image).unwrap();
    bytes[1_500_000..1_508_192].fill(0);
    fs::remove_file(image).unwrap();
    fs::write(image, bytes).unwrap();
    for (words, last) in [
        (&["check", "shelf", "--count", "3"][..], "FAILED: 1 of 3 copies"),
        (&["verify", "shelf"], "FAILED: 1 of 3 discs"),
    ] {
        let run = sandbox.run(words);
        let words = run.code(5).stderr();
        let ended: Vec<&str> = words.lines().rev().take(2).collect();
        assert_eq!(ended[0], last, "{}", run.story());
        assert!(ended[1].contains("disc 1 "), "{}", run.story());
    }
}

#[test]
fn a_verdict_has_a_colour_at_a_terminal_only() {
    let sandbox = three_discs();
    let safe = format!("{GREEN}safe{PLAIN}      films: ");
    assert!(at_80(&sandbox, "", "status").starts_with(&safe));
    assert!(at_80(&sandbox, "NO_COLOR=", "status").starts_with(&safe));
    for set in ["NO_COLOR=1", "TERM=dumb"] {
        let text = at_80(&sandbox, set, "status");
        assert!(text.starts_with("safe      films: ") && !text.contains('\u{1b}'), "{text:?}");
    }
    assert!(sandbox.run(["status"]).ok().stdout().starts_with("safe      films: "));
    fs::write(sandbox.source().join("new"), "new").unwrap();
    sandbox.run("backup source --stage --set films".split(' ')).ok();
    let text = at_80(&sandbox, "", "status");
    assert!(text.starts_with(&format!("{BOLD_RED}NOT SAFE{PLAIN}  films\n")), "{text:?}");
}

/// What a name or a place holds is text, whatever it looks like.
#[test]
fn no_text_colours_a_terminal() {
    let sandbox = three_discs();
    let sql = "UPDATE copies SET place=char(27)||'[31mBox'";
    let changed = rusqlite_run(&sandbox.catalog(), sql);
    assert!(changed > 0);
    for words in ["discs", "status long", "keysheet"] {
        let text = at_80(&sandbox, "", words);
        assert!(text.contains("\\u{1b}[31mBox") && !text.contains("\u{1b}[31m"), "{text:?}");
    }
}

fn rusqlite_run(catalog: &Path, sql: &str) -> usize {
    rusqlite::Connection::open(catalog).unwrap().execute(sql, []).unwrap()
}

#[test]
fn a_key_sheet_has_a_line_for_each_place() {
    let sandbox = three_discs();
    sandbox.run(["locate", "1-3", "Box 3"]).ok();
    let sheet = sandbox.run(["keysheet"]).ok().stdout();
    let lines: Vec<&str> = sheet.lines().filter(|line| line.ends_with("Box 3")).collect();
    assert_eq!(lines.len(), 1, "{sheet}");
    assert!(lines[0].starts_with("  1-3 ") && lines[0].contains("copy 1"), "{sheet}");
    // Whatever is not the same has a line of its own.
    sandbox.run(["locate", "2", "Box 4"]).ok();
    let sheet = sandbox.run(["keysheet"]).ok().stdout();
    let places: Vec<Vec<&str>> = sheet
        .lines()
        .filter(|line| line.contains(" Box "))
        .map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect())
        .collect();
    assert_eq!(places, [["1, 3", "copy 1", "Box 3"], ["2", "copy 1", "Box 4"]], "{sheet}");
}
