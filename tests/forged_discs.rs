//! Every command that reads discs against every kind of forged disc, with the owner's catalog and
//! without one. Each cell of the table is an exit code and whether the forgery was named; what must
//! never happen is looked for in each (`forged_discs/cell.rs`).

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

#[path = "forged_discs/bench.rs"]
mod bench;
#[path = "forged_discs/cell.rs"]
mod cell;
#[path = "support/forge/mod.rs"]
#[allow(dead_code)]
mod forge;
mod support;
#[path = "forged_discs/table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bench::{ForgeryBench, VERBS};
use forge::forgeries::FORGERIES;
use forge::{How, VERSIONS};

/// All cells take a quarter of an hour: COLDCUT_FORGED=all asks for them. Else each forgery meets
/// `restore` and two more commands, and over the forgeries each of them.
fn is_chosen(forgery: usize, how: How, verb: usize) -> bool {
    if is_long() {
        return true;
    }
    let of = FORGERIES[forgery].of;
    let is_its_turn = of[forgery % of.len()] == how;
    let others = VERBS.len() - 1;
    let turns = [forgery % others + 1, (forgery + others / 2) % others + 1];
    is_its_turn && (verb == 0 || turns.contains(&verb))
}

fn is_long() -> bool {
    std::env::var_os("COLDCUT_FORGED").is_some_and(|value| value == "all")
}

/// Only forgeries with this in their name.
fn is_wanted(name: &str) -> bool {
    std::env::var("COLDCUT_FORGERY").map_or(true, |wanted| name.contains(&wanted))
}

fn every_cell_of(how: How) {
    let (mut faults, mut all) = (Vec::new(), 0);
    for version in &VERSIONS {
        let bench = ForgeryBench::new(how, version);
        for (n, forgery) in FORGERIES.iter().enumerate() {
            let chosen: Vec<usize> = (0..VERBS.len()).filter(|&v| is_chosen(n, how, v)).collect();
            if !forgery.of.contains(&how) || !is_wanted(forgery.name) || chosen.is_empty() {
                continue;
            }
            let forged = bench.forge(forgery);
            let mut found = BTreeMap::new();
            for verb in chosen {
                let cell = bench.cells(forgery, &forged, &VERBS[verb], &mut faults);
                found.insert(VERBS[verb].name, cell);
            }
            fs::remove_dir_all(&forged.shelf).unwrap();
            table::compare(forgery.name, how, &found, &mut faults);
            // A quarter of an hour is long, and whoever adds a row wants to read it.
            if is_long() {
                eprintln!("{}", table::row(forgery.name, how, &found));
                faults.drain(..).for_each(|fault| {
                    eprintln!("{fault}");
                    all += 1;
                });
            }
        }
    }
    all += faults.len();
    assert!(all == 0, "{all} faults:\n{}", faults.join("\n"));
}

#[test]
fn forged_discs_of_a_plain_set() {
    every_cell_of(How::Plain);
}

#[test]
fn forged_discs_of_a_set_with_a_passphrase() {
    every_cell_of(How::Passphrase);
}

#[test]
fn forged_discs_of_a_set_for_recipients() {
    every_cell_of(How::Recipients);
}

/// No row is left of a forgery that has another name now, and none is there twice.
#[test]
fn each_row_of_the_table_is_of_a_forgery() {
    let forgeries =
        FORGERIES.iter().flat_map(|forgery| forgery.of.iter().map(|how| (forgery.name, *how)));
    let forgeries: Vec<_> = forgeries.collect();
    let rows = table::names();
    for row in &rows {
        assert!(forgeries.contains(row), "{row:?}");
    }
    let different: BTreeSet<_> = rows.iter().collect();
    assert_eq!(different.len(), rows.len());
    assert!(rows.len() > 20);
}

/// Whoever makes another format makes forgeries of it, too.
#[test]
fn the_program_writes_the_last_version_that_is_forged() {
    let bench = ForgeryBench::new(How::Plain, VERSIONS.last().unwrap());
    let disc = bench.owner.own(1, "disc");
    let text = fs::read_to_string(disc.join("DISC.txt")).unwrap();
    assert!(text.starts_with(&format!("format={}\n", VERSIONS.last().unwrap().number)), "{text}");
}
