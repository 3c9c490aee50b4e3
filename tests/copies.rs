//! Where copies are kept, what is safe, what the loss of a disc means, and that what is lost is
//! stored again.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree, text};

/// A source for three discs of 3 MB.
fn three_discs() -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..7 {
        write(&sandbox, &format!("film{n}"), n);
    }
    sandbox
}

fn write(sandbox: &Sandbox, name: &str, seed: u64) {
    fs::write(sandbox.source().join(name), Random::new(seed).bytes(1_000_000)).unwrap();
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["discs", "--json"]).ok().results()
}

fn states(sandbox: &Sandbox) -> Vec<String> {
    discs(sandbox).iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
}

fn status(sandbox: &Sandbox, code: i32) -> Value {
    let sets = sandbox.run(["status", "--json"]).code(code).results();
    sets.into_iter().find(|object| object["set"] == "films").unwrap()
}

/// Restores a snapshot from the shelf and compares it.
fn comes_back(sandbox: &Sandbox, snapshot: &str, expected: &Path) {
    let target = sandbox.path("back");
    sandbox.run(["restore", "--snapshot", snapshot, &text(&sandbox.shelf()), &text(&target)]).ok();
    assert_same_tree(expected, &target);
    fs::remove_dir_all(target).unwrap();
}

#[test]
fn a_place_is_remembered_shown_and_said_when_the_disc_is_wanted() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    sandbox.run(["locate", "1-3", "shelf B"]).ok();
    sandbox.run(["locate", "2", "  the office "]).ok().says("kept in the office");
    let places: Vec<Value> =
        discs(&sandbox).iter().map(|d| d["media"][0]["place"].clone()).collect();
    assert_eq!(places, ["shelf B", "the office", "shelf B"]);
    assert!(sandbox.run(["discs"]).stdout().contains("the office"));
    fs::remove_file(sandbox.shelf().join("films-0002.iso")).unwrap();
    let shelf = text(&sandbox.shelf());
    let run = sandbox.run(["restore", &shelf, &text(&sandbox.target())]);
    run.code(4).says("disc 2, kept in the office");
    sandbox
        .run(["verify", &shelf])
        .ok()
        .says("disc 2 of films is not here and was not read; it is kept in the office");
}

#[test]
fn a_place_is_for_a_copy_that_is_there() {
    let sandbox = three_discs();
    sandbox.backup("films", &["--stage"]).ok();
    sandbox.run(["locate", "1", "x"]).code(1).says("not been burned yet");
    sandbox.run(["burn", &text(&sandbox.shelf())]).ok();
    sandbox.run(["locate", "9", "x"]).code(1).says("no disc 9");
    sandbox.run(["locate", "1", "x", "--copy", "2"]).code(1).says("no copy 2; there are: 1");
    // A range of which one is missing leaves all as they were.
    sandbox.run(["locate", "1-9", "x"]).code(1);
    assert_eq!(discs(&sandbox)[0]["media"][0]["place"], "");
    sandbox.run(["locate", "0", "x"]).code(2);
    sandbox.run(["locate", "3-1", "x"]).code(2);
}

#[test]
fn status_says_what_is_not_safe_and_monitoring_sees_it() {
    let sandbox = three_discs();
    sandbox.backup("films", &["--stage"]).ok();
    let run = sandbox.run(["status"]);
    run.code(3);
    assert!(run.stdout().starts_with("NOT SAFE  films\n"), "{}", run.story());
    let set = status(&sandbox, 3);
    assert_eq!((&set["is_safe"], &set["files_by_copies"]), (&json!(false), &json!({"0": 7})));
    sandbox.run(["burn", &text(&sandbox.shelf())]).ok();
    let set = status(&sandbox, 0);
    assert_eq!((&set["is_safe"], &set["files_by_copies"]), (&json!(true), &json!({"1": 7})));
    assert_eq!((&set["only_copy"], &set["may_lose"]), (&json!([1, 2, 3]), &json!([])));
    assert_eq!(set["dangers"], json!([]));
    let run = sandbox.run(["status"]);
    assert!(run.ok().stdout().starts_with("safe      films: every file has"), "{}", run.story());
    assert!(run.stdout().contains("oldest successful check of a copy: today"), "{}", run.story());
}

