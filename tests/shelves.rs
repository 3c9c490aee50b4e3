//! Which shelf is which: moved ones, duplicates, other disks, links, and what an old catalog noted.
//! Nothing that is read of one copy is credited to another.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::trees::Random;
use support::{Run, Sandbox, SmallDisk, text};

/// A set of one disc, on the shelf `A`.
fn one_disc() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("film"), Random::new(1).bytes(300_000)).unwrap();
    sandbox.run(["backup", "--name", "films", "source", "A"]).ok();
    sandbox
}

/// Number, state and shelf of each copy of disc 1.
fn copies(sandbox: &Sandbox) -> Vec<(u64, String, PathBuf)> {
    let discs = sandbox.run(["discs", "--json"]).ok().results();
    let copy = |copy: &Value| {
        let word = |key: &str| copy[key].as_str().unwrap_or_default().to_owned();
        (copy["copy"].as_u64().unwrap(), word("state"), PathBuf::from(word("shelf")))
    };
    discs[0]["media"].as_array().unwrap().iter().map(copy).collect()
}

#[track_caller]
fn are(sandbox: &Sandbox, expected: &[(u64, &str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|&(n, state, dir)| (n, state.to_owned(), real(&sandbox.path(dir))))
        .collect();
    assert_eq!(copies(sandbox), expected);
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn copy_dir(sandbox: &Sandbox, from: &str, to: &str) {
    sandbox.bash(&format!("cp -r {from} {to}")).ok();
}

/// A byte of the film, so that its checksum does not fit any more.
fn damage(image: &Path) {
    let mut bytes = fs::read(image).unwrap();
    let film = Random::new(1).bytes(300_000);
    let at = bytes.windows(64).position(|window| window == &film[1000..1064]).unwrap();
    bytes[at] ^= 1;
    fs::write(image, bytes).unwrap();
}

fn verify(sandbox: &Sandbox, place: &str) -> Run {
    sandbox.run(["verify", place])
}

#[test]
fn a_damaged_duplicate_says_nothing_of_the_shelf_that_it_was_copied_from() {
    let sandbox = one_disc();
    copy_dir(&sandbox, "A", "B");
    damage(&sandbox.path("B/films-0001.iso"));
    verify(&sandbox, "B").code(5);
    are(&sandbox, &[(1, "ok", "A"), (2, "damaged", "B")]);
    sandbox.run(["status"]).ok();
}

#[test]
fn a_sound_duplicate_says_nothing_of_the_shelf_that_it_was_copied_from() {
    let sandbox = one_disc();
    copy_dir(&sandbox, "A", "B");
    damage(&sandbox.path("A/films-0001.iso"));
    verify(&sandbox, "A").code(5);
    verify(&sandbox, "B").ok();
    are(&sandbox, &[(1, "damaged", "A"), (2, "ok", "B")]);
    verify(&sandbox, "B").ok();
    are(&sandbox, &[(1, "damaged", "A"), (2, "ok", "B")]);
}

#[test]
fn a_moved_shelf_is_the_same_shelf_elsewhere() {
    let sandbox = one_disc();
    fs::rename(sandbox.path("A"), sandbox.path("moved")).unwrap();
    verify(&sandbox, "moved").ok();
    are(&sandbox, &[(1, "ok", "moved")]);
    fs::rename(sandbox.path("moved"), sandbox.path("again")).unwrap();
    damage(&sandbox.path("again/films-0001.iso"));
    verify(&sandbox, "again").code(5);
    are(&sandbox, &[(1, "damaged", "again")]);
}

#[test]
fn a_moved_shelf_is_known_when_a_copy_is_to_be_put_on_it() {
    let sandbox = one_disc();
    fs::rename(sandbox.path("A"), sandbox.path("moved")).unwrap();
    sandbox.run(["copy", "1", "moved"]).ok().says("2 good copies");
    are(&sandbox, &[(1, "ok", "moved"), (2, "ok", "moved/copy2")]);
    assert!(sandbox.path("moved/copy2/films-0001.iso").exists());
}

#[test]
fn one_shelf_by_two_names_is_one_copy() {
    let sandbox = one_disc();
    symlink(sandbox.path("A"), sandbox.path("link")).unwrap();
    for name in [text(&sandbox.path("A")), "link".to_owned(), "A/../link".to_owned()] {
        verify(&sandbox, &name).ok();
        are(&sandbox, &[(1, "ok", "A")]);
    }
    sandbox.run(["copy", "1", &text(&sandbox.path("link"))]).ok().says("2 good copies");
    assert!(sandbox.path("A/copy2/films-0001.iso").exists());
    are(&sandbox, &[(1, "ok", "A"), (2, "ok", "A/copy2")]);
}

#[test]
fn hard_links_and_symbolic_links_to_an_image_are_one_copy() {
    let sandbox = one_disc();
    fs::create_dir(sandbox.path("B")).unwrap();
    fs::create_dir(sandbox.path("C")).unwrap();
    fs::hard_link(sandbox.path("A/films-0001.iso"), sandbox.path("B/films-0001.iso")).unwrap();
    symlink(sandbox.path("A/films-0001.iso"), sandbox.path("C/films-0001.iso")).unwrap();
    for place in ["B", "C", "."] {
        verify(&sandbox, place).ok();
        are(&sandbox, &[(1, "ok", "A")]);
    }
}

#[test]
fn two_shelves_that_were_typed_alike_are_two_places() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("film"), Random::new(1).bytes(300_000)).unwrap();
    for dir in ["one", "two"] {
        fs::create_dir(sandbox.path(dir)).unwrap();
    }
    let coldcut = env!("CARGO_BIN_EXE_coldcut");
    sandbox.bash(&format!("cd one && {coldcut} backup --name films ../source shelf")).ok();
    sandbox.bash(&format!("cd two && {coldcut} copy 1 shelf")).ok();
    are(&sandbox, &[(1, "ok", "one/shelf"), (2, "ok", "two/shelf")]);
    sandbox.bash(&format!("cd / && {coldcut} copy 1 \"$OLDPWD/three\"")).ok();
    are(&sandbox, &[(1, "ok", "one/shelf"), (2, "ok", "two/shelf"), (3, "ok", "three")]);
}

