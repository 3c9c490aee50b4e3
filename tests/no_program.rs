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
    let line =
        "mkdir bin; for name in bash sh tar bzip2 gpg gpgconf sha256sum env cat head tail par2; do
        ln -s \"$(command -v $name)\" bin/; done";
    sandbox.bash(line).ok();
    sandbox.set("PATH", sandbox.path("bin"));
    sandbox
}

/// Images are written with it. What is on them is read without it.
#[test]
fn discs_are_read_without_the_program_that_writes_them() {
    let sandbox = without_xorriso();
    let reading: [&[&str]; 7] = [
        &["verify", "shelf"],
        &["verify", "shelf/source-0001.iso"],
        &["check", "shelf"],
        &["drill", "1", "shelf"],
        &["restore", "shelf", "target"],
        &["catalog", "rebuild", "shelf", "--replace"],
        &["rescue", "shelf/source-0001.iso", "--to", "saved.iso"],
    ];
    for words in reading {
        sandbox.run(words).ok();
    }
    assert_eq!(fs::read_to_string(sandbox.target().join("file")).unwrap(), "content");
    fs::write(sandbox.source().join("more"), "content").unwrap();
    sandbox.run(["backup", "source", "shelf"]).code(1).says("xorriso is not installed");
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

/// After `sudo coldcut` in a user's home: what cannot be used is named, with its owner.
#[test]
fn a_file_beside_the_catalog_that_belongs_to_somebody_else_is_named() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    let program = env!("CARGO_BIN_EXE_coldcut");
    sandbox.bash(&format!("cp {program} coldcut; chmod 755 coldcut; chown -R 65534:65534 .")).ok();
    let user = |words: &str| {
        let line = format!("setpriv --reuid=65534 --regid=65534 --clear-groups ./coldcut {words}");
        sandbox.bash(&line)
    };
    let backup = "backup source shelf --disc-size 3M";
    user(backup).ok();
    for (file, mode, verb) in [
        ("catalog.sqlite.lock", "600", backup),
        ("catalog.sqlite", "644", backup),
        ("catalog.sqlite", "600", "status"),
    ] {
        sandbox.bash(&format!("chown 0:0 {file}; chmod {mode} {file}")).ok();
        let path = sandbox.path(file);
        user(verb)
            .code(1)
            .says("Permission denied")
            .says(&format!("{} belongs to root", path.display()))
            .says(&format!("sudo chown -R nobody {}", path.display()));
        sandbox.bash(&format!("chown 65534:65534 {file}; chmod 600 {file}")).ok();
    }
    user(backup).ok();
    // What is not in a directory of one's own is not to be taken.
    let run = user("--catalog /catalog.sqlite backup source shelf");
    run.code(1).says("/ belongs to root");
    assert!(!run.stderr().contains("chown"), "{}", run.story());
}

/// A machine with all that coldcut calls, but for one.
fn without(program: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), "content").unwrap();
    sandbox.passphrase_file(b"horse");
    let line = format!(
        "mkdir bin; for name in bash sh tar bzip2 zstd gpg gpgconf head tail cat par2 xorriso; do
         ln -s \"$(command -v $name)\" bin/; done; rm -f 'bin/{program}'"
    );
    sandbox.bash(&line).ok();
    sandbox.set("PATH", sandbox.path("bin"));
    sandbox
}

/// Looked for before the first byte, in every run that will need it, and in no other.
#[test]
fn a_program_that_a_run_will_need_is_missed_before_anything_is_made() {
    let closed = "--passphrase-file passphrase";
    for (program, options, is_needed) in [
        ("xorriso", "", true),
        ("bzip2", "", true),
        ("tar", "", true),
        ("bash", "", true),
        ("gpg", "", false),
        ("gpg", closed, true),
        ("zstd", "", false),
        ("zstd", "--compress zstd", true),
        ("par2", "", false),
        ("par2", "--parity 10", true),
        ("par2", "--parity-discs 1/2", true),
        ("bzip2", "--no-drill", false),
        ("gpg", "--no-drill --passphrase-file passphrase", false),
    ] {
        let sandbox = without(program);
        let words = format!("backup source new --disc-size 4M {options}");
        let run = sandbox.run(words.split_whitespace());
        match is_needed {
            true => {
                run.code(1).says(&format!("{program} is not installed"));
                let made = [sandbox.path("new"), sandbox.staging()].map(|path| path.exists());
                assert_eq!(made, [false, false], "{words} without {program}");
                let sets = sandbox.run(["set", "list", "--json"]);
                assert_eq!(sets.ok().stdout(), "", "{words} without {program}");
            }
            false => drop(run.ok()),
        }
    }
}

