//! Kinds of media, and media that are not what is wanted.

use crate::bench::{Lab, noise, tool};
use std::fs;

const SECTORS: u32 = 4096;

#[test]
fn what_is_not_a_large_enough_blank_is_named_and_handed_out() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["good"]);
    lab.blanks("bd-r", 2048, &["small"]);
    let image = lab.foreign();
    lab.ctl(&format!("disc new theirs bd-r {SECTORS} {image}"));
    lab.ctl(&format!("disc new film dvd-rom {SECTORS} {image}"));
    lab.source(5, 1_000_000);
    lab.insert("one", "theirs");
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says("holds a BD-R with the volume THEIRS; a blank disc is needed; ejecting it");
    run.says("Insert a blank disc for disc 1");
    lab.insert("one", "film");
    run.says("holds a DVD-ROM with the volume THEIRS");
    run.says("Insert a blank disc");
    lab.insert("one", "small");
    run.says("disc 1 needs").says("Insert a blank disc");
    assert!(lab.ctl("disc state small").starts_with("blank"));
    lab.insert("one", "good");
    run.says("disc 1 is verified");
    run.ends().code(0);
    assert!(lab.ctl("disc state theirs").contains("sessions=1"));
}

#[test]
fn a_rewritable_disc_is_overwritten_only_when_that_was_said_twice() {
    let lab = Lab::new();
    let image = lab.foreign();
    lab.ctl(&format!("disc new used bd-re {SECTORS} {image}"));
    lab.blanks("bd-re", SECTORS, &["fresh"]);
    lab.source(3, 1_000_000);
    lab.insert("one", "used");
    let mut run = lab.backup(&lab.one.clone(), &["--wait", "0s"]);
    run.says("holds a BD-RE with the volume THEIRS, which can be overwritten");
    run.ends().code(4);
    // The option alone is not enough where nobody answers the question.
    lab.backup(&lab.one.clone(), &["--wait", "0s", "--overwrite-disc"]).ends().code(4);
    let done = lab.backup(&lab.one.clone(), &["--wait", "0s", "--overwrite-disc", "--yes"]).ends();
    done.code(0).said("disc 1 is verified");
    // One that was never used is a blank.
    fs::write(lab.path("source/more"), noise(77, 900_000)).unwrap();
    lab.insert("one", "fresh");
    lab.backup(&lab.one.clone(), &["--wait", "0s"]).ends().code(0).said("disc 2 is verified");
    lab.insert("one", "used");
    let mut run = lab.start(["restore", lab.one.to_str().unwrap(), "back", "--wait", "60s"]);
    run.says("Insert disc 2");
    lab.insert("one", "fresh");
    run.ends().code(0);
    lab.same_trees("source", "back");
}

#[test]
fn dvds_and_whole_images_and_spare_areas_work_too() {
    let lab = Lab::new();
    lab.blanks("dvd+r", SECTORS, &["dvd"]);
    lab.blanks("bd-r", SECTORS + 400, &["spared"]);
    lab.blanks("bd-r", 3800, &["tight"]);
    lab.source(3, 1_000_000);
    lab.insert("one", "dvd");
    lab.backup(&lab.one.clone(), &["--image-first", "--speed", "4"])
        .ends()
        .code(0)
        .said("imaging disc 1")
        .said("disc 1 is verified");
    assert!(lab.ctl("disc state dvd").starts_with("finalised"));
    fs::write(lab.path("source/more"), noise(78, 7_500_000)).unwrap();
    lab.insert("one", "tight");
    let mut run = lab.backup(&lab.one.clone(), &["--defect-management", "on"]);
    // It fits as it is, and would not with spare areas.
    run.says("disc 2 needs").says("Insert a blank disc");
    assert!(lab.ctl("disc state tight").starts_with("blank"));
    lab.insert("one", "spared");
    run.says("disc 2 is verified");
    run.ends().code(0);
    lab.states(&["verified"; 2]);
}

#[test]
fn nothing_but_an_optical_drive_is_ever_written_to() {
    let lab = Lab::new();
    lab.source(1, 1_000_000);
    let before = tool(&["cmp", "-n", "1048576", "/dev/vda", "/dev/zero"]).lines;
    for node in ["/dev/vda", "/dev/null"] {
        let done = lab.backup(node.as_ref(), &[]).ends().code(1);
        done.said("is not an optical drive, and coldcut writes to nothing else");
    }
    assert_eq!(tool(&["cmp", "-n", "1048576", "/dev/vda", "/dev/zero"]).lines, before);
}

#[test]
fn a_drive_that_another_program_uses_is_left_alone() {
    let lab = Lab::new();
    let image = lab.foreign();
    lab.ctl(&format!("disc new theirs bd-re {SECTORS} {image}"));
    lab.source(1, 1_000_000);
    lab.insert("one", "theirs");
    lab.udev_settles();
    fs::create_dir(lab.path("mnt")).unwrap();
    let (node, place) = (lab.one.to_str().unwrap(), lab.path("mnt"));
    tool(&["mount", "-o", "ro", node, place.to_str().unwrap()]).code(0);
    let done = lab.backup(&lab.one.clone(), &["--overwrite-disc", "--yes", "--wait", "2s"]).ends();
    tool(&["umount", place.to_str().unwrap()]).code(0);
    done.code(1).said("is in use by another program");
}
