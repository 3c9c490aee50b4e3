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