#[test]
fn a_duplicate_that_is_written_to_becomes_a_shelf_of_its_own() {
    let sandbox = one_disc();
    let id = |dir: &str| fs::read_to_string(sandbox.path(dir).join(".coldcut-shelf")).unwrap();
    let first = id("A");
    copy_dir(&sandbox, "A", "B");
    assert_eq!(id("B"), first);
    fs::write(sandbox.source().join("more"), Random::new(2).bytes(300_000)).unwrap();
    sandbox.run(["backup", "--name", "films", "source", "B"]).ok();
    assert_ne!(id("B"), first);
    assert_eq!(id("A"), first, "the first one stays what it is");
    verify(&sandbox, "B").ok();
    are(&sandbox, &[(1, "ok", "A"), (2, "ok", "B")]);
    // Each of them may move from now on.
    fs::rename(sandbox.path("B"), sandbox.path("C")).unwrap();
    verify(&sandbox, "C").ok();
    are(&sandbox, &[(1, "ok", "A"), (2, "ok", "C")]);
}

#[test]
fn on_another_file_system_a_moved_shelf_is_not_verified_until_it_is_read() {
    let sandbox = one_disc();
    let disk = SmallDisk::tmpfs(sandbox.path("disk"), "size=20m");
    sandbox.bash("mv A disk/A").ok();
    fs::write(sandbox.source().join("more"), Random::new(2).bytes(300_000)).unwrap();
    sandbox.run(["backup", "--name", "films", "source", "disk/A"]).ok().says("another file system");
    are(&sandbox, &[(1, "burned", "disk/A")]);
    sandbox.run(["status"]).code(3);
    verify(&sandbox, "disk").ok();
    are(&sandbox, &[(1, "ok", "disk/A")]);
    sandbox.run(["status"]).ok();
    drop(disk);
}

#[test]
fn a_read_only_shelf_is_known_by_its_path() {
    let sandbox = one_disc();
    let disk = SmallDisk::tmpfs(sandbox.path("disk"), "size=20m");
    sandbox.bash("mv A disk/A && rm disk/A/.coldcut-shelf").ok();
    disk.resize("ro");
    for _ in 0..2 {
        verify(&sandbox, "disk/A").ok();
        are(&sandbox, &[(1, "ok", "disk/A")]);
    }
    assert!(!sandbox.path("disk/A/.coldcut-shelf").exists());
    // What can be written to gets an id at its next use.
    disk.resize("rw");
    verify(&sandbox, "disk/A").ok();
    assert!(sandbox.path("disk/A/.coldcut-shelf").exists());
}

