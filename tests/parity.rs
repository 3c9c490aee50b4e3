//! Recovery data on real images, with the real par2: made, filled in, and used by hand.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree, text};

const SECTOR: u64 = 2048;

/// A source for two discs of 12 MB: films that fill, and small files that compress.
fn two_discs() -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..14 {
        let bytes = Random::new(n).bytes(1_100_000);
        fs::write(sandbox.source().join(format!("film{n}")), bytes).unwrap();
    }
    for n in 0..300_u64 {
        let line = format!("line {n} of many, {}\n", n * n);
        fs::write(sandbox.source().join(format!("note{n:03}")), line.repeat(60)).unwrap();
    }
    sandbox
}

fn backup(sandbox: &Sandbox, more: &[&str]) -> Run {
    let (source, shelf) = (text(&sandbox.source()), text(&sandbox.shelf()));
    let common = ["backup", "--disc-size", "12M", "--archive-size", "3M", "--name", "films"];
    sandbox.run(common.iter().chain(more).copied().chain([source.as_str(), shelf.as_str()]))
}

/// What is in an image, put into a folder as a person would mount it; what cannot be read is cut.
fn unpacked(sandbox: &Sandbox, image: &Path, name: &str) -> PathBuf {
    let dir = sandbox.path(name);
    let words = format!(
        "xorriso -osirrox on -indev '{}' -extract / '{}' 2>/dev/null; chmod -R u+w '{}'",
        image.display(),
        dir.display(),
        dir.display()
    );
    sandbox.bash(&words).ok();
    dir
}

/// Where a file is in an image: its first sector and its size.
fn place(sandbox: &Sandbox, image: &Path, path: &str) -> (u64, u64) {
    let line = format!(
        "xorriso -indev '{}' -find /{path} -exec report_lba -- 2>/dev/null | tail -n 1",
        image.display()
    );
    let out = sandbox.bash(&line).ok().stdout();
    let numbers: Vec<u64> =
        out.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    (numbers[1], numbers[3])
}

fn zero(image: &Path, sector: u64, sectors: u64) {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).open(image).unwrap();
    file.write_all_at(&vec![0; (sectors * SECTOR) as usize], sector * SECTOR).unwrap();
}

/// The paragraph of a disc's README.txt below a heading, its commands only.
fn commands(dir: &Path, heading: &str, disc: &str) -> String {
    let readme = fs::read_to_string(dir.join("README.txt")).unwrap();
    let (_, below) = readme.split_once(&format!("{heading}\n---")).unwrap();
    let lines: Vec<&str> = below.lines().filter(|line| line.starts_with("  ")).collect();
    lines.join("\n").replace("/media/cdrom", disc)
}

#[test]
fn every_disc_carries_recovery_data_that_par2_verifies() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "10"]).ok();
    let images = sandbox.images();
    assert_eq!(images.len(), 2);
    let capacity = 12 << 20;
    let full = fs::metadata(&images[0]).unwrap().len();
    assert!(full <= capacity && full * 100 >= capacity * 97, "{full} of {capacity}");
    for (n, image) in images.iter().enumerate() {
        let dir = unpacked(&sandbox, image, &format!("disc{n}"));
        sandbox.bash(&format!("cd {} && sha256sum --quiet -c SHA256SUMS", text(&dir))).ok();
        let verified = sandbox
            .bash(&format!("cd {} && par2 verify -B \"$PWD/\" parity/disc.par2", text(&dir)));
        let said = verified.ok().stdout();
        let files = ["DISC.txt", "README.txt", "FORMAT.txt", "restore.sh", "INDEX.tsv.bz2"];
        for file in files {
            assert!(said.contains(&format!("\"{file}\" - found")), "{file}: {said}");
        }
        assert!(!said.contains("SHA256SUMS"), "{said}");
        assert!(said.contains("\"archives/"), "{said}");
        let disc_txt = fs::read_to_string(dir.join("DISC.txt")).unwrap();
        assert!(disc_txt.contains("parity=10\n"), "{disc_txt}");
        // Recovery data is at the end of the disc, the listings are at its beginning.
        let archive = fs::read_dir(dir.join("archives")).unwrap().next().unwrap().unwrap();
        let archive = format!("archives/{}", archive.file_name().to_str().unwrap());
        let at = |path: &str| place(&sandbox, image, path).0;
        assert!(at("parity/disc.par2") > at(&archive));
        assert!(at(&archive) > at("INDEX.tsv.bz2"));
    }
    sandbox.run(["verify", &text(&sandbox.shelf())]).ok();
    // The set keeps the number.
    fs::write(sandbox.source().join("new"), Random::new(99).bytes(300_000)).unwrap();
    backup(&sandbox, &[]).ok();
    let dir = unpacked(&sandbox, &sandbox.images()[2], "third");
    assert!(dir.join("parity/disc.par2").exists());
    fs::write(sandbox.source().join("newer"), Random::new(98).bytes(300_000)).unwrap();
    backup(&sandbox, &["--parity", "0"]).ok();
    let dir = unpacked(&sandbox, &sandbox.images()[3], "fourth");
    assert!(!dir.join("parity").exists());
}

