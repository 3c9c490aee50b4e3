//! Runs each night: what is packed and not burned is filled up, so that nights cost no discs.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::trees::Random;
use support::{Run, Sandbox, assert_same_tree};

fn run(sandbox: &Sandbox, line: &str) -> Run {
    sandbox.run(line.split_whitespace())
}

/// A night's run, with so many bytes more than the last.
fn night(sandbox: &Sandbox, name: &str, bytes: usize, options: &str) -> Run {
    let seed = name.bytes().map(u64::from).sum();
    fs::write(sandbox.source().join(name), Random::new(seed).bytes(bytes)).unwrap();
    run(sandbox, &format!("backup --stage --disc-size 4M --name films {options} source"))
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    run(sandbox, "discs --json --name films").ok().results()
}

fn states(sandbox: &Sandbox) -> Vec<String> {
    discs(sandbox).iter().map(|disc| disc["state"].as_str().unwrap().to_owned()).collect()
}

/// What is burned is whole, and every file comes back without a catalog.
fn comes_back(sandbox: &Sandbox, keys: &str) {
    run(sandbox, "burn --name films shelf").ok();
    run(sandbox, &format!("verify --name films shelf {keys}")).ok();
    run(sandbox, &format!("restore --catalog none {keys} shelf target")).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
    fs::remove_dir_all(sandbox.target()).unwrap();
    let left = sandbox.bash("find staging -type f").ok().stdout();
    assert_eq!(left, "", "what was burned leaves nothing");
}

/// Files of a staged disc that the catalog does not know.
fn strangers(sandbox: &Sandbox, disc: u32) -> Vec<String> {
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    let mut query = catalog.prepare("SELECT path FROM disc_files WHERE disc=?").unwrap();
    let known = query.query_map([disc], |row| row.get::<_, String>(0)).unwrap();
    let known: Vec<String> = known.map(Result::unwrap).collect();
    let line = format!("cd staging/films-*/{disc:04} && find . -type f");
    let found = sandbox.bash(&line).ok().stdout();
    let found = found.lines().map(|line| line.trim_start_matches("./").to_owned());
    found.filter(|path| !known.contains(path)).collect()
}

#[test]
fn four_nights_of_two_bytes_end_with_one_staged_disc() {
    let sandbox = Sandbox::new();
    for n in 1..=4 {
        night(&sandbox, &format!("night{n}"), 2, "").ok();
        assert_eq!(states(&sandbox), ["staged"], "night {n}");
        assert_eq!(strangers(&sandbox, 1), [""; 0]);
    }
    assert!(discs(&sandbox)[0]["drilled"].is_string(), "{:?}", discs(&sandbox));
    comes_back(&sandbox, "");
    assert_eq!(sandbox.images().len(), 1);
    for snapshot in 1..=4 {
        let line = format!("restore --catalog none --snapshot {snapshot} shelf night");
        run(&sandbox, &line).ok();
        assert_eq!(fs::read_dir(sandbox.path("night")).unwrap().count(), snapshot);
        fs::remove_dir_all(sandbox.path("night")).unwrap();
    }
}

#[test]
fn a_disc_is_filled_to_its_edge_and_then_another_is_begun() {
    let sandbox = Sandbox::new();
    for n in 0..6 {
        night(&sandbox, &format!("film{n}"), 900_000, "--parity 5").ok();
        assert_eq!(strangers(&sandbox, 1), [""; 0]);
    }
    assert_eq!(states(&sandbox), ["staged"; 2]);
    comes_back(&sandbox, "");
}

/// Listings alone make no disc, and with --flush they fill one up.
#[test]
fn rows_alone_fill_up_a_disc_only_when_they_are_to_be_flushed() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.source().join("stays")).unwrap();
    night(&sandbox, "one", 2, "").ok();
    let uuid = || discs(&sandbox)[0]["uuid"].clone();
    let first = uuid();
    fs::remove_file(sandbox.source().join("one")).unwrap();
    run(&sandbox, "backup --stage --name films source").ok();
    assert_eq!((uuid(), states(&sandbox).len()), (first.clone(), 1));
    run(&sandbox, "backup --stage --name films --flush source").ok();
    assert_ne!(uuid(), first);
    assert_eq!(states(&sandbox), ["staged"]);
    comes_back(&sandbox, "");
}

/// The disc's UUID is a fresh one each time that it is opened again.
fn uuid(sandbox: &Sandbox) -> Value {
    discs(sandbox).last().unwrap()["uuid"].clone()
}

/// `touch`, without a wait for the clock: another time, the same content.
fn touch_all(sandbox: &Sandbox, date: &str) {
    sandbox.bash(&format!("find source -type f -exec touch -d '{date}' {{}} +")).ok();
}

