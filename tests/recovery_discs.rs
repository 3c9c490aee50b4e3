//! Recovery discs: a whole disc is lost, and comes back from the others of its group; by coldcut,
//! and by hand with the real par2.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree, text};

/// A source for so many discs of 3 MB, the last one part-filled.
fn source_for(discs: u64) -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..discs * 5 - 2 {
        let bytes = Random::new(n).bytes(500_000);
        fs::write(sandbox.source().join(format!("film{n:02}")), bytes).unwrap();
    }
    sandbox
}

fn restore(sandbox: &Sandbox, target: &str) -> Run {
    let catalog = text(&sandbox.path("none"));
    let (shelf, target) = (text(&sandbox.shelf()), text(&sandbox.path(target)));
    sandbox.run(["restore", "--verbose", "--catalog", &catalog, &shelf, &target])
}

fn image(sandbox: &Sandbox, number: u32) -> PathBuf {
    sandbox.shelf().join(format!("films-{number:04}.iso"))
}

fn unpacked(sandbox: &Sandbox, number: u32) -> PathBuf {
    let dir = sandbox.path(&format!("disc{number}"));
    let line = format!(
        "xorriso -osirrox on -indev '{}' -extract / '{1}' 2>/dev/null; chmod -R u+w '{1}'",
        image(sandbox, number).display(),
        dir.display()
    );
    sandbox.bash(&line).ok();
    dir
}

/// Which discs of the shelf are recovery discs.
fn recovery_discs(sandbox: &Sandbox) -> Vec<u32> {
    let is_one = |number: &u32| {
        let line = format!(
            "xorriso -osirrox on -indev '{}' -extract /DISC.txt txt 2>/dev/null; cat txt; rm -f txt",
            image(sandbox, *number).display()
        );
        sandbox.bash(&line).ok().stdout().contains("kind=parity")
    };
    (1..=sandbox.images().len() as u32).filter(is_one).collect()
}

#[test]
fn any_two_discs_of_a_group_can_be_lost() {
    let sandbox = source_for(3);
    sandbox.backup("films", &["--parity-discs", "2/3"]).ok();
    assert_eq!(recovery_discs(&sandbox), [4, 5]);
    sandbox.run(["verify", &text(&sandbox.shelf())]).ok();
    let images = sandbox.images();
    sandbox.backup("films", &[]).ok();
    assert_eq!(sandbox.images(), images, "a run without changes costs a disc");
    for image in &images {
        assert!(fs::metadata(image).unwrap().len() <= 3 << 20, "{image:?}");
    }
    let away = sandbox.path("away");
    fs::create_dir(&away).unwrap();
    for lost in [[1, 2], [2, 3], [3, 5], [4, 1]] {
        for number in lost {
            fs::rename(image(&sandbox, number), away.join(number.to_string())).unwrap();
        }
        let target = format!("without{}{}", lost[0], lost[1]);
        restore(&sandbox, &target).ok().says("reconstructing disc");
        assert_same_tree(&sandbox.source(), &sandbox.path(&target));
        for number in lost {
            fs::rename(away.join(number.to_string()), image(&sandbox, number)).unwrap();
        }
    }
    for number in [1, 2, 5] {
        fs::remove_file(image(&sandbox, number)).unwrap();
    }
    let run = restore(&sandbox, "too much");
    run.code(4).says("2 discs of its group are missing, and only 1 of its recovery discs is here");
    let scratch = fs::read_dir(sandbox.staging().join("scratch")).unwrap();
    assert_eq!(scratch.count(), 0);
}

#[test]
fn a_lost_disc_is_made_again_by_hand_as_the_readme_says() {
    let sandbox = source_for(2);
    let secret = text(&sandbox.passphrase_file(b"horse"));
    let keys = ["--encrypt", "--passphrase-file", &secret];
    sandbox.backup("films", &["--parity-discs", "1/2", keys[0], keys[1], keys[2]]).ok();
    let disc = unpacked(&sandbox, 3);
    sandbox.bash("cd disc3 && sha256sum --quiet -c SHA256SUMS").ok();
    let readme = fs::read_to_string(disc.join("README.txt")).unwrap();
    let (_, by_hand) = readme.split_once("By hand").unwrap();
    let commands: Vec<&str> = by_hand.lines().filter(|line| line.starts_with("  ")).collect();
    let commands: Vec<&str> =
        commands.into_iter().filter(|line| !line.contains("sha256sum")).collect();
    let commands = commands
        .join("\n")
        .replace("/media/cdrom", &text(&disc))
        .replace("/dev/sr0", &text(&image(&sandbox, 1)));
    assert!(commands.contains("0001.iso") && commands.contains("cat 0002."), "{commands}");
    fs::create_dir(sandbox.path("work")).unwrap();
    sandbox.bash(&format!("cd work\n{commands}")).ok();
    let made = fs::read(sandbox.path("work/0002.iso")).unwrap();
    assert!(made == fs::read(image(&sandbox, 2)).unwrap());
}

