//! A stack of discs that a loader brings: unattended, in a real drive.

use crate::bench::{Lab, SOCKET, is_long, until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

const SECTORS: u32 = 4096;
/// Forty discs take so long under emulation.
const PATIENCE: Duration = Duration::from_secs(1800);

/// The drive's own words move its discs. The stack is the file `input`, a disc a line; piles are
/// files, too; `hand` has the disc that is on its way.
const LOADER: &str = r#"#!/bin/bash
set -euo pipefail
cd "${0%/*}"
ctl() { lab-burner ctl SOCKET "$@"; }
look() { read -r tray _ disc <<<"$(ctl state one)"; hand=$(cat hand); }
await() { for _ in {1..300}; do look; if [ "$tray" = "$1" ]; then return; fi; sleep 0.1; done; exit 1; }
look
case $1 in
  check) echo '{"contract": 1, "loader": "laboratory", "chooses": false}' ;;
  list)
    at=none
    if [ "$disc" != - ]; then at=drive; [ "$tray" = closed ] || at=tray; fi
    if [ -n "$hand" ]; then at=lifted; fi
    echo '{"contract": 1, "slots": [], "drives": [{"drive": "'"$DRIVE"'", "disc": "'$at'"}]}' ;;
  load)
    if [ -n "$hand" ]; then echo "the hand holds $hand" >&2; exit 1; fi
    if [ "$disc" != - ] && [ "$tray" = closed ]; then exit 0; fi
    if [ "$disc" = - ]; then
      read -r next <input || exit 4
      [ "$tray" = open ] || { eject "$2"; await open; }
      ctl lay one "$next"
      sed -i 1d input
    fi
    ctl push one
    await closed ;;
  unload)
    if [ -z "$hand" ] && [ "$disc" = - ]; then exit 0; fi
    if [ -z "$hand" ]; then
      [ "$tray" = open ] || { eject "$2"; await open; }
      echo "$disc" >hand
      ctl take one
    fi
    cat hand >>"$3"
    : >hand ;;
esac
"#;

/// The loader, with a stack of these discs.
fn loader(lab: &Lab, discs: &[&str]) -> PathBuf {
    let dir = lab.path("robot");
    fs::create_dir(&dir).unwrap();
    for name in ["hand", "good", "bad"] {
        fs::write(dir.join(name), "").unwrap();
    }
    let path = dir.join("loader");
    let script = LOADER.replace("SOCKET", SOCKET).replace("$DRIVE", lab.one.to_str().unwrap());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fill(lab, discs);
    path
}

fn fill(lab: &Lab, discs: &[&str]) {
    let lines: String = discs.iter().map(|disc| format!("{disc}\n")).collect();
    fs::write(lab.path("robot/input"), lines).unwrap();
}

fn pile(lab: &Lab, name: &str) -> Vec<String> {
    let text = fs::read_to_string(lab.path("robot").join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Three blanks (forty in the long form) become discs; one that is spoilt while it is burned, one
/// that is not blank and one that is too small go on the reject pile. Then some are verified, and one
/// is damaged by then.
#[test]
fn a_stack_is_burned_and_verified_and_nobody_is_there() {
    let lab = Lab::new();
    // A disc takes seven to eight files.
    let (files, blanks) = if is_long() { (320, 50) } else { (20, 4) };
    let ids: Vec<String> = (0..blanks).map(|n| format!("d{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    lab.blanks("bd-r", SECTORS, &[&ids[..], &["bad"]].concat());
    lab.blanks("bd-r", 64, &["small"]);
    lab.ctl(&format!("disc new theirs dvd-rom {SECTORS} {}", lab.foreign()));
    lab.ctl("disc fault bad write-error 1000");
    lab.source(files, 1_000_000);
    let stack = [&[ids[0], "theirs", "bad", ids[1], "small"], &ids[2..]].concat();
    let loader = loader(&lab, &stack);
    let words = ["--loader", loader.to_str().unwrap()];
    let done = lab.backup(&lab.one.clone(), &words).ends_within(PATIENCE).code(0);
    let discs = lab.discs().len();
    assert!(discs >= if is_long() { 40 } else { 3 } && discs < blanks, "{discs}");
    let told = format!("{} discs: {discs} good, 3 on the reject pile: 2, 3, 5", discs + 3);
    let done = done.said(&told).never_said("Insert");
    assert!(done.has("disc 3 of the stack is on the reject pile"));
    lab.states(&vec!["verified"; discs]);
    assert_eq!(pile(&lab, "good"), ids[..discs]);
    assert_eq!(pile(&lab, "bad"), ["theirs", "bad", "small"]);
    assert_eq!(pile(&lab, "input"), ids[discs..]);

    lab.ctl("disc fault d1 read-error 2000 64");
    fill(&lab, &["d2", "d1", "theirs", "d0"]);
    fs::write(lab.path("robot/good"), "").unwrap();
    fs::write(lab.path("robot/bad"), "").unwrap();
    let node = lab.one.to_str().unwrap();
    let done = lab.run(["verify", "--loader", loader.to_str().unwrap(), node]).code(5);
    done.said("4 discs: 2 good, 2 on the reject pile: 2, 3").never_said("Insert");
    assert_eq!(pile(&lab, "good"), ["d2", "d0"]);
    assert_eq!(pile(&lab, "bad"), ["d1", "theirs"]);
}

/// A watch is killed while a disc is burned, with the next ones in the stack. The burn goes on; the
/// next watch reads the disc back, and takes no other for it.
#[test]
fn a_watch_that_is_killed_continues_with_the_disc_in_the_drive() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a", "b", "c"]);
    lab.source(10, 1_000_000);
    let loader = loader(&lab, &["a"]);
    let source = lab.path("source");
    let source = source.to_str().unwrap();
    let words = ["backup", source, "--stage", "--disc-size", "8M", "--archive-size", "1M"];
    lab.run(words.iter().chain(&["--compress", "none", "--flush"])).code(0);
    let watch =
        ["watch", lab.one.to_str().unwrap(), "--until-done", "--loader", loader.to_str().unwrap()];
    lab.ctl("rate one write 1000000");
    let mut run = lab.start(watch);
    run.says("writing disc 1");
    until("the first sectors", || lab.ctl("disc state a").starts_with("open"));
    run.signal("-KILL");
    drop(run.ends());
    lab.ctl("rate one write 0");
    // One disc is missing: it ends, and says so.
    lab.run(watch).code(4).said("1 disc: 1 good");
    assert_eq!(pile(&lab, "good"), ["a"]);
    fill(&lab, &["b", "c"]);
    lab.run(watch).code(0).said("1 disc: 1 good");
    assert_eq!(
        (pile(&lab, "good"), pile(&lab, "input")),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );
    lab.states(&["verified"; 2]);
}
