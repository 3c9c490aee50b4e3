//! What root restores from discs that nobody vouches for gives nobody rights unless root says so.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use support::{Run, Sandbox};

/// A set-id program, one with a capability, a device, a plain file, and a source that is open to
/// all, on one disc.
fn stored() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .bash(
            "cd source
             for name in su cap plain; do echo $name >$name; done
             chmod 4755 su
             setcap cap_setfcap=ep cap || setfattr -n trusted.evil -v 1 cap
             mknod -m 666 sda b 8 0
             chmod 777 .; chown nobody .",
        )
        .ok();
    sandbox.run(["backup", "--disc-size", "3M", "source", "shelf"]).ok();
    sandbox
}

fn restore(sandbox: &Sandbox, words: &[&str]) -> Run {
    sandbox.run(["restore", "--json"].iter().chain(words).chain(&["shelf", "target"]))
}

const STRANGER: [&str; 2] = ["--catalog", "none"];
const ALL: &str =
    "1 set-id program, 1 path with capabilities or other attributes of root, 1 device";

fn has_rights(target: &Path) -> [bool; 3] {
    let is_set_id = fs::metadata(target.join("su")).unwrap().mode() & 0o6000 != 0;
    let names: Vec<_> = xattr::list(target.join("cap")).unwrap().collect();
    let is_roots = |name: &str| name.starts_with("security.cap") || name.starts_with("trusted.");
    let has_attributes = names.iter().any(|name| is_roots(name.to_str().unwrap()));
    [is_set_id, has_attributes, target.join("sda").exists()]
}

#[test]
fn without_a_terminal_rights_are_left_out_counted_and_not_complete() {
    let sandbox = stored();
    let run = restore(&sandbox, &STRANGER);
    run.code(3).says(&format!("left out: {ALL}")).says("--trust-metadata");
    let summary = run.objects().pop().unwrap();
    let expected = serde_json::json!({"set_id": 1, "attributes": 1, "devices": 1});
    assert_eq!(summary["withheld"], expected);
    assert_eq!(has_rights(&sandbox.target()), [false; 3]);
    assert_eq!(fs::read(sandbox.target().join("su")).unwrap(), b"su\n");
    assert!(sandbox.target().join("plain").exists());
}

#[test]
fn whoever_is_vouched_for_or_trusted_is_restored_as_listed() {
    let sandbox = stored();
    restore(&sandbox, &[]).ok();
    assert_eq!(has_rights(&sandbox.target()), [true; 3]);
    fs::remove_dir_all(sandbox.target()).unwrap();
    restore(&sandbox, &["--trust-metadata", "--catalog", "none"]).ok();
    assert_eq!(has_rights(&sandbox.target()), [true; 3]);
}

/// That was decided, and is no doubt.
#[test]
fn whoever_wants_none_gets_none_even_of_known_discs() {
    for options in
        [&["--no-owner"][..], &["--no-trust-metadata"], &["--no-owner", "--catalog", "none"]]
    {
        let sandbox = stored();
        restore(&sandbox, options).ok().says(&format!("left out: {ALL}"));
        assert_eq!(has_rights(&sandbox.target()), [false; 3], "{options:?}");
    }
    restore(&stored(), &["--no-owner", "--trust-metadata"]).code(2);
}

#[test]
fn a_target_that_was_there_is_not_opened_to_others() {
    for (options, mode, owner) in [
        (&STRANGER[..], 0o750, 7),
        (&["--trust-metadata", "--catalog", "none"], 0o777, 65534),
        (&[], 0o777, 65534),
    ] {
        let sandbox = stored();
        fs::create_dir(sandbox.target()).unwrap();
        fs::set_permissions(sandbox.target(), fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::chown(sandbox.target(), Some(7), Some(7)).unwrap();
        restore(&sandbox, options);
        let found = fs::metadata(sandbox.target()).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (mode, owner), "{options:?}");
        assert!(sandbox.target().join("plain").exists());
    }
}

#[test]
fn a_person_is_asked_once_and_yes_of_the_command_line_is_no_answer() {
    for (answer, rights, code) in [("y", true, 0), ("n", false, 0)] {
        let sandbox = stored();
        let words = ["restore", "--yes", "--catalog", "none", "shelf", "target"];
        let mut terminal = sandbox.at_terminal(words);
        terminal.waits_for("restore these too?").types(&format!("{answer}\n"));
        let (ended, said) = terminal.ends();
        assert_eq!(ended, code, "{said}");
        assert!(!said.contains("restore these too"), "{said}");
        assert_eq!(has_rights(&sandbox.target()), [rights; 3]);
    }
}
