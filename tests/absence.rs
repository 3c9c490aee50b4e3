//! A disc that goes away while it is read (`gone_after` of `.shelf.toml`) is not damaged: nothing is
//! recorded of it, no blank is spent, and what is asked for is the disc.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Run, Sandbox, assert_same_tree, text};

const GONE: &str = "is gone; check that its disk is connected and mounted";

fn tell(shelf: &Path, settings: &str) {
    fs::write(shelf.join(".shelf.toml"), settings).unwrap();
}

fn backup(sandbox: &Sandbox) -> Run {
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let size = ["--disc-size", "3M", "--archive-size", "500K"];
    sandbox.run([&["backup", "--name", "films"], &size[..], &[&source, &shelf]].concat())
}

/// A set of three discs on a shelf, all verified, and then disc 2 goes away at sector 700.
fn with_disc_2_going() -> Sandbox {
    let sandbox = Sandbox::with_films(7);
    backup(&sandbox).ok();
    tell(&sandbox.shelf(), "gone_after = [2, 700]\n");
    sandbox
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["discs", "--json"]).results()
}

fn states(sandbox: &Sandbox) -> Vec<String> {
    discs(sandbox).iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
}

/// What the catalog says of all discs and their copies, and that all is safe.
fn all_is_as_before(sandbox: &Sandbox) {
    assert_eq!(states(sandbox), ["verified"; 3]);
    let run = sandbox.run(["status"]);
    run.ok();
    assert!(!run.stdout().contains("retire"), "{}", run.story());
    let due = sandbox.run(["check", &text(&sandbox.shelf()), "--count", "9", "--dry-run"]);
    assert!(!due.stdout().contains("failed"), "nothing is suspect\n{}", due.story());
}

fn spoilt(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut images = sandbox.images();
    images.retain(|path| path.display().to_string().contains("failed"));
    images
}

#[test]
fn verify_says_that_a_disc_went_away_and_records_nothing_of_it() {
    let sandbox = with_disc_2_going();
    let run = sandbox.run(["verify", "--json", &text(&sandbox.shelf())]);
    run.code(4).says("disc 2 of films: NOT READ COMPLETELY").says(GONE);
    assert!(!run.stderr().contains("DAMAGED"), "{}", run.story());
    let summary = run.objects().pop().unwrap();
    assert_eq!(summary["gone_discs"], serde_json::json!([2]));
    assert_eq!(summary["discs"].as_array().unwrap().len(), 2, "the others were read");
    all_is_as_before(&sandbox);
}

#[test]
fn real_damage_beside_a_disc_that_went_away_is_found() {
    let sandbox = with_disc_2_going();
    tell(&sandbox.shelf(), "gone_after = [2, 700]\nread_error = [1, 600, 3]\n");
    let run = sandbox.run(["verify", &text(&sandbox.shelf())]);
    run.code(4).says("disc 1 of films: DAMAGED").says("disc 2 of films: NOT READ");
    let run = sandbox.run(["status"]);
    run.code(3);
    assert!(run.stdout().contains("disc 1 has no good copy left"), "{}", run.story());
    assert!(!run.stdout().contains("disc 2 has"), "{}", run.story());
}

#[test]
fn check_reads_the_others_and_suspects_nobody() {
    let sandbox = with_disc_2_going();
    let run = sandbox.run(["check", &text(&sandbox.shelf()), "--count", "9"]);
    run.code(4).says("disc 2 of films, copy 1").says("NOT THERE").says(GONE);
    all_is_as_before(&sandbox);
    tell(&sandbox.shelf(), "");
    sandbox.run(["check", &text(&sandbox.shelf()), "--count", "9"]).ok();
}

#[test]
fn a_disc_that_goes_away_while_it_is_read_back_is_read_back_by_the_next_run() {
    let sandbox = Sandbox::with_films(7);
    tell(&sandbox.shelf(), "gone_after = [1, 700]\n");
    backup(&sandbox).code(4).says(GONE);
    assert_eq!(sandbox.images().len(), 1, "no second blank was taken");
    let image = fs::read(&sandbox.images()[0]).unwrap();
    assert!(!states(&sandbox).contains(&"failed".to_owned()));
    tell(&sandbox.shelf(), "");
    backup(&sandbox).ok().says("disc 1 is already in").says("reading it back");
    assert_eq!(spoilt(&sandbox), [] as [PathBuf; 0]);
    assert!(fs::read(&sandbox.images()[0]).unwrap() == image, "it was not burned again");
    all_is_as_before(&sandbox);
}

