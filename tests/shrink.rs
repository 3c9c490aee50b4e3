//! A source that is empty, lost a disk, or lost most of its files is not backed up unasked: a run is
//! stopped before anything is packed, and leaves nothing behind that a later one would stumble over.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use support::{Run, Sandbox, SmallDisk, assert_same_tree};

/// So many files of a thousand bytes in as many directories as there are tens.
fn with_files(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    fill(&sandbox.source(), count);
    sandbox
}

fn fill(dir: &Path, count: usize) {
    for n in 0..count {
        let path = dir.join(format!("d{}/f{n}", n / 10));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{n:1000}")).unwrap();
    }
}

const BACKUP: [&str; 7] = ["backup", "--disc-size", "3M", "--name", "data", "source", "shelf"];

fn backup(sandbox: &Sandbox) -> Run {
    sandbox.run(BACKUP)
}

fn backup_with(sandbox: &Sandbox, options: &[&str]) -> Run {
    sandbox.run(BACKUP.iter().chain(options))
}

#[track_caller]
fn set(sandbox: &Sandbox, code: i32) -> Value {
    let run = sandbox.run(["status", "--json"]);
    run.code(code).results().into_iter().find(|object| object["set"] == "data").unwrap()
}

fn remove(sandbox: &Sandbox, names: impl IntoIterator<Item = usize>) {
    for n in names {
        fs::remove_file(sandbox.source().join(format!("d{}/f{n}", n / 10))).unwrap();
    }
}

/// The shelf as it was, status says so until a run succeeds.
#[track_caller]
fn is_refused(sandbox: &Sandbox, run: &Run, why: &str) {
    run.code(1).says(why).says("--allow-shrink").says("nothing was packed");
    let before = sandbox.images();
    let status = sandbox.run(["status"]);
    assert!(status.code(3).stdout().contains("was stopped"), "{}", status.story());
    assert!(status.stdout().contains(why), "{}", status.story());
    assert_eq!(set(sandbox, 3)["unfinished"], true);
    assert_eq!(sandbox.images(), before);
}

