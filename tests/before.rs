//! What an earlier coldcut left is taken over: its catalog, its shelves, and its staging area with
//! a closed disc, an open one and a group of discs in progress (`tests/before/make.sh` made them).

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Run, Sandbox, assert_same_tree, text};

/// The state as it was packed, below a folder of this test's own.
fn unpacked() -> Sandbox {
    let sandbox = Sandbox::new();
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/before/state.tar.bz2");
    sandbox.bash(&format!("tar -x -p -f '{}'", text(&state))).ok();
    sandbox
}

/// A set's next backup: its source has moved, as everything has.
fn backup(sandbox: &Sandbox, set: &str, options: &[&str]) -> Run {
    let words = ["backup", set, "shelf", "--name", set, "--move-source"];
    sandbox.run(words.iter().chain(options))
}

fn discs(sandbox: &Sandbox, set: &str) -> Vec<Value> {
    let run = sandbox.run(["discs", "--name", set, "--json"]);
    run.ok().results()
}

fn states(sandbox: &Sandbox, set: &str) -> Vec<String> {
    discs(sandbox, set).iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
}

fn comes_back(sandbox: &Sandbox, set: &str, options: &[&str]) {
    let target = text(&sandbox.path(&format!("{set}-back")));
    let words = ["restore", "shelf", &target, "--name", set];
    sandbox.run(words.iter().chain(options)).ok();
    assert_same_tree(&sandbox.path(set), Path::new(&target));
}

/// Of the discs on the shelf, as each says in DISC.txt.
fn formats(sandbox: &Sandbox, set: &str) -> String {
    let read = format!(
        "for image in shelf/{set}-*.iso; do
             rm -f disc.txt index
             xorriso -osirrox on -indev stdio:$image -extract /DISC.txt disc.txt 2>/dev/null
             sed -n 's/^format=//p' disc.txt
         done | tr '\\n' ' '"
    );
    sandbox.bash(&read).ok().stdout().trim().to_owned()
}

#[test]
fn a_closed_disc_that_was_staged_and_the_ones_on_shelves_hold_all_that_they_held() {
    let sandbox = unpacked();
    assert_eq!(states(&sandbox, "photos"), ["verified", "verified", "staged"]);
    backup(&sandbox, "photos", &[]).ok();
    let now = states(&sandbox, "photos");
    assert!(now.len() <= 4 && now.iter().all(|state| state == "verified"), "{now:?}");
    comes_back(&sandbox, "photos", &[]);
    // What is closed is burned as it is; what is begun now is of the format of now.
    assert!(["1 1 1", "1 1 1 2"].contains(&formats(&sandbox, "photos").as_str()));
    // What was deleted before is in the first snapshot still.
    let words = ["restore", "shelf", "first", "--name", "photos", "--snapshot", "1"];
    sandbox.run(words).ok();
    assert_eq!(fs::metadata(sandbox.path("first/2.jpg")).unwrap().len(), 500_000);
    sandbox.run(["verify", "shelf", "--name", "photos"]).ok();
}

#[test]
fn an_open_disc_of_an_encrypted_set_is_filled_up_and_closed_with_its_passphrase() {
    let sandbox = unpacked();
    assert_eq!(states(&sandbox, "letters"), ["verified", "open"]);
    backup(&sandbox, "letters", &["--passphrase-file", "passphrase"]).ok();
    assert_eq!(states(&sandbox, "letters"), ["verified", "verified"]);
    comes_back(&sandbox, "letters", &["--passphrase-file", "passphrase"]);
    assert_eq!(formats(&sandbox, "letters"), "1 1", "a disc ends as it was begun");
    // Discs of both formats are one set, for those who have no catalog, too.
    fs::write(sandbox.path("letters/late.txt"), "a letter of now\n").unwrap();
    let file = ["--passphrase-file", "passphrase"];
    backup(&sandbox, "letters", &[file[0], file[1], "--flush"]).ok();
    assert_eq!(formats(&sandbox, "letters"), "1 1 2");
    sandbox
        .bash("mv catalog.sqlite away.sqlite; chmod -R u+rwX letters-back; rm -rf letters-back")
        .ok();
    comes_back(&sandbox, "letters", &file);
    sandbox
        .run(["restore", "shelf", "old", "--name", "letters", "--snapshot", "1", file[0], file[1]])
        .ok();
    assert!(!sandbox.path("old/late.txt").exists() && sandbox.path("old/1.txt").exists());
    sandbox.bash("! grep -aq 20000 shelf/letters-*.iso").ok();
}

#[test]
fn a_set_with_copies_and_recovery_discs_ends_its_group() {
    let sandbox = unpacked();
    backup(&sandbox, "films", &[]).ok();
    sandbox.run(["flush", "--name", "films"]).ok();
    sandbox.run(["burn", "shelf", "--name", "films"]).ok();
    let films = discs(&sandbox, "films");
    assert!(films.len() >= 2, "{films:?}");
    for disc in &films {
        assert_eq!(disc["state"], "verified", "{disc}");
        assert_eq!(disc["copies"], 2, "{disc}");
    }
    // The recovery disc makes good for the first disc, though an earlier program began the group.
    sandbox.bash("rm shelf/films-0001.iso; mkdir left; mv shelf/films-*.iso left/").ok();
    sandbox.run(["restore", "left", "films-left", "--name", "films"]).ok();
    assert_same_tree(&sandbox.path("films"), &sandbox.path("films-left"));
}

#[test]
fn discs_are_found_on_the_shelves_that_were_typed_then() {
    let sandbox = unpacked();
    // `shelf`, typed from the folder that the runs start in.
    fs::create_dir(sandbox.path("new")).unwrap();
    sandbox.run(["copy", "2", "new", "--name", "photos"]).ok();
    let copies: Vec<u64> =
        discs(&sandbox, "photos").iter().map(|disc| disc["copies"].as_u64().unwrap()).collect();
    assert_eq!(copies, [2, 2, 0]);
    // The other one lay in a folder that is not there any more; what it holds is sound.
    sandbox.run(["verify", "other", "--name", "photos"]).ok();
    let copies = discs(&sandbox, "photos")[0]["copies"].as_u64().unwrap();
    assert!(copies >= 2, "{copies}");
}
