//! Signed discs: gpg reads the signature, nothing unsigned is used where signatures are asked for, and
//! the size of a disc stays exact.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Sandbox, assert_same_tree};

/// Two signers, each with its certificate; the second one's secret key is protected.
fn signers() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.make_key_ring();
    sandbox
        .bash(
            "gpg --batch --quiet --passphrase '' --quick-gen-key 'A <a@example.org>' ed25519 sign never
             gpg --batch --quiet --pinentry-mode loopback --passphrase keypass --quick-gen-key 'B <b@example.org>' rsa2048 sign never
             for who in a b; do
                 gpg --batch --export $who@example.org > $who.cert
                 gpg --batch --armor --export $who@example.org > $who.asc
                 gpg --batch --pinentry-mode loopback --passphrase keypass --export-secret-keys $who@example.org > $who.key
             done
             gpgconf --kill all; mv ring ring.away; echo keypass > keypass",
        )
        .ok();
    for n in 0..30 {
        fs::write(sandbox.source().join(format!("f{n}")), format!("content {n}\n")).unwrap();
    }
    sandbox
}

fn extract(sandbox: &Sandbox) -> PathBuf {
    sandbox.bash("rm -rf disc; xorriso -osirrox on -indev shelf/*1.iso -extract / disc 2>&1; chmod -R u+w disc").ok();
    sandbox.path("disc")
}

fn by_hand(sandbox: &Sandbox, cert: &str, disc: &Path) -> support::Run {
    sandbox.bash(&format!(
        "rm -rf by-hand; env -i PATH=\"$PATH\" bash '{}/restore.sh' --verify-signature {cert} by-hand '{}'",
        disc.display(),
        disc.display()
    ))
}

#[test]
fn a_signed_disc_is_read_by_gpg_by_coldcut_and_by_its_own_script() {
    for (key, more) in [("a", &[][..]), ("b", &["--sign-passphrase-file", "keypass"])] {
        let sandbox = signers();
        let (secret, cert, armored) =
            (format!("{key}.key"), format!("{key}.cert"), format!("{key}.asc"));
        let sign = ["backup", "--disc-size", "3M", "--sign", &secret];
        sandbox.run(sign.iter().chain(more).chain(&["source", "shelf"])).ok();
        sandbox.run(["verify", "shelf", "--verify-signature", &cert]).ok();
        // The catalog knows the signature's sum, and without it the disc is still sound.
        fs::remove_file(sandbox.catalog()).unwrap();
        sandbox.run(["verify", "shelf"]).ok();
        let disc = extract(&sandbox);
        sandbox.bash(&format!("gpgv --keyring ./{cert} disc/SHA256SUMS.sig disc/SHA256SUMS")).ok();
        sandbox
            .bash("cd disc && sha256sum -c --quiet SHA256SUMS && ! grep -q '[.]sig' SHA256SUMS")
            .ok();
        // The certificate is on the disc, and in its list.
        let own =
            "gpg --dearmor <disc/SIGNER.asc >own.cert && grep -q '  SIGNER.asc$' disc/SHA256SUMS";
        let check = "gpgv --keyring ./own.cert disc/SHA256SUMS.sig disc/SHA256SUMS";
        sandbox.bash(&format!("{own} && {check}")).ok();
        let readme = fs::read_to_string(disc.join("README.txt")).unwrap();
        assert!(readme.contains("gpg --verify SHA256SUMS.sig SHA256SUMS"));
        for cert in [&cert, &armored] {
            sandbox.bash("rm -rf back").ok();
            sandbox.run(["restore", "shelf", "back", "--verify-signature", cert]).ok();
            assert_same_tree(&sandbox.source(), &sandbox.path("back"));
            by_hand(&sandbox, cert, &disc).ok();
            assert_same_tree(&sandbox.source(), &sandbox.path("by-hand"));
        }
    }
}

