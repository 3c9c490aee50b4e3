//! The program at a terminal: what it asks, what becomes of Ctrl-C at each question, and what
//! happens when the terminal goes away.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::Signal;
use std::fs;
use support::Sandbox;

const CTRL_C: &str = "\u{3}";

/// A burn that takes a second, so that bars are drawn and a terminal can go away meanwhile.
fn slow_shelf() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), vec![7; 100_000]).unwrap();
    fs::write(sandbox.shelf().join(".shelf.toml"), "write_rate = 50_000\n").unwrap();
    sandbox
}

#[test]
fn a_run_goes_on_to_its_end_when_its_terminal_goes_away() {
    let sandbox = slow_shelf();
    let line = format!(
        "trap '' HUP; exec {} backup source shelf --disc-size 4M",
        env!("CARGO_BIN_EXE_coldcut")
    );
    let mut run = sandbox.bash_at_terminal(&line);
    run.waits_for("writing disc 1");
    run.goes_away();
    assert_eq!(run.ends().0, 0);
    sandbox.run(["status"]).ok();
    sandbox.run(["verify", "shelf"]).ok();
}

#[test]
fn a_terminal_that_goes_away_ends_a_run_in_order() {
    let sandbox = slow_shelf();
    let mut run = sandbox.at_terminal(["backup", "source", "shelf", "--disc-size", "4M"]);
    run.waits_for("writing disc 1");
    run.goes_away();
    assert_eq!(run.ends().0, 129);
    // The burn was finished.
    assert_eq!(sandbox.images().len(), 1);
    sandbox.run(["burn", "shelf"]).ok().says("it is read back");
}

/// Nobody reads what it says: it does its work all the same, with the code of that.
#[test]
fn closed_and_full_outputs_change_nothing() {
    for outputs in [">&- 2>&-", ">/dev/full 2>/dev/full", "2>/dev/full", "<&- 2>&-"] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.source().join("file"), "content").unwrap();
        let program = env!("CARGO_BIN_EXE_coldcut");
        let backup = format!("{program} backup source shelf --disc-size 4M {outputs}");
        sandbox.bash(&backup).code(0);
        sandbox.run(["status"]).ok();
        sandbox.bash(&format!("{program} restore shelf target {outputs}")).code(0);
    }
    let sandbox = Sandbox::new();
    let program = env!("CARGO_BIN_EXE_coldcut");
    // What was asked for cannot be given: that is a failure.
    sandbox.bash("mkdir -p source && touch source/f").ok();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    sandbox.bash(&format!("{program} ls >/dev/full")).code(1).says("standard output");
}

fn encrypted() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    let file = sandbox.passphrase_file(b"open sesame");
    let file = file.to_str().unwrap();
    let size = ["--disc-size", "4M"];
    let keys = ["--encrypt", "--passphrase-file", file, "--hint", "Ali's cave"];
    sandbox.run([&["backup", "source", "shelf"][..], &size, &keys].concat()).ok();
    sandbox
}

#[test]
fn ctrl_c_at_any_prompt_is_130_and_sigterm_143() {
    let sandbox = encrypted();
    let new = ["backup", "source", "--name", "other", "shelf", "--encrypt"];
    let asks: [(&[&str], &str); 3] = [
        (&["restore", "shelf", "target"], "Passphrase of set"),
        (&new, "Passphrase of the new set"),
        (&["retire", "1"], "[y/N]"),
    ];
    asks.into_iter().for_each(|(words, prompt)| interrupt(&sandbox, words, prompt));
    // One of two discs is not on the shelf.
    let sandbox = Sandbox::new();
    sandbox.bash("head -c 6000000 /dev/urandom > source/noise").ok();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    fs::remove_file(&sandbox.images()[0]).unwrap();
    interrupt(&sandbox, &["restore", "shelf", "target"], "press Enter");
}

fn interrupt(sandbox: &Sandbox, words: &[&str], prompt: &str) {
    let mut run = sandbox.at_terminal(words);
    run.waits_for(prompt).types(CTRL_C);
    let (code, said) = run.ends();
    assert_eq!(code, 130, "{words:?}: {said}");
    assert!(said.contains("interrupted"), "{words:?}: {said}");
    assert!(!said.contains("nobody"), "{words:?}: {said}");
    let mut run = sandbox.at_terminal(words);
    run.waits_for(prompt).signals(Signal::SIGTERM);
    assert_eq!(run.ends().0, 143, "{words:?}");
}

/// The terminal is left as it was: what is typed next is seen.
#[test]
fn an_interrupted_passphrase_leaves_the_terminals_echo_on() {
    let sandbox = encrypted();
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!(
        "trap : INT; {program} restore shelf target; stty -a | grep -o -- '-*echo '; exec true"
    );
    let mut run = sandbox.bash_at_terminal(&line);
    run.waits_for("Passphrase of set").types(CTRL_C);
    let (_, words) = run.ends();
    assert!(words.contains("echo") && !words.contains("-echo"), "{words}");
}

#[test]
fn a_question_that_nobody_answers_within_the_wait_counts_as_no() {
    let sandbox = encrypted();
    let mut run = sandbox.at_terminal(["retire", "1", "--wait", "1s"]);
    run.waits_for("[y/N]").waits_for("nobody answered");
    let (code, words) = run.ends();
    assert_eq!(code, 1, "{words}");
    let mut run = sandbox.at_terminal(["restore", "shelf", "target", "--wait", "1s"]);
    run.waits_for("Passphrase of set").waits_for("nobody answered");
    assert_eq!(run.ends().0, 1);
}
