//! The shipped program on a file system whose power is cut at any moment: what was not synced is
//! gone, or there in part and out of order; then it must continue as if nothing had happened.
//!
//! `POWER_CUTS=all cargo test --test power_cuts` cuts before and after each sync; a number is that many
//! random cuts of each kind of run. `POWER_CUT=RUN:AT:KIND:SEED` makes one cut again, as the failed
//! test printed it. `POWER_LEAVE_OUT=files:PART`, `dirs:PART` or `system` makes syncs do nothing, to see
//! whether that is noticed; `POWER_SHOW=1` lists the syncs of each kind of run. Needs root and /dev/fuse.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod power;
mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use power::bench::PowerBench;
use power::run::PowerRun;
use power::{CutKind, LeftOut, Mounted, PowerCut, PowerDisk};
use support::Sandbox;

/// A disk that is mounted, then cut as soon as `work` is done.
fn cut_after(kind: CutKind, seed: u64, work: impl FnOnce(&Path)) -> (Sandbox, PowerDisk) {
    let sandbox = Sandbox::new();
    let mut disk = PowerDisk::default();
    disk.plan(Some(PowerCut { at: u64::MAX, kind, seed }));
    let mounted = Mounted::new(disk, &sandbox.path("disk"));
    work(&sandbox.path("disk"));
    (sandbox, mounted.without_power().powered_up())
}