/// A question is not a result: a program that takes what has an `id` for one sees none.
#[test]
fn programs_see_what_was_asked_and_what_was_answered() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    let asked = |options: &[&str], code: i32| {
        let run = sandbox.run(["retire", "2", "--json"].iter().chain(options));
        let objects = run.code(code).objects();
        let event = |name: &str| objects.iter().find(|object| object["event"] == name).unwrap();
        let (question, answer) = (event("question"), event("answer"));
        assert_eq!(question["kind"], "retire", "{question}");
        assert_eq!((&question["set"], &question["discs"]), (&json!("films"), &json!([2])));
        assert_eq!(question["choices"], json!(["yes", "no"]));
        assert_eq!(question["text"], "Retire this for good?");
        assert!(question.get("id").is_none(), "{question}");
        assert_eq!(question["question"], answer["question"]);
        answer["answer"].clone()
    };
    assert_eq!(asked(&[], 1), Value::Null);
    assert_eq!(asked(&["--yes"], 0), "yes");
}

#[test]
fn a_damaged_disc_is_not_safe_until_its_files_are_stored_again() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    spoil(&sandbox.shelf().join("films-0002.iso"));
    sandbox.run(["verify", &text(&sandbox.shelf())]).code(5);
    let set = status(&sandbox, 3);
    assert_eq!(set["no_good_copy"], json!([2]));
    assert!(set["dangers"][1].as_str().unwrap().contains("coldcut retire 2"), "{set}");
    sandbox.run(["retire", "2", "--yes"]).ok();
    assert_eq!(states(&sandbox), ["verified", "gone", "verified"]);
    sandbox.backup("films", &[]).ok();
    let set = status(&sandbox, 0);
    assert_eq!(set["no_good_copy"], json!([]));
}

