//! The harness itself: a comparison that overlooks something would pass every restore.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use support::trees::set_mtime;
use support::{Sandbox, assert_same_tree, differences, hostile_tree, mutate_tree, random_tree};

/// Two copies of a tree, one of them changed: what the comparison says of it.
fn after(change: impl Fn(&Path)) -> Vec<String> {
    let sandbox = Sandbox::new();
    let (a, b) = (sandbox.source(), sandbox.target());
    fs::write(a.join("file"), "content").unwrap();
    fs::hard_link(a.join("file"), a.join("file2")).unwrap();
    symlink("file", a.join("link")).unwrap();
    fs::create_dir(a.join("dir")).unwrap();
    let holes = fs::File::create(a.join("holes")).unwrap();
    holes.set_len(1 << 20).unwrap();
    sandbox.bash("cp -a source target").ok();
    assert_same_tree(&a, &b);
    change(&b);
    differences(&a, &b)
}

#[test]
fn every_kind_of_difference_is_seen() {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 10] = [
        ("content", |dir| {
            let meta = fs::metadata(dir.join("file")).unwrap();
            fs::write(dir.join("file"), "CONTENT").unwrap();
            use std::os::unix::fs::MetadataExt;
            set_mtime(&dir.join("file"), meta.mtime(), meta.mtime_nsec());
        }),
        ("missing", |dir| fs::remove_dir(dir.join("dir")).unwrap()),
        ("should not be there", |dir| fs::write(dir.join("more"), "").unwrap()),
        ("mode", |dir| {
            fs::set_permissions(dir.join("dir"), Permissions::from_mode(0o711)).unwrap();
        }),
        ("mtime", |dir| set_mtime(&dir.join("dir"), 1, 1)),
        ("target", |dir| {
            fs::remove_file(dir.join("link")).unwrap();
            symlink("other", dir.join("link")).unwrap();
        }),
        ("first name", |dir| {
            fs::remove_file(dir.join("file2")).unwrap();
            fs::copy(dir.join("file"), dir.join("file2")).unwrap();
        }),
        ("kind", |dir| {
            fs::remove_file(dir.join("link")).unwrap();
            fs::write(dir.join("link"), "").unwrap();
        }),
        ("xattrs", |dir| xattr::set(dir.join("file"), "user.x", b"y").unwrap()),
        ("holes", |dir| fs::write(dir.join("holes"), vec![0; 1 << 20]).unwrap()),
    ];
    for (what, change) in changes {
        let seen = after(change);
        assert!(seen.iter().any(|line| line.contains(what)), "{what}: {seen:?}");
    }
}

#[test]
fn a_tree_with_everything_is_made_and_equals_its_copy() {
    let sandbox = Sandbox::new();
    hostile_tree(&sandbox.source());
    sandbox.bash("cp -a --sparse=always source target").ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn a_seed_makes_the_same_tree_and_the_same_changes_again() {
    let sandbox = Sandbox::new();
    for name in ["one", "two"] {
        random_tree(&sandbox.path(name), 42, 200);
    }
    // Times of symlinks are those of their making.
    let same = |line: &String| line.contains("mtime");
    let seen = differences(&sandbox.path("one"), &sandbox.path("two"));
    assert!(seen.iter().all(same), "{seen:?}");
    for name in ["one", "two"] {
        mutate_tree(&sandbox.path(name), 1, 50);
    }
    let seen = differences(&sandbox.path("one"), &sandbox.path("two"));
    assert!(seen.iter().all(same), "{seen:?}");
    random_tree(&sandbox.path("three"), 42, 200);
    assert!(!differences(&sandbox.path("one"), &sandbox.path("three")).iter().all(same));
}

#[test]
fn a_failed_run_is_told_with_its_streams() {
    let sandbox = Sandbox::new();
    let run = sandbox.bash("echo out; echo err >&2; exit 3");
    run.code(3).says("err");
    let story = run.story();
    for part in ["bash", "out", "err", "exit status: 3", "coldcut-test."] {
        assert!(story.contains(part), "{part}: {story}");
    }
}

#[test]
fn runs_see_nothing_of_our_environment_but_the_path() {
    let sandbox = Sandbox::new();
    let output = sandbox.bash("env").stdout();
    assert!(!output.contains("CARGO"), "{output}");
    assert!(output.contains("COLDCUT_CATALOG="), "{output}");
}
