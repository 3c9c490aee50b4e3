//! The tray while a disc is read: shut against the button, and free again however coldcut ends.

use crate::bench::{Lab, RunningProgram, tool, until};
use std::fs;

const SECTORS: u32 = 4096;
const RULES: &str = "/etc/udev/rules.d/61-coldcut.rules";

/// coldcut's rules are in force as long as this lives.
struct Rules;

impl Rules {
    fn install() -> Rules {
        fs::create_dir_all("/etc/udev/rules.d").unwrap();
        fs::copy("/host/project/udev-rules/61-coldcut.rules", RULES).unwrap();
        tool(&["udevadm", "control", "--reload"]).code(0);
        Rules
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let _ = fs::remove_file(RULES);
        tool(&["udevadm", "control", "--reload"]);
    }
}

/// A restore that takes some twenty seconds, in the middle of it.
fn in_the_middle_of_a_restore(lab: &Lab) -> RunningProgram {
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(5, 1_000_000);
    lab.insert("one", "a");
    lab.backup(&lab.one.clone(), &[]).ends().code(0);
    lab.insert("one", "a");
    lab.udev_settles();
    let mut run = lab.start(["restore", lab.one.to_str().unwrap(), "back", "--wait", "60s"]);
    run.says("from disc 1");
    lab.ctl("rate one read 250000");
    run
}

#[test]
fn the_button_does_not_open_the_tray_while_a_disc_is_read() {
    let lab = Lab::new();
    let _rules = Rules::install();
    let run = in_the_middle_of_a_restore(&lab);
    assert_eq!(lab.ctl("state one"), "closed locked a");
    lab.ctl("button one");
    // The kernel asks for news every two seconds, and udev hears of the button.
    lab.udev_settles();
    assert_eq!(lab.ctl("state one"), "closed locked a");
    lab.ctl("rate one read 0");
    run.ends().code(0);
    lab.same_trees("source", "back");
    println!("afterwards: {}", lab.ctl("state one"));
}

#[test]
fn a_reader_that_is_killed_leaves_a_tray_that_opens() {
    let lab = Lab::new();
    let run = in_the_middle_of_a_restore(&lab);
    assert_eq!(lab.ctl("state one"), "closed locked a");
    run.signal("-KILL");
    assert_eq!(run.ends().code, Some(137));
    until("the kernel's unlocking", || lab.ctl("state one") == "closed free a");
    lab.ctl("button one");
    assert!(lab.ctl("state one").starts_with("open"));
}
