//! What a rebuilt catalog believes of its discs: that a copy was read back only if a signature or a
//! passphrase vouches for who says so, or the catalog that it replaces knew it.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use serde_json::Value;
use support::{Run, Sandbox};

/// Two runs, each with a disc: the catalog on disc 2 knows that disc 1 was read back, and its drill.
fn two_discs(sandbox: &Sandbox, more: &[&str]) {
    for name in ["one", "two"] {
        fs::write(sandbox.source().join(name), name.repeat(9)).unwrap();
        let words = ["backup", "source", "shelf", "--disc-size", "3M"];
        sandbox.run(words.iter().chain(more)).ok();
    }
    assert_eq!(states(sandbox), ["verified", "verified"]);
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["discs", "--json"]).ok().results()
}

fn states(sandbox: &Sandbox) -> Vec<String> {
    let of = |disc: Value| disc["state"].as_str().unwrap().to_owned();
    discs(sandbox).into_iter().map(of).collect()
}

fn rebuild(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(["catalog", "rebuild", "shelf", "--json"].iter().chain(more))
}

/// How many readings do not count, and which discs are not known to have been read.
fn outcome(run: &Run) -> (u64, Vec<u64>) {
    let set = run.objects().pop().unwrap()["sets"][0].clone();
    let unread = set["not_verified"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap());
    (set["readings_not_counted"].as_u64().unwrap(), unread.collect())
}

#[test]
fn plain_discs_prove_nothing_until_they_are_read() {
    let sandbox = Sandbox::new();
    two_discs(&sandbox, &[]);
    sandbox.run(["status"]).ok();
    fs::remove_file(sandbox.catalog()).unwrap();
    let run = rebuild(&sandbox, &[]);
    run.ok().says("NOT COUNTED: ").says("`coldcut verify FROM`");
    let (refused, unread) = outcome(&run);
    assert!(refused >= 2, "a verification and a drill of disc 1: {refused}");
    assert_eq!(unread, [1, 2]);
    assert_eq!(states(&sandbox), ["burned", "burned"]);
    let status = sandbox.run(["status"]);
    status.code(3);
    assert!(status.stdout().contains("discs 1-2 are not known to have been verified"));
    sandbox.run(["migrate", "1", "--to", "shelf"]).code(1).says("`coldcut verify`");
    sandbox.run(["verify", "shelf"]).ok();
    assert_eq!(states(&sandbox), ["verified", "verified"]);
    sandbox.run(["status"]).ok();
}

#[test]
fn what_the_replaced_catalog_saw_stays() {
    let sandbox = Sandbox::new();
    two_discs(&sandbox, &[]);
    let before = discs(&sandbox);
    let run = rebuild(&sandbox, &["--replace"]);
    assert_eq!(outcome(run.ok()), (0, vec![]));
    assert_eq!(discs(&sandbox), before);
    // Where listings alone tell of the set, too.
    sandbox
        .bash(
            "for n in 1 2; do
                 xorriso -osirrox on -indev shelf/*$n.iso -extract / disc$n 2>&1
                 chmod -R u+w disc$n; rm disc$n/catalog.sqlite.bz2
             done",
        )
        .ok();
    sandbox.run(["catalog", "rebuild", "disc1", "disc2", "--replace"]).ok();
    assert_eq!(states(&sandbox), ["verified", "verified"]);
}

#[test]
fn a_loss_that_the_replaced_catalog_knew_stays_one_until_the_disc_is_read() {
    for more in [&[][..], &["--passphrase-file", "words"]] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path("words"), "correct horse\n").unwrap();
        two_discs(&sandbox, more);
        sandbox.run(["lost", "1", "--yes"]).ok();
        assert_eq!(states(&sandbox), ["gone", "verified"]);
        let run = rebuild(&sandbox, &[&["--replace"], more].concat());
        run.ok().says("the previous catalog records disc 1 as lost");
        assert_eq!(states(&sandbox), ["gone", "verified"], "{}", run.story());
        sandbox.run(["status"]).code(3);
        sandbox.run(["verify", "shelf"]).ok();
        assert_eq!(states(&sandbox), ["verified", "verified"]);
    }
}

#[test]
fn a_signature_that_is_checked_and_a_passphrase_vouch_for_what_discs_tell() {
    let sandbox = Sandbox::with_signer();
    two_discs(&sandbox, &["--sign", "a.key"]);
    fs::remove_file(sandbox.catalog()).unwrap();
    let run = rebuild(&sandbox, &["--verify-signature", "a.cert"]);
    // The catalog on disc 2 is older than the reading of that disc.
    assert_eq!(outcome(run.ok()), (0, vec![2]));
    assert_eq!(states(&sandbox), ["verified", "burned"]);
    fs::remove_file(sandbox.catalog()).unwrap();
    let run = rebuild(&sandbox, &[]);
    assert_eq!(outcome(run.ok()).1, [1, 2], "nobody looked at the signature");

    let sandbox = Sandbox::new();
    fs::write(sandbox.path("words"), "correct horse\n").unwrap();
    let key = ["--passphrase-file", "words"];
    two_discs(&sandbox, &key);
    fs::remove_file(sandbox.catalog()).unwrap();
    assert_eq!(outcome(rebuild(&sandbox, &key).ok()), (0, vec![2]));
    assert_eq!(states(&sandbox), ["verified", "burned"]);
}

#[test]
fn a_public_key_vouches_for_nothing() {
    let sandbox = Sandbox::with_recipient();
    two_discs(&sandbox, &["--recipient", "cert.asc"]);
    fs::remove_file(sandbox.catalog()).unwrap();
    let run = rebuild(&sandbox, &["--secret-key", "secret.asc", "--recipient", "cert.asc"]);
    let (refused, unread) = outcome(run.ok());
    assert!(refused > 0);
    assert_eq!(unread, [1, 2]);
}

#[test]
fn a_disc_that_nobody_read_and_that_is_lost_is_stored_again() {
    let sandbox = Sandbox::new();
    two_discs(&sandbox, &[]);
    fs::remove_file(sandbox.catalog()).unwrap();
    rebuild(&sandbox, &[]).ok();
    fs::remove_file(&sandbox.images()[0]).unwrap();
    sandbox.run(["lost", "1", "--yes"]).ok();
    assert_eq!(states(&sandbox), ["gone", "burned"]);
    sandbox.run(["backup", "source", "shelf", "--disc-size", "3M"]).ok();
    sandbox.run(["verify", "shelf"]).ok();
    assert_eq!(states(&sandbox), ["gone", "verified", "verified"]);
    sandbox.run(["restore", "shelf", "back"]).ok();
    support::assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}
