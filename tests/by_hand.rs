//! restore.sh against discs that do not come from coldcut: `support/make_discs.py` makes them from
//! docs/format.md alone. The script sees nothing but the promised programs.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

use coldcut::format::by_hand::{Facts, readme, restore_sh};
use coldcut::model::disc::Encryption;
use coldcut::model::{DiscNo, DiscUuid, SetName, SetUuid, SnapshotSeq};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MAKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/make_discs.py");

/// What the script may use. coreutils are named one by one: those that it does use.
const TOOLS: [&str; 24] = [
    "bash",
    "tar",
    "bzip2",
    "gpg",
    "gpg-agent",
    "awk",
    "cat",
    "chmod",
    "cp",
    "cut",
    "dd",
    "head",
    "mkdir",
    "mktemp",
    "mv",
    "paste",
    "rmdir",
    "sha256sum",
    "sort",
    "stat",
    "tail",
    "true",
    "zstd",
    "tr",
];

/// Discs of a scenario in a folder that anybody may enter.
struct Scenario {
    dir: tempfile::TempDir,
}

impl Scenario {
    fn new(name: &str) -> Scenario {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let made = Command::new("python3").args([MAKER, "make", name]).arg(dir.path()).status();
        assert!(made.unwrap().success(), "{name}");
        fs::write(dir.path().join("pw"), "correct horse\n").unwrap();
        fs::write(dir.path().join("restore.sh"), restore_sh(&facts())).unwrap();
        let tools = dir.path().join("bin");
        fs::create_dir(&tools).unwrap();
        for tool in TOOLS {
            if let Some(path) = which(tool) {
                symlink(path, tools.join(tool)).unwrap();
            }
        }
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        Scenario { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the script as whoever runs the tests, or as nobody where that is root.
    fn restore(&self, as_nobody: bool, words: &[&str]) -> Output {
        let mut command = Command::new("setpriv");
        if as_nobody && is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        } else {
            command.arg("--nnp");
        }
        command
            .args(["env", "-i", "HOME=/nonexistent"])
            .arg(format!("PATH={}", self.path("bin").display()))
            .args([which("bash").unwrap().to_str().unwrap(), "restore.sh"])
            .args(words)
            .current_dir(self.dir.path())
            .stdin(std::process::Stdio::null());
        command.output().unwrap()
    }

    /// Changes a bit where these bytes stand last in an archive; in how many archives they do.
    fn spoil(&self, wanted: &[u8]) -> usize {
        let mut spoilt = 0;
        for disc in ["disc1/archives", "disc2/archives"] {
            for archive in fs::read_dir(self.path(disc)).unwrap() {
                let path = archive.unwrap().path();
                let mut bytes = fs::read(&path).unwrap();
                if let Some(at) = bytes.windows(wanted.len()).rposition(|found| found == wanted) {
                    bytes[at] ^= 1;
                    fs::write(path, bytes).unwrap();
                    spoilt += 1;
                }
            }
        }
        spoilt
    }

    /// Restores in both roles and compares with the source as it was at a run.
    fn comes_back(&self, run: u32, words: &[&str], discs: &[&str]) {
        for as_nobody in [false, true] {
            let target = format!("open/t{run}{as_nobody}");
            let all = [words, &[&target], discs].concat();
            let output = self.restore(as_nobody, &all);
            assert_eq!(output.status.code(), Some(0), "{as_nobody} {}", shown(&output));
            self.is_like(run, &target);
        }
    }

    fn is_like(&self, run: u32, target: &str) {
        let expected = fs::read_to_string(self.path(&format!("manifest-plain-{run}"))).unwrap();
        let expected: Vec<&str> = expected.lines().collect();
        let found = manifest(&self.path(target));
        let found: Vec<&str> = found.lines().collect();
        let wrong: Vec<_> = expected.iter().filter(|line| !found.contains(line)).take(3).collect();
        assert!(wrong.is_empty(), "not restored as it was: {wrong:#?}");
        assert_eq!(expected.len(), found.len(), "more than there was");
    }
}

fn facts() -> Facts {
    let uuid = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    Facts {
        set: SetName::new("demo").unwrap(),
        set_uuid: SetUuid(uuid),
        disc: DiscNo(1),
        disc_uuid: DiscUuid(uuid),
        snapshot: SnapshotSeq(1),
        date: "2026-01-01T00:00:00Z".to_owned(),
        source: b"/src".to_vec(),
        encryption: Encryption::None,
        key_ids: Vec::new(),
        keys_since: None,
        zstd: false,
        long_paths: false,
        has_snapshot: true,
        parity: 0,
        signed: false,
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn which(tool: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/local/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(tool))
        .find(|path| path.exists())
}

fn manifest(dir: &Path) -> String {
    let output =
        Command::new("python3").args([MAKER, "manifest", "--plain"]).arg(dir).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn shown(output: &Output) -> String {
    format!(
        "exit {:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_plain_set_comes_back_whatever_the_order_of_the_discs() {
    Scenario::new("plain").comes_back(1, &[], &["disc2", "disc1"]);
}

#[test]
fn archives_without_compression_come_back() {
    Scenario::new("uncompressed").comes_back(1, &[], &["disc1", "disc2"]);
}

#[test]
fn a_set_with_a_passphrase_comes_back_without_an_agent_or_a_home() {
    let scenario = Scenario::new("passphrase");
    scenario.comes_back(1, &["-p", "pw"], &["disc1", "disc2"]);
    fs::write(scenario.path("pw"), "wrong\n").unwrap();
    let output = scenario.restore(false, &["-p", "pw", "wrong", "disc1", "disc2"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
}

#[test]
fn moves_copies_and_new_modes_come_back_and_so_does_the_day_before() {
    let scenario = Scenario::new("two-snapshots");
    scenario.comes_back(2, &[], &["disc1", "disc2", "disc3"]);
    scenario.comes_back(1, &["-s", "1"], &["disc1", "disc2", "disc3"]);
    let output = scenario.restore(false, &["-s", "9", "open/none", "disc1", "disc3"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert!(shown(&output).contains("listed: 2 (2026"), "{}", shown(&output));
}

#[test]
fn a_file_in_parts_over_discs_is_joined() {
    Scenario::new("split").comes_back(1, &[], &["disc4", "disc2", "disc3", "disc1"]);
}

#[test]
fn what_a_missing_disc_has_is_listed_and_comes_when_it_is_given() {
    let scenario = Scenario::new("split");
    let output = scenario.restore(true, &["open/t", "disc1", "disc3", "disc4"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("missing: film (on disc 2, which was not there)"), "{text}");
    assert!(!scenario.path("open/t/film").exists());
    assert!(scenario.path("open/t/z small").exists());
    let output = scenario.restore(true, &["open/t", "disc1", "disc2", "disc3", "disc4"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    scenario.is_like(1, "open/t");
}

#[test]
fn content_that_changed_on_the_disc_is_set_aside_alone() {
    let scenario = Scenario::new("uncompressed");
    for wanted in [&b"deep\ndeep\n"[..], b"secret\0"] {
        assert_eq!(scenario.spoil(wanted), 1);
    }
    for as_nobody in [false, true] {
        let target = format!("open/{as_nobody}");
        let output = scenario.restore(as_nobody, &[&target, "disc1", "disc2"]);
        assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        let missing =
            ["missing: a/b/deep.txt (damaged on disc", "missing: secret (damaged on disc"];
        assert!(missing.iter().all(|words| text.contains(words)), "{text}");
        assert_eq!(text.matches("missing: ").count(), 2, "{text}");
        let aside = scenario.path(&target).join(".coldcut-damaged");
        assert_eq!(fs::read(aside.join("a/b/deep.txt")).unwrap().len(), 5000);
        assert!(aside.join("secret").exists());
        assert!(!scenario.path(&target).join("a/b/deep.txt").exists());
    }
}

#[test]
fn a_damaged_place_costs_a_frame_when_damage_is_to_be_ignored() {
    let scenario = Scenario::new("damage");
    let missing = |words: &[&str]| {
        let output = scenario.restore(false, words);
        assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
        String::from_utf8_lossy(&output.stdout).matches("missing: ").count()
    };
    assert!(missing(&["open/strict", "disc1"]) > 10);
    assert_eq!(missing(&["--ignore-damage", "open/all", "disc1"]), 8);
}

#[test]
fn files_that_are_there_stay_and_are_reported() {
    let scenario = Scenario::new("damage");
    fs::create_dir_all(scenario.path("open/t/d")).unwrap();
    fs::write(scenario.path("open/t/d/000"), "mine").unwrap();
    let output = scenario.restore(false, &["open/t", "disc1"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert!(shown(&output).contains("not changed: d/000"), "{}", shown(&output));
    assert_eq!(fs::read(scenario.path("open/t/d/000")).unwrap(), b"mine");
}

#[test]
fn nothing_is_written_through_a_link_out_of_the_target() {
    let scenario = Scenario::new("damage");
    fs::create_dir_all(scenario.path("open/t")).unwrap();
    fs::create_dir_all(scenario.path("open/outside")).unwrap();
    symlink("../outside", scenario.path("open/t/d")).unwrap();
    let output = scenario.restore(false, &["open/t", "disc1"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert_eq!(fs::read_dir(scenario.path("open/outside")).unwrap().count(), 0);
}

#[test]
fn twenty_thousand_small_files_moved_and_copied_come_back() {
    Scenario::new("many").comes_back(2, &[], &["disc1", "disc2"]);
}

#[test]
fn without_any_whole_listing_the_indexes_serve() {
    let scenario = Scenario::new("split");
    let output = scenario.restore(true, &["open/t", "disc2", "disc3"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("missing: film (") && text.contains("missing: hole ("), "{text}");
    let left: Vec<_> =
        fs::read_dir(scenario.path("open/t")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("work")), "{left:?}");
    assert!(!scenario.path("open/t/hole").exists(), "only a piece of it was there");
}

#[test]
fn a_listing_that_is_damaged_gives_way_to_the_next_and_says_so() {
    let scenario = Scenario::new("two-snapshots");
    let listing = scenario.path("disc3/SNAPSHOT.tsv.bz2");
    let mut bytes = fs::read(&listing).unwrap();
    bytes[500..800].fill(0);
    fs::write(&listing, bytes).unwrap();
    let output = scenario.restore(true, &["open/t", "disc1", "disc2", "disc3"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert!(shown(&output).contains("the listing on disc 3 is damaged"), "{}", shown(&output));
    scenario.is_like(1, "open/t");
}

#[test]
fn a_listing_that_leads_outside_is_refused() {
    let scenario = Scenario::new("damage");
    let steps = r"cd disc1 && bzip2 -dc SNAPSHOT.tsv.bz2 > s && rest='0\t-\t-\t-\t0755\t0\t0\t-\t-\t1.0' &&
        printf 'd\t..\t%b\t-\t-\t-\t-\nd\t../outside\t%b\t-\t-\t-\t-\nd\td/../../outside\t%b\t-\t-\t-\t-\n' $rest $rest $rest >> s &&
        printf 'l\td/link\t%b\t/tmp\t-\t-\t-\nd\td/link/outside\t%b\t-\t-\t-\t-\n' $rest $rest >> s &&
        printf 'd\t/tmp/outside\t%b\t-\t-\t-\t-\n' $rest >> s && bzip2 -c s > SNAPSHOT.tsv.bz2"
        .replace("\\\\", "\\");
    let status =
        Command::new("bash").args(["-c", &steps]).current_dir(scenario.dir.path()).status();
    assert!(status.unwrap().success());
    let output = scenario.restore(true, &["open/t", "disc1"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert_eq!(shown(&output).matches("refused: ").count(), 5, "{}", shown(&output));
    assert!(!scenario.path("open/outside").exists());
    assert!(!Path::new("/tmp/outside").exists());
}

#[test]
fn exit_codes_are_those_that_are_documented() {
    let scenario = Scenario::new("damage");
    let code = |words: &[&str]| scenario.restore(false, words).status.code();
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["--nonsense", "t"]), Some(2));
    assert_eq!(code(&["open/t", "no such directory"]), Some(1));
    assert_eq!(code(&["open/t", "open"]), Some(4));
    assert_eq!(code(&["open/t"]), Some(4), "nobody answers");
}

/// The loop of README.txt, as a person would type it.
#[test]
fn the_loop_of_the_readme_yields_every_file_under_its_stored_path() {
    let scenario = Scenario::new("plain");
    let text = readme(&facts());
    let from = text.find("  for a in").unwrap();
    let to = from + text[from..].find("  done\n").unwrap() + 7;
    for disc in ["disc1", "disc2"] {
        let here = scenario.path(disc);
        let steps = text[from..to].replace("/media/cdrom", here.to_str().unwrap());
        let out = scenario.path("open/loop");
        fs::create_dir_all(&out).unwrap();
        let status = Command::new("bash").args(["-c", &steps]).current_dir(&out).status();
        assert!(status.unwrap().success());
    }
    assert_eq!(fs::read(scenario.path("open/loop/a/one.txt")).unwrap(), b"one\n");
    assert!(scenario.path("open/loop/.coldcut-source/.coldcut-parts/x").exists());
}
