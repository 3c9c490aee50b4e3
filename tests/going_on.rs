//! Runs that were stopped, split in two, or had their ground pulled away: the next one goes on.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::trees::Random;
use support::{Sandbox, assert_same_tree, text};

fn comes_back(sandbox: &Sandbox) {
    let target = sandbox.path("back");
    sandbox.run(["restore", &text(&sandbox.shelf()), &text(&target)]).ok();
    assert_same_tree(&sandbox.source(), &target);
    fs::remove_dir_all(target).unwrap();
}

fn disc_states(sandbox: &Sandbox) -> Vec<String> {
    let discs = sandbox.run(["discs", "--json"]).results();
    discs.iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
}

/// Bytes of all archives of the set: what is stored twice shows here.
fn archived(sandbox: &Sandbox) -> u64 {
    let images = sandbox.images();
    images.iter().map(|image| fs::metadata(image).unwrap().len()).sum()
}

#[test]
fn staging_and_burning_can_be_done_apart() {
    let sandbox = Sandbox::with_films(7);
    let shelf = text(&sandbox.shelf());
    sandbox.backup("films", &["--stage"]).ok();
    assert!(sandbox.images().is_empty());
    assert_eq!(disc_states(&sandbox), ["staged"; 3]);
    sandbox.run(["burn", "2", &shelf]).ok();
    assert_eq!(disc_states(&sandbox), ["staged", "verified", "staged"]);
    sandbox.run(["burn", &shelf]).ok();
    assert_eq!(disc_states(&sandbox), ["verified"; 3]);
    sandbox.run(["burn", &shelf]).ok().says("nothing is staged");
    sandbox.run(["burn", "9", &shelf]).code(1).says("disc 9");
    comes_back(&sandbox);
    let left = fs::read_dir(sandbox.staging()).unwrap().map(|entry| entry.unwrap().path());
    for dir in left {
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "{dir:?} is not empty");
    }
}

#[test]
fn what_was_staged_and_deleted_by_hand_is_stored_again() {
    let sandbox = Sandbox::with_films(4);
    sandbox.backup("films", &["--stage"]).ok();
    fs::remove_dir_all(sandbox.staging()).unwrap();
    sandbox.backup("films", &[]).ok().says("packed again");
    comes_back(&sandbox);
}

#[test]
fn a_last_disc_that_is_too_empty_waits_and_is_filled_by_the_next_run() {
    let sandbox = Sandbox::with_films(1);
    sandbox.backup("films", &["--min-fill", "90"]).ok().says("waits in the staging area");
    assert!(sandbox.images().is_empty());
    let status = &sandbox.run(["status", "--json"]).results();
    let set = status.iter().find(|object| object["set"] == "films").unwrap();
    assert_eq!(set["waiting"], 1, "{set}");
    let bytes = Random::new(77).bytes(1_700_000);
    fs::write(sandbox.source().join("more"), bytes).unwrap();
    sandbox.backup("films", &["--min-fill", "90"]).ok();
    assert_eq!(sandbox.images().len(), 1, "the same disc was filled");
    comes_back(&sandbox);
    fs::write(sandbox.source().join("little"), "x").unwrap();
    sandbox.backup("films", &["--min-fill", "90"]).ok().says("waits in the staging area");
    sandbox.backup("films", &["--min-fill", "90", "--flush"]).ok();
    assert_eq!(disc_states(&sandbox), ["verified", "verified"]);
    comes_back(&sandbox);
}

