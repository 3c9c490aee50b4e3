//! The last disc of a run is filled until the listing of the snapshot has no room on it: the
//! listing goes onto one more disc, also if the run is stopped before that one.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use support::trees::Random;
use support::{Sandbox, assert_same_tree, text};

/// Names make listings of more than 2 % of a disc of 3 MB, so that a disc between the first and the
/// last of a run leaves them out; small files then fill it to its edge.
fn source(small_files: u64, last_is_a_copy: bool) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut random = Random::new(1);
    let names = sandbox.source().join("names");
    fs::create_dir(&names).unwrap();
    for _ in 0..1_500 {
        fs::write(names.join(format!("{:016x}{:016x}", random.next(), random.next())), "").unwrap();
    }
    let film = random.bytes(2_500_000);
    fs::write(sandbox.source().join("film"), &film).unwrap();
    for n in 0..small_files {
        let path = sandbox.source().join(format!("small{n:03}"));
        fs::write(path, random.bytes(20_000)).unwrap();
    }
    if last_is_a_copy {
        fs::write(sandbox.source().join("z-copy"), &film).unwrap();
    }
    sandbox
}

/// Whether the disc carries the listing.
fn lists(sandbox: &Sandbox, image: &Path) -> bool {
    let find = format!("xorriso -indev '{}' -find / -name 'SNAPSHOT*' 2>/dev/null", text(image));
    sandbox.bash(&find).ok().stdout().contains("SNAPSHOT")
}

#[track_caller]
fn discs_alone_give_all_of_it(sandbox: &Sandbox, target: &str) {
    let shelf = text(&sandbox.shelf());
    sandbox.run(["--catalog", "none.sqlite", "restore", &shelf, target]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path(target));
}

/// Some of these sizes end within the room that the listings would have taken; which do depends on
/// the size of the texts on each disc.
#[test]
fn the_last_disc_of_a_run_bears_the_listing_however_full_the_one_before_is() {
    let mut discs_for_listings = 0;
    for small_files in (136..151).rev() {
        let sandbox = source(small_files, small_files % 2 == 0);
        sandbox.backup("set", &[]).ok();
        let images = sandbox.images();
        assert!(lists(&sandbox, images.last().unwrap()), "{small_files}: {images:?}");
        discs_for_listings += usize::from(has_no_archive(&sandbox, images.last().unwrap()));
        discs_alone_give_all_of_it(&sandbox, "back");
        assert!(!sandbox.backup("set", &[]).ok().stderr().contains("writing"), "{small_files}");
        if discs_for_listings == 2 {
            break;
        }
    }
    assert!(discs_for_listings > 0, "no size met the edge: choose others");
}

fn has_no_archive(sandbox: &Sandbox, image: &Path) -> bool {
    let find = format!("xorriso -indev '{}' -find /archives 2>/dev/null || true", text(image));
    !sandbox.bash(&find).ok().stdout().contains("/archives/")
}

/// Stopped by a shelf without room for that one disc.
#[test]
fn a_listing_that_is_owed_by_a_stopped_run_is_made_by_the_next() {
    let sandbox = source(148, true);
    let shelf = text(&sandbox.shelf());
    fs::write(sandbox.shelf().join(".shelf.toml"), "full_after = 2\n").unwrap();
    sandbox.backup("set", &[]).code(4).says("disc 3");
    assert!(!lists(&sandbox, &sandbox.images()[1]));
    // The packed listing is lost, too.
    fs::remove_dir_all(sandbox.staging()).unwrap();
    fs::remove_file(sandbox.shelf().join(".shelf.toml")).unwrap();
    sandbox.backup("set", &[]).ok();
    assert!(lists(&sandbox, sandbox.images().last().unwrap()), "{shelf}");
    discs_alone_give_all_of_it(&sandbox, "back");
    assert_eq!(sandbox.images().len(), 3);
    sandbox.backup("set", &[]).ok();
    assert_eq!(sandbox.images().len(), 3, "a disc for nothing");
}