#[test]
fn what_another_key_or_nobody_signed_and_what_was_changed_is_not_used() {
    let sandbox = signers();
    // Not compressed: a content is changed below.
    let backup = ["backup", "--disc-size", "3M", "--compress", "none", "--sign", "a.key"];
    sandbox.run(backup.into_iter().chain(["source", "shelf"])).ok();
    let refused = |words: &str| {
        sandbox
            .run(["restore", "disc", "back", "--verify-signature", "a.cert"])
            .code(1)
            .says(words);
        sandbox.run(["verify", "disc", "--verify-signature", "a.cert"]).code(5).says(words);
        by_hand(&sandbox, "a.cert", &sandbox.path("disc")).code(4).says("sign");
        assert!(!sandbox.path("back").exists() && !sandbox.path("by-hand").exists());
    };
    let disc = extract(&sandbox);
    sandbox
        .run(["restore", "disc", "back", "--verify-signature", "b.cert"])
        .code(1)
        .says("another key");
    by_hand(&sandbox, "b.cert", &disc).code(4).says("is not signed by the key");
    // The list and what it lists were changed together.
    sandbox.bash("printf '#' >> disc/SHA256SUMS").ok();
    refused("was changed");
    // INDEX and SNAPSHOT name other sums of contents.
    for name in ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "DISC.txt"] {
        let disc = extract(&sandbox);
        let mut bytes = fs::read(disc.join(name)).unwrap();
        bytes.extend(b"\n");
        fs::write(disc.join(name), bytes).unwrap();
        refused("is not as it was signed");
    }
    extract(&sandbox);
    fs::write(sandbox.path("disc/SHA256SUMS.sig"), "rubbish").unwrap();
    refused("cannot be read");
    fs::remove_file(sandbox.path("disc/SHA256SUMS.sig")).unwrap();
    refused("it is not signed");
    // A content that was changed does not agree with the signed sums.
    extract(&sandbox);
    sandbox.bash("sed -i 's/content 7/CONTENT 7/' disc/archives/*.tar").ok();
    let run = sandbox.run(["restore", "disc", "back", "--verify-signature", "a.cert"]);
    run.code(3).says("f7");
    assert!(!sandbox.path("back/f7").exists() && sandbox.path("back/f8").exists());
}

#[test]
fn a_key_that_cannot_sign_is_named_before_any_work() {
    let sandbox = signers();
    let backup =
        |key: &str| sandbox.run(["backup", "--disc-size", "3M", "--sign", key, "source", "shelf"]);
    backup("a.cert").code(1).says("no secret key");
    backup("b.key").code(1).says("nobody is there to ask");
    backup("keypass").code(1).says("cannot read the signing key");
    backup("missing").code(1).says("missing");
    assert!(!sandbox.catalog().exists());
    sandbox
        .run(["restore", "shelf", "back", "--verify-signature", "keypass"])
        .code(1)
        .says("certificate");
    by_hand_needs_a_certificate(&sandbox);
}

fn by_hand_needs_a_certificate(sandbox: &Sandbox) {
    sandbox.run(["backup", "--disc-size", "3M", "--sign", "a.key", "source", "shelf"]).ok();
    let disc = extract(sandbox);
    by_hand(sandbox, "nowhere", &disc).code(1).says("cannot be read");
    by_hand(sandbox, "keypass", &disc).code(4);
}

#[test]
fn signed_discs_are_filled_to_the_edge_and_a_held_one_is_signed_when_it_is_flushed() {
    let sandbox = signers();
    let film = support::trees::Random::new(4).bytes(7_000_000);
    fs::write(sandbox.source().join("film"), film).unwrap();
    let words = ["backup", "--disc-size", "3M", "--archive-size", "1M", "--sign", "a.key"];
    sandbox.run(words.iter().chain(&["--min-fill", "100", "source", "shelf"])).ok();
    let discs = sandbox.run(["discs", "--json"]).ok().results();
    let full = discs.iter().filter(|disc| disc["state"] == "verified");
    for disc in full {
        let percent = disc["used"].as_u64().unwrap() * 100 / disc["capacity"].as_u64().unwrap();
        assert!(percent >= 96, "{disc}");
    }
    sandbox.run(["flush", "--sign", "a.key"]).ok();
    sandbox.run(["burn", "shelf"]).ok();
    sandbox.run(["verify", "shelf", "--verify-signature", "a.cert"]).ok();
    assert!(sandbox.images().len() >= 3);
}