/// 10 % of about 170 blocks: 17 of them, wherever they lie.
#[test]
fn a_damaged_disc_is_repaired_by_hand_as_its_readme_says() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "10"]).ok();
    let image = sandbox.images()[0].clone();
    let whole = unpacked(&sandbox, &image, "whole");
    let headless = sandbox.path("headless.iso");
    fs::copy(&image, &headless).unwrap();
    let mut hurt = 0;
    for archive in fs::read_dir(whole.join("archives")).unwrap() {
        let name = archive.unwrap().file_name();
        let (start, size) =
            place(&sandbox, &image, &format!("archives/{}", name.to_str().unwrap()));
        zero(&image, start + size / SECTOR / 2, 16);
        hurt += 1;
    }
    for path in ["DISC.txt", "INDEX.tsv.bz2", "parity/disc.par2"] {
        zero(&image, place(&sandbox, &image, path).0, 1);
    }
    assert!(hurt >= 3);
    let damaged = unpacked(&sandbox, &image, "damaged");
    sandbox.bash("cd damaged && ! sha256sum --status -c SHA256SUMS").ok();
    fs::create_dir(sandbox.path("repaired")).unwrap();
    let steps = commands(&whole, "Repairing this disc", &text(&damaged));
    let (by_files, by_image) = steps.split_once("  ln -s").unwrap();
    sandbox.bash(&format!("cd repaired\n{by_files}")).ok();
    let check = "grep -v parity/ ../whole/SHA256SUMS | sha256sum --quiet -c";
    sandbox.bash(&format!("cd repaired && {check}")).ok();
    // Where the directory is lost nothing but the image is left.
    zero(&headless, 16, 16);
    zero(&headless, 3_000, 32);
    fs::create_dir(sandbox.path("found")).unwrap();
    fs::rename(&headless, sandbox.path("found/disc.iso")).unwrap();
    sandbox.bash(&format!("cd found\n  ln -s{by_image}")).ok();
    sandbox.bash(&format!("cd found && {check}")).ok();
    // What was repaired is a disc again.
    fs::remove_file(&image).unwrap();
    let second = text(&unpacked(&sandbox, &sandbox.images()[0], "second"));
    let line = format!("bash repaired/restore.sh target repaired {second}");
    sandbox.bash(&line).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

/// What `par2 repair` makes of an image alone.
struct ImageAlone {
    run: Run,
    block: u64,
    lost: u64,
    recovery: u64,
}

