//! A drive that another coldcut uses is left alone until it is free. What becomes of other programs'
//! work is in `states.rs`.

use crate::bench::{Lab, until};

const SECTORS: u32 = 4096;
const BUSY: &str = "is in use by another program";

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
    lab.run(["drives"]).code(0).said(BUSY);
    burning.says("disc 1 is verified");
    burning.ends().code(0);
    assert!(lab.ctl("disc state a").starts_with("finalised sessions=1"));
    lab.states(&["verified"]);
    until("the open tray", || lab.ctl("state one").starts_with("open"));
    lab.insert("one", "a");
    waiting.ends().code(0).said("every byte matches");
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
    lab.ctl("rate one read 0");
    first.ends().code(0);
    lab.same_trees("source", "back");
}
