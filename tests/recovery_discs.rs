//! Recovery discs: a whole disc is lost, and comes back from the others of its group; by coldcut,
//! and by hand with the real par2.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree};

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A source for so many discs of 3 MB, the last one part-filled.
fn source_for(discs: u64) -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..discs * 5 - 2 {
        let bytes = Random::new(n).bytes(500_000);
        fs::write(sandbox.source().join(format!("film{n:02}")), bytes).unwrap();
    }
    sandbox
}

fn backup(sandbox: &Sandbox, more: &[&str]) -> Run {
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let common = ["backup", "--disc-size", "3M", "--name", "films"];
    sandbox.run(common.iter().chain(more).copied().chain([source.as_str(), shelf.as_str()]))
}

fn restore(sandbox: &Sandbox, target: &str) -> Run {
    let catalog = text(&sandbox.path("none"));
    let (shelf, target) = (text(&sandbox.shelf()), text(&sandbox.path(target)));
    sandbox.run(["restore", "--catalog", &catalog, &shelf, &target])
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
    backup(&sandbox, &["--parity-discs", "2/3"]).ok();
    assert_eq!(recovery_discs(&sandbox), [4, 5]);
    sandbox.run(["verify", &text(&sandbox.shelf())]).ok();
    let images = sandbox.images();
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
        restore(&sandbox, &target).ok().says("made again from the discs of its group");
        assert_same_tree(&sandbox.source(), &sandbox.path(&target));
        for number in lost {
            fs::rename(away.join(number.to_string()), image(&sandbox, number)).unwrap();
        }
    }
    for number in [1, 2, 5] {
        fs::remove_file(image(&sandbox, number)).unwrap();
    }
    let run = restore(&sandbox, "too much");
    run.code(4).says("2 discs of its group are not here, and 1 of its recovery discs are");
    let scratch = fs::read_dir(sandbox.staging().join("scratch")).unwrap();
    assert_eq!(scratch.count(), 0);
}

#[test]
fn a_lost_disc_is_made_again_by_hand_as_the_readme_says() {
    let sandbox = source_for(2);
    let secret = text(&sandbox.passphrase_file(b"horse"));
    let keys = ["--encrypt", "--passphrase-file", &secret];
    backup(&sandbox, &["--parity-discs", "1/2", keys[0], keys[1], keys[2]]).ok();
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
    backup(&sandbox, &["--parity-discs", "1/3"]).ok();
    assert_eq!(recovery_discs(&sandbox), [0; 0]);
    fs::write(sandbox.source().join("more"), Random::new(77).bytes(900_000)).unwrap();
    backup(&sandbox, &["--flush"]).ok();
    assert_eq!(recovery_discs(&sandbox), [3]);
    let disc_txt = fs::read_to_string(unpacked(&sandbox, 3).join("DISC.txt")).unwrap();
    assert!(disc_txt.contains("\ngroup=1 2\nmember=1/1\n"), "{disc_txt}");
    fs::write(sandbox.source().join("third"), Random::new(78).bytes(900_000)).unwrap();
    backup(&sandbox, &["--parity-discs", "none"]).ok();
    assert_eq!(recovery_discs(&sandbox), [3]);
    fs::remove_file(image(&sandbox, 1)).unwrap();
    restore(&sandbox, "back").ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

/// The script that is on the discs restores a set with recovery discs among them.
#[test]
fn restore_sh_passes_recovery_discs_over() {
    let sandbox = source_for(2);
    backup(&sandbox, &["--parity-discs", "1/2"]).ok();
    let dirs: Vec<String> = (1..=3).map(|number| text(&unpacked(&sandbox, number))).collect();
    let run = sandbox.bash(&format!("bash disc1/restore.sh target {}", dirs.join(" ")));
    let said = run.ok().stdout() + &run.stderr();
    assert!(said.contains("is a recovery disc"), "{said}");
    assert_same_tree(&sandbox.source(), &sandbox.target());
}