impl ImageAlone {
    fn repair(sandbox: &Sandbox, image: &Path, name: &str) -> ImageAlone {
        let steps = r#"ln -s disc.iso disc.par2; par2 repair -B "$PWD/" disc.par2 disc.iso"#;
        let image = image.display();
        let run = sandbox
            .bash(&format!("mkdir {name}; cp '{image}' {name}/disc.iso; cd {name}; {steps}"));
        let said = run.stdout();
        let number = |front: &str| -> Vec<u64> {
            let line = said.lines().find(|line| line.starts_with(front)).unwrap_or_default();
            line.split(' ').filter_map(|word| word.parse().ok()).collect()
        };
        // "You have 60 out of 62 data blocks available."
        let data = said.lines().find(|line| line.contains("data blocks available")).unwrap();
        let data: Vec<u64> = data.split(' ').filter_map(|word| word.parse().ok()).collect();
        let recovery =
            said.lines().find(|line| line.contains("recovery blocks available")).unwrap();
        let recovery = recovery.split(' ').find_map(|word| word.parse().ok()).unwrap();
        let block = number("The block size used was")[0];
        ImageAlone { run, block, lost: data[1] - data[0], recovery }
    }
}

/// A file of a disc that recovery data covers, with its size.
type Covered = (String, u64);

fn covered(disc: &Path) -> Vec<Covered> {
    let sums = fs::read_to_string(disc.join("SHA256SUMS")).unwrap();
    let paths = sums.lines().map(|line| line[66..].to_owned());
    let paths = paths.filter(|path| !path.starts_with("parity/"));
    paths.map(|path| (path.clone(), fs::metadata(disc.join(path)).unwrap().len())).collect()
}

/// Of these, each loses its block where nothing but the image is left (format 12), if it is not
/// zeros that follow it there.
fn shorter_than_a_block(sandbox: &Sandbox, image: &Path, files: &[Covered], block: u64) -> u64 {
    let bytes = fs::read(image).unwrap();
    let is_lost = |(path, size): &&Covered| {
        let at = (place(sandbox, image, path).0 * SECTOR) as usize;
        *size < block && bytes[at..at + block as usize][*size as usize..].iter().any(|&b| b != 0)
    };
    files.iter().filter(is_lost).count() as u64
}

/// As many blocks may be damaged as there are recovery blocks more than files.
#[test]
fn an_image_without_its_directory_is_repaired_as_far_as_the_page_says() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "50"]).ok();
    let image = sandbox.images()[0].clone();
    let whole = unpacked(&sandbox, &image, "whole");
    let files = covered(&whole);
    let check = "grep -v parity/ ../whole/SHA256SUMS | sha256sum --quiet -c";
    let sound = ImageAlone::repair(&sandbox, &image, "sound");
    sound.run.ok();
    sandbox.bash(&format!("cd sound && {check}")).ok();
    assert_eq!(sound.lost, shorter_than_a_block(&sandbox, &image, &files, sound.block));
    assert!(sound.recovery > sound.lost + 5, "{}", sound.run.story());

    // The last whole block of an archive takes what is after it along.
    let archives = files.iter().filter(|(path, _)| path.starts_with("archives/"));
    let mut whole_blocks: Vec<Vec<u64>> = archives
        .filter(|(_, size)| size % sound.block != 0)
        .map(|(path, size)| {
            let (first, _) = place(&sandbox, &image, path);
            (0..size / sound.block).map(|n| first + n * sound.block / SECTOR).collect()
        })
        .collect();
    let last: Vec<u64> = whole_blocks.iter_mut().filter_map(Vec::pop).collect();
    let mut others = whole_blocks.into_iter().flatten();
    zero(&image, last[0] + 3, 1);
    let spare = sound.recovery - sound.lost;
    (2..spare).for_each(|_| zero(&image, others.next().unwrap() + 3, 1));
    let damaged = ImageAlone::repair(&sandbox, &image, "damaged");
    damaged.run.ok();
    sandbox.bash(&format!("cd damaged && {check}")).ok();
    assert_eq!((damaged.lost, damaged.recovery), (sound.recovery, sound.recovery));

    zero(&image, others.next().unwrap() + 3, 1);
    let beyond = ImageAlone::repair(&sandbox, &image, "beyond");
    assert!(beyond.run.code(2).stdout().contains("You need 1 more recovery blocks"));
}

