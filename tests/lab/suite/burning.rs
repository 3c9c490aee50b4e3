//! Backups to discs that hands insert, and back.

use crate::bench::{Lab, tool};

/// 4,096 sectors: 8 MiB.
const SECTORS: u32 = 4096;

#[test]
fn three_discs_are_burned_verified_and_restored_by_inserting_them() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a", "b", "c"]);
    lab.source(20, 1_000_000);
    let mut run = lab.backup(&lab.one.clone(), &[]);
    for (number, disc) in [(1, "a"), (2, "b"), (3, "c")] {
        run.says(&format!("Insert a blank disc for disc {number} of source"));
        lab.insert("one", disc);
        run.says(&format!("verifying disc {number}"));
        run.says(&format!("disc {number} is verified and ejected: label it 000{number}_SOURCE"));
    }
    run.ends().code(0);
    lab.states(&["verified"; 3]);
    for disc in ["a", "b", "c"] {
        assert!(lab.ctl(&format!("disc state {disc}")).starts_with("finalised sessions=1"));
    }
    let node = lab.one.to_str().unwrap();
    let mut run = lab.start(["restore", node, "back", "--wait", "120s"]);
    run.says("Insert");
    lab.insert("one", "c");
    run.says("Insert disc 1 of source");
    lab.insert("one", "b");
    run.says("holds disc 2 of source, not disc 1");
    run.says("Insert disc 1 of source");
    lab.insert("one", "a");
    run.says("Insert disc 2 of source");
    lab.insert("one", "b");
    run.says("Insert disc 3 of source");
    lab.insert("one", "c");
    run.ends().code(0);
    lab.same_trees("source", "back");
}

#[test]
fn the_next_disc_is_packed_while_one_is_burned() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a", "b"]);
    lab.source(10, 1_000_000);
    lab.ctl("rate one write 500000");
    lab.insert("one", "a");
    let mut run = lab.backup(&lab.one.clone(), &[]);
    run.says("disc 2 is packed; it will be burned once disc 1 is verified");
    run.says("disc 1 is verified and ejected");
    run.says("Insert a blank disc for disc 2");
    lab.ctl("rate one write 0");
    lab.insert("one", "b");
    run.says("disc 2 is verified");
    run.ends().code(0);
    lab.states(&["verified"; 2]);
}

#[test]
fn growisofs_burns_what_xorriso_does() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a", "b"]);
    lab.source(10, 1_000_000);
    let mut run = lab.backup(&lab.one.clone(), &["--engine", "growisofs"]);
    for (number, disc) in [(1, "a"), (2, "b")] {
        run.says(&format!("imaging disc {number}"));
        run.says(&format!("Insert a blank disc for disc {number}"));
        lab.insert("one", disc);
        run.says(&format!("disc {number} is verified"));
    }
    run.ends().code(0);
    lab.states(&["verified"; 2]);
    assert!(lab.ctl("disc state a").starts_with("closed sessions=1"));
    let node = lab.one.to_str().unwrap();
    let mut run = lab.start(["restore", node, "back", "--wait", "120s"]);
    run.says("Insert");
    lab.insert("one", "a");
    run.says("Insert disc 2");
    lab.insert("one", "b");
    run.ends().code(0);
    lab.same_trees("source", "back");
}

#[test]
fn one_drive_burns_and_the_other_one_verifies() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(3, 1_000_000);
    lab.insert("one", "a");
    let two = lab.two.to_str().unwrap();
    let mut run = lab.backup(&lab.one.clone(), &["--verify-drive", two]);
    run.says("Insert disc 1 of source, just burned, to be verified");
    assert!(lab.ctl("state one").starts_with("open"));
    lab.ctl("take one");
    lab.insert("two", "a");
    run.says("disc 1 is verified");
    run.ends().code(0);
    let discs = lab.discs();
    assert_eq!(discs[0]["copies"], 1, "{discs:?}");
}

#[test]
fn a_member_of_the_group_cdrom_needs_no_root() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(3, 1_000_000);
    lab.insert("one", "a");
    tool(&["chown", "-R", "nobody", lab.dir.path().to_str().unwrap()]);
    let words = [
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--groups=cdrom",
        "--bounding-set=-all",
        "coldcut",
    ];
    let (one, dir) = (lab.one.to_str().unwrap(), lab.dir.path());
    let rest = ["backup", "source", one, "--disc-size", "8M", "--flush", "--wait", "5s"];
    let mut command = std::process::Command::new(words[0]);
    command.args(&words[1..]).args(rest).current_dir(dir).env("HOME", dir);
    crate::bench::RunningProgram::new(command)
        .ends()
        .code(0)
        .said("disc 1 is verified and ejected");
}

#[test]
fn drives_are_listed_with_what_is_in_them() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.insert("one", "a");
    lab.udev_settles();
    let one = lab.one.to_str().unwrap();
    let two = lab.two.to_str().unwrap();
    let done = lab.run(["drives"]).code(0).said("COLDCUT LAB BURNER 1.00");
    let row = |node: &str| done.lines.iter().find(|line| line.starts_with(node)).unwrap().clone();
    assert!(
        row(one).contains("BD-R") && row(one).contains("blank") && row(one).contains("6x 4x 2x")
    );
    assert!(row(two).contains("empty"));
    let done = lab.run(["drives", "--json"]).code(0);
    let rows: Vec<serde_json::Value> =
        done.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = rows.iter().find(|row| row["device"] == one).unwrap();
    assert_eq!(row["medium"]["free"], u64::from(SECTORS) * 2048);
    assert_eq!(
        (&row["medium"]["maker"], &row["serial"]),
        (&"LABMED BR1".into(), &"LAB-one".into())
    );
}

#[test]
fn progress_tells_the_rate_and_the_time_left() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a"]);
    lab.source(6, 1_000_000);
    lab.insert("one", "a");
    lab.ctl("rate one write 700000");
    let command = format!(
        "coldcut backup source {} --disc-size 8M --compress none --flush --wait 5s",
        lab.one.display()
    );
    // A terminal of its own, for programs that draw bars only there.
    let mut script = std::process::Command::new("script");
    script.args(["-qefc", &command, "/dev/null"]).current_dir(lab.dir.path());
    script.env("COLDCUT_CATALOG", lab.path("catalog.sqlite"));
    script.env("COLDCUT_STAGING", lab.path("staging")).env("TERM", "xterm");
    let done = crate::bench::RunningProgram::new(script).ends().code(0);
    let text = done.lines.join("\n");
    let bars: Vec<&str> = text.split('\r').filter(|bar| bar.contains("writing")).collect();
    let told = bars.iter().any(|bar| bar.contains("/s") && bar.contains("left"));
    assert!(told, "{bars:?}");
}
