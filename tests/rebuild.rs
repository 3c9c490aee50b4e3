//! A catalog that is lost, rebuilt from discs: from any pile of them, in any order, with less and
//! less of what they tell.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod damage;
mod support;

use damage::hurt::hide;
use damage::{DamageBench, UndamagedSet, image};
use std::fs;
use support::{Run, Sandbox, assert_same_tree, text};

fn rebuild(bench: &DamageBench, from: &[&str]) -> Run {
    let words = [&["catalog", "rebuild", "--json"], from].concat();
    bench.run(&words)
}

fn summary(run: &Run) -> serde_json::Value {
    let mut objects = run.objects();
    let last = objects.pop().unwrap();
    assert_eq!(last["command"], "catalog rebuild");
    last["sets"][0].clone()
}

/// Rows of `ls`-like commands that must not depend on which catalog is asked.
fn paths(sandbox: &Sandbox, snapshot: &str) -> Vec<serde_json::Value> {
    sandbox.run(["find", "*", "--json", "--snapshot", snapshot]).ok().results()
}

/// Everything works with the new catalog as it did with the old one.
fn works_as_before(bench: &DamageBench) {
    let (sandbox, discs) = (&bench.sandbox, bench.discs);
    let shelf = text(&sandbox.shelf());
    let target = sandbox.path("back");
    bench.run(&["restore", &shelf, &text(&target)]).ok();
    assert_same_tree(&discs.sandbox.source(), &target);
    let before = sandbox.images().len();
    discs.backup(sandbox, &[]).ok();
    assert_eq!(sandbox.images().len(), before, "an unchanged tree costs a disc");
    bench.run(&["verify", &shelf]).ok();
    let rows = sandbox.run(["discs", "--json", "--name", "matrix"]).ok().results();
    assert!(rows.iter().all(|disc| disc["state"] == "verified"), "{rows:?}");
    let status = sandbox.run(["status", "--json"]).ok().results();
    let set = status.iter().find(|object| object["set"] == "matrix").unwrap();
    assert_eq!((&set["waiting"], &set["staged"]), (&0.into(), &0.into()), "{set}");
    // What is new goes onto the next disc, and no number is given twice.
    let new = discs.sandbox.source().join("new.txt");
    fs::write(&new, "after the catalog was lost").unwrap();
    let run = discs.backup(sandbox, &[]);
    fs::remove_file(&new).unwrap();
    run.ok();
    let expected = sandbox.shelf().join(format!("matrix-{:04}.iso", before + 1));
    assert!(expected.exists(), "{:?}", sandbox.images());
}

#[test]
fn any_pile_of_discs_in_any_order_gives_the_catalog_back() {
    for is_closed in [false, true] {
        let discs = UndamagedSet::new(is_closed);
        let bench = discs.bench();
        let old: Vec<_> = ["1", "2"].map(|seq| paths(&bench.sandbox, seq)).into();
        fs::write(bench.sandbox.catalog(), "what a failing disk left of it".repeat(300)).unwrap();
        discs.backup(&bench.sandbox, &[]).code(1).says("coldcut catalog rebuild");
        // One copied into a folder, one as an image, one twice, the rest on the shelf.
        let folder = bench.sandbox.path("folder");
        image::extract(&bench.image(2), &folder);
        let (shelf, first) = (text(&bench.sandbox.shelf()), text(&bench.image(1)));
        let run = rebuild(&bench, &[&text(&folder), &first, &shelf]);
        run.ok().says("replacing it");
        let set = summary(&run);
        assert_eq!(set["newest"], 2, "{set}");
        assert_eq!(set["discs"], serde_json::json!([1, 2, 3, 4]));
        assert_eq!(set["missing_discs"], serde_json::json!([]));
        assert_eq!(set["lost_files"], 0);
        // Disc 4's own catalog cannot know that it was read back, and nothing vouches for plain
        // discs.
        let unread = if is_closed { vec![4] } else { vec![1, 2, 3, 4] };
        assert_eq!(set["not_verified"], serde_json::json!(unread));
        assert_eq!(set["readings_not_counted"] == 0, is_closed, "{set}");
        let new: Vec<_> = ["1", "2"].map(|seq| paths(&bench.sandbox, seq)).into();
        assert!(old == new, "the history is another one");
        works_as_before(&bench);
        if is_closed {
            let before = fs::read(bench.sandbox.catalog()).unwrap();
            let wrong = bench.sandbox.path("wrong");
            fs::write(&wrong, "not it\n").unwrap();
            let wrong = text(&wrong);
            let words = ["catalog", "rebuild", "--replace", "--passphrase-file", &wrong, &shelf];
            bench.sandbox.run(words).code(1).says("passphrase");
            assert!(fs::read(bench.sandbox.catalog()).unwrap() == before);
        }
    }
}

