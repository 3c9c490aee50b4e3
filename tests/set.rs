//! `coldcut set`: a set that was made by a slip can be taken out of the catalog again.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Run, Sandbox};

fn backup(sandbox: &Sandbox, words: &str) -> Run {
    let small = ["--disc-size", "3M"];
    sandbox.run(["backup"].into_iter().chain(words.split_whitespace()).chain(small))
}

/// With `photos` on the shelf, and `papers`, of which one disc is staged.
fn two_sets() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["photos", "papers"] {
        fs::create_dir(sandbox.path(name)).unwrap();
        fs::write(sandbox.path(name).join("letter"), name).unwrap();
    }
    backup(&sandbox, "photos shelf").ok();
    backup(&sandbox, "papers --stage").ok();
    sandbox
}

fn sets(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["set", "list", "--json"]).ok().results()
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    sets(sandbox).iter().map(|set| set["set"].as_str().unwrap().to_owned()).collect()
}

/// Every file below a directory with its content.
fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(content(&path)),
            false => files.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}

fn staged(sandbox: &Sandbox, set: &str) -> Vec<PathBuf> {
    let start = format!("{set}-");
    let entries = fs::read_dir(sandbox.staging()).unwrap().map(|entry| entry.unwrap());
    let of_set = |name: &str| name.starts_with(&start);
    entries.filter(|e| of_set(&e.file_name().to_string_lossy())).map(|e| e.path()).collect()
}

#[test]
fn sets_are_listed_with_what_there_is_of_them() {
    let sandbox = two_sets();
    let sets = sets(&sandbox);
    let row = |n: usize| ["snapshots", "discs", "staged"].map(|key| sets[n][key].as_u64().unwrap());
    assert_eq!(names(&sandbox), ["papers", "photos"]);
    assert_eq!((row(0), row(1)), ([1, 0, 1], [1, 1, 0]));
    assert_eq!(sets[1]["id"], "photos");
    assert_eq!(sets[1]["encryption"], "none");
    assert_eq!(sets[1]["source"], sandbox.path("photos").display().to_string());
    assert!(sets[1]["date"].is_string() && sets[1]["uuid"].is_string());
    let table = sandbox.run(["set", "list"]);
    assert!(table.ok().stdout().contains("SNAPSHOTS"), "{}", table.story());
    let one = sandbox.run(["set", "list", "--json", "--name", "photos"]);
    assert_eq!(one.ok().results().len(), 1);
    assert_eq!(Sandbox::new().run(["set", "list", "--json"]).ok().results().len(), 0);
}

#[test]
fn a_set_without_discs_is_forgotten_and_what_is_staged_stays_unless_somebody_agrees() {
    let sandbox = two_sets();
    let before = content(&sandbox.staging());
    let run = sandbox.run(["set", "forget", "papers", "--json"]);
    run.ok().says("set papers is forgotten").says("is still in");
    // The last object, after what was asked.
    let summary = &run.objects().pop().unwrap();
    assert_eq!(summary["command"], "set forget");
    assert_eq!(summary["staged"], serde_json::json!([1]));
    assert_eq!(summary["staged_removed"], false);
    assert_eq!(names(&sandbox), ["photos"]);
    assert_eq!(content(&sandbox.staging()), before, "nobody agreed");
    // Everything is about the one set again.
    sandbox.run(["snapshots"]).ok();
    sandbox.run(["restore", "shelf", "back"]).ok();
    // The same once more, as after a slip: it starts again, beside what is left.
    backup(&sandbox, "papers --stage").ok().says("new set papers");
    let both = staged(&sandbox, "papers");
    assert_eq!(both.len(), 2, "{both:?}");
    let run = sandbox.run(["set", "forget", "papers", "--yes", "--json"]);
    assert_eq!(run.ok().objects().pop().unwrap()["staged_removed"], true);
    assert_eq!(content(&sandbox.staging()), before);
}

#[test]
fn a_set_on_discs_needs_a_word_and_a_yes_and_its_discs_stay() {
    let sandbox = two_sets();
    let images = content(&sandbox.shelf());
    let refused = |words: &[&str]| {
        let run = sandbox.run(["set", "forget", "photos"].iter().chain(words));
        run.code(1);
        assert_eq!(names(&sandbox), ["papers", "photos"], "{words:?}");
        run.stderr()
    };
    assert!(refused(&[]).contains("--even-with-discs"));
    assert!(refused(&["--yes"]).contains("--even-with-discs"));
    assert!(refused(&["--even-with-discs"]).contains("not"));
    let program = env!("CARGO_BIN_EXE_coldcut");
    let at_a_terminal = |typed: &str| {
        let line = format!("{program} set forget photos --even-with-discs");
        sandbox.bash(&format!("printf '{typed}' | script -qec '{line}' /dev/null"))
    };
    assert_eq!(at_a_terminal("n\\n").output.status.code(), Some(1));
    assert_eq!(names(&sandbox), ["papers", "photos"]);
    let yes = at_a_terminal("y\\n");
    assert!(yes.ok().stdout().contains("Forget set photos"), "{}", yes.story());
    assert_eq!(names(&sandbox), ["papers"]);
    assert_eq!(content(&sandbox.shelf()), images);
    // Its discs are strangers now, until they are read in again.
    backup(&sandbox, "photos shelf").code(1).says("that the catalog does not know");
    sandbox.run(["catalog", "rebuild", "shelf"]).ok();
    assert_eq!(names(&sandbox), ["papers", "photos"]);
    sandbox.run(["set", "forget", "photos", "--even-with-discs", "--yes"]).ok();
    assert_eq!(content(&sandbox.shelf()), images);
}

