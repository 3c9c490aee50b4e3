//! The second run and those after it: what costs a disc, what costs a row, what costs nothing; and
//! what the questions answer.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree, text};

fn backup(sandbox: &Sandbox, options: &[&str]) -> Run {
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let mut words = vec!["backup", "--disc-size", "3M", "--name", "set", "--json"];
    words.extend(options);
    words.extend([source.as_str(), shelf.as_str()]);
    sandbox.run(words)
}

fn summary(run: &Run) -> Value {
    let objects = run.ok().objects();
    objects.into_iter().rfind(|object| object["event"] == "summary").unwrap()
}

fn status(sandbox: &Sandbox) -> Value {
    let lines = sandbox.run(["status", "--json"]).results();
    lines.into_iter().find(|object| object["set"] == "set").unwrap()
}

fn comes_back(sandbox: &Sandbox) {
    let target = sandbox.path("back");
    sandbox.run(["restore", "--name", "set", &text(&sandbox.shelf()), &text(&target)]).ok();
    assert_same_tree(&sandbox.source(), &target);
    fs::remove_dir_all(target).unwrap();
}

fn a_small_tree() -> Sandbox {
    let sandbox = Sandbox::new();
    let photos = sandbox.source().join("photos/summer");
    fs::create_dir_all(&photos).unwrap();
    for n in 0..5 {
        fs::write(photos.join(format!("{n}.jpg")), Random::new(n).bytes(100_000)).unwrap();
    }
    fs::write(sandbox.source().join("notes"), "first\n").unwrap();
    sandbox
}

#[test]
fn a_run_that_finds_no_difference_makes_no_disc() {
    let sandbox = a_small_tree();
    let first = summary(&backup(&sandbox, &[]));
    assert_eq!(first["discs"], serde_json::json!([1]));
    assert_eq!(first["stored"]["count"], 9);
    let second = summary(&backup(&sandbox, &[]));
    assert_eq!(second["discs"], serde_json::json!([]));
    assert_eq!((&second["stored"]["count"], &second["unchanged"]["count"]), (&0.into(), &9.into()));
    assert_eq!(status(&sandbox)["rows_waiting"], 0);
    let flushed = summary(&backup(&sandbox, &["--flush"]));
    assert_eq!(flushed["discs"], serde_json::json!([]));
    assert_eq!(sandbox.images().len(), 1);
}

#[test]
fn moves_copies_deletions_and_modes_wait_as_rows_until_they_are_flushed() {
    let sandbox = a_small_tree();
    backup(&sandbox, &[]).ok();
    let source = sandbox.source();
    fs::rename(source.join("photos"), source.join("pictures")).unwrap();
    fs::copy(source.join("notes"), source.join("notes copy")).unwrap();
    fs::remove_file(source.join("pictures/summer/0.jpg")).unwrap();
    fs::set_permissions(source.join("notes"), fs::Permissions::from_mode(0o600)).unwrap();
    let second = summary(&backup(&sandbox, &[]));
    assert_eq!(second["discs"], serde_json::json!([]), "{second}");
    assert!(second["rows_waiting"].as_u64().unwrap() > 0, "{second}");
    assert!(status(&sandbox)["rows_waiting"].as_u64().unwrap() > 0);
    comes_back(&sandbox);
    let third = summary(&backup(&sandbox, &["--flush"]));
    assert_eq!(third["discs"], serde_json::json!([2]));
    assert_eq!(status(&sandbox)["rows_waiting"], 0);
    let size = fs::metadata(&sandbox.images()[1]).unwrap().len();
    assert!(size < 300_000, "{size} bytes for rows alone");
    fs::remove_file(sandbox.catalog()).unwrap();
    comes_back(&sandbox);
}

