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

/// The nightly unit of a set whose discs go to a shelf: it may write there, waits for what is
/// mounted there, and is no failure when it is stopped.
#[test]
fn the_nightly_unit_of_a_set_on_a_shelf_burns_to_it() {
    let lab = Lab::new();
    install(&[]);
    let source = lab.source(3, 1_000_000);
    let source = source.to_str().unwrap();
    let shelf = "/srv/lab shelf";
    let config = format!(
        "[set.night]\nsource = \"{source}\"\ndest = \"{shelf}\"\ndisc-size = \"8M\"\n\
         compress = \"none\"\n"
    );
    let kept = fs::read_to_string("/etc/coldcut.toml").unwrap();
    fs::write("/etc/coldcut.toml", format!("{kept}\n{config}")).unwrap();
    tool(&["bash", "/host/project/scripts/install.sh", "--set", "night"]).code(0);
    let unit = "coldcut-backup@night.service";
    tool(&["systemctl", "start", unit]).code(0);
    let images = || {
        let listed = fs::read_dir(shelf).unwrap().map(|entry| entry.unwrap().path());
        listed.filter(|path| path.extension().is_some_and(|end| end == "iso")).count()
    };
    assert_eq!(images(), 1, "{}", journal(unit));
    assert!(tool(&["systemctl", "is-failed", unit]).has("inactive"), "{}", journal(unit));
    administrator(&["status", "--name", "night"]).ends().code(0);
    // Without the drop-in the unit only stages, and may not write there.
    fs::write(lab.path("source/more"), noise(60, 500_000)).unwrap();
    tool(&["rm", "-r", "/etc/systemd/system/coldcut-backup@night.service.d"]).code(0);
    tool(&["systemctl", "daemon-reload"]).code(0);
    tool(&["systemctl", "start", unit]).code(0);
    assert_eq!(images(), 1, "{}", journal(unit));
    // With it the next night burns what waits. Stopped in the middle, it finishes the image.
    tool(&["bash", "/host/project/scripts/install.sh", "--set", "night"]).code(0);
    fs::write(format!("{shelf}/.shelf.toml"), "write_rate = 200_000\n").unwrap();
    tool(&["systemctl", "start", "--no-block", unit]).code(0);
    until("the burn", || journal(unit).contains("writing disc 2"));
    until("its first bytes", || fs::exists(format!("{shelf}/.night-0002.iso.part")).unwrap());
    tool(&["systemctl", "stop", unit]).code(0);
    assert_eq!(images(), 2, "{}", journal(unit));
    assert!(tool(&["systemctl", "is-failed", unit]).has("inactive"), "{}", journal(unit));
    fs::remove_file(format!("{shelf}/.shelf.toml")).unwrap();
    // The next night reads it back.
    tool(&["systemctl", "start", unit]).code(0);
    administrator(&["status", "--name", "night"]).ends().code(0);
    // A shelf that is not there is a failure, and nothing is packed for it.
    fs::rename(shelf, "/srv/away").unwrap();
    tool(&["systemctl", "start", unit]).code(1);
    fs::rename("/srv/away", shelf).unwrap();
    install(&["--uninstall"]);
    assert!(!fs::exists("/etc/systemd/system/coldcut-backup@night.service.d").unwrap());
    tool(&["rm", "-rf", shelf, "/etc/coldcut.toml"]).code(0);
    tool(&["cp", "/host/bin/coldcut", "/usr/local/bin/coldcut"]).code(0);
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