#[test]
fn a_restore_gives_what_the_other_discs_have_and_names_the_one_that_went_away() {
    let sandbox = with_disc_2_going();
    let (shelf, target) = (text(&sandbox.shelf()), text(&sandbox.target()));
    let run = sandbox.run(["restore", "--json", &shelf, &target]);
    run.code(4).says(GONE).says("disc 2 is missing");
    assert!(!run.stderr().contains("cannot be read at sector"), "{}", run.story());
    let summary = run.objects().pop().unwrap();
    assert_eq!(summary["missing_discs"], serde_json::json!([2]));
    let there = fs::read_dir(sandbox.target()).unwrap().count();
    assert!((3..7).contains(&there), "{there}");
    tell(&sandbox.shelf(), "");
    sandbox.run(["restore", &shelf, &target]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn a_restore_goes_on_with_another_copy() {
    let sandbox = Sandbox::with_films(7);
    backup(&sandbox).ok();
    let other = sandbox.path("both/b");
    fs::create_dir_all(&other).unwrap();
    fs::rename(sandbox.shelf(), sandbox.path("both/a")).unwrap();
    for image in fs::read_dir(sandbox.path("both/a")).unwrap() {
        let image = image.unwrap().path();
        fs::copy(&image, other.join(image.file_name().unwrap())).unwrap();
    }
    tell(&sandbox.path("both/a"), "gone_after = [2, 700]\n");
    let (from, target) = (text(&sandbox.path("both")), text(&sandbox.target()));
    sandbox.run(["restore", &from, &target]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

/// Zeros in its place would be taken for damage.
#[test]
fn recovery_data_is_not_used_for_a_disc_that_went_away() {
    let sandbox = Sandbox::with_films(7);
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let words = ["backup", "--disc-size", "4M", "--archive-size", "500K", "--parity", "10"];
    sandbox.run([&words[..], &["--name", "films", &source, &shelf]].concat()).ok();
    tell(&sandbox.shelf(), "gone_after = [1, 700]\n");
    let run = sandbox.run(["restore", &shelf, &text(&sandbox.target())]);
    run.code(4).says(GONE);
    assert!(!run.stderr().contains("repaired"), "{}", run.story());
    let run = sandbox.run(["verify", &shelf]);
    run.code(4);
    assert!(!run.stderr().contains("repairable"), "{}", run.story());
    sandbox.run(["status"]).ok();
}

#[test]
fn copy_takes_no_blank_for_a_disc_that_went_away() {
    let sandbox = with_disc_2_going();
    let dest = sandbox.path("dest");
    fs::create_dir(&dest).unwrap();
    sandbox.run(["copy", "2", &text(&dest)]).code(4).says(GONE);
    assert_eq!(fs::read_dir(&dest).unwrap().count(), 0);
    all_is_as_before(&sandbox);
    tell(&sandbox.shelf(), "");
    sandbox.run(["copy", "2", &text(&dest)]).ok();
}

#[test]
fn a_copy_that_goes_away_while_it_is_read_back_is_no_failed_one() {
    let sandbox = Sandbox::with_films(7);
    backup(&sandbox).ok();
    let dest = sandbox.path("dest");
    fs::create_dir(&dest).unwrap();
    tell(&dest, "gone_after = [2, 700]\n");
    sandbox.run(["copy", "2", &text(&dest)]).code(4).says(GONE);
    assert!(dest.join("films-0002.iso").exists() && !dest.join("films-0002.failed-1.iso").exists());
    tell(&dest, "");
    sandbox.run(["copy", "2", &text(&dest)]).ok();
    assert!(!dest.join("films-0002.failed-1.iso").exists());
    all_is_as_before(&sandbox);
}

#[test]
fn a_drill_of_a_disc_that_went_away_is_no_failed_drill() {
    let sandbox = with_disc_2_going();
    // Before its first archive: which of them are tried is a matter of chance.
    tell(&sandbox.shelf(), "gone_after = [2, 60]\n");
    for depth in [&["drill", "2"][..], &["drill", "2", "--all"]] {
        let run = sandbox.run([depth, &[&text(&sandbox.shelf())]].concat());
        run.code(4).says(GONE);
    }
    all_is_as_before(&sandbox);
    let drilled = discs(&sandbox);
    assert!(!format!("{drilled:?}").contains("damaged"), "{drilled:?}");
}

#[test]
fn a_rescue_keeps_what_it_read_calls_nothing_bad_and_goes_on() {
    let sandbox = with_disc_2_going();
    let (from, to) = (text(&sandbox.shelf().join("films-0002.iso")), text(&sandbox.path("s.iso")));
    let run = sandbox.run(["rescue", &from, "--to", &to]);
    run.code(4)
        .says(GONE)
        .says("run the same command again to continue")
        .says("0 sectors cannot be read");
    let map = fs::read_to_string(sandbox.path("s.iso.map")).unwrap();
    let statuses = map.lines().filter_map(|line| line.rsplit_once("  "));
    assert!(statuses.clone().any(|(_, status)| status == "+"), "{map}");
    assert!(!statuses.clone().any(|(_, status)| ["-", "*", "/"].contains(&status)), "{map}");
    tell(&sandbox.shelf(), "");
    sandbox.run(["rescue", &from, "--to", &to]).ok();
    assert!(fs::read(from).unwrap() == fs::read(to).unwrap());
}

#[test]
fn a_catalog_is_not_rebuilt_from_a_disc_that_went_away() {
    let sandbox = with_disc_2_going();
    // Where its catalog lies.
    tell(&sandbox.shelf(), "gone_after = [3, 50]\n");
    let new = text(&sandbox.path("new.sqlite"));
    let run = sandbox.run(["catalog", "rebuild", "--catalog", &new, &text(&sandbox.shelf())]);
    run.code(4).says(GONE);
    assert!(!sandbox.path("new.sqlite").exists());
}

#[test]
fn a_migration_leaves_contents_of_a_disc_that_went_away_uncounted() {
    let sandbox = with_disc_2_going();
    let to = sandbox.path("to");
    fs::create_dir(&to).unwrap();
    let (to, size) = (text(&to), ["--disc-size", "3M", "--archive-size", "500K"]);
    let words = ["migrate", "2", "--to", &to];
    sandbox.run([&words[..], &size].concat()).code(4).says(GONE);
    tell(&sandbox.shelf(), "");
    sandbox.run([&words[..], &size].concat()).ok();
}

#[test]
fn a_disc_that_goes_away_before_it_says_who_it_is_is_no_unreadable_image() {
    let sandbox = with_disc_2_going();
    tell(&sandbox.shelf(), "gone_after = [2, 33]\n");
    let (shelf, target) = (text(&sandbox.shelf()), text(&sandbox.target()));
    let run = sandbox.run(["verify", "--json", &shelf]);
    run.code(4).says(GONE);
    assert!(!run.stderr().contains("CANNOT BE READ"), "{}", run.story());
    assert_eq!(run.objects().pop().unwrap()["gone_discs"], serde_json::json!([null]));
    sandbox.run(["restore", &shelf, &target]).code(4).says(GONE).says("disc 2 is missing");
    let dest = text(&sandbox.path("dest"));
    sandbox.run(["copy", "2", &dest]).code(4).says(GONE);
    sandbox.run(["catalog", "rebuild", "--replace", &shelf]).code(4).says(GONE);
    all_is_as_before(&sandbox);
}

/// The directory itself goes, as when a disk is unmounted; in the middle of a read it is the test beside
/// `drive::folder` that takes it away.
#[test]
fn a_disc_copied_into_a_folder_that_vanished_is_not_damaged() {
    let sandbox = Sandbox::with_films(7);
    backup(&sandbox).ok();
    let folder = text(&sandbox.path("folder"));
    let image = text(&sandbox.images()[1]);
    sandbox.bash(&format!("xorriso -osirrox on -indev {image} -extract / {folder}")).ok();
    sandbox.run(["verify", &folder]).ok();
    fs::remove_dir_all(&folder).unwrap();
    let run = sandbox.run(["verify", &folder]);
    run.code(1).says(&folder);
    assert!(!run.stderr().contains("DAMAGED"), "{}", run.story());
    all_is_as_before(&sandbox);
}
