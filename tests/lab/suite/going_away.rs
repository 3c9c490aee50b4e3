//! A disc that is pulled out and a drive that is unplugged or falls silent, each in the middle of
//! reading: it is said what happened, nothing is recorded as damage, and with the disc back the
//! same command does all.

use crate::bench::{Lab, RunningProgram, noise, sys_of, until};
use std::fs;
use std::ops::Range;
use std::path::Path;

const SECTORS: u32 = 4096;
/// So slow that there is time for hands: each piece that is read takes two seconds.
const SLOW: &str = "500000";
/// Nothing but archives is read here: listings lie before it, and who looks for a file system on a
/// disc reads its end.
const ARCHIVES: Range<u32> = 200..1_800;

/// A set of four megabytes on the verified disc `a`, which is in the first drive.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a", "b"]);
    lab.source(2, 2_000_000);
    lab.insert("one", "a");
    lab.backup(&lab.one, &[]).ends().code(0);
    lab.insert("one", "a");
    lab.udev_settles();
    lab
}

/// Starts a command, and waits until it reads what is in archives.
fn until_it_reads(
    lab: &Lab,
    drive: &str,
    start: impl FnOnce() -> RunningProgram,
) -> RunningProgram {
    let mark = lab.commands(drive, 0).len();
    lab.ctl(&format!("rate {drive} read {SLOW}"));
    let run = start();
    until("the first archive", || {
        assert!(!run.has_ended(), "{:?}", run.said());
        let log = lab.commands(drive, mark);
        log.iter().filter_map(|line| sector_read(line)).any(|sector| ARCHIVES.contains(&sector))
    });
    run
}

/// Where a READ(10) begins: `28 00 00 00 01 90 …`.
fn sector_read(line: &str) -> Option<u32> {
    let address = line.strip_prefix("28 00 ")?.get(..11)?.replace(' ', "");
    u32::from_str_radix(&address, 16).ok()
}

/// Nothing that is known of discs has changed, and all is as safe as it was.
fn nothing_is_recorded(lab: &Lab, before: &[serde_json::Value]) {
    assert_eq!(lab.discs(), before);
    lab.run(["status"]).code(0);
}

/// The disc that a backup burned and could not read back is read back, and no other is burned.
fn the_burned_disc_is_read_back(lab: &Lab, drive: &Path) {
    let discs = lab.discs();
    assert!(!format!("{discs:?}").contains("damaged"), "{discs:?}");
    lab.states(&["verified", "staged"]);
    lab.ctl("rate one read 0");
    lab.insert("one", "b");
    let done = lab.run(["burn", drive.to_str().unwrap(), "--wait", "60s"]).code(0);
    done.said("reading it back").said("disc 2 is verified");
    lab.states(&["verified"; 2]);
    assert!(lab.ctl("disc state b").starts_with("finalised sessions=1"));
}

/// A backup of more, until it reads disc 2 back.
fn until_it_reads_back(lab: &Lab, drive: &Path) -> RunningProgram {
    fs::write(lab.path("source/more"), noise(33, 4_000_000)).unwrap();
    lab.insert("one", "b");
    until_it_reads(lab, "one", || lab.backup(drive, &["--wait", "0s"]))
}

/// By a pin in the hole at the front: the lock that coldcut keeps does not help.
#[test]
fn a_disc_that_is_pulled_out_while_it_is_read_is_away_and_not_damaged() {
    let lab = lab();
    let (one, before) = (lab.one.to_str().unwrap(), lab.discs());
    let away = format!("the disc was taken out of {one}");
    let run = until_it_reads(&lab, "one", || lab.start(["verify", one, "--wait", "0s"]));
    assert_eq!(lab.ctl("state one"), "closed locked a");
    lab.ctl("pull one");
    run.ends().code(4).said(&away);
    nothing_is_recorded(&lab, &before);

    lab.insert("one", "a");
    lab.udev_settles();
    let restore = ["restore", one, "back", "--wait", "60s"];
    let mut run = until_it_reads(&lab, "one", || lab.start(restore));
    lab.ctl("pull one");
    run.says(&away).says("Insert disc 1 of source");
    lab.ctl("rate one read 0");
    lab.insert("one", "a");
    run.ends().code(0);
    lab.same_trees("source", "back");
    nothing_is_recorded(&lab, &before);

    lab.ctl("reset one");
    let run = until_it_reads_back(&lab, &lab.one);
    lab.ctl("pull one");
    run.ends().code(4).said(&away).never_said("Insert a blank");
    the_burned_disc_is_read_back(&lab, &lab.one);
}

#[test]
fn a_drive_that_is_unplugged_while_it_reads_is_gone_and_its_disc_not_damaged() {
    let lab = lab();
    let before = lab.discs();
    let mut drive = lab.one.clone();
    for words in [&["verify"][..], &["restore", "back"]] {
        let mut words = words.to_vec();
        words.insert(1, drive.to_str().unwrap());
        let run = until_it_reads(&lab, "one", || lab.start(&words));
        lab.ctl("drive unplug one");
        let gone = format!("the drive {} is gone", drive.display());
        run.ends().code(4).said(&gone).never_said("damaged");
        nothing_is_recorded(&lab, &before);
        drive = lab.ctl("drive add one").into();
        lab.udev_settles();
    }
    lab.ctl("rate one read 0");
    lab.run(["restore", drive.to_str().unwrap(), "back"]).code(0);
    lab.same_trees("source", "back");

    lab.ctl("reset one");
    let run = until_it_reads_back(&lab, &drive);
    lab.ctl("drive unplug one");
    run.ends().code(4).said("is gone").never_said("Insert a blank");
    drive = lab.ctl("drive add one").into();
    lab.ctl("reset one");
    the_burned_disc_is_read_back(&lab, &drive);
}

/// The kernel gives the read up after a while, resets the drive in vain, and uses it no more until
/// it is plugged in again.
#[test]
fn a_drive_that_falls_silent_while_it_reads_says_nothing_about_the_disc() {
    let lab = lab();
    let (one, before) = (lab.one.to_str().unwrap(), lab.discs());
    let run = until_it_reads(&lab, "one", || lab.start(["verify", one]));
    fs::write(sys_of(one).join("device/timeout"), "2").unwrap();
    lab.ctl("fault one hang on");
    run.ends().code(4).said(&format!("the drive {one} is gone; check its cable and power"));
    nothing_is_recorded(&lab, &before);
    lab.ctl("drive unplug one");
    lab.ctl("fault one hang off");
    lab.ctl("rate one read 0");
    let one = lab.ctl("drive add one");
    lab.run(["verify", &one, "--wait", "30s"]).code(0).said("every byte matches");
}