#[test]
fn discs_that_take_the_place_of_signed_ones_are_signed_and_drilled() {
    let sandbox = signers();
    sandbox.run(["backup", "--disc-size", "3M", "--sign", "a.key", "source", "shelf"]).ok();
    let migrate = ["migrate", "--all", "--disc-size", "4M", "--to"];
    let unsigned = "disc 1 of source is signed, but this run does not sign";
    let signed = sandbox.run(migrate.iter().chain(&["new", "--sign", "a.key"]));
    assert!(!signed.ok().stderr().contains(unsigned), "{}", signed.story());
    sandbox.run(["verify", "new", "--verify-signature", "a.cert"]).ok();
    sandbox.run(["restore", "new", "back", "--verify-signature", "a.cert"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
    let discs = sandbox.run(["discs", "--json"]).ok().results();
    assert!(discs.iter().all(|disc| disc["drilled"].is_string()), "{discs:?}");
    // Who forgets the key is told.
    let forgetful = sandbox.run(["migrate", "2", "--disc-size", "4M", "--to", "newest"]);
    forgetful.ok().says(&unsigned.replace("disc 1", "disc 2"));
    sandbox.run(["verify", "newest", "--verify-signature", "a.cert"]).code(5).says("not signed");
}

/// Recovery discs are not signed; what is made from them counts by its own signature.
#[test]
fn a_disc_that_is_made_again_counts_by_its_own_signature() {
    for first_is_signed in [true, false] {
        let sandbox = signers();
        let backup = ["backup", "--disc-size", "3M", "--name", "films", "--parity-discs", "1/2"];
        let backup = |more: &[&str]| {
            let words = backup.iter().chain(more).chain(&["source", "shelf"]);
            sandbox.run(words).ok();
        };
        let sign = ["--sign", "a.key"];
        backup(if first_is_signed { &sign } else { &[] });
        fs::write(sandbox.source().join("later"), "later").unwrap();
        backup(&sign);
        assert_eq!(sandbox.images().len(), 3);
        fs::remove_file(&sandbox.images()[0]).unwrap();
        let words = ["restore", "--catalog", "none", "shelf", "back"];
        let run = sandbox.run(words.iter().chain(&["--verify-signature", "a.cert"]));
        if first_is_signed {
            run.ok();
            assert_same_tree(&sandbox.source(), &sandbox.path("back"));
        } else {
            run.code(4).says("it is not signed");
            let back = fs::read_dir(sandbox.path("back")).unwrap();
            assert_eq!(back.count(), 1, "later alone is on a disc that is signed");
        }
    }
}

/// A signed disc that is only damaged is not one that somebody changed: recovery data makes it as it
/// was signed, and then it counts.
#[test]
fn a_damaged_disc_with_recovery_data_is_repaired_before_its_signature_counts() {
    let sandbox = signers();
    let backup = ["backup", "--disc-size", "3M", "--parity", "60", "--sign", "a.key"];
    sandbox.run(backup.into_iter().chain(["source", "shelf"])).ok();
    let signed = ["--verify-signature", "a.cert", "--catalog", "none"];
    let restore = || {
        sandbox.bash("rm -rf back").ok();
        sandbox.run(["restore", "disc", "back"].into_iter().chain(signed))
    };
    for damage in [
        "sed -i s/disc=1/disc=2/ disc/DISC.txt",
        "rm disc/DISC.txt",
        "rm disc/DISC.txt disc/parity/disc.par2",
        "printf x | tee disc/DISC.txt > disc/README.txt",
        "printf x >> disc/SNAPSHOT.tsv.bz2",
        "truncate -s 9 disc/INDEX.tsv.bz2",
    ] {
        extract(&sandbox);
        sandbox.bash(damage).ok();
        let run = restore();
        assert!(run.output.status.success(), "{damage}: {}", run.story());
        assert_same_tree(&sandbox.source(), &sandbox.path("back"));
        sandbox.run(["verify", "disc"].into_iter().chain(signed)).code(5);
    }
    // No repair where another copy is sound; who the damaged one was stays in doubt.
    extract(&sandbox);
    sandbox.bash("rm -rf pile; mkdir pile; cp -r disc pile/sound; mv disc pile/hurt; rm pile/hurt/INDEX*; printf x > pile/hurt/DISC.txt; rm -rf back").ok();
    let run = sandbox.run(["restore", "pile", "back"].into_iter().chain(signed));
    assert!(!run.code(3).stderr().contains("repaired"), "{}", run.story());
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
    // The list of sums is what is signed, and nothing stands for it.
    extract(&sandbox);
    sandbox.bash("printf '#' >> disc/SHA256SUMS").ok();
    restore().code(1).says("was changed");
    // Recovery data that somebody made for a changed disc.
    extract(&sandbox);
    sandbox
        .bash(
            "cd disc; printf '#' >> DISC.txt; rm -r parity; mkdir parity
             par2 create -qq -s4096 -r60 -B$PWD/ parity/disc.par2 $(find . -type f -not -name 'SHA256SUMS*' -printf '%P\\n')",
        )
        .ok();
    restore().code(1).says("is not as it was signed");
    assert!(!sandbox.path("back").exists());
}