#[test]
fn shelves_inside_a_shelf_are_shelves_of_their_own() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("film"), Random::new(1).bytes(300_000)).unwrap();
    sandbox.run(["backup", "--name", "films", "--copies", "2", "source", "A"]).ok();
    let id = |dir: &str| fs::read_to_string(sandbox.path(dir).join(".coldcut-shelf")).unwrap();
    assert_ne!(id("A"), id("A/copy2"));
    fs::rename(sandbox.path("A/copy2"), sandbox.path("elsewhere")).unwrap();
    verify(&sandbox, ".").ok();
    are(&sandbox, &[(1, "ok", "A"), (2, "ok", "elsewhere")]);
    fs::rename(sandbox.path("A"), sandbox.path("B")).unwrap();
    verify(&sandbox, ".").ok();
    are(&sandbox, &[(1, "ok", "B"), (2, "ok", "elsewhere")]);
}

#[test]
fn in_a_catalog_that_was_rebuilt_an_image_is_not_a_copy_of_itself() {
    let sandbox = one_disc();
    fs::remove_file(sandbox.catalog()).unwrap();
    sandbox.run(["catalog", "rebuild", "A"]).ok();
    sandbox.run(["copy", "1", "A", "--from", "A"]).ok().says("2 good copies");
    are(&sandbox, &[(1, "ok", "A"), (2, "ok", "A/copy2")]);
    assert!(sandbox.path("A/copy2/films-0001.iso").exists());
}

/// What the program before this one noted.
fn noted_as(sandbox: &Sandbox, copies: &[&str]) {
    let mut lines = vec!["DELETE FROM verifications; DELETE FROM copies;".to_owned()];
    for (n, dir) in copies.iter().enumerate() {
        lines.push(format!(
            "INSERT INTO copies(set_id, disc, copy, place, burned, state, bears, words, dir)
             VALUES(1, 1, {}, '', 0, 'ok', 'shelf', '', CAST('{dir}' AS BLOB));",
            n + 1
        ));
    }
    let conn = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    conn.execute_batch(&lines.concat()).unwrap();
}

#[test]
fn what_was_noted_as_two_copies_and_is_one_image_is_made_one_and_that_is_said() {
    let sandbox = one_disc();
    fs::remove_file(sandbox.path("A/.coldcut-shelf")).unwrap();
    noted_as(&sandbox, &["A", &text(&sandbox.path("A"))]);
    verify(&sandbox, "A").ok().says("are the same image");
    let copies = copies(&sandbox);
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!((copies[0].1.as_str(), &copies[0].2), ("ok", &real(&sandbox.path("A"))));
}

#[test]
fn a_relative_path_of_an_old_catalog_is_understood_where_it_fits() {
    let sandbox = one_disc();
    fs::remove_file(sandbox.path("A/.coldcut-shelf")).unwrap();
    noted_as(&sandbox, &["A"]);
    let coldcut = env!("CARGO_BIN_EXE_coldcut");
    let run = sandbox.bash(&format!("cd / && {coldcut} copy 1 \"$OLDPWD/A\""));
    run.ok().says("2 good copies");
    are(&sandbox, &[(1, "ok", "A"), (2, "ok", "A/copy2")]);
}

#[test]
fn now_this_disk_now_another_one_at_one_mount_point_are_two_shelves() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("film"), Random::new(1).bytes(300_000)).unwrap();
    let disks = ["one", "two"].map(|name| SmallDisk::tmpfs(sandbox.path(name), "size=20m"));
    fs::create_dir(sandbox.path("usb")).unwrap();
    let with = |disk: &str, words: &[&str]| {
        sandbox.bash(&format!("mount --bind {disk} usb")).ok();
        let run = sandbox.run(words);
        sandbox.bash("umount usb").ok();
        run
    };
    with("one", &["backup", "--name", "films", "source", "usb"]).ok();
    with("two", &["copy", "1", "usb", "--from", "usb"]).code(1);
    copy_dir(&sandbox, "one", "kept");
    with("two", &["copy", "1", "usb", "--from", "kept"]).ok().says("2 good copies");
    assert!(sandbox.path("two/films-0001.iso").exists());
    damage(&sandbox.path("two/films-0001.iso"));
    with("two", &["verify", "usb"]).code(5);
    are(&sandbox, &[(1, "ok", "usb"), (2, "damaged", "usb")]);
    with("one", &["verify", "usb"]).ok();
    are(&sandbox, &[(1, "ok", "usb"), (2, "damaged", "usb")]);
    drop(disks);
}

