//! A drive that another program uses is left alone, whatever coldcut is told to do: what the drive
//! was sent, and what became of the other program's work.

use crate::bench::{Lab, Run, noise, tool, until};
use std::fs;
use std::process::Command;

const SECTORS: u32 = 4096;
const BUSY: &str = "is in use by another program";

/// A plain xorriso in the middle of a burn that takes most of a minute, as anybody may run it.
fn somebody_burns(lab: &Lab, disc: &str) -> Run {
    lab.ctl("fault one grows on");
    lab.ctl("rate one write 80000");
    lab.insert("one", disc);
    lab.udev_settles();
    fs::create_dir_all(lab.path("theirs")).unwrap();
    fs::write(lab.path("theirs/film"), noise(7, 4_000_000)).unwrap();
    let mut burn = Command::new("xorriso");
    burn.args(["-no_rc", "-outdev"]).arg(format!("mmc:{}", lab.one.display()));
    burn.args(["-volid", "THEIRS", "-map"]).arg(lab.path("theirs")).args(["/", "-close", "on"]);
    let run = Run::new(burn);
    until("the first sectors", || lab.ctl(&format!("disc state {disc}")).starts_with("open"));
    run
}

/// What the drive was told since the mark: nothing that opens, closes or unlocks it.
fn nothing_was_moved(lab: &Lab, mark: usize) {
    let log = lab.commands("one", mark);
    let moved = |line: &&String| line.starts_with("1b ") || line.starts_with("1e 00 00 00 00");
    assert_eq!(log.iter().find(moved), None, "{log:?}");
}

#[test]
fn a_burn_of_another_program_is_neither_ejected_nor_unlocked() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["theirs"]);
    lab.source(2, 900_000);
    let run = somebody_burns(&lab, "theirs");
    let mark = lab.commands("one", 0).len();
    let one = lab.one.to_str().unwrap();
    for words in [
        &["verify", one, "--wait", "1s"][..],
        &["restore", one, "back", "--wait", "1s"],
        &["rescue", one, "--to", "rescued.iso"],
    ] {
        lab.run(words).code(1).said(&format!("{BUSY}: xorriso, process"));
    }
    lab.backup(&lab.one.clone(), &["--wait", "1s"]).ends().code(1).said(BUSY);
    lab.run(["drives"]).code(0).said(BUSY);
    assert!(lab.ctl("disc state theirs").starts_with("open"), "the burn goes on");
    nothing_was_moved(&lab, mark);
    lab.ctl("rate one write 0");
    run.ends().code(0).said("completed successfully");
    assert!(lab.ctl("disc state theirs").starts_with("finalised"));
    lab.states(&["staged"]);
}

#[test]
fn a_burn_of_another_coldcut_ends_well_while_a_third_waits_for_the_drive() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(3, 1_000_000);
    lab.ctl("fault one grows on");
    lab.ctl("rate one write 400000");
    lab.insert("one", "a");
    let mut burning = lab.backup(&lab.one.clone(), &[]);
    burning.says("writing disc 1");
    until("the first sectors", || lab.ctl("disc state a").starts_with("open"));
    let mut waiting = lab.start(["verify", lab.one.to_str().unwrap(), "--wait", "150s"]);
    waiting.says("waiting until it is free");
    burning.says("disc 1 is verified");
    burning.ends().code(0);
    assert!(lab.ctl("disc state a").starts_with("finalised sessions=1"));
    lab.states(&["verified"]);
    until("the open tray", || lab.ctl("state one").starts_with("open"));
    lab.insert("one", "a");
    waiting.ends().code(0).said("every byte is right");
}

#[test]
fn a_mounted_disc_stays_mounted() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(2, 900_000);
    lab.insert("one", "a");
    lab.backup(&lab.one.clone(), &[]).ends().code(0);
    lab.insert("one", "a");
    lab.udev_settles();
    fs::create_dir(lab.path("mnt")).unwrap();
    let (one, place) = (lab.one.to_str().unwrap(), lab.path("mnt"));
    tool(&["mount", "-o", "ro", one, place.to_str().unwrap()]).code(0);
    let mark = lab.commands("one", 0).len();
    for words in [&["verify", one][..], &["restore", one, "back"], &["check", one]] {
        let words = [words, &["--wait", "4s"]].concat();
        lab.run(words).code(1).said(&format!("{BUSY}: it is mounted at {}", place.display()));
    }
    nothing_was_moved(&lab, mark);
    tool(&["umount", place.to_str().unwrap()]).code(0);
    lab.run(["verify", one, "--wait", "30s"]).code(0).said("every byte is right");
}

#[test]
fn two_coldcuts_do_not_take_the_disc_from_each_other() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(3, 1_000_000);
    lab.insert("one", "a");
    lab.backup(&lab.one.clone(), &[]).ends().code(0);
    lab.insert("one", "a");
    lab.udev_settles();
    lab.ctl("rate one read 300000");
    let one = lab.one.to_str().unwrap();
    let mut first = lab.start(["restore", one, "back", "--wait", "60s"]);
    first.says("set source");
    // As another user would: of other users' programs /proc says nothing.
    let mut second = lab.as_nobody(&["backup", "source", one, "--flush", "--wait", "1s"]);
    second.says(BUSY);
    second.ends().code(1);
    first.ends().code(0);
    lab.ctl("rate one read 0");
    lab.same_trees("source", "back");
}