/// Two runs fill one group; what is left over waits, and a flush closes it early.
#[test]
fn a_group_goes_on_from_run_to_run_and_a_flush_closes_it() {
    let sandbox = source_for(1);
    sandbox.backup("films", &["--parity-discs", "1/3"]).ok();
    assert_eq!(recovery_discs(&sandbox), [0; 0]);
    fs::write(sandbox.source().join("more"), Random::new(77).bytes(900_000)).unwrap();
    sandbox.backup("films", &["--flush"]).ok();
    assert_eq!(recovery_discs(&sandbox), [3]);
    let disc_txt = fs::read_to_string(unpacked(&sandbox, 3).join("DISC.txt")).unwrap();
    assert!(disc_txt.contains("\ngroup=1 2\nmember=1/1\n"), "{disc_txt}");
    fs::write(sandbox.source().join("third"), Random::new(78).bytes(900_000)).unwrap();
    sandbox.backup("films", &["--parity-discs", "none"]).ok();
    assert_eq!(recovery_discs(&sandbox), [3]);
    fs::remove_file(image(&sandbox, 1)).unwrap();
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

/// The script that is on the discs restores a set with recovery discs among them.
#[test]
fn restore_sh_passes_recovery_discs_over() {
    let sandbox = source_for(2);
    sandbox.backup("films", &["--parity-discs", "1/2"]).ok();
    let dirs: Vec<String> = (1..=3).map(|number| text(&unpacked(&sandbox, number))).collect();
    let run = sandbox.bash(&format!("bash disc1/restore.sh target {}", dirs.join(" ")));
    let said = run.ok().stdout() + &run.stderr();
    assert!(said.contains("is a recovery disc"), "{said}");
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["discs", "--json"]).ok().results()
}

fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
}

/// The groups as the catalog knows them: which discs are covered, and by which recovery disc.
fn groups(sandbox: &Sandbox) -> Vec<(Vec<u32>, u32)> {
    let with_covers = discs(sandbox).into_iter().map(|disc| {
        let number = disc["id"].as_u64().unwrap() as u32;
        (numbers(&disc["covers"]), number)
    });
    with_covers.filter(|(covers, _)| !covers.is_empty()).collect()
}

/// Takes every copy of a disc away.
fn lose(sandbox: &Sandbox, number: u32) {
    let line = format!("find shelf -name films-{number:04}.iso -print -delete");
    assert!(!sandbox.bash(&line).ok().stdout().is_empty());
}

