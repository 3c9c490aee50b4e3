//! coldcut as a service: installed, started by an inserted disc, stopped in the middle of a burn.

#[path = "../../support/loops.rs"]
mod loops;

use crate::bench::{Lab, RunningProgram, noise, tool, until};
use loops::make_directory_loop;
use std::fs;
use std::process::Command;

const SECTORS: u32 = 4096;

/// An administrator's coldcut: no variables, only what install.sh left. Root's works as the
/// service's user by itself.
fn administrator(words: &[&str]) -> RunningProgram {
    bare(&[&["coldcut"], words].concat())
}

/// Where the result would depend on root's rights, an administrator says as whom it is to run.
fn as_service(words: &[&str]) -> RunningProgram {
    bare(&[&["sudo", "-u", "coldcut", "coldcut"], words].concat())
}

fn bare(words: &[&str]) -> RunningProgram {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_remove("COLDCUT_CATALOG").env_remove("COLDCUT_STAGING");
    RunningProgram::new(command)
}

/// Nothing in the service's directory belongs to anybody else.
fn all_is_the_services() {
    let found = tool(&["find", "/var/lib/coldcut", "!", "-user", "coldcut"]).code(0);
    assert_eq!(found.lines, [""; 0]);
}

fn install(words: &[&str]) {
    let script = ["bash", "/host/project/scripts/install.sh", "--watch"];
    tool(&[&script[..], words, &["/usr/local/bin/coldcut"]].concat()).code(0);
}

/// Tables of sets in the configuration, and the units fitted to them; all of it is taken away in
/// the end.
struct Nights {
    kept: String,
}

const SHELF: &str = "/srv/lab shelf";
const UNIT: &str = "coldcut-backup@night.service";

impl Nights {
    fn install(lab: &Lab) -> Nights {
        install(&[]);
        let kept = fs::read_to_string("/etc/coldcut.toml").unwrap();
        let source = lab.path("source");
        let source = source.display();
        let tables = format!(
            "[set.night]\nsource = \"{source}\"\ndest = \"{SHELF}\"\ndisc-size = \"8M\"\n\
             compress = \"none\"\n\n\
             [set.other]\nsource = \"{source}/sub\"\ndisc-size = \"8M\"\n"
        );
        fs::write("/etc/coldcut.toml", format!("{kept}\n{tables}")).unwrap();
        Nights { kept }
    }

    fn fit(&self) {
        tool(&["bash", "/host/project/scripts/install.sh", "--set", "night"]).code(0);
    }
}

impl Drop for Nights {
    fn drop(&mut self) {
        let _ = fs::write("/etc/coldcut.toml", &self.kept);
        let _ = fs::remove_dir_all("/etc/systemd/system/coldcut-backup@other.service.d");
        uninstall();
    }
}

fn images() -> usize {
    let listed = fs::read_dir(SHELF).unwrap().map(|entry| entry.unwrap().path());
    listed.filter(|path| path.extension().is_some_and(|end| end == "iso")).count()
}

/// A file system of its own for the shelf, in a file, and its line in fstab.
struct Disk;

impl Disk {
    fn new() -> Disk {
        tool(&["truncate", "-s", "64M", "/srv/disk.img"]).code(0);
        tool(&["mkfs.ext4", "-q", "/srv/disk.img"]).code(0);
        let fstab = fs::read_to_string("/etc/fstab").unwrap();
        let place = SHELF.replace(' ', "\\040");
        fs::write("/etc/fstab", format!("{fstab}/srv/disk.img {place} ext4 loop,noauto 0 0\n"))
            .unwrap();
        fs::create_dir_all(SHELF).unwrap();
        tool(&["systemctl", "daemon-reload"]).code(0);
        tool(&["mount", SHELF]).code(0);
        tool(&["chown", "coldcut:coldcut", SHELF]).code(0);
        Disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        tool(&["umount", SHELF]);
        let fstab = fs::read_to_string("/etc/fstab").unwrap_or_default();
        let rest: String = fstab
            .lines()
            .filter(|line| !line.contains("disk.img"))
            .map(|line| format!("{line}\n"))
            .collect();
        let _ = fs::write("/etc/fstab", rest);
        tool(&["rm", "-rf", SHELF, "/srv/disk.img", "/srv/away.img"]);
    }
}