/// Its files are repaired where the directory is there, and not from the image alone.
#[test]
fn a_small_disc_with_many_files_is_repaired_by_its_directory_only() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("film"), Random::new(1).bytes(2_500_000)).unwrap();
    let words = ["backup", "--disc-size", "4M", "--archive-size", "1M", "--name", "films"];
    sandbox.run(words.iter().chain(&["--parity", "10", "source", "shelf"])).ok();
    let image = sandbox.images()[0].clone();
    let whole = unpacked(&sandbox, &image, "whole");
    let files = covered(&whole);
    let alone = ImageAlone::repair(&sandbox, &image, "alone");
    let lost = shorter_than_a_block(&sandbox, &image, &files, alone.block);
    assert_eq!(alone.lost, lost, "{}", alone.run.story());
    assert!(alone.recovery < alone.lost, "{}", alone.run.story());
    let lacks = format!("You need {} more recovery blocks", alone.lost - alone.recovery);
    assert!(alone.run.code(2).stdout().contains(&lacks), "{}", alone.run.story());

    let (first, _) = place(&sandbox, &image, "README.txt");
    zero(&image, first, 1);
    unpacked(&sandbox, &image, "damaged");
    let by_files = "cd damaged && ! par2 verify -q -B \"$PWD/\" parity/disc.par2 >/dev/null &&
        par2 repair -q -B \"$PWD/\" parity/disc.par2 && sha256sum --quiet -c SHA256SUMS";
    sandbox.bash(by_files).ok();
}

/// A disc that waits for more was filled without room for recovery data: it gets what fits.
#[test]
fn a_disc_begun_without_recovery_data_gets_as_much_as_it_has_room_for() {
    let sandbox = Sandbox::new();
    for n in 0..10 {
        let bytes = Random::new(n).bytes(1_000_000);
        fs::write(sandbox.source().join(format!("film{n}")), bytes).unwrap();
    }
    backup(&sandbox, &["--min-fill", "95"]).ok();
    assert!(sandbox.images().is_empty());
    backup(&sandbox, &["--parity", "50"]).ok();
    let images = sandbox.images();
    assert_eq!(images.len(), 1);
    assert!(fs::metadata(&images[0]).unwrap().len() <= 12 << 20);
    let dir = unpacked(&sandbox, &images[0], "disc");
    let disc_txt = fs::read_to_string(dir.join("DISC.txt")).unwrap();
    let percent = disc_txt.lines().find_map(|line| line.strip_prefix("parity=")).unwrap();
    let percent: u32 = percent.parse().unwrap();
    assert!((10..30).contains(&percent), "{percent}");
    assert!(fs::read_to_string(dir.join("README.txt")).unwrap().contains(&format!("{percent} %")));
    damage(&sandbox, &images[0], &[]);
    restore(&sandbox, &[]).ok().says("disc 1 of films is repaired");
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn without_par2_nothing_is_begun() {
    let mut sandbox = two_discs();
    let tools = sandbox.path("bin");
    fs::create_dir(&tools).unwrap();
    let xorriso = sandbox.bash("command -v xorriso").ok().stdout();
    std::os::unix::fs::symlink(xorriso.trim(), tools.join("xorriso")).unwrap();
    sandbox.set("PATH", &tools);
    // Nor are a drill's tools.
    for wish in [["--no-drill", "--parity", "10"], ["--no-drill", "--parity-discs", "1/2"]] {
        backup(&sandbox, &wish).code(1).says("apt install par2");
        assert!(sandbox.images().is_empty() && !sandbox.catalog().exists());
    }
    backup(&sandbox, &["--no-drill"]).ok();
}

/// Zeros a cluster in the middle of each archive, and a sector of other files.
fn damage(sandbox: &Sandbox, image: &Path, others: &[&str]) {
    let line = format!("xorriso -indev '{}' -find /archives -type f 2>/dev/null", image.display());
    let found = sandbox.bash(&line).ok().stdout();
    let archives: Vec<&str> =
        found.split('\'').filter(|path| path.starts_with("/archives")).collect();
    assert!(archives.len() >= 3, "{found}");
    for path in archives {
        let (start, size) = place(sandbox, image, &path[1..]);
        zero(image, start + size / SECTOR / 2, 16);
    }
    for path in others {
        let (start, size) = place(sandbox, image, path);
        zero(image, start, size.div_ceil(SECTOR));
    }
}

fn restore(sandbox: &Sandbox, more: &[&str]) -> Run {
    let (shelf, target) = (text(&sandbox.shelf()), text(&sandbox.target()));
    // The discs alone must do.
    let catalog = text(&sandbox.path("none"));
    let common = ["restore", "--catalog", &catalog];
    sandbox.run(common.iter().chain(more).copied().chain([shelf.as_str(), target.as_str()]))
}

fn scratch_is_empty(sandbox: &Sandbox) -> bool {
    let entries = fs::read_dir(sandbox.staging().join("scratch")).unwrap();
    entries.flatten().all(|entry| !entry.file_name().to_string_lossy().contains("mended"))
}

#[test]
fn a_damaged_disc_is_restored_from_its_recovery_data() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "10"]).ok();
    let image = &sandbox.images()[0];
    damage(&sandbox, image, &["INDEX.tsv.bz2"]);
    let shelf = text(&sandbox.shelf());
    sandbox
        .run(["verify", &shelf])
        .code(5)
        .says("DAMAGED")
        .says("is damaged: repairable from its recovery data: ");
    let json = sandbox.run(["verify", "--json", &shelf]).code(5).objects();
    assert_eq!(json.last().unwrap()["discs"][0]["repairable"], true);
    assert!(json.last().unwrap()["discs"][1]["repairable"].is_null());
    restore(&sandbox, &[]).ok().says("disc 1 of films is repaired");
    assert_same_tree(&sandbox.source(), &sandbox.target());
    assert!(scratch_is_empty(&sandbox));
}

