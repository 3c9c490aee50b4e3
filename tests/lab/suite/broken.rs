//! Discs and drives that fail: what coldcut says, how it ends, and what the catalog knows then.

use crate::bench::{Lab, noise, until};
use std::fs;

const SECTORS: u32 = 4096;

/// A lab with blanks and a source that fills one disc half.
fn lab(blanks: &[&str]) -> Lab {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, blanks);
    lab.source(4, 1_000_000);
    lab
}

/// The first blank spoils, the second one is burned, and all is safe.
fn goes_onto_the_next_blank(lab: &Lab, words: &str, mend: impl FnOnce(&Lab)) {
    lab.insert("one", "bad");
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says(words);
    run.says("Insert a blank disc for disc 1");
    mend(lab);
    lab.insert("one", "good");
    run.says("is verified and ejected: label it 0001_SOURCE");
    run.ends().code(0);
    lab.states(&["verified"]);
    assert_eq!(lab.discs()[0]["copies"], 1);
}

#[test]
fn a_write_error_costs_a_blank_and_nothing_else() {
    let lab = lab(&["bad", "good"]);
    lab.ctl("disc fault bad write-error 900");
    let words =
        "the disc cannot be written here; try another disc, or a slower speed (sense 3/0C/00)";
    goes_onto_the_next_blank(&lab, words, |_| ());
    assert!(lab.ctl("disc state bad").starts_with("damaged"));
}

#[test]
fn a_laser_that_cannot_be_calibrated_is_said_in_words() {
    let lab = lab(&["bad", "good"]);
    lab.ctl("fault one calibration on");
    let words = "the laser could not be calibrated for this disc";
    goes_onto_the_next_blank(&lab, words, |lab| {
        lab.ctl("fault one calibration off");
    });
}

#[test]
fn a_disc_that_cannot_be_read_back_is_never_safe() {
    let lab = lab(&["bad", "good"]);
    lab.ctl("disc fault bad read-error 600 70");
    let words = "in 3 places, the first at sector 600: 137216 of ";
    goes_onto_the_next_blank(&lab, words, |_| ());
}

#[test]
fn a_flipped_bit_that_no_drive_notices_is_noticed() {
    let lab = lab(&["bad", "good"]);
    lab.ctl("disc fault bad flip 900 17");
    goes_onto_the_next_blank(&lab, "content differs (SHA-256 mismatch)", |_| ());
}

#[test]
fn a_disc_that_cannot_be_closed_is_judged_by_reading_it() {
    let lab = lab(&["bad", "good"]);
    lab.ctl("fault one close on");
    let words = "was not closed when it was burned: other drives cannot read it";
    goes_onto_the_next_blank(&lab, words, |lab| {
        lab.ctl("fault one close off");
    });
}

#[test]
fn a_drive_that_tells_old_news_is_made_to_look_again() {
    let lab = lab(&["good"]);
    lab.ctl("fault one stale on");
    lab.insert("one", "good");
    lab.backup(&lab.one.clone(), &[]).ends().code(0).said("disc 1 is verified");
}

#[test]
fn a_tray_without_a_motor_is_no_hindrance() {
    let lab = lab(&["good"]);
    lab.ctl("fault one no-motor on");
    lab.insert("one", "good");
    lab.backup(&lab.one.clone(), &[]).ends().code(0).said("disc 1 is verified");
    assert!(lab.ctl("state one").starts_with("open"));
}

#[test]
fn a_drive_that_takes_its_time_is_waited_for() {
    let lab = lab(&["good"]);
    lab.ctl("fault one slow-ready 8");
    lab.ctl("fault one event-after-burn on");
    lab.ctl("closing one 6");
    lab.insert("one", "good");
    let done = lab.backup(&lab.one.clone(), &[]).ends().code(0);
    done.said("closing the disc").said("disc 1 is verified");
}

#[test]
fn a_drive_that_hangs_holds_the_burn_up_and_no_more() {
    let lab = lab(&["good"]);
    lab.ctl("rate one write 1000000");
    lab.insert("one", "good");
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says("writing disc 1");
    until("the first sectors", || lab.ctl("disc state good").starts_with("open"));
    lab.ctl("fault one hang on");
    std::thread::sleep(std::time::Duration::from_secs(10));
    lab.ctl("fault one hang off");
    run.says("disc 1 is verified");
    run.ends().code(0);
}

#[test]
fn a_drive_that_is_unplugged_during_a_burn_is_gone_and_the_disc_staged() {
    let lab = lab(&["lost", "good"]);
    lab.ctl("rate one write 1000000");
    lab.insert("one", "lost");
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says("writing disc 1");
    until("the first sectors", || lab.ctl("disc state lost").starts_with("open"));
    lab.ctl("drive unplug one");
    let done = run.ends();
    let node = lab.ctl("drive add one");
    done.code(1).said("is gone; check its cable and power");
    lab.opens("one");
    lab.insert("one", "good");
    lab.run(["burn", &node, "--wait", "30s"]).code(0).said("disc 1 is verified");
    lab.states(&["verified"]);
}

#[test]
fn verifying_a_disc_later_lists_what_is_lost_and_what_is_slow() {
    let lab = lab(&["good"]);
    lab.insert("one", "good");
    lab.backup(&lab.one.clone(), &[]).ends().code(0);
    let node = lab.one.to_str().unwrap();
    lab.insert("one", "good");
    lab.run(["verify", node, "--wait", "30s"]).code(0);
    lab.ctl("disc fault good slow 900 1 4000");
    lab.insert("one", "good");
    lab.run(["verify", node, "--wait", "30s"]).code(0).said("slow to read");
    lab.ctl("disc fault good none");
    lab.ctl("disc fault good read-error 1000 2");
    lab.insert("one", "good");
    let done = lab.run(["verify", node, "--wait", "30s"]).code(5);
    done.said("cannot be read at sector 1000: 4096 of");
    // What is not on the damaged cluster comes back.
    lab.insert("one", "good");
    lab.run(["restore", node, "back", "--wait", "30s"]).code(3);
    let back = lab.tree("back");
    assert!(!back.is_empty() && back.len() < 4, "{back:?}");
    let source = lab.tree("source");
    assert!(back.iter().all(|(name, digest)| source[name] == *digest));
}

#[test]
fn three_bad_discs_in_a_row_end_the_run() {
    let lab = lab(&["bad", "worse", "worst"]);
    fs::write(lab.path("source/one more"), noise(5, 1000)).unwrap();
    for disc in ["bad", "worse", "worst"] {
        lab.ctl(&format!("disc fault {disc} read-error 300 1"));
    }
    lab.insert("one", "bad");
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says("Insert a blank disc for disc 1");
    lab.insert("one", "worse");
    run.says("Insert a blank disc for disc 1");
    lab.insert("one", "worst");
    run.ends().code(5).said("was damaged when it was read back, 3 times; it is still staged");
    lab.states(&["failed"]);
}
