//! Discs that were burned long ago: each golden disc comes back with stock tools alone and with the
//! program of today, and never changes. One that no longer does is a change of the format.
//! `golden/make.sh` says how each was made.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::Path;
use support::compare::assert_same_tree;
use support::sandbox::Sandbox;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
const PASSPHRASE: &[u8] = b"a passphrase that everybody may know";

/// A golden shelf, and what was on it: `source`.
struct Golden {
    sandbox: Sandbox,
    /// How coldcut, and how restore.sh, are told what opens it.
    key: [&'static str; 2],
    runs: usize,
}

impl Golden {
    fn new(name: &str, key: [&'static str; 2]) -> Golden {
        let mut sandbox = Sandbox::new();
        sandbox.passphrase_file(PASSPHRASE);
        // A socket's path is short: gpg's agent has its own.
        sandbox.set("GNUPGHOME", sandbox.path("gpg"));
        let from = format!("{GOLDEN}/{name}");
        let unpack = format!(
            "mkdir -m 700 gpg
             gpg --batch --quiet --import '{GOLDEN}/throwaway.key'
             tar --extract --xattrs --xattrs-include='*' --acls --same-owner --preserve-permissions \
                 -C source --file '{from}/source.tar.bz2'
             for image in '{from}'/*.iso.bz2; do
                 name=$(basename \"$image\" .bz2)
                 bunzip2 <\"$image\" >\"shelf/$name\"
                 xorriso -osirrox on -indev \"shelf/$name\" -extract / \"discs/$name\" 2>&1
             done
             chmod -R u+w discs"
        );
        sandbox.bash(&unpack).ok();
        Golden { sandbox, key, runs: if name == "plain" { 2 } else { 1 } }
    }

    /// With the script that is on the disc, and nothing of today's but stock tools.
    fn comes_back_by_hand(&self) -> &Golden {
        let [_, key] = self.key;
        let line = format!(
            "script=$(printf '%s\\n' discs/*.iso/restore.sh | tail -n 1)
             bash \"$script\" {key} by-hand discs/*.iso"
        );
        self.sandbox.bash(&line).ok();
        self.is_the_source("by-hand");
        self
    }

    fn comes_back(&self) -> &Golden {
        let [key, _] = self.key;
        let words = ["verify", "shelf"].into_iter().chain(key.split_whitespace());
        self.sandbox.run(words).ok();
        let words = ["restore", "shelf", "target", "--yes", "--trust-metadata"].into_iter();
        self.sandbox.run(words.chain(key.split_whitespace())).ok();
        self.is_the_source("target");
        self
    }

    /// A new catalog from the discs alone knows each run and each file of them.
    fn is_known_again(&self) -> &Golden {
        let [key, _] = self.key;
        let words = ["catalog", "rebuild", "shelf", "--yes"].into_iter();
        // Certificates are named: that a disc names them says nothing.
        let recipient = ["--recipient", CERTIFICATE].into_iter();
        let recipient = recipient.take(if self.key == BY_KEY { 2 } else { 0 });
        self.sandbox.run(words.chain(key.split_whitespace()).chain(recipient)).ok();
        let runs = self.sandbox.run(["snapshots", "--json"]).ok().results();
        assert_eq!(runs.len(), self.runs, "{runs:?}");
        self
    }

    fn is_the_source(&self, target: &str) {
        assert_same_tree(&self.sandbox.source(), &self.sandbox.path(target));
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        let _ = self.sandbox.command("gpgconf").args(["--kill", "all"]).status();
    }
}

const OPEN: [&str; 2] = ["", ""];
const BY_PASSPHRASE: [&str; 2] = ["--passphrase-file passphrase", "-p passphrase"];
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/throwaway.cert");
const BY_KEY: [&str; 2] =
    [concat!("--secret-key ", env!("CARGO_MANIFEST_DIR"), "/tests/golden/throwaway.key"), ""];

fn all_ways(name: &str, key: [&'static str; 2]) {
    Golden::new(name, key).comes_back_by_hand().comes_back().is_known_again();
}

#[test]
fn the_discs_are_as_they_were_made() {
    let sums = fs::read_to_string(format!("{GOLDEN}/SHA256SUMS")).unwrap();
    assert!(sums.lines().count() >= 18, "an image and a source of each, at least");
    let sandbox = Sandbox::new();
    sandbox.bash(&format!("cd '{GOLDEN}' && sha256sum --check --strict --quiet SHA256SUMS")).ok();
    let listed = |path: &Path| sums.contains(&format!("  {}", path.display()));
    for folder in fs::read_dir(GOLDEN).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(&folder).into_iter().flatten() {
            let path = file.unwrap().path();
            assert!(listed(path.strip_prefix(GOLDEN).unwrap()), "{} is not listed", path.display());
        }
    }
}

#[test]
fn plain_with_two_snapshots() {
    all_ways("plain", OPEN);
}

#[test]
fn compressed_with_zstd() {
    all_ways("zstd", OPEN);
}

#[test]
fn encrypted_with_a_passphrase() {
    all_ways("passphrase", BY_PASSPHRASE);
}

#[test]
fn encrypted_for_a_certificate() {
    all_ways("certificate", BY_KEY);
}

#[test]
fn encrypted_for_a_certificate_that_is_not_named() {
    all_ways("hidden", BY_KEY);
}

#[test]
fn a_file_over_several_archives_and_discs() {
    all_ways("split", OPEN);
}

#[test]
fn hostile_names_and_attributes() {
    all_ways("hostile", OPEN);
}

#[test]
fn signed() {
    let golden = Golden::new("signed", OPEN);
    golden.comes_back_by_hand().comes_back().is_known_again();
    let sandbox = &golden.sandbox;
    let cert = format!("{GOLDEN}/throwaway.cert");
    let words = ["restore", "shelf", "checked", "--yes", "--verify-signature", &cert];
    sandbox.run(words).ok();
    golden.is_the_source("checked");
    let line =
        format!("bash discs/*.iso/restore.sh --verify-signature '{cert}' by-script discs/*.iso");
    sandbox.bash(&line).ok();
    golden.is_the_source("by-script");
    // The signature is about this very file.
    sandbox.bash("sed -i '1s/^./x/' discs/*.iso/SHA256SUMS").ok();
    let line = format!("bash discs/*.iso/restore.sh --verify-signature '{cert}' never discs/*.iso");
    assert_ne!(sandbox.bash(&line).output.status.code(), Some(0));
}

/// Recovery data of back then mends a disc of today: by `par2`, and by the program.
#[test]
fn recovery_data_mends() {
    let golden = Golden::new("parity", OPEN);
    golden.comes_back_by_hand().comes_back().is_known_again();
    let sandbox = &golden.sandbox;
    sandbox.bash("printf x | dd of=$(ls discs/*.iso/archives/*) bs=1 seek=300 conv=notrunc").ok();
    assert_ne!(
        sandbox.bash("cd discs/*.iso; sha256sum -c --quiet SHA256SUMS").output.status.code(),
        Some(0)
    );
    sandbox
        .bash(
            "cd discs/*.iso; par2 repair -q -B . parity/disc.par2; sha256sum -c --quiet SHA256SUMS",
        )
        .ok();
    golden.comes_back_with_a_hole();
}

/// A disc is lost: the recovery disc of its group makes it again.
#[test]
fn a_lost_disc_is_made_again() {
    let golden = Golden::new("group", OPEN);
    golden.comes_back_by_hand().comes_back();
    golden.sandbox.bash("rm shelf/golden-0001.iso").ok();
    golden.sandbox.run(["restore", "shelf", "again", "--yes"]).ok();
    golden.is_the_source("again");
}

impl Golden {
    /// The first sector of the archive is gone: the program makes it anew on its way.
    fn comes_back_with_a_hole(&self) {
        let find = "image=$(echo shelf/*.iso)
            at=$(xorriso -indev $image -find /archives -type f -exec report_lba 2>/dev/null |
                 awk -F , '/^File data lba/ { print $2 + 0 }')
            dd if=/dev/zero of=$image bs=2048 seek=$at count=1 conv=notrunc";
        self.sandbox.bash(find).ok();
        self.sandbox.run(["restore", "shelf", "mended", "--yes"]).ok();
        self.is_the_source("mended");
    }
}