#[test]
fn an_encrypted_disc_with_unreadable_sectors_is_restored_from_its_recovery_data() {
    let sandbox = two_discs();
    let secret = text(&sandbox.passphrase_file(b"horse"));
    let keys = ["--encrypt", "--passphrase-file", &secret];
    backup(&sandbox, &["--parity", "8", keys[0], keys[1], keys[2]]).ok();
    let image = &sandbox.images()[1];
    // The newest listing is on the second disc.
    zero(image, place(&sandbox, image, "SNAPSHOT.tsv.bz2.gpg").0, 1);
    fs::write(sandbox.shelf().join(".shelf.toml"), "read_error = [2, 700, 40]\n").unwrap();
    restore(&sandbox, &keys[1..]).ok().says("disc 2 of films is repaired");
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn a_disc_that_cannot_say_who_it_is_gets_its_name_from_its_recovery_data() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "10"]).ok();
    damage(&sandbox, &sandbox.images()[0], &["DISC.txt", "README.txt"]);
    sandbox.run(["verify", &text(&sandbox.shelf())]).code(5);
    restore(&sandbox, &[]).ok().says("films-0001.iso is repaired");
    assert_same_tree(&sandbox.source(), &sandbox.target());
    assert!(scratch_is_empty(&sandbox));
}

fn paths(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    sandbox.run(["find", "*", "--json"]).ok().results()
}

fn rebuild(sandbox: &Sandbox, from: &Path) -> Run {
    sandbox.run(["catalog", "rebuild", "--replace", &text(from)])
}