fn spoil(image: &Path) {
    let mut bytes = fs::read(image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(image, &bytes).unwrap();
}

#[test]
fn status_of_files_names_the_unsafe_ones_first() {
    let sandbox = three_discs();
    fs::create_dir(sandbox.source().join("d")).unwrap();
    fs::hard_link(sandbox.source().join("film0"), sandbox.source().join("d/linked")).unwrap();
    fs::write(sandbox.source().join("empty"), "").unwrap();
    sandbox.backup("films", &[]).ok();
    sandbox.run(["locate", "1-3", "shelf B"]).ok();
    let all = sandbox.run(["status", "--json", "."]).ok().results();
    assert_eq!(all.len(), 9, "{all:?}");
    for file in &all {
        assert_eq!((&file["copies"], &file["places"]), (&json!(1), &json!(["shelf B"])), "{file}");
        assert!(file["verified"].is_string() && file["discs"][0].is_u64(), "{file}");
    }
    write(&sandbox, "new", 100);
    write(&sandbox, "film6", 101);
    sandbox.backup("films", &["--stage"]).ok();
    let run = sandbox.run(["status", "film*", "new", "empty", "d"]);
    run.code(3);
    let lines: Vec<String> = run.stdout().lines().map(str::to_owned).collect();
    assert!(lines[1].starts_with("  NONE") && lines[1].contains("film6"), "{}", run.story());
    assert!(lines[2].starts_with("  NONE") && lines[2].contains("new"), "{}", run.story());
    assert!(!run.stdout().lines().skip(3).any(|line| line.contains("NONE")), "{}", run.story());
    sandbox.run(["status", "film0", "d"]).ok();
    sandbox.run(["status", "nothing*"]).code(1).says("nothing*");
}

/// Snapshot 1 has `old`, snapshot 2 does not; both have the films.
fn with_history(sandbox: &Sandbox) {
    write(sandbox, "old", 50);
    sandbox.backup("films", &[]).ok();
    sandbox.bash("cp -a source first").ok();
    fs::remove_file(sandbox.source().join("old")).unwrap();
    sandbox.backup("films", &[]).ok();
}

#[test]
fn what_a_loss_means_is_said_first_and_nothing_is_recorded_without_a_yes() {
    let sandbox = three_discs();
    with_history(&sandbox);
    let on = |name: &str| {
        let rows = sandbox.run(["ls", "--json", "--snapshot", "1"]).ok().results();
        let row = rows.into_iter().find(|row| row["path"] == name).unwrap();
        row["discs"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap()).collect::<Vec<_>>()
    };
    let disc = on("old")[0].to_string();
    let run = sandbox.run(["lost", &disc]);
    run.code(1).says("nothing was recorded").says("GONE FOR EVER, unless a copy is found");
    run.says("usable copy is left");
    assert!(states(&sandbox).iter().all(|state| state == "verified"));
    let run = sandbox.run(["lost", "--json", "--yes", &disc]);
    let rows = run.ok().results();
    assert_eq!(rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rows[0]["for_good"], 1, "{}", run.story());
    assert_eq!(rows[1]["for_good"], 0, "{}", run.story());
    assert_eq!(rows[0]["files"].as_u64(), rows[1]["files"].as_u64().map(|files| files + 1));
    let index = usize::try_from(on("old")[0]).unwrap() - 1;
    assert_eq!(discs(&sandbox)[index]["media"][0]["state"], "lost");
    assert_eq!(on("old")[0].to_string(), disc, "history stays visible");
    status(&sandbox, 3);
}

#[test]
fn what_was_on_a_lost_disc_is_stored_again_and_every_snapshot_has_it() {
    let sandbox = three_discs();
    with_history(&sandbox);
    let second = sandbox.path("second");
    sandbox.bash("cp -a source second").ok();
    let victim = (1..=3)
        .find(|disc| {
            let gone = sandbox.run(["lost", "--json", &disc.to_string()]);
            let summary = gone.results();
            summary.iter().all(|row| row["for_good"] == 0)
        })
        .expect("a disc without old files");
    sandbox.run(["lost", "--yes", &victim.to_string()]).ok();
    fs::remove_file(sandbox.shelf().join(format!("films-{victim:04}.iso"))).unwrap();
    // Renamed since: the content is what counts.
    fs::rename(sandbox.source().join("film3"), sandbox.source().join("film3 renamed")).unwrap();
    sandbox.backup("films", &[]).ok();
    status(&sandbox, 0);
    comes_back(&sandbox, "3", &sandbox.source());
    comes_back(&sandbox, "2", &second);
    comes_back(&sandbox, "1", &sandbox.path("first"));
    // Without a catalog, from what is on the discs alone.
    for beside in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{beside}", text(&sandbox.catalog())));
    }
    comes_back(&sandbox, "3", &sandbox.source());
    comes_back(&sandbox, "1", &sandbox.path("first"));
}

#[test]
fn a_lost_disc_that_is_read_again_is_found_and_its_files_are_not_stored_twice() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    sandbox.run(["lost", "1", "--yes"]).ok();
    assert_eq!(states(&sandbox)[0], "gone");
    sandbox.run(["verify", &text(&sandbox.shelf())]).ok();
    assert_eq!(states(&sandbox), ["verified"; 3]);
    status(&sandbox, 0);
    sandbox.backup("films", &[]).ok();
    assert_eq!(sandbox.images().len(), 3);
    // What was given up on purpose stays so.
    sandbox.run(["retire", "1", "--yes"]).ok();
    sandbox.run(["verify", &text(&sandbox.shelf())]).ok();
    assert_eq!(states(&sandbox)[0], "gone");
}

#[test]
fn copies_that_do_not_exist_cannot_be_lost() {
    let sandbox = three_discs();
    sandbox.backup("films", &["--stage"]).ok();
    sandbox.run(["lost", "1", "--yes"]).code(1).says("not been burned yet");
    sandbox.run(["burn", &text(&sandbox.shelf())]).ok();
    sandbox.run(["lost", "4", "--yes"]).code(1).says("no disc 4");
    sandbox.run(["retire", "1", "--copy", "3", "--yes"]).code(1).says("no copy 3; there are: 1");
    assert_eq!(states(&sandbox), ["verified"; 3]);
}

