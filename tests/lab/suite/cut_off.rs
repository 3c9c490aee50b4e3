//! Burns that are cut off: by Ctrl-C, by kill -9, by nobody coming.

use crate::bench::{Lab, RunningProgram, until};

const SECTORS: u32 = 4096;

/// A burn that takes some ten seconds, in the middle of it.
fn in_the_middle(lab: &Lab) -> RunningProgram {
    lab.blanks("bd-r", SECTORS, &["a", "b"]);
    lab.source(5, 1_000_000);
    lab.ctl("rate one write 500000");
    lab.insert("one", "a");
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says("writing disc 1");
    until("the first sectors", || lab.ctl("disc state a").starts_with("open"));
    run
}

/// What a person does next.
fn go_on(lab: &Lab) -> RunningProgram {
    lab.start(["burn", lab.one.to_str().unwrap(), "--wait", "120s"])
}

#[test]
fn a_kill_9_leaves_the_burn_going_and_the_next_run_waits_and_reads_back() {
    let lab = Lab::new();
    let run = in_the_middle(&lab);
    run.signal("-KILL");
    drop(run);
    let mut run = go_on(&lab);
    run.says("a burn started by an earlier run is still in progress in");
    run.says("disc 1 is already in").says("disc 1 is verified");
    run.ends().code(0);
    lab.states(&["verified"]);
    assert!(lab.ctl("disc state a").starts_with("finalised sessions=1"));
    assert!(lab.ctl("disc state b").starts_with("blank"));
}

#[test]
fn the_first_ctrl_c_lets_the_burn_end() {
    let lab = Lab::new();
    let mut run = in_the_middle(&lab);
    run.signal("-INT");
    run.says("the burn continues, so that the disc is not lost");
    run.ends().code(130);
    assert!(lab.ctl("disc state a").starts_with("finalised"));
    lab.backup(&lab.one.clone(), &[])
        .ends()
        .code(0)
        .said("reading it back")
        .said("disc 1 is verified");
}

#[test]
fn the_second_ctrl_c_aborts_it_and_says_what_is_lost() {
    let lab = Lab::new();
    let mut run = in_the_middle(&lab);
    run.signal("-INT");
    run.says("the burn continues");
    run.signal("-INT");
    run.says("the burn was aborted; the disc in the drive is ruined");
    run.ends().code(130);
    assert!(!lab.ctl("disc state a").starts_with("blank"));
    let mut run = go_on(&lab);
    run.says("ejecting it").says("Insert a blank disc for disc 1");
    lab.insert("one", "b");
    run.says("disc 1 is verified");
    run.ends().code(0);
}

#[test]
fn ctrl_c_at_a_prompt_leaves_everything_staged() {
    let lab = Lab::new();
    lab.source(5, 1_000_000);
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says("Insert a blank disc");
    run.signal("-INT");
    run.ends().code(130);
    lab.states(&["staged"]);
}

#[test]
fn nobody_comes_and_the_exit_code_says_so() {
    let lab = Lab::new();
    lab.source(1, 1_000_000);
    let done = lab.backup(&lab.one.clone(), &["--wait", "2s"]).ends();
    done.code(4).said("timed out waiting for a blank disc for disc 1 of source");
    lab.states(&["staged"]);
}

/// A burn that a killed run left going, to its end; then hands take the disc out.
fn unread(lab: &Lab, run: RunningProgram, disc: &str) {
    run.signal("-KILL");
    drop(run);
    until("the end of the burn", || {
        lab.ctl(&format!("disc state {disc}")).starts_with("finalised")
    });
    // The burning program gives the drive up after that.
    lab.udev_settles();
    lab.opens("one");
    lab.ctl("take one");
}

#[test]
fn an_unread_disc_that_was_taken_out_is_asked_for_and_no_blank_is_spent() {
    let lab = Lab::new();
    let run = in_the_middle(&lab);
    unread(&lab, run, "a");
    let mut run = go_on(&lab);
    run.says("Insert disc 1 of source, burned on 2");
    lab.insert("one", "a");
    run.says("disc 1 is already in").says("disc 1 is verified");
    run.ends().code(0);
    lab.states(&["verified"]);
    assert!(lab.ctl("disc state b").starts_with("blank"));
}

#[test]
fn an_unread_copy_is_never_the_disc_that_it_was_made_of() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a", "b"]);
    lab.source(5, 1_000_000);
    lab.insert("one", "a");
    lab.backup(&lab.one.clone(), &[]).ends().code(0);
    lab.ctl("rate one write 500000");
    let one = lab.one.to_str().unwrap();
    let copy = || lab.start(["copy", "1", one, "--from", one, "--wait", "120s"]);
    let mut run = copy();
    run.says("to be copied");
    lab.insert("one", "a");
    run.says("Insert a blank disc for disc 1 of source");
    lab.insert("one", "b");
    until("the first sectors", || lab.ctl("disc state b").starts_with("open"));
    unread(&lab, run, "b");
    // The disc that was copied is there when the next run begins.
    lab.insert("one", "a");
    let mut run = copy();
    run.says("Insert disc 1 of source, copy 2, burned on 2");
    lab.insert("one", "b");
    run.says("disc 1, copy 2 is verified");
    run.ends().code(0).said("2 good copies");
}

/// A slim burner: no motor closes its tray, and who is not root cannot let the kernel look again.
#[test]
fn an_unread_disc_in_a_tray_without_a_motor_is_asked_for_without_root() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(5, 1_000_000);
    lab.ctl("fault one no-motor on");
    lab.ctl("rate one write 500000");
    lab.insert("one", "a");
    let one = lab.one.to_str().unwrap();
    let size = ["--disc-size", "8M", "--archive-size", "1M", "--compress", "none"];
    let mut run = lab.as_nobody(&[&["backup", "source", one, "--flush"], &size[..]].concat());
    run.says("writing disc 1");
    until("the first sectors", || lab.ctl("disc state a").starts_with("open"));
    run.signal("-KILL");
    drop(run);
    let mut run = lab.as_nobody(&["burn", one, "--wait", "120s"]);
    run.says("a burn started by an earlier run is still in progress in");
    run.says("Insert disc 1 of source, burned on 2");
    assert!(run.said().last().unwrap().contains(", not verified yet, or a blank disc"));
    // The tray stands open with the disc on it; whoever takes it out and puts it in closes the
    // tray.
    until("the open tray", || lab.ctl("state one") == "open free a");
    lab.ctl("take one");
    lab.insert("one", "a");
    run.says("disc 1 is already in").says("disc 1 is verified");
    run.ends().code(0);
    assert!(lab.ctl("disc state a").starts_with("finalised sessions=1"));
}
