//! What `status` calls safe: that the newest backup ended, could read everything, is young enough;
//! that copies were read lately. What it does not know it does not call safe.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Run, Sandbox};

fn with_files(names: &[&str]) -> Sandbox {
    let mut sandbox = Sandbox::new();
    // Dates of files are the kernel's, and time goes on as it does.
    sandbox.set("NO_FAKE_STAT", "1");
    sandbox.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    for name in names {
        write(&sandbox, name, &format!("{name}\n"));
    }
    sandbox
}

fn write(sandbox: &Sandbox, name: &str, content: &str) {
    let path = sandbox.source().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn backup(sandbox: &Sandbox) -> Run {
    sandbox.run(["backup", "--disc-size", "3M", "--name", "data", "source", "shelf"])
}

/// With the clock at noon of this day; in the evening it is looked at what came of it.
fn at(sandbox: &Sandbox, date: &str, words: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_coldcut");
    let hour = if words.contains("status") { 18 } else { 12 };
    sandbox.bash(&format!("faketime '{date} {hour}:00:00' '{program}' {words}"))
}

const BACKUP: &str = "backup --disc-size 3M --name data source shelf";

/// Root reads everything: runs of somebody else, to whom the sandbox is given.
struct OtherUser<'a>(&'a Sandbox);

impl OtherUser<'_> {
    fn new(sandbox: &Sandbox) -> OtherUser<'_> {
        fs::copy(env!("CARGO_BIN_EXE_coldcut"), sandbox.path("coldcut")).unwrap();
        sandbox.bash("chown -R 65534:65534 .").ok();
        OtherUser(sandbox)
    }

    fn run(&self, words: &str) -> Run {
        self.0
            .bash(&format!("setpriv --reuid=65534 --regid=65534 --clear-groups ./coldcut {words}"))
    }

    fn hide(&self, name: &str) {
        self.0.bash(&format!("chown 0:0 'source/{name}'; chmod 600 'source/{name}'")).ok();
    }
}

/// What `status --json` says of the only set.
#[track_caller]
fn set(run: &Run) -> Value {
    run.results().into_iter().find(|object| object["set"] == "data").expect("the set")
}

#[test]
fn a_backup_that_could_not_read_a_path_is_not_safe() {
    let sandbox = with_files(&["letter", "secret"]);
    let nobody = OtherUser::new(&sandbox);
    nobody.hide("secret");
    nobody.run(BACKUP).code(3).says("FAILED: 1 path");
    let run = nobody.run("status");
    run.code(3);
    let words = run.stdout();
    assert!(words.contains("NOT SAFE  data"), "{}", run.story());
    assert!(words.contains("--exclude '/secret'"), "{}", run.story());
    let run = nobody.run("status --json");
    let set = set(run.code(3));
    assert_eq!(set["is_safe"], false);
    assert_eq!((&set["failed_paths"], &set["stale_paths"]), (&json!(1), &json!(0)));
    assert_eq!(set["unreadable"][0]["path"], "secret");
    assert_eq!(set["unreadable"][0]["rule"], "/secret");
    // The rule that was named is the way out.
    nobody.run(&format!("{BACKUP} --exclude '/secret'")).ok();
    nobody.run("status").ok();
}

#[test]
fn so_is_one_whose_directory_could_not_be_entered() {
    let sandbox = with_files(&["letter", "deep/er/a", "deep/er/b"]);
    let nobody = OtherUser::new(&sandbox);
    nobody.run(BACKUP).ok();
    nobody.run("status").ok();
    nobody.hide("deep");
    nobody.run(BACKUP).code(3);
    let run = nobody.run("status --json");
    let set = set(run.code(3));
    // The directory itself, and the three paths below it, are as they were.
    assert_eq!((&set["failed_paths"], &set["stale_paths"]), (&json!(1), &json!(4)));
    assert_eq!(set["unreadable"][0]["rule"], "/deep");
    let files = nobody.run("status --json .");
    let stale = files.code(3).results().iter().filter(|row| !row["stale"].is_null()).count();
    assert_eq!(stale, 2, "{}", files.story());
    sandbox.bash("chmod 755 source/deep").ok();
    nobody.run(BACKUP).ok();
    nobody.run("status").ok();
}