#[test]
fn a_key_sheet_has_what_is_needed_and_never_the_passphrase() {
    let sandbox = three_discs();
    let secret = text(&sandbox.passphrase_file(b"correct horse"));
    sandbox.backup("films", &["--encrypt", "--passphrase-file", &secret]).ok();
    sandbox.run(["locate", "1-2", "shelf B"]).ok();
    for leak in ["correct horse", " correct horse "] {
        sandbox.run(["keysheet", "--hint", leak]).code(1).says("is the passphrase itself");
    }
    let run = sandbox.run(["keysheet", "--hint", "the animal of the comic"]);
    let sheet = run.ok().stdout();
    for part in [
        "set \"films\"",
        "Hint:       the animal of the comic",
        "Discs:      1-3",
        "shelf B",
        "coldcut restore --set films /dev/sr0 TARGET",
        "bash restore.sh -p PASSPHRASE_FILE TARGET",
    ] {
        assert!(sheet.contains(part), "{part:?}\n{}", run.story());
    }
    assert!(!sheet.contains("horse") && !sheet.contains("Recovery discs"), "{sheet}");
    assert!(sandbox.run(["keysheet"]).ok().stdout().contains("the animal of the comic"));
    let object = &sandbox.run(["keysheet", "--json"]).ok().results()[0];
    assert_eq!(
        (&object["hint"], &object["id"]),
        (&json!("the animal of the comic"), &json!("films"))
    );
    sandbox.run(["keysheet", "--hint", ""]).ok();
    assert!(sandbox.run(["keysheet"]).ok().stdout().contains("Hint:       none"));
}

fn check(sandbox: &Sandbox, options: &[&str]) -> (Run, Vec<u64>) {
    let words = ["check", "--json", &text(&sandbox.shelf())].map(str::to_owned);
    let run = sandbox.run(words.iter().map(String::as_str).chain(options.iter().copied()));
    let copies = run.objects().pop().map(|summary| summary["copies"].clone());
    let copies = copies.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    (run, copies.iter().map(|copy| copy["disc"].as_u64().unwrap()).collect())
}

#[test]
fn the_copy_that_nobody_read_for_the_longest_time_is_read_first() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    let image = |disc: u32| text(&sandbox.shelf().join(format!("films-{disc:04}.iso")));
    sandbox.run(["verify", &image(1)]).ok();
    // Discs 2 and 3 were read when they were burned, disc 1 since: in this order they are due.
    assert_eq!(check(&sandbox, &[]).1, [2]);
    assert_eq!(check(&sandbox, &["--count", "2"]).1, [3, 1]);
    assert_eq!(check(&sandbox, &["--count", "9"]).1, [2, 3, 1]);
    let (run, read) = check(&sandbox, &["--max-age", "1d"]);
    run.ok().says("nothing is due");
    assert!(read.is_empty());
    assert_eq!(check(&sandbox, &["--max-age", "0d"]).1, [2, 3, 1]);
    let due = sandbox.run(["check", "--dry-run", "--count", "1", "--json"]).ok().results();
    assert_eq!((&due[0]["id"], &due[0]["suspect"]), (&json!(2), &Value::Null));
    sandbox.run(["check", "--count", "0", &text(&sandbox.shelf())]).code(2);
    sandbox.run(["check"]).code(2);
}