fn sync(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn content(disk: &PowerDisk, name: &str) -> Option<String> {
    disk.read(Path::new(name)).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_file_is_durable_only_with_its_name() {
    let (_, disk) = cut_after(CutKind::Nothing, 1, |at| {
        for name in ["nothing", "file", "both", "renamed.new"] {
            fs::write(at.join(name), name).unwrap();
        }
        for name in ["file", "both", "renamed.new"] {
            sync(&at.join(name));
        }
        // Both the name of `both` and that of `nothing`, whose content is not.
        sync(at);
        fs::remove_file(at.join("file")).unwrap();
        fs::rename(at.join("renamed.new"), at.join("renamed")).unwrap();
        fs::write(at.join("both"), "other").unwrap();
        fs::write(at.join("late"), "late").unwrap();
        sync(&at.join("late"));
    });
    let found = ["nothing", "file", "both", "renamed.new", "renamed", "late"];
    let found = found.map(|name| content(&disk, name));
    let expected = [Some(""), Some("file"), Some("both"), Some("renamed.new"), None, None];
    assert_eq!(found, expected.map(|text| text.map(str::to_owned)));
}

#[test]
fn what_was_not_synced_may_be_there_in_part() {
    let (mut pages, mut lengths, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let sandbox = Sandbox::new();
    for seed in 0..40 {
        let kind = [CutKind::InOrder, CutKind::AnyOrder][seed as usize % 2];
        let mut disk = PowerDisk::default();
        disk.plan(Some(PowerCut { at: u64::MAX, kind, seed }));
        let mounted = Mounted::new(disk, &sandbox.path("disk"));
        let at = sandbox.path("disk");
        fs::write(at.join("a"), [b'-'; 16_384]).unwrap();
        sync(&at.join("a"));
        sync(&at);
        let file = File::options().write(true).open(at.join("a")).unwrap();
        for page in 0..6 {
            file.write_all_at(&[b'x'; 4096], page * 4096).unwrap();
        }
        for name in ["b", "c"] {
            fs::write(at.join(name), "").unwrap();
        }
        drop(file);
        let disk = mounted.without_power().powered_up();
        let found = disk.read(Path::new("a")).unwrap();
        lengths.insert(found.len());
        let state = |page: &[u8]| match page.iter().filter(|byte| **byte == b'x').count() {
            0 => 'o',
            4096 => 'n',
            _ => 't',
        };
        pages.insert(found[..16_384].chunks(4096).map(state).collect::<String>());
        names.insert(["b", "c"].map(|name| content(&disk, name).is_some()));
    }
    assert!(lengths.len() > 2, "{lengths:?}");
    for sign in ["no", "on", "t", "nnnn"] {
        assert!(pages.iter().any(|found| found.contains(sign)), "{sign}: {pages:?}");
    }
    // The second without the first: only where names may be in any order.
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn a_program_that_does_not_sync_loses_its_data() {
    let bench = PowerBench::new();
    let kept = |line: &str| {
        let mut disk = PowerDisk::default();
        disk.plan(Some(PowerCut { at: u64::MAX, kind: CutKind::Nothing, seed: 1 }));
        let (run, disk) = bench.run_on(disk, "bash", &["-euc", line]);
        run.ok();
        content(&disk.powered_up(), "x")
    };
    assert_eq!(kept("echo data >disk/x"), None);
    assert_eq!(kept("echo data >disk/x; sync disk/x disk"), Some("data\n".to_owned()));
}

#[test]
fn the_power_goes_in_the_middle_of_a_run() {
    let bench = PowerBench::new();
    let line = "for n in 1 2 3 4; do echo $n >disk/$n; sync disk/$n disk; done";
    let mut disk = PowerDisk::default();
    let (run, counted) = bench.run_on(disk.clone(), "bash", &["-euc", line]);
    run.ok();
    assert_eq!(counted.syncs().len(), 8);
    // Before the directory is synced that has the third one's name.
    let at = counted.syncs()[5].0;
    disk.plan(Some(PowerCut { at, kind: CutKind::Nothing, seed: 1 }));
    let (run, disk) = bench.run_on(disk, "bash", &["-euc", line]);
    assert_eq!(run.output.status.code(), None, "{}", run.story());
    let disk = disk.powered_up();
    let found = ["1", "2", "3", "4"].map(|name| content(&disk, name).is_some());
    assert_eq!(found, [true, true, false, false]);
}

#[test]
fn memory_that_is_mapped_is_shared_and_locks_are_kept() {
    let bench = PowerBench::new();
    let line = "python3 -c '
import sqlite3
a = sqlite3.connect(\"disk/x.sqlite\"); b = sqlite3.connect(\"disk/x.sqlite\")
assert a.execute(\"PRAGMA journal_mode=WAL\").fetchone() == (\"wal\",)
a.execute(\"CREATE TABLE t (x)\"); a.execute(\"INSERT INTO t VALUES (1)\"); a.commit()
assert b.execute(\"SELECT x FROM t\").fetchall() == [(1,)]
a.execute(\"BEGIN IMMEDIATE\")
try: b.execute(\"PRAGMA busy_timeout=0\"); b.execute(\"BEGIN IMMEDIATE\"); raise SystemExit(1)
except sqlite3.OperationalError: pass
'";
    bench.run_on(PowerDisk::default(), "bash", &["-euc", line]).0.ok();
}

/// Backs up onto discs of 2 MB: one of two films, and one of another and the small files.
macro_rules! backup {
    ($($more:literal)?) => {
        concat!(
            "backup --no-drill --disc-size 2M --archive-size 400K --name set source ",
            $($more)?
        )
    };
}
const BACKED_UP: &str = concat!("coldcut ", backup!("disk/shelf"));

/// What the owner does between two runs.
const CHANGE: &str = "echo changed >source/dir0/text0; rm -f source/dir0/text2
    head -c 400000 /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 >source/new";

fn by_script_sometimes(bench: &PowerBench, cut: &PowerCut, story: &str) {
    if cut.seed % 6 == 0 {
        bench.restore_by_script(story);
    }
}

#[test]
fn a_backup_continues_after_a_power_cut() {
    let check = by_script_sometimes;
    let command = backup!("disk/shelf");
    PowerRun { name: "a_backup", command, check, cuts: 25, ..PowerRun::default() }.torment();
}

#[test]
fn packing_continues_after_a_power_cut() {
    PowerRun {
        name: "packing",
        command: backup!("--stage"),
        then: &["burn --name set disk/shelf"],
        check: by_script_sometimes,
        cuts: 25,
        ..PowerRun::default()
    }
    .torment();
}

#[test]
fn burning_continues_after_a_power_cut() {
    PowerRun {
        name: "burning",
        before: concat!("coldcut ", backup!("--stage")),
        command: "burn --name set disk/shelf",
        check: by_script_sometimes,
        cuts: 25,
        ..PowerRun::default()
    }
    .torment();
}

#[test]
fn a_second_backup_continues_after_a_power_cut() {
    PowerRun {
        name: "a_second_backup",
        before: &format!("{BACKED_UP}\n{CHANGE}"),
        command: backup!("disk/shelf"),
        check: by_script_sometimes,
        cuts: 25,
        ..PowerRun::default()
    }
    .torment();
}

#[test]
fn recovery_discs_continue_after_a_power_cut() {
    PowerRun {
        name: "recovery_discs",
        command: backup!("--flush --parity-discs 1/2 disk/shelf"),
        check: |bench, cut, story| bench.restore_without(cut.seed, story),
        cuts: 30,
        ..PowerRun::default()
    }
    .torment();
}

/// Without them the recovery disc would be wrong, and nobody would know before it is needed.
#[test]
fn the_sums_of_a_recovery_group_are_durable_before_its_log_counts_them() {
    PowerRun {
        name: "sums",
        command: backup!("--flush --parity-discs 1/2 disk/shelf"),
        last_sync: Some("group-0001/log"),
        check: |bench, _, story| bench.restore_without(0, story),
        ..PowerRun::default()
    }
    .cut_once();
}

/// Its name, length and time are right, or its name and time; its content is not.
#[test]
fn what_an_interrupted_restore_left_is_compared_and_restored_again() {
    let bench = PowerBench::new();
    let mounted = bench.mount(PowerDisk::default());
    fs::create_dir(bench.sandbox.path("disk/shelf")).unwrap();
    bench.run(backup!("disk/shelf")).ok();
    bench.run("restore disk/shelf target").ok();
    let damage = "for file in film0 film1; do
            cp -p target/$file before
            head -c 700000 /dev/zero >target/$file; [ $file = film0 ] || : >target/$file
            touch -r before target/$file
        done";
    bench.sandbox.bash(damage).ok();
    // Nothing says that a restore was interrupted.
    bench.run("restore disk/shelf target").code(3).says("film1: a different file is already there");
    // One that was killed leaves the target with this mode, and the mark.
    bench.sandbox.bash("chmod 1700 target; : >target/.coldcut-tmp-begun000").ok();
    bench.restore("restore disk/shelf target", "with the mark");
    drop(mounted);
}

/// What was not synced may be there under its name, and in part.
#[test]
fn a_restore_continues_after_a_power_cut() {
    PowerRun {
        name: "a_restore",
        before: BACKED_UP,
        command: "restore disk/shelf disk/target",
        after_3: Some("restore --overwrite changed disk/shelf disk/target"),
        check: |bench, _, story| bench.compare("disk/target", story),
        cuts: 25,
        ..PowerRun::default()
    }
    .torment();
}

#[test]
fn a_migration_continues_after_a_power_cut() {
    PowerRun {
        name: "a_migration",
        before: BACKED_UP,
        command: "migrate --name set --all --no-drill --disc-size 3M --to disk/new",
        shelf: "disk/new",
        cuts: 15,
        ..PowerRun::default()
    }
    .torment();
}

#[test]
fn a_rebuilt_catalog_is_whole_after_a_power_cut() {
    PowerRun {
        name: "a_rebuilt_catalog",
        before: BACKED_UP,
        command: "catalog rebuild --replace disk/shelf",
        // The backup finds nothing new, and clears the staging area.
        then: &["verify --name set disk/shelf", backup!("disk/shelf")],
        cuts: 15,
        ..PowerRun::default()
    }
    .torment();
}

#[test]
fn a_copy_continues_after_a_power_cut() {
    PowerRun {
        name: "a_copy",
        before: BACKED_UP,
        command: "copy --name set 1-2 disk/second",
        check: |bench, _, story| bench.restore("restore --catalog none disk/second target", story),
        cuts: 15,
        ..PowerRun::default()
    }
    .torment();
}

/// What coldcut syncs, it must; here the cut comes after a run that ended well.
#[test]
fn a_sync_that_is_left_out_is_noticed() {
    let backup = PowerRun { command: backup!("disk/shelf"), ..PowerRun::default() };
    let packing = PowerRun {
        command: backup!("--stage"),
        then: &["burn --name set disk/shelf"],
        ..PowerRun::default()
    };
    let restore = PowerRun {
        before: BACKED_UP,
        command: "restore disk/shelf disk/target",
        check: |bench, _, story| bench.compare("disk/target", story),
        ..PowerRun::default()
    };
    for (run, left_out) in [
        (&backup, LeftOut::Files("shelf/")),
        (&backup, LeftOut::Dirs("shelf/")),
        (&backup, LeftOut::Files("catalog.sqlite")),
        (&packing, LeftOut::Files("archives/")),
        (&packing, LeftOut::Dirs("archives/")),
        (&packing, LeftOut::Files("0001/")),
        (&packing, LeftOut::Dirs("0001/")),
        (&packing, LeftOut::Dirs("staging/")),
        (&restore, LeftOut::System),
    ] {
        assert!(run.misses(left_out), "nothing noticed that {left_out:?} was left out");
    }
}

#[test]
fn a_sync_of_the_whole_file_system_is_seen() {
    let bench = PowerBench::new();
    let mut disk = PowerDisk::default();
    disk.plan(Some(PowerCut { at: u64::MAX, kind: CutKind::Nothing, seed: 1 }));
    let (run, disk) =
        bench.run_on(disk, "bash", &["-euc", "echo x >disk/x; sync -f disk; echo y >disk/y"]);
    run.ok();
    let disk = disk.powered_up();
    assert_eq!([content(&disk, "x"), content(&disk, "y")], [Some("x\n".to_owned()), None]);
}
