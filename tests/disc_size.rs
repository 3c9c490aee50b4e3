//! How large a set's discs are, whoever makes the next one.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::trees::Random;
use support::{Sandbox, assert_same_tree};

const THREE: u64 = 3 << 20;

/// A source for a disc of 3 MB, half full.
fn with_a_film() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("film"), Random::new(1).bytes(1_200_000)).unwrap();
    sandbox
}

fn discs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(["discs", "--json", "--name", "films"]).ok().results()
}

fn capacities(sandbox: &Sandbox) -> Vec<u64> {
    discs(sandbox).iter().map(|disc| disc["capacity"].as_u64().unwrap()).collect()
}

fn backup(sandbox: &Sandbox, more: &str) {
    let line = format!("backup --name films {more} source shelf");
    sandbox.run(line.split_whitespace()).ok();
}

/// Nothing but a row differs from what is on the discs.
fn change_a_mode(sandbox: &Sandbox) {
    fs::set_permissions(sandbox.source().join("film"), fs::Permissions::from_mode(0o600)).unwrap();
    backup(sandbox, "");
}

#[test]
fn a_disc_that_is_flushed_for_rows_alone_is_as_large_as_the_ones_before() {
    let sandbox = with_a_film();
    backup(&sandbox, "--disc-size 3M");
    change_a_mode(&sandbox);
    sandbox.run(["flush"]).ok().says("Disc 2 is staged");
    assert_eq!(capacities(&sandbox), [THREE; 2]);
    sandbox.run(["burn", "shelf"]).ok();
    sandbox.run(["restore", "shelf", "target"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.target());
}

#[test]
fn such_a_disc_comes_to_the_group_in_work_and_costs_no_recovery_disc_of_its_own() {
    let sandbox = with_a_film();
    backup(&sandbox, "--disc-size 3M --parity-discs 1/3");
    change_a_mode(&sandbox);
    sandbox.run(["flush"]).ok().says("when the staged discs are burned");
    sandbox.run(["burn", "shelf"]).ok();
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    let mut query = catalog.prepare("SELECT disc, recovery FROM covered ORDER BY disc").unwrap();
    let covered = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let covered: Vec<(u32, u32)> = covered.map(Result::unwrap).collect();
    assert_eq!(covered, [(1, 3), (2, 3)]);
    assert_eq!(sandbox.images().len(), 3);
}

fn add(sandbox: &Sandbox, name: &str) {
    fs::write(sandbox.source().join(name), Random::new(7).bytes(1_000).as_slice()).unwrap();
    fs::write(sandbox.source().join(format!("{name}.txt")), name).unwrap();
}

#[test]
fn a_set_remembers_the_size_of_its_discs() {
    let sandbox = with_a_film();
    backup(&sandbox, "--disc-size 3M");
    add(&sandbox, "second");
    backup(&sandbox, "");
    assert_eq!(capacities(&sandbox), [THREE; 2]);
    let run =
        sandbox.run(["backup", "--name", "films", "--dry-run", "--json", "--rehash", "source"]);
    assert_eq!(run.ok().objects().last().unwrap()["plan"]["capacity"], THREE);
    add(&sandbox, "third");
    backup(&sandbox, "--disc-size 4M");
    add(&sandbox, "fourth");
    backup(&sandbox, "");
    assert_eq!(capacities(&sandbox), [THREE, THREE, 4 << 20, 4 << 20]);
}

#[test]
fn what_a_migration_is_told_is_for_that_run() {
    let sandbox = with_a_film();
    backup(&sandbox, "--disc-size 3M");
    forget_the_size(&sandbox);
    sandbox.run(["migrate", "1", "--disc-size", "5M", "--to", "shelf"]).ok();
    add(&sandbox, "second");
    backup(&sandbox, "");
    assert_eq!(capacities(&sandbox), [THREE, 5 << 20, THREE]);
}

#[test]
fn a_catalog_from_before_takes_the_size_of_its_newest_closed_disc() {
    let sandbox = with_a_film();
    backup(&sandbox, "--disc-size 4M");
    add(&sandbox, "second");
    backup(&sandbox, "--disc-size 3M");
    forget_the_size(&sandbox);
    add(&sandbox, "third");
    backup(&sandbox, "");
    assert_eq!(capacities(&sandbox), [4 << 20, THREE, THREE]);
}

#[test]
fn a_disc_that_is_open_keeps_its_size() {
    let sandbox = with_a_film();
    backup(&sandbox, "--disc-size 3M --min-fill 90");
    add(&sandbox, "second");
    backup(&sandbox, "--disc-size 5M --min-fill 90");
    assert_eq!(capacities(&sandbox), [THREE]);
    // It is full before a disc of the new size would be.
    fs::write(sandbox.source().join("third"), Random::new(3).bytes(2_500_000)).unwrap();
    backup(&sandbox, "");
    assert_eq!(capacities(&sandbox), [THREE, 5 << 20]);
    assert!(fs::metadata(&sandbox.images()[0]).unwrap().len() <= THREE);
}

/// As the catalogs are that knew no size.
fn forget_the_size(sandbox: &Sandbox) {
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    assert_eq!(catalog.execute("UPDATE sets SET disc_size=NULL", []).unwrap(), 1);
}