#[test]
fn what_was_burned_like_one_that_failed_is_suspect_until_it_is_read() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    let image = sandbox.shelf().join("films-0002.iso");
    spoil(&image);
    assert_eq!(check(&sandbox, &["--max-age", "1y"]).1, [0_u64; 0]);
    sandbox.run(["verify", &text(&image)]).code(5);
    let due = sandbox.run(["check", "--dry-run", "--max-age", "1y", "--json"]).ok().results();
    let suspects: Vec<&Value> = due.iter().map(|due| &due["id"]).collect();
    assert_eq!(suspects, [1, 3], "the damaged one is known to be");
    assert!(due[0]["suspect"].as_str().unwrap().contains("disc 2 of films"), "{due:?}");
    let (run, read) = check(&sandbox, &["--max-age", "1y"]);
    run.ok().says("due: disc 1 of films, copy 1, kept in shelf").says("shelf: suspect");
    assert_eq!(read, [1, 3]);
    assert_eq!(
        check(&sandbox, &["--max-age", "1y"]).1,
        [0_u64; 0],
        "they were read, and are right"
    );
}

#[test]
fn damage_that_a_check_finds_is_told_with_its_trend_and_what_is_not_there_is_missing() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    fs::write(sandbox.shelf().join(".shelf.toml"), "read_error = [1, 600, 70]\n").unwrap();
    fs::rename(sandbox.shelf().join("films-0002.iso"), sandbox.path("elsewhere.iso")).unwrap();
    let (run, read) = check(&sandbox, &["--max-age", "0d"]);
    assert_eq!(read, [1, 3], "{}", run.story());
    run.code(4)
        .says("disc 2 of films, copy 1, kept in shelf")
        .says("shelf is due and NOT THERE")
        .says("unreadable places 0, 3");
    let summary = run.objects().pop().unwrap();
    let first = &summary["copies"][0];
    assert_eq!((&first["finding"], &first["ages"]), (&json!("damaged"), &json!(true)), "{summary}");
    assert_eq!(first["trend"][1]["unreadable"], 3);
    assert_eq!(discs(&sandbox)[0]["media"][0]["state"], "damaged");
    fs::rename(sandbox.path("elsewhere.iso"), sandbox.shelf().join("films-0002.iso")).unwrap();
    assert_eq!(check(&sandbox, &["--max-age", "0d"]).1, [2, 3], "damage is known and not due");
    spoil(&sandbox.shelf().join("films-0003.iso"));
    check(&sandbox, &["--max-age", "0d"]).0.code(5).says("DAMAGED");
}

fn same_bytes(one: &Path, other: &Path) {
    assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{one:?} and {other:?} differ");
}

fn staged_files(sandbox: &Sandbox) -> String {
    sandbox.bash("find staging -type f").ok().stdout()
}

#[test]
fn each_disc_is_burned_as_often_as_it_was_asked_for() {
    let sandbox = three_discs();
    sandbox.backup("films", &["--copies", "2"]).ok();
    for disc in 1..=3 {
        let name = format!("films-{disc:04}.iso");
        same_bytes(&sandbox.shelf().join(&name), &sandbox.shelf().join("copy2").join(&name));
    }
    assert_eq!(staged_files(&sandbox), "");
    let set = status(&sandbox, 0);
    assert_eq!((&set["files_by_copies"], &set["copies_wanted"]), (&json!({"2": 7}), &json!(2)));
    assert_eq!((&set["may_lose"], &set["only_copy"]), (&json!([1, 2, 3]), &json!([])));
    // The set remembers; and one of two may be lost without a file being lost.
    write(&sandbox, "new", 100);
    sandbox.backup("films", &[]).ok();
    assert!(discs(&sandbox).iter().all(|disc| disc["copies"] == 2));
    sandbox.run(["lost", "2", "--copy", "1", "--yes"]).ok().says("no files would be lost");
    let set = status(&sandbox, 3);
    assert_eq!(set["only_copy"], json!([2]));
    fs::remove_file(sandbox.shelf().join("films-0002.iso")).unwrap();
    comes_back(&sandbox, "2", &sandbox.source());
    // Both copies are read when the shelf is.
    sandbox.run(["verify", &text(&sandbox.shelf())]).ok();
    let (run, read) = check(&sandbox, &["--max-age", "0d"]);
    run.ok();
    assert_eq!(read.len(), 7, "{}", run.story());
}