/// Makes files of every disc vanish.
fn without(bench: &DamageBench, names: &[&str]) {
    for disc in 1..=bench.discs.images.len() {
        let path = bench.own(disc);
        for name in names {
            if let Some(file) = image::files(&path).iter().find(|f| f.path.starts_with(name)) {
                hide(&path, &file.path, false);
            }
        }
    }
}

#[test]
fn without_any_catalog_listings_tell_the_same() {
    for is_closed in [false, true] {
        let discs = UndamagedSet::new(is_closed);
        let bench = discs.bench();
        let old = paths(&bench.sandbox, "2");
        fs::remove_file(bench.sandbox.catalog()).unwrap();
        without(&bench, &["catalog"]);
        let run = rebuild(&bench, &[&text(&bench.sandbox.shelf())]);
        let set = summary(run.ok());
        assert_eq!((&set["catalog_of"], &set["pieced"]), (&serde_json::Value::Null, &false.into()));
        assert_eq!((&set["newest"], &set["lost_files"]), (&2.into(), &0.into()));
        assert!(paths(&bench.sandbox, "2") == old);
        without_verify_of_hidden(&bench);
    }
}

/// The discs lack files that their own list names, so `verify` finds damage; the rest works.
fn without_verify_of_hidden(bench: &DamageBench) {
    let target = bench.sandbox.path("back");
    bench.run(&["restore", &text(&bench.sandbox.shelf()), &text(&target)]).ok();
    assert_same_tree(&bench.discs.sandbox.source(), &target);
    let before = bench.sandbox.images().len();
    bench.discs.backup(&bench.sandbox, &[]).ok();
    assert_eq!(bench.sandbox.images().len(), before, "an unchanged tree costs a disc");
}

#[test]
fn archives_alone_tell_all_but_what_was_deleted_and_the_names_of_split_files() {
    for is_closed in [false, true] {
        let discs = UndamagedSet::new(is_closed);
        let bench = discs.bench();
        fs::remove_file(bench.sandbox.catalog()).unwrap();
        without(&bench, &["catalog", "INDEX", "SNAPSHOT"]);
        let shelf = text(&bench.sandbox.shelf());
        let run = rebuild(&bench, &[&shelf]);
        run.code(3).says("pieced together").says("2 files stored in parts");
        let set = summary(&run);
        assert_eq!((&set["pieced"], &set["newest"]), (&true.into(), &2.into()), "{set}");
        let target = bench.sandbox.path("back");
        // An archive's frames are known now, though no INDEX tells them any more.
        bench.run(&["restore", &shelf, &text(&target)]).ok();
        let source = discs.sandbox.source();
        let differences = support::differences(&source, &target);
        let (kept, other): (Vec<_>, Vec<_>) =
            differences.into_iter().partition(|line| line.contains("should not be there"));
        // What was deleted, or has another name now, stands where it was.
        assert!(kept.iter().any(|line| line.starts_with("pictures/3.jpg")), "{kept:?}");
        let parts = [b"film.mkv".as_slice(), b"long.txt", b"pictures/moved.jpg", b"same again"];
        let unknown = |line: &String| parts.iter().any(|path| line.as_bytes().starts_with(path));
        let worse: Vec<_> = other
            .iter()
            .filter(|line| !unknown(line) && !line.contains(": mtime is"))
            .filter(|line| !line.starts_with("pictures: "))
            .collect();
        assert!(worse.is_empty(), "{worse:#?}");
    }
}

#[test]
fn archives_and_a_listing_tell_all() {
    let discs = UndamagedSet::new(false);
    let bench = discs.bench();
    fs::remove_file(bench.sandbox.catalog()).unwrap();
    without(&bench, &["catalog", "INDEX"]);
    let run = rebuild(&bench, &[&text(&bench.sandbox.shelf())]);
    let set = summary(run.ok());
    assert_eq!((&set["pieced"], &set["lost_files"]), (&false.into(), &0.into()), "{set}");
    without_verify_of_hidden(&bench);
}

#[test]
fn a_disc_that_is_missing_is_named_and_its_files_are_known() {
    let discs = UndamagedSet::new(false);
    let bench = discs.bench();
    fs::remove_file(bench.sandbox.catalog()).unwrap();
    let away = bench.sandbox.path("away.iso");
    fs::rename(bench.image(2), &away).unwrap();
    let run = rebuild(&bench, &[&text(&bench.sandbox.shelf())]);
    let set = summary(run.ok());
    assert_eq!(set["missing_discs"], serde_json::json!([2]), "{set}");
    assert_eq!(set["lost_files"], 0);
    discs.backup(&bench.sandbox, &[]).ok();
    fs::rename(&away, bench.image(2)).unwrap();
    works_as_before(&bench);
}

