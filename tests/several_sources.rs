//! A disc of a set with two sources, whose paths begin with their names. Nobody makes such sets yet, and
//! every reader reads them: coldcut, the scripts on the disc, and the reader in Python.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

#[path = "support/forge/mod.rs"]
#[allow(dead_code)]
mod forge;
mod support;

use std::fs;
use std::path::Path;

use forge::listings::{ListingFields, change};
use forge::{How, Owner, VERSIONS};
use support::assert_same_tree;

fn row(fields: &[&str]) -> ListingFields {
    fields.iter().map(|field| field.as_bytes().to_vec()).collect()
}

/// What the first lines say of one source, said of two.
fn two_sources(rows: &mut Vec<ListingFields>) {
    let snapshots = rows.iter_mut().filter(|row| row[0] == b"#snapshot");
    snapshots.for_each(|row| row[3] = b"-".to_vec());
    let at = rows.iter().position(|row| row[0] == b"#source").unwrap();
    rows[at] = row(&["#source", "papers", "/home/ann/papers"]);
    rows.insert(at + 1, row(&["#source", "photos", "/srv/photos"]));
}

fn disc_of_two_sources() -> Owner {
    let owner = Owner::new(How::Plain, VERSIONS.last().unwrap(), &[]);
    owner.write("source/papers", "letter", "Dear reader,\n");
    owner.write("source/papers", "deep/er", "deeper\n");
    owner.write("source/photos", "letter", "not a letter\n");
    owner.backup();
    let disc = owner.own(1, "disc");
    for name in ["INDEX", "SNAPSHOT"] {
        change(&owner, &disc, name, two_sources);
    }
    // It knows of one source, and is optional.
    fs::remove_file(disc.join("catalog.sqlite.bz2")).unwrap();
    for name in ["DISC.txt", "README.txt"] {
        owner.change_text(&disc, name, |text| text.replace(" catalog\n", "\n"));
    }
    owner.sum_up(&disc);
    owner.image(&disc, &owner.sandbox.shelf().join("papers-0001.iso"));
    fs::remove_file(owner.sandbox.catalog()).unwrap();
    owner
}

fn came_back(owner: &Owner, to: &str) {
    assert_same_tree(&owner.sandbox.source(), &owner.sandbox.path(to));
}

#[test]
fn a_disc_of_two_sources_comes_back_by_every_reader() {
    let owner = disc_of_two_sources();
    let sandbox = &owner.sandbox;
    sandbox.bash("bash disc/restore.sh by-script disc").ok();
    came_back(&owner, "by-script");
    sandbox.bash("bash disc/simple-restore.sh by-simple-script disc").ok();
    came_back(&owner, "by-simple-script");
    let reader =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format/by_hand/format/coldcut-reader.py");
    sandbox.bash(&format!("python3 '{}' restore disc by-python", reader.display())).ok();
    came_back(&owner, "by-python");
    sandbox.run(["restore", "shelf", "by-coldcut"]).ok();
    came_back(&owner, "by-coldcut");
    sandbox.run(["catalog", "rebuild", "shelf"]).ok();
    sandbox.run(["restore", "shelf", "by-catalog"]).ok();
    came_back(&owner, "by-catalog");
    sandbox.run(["restore", "shelf", "one", "--path", "photos"]).ok();
    assert!(sandbox.path("one/photos/letter").exists() && !sandbox.path("one/papers").exists());
}

/// Nothing is stored over paths that begin otherwise.
#[test]
fn a_set_of_two_sources_is_not_taken_for_one_of_a_single_source() {
    let owner = disc_of_two_sources();
    owner.sandbox.run(["catalog", "rebuild", "shelf"]).ok();
    let run = owner.sandbox.run(["backup", "source", "shelf", "--name", "papers"]);
    run.code(1).says("a different directory needs another --set");
    assert!(!owner.sandbox.shelf().join("papers-0002.iso").exists());
}
