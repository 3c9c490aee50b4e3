//! Disks that are full: staging, shelf, catalog, target, of bytes or of inodes. The message names
//! the place and the way out, nothing is called safe, and with room the same command goes on.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use support::trees::Random;
use support::{Run, Sandbox, SmallDisk, assert_same_tree, text};

const LARGEST_FILE: u64 = 1_000_000;
const WAY_OUT: &str = "make room there and run the same command again";

/// A source for three discs of 3 MB; the catalog is in a directory of its own.
fn three_discs() -> Sandbox {
    let mut sandbox = Sandbox::new();
    for n in 0..7 {
        let bytes = Random::new(n).bytes(LARGEST_FILE as usize);
        fs::write(sandbox.source().join(format!("film{n}")), bytes).unwrap();
    }
    sandbox.set("COLDCUT_CATALOG", sandbox.path("known/catalog.sqlite"));
    sandbox
}

/// The same with so many names that the catalog grows while the run goes on.
fn many_names() -> Sandbox {
    let sandbox = three_discs();
    for n in 0..1_000 {
        let name = format!("{n}-{:016x}", Random::new(n).next());
        fs::write(sandbox.source().join(name), format!("{n}")).unwrap();
    }
    sandbox
}

fn restore(sandbox: &Sandbox, options: &[&str]) -> Run {
    let mut words = vec!["restore"];
    words.extend(options);
    let (shelf, back) = (text(&sandbox.shelf()), text(&sandbox.path("back")));
    words.extend([shelf.as_str(), back.as_str()]);
    sandbox.run(words)
}

#[track_caller]
fn is_not_called_safe(sandbox: &Sandbox) {
    let status = sandbox.run(["status", "--json"]);
    let sets = status.code(3).results();
    assert_eq!(sets.last().unwrap()["is_safe"], false, "{}", status.story());
}