fn is_mounted() -> bool {
    tool(&["mountpoint", SHELF]).code == Some(0)
}

/// It may write to the shelf, has what is mounted there mounted first, and is no failure when it is
/// stopped, or packs while another one burns.
#[test]
fn the_nightly_unit_of_a_set_on_a_shelf_burns_to_it() {
    let lab = Lab::new();
    fs::create_dir(lab.source(1, 300_000).join("sub")).unwrap();
    let nights = Nights::install(&lab);
    let _disk = Disk::new();
    nights.fit();
    the_shelf_is_mounted_and_burned_to();
    // Without the drop-in the unit only stages, and may not write there.
    fs::write(lab.path("source/more"), noise(60, 300_000)).unwrap();
    tool(&["rm", "-r", "/etc/systemd/system/coldcut-backup@night.service.d"]).code(0);
    tool(&["systemctl", "daemon-reload"]).code(0);
    tool(&["systemctl", "start", UNIT]).code(0);
    assert_eq!(images(), 1, "{}", journal(UNIT));
    nights.fit();
    a_night_packs_while_another_burns_and_that_one_is_stopped();
    without_its_disk_the_unit_does_not_run();
    the_timer_is_set();
}

fn the_shelf_is_mounted_and_burned_to() {
    tool(&["umount", SHELF]).code(0);
    tool(&["systemctl", "start", UNIT]).code(0);
    assert!(is_mounted(), "{}", journal(UNIT));
    assert_eq!(images(), 1, "{}", journal(UNIT));
    assert!(tool(&["systemctl", "is-failed", UNIT]).has("inactive"), "{}", journal(UNIT));
    administrator(&["status", "--name", "night"]).ends().code(0);
}

/// The next night burns what waits, slowly; another set's night packs meanwhile. Stopped in the
/// middle, the first one finishes its image, and the night after that reads it back.
fn a_night_packs_while_another_burns_and_that_one_is_stopped() {
    let other = "coldcut-backup@other.service";
    let dir = format!("/etc/systemd/system/{other}.d");
    fs::create_dir_all(&dir).unwrap();
    // The unit's own six hours are too long for a test.
    let command = "/usr/local/bin/coldcut backup %i --stage --wait 1s";
    let text = format!("[Service]\nExecStart=\nExecStart={command}\n");
    fs::write(format!("{dir}/wait.conf"), text).unwrap();
    tool(&["systemctl", "daemon-reload"]).code(0);
    // Half a minute for the disc.
    fs::write(format!("{SHELF}/.shelf.toml"), "write_rate = 15_000\n").unwrap();
    tool(&["systemctl", "start", "--no-block", UNIT]).code(0);
    until("the burn's first bytes", || {
        let is_part = |name: &str| name.starts_with(".night-0002.") && name.ends_with(".iso.part");
        fs::read_dir(SHELF)
            .unwrap()
            .any(|entry| is_part(&entry.unwrap().file_name().to_string_lossy()))
    });
    tool(&["systemctl", "start", other]).code(0);
    let words = journal(other);
    assert!(words.contains("scanning") && !words.contains("another coldcut"), "{words}");
    assert!(tool(&["systemctl", "is-failed", other]).has("inactive"), "{words}");
    tool(&["systemctl", "stop", UNIT]).code(0);
    assert_eq!(images(), 2, "{}", journal(UNIT));
    assert!(tool(&["systemctl", "is-failed", UNIT]).has("inactive"), "{}", journal(UNIT));
    fs::remove_file(format!("{SHELF}/.shelf.toml")).unwrap();
    tool(&["systemctl", "start", UNIT]).code(0);
    administrator(&["status", "--name", "night"]).ends().code(0);
}

