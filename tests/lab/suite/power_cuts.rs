//! Power cuts on real file systems: all that a run writes is logged under the file system
//! (dm-log-writes). Replayed up to some flush, with a part of what was written after it, it is what a
//! disk has after a power cut; the file system's journal and coldcut have to get on with that.
//!
//! `LAB_LONG=yes` cuts at each flush on ext4, xfs and btrfs; else a few times, on ext4.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use coldcut_lab::log_writes::WriteLog;

use crate::bench::{FinishedProgram, Lab, RunningProgram, is_long, noise, tool};

const AT: &str = "/lab/disk";
const NAME: &str = "lab-logged";
const BACKUP: [&str; 13] = [
    "backup",
    "--no-drill",
    "--disc-size",
    "2M",
    "--archive-size",
    "400K",
    "--compress",
    "none",
    "--name",
    "set",
    "--quiet",
    "source",
    "disk/shelf",
];

/// A loop device, which goes with this value.
struct LoopDevice(String);

impl LoopDevice {
    fn new(file: &Path, megabytes: u64) -> LoopDevice {
        File::create(file).unwrap().set_len(megabytes << 20).unwrap();
        let shown = tool(&["losetup", "--find", "--show", file.to_str().unwrap()]).code(0);
        LoopDevice(shown.lines[0].clone())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        tool(&["losetup", "-d", &self.0]);
    }
}

/// A file system whose writes are logged, and what was done on it.
struct LoggedRun<'a> {
    lab: &'a Lab,
    kind: &'static str,
    megabytes: u64,
    /// Digests of the images that the run put onto the shelf.
    images: BTreeMap<String, Vec<u8>>,
}

/// Unmounted with this value.
struct MountPoint;

impl MountPoint {
    fn new(device: &[&str]) -> MountPoint {
        fs::create_dir_all(AT).unwrap();
        tool(&[&["mount"], device, &[AT]].concat()).code(0);
        MountPoint
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        tool(&["umount", AT]);
    }
}

fn coldcut(lab: &Lab, words: &[&str]) -> FinishedProgram {
    let mut command = Command::new("coldcut");
    // `disk` is a link, so that the paths are short and the same.
    command.args(words).current_dir(lab.dir.path());
    command.env("COLDCUT_CATALOG", "disk/catalog.sqlite").env("COLDCUT_STAGING", "disk/staging");
    RunningProgram::new(command).ends()
}