#[test]
fn and_one_that_holds_a_file_as_it_was_before() {
    let sandbox = with_files(&["letter", "we *[ird] {n?me}"]);
    let nobody = OtherUser::new(&sandbox);
    nobody.run(BACKUP).ok();
    write(&sandbox, "we *[ird] {n?me}", "changed\n");
    nobody.hide("we *[ird] {n?me}");
    nobody.run(BACKUP).code(3);
    let run = nobody.run("status");
    run.code(3);
    assert!(run.stdout().contains("as of an earlier date"), "{}", run.story());
    let run = nobody.run("status --json");
    let set = set(run.code(3));
    assert_eq!((&set["failed_paths"], &set["stale_paths"]), (&json!(1), &json!(1)));
    let rule = set["unreadable"][0]["rule"].as_str().unwrap().to_owned();
    // It is on verified discs, but not as it is.
    let run = nobody.run("status letter 'we*' --json");
    let rows = run.code(3).results();
    assert!(rows.iter().any(|row| row["stale"].is_string()), "{}", run.story());
    nobody.run("status letter").ok();
    // The rule means this path and no other, whatever its name holds.
    write(&sandbox, "we xi n1me", "another\n");
    sandbox.bash("chown -R 65534:65534 'source/we xi n1me'").ok();
    nobody.run(&format!("{BACKUP} --exclude '{rule}'")).ok();
    nobody.run("status").ok();
    nobody.run("ls --json").ok().results().iter().for_each(|row| {
        assert_ne!(row["path"], "we *[ird] {n?me}");
    });
    assert_eq!(nobody.run("ls --json").results().len(), 2);
}

#[test]
fn without_a_catalog_nothing_is_known_and_that_is_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.run(["status"]).code(1).says("there is no catalog");
    let run = sandbox.run(["status", "--json"]);
    let places = run.code(1).results();
    assert_eq!(places[0]["catalog_exists"], false);
    sandbox.run(["status", "letter"]).code(1);
}

#[test]
fn a_set_that_was_never_backed_up_to_the_end_is_not_safe() {
    let sandbox = with_files(&["letter"]);
    backup(&sandbox).ok();
    sql_in(&sandbox.catalog(), "UPDATE snapshots SET finished=NULL");
    let run = sandbox.run(["status"]);
    assert!(run.code(3).stdout().contains("there is no finished backup yet"), "{}", run.story());
    sql_in(
        &sandbox.catalog(),
        "DELETE FROM failures; DELETE FROM run_lines; DELETE FROM snapshots",
    );
    let run = sandbox.run(["status"]);
    assert!(run.code(3).stdout().contains("there is no finished backup yet"), "{}", run.story());
    assert_eq!(set(&sandbox.run(["status", "--json"]))["unfinished"], true);
}

#[test]
fn the_age_is_always_said_and_judged_where_that_is_asked_for() {
    let sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", BACKUP).ok();
    let run = at(&sandbox, "2028-06-19", "status");
    assert!(run.ok().stdout().contains("as of the last backup, 2 years ago"), "{}", run.story());
    let run = at(&sandbox, "2026-01-11", "status --json");
    let age = set(run.ok())["newest_age"].as_u64().unwrap();
    let wanted = 10 * 24 * 3600 + 6 * 3600;
    // Either run may take its time.
    assert!((wanted - 600..=wanted + 600).contains(&age), "{age}");
    at(&sandbox, "2026-01-11", "status --max-age 11d").ok();
    let run = at(&sandbox, "2026-01-11", "status --max-age 9d");
    assert!(
        run.code(3).stdout().contains("the newest backup is from 10 days ago"),
        "{}",
        run.story()
    );
    at(&sandbox, "2026-01-11", "status --max-age 200h letter").code(3);
    at(&sandbox, "2026-01-11", "status --max-age 300h letter").ok();
}