/// A failure that systemd tells of; nothing is packed, and nothing is written below the mount
/// point.
fn without_its_disk_the_unit_does_not_run() {
    tool(&["umount", SHELF]).code(0);
    fs::rename("/srv/disk.img", "/srv/away.img").unwrap();
    let before = journal(UNIT);
    tool(&["systemctl", "start", UNIT]).code(1);
    assert!(!is_mounted());
    assert_eq!(fs::read_dir(SHELF).unwrap().count(), 0);
    let news = journal(UNIT).replace(&before, "");
    assert!(news.contains("Dependency failed") && !news.contains("scanning"), "{news}");
    fs::rename("/srv/away.img", "/srv/disk.img").unwrap();
    tool(&["systemctl", "start", UNIT]).code(0);
    assert!(is_mounted());
}

/// systemd takes the timer, and knows when it is due.
fn the_timer_is_set() {
    let timer = "coldcut-backup@night.timer";
    let text = fs::read_to_string("/etc/systemd/system/coldcut-backup@.timer").unwrap();
    let when = text.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
    tool(&["systemd-analyze", "calendar", when]).code(0).said("02:30:00");
    tool(&["systemctl", "enable", "--now", timer]).code(0);
    tool(&["systemctl", "list-timers", "--no-pager", timer]).said(UNIT);
    tool(&["systemctl", "disable", "--now", timer]).code(0);
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
    // The service may look for what it packs.
    tool(&["chmod", "a+rx", lab.path("").to_str().unwrap()]).code(0);
    let source = source.to_str().unwrap();
    let size = ["--disc-size", "8M", "--archive-size", "1M", "--compress", "none"];
    let words = [&["backup", source, "--stage", "--flush"][..], &size].concat();
    let command = format!("`sudo -u coldcut coldcut {}`", words.join(" "));
    administrator(&words).ends().code(1).said(&command);
    let stage = || as_service(&words).ends().code(0);
    stage();
    all_is_the_services();
    administrator(&["status"])
        .ends()
        .code(3)
        .said("wanted next: a blank disc for disc 1 of source");
    let node = lab.one.file_name().unwrap().to_str().unwrap().to_owned();
    let unit = format!("coldcut-watch@{node}.service");

    // The rule starts the service, and it burns, verifies and ejects.
    lab.insert("one", "a");
    until("the service", || is_active(&unit));
    until("the verified disc", || journal(&unit).contains("disc 1 is verified and ejected"));
    until("the open tray", || lab.ctl("state one").starts_with("open"));
    administrator(&["discs"]).ends().code(0).said("verified");
    assert!(is_active(&unit));

    // One of ours is verified when it is inserted.
    lab.insert("one", "a");
    until("another look", || journal(&unit).contains("disc 1 of source: every byte matches"));

    // What is staged later is burned by the service that is there already.
    fs::write(lab.path("source/later"), noise(50, 900_000)).unwrap();
    stage();
    until("the open tray", || lab.ctl("state one").starts_with("open"));
    lab.insert("one", "b");
    until("disc 2", || journal(&unit).contains("disc 2 is verified and ejected"));

    // Stopped in the middle of a burn, it ends after the burn; the button opens nothing.
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
    done.code(0).said("reading it back").said("disc 3 is verified");
    all_is_the_services();
    // The disc that went in again started the service once more.
    uninstall();
    assert!(!fs::exists("/etc/udev/rules.d/62-coldcut-watch.rules").unwrap());
}

/// The next test finds nothing of this one, and the program in its place.
fn uninstall() {
    install(&["--uninstall"]);
    if !std::thread::panicking() {
        assert_nothing_runs();
    }
    tool(&["rm", "-rf", "/etc/coldcut.toml", "/var/lib/coldcut"]);
    tool(&["cp", "/host/bin/coldcut", "/usr/local/bin/coldcut"]);
    tool(&["systemctl", "daemon-reload"]);
}