#[test]
fn staging_is_kept_until_every_copy_is_verified() {
    let sandbox = three_discs();
    let second = sandbox.shelf().join("copy2");
    fs::create_dir(&second).unwrap();
    fs::write(second.join(".shelf.toml"), "full_after = 1\n").unwrap();
    sandbox.backup("films", &["--copies", "2"]).code(4).says("no blank disc").says("disc 2");
    let copies = |sandbox: &Sandbox| -> Vec<Value> {
        discs(sandbox).iter().map(|disc| disc["copies"].clone()).collect()
    };
    assert_eq!(copies(&sandbox)[..2], [2, 1]);
    assert!(staged_files(&sandbox).contains("/0002/"), "{}", staged_files(&sandbox));
    assert!(!staged_files(&sandbox).contains("/0001/"), "{}", staged_files(&sandbox));
    fs::remove_file(second.join(".shelf.toml")).unwrap();
    sandbox.backup("films", &[]).ok();
    assert_eq!(copies(&sandbox), [2, 2, 2]);
    same_bytes(&sandbox.shelf().join("films-0002.iso"), &second.join("films-0002.iso"));
    assert_eq!(staged_files(&sandbox), "");
}

#[test]
fn a_copy_that_cannot_be_read_back_is_burned_again_and_the_first_one_stays() {
    let sandbox = three_discs();
    let second = sandbox.shelf().join("copy2");
    fs::create_dir(&second).unwrap();
    fs::write(second.join(".shelf.toml"), "read_error = [1, 600, 3]\n").unwrap();
    sandbox.backup("films", &["--copies", "2"]).ok().says("reading it back found damage");
    assert!(second.join("films-0001.failed-1.iso").exists());
    same_bytes(&sandbox.shelf().join("films-0001.iso"), &second.join("films-0001.iso"));
    let media = &discs(&sandbox)[0]["media"];
    let states: Vec<&Value> = media.as_array().unwrap().iter().map(|copy| &copy["state"]).collect();
    assert_eq!(states, ["ok", "damaged", "ok"]);
}

#[test]
fn a_disc_is_copied_from_another_copy_to_the_last_byte() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    let other = sandbox.path("other");
    sandbox.run(["copy", "1-3", &text(&other)]).ok().says("2 good copies");
    for disc in 1..=3 {
        let name = format!("films-{disc:04}.iso");
        same_bytes(&sandbox.shelf().join(&name), &other.join(&name));
    }
    assert_eq!(staged_files(&sandbox), "");
    assert_eq!(status(&sandbox, 0)["files_by_copies"], json!({"2": 7}));
    // An image is never overwritten: a third copy on this shelf is beside it.
    sandbox.run(["copy", "1", &text(&other)]).ok().says("3 good copies");
    same_bytes(&other.join("films-0001.iso"), &other.join("copy2/films-0001.iso"));
}

#[test]
fn a_damaged_copy_is_not_copied_and_a_good_one_is_looked_for() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    let (image, aside) = (sandbox.shelf().join("films-0002.iso"), sandbox.path("aside"));
    fs::create_dir(&aside).unwrap();
    fs::copy(&image, aside.join("films-0002.iso")).unwrap();
    spoil(&image);
    let other = text(&sandbox.path("other"));
    let run = sandbox.run(["copy", "2", &other]);
    run.code(5).says("no copy of disc 2 could be read completely").says("archives/");
    assert_eq!(staged_files(&sandbox), "");
    assert!(!sandbox.path("other").join("films-0002.iso").exists());
    sandbox.run(["copy", "2", &other, "--from", &text(&aside)]).ok();
    same_bytes(&aside.join("films-0002.iso"), &sandbox.path("other").join("films-0002.iso"));
    fs::remove_file(&image).unwrap();
    fs::remove_dir_all(sandbox.path("other")).unwrap();
    sandbox.run(["locate", "2", "the attic", "--copy", "1"]).ok();
    sandbox.run(["copy", "2", &other]).code(1).says("kept in the attic").says("--from");
}

