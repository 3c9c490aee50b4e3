//! `coldcut drill` of discs that no catalog knows: anybody can have made them, so nothing of theirs is
//! run, nothing is written outside, and what they were compared with is said.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::trees::Random;
use support::{Run, Sandbox, hostile_tree};

const ENCRYPTED: [&str; 2] = ["--passphrase-file", "passphrase"];

/// One disc as a folder, and no catalog.
fn disc(options: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.passphrase_file(b"correct horse");
    hostile_tree(&sandbox.source());
    extracted(&sandbox, options);
    sandbox
}

/// Backs the source up, and lets nothing be left but the disc's files.
fn extracted(sandbox: &Sandbox, options: &[&str]) {
    let words = ["backup", "--name", "papers", "--disc-size", "6M", "source", "shelf"];
    sandbox.run(words.iter().chain(options)).ok();
    sandbox
        .bash(
            "xorriso -osirrox on -indev shelf/papers-0001.iso -extract / disc 2>&1
             chmod -R u+w disc; mv catalog.sqlite known.sqlite; rm -rf staging",
        )
        .ok();
}

/// The disc's own list, fitting what is there now.
fn sum_up(sandbox: &Sandbox) {
    sandbox
        .bash(
            "cd disc; find . -type f ! -name 'SHA256SUMS*' -printf '%P\\0' | sort -z |
             xargs -0 sha256sum > SHA256SUMS.new; mv SHA256SUMS.new SHA256SUMS",
        )
        .ok();
}

fn drill(sandbox: &Sandbox, words: &[&str]) -> Run {
    sandbox.run(["drill", "disc", "--json"].iter().chain(words))
}

/// What the last object says of each disc.
fn discs(run: &Run) -> Vec<Value> {
    let summary = run.objects().pop().unwrap();
    summary["discs"].as_array().unwrap().clone()
}

#[test]
fn our_own_script_restores_discs_of_every_kind_and_says_so() {
    for options in [&[][..], &ENCRYPTED, &["--compress", "zstd"], &["--compress", "none"]] {
        let sandbox = disc(options);
        let keys = if options == ENCRYPTED { &ENCRYPTED[..] } else { &[] };
        let run = drill(&sandbox, keys);
        run.ok().says("the catalog does not know this disc: no restore.sh was run");
        let run = drill(&sandbox, &[&["--all"], keys].concat());
        run.ok().says("coldcut's own restore.sh was run").says("which anyone could have made");
        let found = &discs(&run)[0];
        assert!(found["files"].as_u64().unwrap() > 10, "{found}");
        assert_eq!(found["against"], "own-list");
        assert_eq!(found["script"], "coldcut");
        assert_eq!(found["script_differs"], false);
        // Nothing is recorded, and nothing is left.
        assert!(!sandbox.catalog().exists());
        assert_eq!(sandbox.bash("ls -A staging/scratch").ok().stdout(), "");
    }
}

#[test]
fn a_disc_beside_one_that_the_catalog_knows_is_told_apart() {
    let sandbox = disc(&[]);
    fs::rename(sandbox.path("known.sqlite"), sandbox.path("first.sqlite")).unwrap();
    fs::copy(sandbox.path("first.sqlite"), sandbox.catalog()).unwrap();
    fs::write(sandbox.source().join("later"), "later\n").unwrap();
    let words = ["backup", "--name", "papers", "--disc-size", "6M", "source", "shelf"];
    sandbox.run(words).ok();
    fs::rename(sandbox.path("first.sqlite"), sandbox.catalog()).unwrap();
    for words in [&[][..], &["--all"]] {
        let run = sandbox.run(["drill", "shelf", "--json"].iter().chain(words));
        let against: Vec<_> = discs(run.ok()).iter().map(|disc| disc["against"].clone()).collect();
        assert_eq!(against, ["catalog", "own-list"], "{}", run.story());
    }
    let run = sandbox.run(["drill", "2", "shelf", "--json"]);
    assert_eq!(discs(run.ok())[0]["against"], "own-list");
    // What is known is recorded; of the other disc there is nothing to record it for.
    let listed = sandbox.run(["discs", "--json"]).ok().results();
    assert!(listed.len() == 1 && listed[0]["drilled"].is_string(), "{listed:?}");
}