#[test]
fn files_that_were_only_touched_leave_the_disc_closed() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 900, "").ok();
    night(&sandbox, "other", 700, "").ok();
    let first = uuid(&sandbox);
    touch_all(&sandbox, "2020-02-02");
    run(&sandbox, "backup --stage --name films source").ok().says("stored: 2 paths, 0 B");
    assert_eq!((uuid(&sandbox), states(&sandbox).len()), (first.clone(), 1));
    // Nothing differs any more.
    run(&sandbox, "backup --stage --name films source").ok().says("unchanged: 3 paths");
    assert_eq!(uuid(&sandbox), first);
    // The new times go along with the next content, of a size that was met before, too.
    touch_all(&sandbox, "2021-01-01");
    night(&sandbox, "third", 900, "").ok();
    assert_ne!(uuid(&sandbox), first);
    assert_eq!(states(&sandbox), ["staged"]);
    comes_back(&sandbox, "");
    assert_eq!(sandbox.images().len(), 1);
}

#[test]
fn new_times_alone_fill_up_a_disc_when_they_are_to_be_flushed() {
    for flush in ["backup --stage --name films --flush source", "flush --name films"] {
        let sandbox = Sandbox::new();
        night(&sandbox, "one", 900, "").ok();
        let first = uuid(&sandbox);
        touch_all(&sandbox, "2020-02-02");
        if flush.starts_with("flush") {
            run(&sandbox, "backup --stage --name films source").ok();
        }
        run(&sandbox, flush).ok();
        assert_ne!(uuid(&sandbox), first, "{flush}");
        assert_eq!(states(&sandbox), ["staged"], "{flush}");
        comes_back(&sandbox, "");
    }
}

#[test]
fn a_disc_that_nothing_new_came_to_is_burned_as_it_is() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 900, "").ok();
    let first = uuid(&sandbox);
    touch_all(&sandbox, "2020-02-02");
    run(&sandbox, "backup --name films source shelf").ok();
    assert_eq!((uuid(&sandbox), states(&sandbox)), (first, vec!["verified".to_owned()]));
    run(&sandbox, "verify --name films shelf").ok();
}

/// `flush` has nothing new to pack: the listings alone go onto the disc that waits.
#[test]
fn a_flush_of_rows_fills_up_the_disc_that_waits() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.source().join("stays")).unwrap();
    night(&sandbox, "one", 2, "--parity 5").ok();
    fs::remove_file(sandbox.source().join("one")).unwrap();
    run(&sandbox, "backup --stage --name films source").ok();
    run(&sandbox, "flush --name films").ok().says("filling it first").says("Disc 1 is staged");
    assert_eq!(states(&sandbox), ["staged"]);
    assert_eq!(strangers(&sandbox, 1), [""; 0]);
    assert!(discs(&sandbox)[0]["drilled"].is_string(), "{:?}", discs(&sandbox));
    run(&sandbox, "flush --name films").ok().says("Nothing is held back");
    comes_back(&sandbox, "");
    // One that a burn was begun of takes no more.
    fs::write(sandbox.source().join("two"), "2").unwrap();
    run(&sandbox, "backup --stage --name films source").ok();
    with_a_burner(&sandbox, "exit 5", 1);
    fs::remove_file(sandbox.source().join("two")).unwrap();
    run(&sandbox, "backup --stage --name films source").ok();
    run(&sandbox, "flush --name films").ok().says("Disc 3 is staged");
}

#[test]
fn a_backup_onto_a_shelf_fills_up_what_waits_before_it_burns() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 2, "").ok();
    fs::write(sandbox.source().join("two"), "2").unwrap();
    run(&sandbox, "backup --name films source shelf").ok();
    assert_eq!(states(&sandbox), ["verified"]);
    comes_back(&sandbox, "");
    // With nothing new it is burned as it is.
    night(&sandbox, "three", 3, "").ok();
    run(&sandbox, "backup --name films source shelf").ok();
    assert_eq!(states(&sandbox), ["verified"; 2]);
}

/// `burn`, where the program that burns does this instead, and what the run ends with.
fn with_a_burner(sandbox: &Sandbox, instead: &str, code: u32) {
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!(
        "mkdir bin
         printf '#!/bin/sh\\ncase \"$*\" in */proc/self/fd/0*) {instead} ;; esac
         exec '$(which xorriso)' \"$@\"\\n' >bin/xorriso
         chmod +x bin/xorriso
         got=0; PATH=$PWD/bin:$PATH '{program}' burn --name films shelf || got=$?
         test $got = {code} || exit $got"
    );
    sandbox.bash(&line).ok();
}

