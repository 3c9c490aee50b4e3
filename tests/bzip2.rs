//! bzip2 frames as the shipped program writes them: every bzip2 there is reads them, and `--bzip2`
//! says whose encoder makes them.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use support::trees::Random;
use support::{Sandbox, assert_same_tree};

/// Each expands standard input.
const READERS: [&str; 8] = [
    "./bunzip2-of-the-disc",
    "bunzip2",
    "bunzip2 -s",
    "lbzip2 -d",
    "pbzip2 -d",
    "busybox bunzip2",
    "7z x -si -so -tbzip2",
    "python3 -c 'import bz2, sys; sys.stdout.buffer.write(bz2.decompress(sys.stdin.buffer.read()))'",
];

/// Text, runs, one byte, two bytes, and noise beside them that still compresses a little.
fn source(sandbox: &Sandbox) {
    let mut random = Random::new(7);
    let words: Vec<u8> = (0..60_000).flat_map(|_| word(random.below(900))).collect();
    let noise: Vec<u8> = random.bytes(150_000).into_iter().map(|byte| byte & 0x7f).collect();
    for (name, bytes) in [
        ("words", words),
        ("zeros", vec![0; 1_200_000]),
        ("ab", b"ab".repeat(120_000)),
        ("runs", (0..90_000u32).flat_map(|n| vec![b'a' + n as u8 % 3; n as usize % 6]).collect()),
        ("noise", noise),
        ("empty", Vec::new()),
    ] {
        fs::write(sandbox.source().join(name), bytes).unwrap();
    }
}

fn word(number: u64) -> Vec<u8> {
    format!("{} ", number * number % 7919).into_bytes()
}

/// All files that end so, of the disc that a backup left in the staging area.
fn copied(sandbox: &Sandbox, end: &str) -> Vec<String> {
    let line = format!("find staging -type f -name '*{end}' | sort");
    sandbox.bash(&line).ok().stdout().lines().map(str::to_owned).collect()
}

#[test]
fn every_bzip2_there_is_reads_archives_and_listings() {
    let sandbox = Sandbox::new();
    source(&sandbox);
    sandbox.run(["backup", "source", "--stage", "--name", "set"]).ok().says("stored: 7 paths");
    let archives = copied(&sandbox, ".tar.bz2");
    let files = [archives.clone(), copied(&sandbox, "tsv.bz2"), copied(&sandbox, "sqlite.bz2")];
    assert!(files.iter().all(|kind| !kind.is_empty()), "{files:?}");
    // The source that is on each disc.
    sandbox.bash("cc -O2 -o bunzip2-of-the-disc staging/*/*/format/bunzip2.c").ok();
    for file in files.concat() {
        for reader in READERS {
            let line =
                format!("{reader} <{file} >read; bzip2 -dc {file} >by-bzip2; cmp read by-bzip2");
            sandbox.bash(&format!("set -e; {line}")).ok();
        }
    }
    fs::create_dir(sandbox.path("by-hand")).unwrap();
    for archive in archives {
        sandbox.bash(&format!("tar xjf {archive} -C by-hand")).ok();
    }
    sandbox.bash("diff -r source by-hand").ok();
    sandbox.run(["burn", "shelf"]).ok();
    sandbox.run(["restore", "shelf", "target"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

/// libbz2's streams of the same frames: the members, and the end of the archive.
const AS_LIBBZ2: &str = "
    archive=$(echo staging/*/*/archives/*.tar.bz2)
    bzip2 -dc $archive >all.tar
    cmp $archive <(head -c -1024 all.tar | bzip2 -9; tail -c 1024 all.tar | bzip2 -9)";

#[test]
fn the_crate_makes_the_frames_if_that_is_said() {
    let by = |options: &[&str], config: &str| {
        let mut sandbox = Sandbox::new();
        let words: Vec<u8> = (0..20_000).flat_map(|n| word(n * n % 977)).collect();
        fs::write(sandbox.source().join("words"), words).unwrap();
        fs::write(sandbox.path("config.toml"), config).unwrap();
        sandbox.set("COLDCUT_CONFIG", sandbox.path("config.toml"));
        let words = [&["backup", "source", "--stage", "--json"], options].concat();
        let run = sandbox.run(words);
        let summary = run.ok().objects().pop().unwrap();
        assert_eq!(summary["recoded_frames"], 0, "{summary}");
        let is_libbz2 = sandbox.bash(AS_LIBBZ2).output.status.success();
        sandbox.run(["burn", "shelf"]).ok();
        sandbox.run(["restore", "shelf", "target"]).ok();
        assert_same_tree(&sandbox.source(), &sandbox.target());
        is_libbz2
    };
    assert!(!by(&[], ""), "the two cannot be told apart by this test");
    assert!(by(&["--bzip2", "crate"], ""));
    assert!(by(&[], "bzip2 = \"crate\"\n"));
    assert!(!by(&["--bzip2", "own"], "bzip2 = \"crate\"\n"));
}
