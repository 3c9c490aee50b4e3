//! The reader in Python and `bunzip2.c` that are on each disc: tests/python_reader.py, a class of
//! its tests at a time.

use std::process::Command;

fn passes(class: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_reader.py");
    let done = Command::new("python3")
        .args([script, class])
        .env("COLDCUT", env!("CARGO_BIN_EXE_coldcut"))
        .output()
        .expect("python3 is installed");
    assert!(done.status.success(), "{class}:\n{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_reader_names_what_is_wrong_with_golden_discs() {
    passes("Golden");
}

#[test]
fn the_reader_restores_random_histories() {
    passes("Histories");
}

#[test]
fn the_reader_follows_the_rules_of_format_2() {
    passes("Format2");
}

#[test]
fn bunzip2_in_c_expands_what_bzip2_packs() {
    passes("Bunzip2");
}