/// Half of a burn may be on a medium, under the disc's name.
#[test]
fn a_disc_that_a_burn_was_begun_of_is_never_opened_again() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 2, "").ok();
    with_a_burner(&sandbox, "exit 5", 1);
    assert_eq!(states(&sandbox), ["failed"]);
    night(&sandbox, "two", 2, "").ok();
    assert_eq!(states(&sandbox), ["failed", "staged"]);
    comes_back(&sandbox, "");
}

/// Killed between the record and the burner: the record is what counts.
#[test]
fn nor_is_one_that_was_killed_just_before_its_burner_was_started() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 2, "").ok();
    with_a_burner(&sandbox, "kill -9 $PPID", 137);
    assert_eq!(states(&sandbox), ["staged"]);
    night(&sandbox, "two", 2, "").ok();
    assert_eq!(states(&sandbox), ["staged"; 2]);
    comes_back(&sandbox, "");
}

#[test]
fn a_disc_of_another_size_or_from_before_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 2, "").ok();
    fs::write(sandbox.source().join("two"), "2").unwrap();
    run(&sandbox, "backup --stage --disc-size 5M --name films source").ok();
    assert_eq!(states(&sandbox), ["staged"; 2]);
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    catalog.execute("UPDATE discs SET burn=0", []).unwrap();
    drop(catalog);
    fs::write(sandbox.source().join("three"), "3").unwrap();
    run(&sandbox, "backup --stage --name films source").ok();
    assert_eq!(states(&sandbox), ["staged"; 3]);
    comes_back(&sandbox, "");
}

#[test]
fn an_encrypted_disc_is_filled_up_with_its_passphrase() {
    let sandbox = Sandbox::new();
    sandbox.passphrase_file(b"horse");
    let keys = "--passphrase-file passphrase";
    for n in 1..=3 {
        let encrypt = if n == 1 { "--encrypt" } else { "" };
        night(&sandbox, &format!("hidden-night{n}"), 2, &format!("{keys} {encrypt}")).ok();
        let clear = sandbox.bash("grep -rl hidden-night staging || true").ok().stdout();
        assert_eq!(clear, "", "a name lies about in clear");
    }
    assert_eq!(states(&sandbox), ["staged"]);
    comes_back(&sandbox, keys);
}

/// Directories that hold rows of INDEX, in clear.
fn rows_in_clear(sandbox: &Sandbox) -> usize {
    let found = sandbox.bash("find staging -path '*/.rows/*'").ok().stdout();
    found.lines().count()
}

/// A certificate closes discs and opens none; a machine without the secret key fills them up all the
/// same. Once a burn was begun their rows are of no use.
#[test]
fn one_for_recipients_is_filled_up_without_the_secret_key() {
    let sandbox = Sandbox::with_recipient();
    night(&sandbox, "one", 2, "--recipient cert.asc").ok();
    night(&sandbox, "two", 2, "").ok();
    night(&sandbox, "three", 2, "").ok();
    assert_eq!(states(&sandbox), ["staged"]);
    assert!(rows_in_clear(&sandbox) > 0);
    let drilled = "drill --name films --secret-key secret.asc";
    run(&sandbox, drilled).ok();
    comes_back(&sandbox, "--secret-key secret.asc");
    night(&sandbox, "four", 2, "").ok();
    assert_eq!(states(&sandbox), ["verified", "staged"]);
    run(&sandbox, "burn --name films shelf").ok();
    assert_eq!(rows_in_clear(&sandbox), 0);
}

/// A staging area from before rows were kept.
#[test]
fn one_for_recipients_whose_rows_are_gone_takes_the_secret_key() {
    let sandbox = Sandbox::with_recipient();
    let forget = || {
        sandbox.bash("rm -r staging/*/*/.rows").ok();
    };
    night(&sandbox, "one", 2, "--recipient cert.asc").ok();
    forget();
    night(&sandbox, "two", 2, "--secret-key secret.asc").ok();
    assert_eq!(states(&sandbox), ["staged"]);
    forget();
    night(&sandbox, "three", 2, "").ok().says("only a secret key (--secret-key)");
    assert_eq!(states(&sandbox), ["staged"; 2]);
    comes_back(&sandbox, "--secret-key secret.asc");
}

#[test]
fn a_signed_disc_is_filled_up_and_signed_again_only_with_the_key() {
    let sandbox = Sandbox::with_recipient();
    night(&sandbox, "one", 2, "--sign secret.asc").ok();
    night(&sandbox, "two", 2, "--sign secret.asc").ok();
    assert_eq!(states(&sandbox), ["staged"]);
    comes_back(&sandbox, "--verify-signature cert.asc");
    night(&sandbox, "three", 2, "--sign secret.asc").ok();
    night(&sandbox, "four", 2, "").ok().says("is signed, but this run does not sign");
    assert_eq!(states(&sandbox), ["verified", "staged", "staged"]);
}