#[test]
fn an_emptied_source_is_refused() {
    let sandbox = with_files(3);
    backup(&sandbox).ok();
    sandbox.bash("mv source away; mkdir source").ok();
    is_refused(&sandbox, &backup(&sandbox), "is empty, but snapshot 1");
    // Nobody is there to be asked, and `--yes` is not meant for this.
    is_refused(&sandbox, &backup_with(&sandbox, &["--yes"]), "is empty");
    assert_eq!(sandbox.images().len(), 1);
    sandbox.bash("rmdir source; mv away source").ok();
    backup(&sandbox).ok().says("stored: 0 paths");
    set(&sandbox, 0);
    sandbox.run(["restore", "shelf", "back"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

#[test]
fn who_means_it_says_so_and_a_restore_of_nothing_names_the_snapshot_before() {
    let sandbox = with_files(3);
    backup(&sandbox).ok();
    sandbox.bash("rm -rf source; mkdir source").ok();
    backup_with(&sandbox, &["--allow-shrink", "--flush"]).ok();
    set(&sandbox, 0);
    backup(&sandbox).ok();
    for words in
        [&["restore", "shelf", "back"][..], &["restore", "--catalog", "no", "shelf", "alone"]]
    {
        sandbox.run(words).ok().says("snapshot 1").says("--snapshot 1");
    }
    sandbox.run(["restore", "--snapshot", "1", "shelf", "old"]).ok();
    assert!(sandbox.path("old/d0/f0").exists());
}

#[test]
fn a_source_that_never_had_a_file_is_a_snapshot_like_any_other() {
    let sandbox = Sandbox::new();
    backup(&sandbox).ok();
    backup(&sandbox).ok();
    fs::write(sandbox.source().join("a"), "a").unwrap();
    backup(&sandbox).ok();
}

#[test]
fn most_of_many_files_gone_is_refused_and_half_of_them_is_not() {
    let sandbox = with_files(40);
    backup(&sandbox).ok();
    remove(&sandbox, 0..20);
    backup(&sandbox).ok();
    remove(&sandbox, 20..31);
    is_refused(&sandbox, &backup(&sandbox), "11 files (11.0 kB) are gone from the source");
    backup_with(&sandbox, &["--max-shrink", "55"]).ok();
    set(&sandbox, 0);
    // Of a handful nobody counts.
    remove(&sandbox, 31..39);
    backup(&sandbox).ok();
}

#[test]
fn most_of_the_bytes_count_as_much() {
    let sandbox = with_files(40);
    fs::write(sandbox.source().join("film"), vec![7; 100_000]).unwrap();
    backup(&sandbox).ok();
    fs::write(sandbox.source().join("film"), "").unwrap();
    is_refused(&sandbox, &backup(&sandbox), "1 file (100 kB) is gone");
    fs::remove_file(sandbox.source().join("film")).unwrap();
    is_refused(&sandbox, &backup(&sandbox), "1 file (100 kB) is gone");
    backup_with(&sandbox, &["--allow-shrink"]).ok();
    set(&sandbox, 0);
}

#[test]
fn a_configuration_says_how_much_may_go() {
    let mut sandbox = with_files(40);
    let file = sandbox.path("coldcut.toml");
    let source = sandbox.source().display().to_string();
    fs::write(&file, format!("[set.data]\nsource = \"{source}\"\nmax-shrink = 10\n")).unwrap();
    sandbox.set("COLDCUT_CONFIG", &file);
    backup(&sandbox).ok();
    remove(&sandbox, 0..5);
    is_refused(&sandbox, &backup(&sandbox), "5 files (5.00 kB) are gone");
    fs::write(&file, format!("[set.data]\nsource = \"{source}\"\nmax-shrink = 20\n")).unwrap();
    backup(&sandbox).ok();
}

#[test]
fn what_a_rule_leaves_out_is_not_gone() {
    let sandbox = with_files(40);
    backup(&sandbox).ok();
    backup_with(&sandbox, &["--exclude", "d1", "--exclude", "/d2/f*", "--exclude", "/d3"]).ok();
    backup(&sandbox).ok();
    for n in 0..4 {
        fs::write(
            sandbox.source().join(format!("d{n}/CACHEDIR.TAG")),
            "Signature: 8a477f597d28d172789f06886806bc55\n",
        )
        .unwrap();
    }
    backup_with(&sandbox, &["--exclude-caches"]).ok();
    // All of it left out by name: that is what was asked for.
    sandbox.bash("rm -f source/d*/CACHEDIR.TAG").ok();
    backup(&sandbox).ok();
    backup_with(&sandbox, &["--exclude", "/d*"]).ok();
    // And a rule for a few does not hide that the others are gone.
    backup(&sandbox).ok();
    remove(&sandbox, 0..30);
    let run = backup_with(&sandbox, &["--exclude", "/d3"]);
    is_refused(&sandbox, &run, "30 files (30.0 kB) are gone");
}

#[test]
fn what_was_renamed_is_not_gone() {
    let sandbox = with_files(40);
    backup(&sandbox).ok();
    sandbox.bash("mkdir -p source/new/er; mv source/d* source/new/er").ok();
    backup(&sandbox).ok();
    // To another disk and back: other inodes, other dates, the same content.
    sandbox.bash("cp -r source/new other; rm -rf source/new; cp -r other/er source/again").ok();
    backup(&sandbox).ok().says("Snapshot 3");
    // Some of them only.
    sandbox.bash("cp -r source/again/d0 source/kept; rm -rf source/again").ok();
    is_refused(&sandbox, &backup(&sandbox), "30 files (30.0 kB) are gone");
    sandbox.bash("cp -r other/er/d1 source/kept").ok();
    backup(&sandbox).ok();
}

/// Doubles may go, for their content stays; and a file is not gone while it has another name.
#[test]
fn neither_are_doubles_and_other_names() {
    let sandbox = with_files(20);
    sandbox
        .bash("cp -r source/d0 source/e0; cp -r source/d1 source/e1; cp -r source/d1 source/e2")
        .ok();
    sandbox.bash("cp -rl source/d0 source/l0").ok();
    backup(&sandbox).ok();
    sandbox.bash("rm -rf source/e? source/d0").ok();
    backup(&sandbox).ok();
    sandbox.run(["restore", "shelf", "back"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

#[test]
fn a_disk_that_is_not_mounted_is_refused_however_few_its_files_are() {
    let sandbox = with_files(40);
    let usb = sandbox.source().join("media/my usb");
    {
        let _disk = SmallDisk::tmpfs(usb.clone(), "size=1m");
        fs::write(usb.join("letter"), "dear reader\n").unwrap();
        backup(&sandbox).ok();
    }
    is_refused(
        &sandbox,
        &backup(&sandbox),
        "my usb was a mount point and is now an empty directory",
    );
    {
        let _disk = SmallDisk::tmpfs(usb.clone(), "size=1m");
        // Another disk is mounted there: what was on the former one is gone, and not unmounted.
        fs::write(usb.join("other"), "other\n").unwrap();
        backup(&sandbox).ok();
        // An exclude rule for it speaks of it, mounted or not.
        backup_with(&sandbox, &["--exclude", "/media"]).ok();
        backup(&sandbox).ok();
    }
    backup_with(&sandbox, &["--exclude", "/media"]).ok();
    backup(&sandbox).ok();
    // Agreed to once, it is a directory like any other.
    {
        let _disk = SmallDisk::tmpfs(usb.clone(), "size=1m");
        fs::write(usb.join("letter"), "dear reader\n").unwrap();
        backup(&sandbox).ok();
    }
    backup_with(&sandbox, &["--allow-shrink"]).ok();
    backup(&sandbox).ok();
}

#[test]
fn so_is_a_source_that_is_one() {
    let sandbox = Sandbox::new();
    {
        let _disk = SmallDisk::tmpfs(sandbox.source(), "size=1m");
        fill(&sandbox.source(), 3);
        backup(&sandbox).ok();
    }
    is_refused(
        &sandbox,
        &backup(&sandbox),
        "source was a mount point and is now an empty directory",
    );
    let _disk = SmallDisk::tmpfs(sandbox.source(), "size=1m");
    fill(&sandbox.source(), 3);
    backup(&sandbox).ok();
}

/// A bind mount has the device number of its neighbours, and a new disk has another one each time.
#[test]
fn device_numbers_mean_nothing() {
    let sandbox = with_files(3);
    let place = sandbox.source().join("bound");
    fs::create_dir(&place).unwrap();
    sandbox.bash("mkdir other; echo x >other/x; mount --bind other source/bound").ok();
    let first = backup(&sandbox);
    sandbox.bash("umount source/bound").ok();
    first.ok();
    is_refused(&sandbox, &backup(&sandbox), "bound was a mount point");
    for _ in 0..2 {
        sandbox.bash("mount -t tmpfs none source/bound; echo x >source/bound/x").ok();
        let run = backup(&sandbox);
        sandbox.bash("umount source/bound").ok();
        run.ok();
    }
    // A directory that is emptied and never was a mount point is nobody's business.
    sandbox.bash("echo y >source/bound/y").ok();
    backup(&sandbox).ok();
    sandbox.bash("rm source/bound/y").ok();
    backup(&sandbox).ok();
}

/// What the catalog says, but for the runs that were stopped.
fn facts(sandbox: &Sandbox) -> Vec<String> {
    let conn = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    let mut facts = Vec::new();
    for table in ["entries", "dirs", "contents", "parts", "archives", "discs", "members", "mounts"]
    {
        let mut query = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap()));
            facts.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    facts.sort();
    facts
}

/// Changes beside what is gone: new files and directories, other contents, kinds and modes.
fn disturb(sandbox: &Sandbox, choice: u64) {
    let words = [
        "mkdir -p source/new/er; echo new >source/new/er/file",
        "chmod 600 source/d3/f3*",
        "echo other >source/d3/f39",
        "rm -rf source/d3/f38; mkdir source/d3/f38; echo below >source/d3/f38/x",
        "ln -f source/d3/f37 source/d3/name; ln -sf f36 source/d3/link",
        "cp -a source/d3/f33 source/d3/new; mv source/d3/new source/d3/g35; rm -f source/d3/f35",
        "touch source/d3; : >source/d3/f34",
    ];
    for (at, words) in words.iter().enumerate() {
        if choice >> at & 1 == 1 {
            sandbox.bash(words).ok();
        }
    }
}

/// Ended before each step that makes something last: what was not refused to the end was not backed
/// up either, and the next run is refused as this one would have been.
#[test]
fn a_refusal_that_is_killed_leaves_nothing_behind_either() {
    const STEPS: &str = "fsync,fdatasync,?unlink,unlinkat,ftruncate,pwrite64";
    let sandbox = with_files(30);
    backup(&sandbox).ok();
    let before = facts(&sandbox);
    let program = env!("CARGO_BIN_EXE_coldcut");
    let words = BACKUP.join(" ");
    let mut ends = 0;
    for step in 1.. {
        sandbox.bash("mv source away; mkdir source; echo new >source/new").ok();
        let run = sandbox.bash(&format!(
            "exec strace -f -qq -o trace -e trace={STEPS} \
             -e inject={STEPS}:signal=KILL:when={step} '{program}' {words}"
        ));
        if !fs::read_to_string(sandbox.path("trace")).unwrap().contains("killed by SIGKILL") {
            run.code(1).says("--allow-shrink");
            break;
        }
        ends += 1;
        set(&sandbox, if has_begun(&sandbox) { 3 } else { 0 });
        assert_eq!(facts(&sandbox), before, "{}", run.story());
        backup(&sandbox).code(1).says("--allow-shrink");
        sandbox.bash("rm -r source; mv away source").ok();
        backup(&sandbox).ok().says("stored: 0 paths");
        assert_eq!(facts(&sandbox), before, "{}", run.story());
        set(&sandbox, 0);
    }
    assert!(ends >= 5, "only {ends} runs were ended");
}

/// Whether the newest run is on record; if not, it was never begun for all that is known.
fn has_begun(sandbox: &Sandbox) -> bool {
    let conn = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    let sql = "SELECT finished IS NULL FROM snapshots ORDER BY seq DESC LIMIT 1";
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_person_at_a_terminal_is_asked_and_agrees_for_this_run() {
    let sandbox = with_files(3);
    backup(&sandbox).ok();
    sandbox.bash("rm -rf source; mkdir source").ok();
    for (answer, code) in [("n\n", 1), ("\n", 1), ("y\n", 0)] {
        let mut run = sandbox.at_terminal(BACKUP.iter().chain(&["--yes"]));
        run.waits_for("Back it up as it is?");
        run.types(answer);
        assert_eq!(run.ends().0, code, "{answer:?}");
    }
    set(&sandbox, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// Refused once or more often, whatever else changed: the catalog is as it was, the next good run
    /// stores nothing, and each snapshot is what it was.
    #[test]
    fn a_refused_run_leaves_nothing_behind(choice in 0u64..128, times in 1usize..3, all in any::<bool>()) {
        let sandbox = with_files(40);
        backup(&sandbox).ok();
        fs::write(sandbox.source().join("second"), "second\n").unwrap();
        backup(&sandbox).ok();
        sandbox.bash("cp -a source good").ok();
        let before = facts(&sandbox);
        for round in 0..times {
            sandbox.bash(if all { "rm -rf source/*" } else { "rm -rf source/d0 source/d1 source/d2" }).ok();
            if !all { disturb(&sandbox, choice.rotate_left(round as u32) & 127); }
            backup(&sandbox).code(1).says("--allow-shrink");
            prop_assert_eq!(facts(&sandbox), before.clone());
        }
        // The good files come back to where they were, as a disk does that is mounted again.
        sandbox.bash("rm -rf source; mv good source").ok();
        let run = backup(&sandbox);
        run.ok();
        prop_assert_eq!(sandbox.images().len(), 2, "{}", run.story());
        for (seq, second) in [(1, false), (2, true)] {
            let target = sandbox.path(&format!("back{seq}"));
            let seq = seq.to_string();
            sandbox.run(["restore", "--snapshot", &seq, "shelf", target.to_str().unwrap()]).ok();
            prop_assert_eq!(target.join("second").exists(), second);
            prop_assert!(target.join("d3/f39").exists());
        }
        sandbox.run(["restore", "shelf", "back"]).ok();
        assert_same_tree(&sandbox.source(), &sandbox.path("back"));
        set(&sandbox, 0);
    }
}