#[test]
fn a_script_on_a_strangers_disc_is_not_run() {
    for options in [&[][..], &ENCRYPTED] {
        let sandbox = disc(options);
        let ran = sandbox.path("ran");
        let evil = format!("#!/bin/bash\n(id; cat) >'{}'\n", ran.display());
        fs::write(sandbox.path("disc/restore.sh"), evil).unwrap();
        sum_up(&sandbox);
        let keys = if options == ENCRYPTED { &ENCRYPTED[..] } else { &[] };
        let run = drill(&sandbox, &[&["--all"], keys].concat());
        run.ok().says("disc 1: its restore.sh is not the one that this version of coldcut writes");
        assert_eq!(discs(&run)[0]["script_differs"], true);
        assert!(!ran.exists(), "{}", run.story());
    }
}

#[test]
fn what_is_not_as_the_disc_itself_says_is_damage() {
    let sandbox = disc(&[]);
    let archive = &archives(&sandbox)[0];
    let mut content = fs::read(archive).unwrap();
    content[60] ^= 0x10;
    fs::write(archive, content).unwrap();
    for words in [&[][..], &["--all"]] {
        let run = drill(&sandbox, words);
        run.code(5).says("does not match the disc's own list");
        assert_eq!(discs(&run)[0]["faults"], 1, "{}", run.story());
        assert_eq!(discs(&run)[0]["script"], Value::Null);
    }
    fs::remove_file(sandbox.path("disc/SHA256SUMS")).unwrap();
    drill(&sandbox, &[]).code(5).says("SHA256SUMS is missing");
}