/// Who trusts the one key would not find his signature any more.
#[test]
fn a_disc_that_another_key_signed_is_left_as_it_is() {
    let sandbox = Sandbox::with_recipient();
    let line = "export GNUPGHOME=$PWD/gnupg-b; mkdir -m 700 $GNUPGHOME
        gpg --batch --quiet --passphrase '' --quick-gen-key 'B <b@example.org>' default default never
        gpg --batch --export-secret-keys --armor >other.asc; gpg --batch --export >other-cert.asc
        gpgconf --kill all";
    sandbox.bash(line).ok();
    night(&sandbox, "one", 2, "--sign secret.asc").ok();
    night(&sandbox, "two", 2, "--sign other.asc").ok().says("it is signed by another key");
    assert_eq!(states(&sandbox), ["staged"; 2]);
    // Its own key fills up its own.
    night(&sandbox, "three", 2, "--sign other.asc").ok();
    assert_eq!(states(&sandbox), ["staged"; 2]);
    run(&sandbox, "burn --name films shelf").ok();
    let images = sandbox.images();
    for (image, cert) in images.iter().zip(["cert.asc", "other-cert.asc"]) {
        let image = image.display();
        run(&sandbox, &format!("verify --verify-signature {cert} {image}")).ok();
    }
}

#[test]
fn a_group_takes_the_disc_when_it_is_burned_and_not_before() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 2, "--parity-discs 1/2").ok();
    night(&sandbox, "two", 2, "").ok();
    assert_eq!(states(&sandbox), ["staged"]);
    run(&sandbox, "burn --name films shelf").ok();
    night(&sandbox, "three", 2, "").ok();
    // Its group is to be closed with it: it stays as it was when that was asked for.
    run(&sandbox, "flush --name films").ok().says("when the staged discs are burned");
    night(&sandbox, "four", 2, "").ok();
    assert_eq!(states(&sandbox), ["verified", "staged", "staged"]);
    comes_back(&sandbox, "");
}

/// The recovery disc of the disc before it is made while that one is burned.
#[test]
fn a_recovery_disc_that_comes_behind_the_disc_that_waits_ends_no_run() {
    let sandbox = Sandbox::new();
    night(&sandbox, "film", 5_000_000, "--parity-discs 1/1").ok();
    assert_eq!(states(&sandbox), ["staged"; 2]);
    fs::write(sandbox.source().join("two"), "2").unwrap();
    run(&sandbox, "backup --name films source shelf").ok();
    let states = states(&sandbox);
    assert!(states.len() == 6 && states.iter().all(|state| state == "verified"), "{states:?}");
    comes_back(&sandbox, "");
}

/// Rot in the staging area is met before anything is changed.
#[test]
fn a_disc_whose_index_is_not_what_it_was_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 2, "").ok();
    let index = sandbox.bash("ls $PWD/staging/films-*/0001/INDEX.tsv.bz2").ok().stdout();
    let index = Path::new(index.trim());
    let mut bytes = fs::read(index).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(index, bytes).unwrap();
    night(&sandbox, "two", 2, "").ok().says("was changed after it was written");
    assert_eq!(states(&sandbox), ["staged"; 2]);
}

/// A burn that never came about, for want of a blank, is none.
#[test]
fn a_disc_for_which_no_blank_came_is_filled_up_still() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.shelf().join(".shelf.toml"), "full_after = 0\n").unwrap();
    for n in 1..=3 {
        fs::write(sandbox.source().join(format!("night{n}")), n.to_string()).unwrap();
        run(&sandbox, "backup --disc-size 4M --name films source shelf").code(4);
        assert_eq!(states(&sandbox), ["staged"], "night {n}");
    }
    fs::remove_file(sandbox.shelf().join(".shelf.toml")).unwrap();
    comes_back(&sandbox, "");
}

/// Given up in the middle, by a person who asked twice: half of it may be on a medium.
#[test]
fn nor_is_one_whose_burn_was_given_up() {
    let sandbox = Sandbox::new();
    night(&sandbox, "one", 2, "").ok();
    with_a_burner(&sandbox, "while kill -INT $PPID; do :; done", 130);
    assert_eq!(states(&sandbox), ["staged"]);
    night(&sandbox, "two", 2, "").ok();
    assert_eq!(states(&sandbox), ["staged"; 2]);
    comes_back(&sandbox, "");
}
