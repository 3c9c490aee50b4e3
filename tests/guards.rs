//! What coldcut refuses, asks or leaves out before the first byte is packed.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use support::Sandbox;

/// The paths of the newest snapshot, below its root.
fn stored(sandbox: &Sandbox) -> Vec<String> {
    let run = sandbox.run(["find", "--json", "**"]);
    run.ok();
    let mut paths: Vec<String> = run
        .results()
        .iter()
        .map(|row| row["path"].as_str().unwrap().to_owned())
        .filter(|path| path != ".")
        .collect();
    paths.sort();
    paths
}

#[test]
fn of_a_catalog_in_the_source_its_own_files_are_left_out_and_nothing_that_begins_like_it() {
    for below in ["", "sub/"] {
        let mut sandbox = Sandbox::new();
        let dir = sandbox.source().join(below);
        fs::create_dir_all(dir.join("cars")).unwrap();
        fs::create_dir_all(dir.join("c.last.d")).unwrap();
        for name in
            ["cars/x", "cat.jpg", "c.toml", "c-walrus", "c.aside", "c.aside-x", "c.last.d/y"]
        {
            fs::write(dir.join(name), name).unwrap();
        }
        for name in ["c.aside-1", "c.aside-12-wal"] {
            fs::write(dir.join(name), "moved aside by a rebuild").unwrap();
        }
        sandbox.set("COLDCUT_CATALOG", dir.join("c"));
        sandbox.run(["backup", "source", "shelf", "--disc-size", "3M"]).ok();
        sandbox.run(["backup", "source", "shelf", "--disc-size", "3M", "--flush"]).ok();
        let inside: Vec<String> = stored(&sandbox)
            .into_iter()
            .filter_map(|path| path.strip_prefix(below).map(str::to_owned))
            .collect();
        let wanted = [
            "c-walrus",
            "c.aside",
            "c.aside-x",
            "c.last.d",
            "c.last.d/y",
            "c.toml",
            "cars",
            "cars/x",
            "cat.jpg",
        ];
        assert_eq!(inside, wanted, "below {below:?}");
    }
}

#[test]
fn coldcuts_own_places_are_left_out_whatever_bytes_their_names_have() {
    let mut sandbox = Sandbox::new();
    let odd = |text: &[u8]| sandbox.source().join(OsStr::from_bytes(text));
    let (catalog, staging, shelf) = (odd(b"c\xff[a]"), odd(b"st\xfe*"), odd(b"sh\xfd?"));
    for near in [&b"c\xff[a]x"[..], b"st\xfe-", b"sh\xfdx", b"c\xffa"] {
        fs::write(odd(near), "mine").unwrap();
    }
    sandbox.set("COLDCUT_CATALOG", &catalog);
    sandbox.set("COLDCUT_STAGING", &staging);
    let run = |sandbox: &Sandbox| {
        let words = [OsStr::new("backup"), OsStr::new("source"), shelf.as_os_str()];
        sandbox.run(words.into_iter().chain(["--disc-size", "3M"].map(OsStr::new)))
    };
    run(&sandbox).ok();
    run(&sandbox).ok();
    let kept = stored(&sandbox);
    assert_eq!(kept.len(), 4, "{kept:?}");
}
