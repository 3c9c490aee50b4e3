//! simple-restore.sh and restore.sh over random histories that do not come from coldcut, and over
//! discs that simple-restore.sh is to refuse.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

#[path = "support/made_discs.rs"]
mod made_discs;

use made_discs::{Scenario, shown};
use std::fs;

/// Every snapshot by restore.sh, the newest by simple-restore.sh: both are the plain copy.
#[test]
fn every_snapshot_of_random_histories_comes_back() {
    for (seed, format) in [(3, "2"), (5, "2"), (6, "mixed"), (8, "1")] {
        let scenario = Scenario::of(&format!("history-{seed}"), format);
        let key: &[&str] = if seed % 3 == 0 { &["-p", "pw"] } else { &[] };
        for run in 1..=4 {
            let (target, number) = (format!("open/{run}"), run.to_string());
            let output = scenario.restore(false, &[key, &["-s", &number, &target, "."]].concat());
            assert_eq!(output.status.code(), Some(0), "{seed} {run} {}", shown(&output));
            scenario.is_like(run, &target);
        }
        let mut discs: Vec<String> =
            (1..).map(|n| format!("disc{n}")).take_while(|d| scenario.path(d).exists()).collect();
        discs.reverse();
        let words: Vec<&str> = discs.iter().map(String::as_str).collect();
        for as_nobody in [false, true] {
            let target = format!("open/simple{as_nobody}");
            let output = scenario.run(
                "simple-restore.sh",
                as_nobody,
                &[],
                &[key, &[&target], &words[..]].concat(),
            );
            assert_eq!(output.status.code(), Some(0), "{seed} {}", shown(&output));
            scenario.has_contents(4, &target);
        }
    }
}

#[test]
fn split_files_and_renamed_ones_come_back() {
    for (name, run, discs) in [("split", 1, 4), ("two-snapshots", 2, 3), ("plain", 1, 2)] {
        let scenario = Scenario::new(name);
        let discs: Vec<String> = (1..=discs).map(|n| format!("disc{n}")).collect();
        let words: Vec<&str> =
            ["open/t"].into_iter().chain(discs.iter().map(String::as_str)).collect();
        let output = scenario.run("simple-restore.sh", false, &[], &words);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        scenario.has_contents(run, "open/t");
    }
}

#[test]
fn exit_0_only_if_every_checksum_agreed() {
    let fails = |scenario: &Scenario, words: &[&str], says: &str| {
        let output = scenario.run("simple-restore.sh", false, &[], words);
        assert_ne!(output.status.code(), Some(0), "{}", shown(&output));
        assert!(shown(&output).contains(says), "{says}: {}", shown(&output));
        fs::remove_dir_all(scenario.path("open/t")).ok();
    };
    let scenario = Scenario::new("uncompressed");
    fails(&scenario, &["open/t", "disc2"], "disc 1 is missing");
    assert_eq!(scenario.spoil(b"secret\0"), 1);
    fails(&scenario, &["open/t", "disc1", "disc2"], "wrong: ./secret");
    scenario.bash("printf x >> disc1/INDEX.tsv.bz2");
    fails(&scenario, &["open/t", "disc1", "disc2"], "disc1 is damaged");
    fails(&Scenario::new("twins"), &["open/t", "disc1", "disc2", "disc2x"], "two discs 2");
    fails(&Scenario::new("split"), &["open/t", "disc1", "disc2", "disc4"], "disc 3 is missing");
}