impl<'a> LoggedRun<'a> {
    /// Backs up onto a new file system, and restores to it.
    fn new(lab: &'a Lab, kind: &'static str, megabytes: u64) -> LoggedRun<'a> {
        lab.source(3, 500_000);
        fs::write(lab.path("source/text"), noise(77, 3_000)).unwrap();
        let _ = std::os::unix::fs::symlink(AT, lab.path("disk"));
        let disk = LoopDevice::new(&lab.path("disk.img"), megabytes);
        let log = LoopDevice::new(&lab.path("log.img"), 2048);
        let (sectors, disk, log) = (megabytes << 11, &disk.0, &log.0);
        let table = format!("0 {sectors} log-writes {disk} {log}");
        tool(&["dmsetup", "create", NAME, "--table", &table]).code(0);
        let device = format!("/dev/mapper/{NAME}");
        tool(&[&format!("mkfs.{kind}"), "-q", &device]).code(0);
        let mounted = MountPoint::new(&[&device]);
        fs::create_dir(Path::new(AT).join("shelf")).unwrap();
        tool(&["sync", "-f", AT]).code(0);
        mark("backup");
        coldcut(lab, &BACKUP).code(0);
        mark("restore");
        coldcut(lab, &["restore", "disk/shelf", "disk/target"]).code(0);
        mark("end");
        let images = digests(Path::new("/lab/disk/shelf"));
        drop(mounted);
        tool(&["dmsetup", "remove", "--retry", NAME]).code(0);
        LoggedRun { lab, kind, megabytes, images }
    }

    fn log(&self) -> WriteLog {
        WriteLog::open(&self.lab.path("log.img")).unwrap()
    }

    /// The disk as it is when the power went after this entry; of what was written until the next
    /// flush every other write is there, or none.
    fn replay(&self, log: &WriteLog, last: usize, seed: u64) -> PathBuf {
        let image = self.lab.path("cut.img");
        let disk = File::create(&image).unwrap();
        disk.set_len(self.megabytes << 20).unwrap();
        for entry in &log.entries[..=last] {
            log.replay(entry, &disk).unwrap();
        }
        let later = log.entries[last + 1..].iter().take_while(|entry| !entry.is_barrier());
        let chances = noise(seed, 1 << 16);
        for (entry, chance) in later.zip(chances) {
            if seed % 3 > 0 && chance % 2 == 0 {
                log.replay(entry, &disk).unwrap();
            }
        }
        image
    }

    fn check(&self, log: &WriteLog, last: usize) {
        let phase = log.entries[..=last].iter().rev().find_map(|entry| entry.mark.clone());
        let (phase, seed) = (phase.unwrap(), last as u64);
        println!("=== {}: cut after entry {last} of {}, {phase}", self.kind, log.entries.len());
        let image = self.replay(log, last, seed);
        let mounted = MountPoint::new(&["-o", "loop", image.to_str().unwrap()]);
        self.check_safe_discs(&phase);
        coldcut(self.lab, &BACKUP).code(0).never_said("no longer complete");
        let safe = self.safe_discs();
        assert_eq!(safe.len(), digests(Path::new("/lab/disk/shelf")).len(), "{safe:?}");
        coldcut(self.lab, &["verify", "--name", "set", "disk/shelf"]).code(0);
        coldcut(self.lab, &["restore", "disk/shelf", "disk/target"]).code(0);
        let target = Path::new("/lab/disk/target");
        assert_eq!(digests(&self.lab.path("source")), digests(target));
        drop(mounted);
        fs::remove_file(image).unwrap();
    }

    /// The names of the images of those discs that the catalog calls verified.
    fn safe_discs(&self) -> Vec<String> {
        let run = coldcut(self.lab, &["discs", "--json", "--name", "set"]);
        let rows = run.lines.iter().filter_map(|line| serde_json::from_str(line).ok());
        let safe = rows.filter(|row: &serde_json::Value| row["state"] == "verified");
        safe.map(|row| format!("set-{:04}.iso", row["id"].as_u64().unwrap())).collect()
    }

    /// Each was durable, byte for byte, before it was called verified; and what had ended had ended.
    fn check_safe_discs(&self, phase: &str) {
        let now = digests(Path::new("/lab/disk/shelf"));
        let safe = self.safe_discs();
        for name in &safe {
            assert!(now.contains_key(name), "{name} is gone");
            assert_eq!(now[name], self.images[name], "{name} is not what was read back");
        }
        assert!(phase == "backup" || safe.len() == self.images.len(), "{phase}: {safe:?}");
        if phase == "end" {
            let target = Path::new("/lab/disk/target");
            assert_eq!(digests(&self.lab.path("source")), digests(target));
        }
    }

    /// The entries after which the power is cut: as many of the flushes as are wanted.
    fn cuts(&self, log: &WriteLog, wanted: usize) -> Vec<usize> {
        let is_mark = |name: &str| {
            log.entries.iter().position(|entry| entry.mark.as_deref() == Some(name)).unwrap()
        };
        let (begin, end) = (is_mark("backup"), is_mark("end"));
        let barriers = (begin..end).filter(|at| log.entries[*at].is_barrier());
        let barriers: Vec<usize> = barriers.collect();
        assert!(barriers.len() > 10, "{} flushes: is nothing synced?", barriers.len());
        println!("=== {}: {} flushes", self.kind, barriers.len());
        let step = barriers.len().div_ceil(wanted - 1).max(1);
        barriers.into_iter().step_by(step).chain([end]).collect()
    }
}

fn mark(words: &str) {
    tool(&["dmsetup", "message", NAME, "0", "mark", words]).code(0);
}

/// The files of a directory.
fn digests(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    use sha2::{Digest, Sha256};
    let Ok(entries) = fs::read_dir(dir) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| !path.ends_with(".coldcut-shelf"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), Sha256::digest(fs::read(&path).unwrap()).to_vec())).collect()
}

fn cut_on(kind: &'static str, megabytes: u64, wanted: usize) {
    let lab = Lab::new();
    let run = LoggedRun::new(&lab, kind, megabytes);
    let log = run.log();
    for last in run.cuts(&log, wanted) {
        run.check(&log, last);
    }
}

#[test]
fn a_power_cut_at_a_flush_loses_nothing_that_counted() {
    cut_on("ext4", 64, if is_long() { 100_000 } else { 6 });
    for (kind, size) in [("xfs", 320), ("btrfs", 256)].into_iter().filter(|_| is_long()) {
        cut_on(kind, size, 100_000);
    }
}