#[test]
fn what_a_known_set_needs_is_looked_for_as_well() {
    for (program, options) in [
        ("gpg", "--passphrase-file passphrase"),
        ("zstd", "--compress zstd"),
        ("par2", "--parity-discs 1/2"),
    ] {
        let mut sandbox = without("nothing");
        let first = format!("backup source shelf --disc-size 4M {options}");
        sandbox.run(first.split_whitespace()).ok();
        fs::write(sandbox.source().join("more"), "more").unwrap();
        let before = sandbox.images();
        fs::remove_file(sandbox.path("bin").join(program)).unwrap();
        sandbox.set("COLDCUT_PASSPHRASE", "horse");
        let run = sandbox.run(["backup", "source", "shelf", "--disc-size", "4M"]);
        run.code(1).says(&format!("{program} is not installed"));
        assert_eq!(sandbox.images(), before);
    }
}

#[test]
fn what_burns_misses_xorriso_before_it_makes_a_shelf() {
    let sandbox = without_xorriso();
    fs::write(sandbox.source().join("more"), "more").unwrap();
    sandbox.run(["backup", "source", "--stage", "--no-drill", "--disc-size", "4M"]).ok();
    for words in
        ["burn new", "copy 1 new", "migrate 1 --no-drill --to new", "backup source new --no-drill"]
    {
        sandbox.run(words.split(' ')).code(1).says("xorriso is not installed");
        assert!(!sandbox.path("new").exists(), "{words}");
    }
}

/// What makes discs without a backup looks first, too.
#[test]
fn flush_and_migrate_miss_what_the_drill_needs_before_anything_is_made() {
    for (program, options) in [("bzip2", ""), ("tar", ""), ("gpg", "--passphrase-file passphrase")]
    {
        let mut sandbox = without("nothing");
        sandbox
            .run(format!("backup source shelf --disc-size 4M {options}").split_whitespace())
            .ok();
        fs::write(sandbox.source().join("more"), "more").unwrap();
        let held = format!("backup --stage source --min-fill 90 {options}");
        sandbox.run(held.split_whitespace()).ok();
        fs::remove_file(sandbox.path("bin").join(program)).unwrap();
        sandbox.set("COLDCUT_PASSPHRASE", if options.is_empty() { "" } else { "horse" });
        let states = || -> Vec<String> {
            let discs = sandbox.run(["discs", "--json"]).ok().results();
            discs.iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
        };
        for words in ["flush", "migrate 1 --to new"] {
            let refused = sandbox.run(words.split(' '));
            refused.code(1).says(&format!("{program} is not installed")).says("--no-drill");
            assert_eq!(states(), ["verified", "open"], "{words} without {program}");
            assert!(!sandbox.path("new").exists(), "{words}");
        }
        sandbox.run(["flush", "--no-drill"]).ok();
        assert_eq!(states(), ["verified", "staged"]);
        sandbox.run(["migrate", "1", "--no-drill", "--to", "shelf"]).ok();
        assert_eq!(states(), ["verified"; 3]);
    }
}

#[test]
fn flush_misses_par2_before_it_closes_a_disc() {
    let sandbox = without("nothing");
    let held = "backup --stage source --disc-size 4M --min-fill 90 --parity 10";
    sandbox.run(held.split(' ')).ok();
    fs::remove_file(sandbox.path("bin/par2")).unwrap();
    let mut sets = fs::read_dir(sandbox.staging()).unwrap().map(|entry| entry.unwrap().path());
    let disc = sets.find(|dir| !dir.ends_with("scratch")).unwrap().join("0001");
    let count = || fs::read_dir(&disc).unwrap().count();
    let before = count();
    sandbox.run(["flush"]).code(1).says("par2 is not installed");
    assert_eq!(count(), before, "the listings were written already");
    let discs = sandbox.run(["discs", "--json"]).ok().results();
    assert_eq!(discs[0]["state"], "open");
}
