//! The contract of `docs/loaders.md`, kept by every shipped loader and by the example of that page:
//! against machines that are simulated, with the loader killed at each step. Then what coldcut does
//! with a loader that it must not run.

#![allow(clippy::unwrap_used)] // helpers of tests may panic

#[path = "loaders/machine.rs"]
mod machine;
mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use machine::{Inside, Machine};
use serde_json::Value;
use support::Sandbox;
use tempfile::TempDir;

/// Sends its words to the machine and says what it answers: `mtx`, `eject` and `arm` of the tests.
const TOOL: &str = r#"#!/usr/bin/python3 -IS
import os, socket, sys
wire = socket.socket(socket.AF_UNIX)
wire.connect(os.environ["MACHINE"])
wire.sendall("\0".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]).encode() + b"\n")
code, _, out = b"".join(iter(lambda: wire.recv(4096), b"")).partition(b"\n")
sys.stdout.write(out.decode())
sys.exit(int(code))
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Arm,
    Mtx,
    Nimbie,
}

const KINDS: [Kind; 3] = [Kind::Arm, Kind::Mtx, Kind::Nimbie];

/// A loader and its machine.
struct Bench {
    kind: Kind,
    dir: TempDir,
    machine: Machine,
}

/// A call of a loader, ended.
#[derive(Debug)]
struct Called {
    /// `None`: it was killed.
    code: Option<i32>,
    out: String,
    words: String,
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The example of the page.
fn example() -> String {
    let page = fs::read_to_string(repository("docs/loaders.md")).unwrap();
    let (_, rest) = page.split_once("```bash\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

impl Bench {
    fn new(kind: Kind) -> Bench {
        let dir = tempfile::Builder::new().prefix("coldcut-test.").tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for tool in ["mtx", "eject", "arm"] {
            write_program(&bin.join(tool), TOOL);
        }
        write_program(&dir.path().join("loader-arm"), &example());
        let machine = Machine::new(dir.path());
        let bench = Bench { kind, dir, machine };
        bench.fill();
        bench
    }

    /// Discs a, b and c in the input, and nothing else anywhere.
    fn fill(&self) {
        let place = |at: u32| match self.kind {
            Kind::Mtx => at.to_string(),
            Kind::Arm | Kind::Nimbie => "input".to_owned(),
        };
        let discs = ('a'..='c').zip(1..).map(|(disc, at)| (disc, place(at))).collect();
        let slots = if self.kind == Kind::Mtx { 8 } else { 0 };
        self.machine.inside(|inside| *inside = Inside { discs, slots, ..Inside::default() });
    }

    fn drive(&self) -> String {
        self.dir.path().join("drive").display().to_string()
    }

    fn program(&self) -> PathBuf {
        match self.kind {
            Kind::Arm => self.dir.path().join("loader-arm"),
            Kind::Mtx => repository("scripts/loaders/loader-mtx"),
            Kind::Nimbie => repository("scripts/loaders/loader-nimbie"),
        }
    }

    /// Calls the loader; `DRIVE` is its drive.
    fn call(&self, words: &str) -> Called {
        self.killed(words, None)
    }

    /// The same, killed when the machine is at a step.
    fn killed(&self, words: &str, kill_at: Option<u32>) -> Called {
        let path = |name: &str| self.dir.path().join(name);
        let mut command = Command::new(self.program());
        command.args(words.split_whitespace().map(|word| word.replace("DRIVE", &self.drive())));
        command.env_clear().envs([
            ("LC_ALL", "C".into()),
            ("PATH", format!("{}:/usr/bin:/bin", path("bin").display())),
            ("MACHINE", path("tools").display().to_string()),
            ("LOADER_CONFIG", "/dev/null".into()),
            ("LOADER_DRIVE", self.drive()),
            ("LOADER_CHANGER", "/dev/sg9".into()),
            ("LOADER_DRIVES", format!("{}=0", self.drive())),
            ("LOADER_INPUT", "1-4".into()),
            ("LOADER_GOOD", "5,6".into()),
            ("LOADER_BAD", "7-8".into()),
            ("LOADER_NIMBIE", "untested".into()),
            ("LOADER_USB", path("usb").display().to_string()),
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.machine.inside(|inside| {
            (inside.steps, inside.kill_at, inside.group) = (0, kill_at, None);
        });
        let child = command.process_group(0).spawn().unwrap();
        let group = i32::try_from(child.id()).unwrap();
        self.machine.inside(|inside| inside.group = Some(group));
        let ended = child.wait_with_output().unwrap();
        Called {
            code: ended.status.code(),
            out: String::from_utf8(ended.stdout).unwrap(),
            words: String::from_utf8(ended.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn ends(&self, words: &str, code: i32) -> Called {
        let called = self.call(words);
        let seen = self.machine.inside(|inside| inside.clone());
        assert_eq!(called.code, Some(code), "{:?}: {words}: {called:?}\n{seen:?}", self.kind);
        called
    }

    /// Where each disc is, in words that all kinds have: slots are piles.
    fn places(&self) -> String {
        let place = |at: &str| match at.parse::<u32>() {
            Ok(1..=4) => "input".to_owned(),
            Ok(5 | 6) => "good".to_owned(),
            Ok(_) => "bad".to_owned(),
            Err(_) => at.to_owned(),
        };
        self.machine.inside(|inside| {
            assert_eq!(inside.violations, [""; 0], "{:?}", self.kind);
            let each = inside.discs.iter().map(|(disc, at)| format!("{disc} {}", place(at)));
            each.collect::<Vec<_>>().join(", ")
        })
    }

    /// What `list` says of the drive.
    fn position(&self) -> String {
        let listing: Value = serde_json::from_str(&self.ends("list", 0).out).unwrap();
        assert_eq!(listing["contract"], 1);
        let drives = listing["drives"].as_array().unwrap();
        assert_eq!(drives.len(), 1, "{listing}");
        assert_eq!(drives[0]["drive"], self.drive());
        drives[0]["disc"].as_str().unwrap().to_owned()
    }

    /// What is true of the drive. A changer does not say whether its drive is open.
    fn truth(&self) -> &'static str {
        self.machine.inside(|inside| match (inside.at("hand"), inside.at("tray")) {
            (Some(_), _) => "lifted",
            (None, None) => "none",
            (None, Some(_)) if inside.is_open && self.kind != Kind::Mtx => "tray",
            (None, Some(_)) => "drive",
        })
    }
}

#[test]
fn a_stack_goes_through_the_drive() {
    for kind in KINDS {
        let bench = Bench::new(kind);
        let facts: Value = serde_json::from_str(&bench.ends("check", 0).out).unwrap();
        assert_eq!((&facts["contract"], facts["chooses"].is_boolean()), (&1.into(), true));
        assert_eq!(bench.position(), "none");
        assert_eq!(bench.places(), "a input, b input, c input");
        bench.ends("load DRIVE", 0);
        assert_eq!((bench.places().as_str(), bench.truth()), ("a tray, b input, c input", "drive"));
        assert_eq!(bench.position(), "drive");
        bench.ends("unload DRIVE good", 0);
        bench.ends("load DRIVE", 0);
        bench.ends("unload DRIVE bad", 0);
        assert_eq!(bench.places(), "a good, b bad, c input");
        bench.ends("load DRIVE", 0);
        bench.ends("unload DRIVE good", 0);
        bench.ends("load DRIVE", 4);
        assert_eq!(bench.places(), "a good, b bad, c good");
        assert_eq!(bench.position(), "none");
    }
}

#[test]
fn what_is_done_already_is_not_done_twice() {
    for kind in KINDS {
        let bench = Bench::new(kind);
        bench.ends("unload DRIVE good", 0);
        assert_eq!(bench.places(), "a input, b input, c input");
        bench.ends("load DRIVE", 0);
        bench.ends("load DRIVE", 0);
        assert_eq!((bench.places().as_str(), bench.truth()), ("a tray, b input, c input", "drive"));
        // coldcut ejects before it calls.
        bench.machine.inside(|inside| inside.is_open = true);
        bench.ends("load DRIVE", 0);
        assert_eq!((bench.places().as_str(), bench.truth()), ("a tray, b input, c input", "drive"));
        bench.machine.inside(|inside| inside.is_open = true);
        bench.ends("unload DRIVE bad", 0);
        bench.ends("unload DRIVE good", 0);
        assert_eq!(bench.places(), "a bad, b input, c input");
    }
}

/// Each call that can be killed, at each step: what `list` says is true, and the next call goes on.
#[test]
fn a_loader_that_is_killed_at_any_step_continues() {
    for kind in KINDS {
        let bench = Bench::new(kind);
        for (before, call, after) in [
            (None, "load DRIVE", "a tray, b input, c input"),
            (Some("load DRIVE"), "unload DRIVE good", "a good, b input, c input"),
            (Some("load DRIVE"), "unload DRIVE bad", "a bad, b input, c input"),
        ] {
            let prepare = || {
                bench.fill();
                before.iter().for_each(|call| drop(bench.ends(call, 0)));
            };
            let mut steps = 0;
            loop {
                prepare();
                steps += 1;
                if bench.killed(call, Some(steps)).code.is_some() {
                    break;
                }
                assert_eq!(bench.position(), bench.truth(), "{kind:?}: {call}, step {steps}");
                bench.ends(call, 0);
                assert_eq!(bench.places(), after, "{kind:?}: {call}, step {steps}");
                assert_ne!(bench.truth(), "tray", "{kind:?}: {call}, step {steps}");
                assert_ne!(bench.truth(), "lifted", "{kind:?}: {call}, step {steps}");
            }
            assert!(steps > 4, "{kind:?}: {call} ended after {steps} steps");
        }
    }
}

/// Of a disc that is on its way nobody knows the pile: `load` does not guess, and brings no second
/// disc.
#[test]
fn a_disc_that_is_on_its_way_is_not_covered_by_another() {
    for kind in KINDS {
        let bench = Bench::new(kind);
        let mut steps = 0;
        let mut seen = Vec::new();
        loop {
            bench.fill();
            bench.ends("load DRIVE", 0);
            steps += 1;
            if bench.killed("unload DRIVE good", Some(steps)).code.is_some() {
                break;
            }
            let (truth, before) = (bench.truth(), bench.places());
            let called = bench.call("load DRIVE");
            let expected = match truth {
                "lifted" => (1, before),
                "none" => (0, "a good, b tray, c input".to_owned()),
                _ => (0, "a tray, b input, c input".to_owned()),
            };
            assert_eq!((called.code, bench.places()), (Some(expected.0), expected.1), "{truth}");
            seen.push(truth);
        }
        for truth in ["drive", "none"] {
            assert!(seen.contains(&truth), "{kind:?}: {seen:?}");
        }
        assert_eq!(seen.contains(&"lifted"), kind != Kind::Mtx, "{kind:?}: {seen:?}");
    }
}

#[test]
fn a_full_pile_leaves_the_disc_where_it_is() {
    let bench = Bench::new(Kind::Mtx);
    for _ in 0..2 {
        bench.ends("load DRIVE", 0);
        bench.ends("unload DRIVE good", 0);
    }
    bench.ends("load DRIVE", 0);
    bench.ends("unload DRIVE good", 5);
    assert_eq!(bench.places(), "a good, b good, c tray");
    bench.ends("unload DRIVE bad", 0);
    assert_eq!(bench.places(), "a good, b good, c bad");
}

#[test]
fn a_slot_is_taken_if_the_machine_can_choose() {
    let bench = Bench::new(Kind::Mtx);
    bench.ends("load DRIVE 4", 4);
    assert_eq!(bench.ends("load DRIVE 2", 0).out, "{\"slot\": \"2\"}\n");
    assert_eq!(bench.places(), "a input, b tray, c input");
    bench.ends("load DRIVE 2", 0);
    bench.ends("load DRIVE 3", 1);
    bench.ends("unload DRIVE 1", 5);
    bench.ends("unload DRIVE 2", 0);
    assert_eq!(bench.machine.inside(|inside| inside.at("2")), Some('b'));
    for kind in [Kind::Arm, Kind::Nimbie] {
        let bench = Bench::new(kind);
        let facts: Value = serde_json::from_str(&bench.call("check").out).unwrap();
        assert_eq!(facts["chooses"], false);
    }
}

#[test]
fn a_call_that_is_not_one_moves_nothing() {
    for kind in [Kind::Mtx, Kind::Nimbie] {
        let bench = Bench::new(kind);
        for words in ["", "frob", "load", "unload DRIVE", "unload DRIVE other", "load /dev/other"] {
            let called = bench.call(words);
            assert!(![Some(0), Some(4), Some(5), None].contains(&called.code), "{called:?}");
            assert!(!called.words.is_empty(), "{kind:?}: {words}");
        }
        assert_eq!(bench.places(), "a input, b input, c input");
    }
    let bench = Bench::new(Kind::Nimbie);
    bench.ends("load DRIVE 3", 1);
}

/// What is wrong with the numbers is found before a disc moves.
#[test]
fn a_changer_that_is_not_as_configured_is_reported() {
    let bench = Bench::new(Kind::Mtx);
    bench.machine.inside(|inside| inside.slots = 7);
    assert!(bench.ends("check", 1).words.contains("LOADER_BAD: mtx lists no storage element 8"));
}

/// Needs root, who alone can give files away.
#[test]
fn a_configuration_that_others_can_write_is_not_obeyed() {
    for kind in [Kind::Mtx, Kind::Nimbie] {
        let bench = Bench::new(kind);
        let config = bench.dir.path().join("loader.conf");
        fs::write(&config, "LOADER_DRIVES=/dev/sr9=0\n").unwrap();
        let check = || {
            let mut command = Command::new(bench.program());
            command.arg("check").env_clear().env("PATH", "/usr/bin:/bin");
            let output = command.env("LOADER_CONFIG", &config).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            String::from_utf8(output.stderr).unwrap()
        };
        fs::set_permissions(&config, Permissions::from_mode(0o666)).unwrap();
        assert!(check().contains("others can write to"), "{kind:?}: {}", check());
        fs::set_permissions(&config, Permissions::from_mode(0o644)).unwrap();
        assert!(!check().contains("write"), "{kind:?}: {}", check());
        chown(&config, Some(65534), None).unwrap();
        let words = check();
        assert!(words.contains("another user") || words.contains("others"), "{kind:?}: {words}");
    }
}

#[test]
fn a_loader_that_was_never_tried_is_off() {
    let bench = Bench::new(Kind::Nimbie);
    let mut command = Command::new(bench.program());
    let output = command.arg("check").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("never tried"));
}

#[test]
fn the_shipped_script_is_clean_for_shellcheck() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("example"), example()).unwrap();
    let mtx = repository("scripts/loaders/loader-mtx");
    sandbox.bash(&format!("shellcheck '{}' example", mtx.display())).ok();
}

/// The program itself: what it does not trust it does not run, and says so before anything else.
#[test]
fn a_loader_of_another_user_is_not_run() {
    let sandbox = Sandbox::new();
    let loader = sandbox.path("loader");
    write_program(&loader, "#!/bin/sh\ntouch ran\nexit 1\n");
    let verify = || sandbox.run(["verify", "--loader", "./loader", "/dev/sr9"]);
    verify().code(1).says("the loader failed (`check`) with exit code 1");
    assert!(sandbox.path("ran").exists());
    fs::remove_file(sandbox.path("ran")).unwrap();
    chown(&loader, Some(65534), None).unwrap();
    verify().code(1).says("it belongs to nobody");
    chown(&loader, Some(0), None).unwrap();
    fs::set_permissions(&loader, Permissions::from_mode(0o757)).unwrap();
    verify().code(1).says("others can write to it");
    assert!(!sandbox.path("ran").exists());
    sandbox.run(["verify", "--loader", "./loader", "shelf"]).code(2).says("is not a drive");
}

#[test]
fn a_loader_that_does_not_answer_is_killed_in_time() {
    let sandbox = Sandbox::new();
    write_program(&sandbox.path("loader"), "#!/bin/sh\necho $$ >pid\nexec sleep 1000\n");
    let words = ["verify", "--loader", "./loader", "--loader-timeout", "1s", "/dev/sr9"];
    sandbox.run(words).code(1).says("did not finish within 1 seconds and was killed");
    let pid = fs::read_to_string(sandbox.path("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it is still there");
}
