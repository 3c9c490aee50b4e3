//! What old discs hold goes onto new ones without its source, and every snapshot comes back from
//! the new ones alone.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::trees::{Random, hostile_tree, mutate_tree};
use support::{Run, Sandbox, assert_same_tree, text};

fn migrate(sandbox: &Sandbox, options: &[&str]) -> Run {
    let to = text(&sandbox.path("new"));
    let words = ["migrate", "--json", "--disc-size", "12M", "--to", &to];
    sandbox.run(words.iter().chain(options).copied())
}

fn summary(run: &Run) -> Value {
    run.objects().pop().unwrap()
}

/// Three snapshots: what is in the source already, files larger than what is left of a disc, files that
/// changed, moved, became directories, and are gone. A copy of each state is kept.
fn with_history(sandbox: &Sandbox, options: &[&str]) {
    let source = sandbox.source();
    for n in 0..4 {
        fs::write(source.join(format!("film{n}")), Random::new(n).bytes(1_500_000)).unwrap();
    }
    sandbox.backup("films", options).ok();
    sandbox.bash("cp -a source state1").ok();
    fs::write(source.join("film0"), Random::new(50).bytes(1_200_000)).unwrap();
    fs::remove_file(source.join("film1")).unwrap();
    fs::create_dir(source.join("film1")).unwrap();
    fs::write(source.join("film1/inside"), "now a directory\n").unwrap();
    fs::rename(source.join("film2"), source.join("film2 moved")).unwrap();
    sandbox.backup("films", options).ok();
    sandbox.bash("cp -a source state2").ok();
    if source.join("hostile").exists() {
        mutate_tree(&source.join("hostile"), 7, 20);
    }
    fs::write(source.join("film0"), Random::new(51).bytes(700_000)).unwrap();
    sandbox.backup("films", options).ok();
    sandbox.bash("cp -a source state3").ok();
    fs::remove_dir_all(&source).unwrap();
}

fn all_come_back(sandbox: &Sandbox, from: &Path, options: &[&str]) {
    for seq in ["1", "2", "3"] {
        let target = sandbox.path("back");
        let (from, to) = (text(from), text(&target));
        let words = ["restore", "--trust-metadata", "--snapshot", seq, &from, &to];
        sandbox.run(words.iter().chain(options).copied()).ok();
        assert_same_tree(&sandbox.path(&format!("state{seq}")), &target);
        sandbox.bash("chmod -R u+rwX back; rm -rf back").ok();
    }
}

fn forget_catalog(sandbox: &Sandbox) {
    for beside in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{beside}", text(&sandbox.catalog())));
    }
}

#[test]
fn every_snapshot_comes_back_from_the_new_discs_alone() {
    let sandbox = Sandbox::new();
    hostile_tree(&sandbox.source().join("hostile"));
    with_history(&sandbox, &[]);
    let old = sandbox.images().len();
    assert!(old >= 3);
    let run = migrate(&sandbox, &["--all"]);
    let summary = summary(run.ok());
    let emptied: Vec<usize> = (1..=old).collect();
    assert_eq!((&summary["emptied"], &summary["failed"]), (&json!(emptied), &json!(0)));
    assert!(sandbox.bash("find staging -type f").ok().stdout().is_empty());
    fs::remove_dir_all(sandbox.shelf()).unwrap();
    let new = sandbox.path("new");
    assert!(fs::read_dir(&new).unwrap().count() < old, "larger discs, and fewer");
    all_come_back(&sandbox, &new, &[]);
    // Nothing is lost with the old ones, and a program that asks is told so.
    let run = sandbox.run(["retire", &format!("1-{old}"), "--yes"]);
    run.ok().says("no files would be lost");
    sandbox.run(["status"]).ok();
    sandbox.run(["verify", &text(&new)]).ok();
    // And without any catalog of ours.
    forget_catalog(&sandbox);
    all_come_back(&sandbox, &new, &[]);
}