#[test]
fn only_what_is_new_or_changed_is_stored_and_every_snapshot_stays() {
    let sandbox = a_small_tree();
    backup(&sandbox, &[]).ok();
    let before = sandbox.path("before");
    sandbox.bash(&format!("cp -a '{}' '{}'", text(&sandbox.source()), text(&before))).ok();
    fs::write(sandbox.source().join("notes"), "second\n").unwrap();
    fs::write(sandbox.source().join("new"), Random::new(9).bytes(50_000)).unwrap();
    let second = summary(&backup(&sandbox, &[]));
    assert_eq!(second["stored"]["size"], 50_007, "{second}");
    comes_back(&sandbox);
    let target = sandbox.path("old");
    let shelf = text(&sandbox.shelf());
    sandbox.run(["restore", "--snapshot", "1", &shelf, &text(&target)]).ok();
    assert_same_tree(&before, &target);
    sandbox.run(["restore", "--snapshot", "9", &shelf, "x"]).code(1).says("snapshot");
}

#[test]
fn content_that_changed_while_no_date_did_is_reported_by_rehash() {
    let sandbox = a_small_tree();
    backup(&sandbox, &[]).ok();
    let same = backup(&sandbox, &["--rehash"]);
    assert_eq!(summary(&same)["discs"], serde_json::json!([]));
    assert_eq!(summary(&same)["stored"]["count"], 0, "{}", same.story());
}

#[test]
fn a_set_is_one_directory_and_another_one_is_refused() {
    let sandbox = a_small_tree();
    backup(&sandbox, &[]).ok();
    let moved = sandbox.path("elsewhere");
    fs::rename(sandbox.source(), &moved).unwrap();
    let (source, shelf) = (text(&moved), text(&sandbox.shelf()));
    let words = ["backup", "--name", "set", &source, &shelf];
    sandbox.run(words).code(1).says("--move-source").says("set");
    let run = sandbox.run(words.iter().copied().chain(["--move-source", "--json"]));
    assert_eq!(summary(&run)["discs"], serde_json::json!([]), "{}", run.story());
}

#[test]
fn of_several_sets_one_must_be_named() {
    let sandbox = a_small_tree();
    backup(&sandbox, &[]).ok();
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let other = ["backup", "--new-set", "--name", "other", "--disc-size", "3M", &source, &shelf];
    sandbox.run(other).ok();
    for words in [vec!["snapshots"], vec!["ls"], vec!["restore", &shelf, "back"]] {
        sandbox.run(words).code(1).says("other, set").says("--set");
    }
    sandbox.run(["snapshots", "--name", "other"]).ok();
    sandbox.run(["snapshots", "--name", "third"]).code(1).says("other, set");
}

