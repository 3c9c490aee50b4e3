//! Several shelves at once, through the shipped program: who gets what, what happens when one of
//! them fails, and that a run that was killed is continued without a disc more than is needed.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use support::{Run, Sandbox, assert_same_tree, text};

const SHELVES: [&str; 3] = ["./a", "./b", "./c"];

/// Backs the source up onto the first so many shelves, discs of 3 MB.
fn backup(sandbox: &Sandbox, shelves: usize, options: &[&str]) -> Run {
    let words = ["backup", "--disc-size", "3M", "--name", "set", "source"];
    sandbox.run(words.iter().chain(&SHELVES[..shelves]).chain(options))
}

/// What lies where: for each shelf the numbers of its discs.
fn images(sandbox: &Sandbox, shelf: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(sandbox.path(shelf)) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let number =
        |name: String| name.strip_prefix("set-")?.strip_suffix(".iso")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = names.filter_map(number).collect();
    numbers.sort();
    numbers
}

/// How often each disc is on some shelf.
fn counts(sandbox: &Sandbox) -> BTreeMap<u32, usize> {
    let places = ["a", "a/copy2", "b", "b/copy2", "c", "c/copy2"];
    let mut counts = BTreeMap::new();
    for disc in places.iter().flat_map(|shelf| images(sandbox, shelf)) {
        *counts.entry(disc).or_default() += 1;
    }
    counts
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["discs", "--json", "--name", "set"]).ok().results()
}

/// Every disc has so many good copies, each with a number of its own, and nothing waits.
#[track_caller]
fn all_are_safe(sandbox: &Sandbox, copies: usize) {
    let discs = discs(sandbox);
    assert!(!discs.is_empty());
    for disc in &discs {
        assert_eq!(disc["state"], "verified", "{disc}");
        let media = disc["media"].as_array().unwrap();
        let good = media.iter().filter(|copy| copy["state"] == "ok");
        let mut numbers: Vec<u64> = good.map(|copy| copy["copy"].as_u64().unwrap()).collect();
        assert_eq!(numbers.len(), copies, "{disc}");
        numbers.dedup();
        assert_eq!(numbers.len(), copies, "two copies have one number: {disc}");
    }
    let numbers = discs.iter().map(|disc| disc["id"].as_u64().unwrap() as u32);
    assert_eq!(counts(sandbox), numbers.map(|number| (number, copies)).collect());
    let left = sandbox.bash("find \"$COLDCUT_STAGING\" -type f").ok().stdout();
    assert_eq!(left, "");
}