#[test]
fn a_restore_that_lacks_a_disc_names_the_shelf_that_it_is_on() {
    let sandbox = one_disc();
    fs::write(sandbox.source().join("more"), Random::new(2).bytes(300_000)).unwrap();
    let run = sandbox.run(["backup", "--name", "films", "source", "deep"]);
    run.ok().says(&format!("disc 1 of films is on shelf {}", text(&real(&sandbox.path("A")))));
    let run = sandbox.run(["backup", "--name", "films", "--flush", "source", "deep"]);
    assert!(!run.ok().stderr().contains("the next ones go"), "{}", run.story());
    let run = sandbox.run(["restore", "deep", "back"]);
    run.code(4).says(&format!("kept in shelf {}", text(&real(&sandbox.path("A")))));
}

/// What is true of the shelves: whether the image of each is sound.
type ImageSoundness = std::collections::BTreeMap<PathBuf, bool>;

/// Random moves, copies, removals, damage and readings. Whatever happened, a shelf that was just
/// read has one copy, as it was found; and no copy that lies elsewhere has changed by that.
#[test]
fn whatever_becomes_of_shelves_nothing_is_credited_to_another_copy() {
    for seed in 1..=6 {
        let sandbox = one_disc();
        let disk = SmallDisk::tmpfs(sandbox.path("disk"), "size=60m");
        let mut truth = ImageSoundness::from([(PathBuf::from("A"), true)]);
        let mut random = Random::new(seed);
        let mut story = Vec::new();
        for step in 0..14 {
            let shelves: Vec<PathBuf> = truth.keys().cloned().collect();
            let from = shelves[random.below(shelves.len() as u64) as usize].clone();
            let dir = if random.below(4) == 0 { "disk/" } else { "" };
            let to = PathBuf::from(format!("{dir}s{step}"));
            let (a, b) = (text(&from), text(&to));
            match random.below(6) {
                0 => {
                    copy_dir(&sandbox, &a, &b);
                    truth.insert(to, truth[&from]);
                    story.push(format!("cp -r {a} {b}"));
                }
                1 => {
                    sandbox.bash(&format!("mv {a} {b}")).ok();
                    let is_sound = truth.remove(&from).unwrap();
                    truth.insert(to, is_sound);
                    story.push(format!("mv {a} {b}"));
                }
                2 if shelves.len() > 1 => {
                    fs::remove_dir_all(sandbox.path(&a)).unwrap();
                    truth.remove(&from);
                    story.push(format!("rm -r {a}"));
                }
                3 if truth[&from] => {
                    damage(&sandbox.path(&a).join("films-0001.iso"));
                    truth.insert(from, false);
                    story.push(format!("damage {a}"));
                }
                _ => {
                    story.push(format!("verify {a}"));
                    let before = copies(&sandbox);
                    verify(&sandbox, &a).code(if truth[&from] { 0 } else { 5 });
                    holds(&sandbox, &from, truth[&from], &before, &story);
                }
            }
        }
        drop(disk);
    }
}

#[track_caller]
fn holds(
    sandbox: &Sandbox,
    read: &Path,
    is_sound: bool,
    before: &[(u64, String, PathBuf)],
    story: &[String],
) {
    let after = copies(sandbox);
    let read = real(&sandbox.path(&text(read)));
    let here: Vec<&str> =
        after.iter().filter(|copy| copy.2 == read).map(|copy| copy.1.as_str()).collect();
    let expected = if is_sound { "ok" } else { "damaged" };
    assert_eq!(here, [expected], "{story:#?}\n{before:#?}\n{after:#?}");
    let elsewhere =
        |copy: &&(u64, String, PathBuf)| copy.2 != read && copy.2.join("films-0001.iso").exists();
    for copy in before.iter().filter(elsewhere) {
        assert!(after.contains(copy), "{copy:?} changed: {story:#?}\n{after:#?}");
    }
}
