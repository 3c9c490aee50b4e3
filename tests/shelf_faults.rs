//! A shelf that fails as drives do (`docs/shelf.md`): what the program says, how it ends, and that
//! nothing is called safe that is not.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use serde_json::Value;
use support::{Run, Sandbox, assert_same_tree, text};

fn tell(sandbox: &Sandbox, settings: &str) {
    fs::write(sandbox.shelf().join(".shelf.toml"), settings).unwrap();
}

fn restore(sandbox: &Sandbox, target: &str) -> Run {
    sandbox.run(["restore", &text(&sandbox.shelf()), &text(&sandbox.path(target))])
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["discs", "--json"]).results()
}

fn states(sandbox: &Sandbox) -> Vec<String> {
    discs(sandbox).iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn when_the_blanks_run_out_everything_stays_staged_and_burn_goes_on() {
    let sandbox = Sandbox::with_films(7);
    tell(&sandbox, "full_after = 1\n");
    sandbox.backup("films", &[]).code(4).says("no blank disc").says("disc 2");
    // How far the third disc was packed meanwhile depends on who was faster.
    let found = states(&sandbox);
    assert_eq!(found[..2], ["verified", "staged"]);
    assert!(found[2..].iter().all(|state| state == "staged" || state == "open"), "{found:?}");
    tell(&sandbox, "");
    sandbox.run(["burn", "2", &text(&sandbox.shelf())]).ok();
    assert_eq!(states(&sandbox)[..2], ["verified", "verified"]);
    sandbox.backup("films", &[]).ok();
    assert_eq!(states(&sandbox), ["verified"; 3]);
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

#[test]
fn a_disc_that_fails_while_it_is_burned_goes_onto_the_next_blank() {
    let sandbox = Sandbox::with_films(7);
    tell(&sandbox, "write_error_at = [2, 700]\n");
    sandbox.backup("films", &[]).ok().says("disc 2").says("next blank");
    assert_eq!(states(&sandbox), ["verified"; 3]);
    assert!(sandbox.shelf().join("films-0002.failed-1.iso").exists());
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

#[test]
fn a_disc_that_cannot_be_read_back_is_never_called_safe() {
    let sandbox = Sandbox::with_films(7);
    tell(&sandbox, "read_error = [1, 600, 3]\n");
    let run = sandbox.backup("films", &[]);
    run.says("disc 1").says("reading it back found damage");
    assert_eq!(states(&sandbox), ["verified"; 3]);
    assert!(sandbox.shelf().join("films-0001.failed-1.iso").exists());
    run.ok();
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

/// The error correction of a disc covers 32 sectors: reading goes on after those, and the whole
/// damage is told.
#[test]
fn reading_goes_on_behind_what_cannot_be_read() {
    let sandbox = Sandbox::with_films(7);
    tell(&sandbox, "read_error = [1, 600, 70]\n");
    let run = sandbox.backup("films", &[]);
    run.ok().says("in 3 places, the first at sector 600: 137216 of ");
    run.says(", and 10240 bytes next to them were not tried");
}

#[test]
fn discs_that_are_elsewhere_are_named_and_the_others_are_restored() {
    let sandbox = Sandbox::with_films(7);
    sandbox.backup("films", &[]).ok();
    tell(&sandbox, "present = [1, 3]\n");
    let run = restore(&sandbox, "back");
    run.code(4).says("disc 2");
    let there = fs::read_dir(sandbox.path("back")).unwrap().count();
    assert!((1..7).contains(&there), "{there} files\n{}", run.story());
    sandbox.run(["verify", &text(&sandbox.shelf())]).ok();
    // With the disc back, the rest is added.
    tell(&sandbox, "");
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

#[test]
fn a_wrong_disc_is_named_and_not_used() {
    let sandbox = Sandbox::with_films(7);
    sandbox.backup("films", &[]).ok();
    let other = sandbox.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("x"), "x").unwrap();
    let elsewhere = sandbox.path("elsewhere");
    sandbox.run(["backup", "--disc-size", "3M", &text(&other), &text(&elsewhere)]).ok();
    fs::copy(elsewhere.join("other-0001.iso"), sandbox.shelf().join("other-0001.iso")).unwrap();
    fs::remove_file(sandbox.shelf().join("films-0002.iso")).unwrap();
    tell(&sandbox, "wrong = {2 = \"other-0001.iso\"}\n");
    let target = text(&sandbox.path("back"));
    let run = sandbox.run(["restore", "--name", "films", &text(&sandbox.shelf()), target.as_str()]);
    run.code(4).says("disc 2").says("other");
}

#[test]
fn settings_that_are_not_understood_name_the_file_and_the_key() {
    let sandbox = Sandbox::with_films(7);
    tell(&sandbox, "full_afer = 1\n");
    sandbox.backup("films", &[]).code(1).says(".shelf.toml").says("full_afer");
}

#[test]
fn damage_found_by_verify_is_exit_5_and_names_the_file() {
    let sandbox = Sandbox::with_films(7);
    sandbox.backup("films", &[]).ok();
    let image = sandbox.shelf().join("films-0002.iso");
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, &bytes).unwrap();
    sandbox.run(["verify", &text(&sandbox.shelf())]).code(5).says("archives/").says("disc 2");
    fs::write(&image, &bytes[..middle]).unwrap();
    sandbox.run(["verify", &text(&sandbox.shelf())]).code(5).says("films-0002.iso");
    let run = restore(&sandbox, "back");
    assert!([3, 4].contains(&run.output.status.code().unwrap()), "{}", run.story());
    let intact = fs::read_dir(sandbox.path("back")).unwrap().count();
    assert!(intact >= 4, "{intact}\n{}", run.story());
}

/// A digit of its identity is wrong in DISC.txt, or in README.txt: the other text says which disc
/// it is, and nobody takes it for a foreign one.
#[test]
fn a_disc_whose_identity_has_a_wrong_digit_in_one_text_is_that_disc_all_the_same() {
    for nth in 0..2 {
        let sandbox = Sandbox::with_films(7);
        sandbox.backup("films", &[]).ok();
        let image = sandbox.images().remove(0);
        let mut bytes = fs::read(&image).unwrap();
        // README.txt ends with the lines of DISC.txt.
        let wanted = b"\ndisc_uuid=";
        let places = bytes.windows(wanted.len()).enumerate().filter(|(_, text)| text == wanted);
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        assert_eq!(places.len(), 2, "it is not where it is looked for");
        let digit = &mut bytes[places[nth] + wanted.len()];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
        fs::write(&image, bytes).unwrap();
        restore(&sandbox, "known").ok();
        assert_same_tree(&sandbox.source(), &sandbox.path("known"));
        fs::write(sandbox.source().join("new"), "new\n").unwrap();
        sandbox.backup("films", &[]).ok();
        let (shelf, target) = (text(&sandbox.shelf()), text(&sandbox.path("alone")));
        sandbox.run(["restore", "--catalog", "none", &shelf, &target]).ok();
        assert_same_tree(&sandbox.source(), &sandbox.path("alone"));
    }
}
