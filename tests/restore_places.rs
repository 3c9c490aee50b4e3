//! Restores that read at several places: shelves that hold some of the discs each, or copies of which
//! one is damaged.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use support::trees::Random;
use support::{Sandbox, assert_same_tree, text};

/// A set on at least three discs of 3 MB, of which each shares a file with the next one, and two
/// empty directories, on two disks if there are two.
struct Shelves {
    sandbox: Sandbox,
    one: PathBuf,
    other: PathBuf,
    _memory: Option<tempfile::TempDir>,
}

fn shelves() -> Shelves {
    let sandbox = Sandbox::new();
    for n in 0..5 {
        let content = Random::new(n).bytes(2_100_000);
        fs::write(sandbox.source().join(format!("film{n}")), content).unwrap();
    }
    fs::hard_link(sandbox.source().join("film0"), sandbox.source().join("linked")).unwrap();
    sandbox.backup("films", &[]).ok();
    let memory = Path::new("/dev/shm");
    let memory = memory.is_dir().then(|| tempfile::tempdir_in(memory).unwrap());
    let one = sandbox.path("one");
    let other = memory.as_ref().map_or(sandbox.path("other"), |dir| dir.path().to_owned());
    fs::create_dir_all(&one).unwrap();
    fs::create_dir_all(&other).unwrap();
    Shelves { sandbox, one, other, _memory: memory }
}

impl Shelves {
    fn images(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.sandbox.shelf()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut images: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "iso")).collect();
        images.sort();
        assert!(images.len() >= 3, "{images:?}");
        images
    }

    fn put(&self, image: &Path, shelf: &Path) -> PathBuf {
        let to = shelf.join(image.file_name().unwrap());
        fs::copy(image, &to).unwrap();
        to
    }

    fn words(&self) -> [String; 4] {
        let back = self.sandbox.target();
        ["restore".to_owned(), text(&self.one), text(&self.other), text(&back)]
    }

    fn comes_back(&self) {
        self.sandbox.run(self.words()).ok();
        assert_same_tree(&self.sandbox.source(), &self.sandbox.target());
        fs::remove_dir_all(self.sandbox.target()).unwrap();
    }

    /// With the catalog, and from the discs alone.
    fn comes_back_either_way(&self) {
        self.comes_back();
        fs::remove_file(self.sandbox.path("catalog.sqlite")).unwrap();
        self.comes_back();
    }
}

#[test]
fn two_shelves_with_some_of_the_discs_each_give_all() {
    let shelves = shelves();
    for (number, image) in shelves.images().iter().enumerate() {
        shelves.put(image, if number % 2 == 0 { &shelves.one } else { &shelves.other });
    }
    shelves.comes_back_either_way();
}

#[test]
fn a_damaged_disc_on_one_shelf_is_made_up_for_by_its_copy_on_the_other() {
    let shelves = shelves();
    for (number, image) in shelves.images().iter().enumerate() {
        let copies = [shelves.put(image, &shelves.one), shelves.put(image, &shelves.other)];
        let damaged = &copies[number % 2];
        let mut bytes = fs::read(damaged).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 200_000].fill(7);
        fs::write(damaged, bytes).unwrap();
    }
    shelves.comes_back_either_way();
}

#[test]
fn a_disc_that_is_on_neither_shelf_is_missing() {
    let shelves = shelves();
    let images = shelves.images();
    shelves.put(&images[0], &shelves.one);
    shelves.put(&images[2], &shelves.other);
    let run = shelves.sandbox.run(shelves.words());
    run.code(4).says("MISSING").says("disc 2");
}

#[test]
fn a_dry_run_needs_no_change_of_discs_where_all_lie_on_shelves() {
    let shelves = shelves();
    for (number, image) in shelves.images().iter().enumerate() {
        shelves.put(image, if number % 2 == 0 { &shelves.one } else { &shelves.other });
    }
    let words = shelves.words();
    let words = words.iter().map(String::as_str).chain(["--dry-run", "--json"]);
    let summary = shelves.sandbox.run(words).ok().objects();
    let plan = &summary.last().unwrap()["plan"];
    assert_eq!(plan["changes"], 0, "{plan}");
    assert_eq!(plan["discs"].as_array().unwrap().len(), shelves.images().len());
    assert_eq!(plan["drives"], serde_json::json!([]));
}

#[test]
fn one_place_by_two_names_is_a_usage_error() {
    let shelves = shelves();
    let link = shelves.sandbox.path("link");
    symlink(&shelves.one, &link).unwrap();
    let (one, back) = (text(&shelves.one), text(&shelves.sandbox.target()));
    let twice = shelves.sandbox.run(["restore", &one, &one, &back]);
    twice.code(2).says("is named twice");
    let linked = shelves.sandbox.run(["restore", &one, &text(&link), &back]);
    linked.code(2).says("are the same place");
    assert!(!shelves.sandbox.target().exists());
}
