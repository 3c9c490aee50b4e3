//! What goes wrong before and around a run: one clear error, the right exit code, and nothing lost.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Run, Sandbox, assert_same_tree, text};

fn with_a_file() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear reader\n").unwrap();
    sandbox
}

fn comes_back(sandbox: &Sandbox) {
    let target = sandbox.path("back");
    sandbox.run(["restore", &text(&sandbox.shelf()), &text(&target)]).ok();
    assert_same_tree(&sandbox.source(), &target);
    fs::remove_dir_all(target).unwrap();
}

/// A small file system of its own; unmounted at the end.
struct SmallFilesystem(PathBuf);

impl SmallFilesystem {
    fn mount(sandbox: &Sandbox, path: PathBuf, size: &str) -> SmallFilesystem {
        fs::create_dir_all(&path).unwrap();
        sandbox
            .bash(&format!("mount -t tmpfs -o mode=755,size={size} none '{}'", path.display()))
            .ok();
        SmallFilesystem(path)
    }
}

impl Drop for SmallFilesystem {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_source_that_is_missing_or_no_directory_is_named() {
    let sandbox = with_a_file();
    let shelf = text(&sandbox.shelf());
    sandbox.run(["backup", "nowhere", &shelf]).code(1).says("nowhere");
    sandbox.run(["backup", "source/letter", &shelf]).code(1).says("letter").says("directory");
    assert!(!sandbox.catalog().exists(), "nothing was made for a source that is not there");
}

#[test]
fn an_empty_source_is_a_snapshot_like_any_other() {
    let sandbox = Sandbox::new();
    sandbox.backup("set", &[]).ok();
    comes_back(&sandbox);
}

#[test]
fn of_many_files_that_cannot_be_read_ten_are_named_and_the_rest_are_counted() {
    let sandbox = with_a_file();
    for number in 0..50 {
        fs::write(sandbox.source().join(format!("secret{number}")), "s").unwrap();
    }
    // Root reads everything: these runs are nobody's.
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!(
        "chown -R 65534:65534 . && chown 0:0 source/secret* && chmod 600 source/secret* && \
         cp '{program}' coldcut"
    );
    sandbox.bash(&line).ok();
    let nobody = |options: &str| {
        sandbox.bash(&format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups ./coldcut backup --stage \
             --disc-size 3M --name set source {options}"
        ))
    };
    // The first ones are said again at the end.
    let named = |run: &Run| {
        let words = run.stderr();
        let names = words.split([' ', ':', '\n']).filter(|word| word.starts_with("secret"));
        names.map(str::to_owned).collect::<BTreeSet<String>>().len()
    };
    let run = nobody("");
    run.code(3)
        .says("and 40 more like this (--verbose shows all): cannot be")
        .says("FAILED: 50 paths");
    assert_eq!(named(&run), 10, "{}", run.story());
    let (rest, result) = (run.stderr().find("40 more"), run.stderr().find("FAILED"));
    assert!(rest < result, "before the summary: {}", run.story());
    assert_eq!(named(nobody("--quiet").code(3).says("and 40 more like this")), 10);
    let all = nobody("--verbose");
    assert_eq!(named(all.code(3)), 50, "{}", all.story());
    assert!(!all.stderr().contains("more like this"), "{}", all.story());
    let objects = nobody("--json").code(3).objects();
    let troubles = objects.iter().filter(|object| object["event"] == "trouble").count();
    assert_eq!(troubles, 50);
}

