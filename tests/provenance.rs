//! What a disc tells an archive of itself: true dates, identifiers where they belong, what people say of
//! the set, what was not stored, and how to make a bag of it.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::Sandbox;

/// What is in an image, with its times, as a person would mount it.
fn unpacked(sandbox: &Sandbox, image: &Path, name: &str) -> PathBuf {
    let image = image.display();
    let line = format!("xorriso -osirrox on -indev '{image}' -extract / {name} 2>/dev/null");
    sandbox.bash(&line).ok();
    sandbox.path(name)
}

/// The value of a key in DISC.txt; `None`: it is not there.
fn told(disc: &Path, key: &str) -> Option<String> {
    let text = fs::read_to_string(disc.join("DISC.txt")).unwrap();
    text.lines().find_map(|line| Some(line.strip_prefix(&format!("{key}="))?.to_owned()))
}

const SMALL: [&str; 3] = ["backup", "--disc-size", "3M"];

#[test]
fn dates_are_true_and_identifiers_are_where_they_belong() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    sandbox.run(SMALL.iter().chain(&["source", "shelf"])).ok();
    let image = sandbox.images()[0].clone();
    let disc = unpacked(&sandbox, &image, "disc");
    let bytes = fs::read(&image).unwrap();
    // The primary volume descriptor, and Joliet's.
    let text = |sector: usize, at: usize, length: usize| {
        String::from_utf8_lossy(&bytes[sector * 2048 + at..][..length]).into_owned()
    };
    let date = told(&disc, "date").unwrap();
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    for dates in [813, 830] {
        for sector in [16, 17] {
            assert_eq!(text(sector, dates, 17), format!("{digits}00\0"), "{sector}: {dates}");
        }
    }
    let upper = |key| told(&disc, key).unwrap().to_ascii_uppercase();
    assert_eq!(text(16, 190, 128).trim(), upper("set_uuid").replace('-', "_"));
    assert_eq!(text(16, 574, 128).trim(), format!("COLDCUT DISC {}", upper("disc_uuid")));
    let times = "find disc -mindepth 1 -printf '%TY-%Tm-%TdT%TH:%TM:%TSZ\\n' | sort -u";
    let times = sandbox.bash(&format!("TZ=UTC; export TZ; {times}")).ok().stdout();
    assert_eq!(times.trim().replace(".0000000000", ""), date);
}

#[test]
fn what_people_say_of_a_set_is_on_its_discs_in_clear() {
    let sandbox = Sandbox::new();
    sandbox.passphrase_file(b"correct horse");
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    let encrypted = ["--encrypt", "--passphrase-file", "passphrase", "--hint", "the comic"];
    let said = [
        "--title",
        "Sommer in Überlingen",
        "--description=Two lines:\nthis one",
        "--contact",
        "ann@example.org",
        "--rights",
        "The family's",
    ];
    sandbox.run(SMALL.iter().chain(&encrypted).chain(&said).chain(&["source", "shelf"])).ok();
    let first = unpacked(&sandbox, &sandbox.images()[0], "first");
    let wanted = [
        ("title", Some("Sommer in \\xC3\\x9Cberlingen")),
        ("description", Some("Two lines:\\nthis one")),
        ("contact", Some("ann@example.org")),
        ("rights", Some("The family's")),
        ("hint", None),
        ("digest", Some("sha256")),
    ];
    for (key, value) in wanted {
        assert_eq!(told(&first, key).as_deref(), value, "{key}");
    }
    let readme = fs::read_to_string(first.join("README.txt")).unwrap();
    assert!(readme.contains(&fs::read_to_string(first.join("DISC.txt")).unwrap()), "{readme}");
    // The set keeps it, until it is said otherwise.
    fs::write(sandbox.source().join("second"), "dear b\n").unwrap();
    let keys = &encrypted[1..3];
    let change = ["--hint-in-clear", "yes", "--rights", ""];
    sandbox.run(SMALL.iter().chain(keys).chain(&change).chain(&["source", "shelf"])).ok();
    let second = unpacked(&sandbox, &sandbox.images()[1], "second");
    assert_eq!(told(&second, "title").as_deref(), Some("Sommer in \\xC3\\x9Cberlingen"));
    assert_eq!(told(&second, "hint").as_deref(), Some("the comic"));
    assert_eq!(told(&second, "rights"), None);
}

