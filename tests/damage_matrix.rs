//! Damaged discs, every kind of damage to every part of a disc, and every step that meets it.
//!
//! `MATRIX=all cargo test --test damage_matrix` runs all cells; without it a fixed tenth.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod damage;
mod support;

use damage::hurt::{Hurt, Victim, hurt};
use damage::loss::Loss;
use damage::{Bench, Discs};
use std::collections::BTreeSet;
use support::Run;

/// Names that a run tells it could not bring back.
fn told(run: &Run) -> BTreeSet<String> {
    let troubles = run.objects().into_iter().filter(|object| object["event"] == "trouble");
    troubles.map(|trouble| trouble["thing"].as_str().unwrap().to_owned()).collect()
}

/// Restores and holds the target against the source: what is there is right, what is not there
/// was allowed to be lost and is told by name, and the exit code says so.
fn check_restore(bench: &Bench, words: &[&str], loss: &Loss, what: &str) {
    let (shelf, target) = (bench.sandbox.shelf(), bench.sandbox.path("back"));
    let mut all = vec!["restore", "--json"];
    all.extend(words);
    let places = [shelf.display().to_string(), target.display().to_string()];
    all.extend(places.iter().map(String::as_str));
    let run = bench.run(&all);
    let missing = bench.missing(&target, what, &run);
    let too_much: Vec<_> = missing.difference(&loss.may).collect();
    assert!(too_much.is_empty(), "{what}: lost for nothing: {too_much:?}\n{}", run.story());
    let too_little: Vec<_> = loss.must.difference(&missing).collect();
    assert!(too_little.is_empty(), "{what}: not under the damage? {too_little:?}");
    let told = told(&run);
    let silent: Vec<_> = missing.difference(&told).collect();
    assert!(silent.is_empty(), "{what}: lost silently: {silent:?}\n{}", run.story());
    run.code(if missing.is_empty() { 0 } else { 3 });
}

#[test]
fn a_lost_cluster_costs_the_members_of_the_frames_that_it_overlaps_and_nothing_else() {
    for is_closed in [false, true] {
        let discs = Discs::new(is_closed);
        for (disc, seed) in [(1, 1), (1, 2), (2, 3)] {
            let bench = discs.bench();
            let done = hurt(&bench.own(disc), Hurt::Cluster, Victim::Archive, seed);
            let loss = discs.loss(disc, &done);
            assert!(!loss.may.is_empty(), "the damage hits nothing");
            eprintln!("{:?} {} {}", discs.images, loss.must.len(), loss.may.len());
            check_restore(&bench, &[], &loss, &format!("{is_closed} {seed} {done:?}"));
        }
    }
}