/// The run after room was made: everything is safe, nothing is on the discs twice, and all of it
/// comes back.
#[track_caller]
fn goes_on(sandbox: &Sandbox) {
    sandbox.backup("films", &[]).ok();
    sandbox.run(["status"]).ok();
    is_stored_once(sandbox);
    restore(sandbox, &[]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

/// As tar sees it: each member is there once, and their sizes are the source's, but for the file
/// that was being read when the run ended.
#[track_caller]
fn is_stored_once(sandbox: &Sandbox) {
    let listing = sandbox.bash(
        "for image in shelf/*.iso; do
           rm -rf disc; mkdir disc
           xorriso -osirrox on -indev \"$image\" -extract /archives disc 2>/dev/null
           for archive in disc/*; do tar tvf \"$archive\"; done
           chmod -R u+w disc
         done",
    );
    let mut members = BTreeMap::new();
    let mut bytes = 0;
    for line in listing.ok().stdout().lines().filter(|line| line.starts_with('-')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        bytes += words[2].parse::<u64>().unwrap();
        *members.entry(words[5].to_owned()).or_insert(0) += 1;
    }
    let twice: Vec<_> = members.iter().filter(|member| *member.1 > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let files = fs::read_dir(sandbox.source()).unwrap();
    let wanted: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    // Of a file that was cut at a disc's edge when the run ended, the first part is there for
    // nothing.
    assert!((wanted..wanted + LARGEST_FILE).contains(&bytes), "{bytes} of {wanted}");
}

/// Whether an archive is in staging already: the run is in the midst of packing.
fn has_packed(staging: &Path) -> bool {
    let below = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    below(staging)
        .flat_map(|set| below(&set).collect::<Vec<_>>())
        .any(|disc| below(&disc.join("archives")).next().is_some())
}

#[test]
fn staging_that_another_program_fills_meanwhile_is_named_and_gone_on_with() {
    for ext4 in [false, true] {
        let sandbox = three_discs();
        let staging = sandbox.staging();
        let disk = match ext4 {
            true => SmallDisk::ext4(&sandbox, staging.clone(), 40),
            false => SmallDisk::tmpfs(staging.clone(), "size=40m"),
        };
        {
            let look = staging.clone();
            let _eater = disk.eaten_when(move || has_packed(&look));
            let run = sandbox.backup("films", &[]);
            run.code(1).says(&text(&staging)).says("No space left").says(WAY_OUT);
            is_not_called_safe(&sandbox);
        }
        goes_on(&sandbox);
    }
}

#[test]
fn staging_without_inodes_is_named_and_gone_on_with() {
    for inodes in [3, 5, 8, 11, 14] {
        let sandbox = three_discs();
        let options = format!("size=40m,nr_inodes={inodes}");
        let disk = SmallDisk::tmpfs(sandbox.staging(), &options);
        let run = sandbox.backup("films", &[]);
        run.code(1).says(&text(&sandbox.staging())).says(WAY_OUT);
        disk.resize("nr_inodes=1000");
        goes_on(&sandbox);
    }
}

#[test]
fn a_shelf_that_takes_one_disc_keeps_it_and_takes_the_others_when_there_is_room() {
    let sandbox = three_discs();
    let disk = SmallDisk::tmpfs(sandbox.shelf(), "size=5m");
    let run = sandbox.backup("films", &[]);
    run.code(1).says(&text(&sandbox.shelf())).says("is full").says("make room");
    assert_eq!(sandbox.images().len(), 1, "{}", run.story());
    is_not_called_safe(&sandbox);
    disk.resize("size=20m");
    goes_on(&sandbox);
}

#[test]
fn a_shelf_that_fills_while_it_is_written_to_loses_nothing() {
    let sandbox = three_discs();
    let disk = SmallDisk::tmpfs(sandbox.shelf(), "size=20m");
    {
        let shelf = sandbox.shelf();
        let _eater = disk.eaten_when(move || fs::read_dir(&shelf).unwrap().next().is_some());
        let run = sandbox.backup("films", &[]);
        run.code(1).says(&text(&sandbox.shelf())).says("disc ").says("stage");
        is_not_called_safe(&sandbox);
    }
    goes_on(&sandbox);
}

#[test]
fn a_shelf_without_inodes_keeps_the_disc_staged() {
    let sandbox = three_discs();
    let disk = SmallDisk::tmpfs(sandbox.shelf(), "size=20m,nr_inodes=2");
    sandbox.backup("films", &[]).code(1).says(".iso.part: No space left").says(WAY_OUT);
    is_not_called_safe(&sandbox);
    disk.resize("nr_inodes=100");
    goes_on(&sandbox);
}

/// Each size ends the run at another step: tables, scan, archives, closing, verification.
#[test]
fn a_catalog_without_room_is_named_and_gone_on_with_whatever_the_step() {
    for size in ["60k", "260k", "330k", "400k"] {
        let sandbox = many_names();
        let disk = SmallDisk::tmpfs(sandbox.path("known"), &format!("size={size}"));
        let run = sandbox.backup("films", &[]);
        run.code(1).says("known/catalog.sqlite").says("no space is left").says(WAY_OUT);
        let status = sandbox.run(["status", "--json"]);
        let sets = status.results();
        let safe = sets.iter().find(|set| set["is_safe"] == true);
        assert!(safe.is_none(), "{size}: {}", status.story());
        disk.resize("size=40m");
        goes_on(&sandbox);
    }
}

#[test]
fn a_catalog_without_inodes_says_so() {
    for inodes in [2, 3, 4] {
        let sandbox = three_discs();
        let options = format!("size=40m,nr_inodes={inodes}");
        let disk = SmallDisk::tmpfs(sandbox.path("known"), &options);
        sandbox.backup("films", &[]).code(1).says("known/catalog.sqlite").says(WAY_OUT);
        disk.resize("nr_inodes=100");
        goes_on(&sandbox);
    }
}

#[test]
fn what_finds_no_room_in_the_target_is_named_and_the_next_restore_adds_it() {
    // An inode is the directory, and one the mark of a restore at work.
    for (little, more) in [("size=3m", "size=20m"), ("size=20m,nr_inodes=5", "nr_inodes=100")] {
        let sandbox = three_discs();
        sandbox.backup("films", &[]).ok();
        let disk = SmallDisk::tmpfs(sandbox.path("back"), little);
        if !little.contains("inodes") {
            restore(&sandbox, &[]).code(1).says("needs 7.00 MB").says("is free");
        }
        let run = restore(&sandbox, &["--yes"]);
        run.code(3).says("no room is left in the target").says("film6").says("NOT restored: 4");
        let there = fs::read_dir(sandbox.path("back")).unwrap();
        for file in there.map(|entry| entry.unwrap()) {
            let was = fs::read(sandbox.source().join(file.file_name())).unwrap();
            assert!(fs::read(file.path()).unwrap() == was, "{:?} is half a file", file.path());
        }
        disk.resize(more);
        restore(&sandbox, &[]).ok().says("3 files are already in the target");
        assert_same_tree(&sandbox.source(), &sandbox.path("back"));
    }
}

/// A backup that never got anywhere is no safety.
#[test]
fn a_first_backup_that_did_not_end_is_not_called_safe() {
    let sandbox = many_names();
    let disk = SmallDisk::tmpfs(sandbox.path("known"), "size=300k");
    sandbox.backup("films", &[]).code(1);
    sandbox.run(["status"]).code(3);
    disk.resize("size=40m");
    goes_on(&sandbox);
}
