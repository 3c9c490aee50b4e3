//! Three drives at once (four in the long form), of which one is unplugged; a disc that cannot be
//! written; a run that is killed. Hands put a blank into each drive that is open, whatever was asked
//! for.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Lab, RunningProgram, count, is_long};

/// 4,096 sectors: 8 MiB.
const SECTORS: u32 = 4096;
/// What takes longer than this under emulation does not end any more.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Goes from drive to drive and gives each that is open the next of these discs, until it is enough.
fn hands(
    lab: &Lab,
    run: &RunningProgram,
    drives: &[&str],
    mut discs: impl Iterator<Item = String>,
    is_enough: impl Fn(&[String]) -> bool,
) {
    let end = Instant::now() + PATIENCE;
    while !run.has_ended() && !is_enough(&run.said()) {
        assert!(Instant::now() < end, "it goes on for ever:\n{}", run.said().join("\n"));
        for drive in drives {
            if lab.ctl(&format!("state {drive}")).starts_with("open") {
                lab.insert(drive, &discs.next().unwrap());
            }
        }
        thread::sleep(Duration::from_millis(300));
    }
}

fn backup(lab: &Lab, drives: &[PathBuf]) -> RunningProgram {
    let mut words = vec!["backup".to_owned(), "source".to_owned()];
    words.extend(drives.iter().map(|node| node.to_str().unwrap().to_owned()));
    let options = "--disc-size 8M --archive-size 1M --compress none --flush --copies 2 --wait 300s";
    words.extend(options.split(' ').map(str::to_owned));
    lab.start(words)
}

fn added(lab: &Lab, drive: &str) -> PathBuf {
    let node = lab.ctl(&format!("drive add {drive}"));
    lab.ctl(&format!("reset {drive}"));
    node.into()
}

#[test]
fn several_drives_make_two_copies_of_each_disc_whatever_happens() {
    two_copies_come_of_several_drives(&["one", "two", "three"], 4, 26);
    if is_long() {
        two_copies_come_of_several_drives(&["one", "two", "four", "three"], 12, 90);
    }
}

/// So many discs at least come of these files of a megabyte. The last drive is unplugged in the middle.
fn two_copies_come_of_several_drives(all: &[&str], discs: usize, files: usize) {
    let lab = Lab::new();
    let others: Vec<PathBuf> = all[2..].iter().map(|name| added(&lab, name)).collect();
    let nodes = [vec![lab.one.clone(), lab.two.clone()], others].concat();
    lab.source(files, 1_000_000);
    let ids: Vec<String> = (0..discs * 6).map(|n| format!("p{n}")).collect();
    lab.blanks("bd-r", SECTORS, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    lab.ctl("disc fault p1 write-error 1500");
    let mut blanks = ids.iter().cloned();
    all.iter().for_each(|drive| lab.insert(drive, &blanks.next().unwrap()));
    lab.udev_settles();

    let run = backup(&lab, &nodes);
    let verified = |lines: &[String]| count(lines, "is verified and ejected");
    hands(&lab, &run, all, blanks.by_ref(), |said| verified(said) >= discs / 2);
    let (unplugged, left) = all.split_last().unwrap();
    lab.ctl(&format!("drive unplug {unplugged}"));
    hands(&lab, &run, left, blanks.by_ref(), |said| {
        verified(said) >= discs && count(said, "is not used any more") == 1
    });
    run.signal("-KILL");
    assert_eq!(run.ends().code, Some(137));

    let run = backup(&lab, &nodes[..left.len()]);
    hands(&lab, &run, left, blanks.by_ref(), |_| false);
    run.ends().code(0);
    let listed = lab.discs();
    assert!(listed.len() >= discs, "{listed:?}");
    lab.states(&vec!["verified"; listed.len()]);
    assert!(listed.iter().all(|disc| disc["copies"] == 2), "{listed:?}");

    // Any written disc, until it is the one that is wanted.
    let is_written = |id: &&String| lab.ctl(&format!("disc state {id}")).starts_with("finalised");
    let written: Vec<String> = ids.iter().filter(is_written).cloned().collect();
    assert!(written.len() >= 2 * listed.len(), "{written:?}");
    lab.opens("one");
    let run = lab.start(["restore", lab.one.to_str().unwrap(), "back", "--wait", "300s"]);
    hands(&lab, &run, &["one"], written.into_iter().cycle(), |_| false);
    run.ends().code(0);
    lab.same_trees("source", "back");
}