#[test]
fn what_is_left_out_names_its_rule_and_the_sums_match() {
    let sandbox = a_small_tree();
    let source = sandbox.source();
    fs::write(source.join("core.tmp"), "x").unwrap();
    fs::create_dir(source.join("cache")).unwrap();
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
    fs::write(source.join("cache/CACHEDIR.TAG"), tag).unwrap();
    fs::write(source.join("cache/blob"), "x").unwrap();
    fs::create_dir(source.join("private")).unwrap();
    fs::write(source.join("private/.nobackup"), "").unwrap();
    fs::write(source.join("private/x"), "x").unwrap();
    fs::write(sandbox.path("patterns"), "# mine\n\n/photos/summer/4.jpg\n").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
    let patterns = text(&sandbox.path("patterns"));
    let run = backup(
        &sandbox,
        &[
            "--exclude",
            "*.tmp",
            "--exclude-from",
            &patterns,
            "--exclude-caches",
            "--exclude-if-present",
            ".nobackup",
        ],
    );
    let told = summary(&run);
    let counts =
        ["stored", "unchanged", "failed"].map(|word| told[word]["count"].as_u64().unwrap());
    let excluded: u64 = told["excluded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["count"].as_u64().unwrap())
        .sum();
    // What is in a directory that is stored without its content is not walked, but for its mark.
    let walked =
        9 + ["core.tmp", "cache", "CACHEDIR.TAG", "private", ".nobackup", "socket"].len() as u64;
    assert_eq!(counts.iter().sum::<u64>() + excluded, walked, "{told}");
    let rules: Vec<String> = ["excluded", "hollow"]
        .iter()
        .flat_map(|word| told[word].as_array().unwrap())
        .map(|rule| rule["rule"].as_str().unwrap().to_owned())
        .collect();
    for word in ["*.tmp", "4.jpg", "CACHEDIR.TAG", ".nobackup", "socket"] {
        assert!(rules.iter().any(|rule| rule.contains(word)), "{word} is not in {rules:?}");
    }
    let target = sandbox.path("back");
    sandbox.run(["restore", &text(&sandbox.shelf()), &text(&target)]).ok();
    for gone in ["core.tmp", "cache/blob", "private/x", "photos/summer/4.jpg", "socket"] {
        assert!(!target.join(gone).exists(), "{gone}");
    }
    assert!(target.join("private").is_dir() && target.join("photos/summer/3.jpg").exists());
}

#[test]
fn a_dry_run_prints_the_shopping_list_and_writes_nothing() {
    let sandbox = a_small_tree();
    let run = backup(&sandbox, &["--dry-run"]);
    run.says("At most 1 disc").says("staging");
    assert_eq!(summary(&run)["plan"]["discs"], 1);
    assert!(!sandbox.catalog().exists() && !sandbox.staging().exists());
    assert!(sandbox.images().is_empty());
    backup(&sandbox, &[]).ok();
    let target = text(&sandbox.path("back"));
    sandbox.run(["restore", "--dry-run", &text(&sandbox.shelf()), &target]).ok().says("disc");
    assert!(!Path::new(&target).exists());
}

#[test]
fn questions_are_answered_in_order_with_ids_and_paths() {
    let sandbox = a_small_tree();
    backup(&sandbox, &[]).ok();
    fs::write(sandbox.source().join("notes"), "second\n").unwrap();
    backup(&sandbox, &[]).ok();
    let ids = |words: &[&str], key: &str| -> Vec<Value> {
        sandbox.run(words).results().iter().map(|object| object[key].clone()).collect()
    };
    assert_eq!(ids(&["snapshots", "--json"], "id"), [1, 2]);
    assert_eq!(ids(&["discs", "--json"], "id"), [1, 2]);
    assert_eq!(ids(&["ls", "--json"], "path"), ["notes", "photos"]);
    assert_eq!(ids(&["ls", "photos/summer/", "--json"], "path").len(), 5);
    assert_eq!(ids(&["find", "3.*", "--json"], "path"), ["photos/summer/3.jpg"]);
    assert_eq!(ids(&["find", "photos/*", "--json"], "path"), ["photos/summer"]);
    assert_eq!(
        ids(&["ls", "notes", "--snapshot", "1", "--json"], "discs"),
        [serde_json::json!([1])]
    );
    assert_eq!(ids(&["ls", "notes", "--json"], "discs"), [serde_json::json!([2])]);
    sandbox.run(["ls", "nothing"]).code(1).says("nothing");
    let words = sandbox.run(["status"]);
    assert!(words.ok().stdout().contains("catalog.sqlite"), "{}", words.story());
}

#[test]
fn parts_of_a_snapshot_come_back_and_what_is_there_stays() {
    let sandbox = a_small_tree();
    backup(&sandbox, &[]).ok();
    let (shelf, target) = (text(&sandbox.shelf()), sandbox.path("back"));
    let to = text(&target);
    sandbox.run(["restore", "--path", "photos/*/1.jpg", "--path", "notes", &shelf, &to]).ok();
    assert!(target.join("photos/summer/1.jpg").exists() && target.join("notes").exists());
    assert!(!target.join("photos/summer/2.jpg").exists());
    fs::write(target.join("notes"), "mine\n").unwrap();
    sandbox.run(["restore", &shelf, &to]).code(3).says("notes");
    assert_eq!(fs::read_to_string(target.join("notes")).unwrap(), "mine\n");
    sandbox.run(["restore", "--overwrite", "changed", &shelf, &to]).ok();
    assert_same_tree(&sandbox.source(), &target);
    sandbox.run(["restore", &shelf, &to]).ok();
    sandbox.run(["restore", "--path", "nothing/**", &shelf, &to]).code(1).says("nothing");
}