/// Neither a service nor a timer of coldcut's.
fn assert_nothing_runs() {
    let states = "--state=active,activating,deactivating";
    let listed = ["systemctl", "list-units", "--plain", "--no-legend", states, "coldcut-*"];
    assert_eq!(tool(&listed).code(0).lines, [""; 0], "still there");
}

/// Discs of somebody who means harm, one after the other: each is named and ejected, and the same
/// service then burns what is staged.
#[test]
fn discs_of_strangers_do_not_stop_the_service() {
    let lab = Lab::new();
    install(&[]);
    lab.blanks("bd-r", SECTORS, &["blank"]);
    let forged = strangers_discs(&lab);
    let source = lab.source(3, 900_000);
    tool(&["chmod", "a+rx", lab.path("").to_str().unwrap()]).code(0);
    let node = lab.one.file_name().unwrap().to_str().unwrap().to_owned();
    let unit = format!("coldcut-watch@{node}.service");
    lab.insert("one", forged[0].0);
    until("the service", || is_active(&unit));
    let service = || tool(&["systemctl", "show", "-p", "MainPID", "--value", &unit]).lines;
    let first = service();
    for (disc, words) in &forged {
        if lab.ctl("state one").starts_with("open") {
            lab.insert("one", disc);
        }
        until(words, || journal(&unit).contains(words));
        until("the open tray", || lab.ctl("state one").starts_with("open"));
    }
    let size = ["--disc-size", "8M", "--archive-size", "1M", "--compress", "none"];
    let source = source.to_str().unwrap();
    let words = ["backup", source, "--name", "letters", "--stage", "--flush"];
    as_service(&[&words[..], &size].concat()).ends().code(0);
    lab.insert("one", "blank");
    let words = "disc 1 is verified and ejected: label it 0001_LETTERS";
    until("the verified disc", || journal(&unit).contains(words));
    assert_eq!(service(), first, "{}", journal(&unit));
    all_is_the_services();
    let children = tool(&["pgrep", "--parent", &first[0]]);
    assert_eq!(children.lines, [""; 0], "a child was left behind");
    install(&["--uninstall"]);
    tool(&["cp", "/host/bin/coldcut", "/usr/local/bin/coldcut"]).code(0);
    tool(&["rm", "-rf", "/etc/coldcut.toml", "/var/lib/coldcut"]);
    assert_nothing_runs();
}

/// What the drive gets, and what the service says of it: a catalog that unfolds to 20,000 times its
/// size, a directory that holds itself, and a pipe in place of a listing.
fn strangers_discs(lab: &Lab) -> [(&'static str, &'static str); 3] {
    let script = r#"
        set -euo pipefail
        mkdir papers && echo a letter >papers/letter
        coldcut backup papers shelf --name papers --disc-size 3M --no-drill --catalog theirs.sqlite --staging theirs >/dev/null
        xorriso -no_rc -osirrox on -indev shelf/papers-0001.iso -extract / disc 2>/dev/null
        chmod -R u+w disc && cp -a disc pristine
        image() {
          (cd disc && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort |
            xargs sha256sum >../SHA256SUMS && cp ../SHA256SUMS .)
          xorriso -no_rc -as mkisofs -quiet -R -V PAPERS_0001 -o "$1.iso" disc 2>/dev/null
          rm -r disc && cp -a pristine disc
        }
        head -c 400000000 /dev/zero | bzip2 >disc/catalog.sqlite.bz2
        image bomb
        image loop
        rm disc/INDEX.tsv.bz2 && mkfifo disc/INDEX.tsv.bz2
        image pipe
    "#;
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(lab.path(""));
    RunningProgram::new(bash).ends().code(0);
    make_directory_loop(&lab.path("loop.iso"));
    for name in ["bomb", "loop", "pipe"] {
        let image = lab.path(&format!("{name}.iso"));
        lab.ctl(&format!("disc new {name} bd-r {SECTORS} {}", image.display()));
    }
    [
        ("bomb", "cannot read catalog.sqlite.bz2"),
        ("loop", "archives/00000001.tar.bz2: is missing"),
        ("pipe", "the disc has no INDEX.tsv.bz2"),
    ]
}