/// Everything comes back from the images alone.
#[track_caller]
fn comes_back(sandbox: &Sandbox) {
    sandbox.bash("mkdir all && find a b c -name 'set-*.iso' -exec cp -n {} all/ ';' || true").ok();
    sandbox.run(["restore", "--catalog", "none", "all", "target"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn discs_are_shared_out_and_each_is_burned_once() {
    for shelves in [2, 3] {
        let sandbox = Sandbox::with_films(12);
        backup(&sandbox, shelves, &[]).ok();
        all_are_safe(&sandbox, 1);
        comes_back(&sandbox);
    }
}

#[test]
fn copies_of_a_disc_are_on_different_shelves() {
    for shelves in [2, 3] {
        let sandbox = Sandbox::with_films(7);
        backup(&sandbox, shelves, &["--copies", "2"]).ok();
        all_are_safe(&sandbox, 2);
        for shelf in ["a", "b", "c"] {
            assert!(!sandbox.path(shelf).join("copy2").exists(), "two copies are on {shelf}");
        }
        comes_back(&sandbox);
    }
}

#[test]
fn one_shelf_more_than_there_are_copies_to_make_is_no_reason_for_another() {
    let sandbox = Sandbox::with_films(2);
    backup(&sandbox, 3, &["--copies", "2"]).ok();
    all_are_safe(&sandbox, 2);
}

/// A burn that waits until both shelves are being written to: a run that did one after the other
/// would wait in vain, and fail.
#[test]
fn copies_of_one_disc_are_burned_at_the_same_time() {
    let mut sandbox = Sandbox::with_films(2);
    let real = sandbox.bash("command -v xorriso").ok().stdout();
    let dir = text(&sandbox.path(""));
    let script = format!(
        "#!/bin/bash\ncd '{dir}' || exit 1\ncase \"$*\" in *print-size*|*print_size*|*-version*) exec \
         '{}' \"$@\";; esac\nfor ((n = 0; n < 1200; n++)); do\n  if compgen -G 'a/.*.iso.part' \
         >both.a && compgen -G 'b/.*.iso.part' >both.b || [ -e both ]; then\n    touch both\n    exec \
         '{}' \"$@\"\n  fi\n  sleep 0.05\ndone\nexit 1\n",
        real.trim(),
        real.trim()
    );
    fs::create_dir(sandbox.path("slow")).unwrap();
    let file = sandbox.path("slow/xorriso");
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", text(&sandbox.path("slow")), std::env::var("PATH").unwrap());
    sandbox.set("PATH", path);
    backup(&sandbox, 2, &["--copies", "2", "--no-drill"]).ok();
    assert!(sandbox.path("both").exists());
    all_are_safe(&sandbox, 2);
}

#[test]
fn a_shelf_that_is_full_leaves_its_discs_to_the_others() {
    let sandbox = Sandbox::with_films(12);
    fs::create_dir(sandbox.path("a")).unwrap();
    fs::write(sandbox.path("a/.shelf.toml"), "full_after = 1\n").unwrap();
    let run = backup(&sandbox, 2, &[]);
    run.ok().says("/a is not used any more: ").says("continuing without it");
    assert_eq!(images(&sandbox, "a").len(), 1);
    all_are_safe(&sandbox, 1);
    comes_back(&sandbox);
}

/// Both copies are made all the same, on the shelf that is left.
#[test]
fn copies_for_a_shelf_that_is_full_go_to_the_one_that_is_left() {
    let sandbox = Sandbox::with_films(7);
    fs::create_dir(sandbox.path("b")).unwrap();
    fs::write(sandbox.path("b/.shelf.toml"), "full_after = 1\n").unwrap();
    backup(&sandbox, 2, &["--copies", "2"]).ok().says("/b is not used any more: ");
    all_are_safe(&sandbox, 2);
}

#[test]
fn where_all_shelves_are_full_the_run_fails_and_the_next_one_continues() {
    let sandbox = Sandbox::with_films(12);
    for shelf in ["a", "b"] {
        fs::create_dir(sandbox.path(shelf)).unwrap();
        fs::write(sandbox.path(shelf).join(".shelf.toml"), "full_after = 1\n").unwrap();
    }
    let run = backup(&sandbox, 2, &[]);
    assert!(!run.output.status.success(), "{}", run.story());
    run.says("no blank disc");
    assert_eq!(counts(&sandbox).values().sum::<usize>(), 2);
    ["a", "b"].iter().for_each(|shelf| {
        fs::remove_file(sandbox.path(shelf).join(".shelf.toml")).unwrap();
    });
    backup(&sandbox, 2, &[]).ok();
    all_are_safe(&sandbox, 1);
    comes_back(&sandbox);
}

/// The disc that cannot be written on one shelf goes to the other, not onto the next blank there.
#[test]
fn a_burn_that_fails_is_tried_elsewhere() {
    let sandbox = Sandbox::with_films(2);
    fs::create_dir(sandbox.path("a")).unwrap();
    fs::write(sandbox.path("a/.shelf.toml"), "write_error_at = [1, 700]\n").unwrap();
    backup(&sandbox, 2, &[]).ok();
    assert_eq!((images(&sandbox, "a"), images(&sandbox, "b")), (vec![], vec![1]));
    all_are_safe(&sandbox, 1);
}

#[test]
fn what_is_staged_is_burned_to_all_places() {
    let sandbox = Sandbox::with_films(7);
    sandbox.backup("set", &["--stage", "--copies", "2"]).ok();
    sandbox.run(["burn", "--name", "set", "./a", "./b"]).ok();
    all_are_safe(&sandbox, 2);
    assert_eq!(images(&sandbox, "a"), images(&sandbox, "b"));
}

#[test]
fn further_copies_are_shared_out() {
    let sandbox = Sandbox::with_films(7);
    sandbox.backup("set", &[]).ok();
    sandbox.run(["copy", "--name", "set", "1-3", "./a", "./b"]).ok();
    let [a, b] = ["a", "b"].map(|shelf| images(&sandbox, shelf));
    assert_eq!(([&a[..], &b].concat().len(), a.is_empty(), b.is_empty()), (3, false, false));
    assert_eq!(counts(&sandbox), [(1, 1), (2, 1), (3, 1)].into());
    assert!(discs(&sandbox).iter().all(|disc| disc["copies"] == 2));
    assert_eq!(sandbox.bash("ls \"$COLDCUT_STAGING\"/scratch").ok().stdout(), "");
}

#[test]
fn discs_of_several_shelves_are_in_one_recovery_group() {
    let sandbox = Sandbox::with_films(7);
    backup(&sandbox, 2, &["--parity-discs", "1/2", "--flush"]).ok();
    all_are_safe(&sandbox, 1);
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    let covered = "SELECT count(DISTINCT disc), count(*), count(DISTINCT recovery) FROM covered";
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (discs, rows, recovery): (u32, u32, u32) = catalog.query_row(covered, [], row).unwrap();
    assert_eq!((discs, rows, recovery), (3, 3, 2), "each disc is covered once");
}

#[test]
fn a_place_is_refused_that_is_named_twice() {
    let sandbox = Sandbox::with_films(1);
    let same = |other: &str| {
        sandbox.run(["backup", "--name", "set", "source", "./a", other]).code(2).stderr()
    };
    assert!(same("./a").contains("named twice"));
    assert!(same("././a").contains("same drive or shelf"), "it is made later");
    fs::create_dir(sandbox.path("a")).unwrap();
    std::os::unix::fs::symlink("a", sandbox.path("link")).unwrap();
    assert!(same("./link").contains("same drive or shelf"));
    assert!(!sandbox.catalog().exists());
}

/// Kills the run when it says this.
fn kill_at(sandbox: &Sandbox, words: &[&str], is_it: impl Fn(&Value) -> bool) {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
    command.args(words).arg("--json").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert!(events.any(|event| is_it(&event)), "it ended before");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Whatever was burned and not read back on one shelf is read back there: the other one gets no
/// disc that is good already.
#[test]
fn a_run_that_was_killed_is_continued_without_a_disc_too_many() {
    for (copies, reached) in [(1, "burned"), (1, "verified"), (2, "burned"), (2, "verified")] {
        let sandbox = Sandbox::with_films(7);
        let copies_wanted = copies.to_string();
        let words = ["backup", "--disc-size", "3M", "--name", "set", "--copies", &copies_wanted];
        let words = [&words[..], &["source", "./a", "./b"]].concat();
        kill_at(&sandbox, &words, |event| event["event"] == "disc" && event["state"] == reached);
        // The shelves in another order: each disc is looked for where it is.
        let again = ["backup", "--name", "set", "source", "./b", "./a"];
        sandbox.run(again).ok();
        all_are_safe(&sandbox, copies);
        assert!(!Path::exists(&sandbox.path("a/copy2")));
    }
}

/// Burns that came to nothing have used the numbers 1 and 2; a former version of `catalog rebuild`
/// gave the image on the first shelf number 1 all the same, and so counted it twice.
#[test]
fn a_rebuilt_catalog_counts_each_image_once() {
    let sandbox = Sandbox::with_films(2);
    backup(&sandbox, 2, &["--copies", "2"]).ok();
    let alter = |sql: &str| {
        let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
        catalog.execute_batch(&format!("PRAGMA foreign_keys=OFF; {sql}")).unwrap();
    };
    alter("UPDATE copies SET copy=copy+4; UPDATE verifications SET copy=copy+4");
    let numbers = || -> Vec<Vec<u64>> {
        let media = |disc: &Value| disc["media"].as_array().unwrap().clone();
        let of = |disc| media(disc).iter().map(|copy| copy["copy"].as_u64().unwrap()).collect();
        discs(&sandbox).iter().map(of).collect()
    };
    let before = numbers();
    for from in [&["./a"][..], &["./b"], &["./a", "./b"]] {
        sandbox.run(["catalog", "rebuild", "--replace"].iter().chain(from)).ok();
        sandbox.run(["verify", "./a"]).ok();
        all_are_safe(&sandbox, 2);
        assert_eq!(numbers(), before, "{from:?}");
    }
    // A catalog that has it wrong already is put right.
    alter(
        "INSERT INTO copies SELECT set_id, disc, 1, words, place, burned, 'burned', bears, kind,
             maker, burner, reader, dir, shelf, system, X'7365742d303030312e69736f' FROM copies
         WHERE disc=1 AND copy=5",
    );
    assert_eq!(numbers()[0].len(), 3);
    for shelf in ["./a", "./b"] {
        sandbox.run(["verify", shelf]).ok();
    }
    assert_eq!(numbers(), before);
    all_are_safe(&sandbox, 2);
}