#[test]
fn so_is_when_copies_were_read_last() {
    let sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", BACKUP).ok();
    at(&sandbox, "2026-01-11", "status --max-check-age 11d").ok();
    let run = at(&sandbox, "2026-01-11", "status --max-check-age 9d");
    let words = run.code(3).stdout();
    assert!(words.contains("disc 1, copy 1") && words.contains("10 days ago"), "{}", run.story());
    assert!(words.contains("coldcut check"), "{}", run.story());
    at(&sandbox, "2026-01-11", "status --max-check-age 9d letter").code(3);
    // The age of a check has one name, and the old one still means it.
    at(&sandbox, "2026-01-11", "check --max-age 9d shelf").ok();
    at(&sandbox, "2026-01-11", "status --max-check-age 9d").ok();
    at(&sandbox, "2026-01-31", "check --max-check-age 9d --dry-run shelf").ok();
}

#[test]
fn a_configuration_says_how_old_is_too_old() {
    let mut sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", BACKUP).ok();
    let file = sandbox.path("coldcut.toml");
    let text = "max-age = \"1y\"\n[set.data]\nsource = \"/x\"\nmax-age = \"5d\"\nmax-check-age = \"90d\"\n";
    fs::write(&file, text).unwrap();
    sandbox.set("COLDCUT_CONFIG", &file);
    at(&sandbox, "2026-01-05", "status").ok();
    let run = at(&sandbox, "2026-01-11", "status");
    assert!(run.code(3).stdout().contains("newest backup"), "{}", run.story());
    at(&sandbox, "2026-01-11", "status --max-age 30d").ok();
    at(&sandbox, "2026-05-11", "status --max-age 300d").code(3);
    // `check` goes by it, too, unless it is told how many.
    let due = at(&sandbox, "2026-05-11", "check --dry-run --json shelf");
    assert_eq!(due.ok().results().len(), 1);
    let due = at(&sandbox, "2026-01-11", "check --dry-run --json shelf");
    assert!(due.ok().results().is_empty());
    let due = at(&sandbox, "2026-01-11", "check --dry-run --json --count 1 shelf");
    assert_eq!(due.ok().results().len(), 1);
}

/// Each set has its own table, whichever is named.
#[test]
fn with_several_sets_each_is_judged_by_its_own_table() {
    let mut sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", BACKUP).ok();
    sandbox.bash("cp -r source other").ok();
    at(&sandbox, "2026-01-01", "backup --disc-size 3M --name more other shelf").ok();
    let file = sandbox.path("coldcut.toml");
    fs::write(&file, "max-age = \"1y\"\n[set.data]\nsource = \"/x\"\nmax-age = \"5d\"\n").unwrap();
    sandbox.set("COLDCUT_CONFIG", &file);
    let run = at(&sandbox, "2026-01-11", "status --json");
    let sets = run.code(3).results();
    let safe = |name: &str| &sets.iter().find(|row| row["set"] == name).unwrap()["is_safe"];
    assert_eq!((safe("data"), safe("more")), (&json!(false), &json!(true)), "{}", run.story());
    at(&sandbox, "2026-01-11", "status --name more").ok();
    at(&sandbox, "2026-01-11", "status --name data").code(3);
}

#[test]
fn a_date_to_come_is_no_age() {
    let sandbox = with_files(&["letter"]);
    at(&sandbox, "2040-01-01", BACKUP).ok();
    let run = at(&sandbox, "2026-01-01", "status");
    assert!(run.ok().stdout().contains("2040-01-01"), "{}", run.story());
    assert!(run.stdout().contains("in the future"), "{}", run.story());
    let run = at(&sandbox, "2026-01-01", "status --json --max-age 1y");
    let set = set(run.code(3));
    assert_eq!(set["newest_age"], Value::Null);
    let run = at(&sandbox, "2026-01-01", "status --max-check-age 1y");
    assert!(run.code(3).stdout().contains("2040-01-01"), "{}", run.story());
}

