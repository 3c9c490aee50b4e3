//! A program that is not installed, and a directory that is somebody else's: told as what they are.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::Sandbox;

/// The plain tools and no xorriso.
fn without_xorriso() -> Sandbox {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]).ok();
    let line = "mkdir bin; for name in bash sh tar bzip2 gpg gpgconf sha256sum env cat par2; do
        ln -s \"$(command -v $name)\" bin/; done";
    sandbox.bash(line).ok();
    sandbox.set("PATH", sandbox.path("bin"));
    sandbox
}

#[test]
fn a_disc_that_cannot_be_read_for_want_of_a_program_is_not_damaged() {
    let sandbox = without_xorriso();
    let reading: [&[&str]; 6] = [
        &["verify", "shelf"],
        &["verify", "shelf/source-0001.iso"],
        &["check", "shelf"],
        &["drill", "1", "shelf"],
        &["restore", "shelf", "target"],
        &["catalog", "rebuild", "shelf", "--replace"],
    ];
    for words in reading {
        sandbox.run(words).code(1).says("xorriso is not installed; get it with");
    }
    // Nothing was held against the disc.
    sandbox.run(["status"]).ok();
}

/// What root made with sudo in a user's home.
#[test]
fn a_directory_that_belongs_to_somebody_else_is_named() {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    let local = sandbox.path("home/.local");
    fs::create_dir(&local).unwrap();
    fs::set_permissions(&local, fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.set("COLDCUT_CATALOG", "");
    sandbox.set("COLDCUT_STAGING", "");
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!(
        "cp {program} coldcut; chmod 755 . coldcut; chown -R 65534:65534 source shelf
         chown 65534:65534 home; unset COLDCUT_CATALOG COLDCUT_STAGING
         setpriv --reuid=65534 --regid=65534 --clear-groups ./coldcut backup source shelf"
    );
    sandbox.bash(&line).code(1).says("Permission denied").says("belongs to root");
}
