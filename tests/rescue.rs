//! Failing discs into images, with ddrescue as the other hand.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree, text};

/// A disc of 5 MB on a shelf.
fn a_disc(more: &[&str]) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    for n in 0..4 {
        let bytes = Random::new(n).bytes(1_000_000);
        fs::write(sandbox.source().join(format!("film{n}")), bytes).unwrap();
    }
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let common = ["backup", "--disc-size", "6M", "--archive-size", "1M", "--name", "films"];
    sandbox.run(common.iter().chain(more).copied().chain([source.as_str(), shelf.as_str()])).ok();
    let image = sandbox.images().remove(0);
    (sandbox, image)
}

fn fail(sandbox: &Sandbox, first: u64, count: u64) {
    let line = format!("read_error = [1, {first}, {count}]\n");
    fs::write(sandbox.shelf().join(".shelf.toml"), line).unwrap();
}

fn rescue(sandbox: &Sandbox, from: &Path) -> Run {
    sandbox.run(["rescue", &text(from), "--to", &text(&sandbox.path("saved.iso"))])
}

fn same(a: &Path, b: &Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

#[test]
fn what_one_drive_cannot_read_another_adds() {
    let (sandbox, image) = a_disc(&[]);
    let saved = sandbox.path("saved.iso");
    fail(&sandbox, 700, 100);
    let run = rescue(&sandbox, &image);
    run.code(3).says("100 sectors cannot be read").says("archives/0000000").says("to continue");
    assert!(!same(&image, &saved));
    let map = fs::read_to_string(sandbox.path("saved.iso.map")).unwrap();
    assert!(map.contains("0x0015E000  0x00032000  -"), "{map}");
    // This drive cannot read other places, which the first one could.
    fail(&sandbox, 780, 60);
    rescue(&sandbox, &image).code(3).says(": ").says("20 sectors cannot be read");
    fs::remove_file(sandbox.shelf().join(".shelf.toml")).unwrap();
    rescue(&sandbox, &image).ok().says("are intact");
    assert!(same(&image, &saved));
    let json =
        sandbox.run(["rescue", "--json", &text(&image), "--to", &text(&saved)]).ok().objects();
    let last = json.last().unwrap();
    assert_eq!((&last["damaged"], &last["size"]), (&0.into(), &last["rescued"]));
}

#[test]
fn several_places_are_read_in_one_run() {
    let (sandbox, image) = a_disc(&[]);
    let second = sandbox.path("second.iso");
    fs::copy(&image, &second).unwrap();
    fail(&sandbox, 40, 900);
    let saved = sandbox.path("saved.iso");
    sandbox.run(["rescue", &text(&image), &text(&second), "--to", &text(&saved)]).ok();
    assert!(same(&image, &saved));
}

#[test]
fn ddrescue_goes_on_with_our_map_and_we_with_its() {
    let (sandbox, image) = a_disc(&[]);
    fail(&sandbox, 600, 300);
    rescue(&sandbox, &image).code(3);
    // The shelf's faults are no business of ddrescue's.
    let line = format!("ddrescue -b 2048 -r 1 {} saved.iso saved.iso.map", text(&image));
    sandbox.bash(&line).ok();
    assert!(same(&image, &sandbox.path("saved.iso")));
    sandbox.bash("ddrescuelog -D saved.iso.map").ok();
    sandbox.bash("ddrescuelog -t saved.iso.map").ok();
    let begun = format!("ddrescue -b 2048 -s 1MiB {} other.iso other.map", text(&image));
    sandbox.bash(&begun).ok();
    fs::remove_file(sandbox.shelf().join(".shelf.toml")).unwrap();
    let (other, map) = (text(&sandbox.path("other.iso")), text(&sandbox.path("other.map")));
    sandbox.run(["rescue", &text(&image), "--to", &other, "--map", &map]).ok();
    assert!(same(&image, &sandbox.path("other.iso")));
    sandbox.bash("ddrescuelog -D other.map").ok();
}

#[test]
fn recovery_data_fills_the_holes_of_the_image() {
    let (sandbox, image) = a_disc(&["--parity", "20"]);
    fail(&sandbox, 900, 200);
    rescue(&sandbox, &image).ok().says("was repaired").says("repaired from recovery data");
    assert!(same(&image, &sandbox.path("saved.iso")));
    sandbox.bash("ddrescuelog -D saved.iso.map").ok();
    // Too much of it, and what is lost has a name.
    fs::remove_file(sandbox.path("saved.iso")).unwrap();
    fs::remove_file(sandbox.path("saved.iso.map")).unwrap();
    fail(&sandbox, 500, 1_200);
    let run = rescue(&sandbox, &image);
    run.code(3).says("cannot be repaired: more is lost").says("archives/0000000").says("damaged");
}

#[test]
fn a_disc_without_a_directory_gives_its_files_by_recovery_data() {
    let (sandbox, image) = a_disc(&["--parity", "30"]);
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(&[0; 16 * 2048], 16 * 2048).unwrap();
    rescue(&sandbox, &image).ok().says("file system is lost");
    let files = text(&sandbox.path("saved.iso.files"));
    sandbox.run(["restore", "--catalog", "none", &files, &text(&sandbox.target())]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

/// Whoever can write to the place of the image may exchange the directory for a link, while `par2`
/// fills it.
#[test]
fn files_of_a_disc_without_a_directory_go_where_their_directory_goes() {
    let (mut sandbox, image) = a_disc(&["--parity", "30"]);
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(&[0; 16 * 2048], 16 * 2048).unwrap();
    let bin = sandbox.path("bin");
    // par2 waits until the directory was exchanged.
    let waits = format!(
        "mkdir bin victim; mkfifo go; {{ echo '#!/bin/sh'; echo '[ $1 = repair ] && read -r _ <{}'; \
         echo 'exec /usr/bin/par2 \"$@\"'; }} >bin/par2; chmod 755 bin/par2",
        text(&sandbox.path("go"))
    );
    sandbox.bash(&waits).ok();
    sandbox.set("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let program = env!("CARGO_BIN_EXE_coldcut");
    let exchanged = format!(
        "{program} rescue {} --to saved.iso & \
         timeout 60 bash -c 'until [ -d saved.iso.files ]; do sleep 0.05; done'; \
         mv saved.iso.files moved; ln -s victim saved.iso.files; \
         timeout 60 bash -c 'echo now >go'; wait $!",
        text(&image)
    );
    sandbox.bash(&exchanged).ok();
    assert_eq!(fs::read_dir(sandbox.path("victim")).unwrap().count(), 0);
    sandbox.run(["restore", "--catalog", "none", "moved", &text(&sandbox.target())]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn what_would_spoil_an_image_is_refused() {
    let (sandbox, image) = a_disc(&[]);
    let (other_sandbox, other) = a_disc(&[]);
    let saved = sandbox.path("saved.iso");
    fs::write(&saved, "mine").unwrap();
    rescue(&sandbox, &image).code(1).says("no map says what is in it");
    assert_eq!(fs::read(&saved).unwrap(), b"mine");
    fs::remove_file(&saved).unwrap();
    rescue(&sandbox, &image).ok();
    rescue(&sandbox, &other).code(1).says("holds a different disc");
    assert!(same(&image, &saved));
    rescue(&sandbox, &saved).code(1).says("is also what is to be read");
    fs::write(sandbox.path("saved.iso.map"), "nonsense\nmore nonsense\n").unwrap();
    rescue(&sandbox, &image).code(1).says("is not the map of a rescue");
    fs::remove_file(&saved).unwrap();
    rescue(&sandbox, &image).code(1).says("is missing");
    rescue(&sandbox, &sandbox.path("nothing")).code(1).says("does not exist");
    sandbox.run(["rescue", &text(&image)]).code(2);
    drop(other_sandbox);
}