#[test]
fn what_cannot_be_read_is_named_counted_and_kept_as_it_was() {
    let sandbox = with_a_file();
    fs::write(sandbox.source().join("secret"), "first\n").unwrap();
    // Root reads everything: this run is nobody's.
    for path in [sandbox.path("."), sandbox.source(), sandbox.shelf()] {
        sandbox.bash(&format!("chown -R 65534:65534 '{}'", path.display())).ok();
    }
    let nobody = |words: &str| {
        let program = env!("CARGO_BIN_EXE_coldcut");
        let copy = text(&sandbox.path("coldcut"));
        if !Path::new(&copy).exists() {
            fs::copy(program, &copy).unwrap();
        }
        sandbox
            .bash(&format!("setpriv --reuid=65534 --regid=65534 --clear-groups '{copy}' {words}"))
    };
    nobody("backup --disc-size 3M source shelf").ok();
    fs::write(sandbox.source().join("secret"), "second\n").unwrap();
    let hide = |mode| {
        let path = sandbox.source().join("secret");
        sandbox.bash(&format!("chown 0:0 '{}'", path.display())).ok();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    hide(0o600);
    let run = nobody("backup --disc-size 3M source shelf");
    run.code(3).says("secret").says("FAILED: 1 path");
    let list = nobody("find secret --json").ok().results();
    assert!(list[0]["note"].as_str().unwrap().starts_with("stale:"), "{list:?}");
    nobody("restore shelf back").ok();
    assert_eq!(fs::read_to_string(sandbox.path("back/secret")).unwrap(), "first\n");
    hide(0o644);
    nobody("backup --disc-size 3M source shelf").ok();
    let list = nobody("find secret --json").ok().results();
    assert!(list[0]["note"].is_null(), "{list:?}");
}

#[test]
fn a_shelf_or_staging_area_that_is_full_says_how_much_is_needed() {
    let sandbox = with_a_file();
    fs::write(sandbox.source().join("film"), support::trees::Random::new(1).bytes(2_500_000))
        .unwrap();
    {
        let _small = SmallFilesystem::mount(&sandbox, sandbox.shelf(), "1m");
        sandbox.backup("set", &[]).code(1).says("full").says("MB");
    }
    {
        let staging = sandbox.path("small");
        let _small = SmallFilesystem::mount(&sandbox, staging.clone(), "1m");
        fs::write(sandbox.source().join("film2"), support::trees::Random::new(2).bytes(2_500_000))
            .unwrap();
        let run = sandbox.run([
            "backup",
            "--name",
            "other",
            "--new-set",
            "--staging",
            &text(&staging),
            &text(&sandbox.source()),
            &text(&sandbox.path("shelf2")),
        ]);
        run.code(1).says("staging").says("free");
    }
    sandbox.backup("set", &[]).ok();
    comes_back(&sandbox);
}

#[test]
fn a_staging_area_with_room_for_one_disc_makes_one_after_the_other_and_says_so() {
    let sandbox = Sandbox::new();
    for n in 0..7 {
        let film = support::trees::Random::new(n).bytes(1_000_000);
        fs::write(sandbox.source().join(format!("film{n}")), film).unwrap();
    }
    let staging = sandbox.path("small");
    let _small = SmallFilesystem::mount(&sandbox, staging.clone(), "8m");
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let run = sandbox.run([
        "backup",
        "--json",
        "--disc-size",
        "3M",
        "--staging",
        &text(&staging),
        &source,
        &shelf,
    ]);
    run.ok().says("no room to pack one disc while another is burned");
    // The next disc is begun when the one before is safe.
    let events = run.objects();
    let first = |disc: u32, key: &str, value: &str| {
        let is_it = |event: &Value| event["disc"] == disc && event[key] == value;
        events.iter().position(is_it).unwrap_or_else(|| panic!("{disc} {value}: {events:?}"))
    };
    for disc in 1..=2 {
        let safe = first(disc, "state", "verified");
        assert!(safe < first(disc + 1, "event", "phase"), "{events:?}");
    }
    comes_back(&sandbox);
}

#[test]
fn a_destination_that_is_a_file_or_a_device_is_refused() {
    let sandbox = with_a_file();
    fs::write(sandbox.path("file"), "").unwrap();
    let source = text(&sandbox.source());
    sandbox.run(["backup", &source, "file"]).code(1).says("not a directory");
    sandbox
        .run(["backup", &source, "/dev/null"])
        .code(1)
        .says("/dev/null")
        .says("is not an optical drive");
    sandbox.run(["backup", &source, "/dev/sr7"]).code(1).says("/dev/sr7");
    sandbox.run(["restore", "/dev/sr7", "back"]).code(1).says("/dev/sr7");
}

#[test]
fn a_wrong_passphrase_is_said_before_any_work() {
    let sandbox = with_a_file();
    let right = text(&sandbox.passphrase_file(b"right"));
    let wrong = text(&sandbox.path("wrong"));
    fs::write(&wrong, "wrong\n").unwrap();
    sandbox.backup("set", &["--encrypt", "--passphrase-file", &right]).ok();
    let run = sandbox.backup("set", &["--passphrase-file", &wrong]);
    run.code(1).says("not the passphrase of set set");
    assert!(!run.stderr().contains("scanning"), "{}", run.story());
    sandbox.backup("set", &[]).code(1).says("passphrase");
    let shelf = text(&sandbox.shelf());
    sandbox
        .run(["restore", "--passphrase-file", &wrong, &shelf, "back"])
        .code(1)
        .says("not the passphrase");
    sandbox.run(["restore", &shelf, "back"]).code(1).says("passphrase");
    sandbox.run(["verify", &shelf]).ok();
    sandbox.run(["restore", "--passphrase-file", &right, &shelf, "back"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

#[test]
fn a_set_keeps_its_keys() {
    let sandbox = with_a_file();
    let passphrase = text(&sandbox.passphrase_file(b"right"));
    sandbox.backup("set", &[]).ok();
    sandbox
        .backup("set", &["--encrypt", "--passphrase-file", &passphrase])
        .code(1)
        .says("not encrypted");
}

#[test]
fn a_damaged_catalog_stops_the_run_and_the_discs_still_restore() {
    let sandbox = with_a_file();
    sandbox.backup("set", &[]).ok();
    let file = fs::File::options().write(true).open(sandbox.catalog()).unwrap();
    let len = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xaa; len as usize / 2], len / 4).unwrap();
    sandbox.backup("set", &[]).code(1).says("damaged").says("catalog.sqlite");
    let target = sandbox.path("back");
    sandbox.run(["restore", &text(&sandbox.shelf()), &text(&target)]).ok();
    assert_same_tree(&sandbox.source(), &target);
}

#[test]
fn a_catalog_of_a_newer_version_is_not_touched() {
    let sandbox = with_a_file();
    sandbox.backup("set", &[]).ok();
    let set = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('PRAGMA user_version=99'); c.commit()";
    sandbox.bash(&format!("python3 -c \"{set}\" '{}'", text(&sandbox.catalog()))).ok();
    sandbox.backup("set", &[]).code(1).says("newer");
    sandbox.run(["snapshots"]).code(1).says("newer");
}

#[test]
fn a_catalog_that_another_run_holds_is_named_with_its_holder() {
    let sandbox = with_a_file();
    sandbox.backup("set", &[]).ok();
    let lock = format!("{}.lock", text(&sandbox.catalog()));
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let program = env!("CARGO_BIN_EXE_coldcut");
    let run =
        sandbox.bash(&format!("flock '{lock}' '{program}' backup --name set '{source}' '{shelf}'"));
    run.code(6).says("another coldcut").says("nothing was changed");
    let before = fs::read(sandbox.catalog()).unwrap();
    for verb in [
        "burn shelf",
        "flush",
        "locate 1 box",
        "lost 1 --yes",
        "retire 1 --yes",
        "copy 1 shelf",
        "drill 1 shelf",
        "migrate 1 --to shelf --disc-size 3M",
        "check shelf",
        "keysheet --hint aunt",
        "set forget set --even-with-discs --yes",
        "catalog rebuild shelf --replace",
        "catalog restore-last",
    ] {
        let run = sandbox.bash(&format!("flock '{lock}' '{program}' {verb}"));
        run.code(6).says("another coldcut").says("nothing was changed");
        assert!(!run.stderr().contains("verifying"), "{}", run.story());
        assert_eq!(fs::read(sandbox.catalog()).unwrap(), before, "{verb}");
    }
    // What is read needs no catalog, and waits with its record as long as it was told to.
    let run = sandbox.bash(&format!("flock '{lock}' '{program}' verify shelf"));
    run.ok().says("the result was not recorded").says("another coldcut");
    sandbox.bash(&format!("flock '{lock}' '{program}' snapshots")).ok();
}

/// With --wait it is waited for, and the run goes on when the other one ends.
#[test]
fn another_run_is_waited_for_as_long_as_was_said() {
    let sandbox = with_a_file();
    sandbox.backup("set", &[]).ok();
    let lock = format!("{}.lock", text(&sandbox.catalog()));
    let program = env!("CARGO_BIN_EXE_coldcut");
    sandbox.bash(&format!("flock '{lock}' '{program}' flush --wait 1s")).code(6);
    // The other one ends as soon as it is seen that somebody waits for it.
    let line = format!(
        "mkfifo go; flock '{lock}' cat go & until ! flock -n '{lock}' true; do :; done
         '{program}' flush --wait forever 2>words & waits=$!
         until grep -q 'waiting for' words; do :; done; echo >go; wait $waits"
    );
    sandbox.bash(&line).ok();
}

#[test]
fn discs_that_the_catalog_does_not_know_are_not_written_beside() {
    let sandbox = with_a_file();
    sandbox.backup("set", &[]).ok();
    fs::remove_file(sandbox.catalog()).unwrap();
    sandbox.backup("set", &[]).code(1).says("set").says("catalog").says("--set");
    assert_eq!(sandbox.images().len(), 1);
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    sandbox.run(["backup", "--name", "second", "--disc-size", "3M", &source, &shelf]).ok();
}

#[test]
fn without_xorriso_nothing_is_packed_and_with_a_broken_one_everything_stays_staged() {
    let mut sandbox = with_a_file();
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    sandbox.set("PATH", &bin);
    sandbox.backup("set", &[]).code(1).says("xorriso").says("install");
    assert!(!sandbox.staging().exists(), "it was packed for nothing");
    let fake = bin.join("xorriso");
    fs::write(&fake, "#!/bin/sh\necho 'xorriso : FAILURE : the laser is out' >&2\nexit 5\n")
        .unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.backup("set", &["--no-drill"]).code(1).says("the laser is out");
    sandbox.set("PATH", std::env::var_os("PATH").unwrap());
    sandbox.backup("set", &[]).ok();
    comes_back(&sandbox);
}

#[test]
fn discs_of_another_set_or_of_a_newer_format_are_named() {
    let sandbox = with_a_file();
    sandbox.backup("set", &[]).ok();
    let shelf = text(&sandbox.shelf());
    sandbox.run(["restore", "--name", "nobody", &shelf, "back"]).code(1).says("nobody").says("set");
    let disc = sandbox.path("discs/one");
    fs::create_dir_all(disc.parent().unwrap()).unwrap();
    sandbox
        .bash(&format!(
            "xorriso -osirrox on -indev '{}' -extract / '{}' 2>&1; chmod -R u+w '{}'",
            text(&sandbox.images()[0]),
            text(&disc),
            text(&disc)
        ))
        .ok();
    let words = fs::read_to_string(disc.join("DISC.txt")).unwrap();
    fs::write(disc.join("DISC.txt"), words.replace("format=2", "format=3")).unwrap();
    let run = sandbox.run(["restore", &text(disc.parent().unwrap()), "back"]);
    run.says("newer");
    assert_ne!(run.output.status.code(), Some(0));
}

#[test]
fn a_place_without_discs_is_exit_4_and_a_missing_one_exit_1() {
    let sandbox = with_a_file();
    sandbox.run(["restore", &text(&sandbox.shelf()), "back"]).code(4).says("no coldcut disc");
    sandbox.run(["verify", &text(&sandbox.shelf())]).code(4).says("no coldcut disc");
    sandbox.run(["verify", "nowhere"]).code(1).says("nowhere");
    sandbox.run(["restore", "nowhere", "back"]).code(1).says("nowhere");
}

#[test]
fn a_command_line_that_cannot_be_understood_is_exit_2() {
    let sandbox = with_a_file();
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    for (option, value) in
        [("--disc-size", "1M"), ("--archive-size", "4G"), ("--name", "a/b"), ("--compress", "xz")]
    {
        sandbox.run(["backup", option, value, &source, &shelf]).code(2).says(value);
    }
    sandbox.run(["backup", "--passphrase", "secret", &source, &shelf]).code(2);
    sandbox.run(["frobnicate"]).code(2);
    sandbox.run(["ls", "../etc"]).code(2);
    assert!(!sandbox.catalog().exists());
}