/// A program in front of xorriso that holds a burn until it is allowed to go on.
fn hold_burns(sandbox: &mut Sandbox) -> (std::path::PathBuf, std::path::PathBuf) {
    let (bin, held) = (sandbox.path("bin"), sandbox.path("held"));
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/bash\ncase \" $* \" in *' -outdev '*'print_size'*) ;; *' -outdev '*) touch '{held}'; \
         while [ ! -e '{held}.go' ]; do sleep 0.05; done ;; esac\n\
         exec /usr/bin/xorriso \"$@\"\n",
        held = held.display()
    );
    fs::write(bin.join("xorriso"), script).unwrap();
    fs::set_permissions(bin.join("xorriso"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.set("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    (bin, held)
}

/// Starts a backup of two discs and comes back when the first one's burn is held and the second one
/// is packed: the drive does not keep the packer from going on.
fn start_and_hold(sandbox: &Sandbox, held: &Path) -> Child {
    let mut command: Command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
    command.args(["backup", "--disc-size", "3M", "--name", "films"]);
    command.args([sandbox.source(), sandbox.shelf()]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !held.exists() {
        assert!(Instant::now() < deadline, "no burn was begun");
        assert!(child.try_wait().unwrap().is_none(), "it ended before the burn");
        std::thread::yield_now();
    }
    while disc_states(sandbox) != ["staged", "staged"] {
        assert!(Instant::now() < deadline, "the second disc was not packed meanwhile");
    }
    child
}

#[test]
fn a_run_that_is_killed_while_it_burns_is_gone_on_with() {
    let mut sandbox = Sandbox::with_films(4);
    let (bin, held) = hold_burns(&mut sandbox);
    let mut child = start_and_hold(&sandbox, &held);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(bin.join("xorriso")).unwrap();
    let staged = disc_states(&sandbox);
    assert_eq!(staged, ["staged", "staged"], "the discs are packed and not called safe");
    sandbox.backup("films", &[]).ok();
    assert_eq!(disc_states(&sandbox), ["verified"; 2]);
    // Only the file that the first disc's end cut in two is begun again: its rest was never read.
    let all = archived(&sandbox);
    assert!(all < 5_500_000, "{all} bytes for 4 MB: something is stored twice");
    comes_back(&sandbox);
}

#[test]
fn a_signal_ends_the_run_with_its_own_code_and_keeps_what_is_packed() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut sandbox = Sandbox::with_films(4);
        let (bin, held) = hold_burns(&mut sandbox);
        let mut child = start_and_hold(&sandbox, &held);
        sandbox.bash(&format!("kill -{signal} {}", child.id())).ok();
        // The burn in progress is ended first.
        fs::write(sandbox.path("held.go"), "").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        fs::remove_file(bin.join("xorriso")).unwrap();
        assert_eq!(disc_states(&sandbox), ["staged", "staged"]);
        sandbox.backup("films", &[]).ok();
        comes_back(&sandbox);
    }
}

#[test]
fn a_disc_that_was_burned_and_not_recorded_is_read_back_and_not_burned_again() {
    let sandbox = Sandbox::with_films(1);
    sandbox.backup("films", &["--stage"]).ok();
    let (before, staging) = (sandbox.path("before.sqlite"), sandbox.path("staging.saved"));
    fs::copy(sandbox.catalog(), &before).unwrap();
    sandbox.bash(&format!("cp -a '{}' '{}'", text(&sandbox.staging()), text(&staging))).ok();
    sandbox.run(["burn", &text(&sandbox.shelf())]).ok();
    let written = fs::metadata(&sandbox.images()[0]).unwrap().modified().unwrap();
    // As if the power had failed between the burn and its record.
    for beside in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{beside}", text(&sandbox.catalog())));
    }
    fs::copy(&before, sandbox.catalog()).unwrap();
    fs::remove_dir_all(sandbox.staging()).unwrap();
    fs::rename(staging, sandbox.staging()).unwrap();
    sandbox.run(["burn", &text(&sandbox.shelf())]).ok().says("reading it back");
    assert_eq!(disc_states(&sandbox), ["verified"]);
    assert_eq!(sandbox.images().len(), 1);
    assert_eq!(fs::metadata(&sandbox.images()[0]).unwrap().modified().unwrap(), written);
}

#[test]
fn a_burn_of_nothing_is_done_and_one_of_a_disc_that_is_not_staged_is_refused() {
    let sandbox = Sandbox::with_films(1);
    sandbox.backup("films", &[]).ok();
    sandbox.run(["burn", "shelf"]).ok().says("nothing is staged");
    sandbox.run(["burn", "7", "shelf"]).code(1).says("nothing is staged as disc 7");
}

/// Only a backup, which has the files, forgets what was packed.
#[test]
fn a_staging_area_that_is_gone_is_told_by_whoever_meets_it() {
    let sandbox = Sandbox::with_films(4);
    sandbox.backup("films", &["--stage"]).ok();
    let staged = disc_states(&sandbox);
    fs::remove_dir_all(sandbox.staging()).unwrap();
    let words =
        "disc 1 is no longer complete in the staging area; the next backup packs its files again";
    sandbox.run(["burn", "shelf"]).code(3).says(words);
    sandbox.run(["burn", "1", "shelf"]).code(1).says(words);
    assert!(sandbox.images().is_empty());
    let status = sandbox.run(["status", "--json"]).code(3).results();
    let set = status.iter().find(|object| object["set"] == "films").unwrap();
    let dangers = set["dangers"].to_string();
    assert!(dangers.contains(words), "{dangers}");
    assert!(dangers.contains("4 files") && dangers.contains("not on a disc yet"), "{dangers}");
    assert!(set.get("wanted").is_none_or(serde_json::Value::is_null), "{set}");
    assert_eq!(disc_states(&sandbox), staged);
    sandbox.backup("films", &[]).ok().says("packed again");
    comes_back(&sandbox);
}