/// Every listing of every disc is damaged, and one disc cannot say who it is.
#[test]
fn a_catalog_is_made_anew_from_damaged_discs_with_recovery_data() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "20"]).ok();
    let before = paths(&sandbox);
    assert_eq!(before.len(), 314);
    let names = ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "catalog.sqlite.bz2"];
    for image in sandbox.images() {
        names.iter().for_each(|name| zero(&image, place(&sandbox, &image, name).0, 1));
    }
    damage(&sandbox, &sandbox.images()[1], &["DISC.txt", "README.txt"]);
    fs::remove_file(sandbox.catalog()).unwrap();
    let run = rebuild(&sandbox, &sandbox.shelf());
    run.ok().says("films-0002.iso is repaired");
    assert!(paths(&sandbox) == before);
    assert!(scratch_is_empty(&sandbox));
    sandbox.run(["restore", &text(&sandbox.shelf()), &text(&sandbox.target())]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

/// Catalog and listing are too large for the disc in the middle, and it is alone.
#[test]
fn a_disc_that_has_an_index_alone_and_a_damaged_one_is_repaired_for_a_rebuild() {
    let sandbox = two_discs();
    for n in 0..4_000_u64 {
        let name: String =
            Random::new(n).bytes(120).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(sandbox.source().join(name), n.to_string()).unwrap();
    }
    backup(&sandbox, &["--parity", "30"]).ok();
    let image = &sandbox.images()[1];
    let disc_txt = fs::read_to_string(unpacked(&sandbox, image, "one").join("DISC.txt")).unwrap();
    assert!(disc_txt.contains("\nparity=30\nlistings=INDEX\n"), "{disc_txt}");
    rebuild(&sandbox, image);
    let sound = paths(&sandbox);
    assert!(sound.len() > 10, "{}", sound.len());
    zero(image, place(&sandbox, image, "INDEX.tsv.bz2").0, 1);
    rebuild(&sandbox, image).says("disc 2 of films is repaired");
    assert!(paths(&sandbox) == sound);
    assert!(scratch_is_empty(&sandbox));
}

#[test]
fn two_damaged_copies_of_a_disc_make_a_whole_one() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "10"]).ok();
    let image = sandbox.images()[0].clone();
    let copy = sandbox.shelf().join("copies/films-0001.iso");
    fs::create_dir(copy.parent().unwrap()).unwrap();
    fs::copy(&image, &copy).unwrap();
    damage(&sandbox, &image, &[]);
    damage(&sandbox, &copy, &["INDEX.tsv.bz2"]);
    restore(&sandbox, &[]).ok().says("disc 1 of films is repaired");
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn beyond_its_recovery_data_a_disc_loses_what_is_named_and_nothing_else() {
    let sandbox = two_discs();
    backup(&sandbox, &["--parity", "2"]).ok();
    let image = &sandbox.images()[0];
    damage(&sandbox, image, &[]);
    sandbox.run(["verify", &text(&sandbox.shelf())]).code(5).says("NOT repairable");
    let run = restore(&sandbox, &[]);
    run.code(3).says("disc 1 of films cannot be repaired: more is lost");
    let told = run.stderr();
    let mut lost = 0;
    for entry in fs::read_dir(sandbox.source()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let back = sandbox.target().join(&name);
        if told.contains(&format!("{name}: ")) {
            lost += 1;
            assert!(!back.exists(), "{name}");
        } else {
            assert!(fs::read(entry.path()).unwrap() == fs::read(back).unwrap(), "{name}");
        }
    }
    assert!((1..20).contains(&lost), "{lost}");
}

#[test]
fn a_restore_without_par2_says_what_to_install_and_restores_the_rest() {
    let mut sandbox = two_discs();
    backup(&sandbox, &["--parity", "10"]).ok();
    damage(&sandbox, &sandbox.images()[0], &[]);
    let tools = sandbox.path("bin");
    fs::create_dir(&tools).unwrap();
    let xorriso = sandbox.bash("command -v xorriso").ok().stdout();
    std::os::unix::fs::symlink(xorriso.trim(), tools.join("xorriso")).unwrap();
    sandbox.set("PATH", &tools);
    restore(&sandbox, &[]).code(3).says("apt install par2").says("film");
}