#[test]
fn what_waits_in_staging_may_wait_for_a_while() {
    let sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", "backup --stage --disc-size 3M --name data source").ok();
    at(&sandbox, "2026-01-02", "status").code(3);
    let run = at(&sandbox, "2026-01-11", "status --allow-waiting 11d");
    let words = run.ok().stdout();
    assert!(words.contains("1 file") && words.contains("staging"), "{}", run.story());
    let run = at(&sandbox, "2026-01-11", "status --json --allow-waiting 11d");
    assert_eq!(set(run.ok())["waiting"], 1);
    at(&sandbox, "2026-01-11", "status --allow-waiting 9d").code(3);
    // A later file has not waited as long; the first one has.
    write(&sandbox, "note", "later\n");
    at(&sandbox, "2026-01-11", "backup --stage --disc-size 3M --name data source").ok();
    at(&sandbox, "2026-01-11", "status --allow-waiting 11d").ok();
    at(&sandbox, "2026-01-13", "status --allow-waiting 11d").code(3);
    at(&sandbox, "2026-01-13", "status --allow-waiting 13d").ok();
}

/// A disc that is lost there before it was burned does not wait: its files are nowhere.
#[test]
fn what_is_not_in_staging_does_not_wait_there() {
    let sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", "backup --stage --disc-size 3M --name data source").ok();
    sandbox.bash("rm -rf staging/*").ok();
    at(&sandbox, "2026-01-02", "status --allow-waiting 30d").code(3);
    at(&sandbox, "2026-01-02", "status --allow-waiting 30d letter").code(3);
}

#[test]
fn a_disc_that_is_held_back_waits_too() {
    let sandbox = with_files(&["letter", "empty/er"]);
    write(&sandbox, "empty/er", "");
    let words = "backup --stage --min-fill 90 --disc-size 3M --name data source";
    at(&sandbox, "2026-01-01", words).ok();
    at(&sandbox, "2026-01-11", "status --allow-waiting 11d").ok();
    at(&sandbox, "2026-01-11", "status --allow-waiting 11d letter").ok();
    at(&sandbox, "2026-01-11", "status --allow-waiting 9d").code(3);
    at(&sandbox, "2026-01-11", "status --allow-waiting 9d letter").code(3);
}

#[test]
fn after_a_rebuild_the_newest_backup_is_that_of_the_newest_disc() {
    let sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", BACKUP).ok();
    write(&sandbox, "note", "more\n");
    at(&sandbox, "2026-02-01", BACKUP).ok();
    let last = sandbox.images().pop().unwrap();
    at(&sandbox, "2026-05-01", "--catalog new.sqlite catalog rebuild shelf").ok();
    at(&sandbox, "2026-05-01", "--catalog new.sqlite verify shelf").ok();
    let run = at(&sandbox, "2026-05-01", "--catalog new.sqlite status");
    assert!(run.ok().stdout().contains("as of the last backup, 89 days ago"), "{}", run.story());
    // Without the newest disc it is an older one.
    fs::remove_file(last).unwrap();
    at(&sandbox, "2026-05-01", "--catalog old.sqlite catalog rebuild shelf").ok();
    let run = at(&sandbox, "2026-05-01", "--catalog old.sqlite status");
    let words = run.code(3).stdout();
    assert!(words.contains("the last backup that finished was 4 months ago"), "{}", run.story());
}