#[test]
fn what_no_disc_at_hand_has_is_stored_again() {
    let discs = UndamagedSet::new(false);
    let bench = discs.bench();
    fs::remove_file(bench.sandbox.catalog()).unwrap();
    without(&bench, &["catalog"]);
    fs::remove_file(bench.image(2)).unwrap();
    let run = rebuild(&bench, &[&text(&bench.sandbox.shelf())]);
    let set = summary(run.code(3));
    assert!(set["lost_files"].as_u64().unwrap() > 0, "{set}");
    discs.backup(&bench.sandbox, &[]).ok();
    let target = bench.sandbox.path("back");
    bench.run(&["restore", &text(&bench.sandbox.shelf()), &text(&target)]).ok();
    assert_same_tree(&discs.sandbox.source(), &target);
}

#[test]
fn two_discs_with_one_number_are_both_kept_and_told_apart() {
    let discs = UndamagedSet::new(false);
    let bench = discs.bench();
    let sandbox = &bench.sandbox;
    // The catalog is lost and an old one taken: disc 4 is made a second time, as another disc.
    fs::copy(discs.sandbox.path("stale.sqlite"), sandbox.catalog()).unwrap();
    let other = sandbox.path("other.iso");
    fs::rename(bench.image(4), &other).unwrap();
    let late = discs.sandbox.source().join("late.txt");
    fs::write(&late, "only on the second one").unwrap();
    let run = discs.backup(sandbox, &[]);
    fs::remove_file(&late).unwrap();
    run.ok();
    fs::remove_file(sandbox.catalog()).unwrap();
    let (image, shelf) = (text(&other), text(&sandbox.shelf()));
    rebuild(&bench, &[&image, &shelf]).code(1).says("two histories");
    let read = format!(
        "xorriso -osirrox on -indev stdio:{image} -extract /DISC.txt disc.txt 2>/dev/null
         sed -n s/^disc_uuid=//p disc.txt"
    );
    let uuid = sandbox.bash(&read).ok().stdout();
    let run = rebuild(&bench, &["--disc", uuid.trim(), &image, &shelf]);
    let set = summary(run.ok());
    assert_eq!(set["twins"].as_array().unwrap().len(), 1, "{set}");
    run.says("belongs to a different history of the set");
    // Neither is a stranger, and each can be restored.
    fs::create_dir(sandbox.shelf().join("twin")).unwrap();
    fs::rename(&other, sandbox.shelf().join("twin/matrix-0004.iso")).unwrap();
    discs.backup(sandbox, &[]).ok();
    for (n, from) in [sandbox.shelf(), sandbox.shelf().join("twin")].iter().enumerate() {
        let target = sandbox.path(&format!("back{n}"));
        let run = bench.run(&["restore", &text(from), &text(&target), "--path", "later"]);
        run.ok();
        assert!(target.join("later/7.txt").exists());
    }
}

#[test]
fn a_sound_catalog_is_not_thrown_away_and_its_other_sets_stay() {
    let discs = UndamagedSet::new(false);
    let bench = discs.bench();
    let sandbox = &bench.sandbox;
    let (mine, shelf) = (sandbox.path("mine"), sandbox.path("mine-shelf"));
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("a"), "another set").unwrap();
    let backup = || sandbox.run(["backup", &text(&mine), &text(&shelf)]);
    backup().ok();
    let from = text(&sandbox.shelf());
    rebuild(&bench, &[&from]).code(1).says("--replace");
    sandbox.run(["catalog", "rebuild", &from, "--replace"]).ok().says("aside-1");
    // What the former catalog saw of the discs is known still.
    let status = sandbox.run(["status", "--json"]).ok().results();
    let names: Vec<_> = status.iter().filter_map(|row| row["set"].as_str()).collect();
    assert_eq!(names, ["matrix", "mine"]);
    backup().ok();
    assert!(!shelf.join("mine-0002.iso").exists());
    works_as_before(&bench);
    sandbox.run(["catalog", "rebuild"]).code(2);
    sandbox.run(["catalog", "restore-last", "x"]).code(2);
    let empty = sandbox.path("empty");
    fs::create_dir(&empty).unwrap();
    sandbox.run(["catalog", "rebuild", &text(&empty)]).code(4);
}

#[test]
fn the_last_good_catalog_is_put_back_by_its_command_and_never_by_itself() {
    let discs = UndamagedSet::new(false);
    let bench = discs.bench();
    discs.backup(&bench.sandbox, &[]).ok();
    let before = paths(&bench.sandbox, "2");
    fs::write(bench.sandbox.catalog(), vec![7; 50_000]).unwrap();
    for _ in 0..2 {
        discs.backup(&bench.sandbox, &[]).code(1).says("coldcut catalog restore-last");
    }
    bench.sandbox.run(["catalog", "restore-last"]).ok().says("aside-1");
    assert!(paths(&bench.sandbox, "2") == before);
    works_as_before(&bench);
}