#[test]
fn an_encrypted_set_stays_encrypted_and_its_keys_stay() {
    let sandbox = Sandbox::new();
    let secret = text(&sandbox.passphrase_file(b"correct horse"));
    let keys = ["--passphrase-file", secret.as_str()];
    with_history(&sandbox, &["--encrypt", keys[0], keys[1]]);
    migrate(&sandbox, &["--all"]).code(1).says("passphrase");
    migrate(&sandbox, &["--all", keys[0], keys[1]]).ok();
    fs::remove_dir_all(sandbox.shelf()).unwrap();
    all_come_back(&sandbox, &sandbox.path("new"), &keys);
    let archives = sandbox.bash(
        "for image in new/*.iso; do xorriso -indev stdio:$image -find /archives -type f 2>/dev/null; done",
    );
    let names = archives.ok().stdout();
    assert!(
        names.lines().count() > 0 && names.lines().all(|name| name.ends_with(".gpg'")),
        "{names}"
    );
}

#[test]
fn one_disc_is_migrated_and_the_others_are_still_needed() {
    let sandbox = Sandbox::new();
    with_history(&sandbox, &[]);
    let run = migrate(&sandbox, &["1"]);
    assert_eq!(summary(run.ok())["emptied"], json!([1]));
    sandbox.run(["retire", "1", "--yes"]).ok().says("no files would be lost");
    fs::remove_file(sandbox.shelf().join("films-0001.iso")).unwrap();
    let both = sandbox.path("both");
    fs::create_dir(&both).unwrap();
    sandbox.bash("mv shelf both/; mv new both/").ok();
    all_come_back(&sandbox, &both, &[]);
    forget_catalog(&sandbox);
    all_come_back(&sandbox, &both, &[]);
}

#[test]
fn what_cannot_be_read_stays_where_it_is_and_is_named() {
    let sandbox = Sandbox::new();
    with_history(&sandbox, &[]);
    let image = sandbox.shelf().join("films-0001.iso");
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0);
    fs::write(&image, &bytes).unwrap();
    let run = migrate(&sandbox, &["--all"]);
    run.code(3).says("stays where it is: it was not migrated");
    let summary = summary(&run);
    assert!(summary["failed"].as_u64().unwrap() >= 1, "{summary}");
    assert!(!summary["emptied"].as_array().unwrap().contains(&json!(1)), "{summary}");
    sandbox.run(["lost", "1"]).code(1).says("GONE FOR EVER").says("nothing was recorded");
}

#[test]
fn a_migration_whose_new_disc_is_lost_before_it_was_safe_takes_nothing_away() {
    let sandbox = Sandbox::new();
    with_history(&sandbox, &[]);
    let new = sandbox.path("new");
    fs::create_dir(&new).unwrap();
    fs::write(new.join(".shelf.toml"), "full_after = 0\n").unwrap();
    migrate(&sandbox, &["--all"]).code(4).says("no blank disc");
    fs::remove_dir_all(sandbox.staging()).unwrap();
    fs::remove_file(new.join(".shelf.toml")).unwrap();
    // The next run sees that staging is gone; the old discs have everything.
    migrate(&sandbox, &["--all"]).ok().says("no longer complete in the staging area");
    fs::remove_dir_all(sandbox.shelf()).unwrap();
    all_come_back(&sandbox, &new, &[]);
}

#[test]
fn what_is_typed_must_make_sense() {
    let sandbox = Sandbox::new();
    let to = text(&sandbox.path("new"));
    sandbox.run(["migrate", "--to", &to]).code(2);
    sandbox.run(["migrate", "1", "--all", "--to", &to]).code(2);
    sandbox.run(["migrate", "--all"]).code(2);
    fs::write(sandbox.source().join("a"), "a").unwrap();
    sandbox.backup("films", &[]).ok();
    sandbox.run(["migrate", "7", "--to", &to]).code(1).says("no disc 7");
}