/// A listing of a disc, in clear.
fn listing(disc: &Path, sandbox: &Sandbox) -> String {
    sandbox.bash(&format!("bzip2 -dc '{}/SNAPSHOT.tsv.bz2'", disc.display())).ok().stdout()
}

/// A file that this user cannot read, as root has to be somebody else for.
#[test]
fn what_could_not_be_read_is_named_on_the_disc() {
    let sandbox = Sandbox::new();
    let user = if nix::unistd::Uid::effective().is_root() {
        "setpriv --reuid=65534 --regid=65534 --clear-groups"
    } else {
        ""
    };
    sandbox
        .bash(&format!(
            "echo kept >source/kept; echo closed >source/closed; cp {} coldcut
             chmod 755 . coldcut; [ -z '{user}' ] || chown -R 65534:65534 .; chmod 0 source/closed
             export COLDCUT_CATALOG=$PWD/home/c COLDCUT_STAGING=$PWD/home/s
             [ -z '{user}' ] || chown 0:0 source/closed
             {user} ./coldcut backup --disc-size 3M --exclude-caches source shelf || [ $? = 3 ]",
            env!("CARGO_BIN_EXE_coldcut")
        ))
        .ok();
    let disc = unpacked(&sandbox, &sandbox.images()[0], "disc");
    let text = listing(&disc, &sandbox);
    let skipped: Vec<&str> = text.lines().filter(|line| line.starts_with("#skipped")).collect();
    assert_eq!(skipped.len(), 1, "{text}");
    assert!(skipped[0].starts_with("#skipped\tclosed\t"), "{skipped:?}");
    assert!(skipped[0].contains("Permission denied"), "{skipped:?}");
    for line in ["#charset\tUTF-8", "#option\texclude-caches\tyes", "#digest\tsha256"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

/// As FORMAT.txt describes it (section 14): complete, and valid (RFC 8493, section 3).
#[test]
fn a_bag_is_made_of_a_disc() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    sandbox.run(SMALL.iter().chain(&["--title", "Letters", "source", "shelf"])).ok();
    unpacked(&sandbox, &sandbox.images()[0], "disc");
    let format = fs::read_to_string(sandbox.path("disc/FORMAT.txt")).unwrap();
    let (_, below) = format.split_once("*BagIt (RFC 8493).*").unwrap();
    let steps = below.split("```").nth(1).unwrap();
    let steps = steps.replace("/media/cdrom", &sandbox.path("disc").display().to_string());
    sandbox.bash(&format!("mkdir bag; cd bag; {steps}")).ok();
    sandbox.bash("cd bag && sha256sum -c --quiet manifest-sha256.txt").ok();
    let listed = "cut -c67- manifest-sha256.txt | sort >../listed";
    let there = "find data -type f | sort | diff - ../listed";
    sandbox.bash(&format!("cd bag && {listed} && {there}")).ok();
    let declaration = fs::read_to_string(sandbox.path("bag/bagit.txt")).unwrap();
    assert_eq!(declaration, "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    let info = fs::read_to_string(sandbox.path("bag/bag-info.txt")).unwrap();
    let date = told(&sandbox.path("disc"), "date").unwrap();
    let uuid = told(&sandbox.path("disc"), "disc_uuid").unwrap();
    for line in [
        "External-Description: Letters".to_owned(),
        format!("External-Identifier: {uuid}"),
        format!("Bagging-Date: {}", &date[..10]),
        "Bag-Count: 1 of ?".to_owned(),
    ] {
        assert!(info.lines().any(|found| found == line), "{line}: {info}");
    }
}