#[test]
fn what_the_place_that_was_named_does_not_have_is_copied_from_a_known_shelf() {
    let sandbox = three_discs();
    sandbox.backup("films", &[]).ok();
    let (aside, other) = (sandbox.path("aside"), sandbox.path("other"));
    fs::create_dir(&aside).unwrap();
    fs::copy(sandbox.shelf().join("films-0001.iso"), aside.join("films-0001.iso")).unwrap();
    spoil(&aside.join("films-0001.iso"));
    let run = sandbox.run(["copy", "1-2", &text(&other), "--from", &text(&aside)]);
    run.ok().says("archives/");
    for name in ["films-0001.iso", "films-0002.iso"] {
        same_bytes(&sandbox.shelf().join(name), &other.join(name));
    }
    // The same place twice is read once.
    spoil(&sandbox.shelf().join("films-0003.iso"));
    let run = sandbox.run(["copy", "3", &text(&other), "--from", "shelf/."]);
    let unusable = "films-0003.iso: archives/";
    assert_eq!(run.code(5).stderr().matches(unusable).count(), 1, "{}", run.story());
}

#[test]
fn what_is_staged_is_copied_from_there() {
    let sandbox = three_discs();
    sandbox.backup("films", &["--stage", "--copies", "2"]).ok();
    let (one, two) = (sandbox.path("one"), sandbox.path("two"));
    sandbox.run(["copy", "1", &text(&one)]).ok().says("1 good copies");
    assert!(staged_files(&sandbox).contains("/0001/"), "another copy is to come");
    sandbox.run(["copy", "1", &text(&two)]).ok();
    assert!(!staged_files(&sandbox).contains("/0001/"));
    same_bytes(&one.join("films-0001.iso"), &two.join("films-0001.iso"));
}

#[test]
fn a_shelf_by_its_relative_and_its_full_path_is_one_place() {
    let sandbox = three_discs();
    let words = ["backup", "--disc-size", "3M", "--name", "films", "source", "sh"];
    sandbox.run(words).ok();
    sandbox.run(["copy", "1", &text(&sandbox.path("sh"))]).ok().says("2 good copies");
    assert!(sandbox.path("sh/copy2/films-0001.iso").exists(), "a copy is another file");
    let media = discs(&sandbox)[0]["media"].clone();
    let shelves: Vec<&str> =
        media.as_array().unwrap().iter().map(|copy| copy["shelf"].as_str().unwrap()).collect();
    let real = text(&sandbox.path("sh").canonicalize().unwrap());
    assert_eq!(shelves, [real.clone(), format!("{real}/copy2")]);
    assert!(sandbox.run(["keysheet"]).stdout().contains(&format!("shelf {real}")));
    // From anywhere: where the first copy lies is known.
    let coldcut = env!("CARGO_BIN_EXE_coldcut");
    let run = sandbox.bash(&format!("mkdir far && cd far && {coldcut} copy 2 other"));
    run.ok().says("2 good copies");
}

/// Its own list says whether a disc is damaged, and not whether it is the disc that was burned.
#[test]
fn a_disc_of_which_the_catalog_has_no_list_is_read_and_not_recorded_as_verified() {
    let sandbox = Sandbox::with_films(1);
    sandbox.run(["backup", "--disc-size", "3M", "--set", "films", "source", "shelf"]).ok();
    let query = |sql: &str| {
        let line = format!("sqlite3 '{}' \"{sql}\"", sandbox.catalog().display());
        sandbox.bash(&line).ok().stdout()
    };
    let verifications = || query("SELECT count(*) FROM verifications");
    sandbox.run(["verify", "shelf"]).ok();
    let known = verifications();
    query("DELETE FROM disc_files");
    let run = sandbox.run(["verify", "shelf"]);
    assert_eq!(verifications(), known, "{}", run.story());
    run.code(0).says("the catalog has no list of the files of disc 1");
    // Damage is damage, whatever shows it.
    sandbox.bash("printf x | dd of=shelf/films-0001.iso bs=1 seek=1000000 conv=notrunc").ok();
    sandbox.run(["verify", "shelf"]).code(5);
    assert_ne!(verifications(), known);
}