fn archives(sandbox: &Sandbox) -> Vec<PathBuf> {
    let found = fs::read_dir(sandbox.path("disc/archives")).unwrap();
    let mut found: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Only the code at the end of the message tells it: what is in the archive is right.
#[test]
fn an_archive_whose_integrity_check_fails_is_damage() {
    let sandbox = disc(&ENCRYPTED);
    for archive in archives(&sandbox) {
        let mut content = fs::read(&archive).unwrap();
        *content.last_mut().unwrap() ^= 1;
        fs::write(&archive, content).unwrap();
    }
    sum_up(&sandbox);
    drill(&sandbox, &ENCRYPTED).code(5).says("archives/0000000");
    let run = drill(&sandbox, &[&["--all"], &ENCRYPTED[..]].concat());
    run.code(5).says("its integrity check failed").says("restore.sh was not run");
}

/// Changes the text of a listing by a line of awk or the like, and makes the sums fit.
fn change(sandbox: &Sandbox, name: &str, by: &str) {
    let path = sandbox.path(&format!("disc/{name}.tsv.bz2"));
    let changed = sandbox.piped(&format!("bzip2 -dc | {by} | bzip2 -c"), &fs::read(&path).unwrap());
    fs::write(path, changed).unwrap();
    sum_up(sandbox);
}

/// bash takes what stands where a number should be for an expression, and runs what is in it.
#[test]
fn listings_with_commands_in_them_are_not_given_to_a_script() {
    let sandbox = disc(&[]);
    let ran = sandbox.path("ran");
    // The backslash is for the shell of this test.
    let number = format!("BATCH[\\$(touch '{}')]", ran.display());
    let field = |field: u32| {
        format!("awk -F'\\t' -v OFS='\\t' -v x=\"{number}\" '!/^#/ {{ ${field} = x }} {{ print }}'")
    };
    let first =
        |line: &str| format!("awk -v x=\"{number}\" '/^#snapshot/ {{ {line} }} {{ print }}'");
    sandbox.bash("cp -r disc whole").ok();
    let index = [8, 7, 9, 10, 11, 13, 14, 16].map(|n| ("INDEX", field(n)));
    let odd = [
        ("SNAPSHOT", field(3)),
        ("SNAPSHOT", first("$0 = \"#snapshot\\t\" x \"\\tdate\\t/a\"")),
        // What our own reader passes over, and bash does not.
        ("SNAPSHOT", first("print \"#snapshot\\t\" x \"\\tdate\\t/a\\tmore\"")),
        ("SNAPSHOT", first("printf \"#snap%cshot\\t%s\\tdate\\t/a\\n\", 0, x")),
    ];
    for (name, by) in index.into_iter().chain(odd) {
        sandbox.bash("rm -rf disc; cp -r whole disc").ok();
        change(&sandbox, name, &by);
        let run = drill(&sandbox, &["--all"]);
        assert!(!ran.exists(), "{name} {by}: {}", run.story());
        run.code(5).says(name).says("restore.sh was not run");
    }
}

/// A link in one archive, and a file below its name in another: tar follows it.
#[test]
fn archives_lead_nowhere_else() {
    let sandbox = Sandbox::new();
    sandbox.passphrase_file(b"correct horse");
    for (n, name) in ["f1", "f2"].iter().enumerate() {
        fs::write(sandbox.source().join(name), Random::new(n as u64).bytes(900_000)).unwrap();
    }
    extracted(&sandbox, &["--compress", "none", "--archive-size", "1M"]);
    fs::create_dir(sandbox.path("outside")).unwrap();
    let link = sandbox.path("outside").display().to_string();
    rename_member(&sandbox.path("disc/archives/00000001.tar"), "f1", "f1", &link);
    rename_member(&sandbox.path("disc/archives/00000002.tar"), "f2", "f1/f2", "");
    sum_up(&sandbox);
    let run = drill(&sandbox, &["--all"]);
    assert_eq!(fs::read_dir(sandbox.path("outside")).unwrap().count(), 0, "{}", run.story());
    assert_eq!(discs(run.code(5))[0]["script"], "coldcut");
}

/// Gives the first member of a tar file of this name another name; with a link, it becomes one.
fn rename_member(tar: &Path, old: &str, new: &str, link: &str) {
    let mut bytes = fs::read(tar).unwrap();
    let is_it = |block: &[u8]| block.starts_with(format!("{old}\0").as_bytes());
    let at = bytes.chunks(512).position(is_it).unwrap() * 512;
    let header = &mut bytes[at..at + 512];
    header[..100].fill(0);
    header[..new.len()].copy_from_slice(new.as_bytes());
    if !link.is_empty() {
        header[124..136].copy_from_slice(b"00000000000\0");
        header[156] = b'2';
        header[157..257].fill(0);
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    }
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fs::write(tar, bytes).unwrap();
}

#[test]
fn recipients_open_a_strangers_disc_with_key_and_key_ring() {
    let sandbox = Sandbox::with_recipient();
    extracted(&sandbox, &["--recipient", "cert.asc"]);
    drill(&sandbox, &[]).code(1).says("--secret-key");
    drill(&sandbox, &["--secret-key", "secret.asc"]).ok().says("1 file (7 B) restored correctly");
    let run = drill(&sandbox, &["--all", "--secret-key", "secret.asc"]);
    run.ok().says("1 file (7 B) restored correctly").says("coldcut's own restore.sh was run");
    sandbox.bash("gpgconf --kill all").ok();
}

#[test]
fn a_disc_of_a_format_that_nobody_here_has_a_script_for_is_refused_by_name() {
    let sandbox = disc(&[]);
    sandbox.bash("sed -i 's/^format=2$/format=3/' disc/DISC.txt").ok();
    sum_up(&sandbox);
    for words in [&[][..], &["--all"]] {
        drill(&sandbox, words).code(1).says("disc: made by a newer coldcut (format 3;");
    }
}

#[test]
fn a_signature_stands_in_for_the_catalog() {
    let sandbox = Sandbox::with_signer();
    extracted(&sandbox, &["--sign", "a.key"]);
    let signed = ["--verify-signature", "a.cert"];
    for words in [&[][..], &["--all"]] {
        let run = drill(&sandbox, &[words, &signed].concat());
        run.ok().says("own list, which is signed");
        assert_eq!(discs(&run)[0]["against"], "signature");
    }
    sum_up(&sandbox);
    fs::write(sandbox.path("disc/README.txt"), "Dear stranger\n").unwrap();
    drill(&sandbox, &["--all", signed[0], signed[1]]).code(5).says("as it was signed");
    sum_up(&sandbox);
    drill(&sandbox, &["--all", signed[0], signed[1]]).code(1).says("was changed");
}