/// What a listing alone tells of a backup is not whether it could read everything.
#[test]
fn what_nobody_knows_is_not_called_safe() {
    let sandbox = with_files(&["letter"]);
    at(&sandbox, "2026-01-01", BACKUP).ok();
    let catalog = sandbox.catalog();
    let sql = "UPDATE snapshots SET counted=0";
    sql_in(&catalog, sql);
    let run = at(&sandbox, "2026-01-02", "status");
    let words = run.code(3).stdout();
    assert!(words.starts_with("UNKNOWN   data"), "{}", run.story());
    let run = at(&sandbox, "2026-01-02", "status --json");
    let set = set(run.code(3));
    assert_eq!((&set["is_safe"], &set["failed_paths"]), (&Value::Null, &Value::Null));
    at(&sandbox, "2026-01-02", BACKUP).ok();
    at(&sandbox, "2026-01-02", "status").ok();
}

/// Nobody looks whether a secret key is still there, and nothing is said of it.
#[test]
fn of_keys_nothing_is_claimed() {
    let sandbox = Sandbox::with_recipient();
    let words = "backup --disc-size 3M --name data --recipient cert.asc source shelf";
    sandbox.run(words.split(' ')).ok();
    let before = [&["status"][..], &["status", "letter"]].map(|words| sandbox.run(words));
    sandbox.bash("rm -rf ring secret.asc cert.asc").ok();
    for (run, words) in before.iter().zip([&["status"][..], &["status", "letter"]]) {
        let after = sandbox.run(words);
        assert_eq!(after.ok().stdout(), run.ok().stdout());
        for word in ["key", "decrypt", "restor"] {
            assert!(!after.stdout().contains(word), "{word}\n{}", after.story());
        }
    }
    sandbox.run(["restore", "shelf", "target"]).code(1);
}

/// The first copy of disc 1 was verified on New Year's Day, and there was no blank for the second.
fn with_one_copy_of_two() -> Sandbox {
    let sandbox = with_files(&["letter", "empty"]);
    write(&sandbox, "empty", "");
    fs::create_dir(sandbox.shelf().join("copy2")).unwrap();
    fs::write(sandbox.shelf().join("copy2/.shelf.toml"), "full_after = 0\n").unwrap();
    at(&sandbox, "2026-01-01", &format!("{BACKUP} --copies 2 --wait 0s")).code(4);
    sandbox
}

#[test]
fn a_further_copy_may_be_waited_for_as_long_as_its_disc_is_staged() {
    let sandbox = with_one_copy_of_two();
    for words in ["status", "status letter empty"] {
        at(&sandbox, "2026-01-11", words).code(3);
        at(&sandbox, "2026-01-11", &format!("{words} --allow-waiting 11d")).ok();
        at(&sandbox, "2026-01-11", &format!("{words} --allow-waiting 9d")).code(3);
    }
    let run = at(&sandbox, "2026-01-11", "status --allow-waiting 11d");
    let says = "waiting for another copy: 2 files (7 B), the oldest from 10 days ago";
    assert!(run.ok().stdout().contains(says), "{}", run.story());
    // Without its staging nothing waits: somebody must make a copy of the copy.
    sandbox.bash("mv staging staged").ok();
    for words in ["status", "status letter"] {
        at(&sandbox, "2026-01-11", &format!("{words} --allow-waiting 11d")).code(3);
    }
    sandbox.bash("rm -rf staging; mv staged staging; rm shelf/copy2/.shelf.toml").ok();
    at(&sandbox, "2026-01-11", "burn shelf").ok();
    at(&sandbox, "2026-01-11", "status").ok();
}