#[test]
fn what_is_no_set_is_not_forgotten() {
    let sandbox = two_sets();
    sandbox.run(["set", "forget", "photo"]).code(1).says("there is no set photo");
    for words in ["set", "set forget", "set forget a/b", "set list photos", "set rename photos"] {
        sandbox.run(words.split(' ')).code(2);
    }
    assert_eq!(names(&sandbox), ["papers", "photos"]);
}

#[test]
fn a_first_run_that_failed_leaves_nothing_that_cannot_be_taken_back() {
    let sandbox = two_sets();
    fs::write(sandbox.shelf().join(".shelf.toml"), "full_after = 1\n").unwrap();
    fs::create_dir(sandbox.path("mail")).unwrap();
    fs::write(sandbox.path("mail/x"), "x").unwrap();
    backup(&sandbox, "mail shelf --wait 0s").code(4);
    assert_eq!(names(&sandbox), ["mail", "papers", "photos"]);
    sandbox.run(["set", "forget", "mail", "--yes"]).ok();
    assert_eq!(names(&sandbox), ["papers", "photos"]);
    assert!(staged(&sandbox, "mail").is_empty());
}

/// Its discs keep their old name; a rebuilt catalog has the newest one.
#[test]
fn a_renamed_set_goes_on_under_its_new_name() {
    let sandbox = two_sets();
    sandbox.run(["set", "rename", "photos", "pictures"]).ok().says("is now called pictures");
    assert_eq!(names(&sandbox), ["papers", "pictures"]);
    let is_safe = |sandbox: &Sandbox| {
        sandbox.run(["drill", "shelf", "--name", "pictures"]).ok();
        let story = sandbox.run(["status", "--name", "pictures"]).ok().story();
        assert!(!story.contains("no longer in"), "{story}");
    };
    is_safe(&sandbox);
    fs::write(sandbox.path("photos/second"), "second").unwrap();
    backup(&sandbox, "photos shelf --name pictures").ok();
    let discs = sandbox.run(["discs", "--json", "--name", "pictures"]).ok().results();
    assert_eq!(discs.len(), 2);
    sandbox.run(["verify", "shelf"]).ok();
    sandbox.run(["check", "shelf", "--name", "pictures"]).ok();
    // A disc of the old name is read back as the disc that it is.
    sandbox.run(["copy", "1-2", "other", "--name", "pictures"]).ok().says("2 good copies");
    let discs = sandbox.run(["discs", "--json", "--name", "pictures"]).ok().results();
    assert!(
        discs.iter().all(|disc| disc["copies"] == 2 && disc["state"] == "verified"),
        "{discs:?}"
    );
    let target = sandbox.target();
    let restore = |words: &[&str]| {
        let both = ["restore", "shelf", "target"];
        sandbox.run(both.iter().chain(words)).ok();
        support::assert_same_tree(&sandbox.path("photos"), &target);
        fs::remove_dir_all(&target).unwrap();
    };
    restore(&["--name", "pictures"]);
    restore(&["--catalog", "none"]);
    fs::remove_file(sandbox.catalog()).unwrap();
    sandbox.run(["catalog", "rebuild", "shelf"]).ok();
    assert_eq!(names(&sandbox), ["pictures"]);
    sandbox.run(["verify", "shelf"]).ok();
    is_safe(&sandbox);
    restore(&["--name", "pictures"]);
}

#[test]
fn a_name_that_is_taken_and_a_set_with_staged_discs_are_refused() {
    let sandbox = two_sets();
    let refused = |old: &str, new: &str, says: &str| {
        sandbox.run(["set", "rename", old, new]).code(1).says(says);
    };
    refused("photos", "papers", "there is already a set papers");
    refused("papers", "letters", "discs in the staging area");
    refused("nothing", "letters", "nothing");
    assert_eq!(names(&sandbox), ["papers", "photos"]);
    sandbox.run(["set", "rename", "photos"]).code(2).says("a new one");
    sandbox.run(["set", "forget", "photos", "pictures"]).code(2);
    sandbox.run(["set", "rename", "photos", "a b"]).code(2);
    sandbox.run(["set", "rename", "photos", "pictures", "--even-with-discs"]).code(2);
}
