//! coldcut as a service: installed, started by an inserted disc, stopped in the middle of a burn.

use crate::bench::{Lab, Run, noise, tool, until};
use std::fs;
use std::process::Command;

const SECTORS: u32 = 4096;

/// An administrator's coldcut: no variables, only what install.sh left.
fn administrator(words: &[&str]) -> Run {
    let mut command = Command::new("coldcut");
    command.args(words).env_remove("COLDCUT_CATALOG").env_remove("COLDCUT_STAGING");
    Run::new(command)
}

fn install(words: &[&str]) {
    let script = ["bash", "/host/project/scripts/install.sh", "--watch"];
    tool(&[&script[..], words, &["/usr/local/bin/coldcut"]].concat()).code(0);
}

fn journal(unit: &str) -> String {
    tool(&["journalctl", "-u", unit, "--no-pager", "-o", "cat"]).lines.join("\n")
}

fn is_active(unit: &str) -> bool {
    tool(&["systemctl", "is-active", unit]).has("active")
        && !tool(&["systemctl", "is-active", unit]).has("inactive")
}

#[test]
fn an_inserted_blank_starts_the_service_which_burns_what_is_staged() {
    let lab = Lab::new();
    install(&[]);
    // A second run changes nothing.
    install(&[]);
    lab.blanks("bd-r", SECTORS, &["a", "b", "c"]);
    let source = lab.source(5, 1_000_000);
    let source = source.to_str().unwrap();
    let stage = || {
        let size = ["--disc-size", "8M", "--archive-size", "1M", "--compress", "none"];
        let words = [&["backup", source, "--stage", "--flush"][..], &size].concat();
        administrator(&words).ends().code(0)
    };
    stage();
    administrator(&["status"])
        .ends()
        .code(3)
        .said("wanted next: a blank disc for disc 1 of source");
    let node = lab.one.file_name().unwrap().to_str().unwrap().to_owned();
    let unit = format!("coldcut-watch@{node}.service");

    // The rule starts the service, and it burns, verifies and hands out.
    lab.insert("one", "a");
    until("the service", || is_active(&unit));
    until("the verified disc", || journal(&unit).contains("disc 1 is verified and handed out"));
    until("the open tray", || lab.ctl("state one").starts_with("open"));
    administrator(&["discs"]).ends().code(0).said("verified");
    assert!(is_active(&unit));

    // One of ours is verified when it is inserted.
    lab.insert("one", "a");
    until("another look", || journal(&unit).contains("disc 1 of source: every byte is right"));

    // What is staged later is burned by the service that is there already.
    fs::write(lab.path("source/later"), noise(50, 900_000)).unwrap();
    stage();
    until("the open tray", || lab.ctl("state one").starts_with("open"));
    lab.insert("one", "b");
    until("disc 2", || journal(&unit).contains("disc 2 is verified and handed out"));

    // Stopped in the middle of a burn, it ends behind the burn; the button opens nothing.
    fs::write(lab.path("source/last"), noise(51, 3_000_000)).unwrap();
    stage();
    until("the open tray", || lab.ctl("state one").starts_with("open"));
    lab.ctl("rate one write 400000");
    lab.insert("one", "c");
    until("the first sectors", || lab.ctl("disc state c").starts_with("open"));
    lab.ctl("button one");
    tool(&["systemctl", "stop", &unit]).code(0);
    assert!(lab.ctl("disc state c").starts_with("finalised sessions=1"));
    assert!(tool(&["systemctl", "is-failed", &unit]).has("inactive"), "{}", journal(&unit));

    // The next run, an administrator's, reads it back.
    let device = lab.one.to_str().unwrap();
    // The kernel hears the button when the burner has let go of the drive, and then udev opens it.
    lab.udev_settles();
    if lab.ctl("state one").starts_with("open") {
        lab.insert("one", "c");
    }
    let done = administrator(&["burn", device, "--wait", "60s"]).ends();
    done.code(0).said("it is read back").said("disc 3 is verified");
    install(&["--uninstall"]);
    tool(&["cp", "/host/bin/coldcut", "/usr/local/bin/coldcut"]).code(0);
    assert!(!fs::exists("/etc/udev/rules.d/62-coldcut-watch.rules").unwrap());
}