/// Part of a file on a disc that has all its copies, part of it on one that waits for one.
#[test]
fn a_file_on_two_discs_waits_with_the_disc_that_lacks_a_copy() {
    let sandbox = with_files(&["letter"]);
    let film = support::trees::Random::new(1).bytes(4_000_000);
    fs::write(sandbox.source().join("film"), film).unwrap();
    fs::create_dir(sandbox.shelf().join("copy2")).unwrap();
    fs::write(sandbox.shelf().join("copy2/.shelf.toml"), "full_after = 1\n").unwrap();
    at(&sandbox, "2026-01-01", &format!("{BACKUP} --copies 2 --wait 0s")).code(4);
    for words in ["status", "status film"] {
        at(&sandbox, "2026-01-11", &format!("{words} --allow-waiting 9d")).code(3);
        at(&sandbox, "2026-01-11", &format!("{words} --allow-waiting 11d")).ok();
    }
    let run = at(&sandbox, "2026-01-11", "status --json");
    let set = set(run.code(3));
    // The end of the film and the letter.
    assert_eq!((&set["may_lose"], &set["only_copy"]), (&json!([1]), &json!([2])));
    assert_eq!(set["files_by_copies"], json!({"1": 2}), "{}", run.story());
    assert!(set["wanted"].as_str().unwrap().contains("disc 2"), "{}", run.story());
}

/// Nobody looked whether it is sound, but it is not there.
#[test]
fn an_image_that_is_gone_from_its_shelf_is_no_copy() {
    let sandbox = with_files(&["letter"]);
    backup(&sandbox).ok();
    sandbox.run(["copy", "1", "other"]).ok();
    let before = fs::read(sandbox.catalog()).unwrap();
    let image = sandbox.images().pop().unwrap();
    fs::rename(&image, sandbox.path("kept")).unwrap();
    let gone = format!("no longer in {}: disc 1 (copy 1);", sandbox.shelf().display());
    let run = sandbox.run(["status"]);
    assert!(run.ok().stdout().contains(&gone), "one is left\n{}", run.story());
    assert!(run.stdout().contains("good copy, which must not be lost: disc 1"), "{}", run.story());
    let run = sandbox.run(["status", "--json"]);
    assert_eq!(set(run.ok())["files_by_copies"], json!({"1": 1}));
    assert_eq!(set(&run)["missing_copies"], json!([{"disc": 1, "copy": 1}]));
    sandbox.run(["status", "letter"]).ok();
    let rows = sandbox.run(["discs", "--json"]).ok().results();
    assert_eq!((&rows[0]["copies"], &rows[0]["media"][0]["state"]), (&json!(1), &json!("missing")));
    fs::remove_file(sandbox.path("other/data-0001.iso")).unwrap();
    let run = sandbox.run(["status"]);
    let words = "disc 1 has no good copy left: put its image back, or run `coldcut lost 1`";
    assert!(run.code(3).stdout().contains(words), "{}", run.story());
    let run = sandbox.run(["status", "letter"]);
    assert!(run.code(3).stdout().contains("NONE"), "{}", run.story());
    // It was only looked at.
    fs::rename(sandbox.path("kept"), &image).unwrap();
    assert_eq!(fs::read(sandbox.catalog()).unwrap(), before);
    let run = sandbox.run(["status", "--json"]);
    assert_eq!(set(run.ok())["missing_copies"], json!([{"disc": 1, "copy": 2}]));
}

/// A shelf that is not mounted, or a directory that is not that shelf, says nothing of its images.
#[test]
fn of_a_shelf_that_is_not_there_nothing_is_said() {
    let sandbox = with_files(&["letter"]);
    backup(&sandbox).ok();
    fs::rename(sandbox.shelf(), sandbox.path("away")).unwrap();
    sandbox.run(["status"]).ok();
    fs::create_dir(sandbox.shelf()).unwrap();
    sandbox.run(["status"]).ok();
    sandbox.run(["status", "letter"]).ok();
    fs::write(sandbox.shelf().join(".coldcut-shelf"), format!("coldcut shelf 1\n{}\n", uuid()))
        .unwrap();
    sandbox.run(["status"]).ok();
}

fn uuid() -> &'static str {
    "0f9a3a52-6d4c-4c8e-9b1f-1d2f6f7f2a10"
}

fn sql_in(catalog: &Path, sql: &str) {
    rusqlite::Connection::open(catalog).unwrap().execute_batch(sql).unwrap();
}