#[test]
fn several_groups_of_one_run_cover_each_disc_once_however_many_copies_are_made() {
    let sandbox = source_for(5);
    sandbox.backup("films", &["--parity-discs", "1/2", "--copies", "2", "--flush"]).ok();
    let all = discs(&sandbox);
    assert!(all.iter().all(|disc| disc["copies"] == 2), "{all:?}");
    let groups = groups(&sandbox);
    assert!(groups.len() >= 3, "{groups:?}");
    assert!(groups.iter().all(|(covered, _)| covered.len() <= 2), "{groups:?}");
    let mut members: Vec<u32> = groups.iter().flat_map(|(covered, _)| covered.clone()).collect();
    members.extend(groups.iter().map(|(_, recovery)| recovery));
    members.sort();
    let every: Vec<u32> = (1..=all.len() as u32).collect();
    assert_eq!(members, every, "{groups:?}");
    // One disc of each group, of which one is a recovery disc.
    let mut lost: Vec<u32> = groups.iter().map(|(covered, _)| covered[0]).collect();
    lost[1] = groups[1].1;
    lost.iter().for_each(|&number| lose(&sandbox, number));
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

#[test]
fn where_more_is_lost_than_can_be_made_again_each_file_of_it_is_named() {
    let sandbox = source_for(3);
    sandbox.backup("films", &["--parity-discs", "1/3"]).ok();
    let (covered, _) = groups(&sandbox).remove(0);
    // The newest listing is on the last disc.
    covered[..2].iter().for_each(|&number| lose(&sandbox, number));
    let run = restore(&sandbox, "back");
    run.code(4).says("cannot be reconstructed: 2 discs of its group are missing");
    let source = fs::read_dir(sandbox.source()).unwrap().map(|entry| entry.unwrap().file_name());
    let (mut there, mut lost) = (0, 0);
    for name in source.map(|name| name.into_string().unwrap()) {
        let back = sandbox.path("back").join(&name);
        if back.exists() {
            assert!(fs::read(back).unwrap() == fs::read(sandbox.source().join(&name)).unwrap());
            there += 1;
        } else {
            run.says(&name);
            lost += 1;
        }
    }
    assert!(there > 0 && lost > 0, "{there} and {lost}");
}

#[test]
fn what_recovery_discs_are_good_for_is_told() {
    let sandbox = source_for(2);
    sandbox.backup("films", &["--parity-discs", "1/2", "--flush"]).ok();
    let groups = groups(&sandbox);
    let (covered, recovery) = &groups[0];
    assert_eq!((&covered[..], *recovery), (&[1, 2][..], 3));
    let words = "any one of discs 1-3 can be lost: recovery disc 3 can rebuild it";
    let status = sandbox.run(["status"]).ok().stdout();
    assert!(status.contains(words) && !status.contains("must not be lost"), "{status}");
    // Nothing is on it that standard tools could be tested with.
    assert!(!status.contains("not known to be readable"), "{status}");
    sandbox
        .run(["drill", &text(&sandbox.shelf())])
        .ok()
        .says("disc 3: a recovery disc, not tested");
    let run = sandbox.run(["lost", "2", "--yes"]);
    run.ok().says("`coldcut restore` rebuilds disc 2 from images of discs 1, 3");
    let status = sandbox.run(["status", "--json"]).code(3).results().pop().unwrap();
    let group = &status["groups"][0];
    assert_eq!((numbers(&group["lost"]), &group["may_lose"]), (vec![2], &Value::from(0)));
    assert!(!numbers(&status["may_lose"]).contains(&3), "{status}");
    lose(&sandbox, 2);
    restore(&sandbox, "back").ok().says("reconstructing disc 2 of films");
    let run = sandbox.run(["lost", "1", "--json", "--yes"]);
    assert_eq!(run.ok().objects().pop().unwrap()["made_again"], Value::from(Vec::<u32>::new()));
}

#[test]
fn a_recovery_disc_that_is_damaged_makes_a_set_unsafe() {
    let sandbox = source_for(2);
    sandbox.backup("films", &["--parity-discs", "1/2"]).ok();
    let recovery = image(&sandbox, 3);
    let mut bytes = fs::read(&recovery).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&recovery, bytes).unwrap();
    sandbox.run(["verify", &text(&sandbox.shelf())]).code(5);
    let said = sandbox.run(["status"]).code(3).stdout();
    for words in
        ["disc 3, a recovery disc for discs 1-2, has no", "no good copy of recovery disc 3"]
    {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_catalog_that_is_made_anew_knows_the_groups() {
    let sandbox = source_for(2);
    sandbox.backup("films", &["--parity-discs", "1/2", "--flush"]).ok();
    let before = groups(&sandbox);
    fs::remove_file(sandbox.catalog()).unwrap();
    sandbox.run(["catalog", "rebuild", &text(&sandbox.shelf())]).ok();
    assert_eq!(groups(&sandbox), before);
    assert!(!before.is_empty());
}

#[test]
fn a_recovery_disc_that_cannot_say_who_it_is_is_known_all_the_same() {
    let sandbox = source_for(2);
    sandbox.backup("films", &["--parity-discs", "1/2"]).ok();
    let recovery = image(&sandbox, 3);
    let mut bytes = fs::read(&recovery).unwrap();
    let at = bytes.windows(9).position(|window| window == b"format=2\n").unwrap();
    bytes[at..at + 100].fill(0);
    fs::write(&recovery, bytes).unwrap();
    lose(&sandbox, 1);
    restore(&sandbox, "back").ok().says("README.txt says which disc it is");
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

/// Where nothing waits, at once; where discs wait for a burner, when they are burned.
#[test]
fn flush_closes_the_group_in_work() {
    let sandbox = source_for(1);
    let shelf = text(&sandbox.shelf());
    sandbox.backup("films", &["--parity-discs", "1/5"]).ok();
    let data = sandbox.images().len() as u32;
    assert_eq!(groups(&sandbox), []);
    let run = sandbox.run(["flush"]);
    run.ok().says(&format!("Recovery disc {} is staged", data + 1));
    sandbox.run(["burn", &shelf]).ok();
    assert_eq!(recovery_discs(&sandbox), [data + 1]);
    sandbox.run(["flush"]).ok().says("Nothing is held back");

    fs::write(sandbox.source().join("more"), Random::new(77).bytes(900_000)).unwrap();
    sandbox.run(["backup", "--disc-size", "3M", "--name", "films", "--stage", "source"]).ok();
    sandbox.run(["flush"]).ok().says("when the staged discs are burned");
    sandbox.run(["burn", &shelf]).ok();
    assert_eq!(groups(&sandbox)[1], (vec![data + 2], data + 3));
    assert_eq!(recovery_discs(&sandbox), [data + 1, data + 3]);
    for number in [1, data + 2] {
        lose(&sandbox, number);
    }
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}
