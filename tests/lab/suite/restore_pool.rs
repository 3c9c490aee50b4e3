//! Restores from two drives at once: hands insert discs where they are asked for, or elsewhere, and
//! a drive is unplugged.

use std::collections::BTreeSet;

use crate::bench::{Lab, RunningProgram, until};

const SECTORS: u32 = 4096;
const DISCS: [&str; 4] = ["a", "b", "c", "d"];

/// A set on four discs, of which each shares a file with the next one.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &DISCS);
    let source = lab.source(5, 2_100_000);
    let mut words = vec!["backup", source.to_str().unwrap(), lab.one.to_str().unwrap()];
    words.extend(["--disc-size", "3M", "--archive-size", "1M", "--compress", "none"]);
    words.extend(["--flush", "--no-drill", "--wait", "120s"]);
    let mut run = lab.start(words);
    for (number, disc) in (1..).zip(DISCS) {
        run.says(&format!("Insert a blank disc for disc {number} of source"));
        lab.insert("one", disc);
        run.says(&format!("disc {number} is verified"));
    }
    run.ends().code(0);
    lab.states(&["verified"; 4]);
    lab
}

fn start(lab: &Lab) -> RunningProgram {
    let (one, two) = (lab.one.to_str().unwrap(), lab.two.to_str().unwrap());
    lab.start(["restore", one, two, "back", "--wait", "120s"])
}

/// The disc that a drive asks for last, which hands have not inserted yet.
fn asked(run: &RunningProgram, node: &str, given: &[usize]) -> Option<usize> {
    let of_drive = |line: &&String| line.contains("Insert disc ") && line.contains(node);
    let line = run.said().iter().filter(of_drive).next_back()?.clone();
    let number = line.split("Insert disc ").nth(1)?.split(' ').next()?.parse().ok()?;
    (!given.contains(&number)).then_some(number)
}

/// Inserts what these drives ask for, until the run ends; gives the drives that got one.
fn hands_insert<'a>(
    lab: &Lab,
    run: &RunningProgram,
    drives: &[&'a str],
    given: &mut Vec<usize>,
) -> BTreeSet<&'a str> {
    let mut used = BTreeSet::new();
    until("the end of the restore", || {
        for &name in drives {
            let node = if name == "one" { &lab.one } else { &lab.two };
            if let Some(number) = asked(run, node.to_str().unwrap(), given) {
                lab.insert(name, DISCS[number - 1]);
                given.push(number);
                used.insert(name);
            }
        }
        run.has_ended()
    });
    used
}

/// Both drives are empty first: what the backup ejected last lies on an open tray, which a drive may
/// close by itself.
#[test]
fn four_discs_come_back_through_two_drives_and_each_is_inserted_once() {
    let lab = lab();
    lab.ctl("reset one");
    lab.ctl("reset two");
    lab.udev_settles();
    let mut run = start(&lab);
    run.says("Insert any disc of the set");
    lab.insert("one", "d");
    let mut given = vec![4];
    let used = hands_insert(&lab, &run, &["one", "two"], &mut given);
    let done = run.ends().code(0).never_said("ejecting");
    lab.same_trees("source", "back");
    let asked = |number: &usize| done.count(&format!("Insert disc {number} "));
    assert_eq!((1..=4).map(|n| asked(&n)).collect::<Vec<_>>(), [1, 1, 1, 0], "{given:?}");
    assert!(used.contains("two"), "drive two was used: {given:?}");
}

#[test]
fn a_disc_in_the_other_drive_than_the_one_that_asked_is_read_there() {
    let lab = lab();
    lab.insert("one", "a");
    lab.insert("two", "b");
    lab.udev_settles();
    let mut run = start(&lab);
    run.says("Insert disc");
    until("both drives' requests", || {
        let lines = run.said();
        let nodes = [lab.one.to_str().unwrap(), lab.two.to_str().unwrap()];
        nodes.iter().all(|node| lines.iter().any(|l| l.contains("Insert disc") && l.contains(node)))
    });
    let first = asked(&run, lab.one.to_str().unwrap(), &[]).unwrap();
    let other = if first == 3 { 4 } else { 3 };
    lab.insert("two", DISCS[first - 1]);
    lab.insert("one", DISCS[other - 1]);
    run.ends().code(0).never_said("ejecting");
    lab.same_trees("source", "back");
}

#[test]
fn the_disc_of_a_drive_that_is_unplugged_is_read_in_the_other_one() {
    let lab = lab();
    lab.insert("one", "a");
    lab.insert("two", "b");
    lab.udev_settles();
    lab.ctl("rate two read 500000");
    let run = start(&lab);
    until("the target", || lab.path("back").exists());
    lab.ctl("drive unplug two");
    // Disc 2 is in nobody's hands until it is asked for again.
    hands_insert(&lab, &run, &["one"], &mut vec![1]);
    run.ends().code(0).said("continuing without");
    lab.same_trees("source", "back");
}
