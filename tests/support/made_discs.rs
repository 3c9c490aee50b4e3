//! Discs that do not come from coldcut: `make_discs.py` makes them from docs/format.md alone. The
//! scripts that restore them see nothing but the promised programs.

#![allow(dead_code)] // each test program uses a part of it

use coldcut::format::by_hand::{Facts, restore_sh, simple_restore_sh};
use coldcut::model::disc::Encryption;
use coldcut::model::{DiscIdentity, DiscNo, DiscUuid, SetName, SetUuid, SnapshotSeq};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MAKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/make_discs.py");

/// What the script may use. coreutils are named one by one: those that it does use.
const TOOLS: &[&str] = &[
    "bash",
    "tar",
    "bzip2",
    "gpg",
    "gpg-agent",
    "awk",
    "cat",
    "chmod",
    "cp",
    "chown",
    "cut",
    "dd",
    "env",
    "head",
    "ln",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mv",
    "od",
    "paste",
    "realpath",
    "rm",
    "rmdir",
    "sha256sum",
    "sort",
    "stat",
    "tail",
    "tee",
    "touch",
    "tr",
    "true",
    "truncate",
    "wc",
    "zstd",
];

/// Discs of a scenario in a folder that anybody may enter.
pub struct Scenario {
    pub dir: tempfile::TempDir,
}

impl Scenario {
    pub fn new(name: &str) -> Scenario {
        Scenario::of(name, "2")
    }

    /// The same in a version of the format, or `mixed`.
    pub fn of(name: &str, format: &str) -> Scenario {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut made = Command::new("python3");
        made.args([MAKER, "make", name]).arg(dir.path());
        assert!(made.arg(format).status().unwrap().success(), "{name}");
        fs::write(dir.path().join("pw"), "correct horse\n").unwrap();
        fs::write(dir.path().join("restore.sh"), restore_sh(&facts())).unwrap();
        fs::write(dir.path().join("simple-restore.sh"), simple_restore_sh(&facts())).unwrap();
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Does something to the discs, in the folder that has them.
    pub fn bash(&self, steps: &str) -> &Scenario {
        let steps = format!("set -e; sums() {{ python3 {MAKER} sums \"$1\"; }}; {steps}");
        let output =
            Command::new("bash").args(["-c", &steps]).current_dir(self.dir.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{steps}\n{}", shown(&output));
        self
    }

    /// Runs restore.sh as whoever runs the tests, or as nobody where that is root.
    pub fn restore(&self, as_nobody: bool, words: &[&str]) -> Output {
        self.run("restore.sh", as_nobody, &[], words)
    }

    /// The same with variables that are set.
    pub fn run(&self, script: &str, as_nobody: bool, env: &[&str], words: &[&str]) -> Output {
        let mut command = Command::new("setpriv");
        if as_nobody && is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        } else {
            command.arg("--nnp");
        }
        command
            .args(["env", "-i", "HOME=/nonexistent"])
            .arg(format!("PATH={}", self.path("bin").display()))
            .args(env)
            .args([which("bash").unwrap().to_str().unwrap(), script])
            .args(words)
            .current_dir(self.dir.path())
            .stdin(std::process::Stdio::null());
        command.output().unwrap()
    }

    /// Changes a bit where these bytes stand last in an archive; in how many archives they do.
    pub fn spoil(&self, wanted: &[u8]) -> usize {
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
    pub fn comes_back(&self, run: u32, words: &[&str], discs: &[&str]) {
        for as_nobody in [false, true] {
            let target = format!("open/t{run}{as_nobody}");
            let all = [words, &[&target], discs].concat();
            let output = self.restore(as_nobody, &all);
            assert_eq!(output.status.code(), Some(0), "{as_nobody} {}", shown(&output));
            self.is_like(run, &target);
        }
    }

    pub fn is_like(&self, run: u32, target: &str) {
        let expected = fs::read_to_string(self.path(&format!("manifest-plain-{run}"))).unwrap();
        let expected: Vec<&str> = expected.lines().collect();
        let found = manifest(&self.path(target));
        let found: HashSet<&str> = found.lines().collect();
        let wrong: Vec<_> = expected.iter().filter(|line| !found.contains(*line)).take(3).collect();
        assert!(wrong.is_empty(), "not restored as it was: {wrong:#?}");
        assert_eq!(expected.len(), found.len(), "more than there was");
    }

    /// Every path is there, with its kind, content and hard links.
    pub fn has_names(&self, run: u32, target: &str) {
        let expected = fs::read_to_string(self.path(&format!("manifest-plain-{run}"))).unwrap();
        let expected = expected.lines().map(without_metadata).collect::<Vec<_>>();
        let found = manifest(&self.path(target));
        assert_eq!(expected, found.lines().map(without_metadata).collect::<Vec<_>>());
    }

    /// The same but for extended attributes.
    pub fn has_contents(&self, run: u32, target: &str) {
        let without = |text: &str| -> Vec<String> {
            let lines = text.lines().map(|line| line.rsplit_once(", [").unwrap().0.to_owned());
            lines.collect()
        };
        let expected = fs::read_to_string(self.path(&format!("manifest-plain-{run}"))).unwrap();
        assert_eq!(without(&expected), without(&manifest(&self.path(target))));
    }
}

pub fn facts() -> Facts {
    let uuid = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    Facts {
        id: DiscIdentity {
            set: SetName::new("demo").unwrap(),
            set_uuid: SetUuid(uuid),
            number: DiscNo(1),
            uuid: DiscUuid(uuid),
        },
        snapshot: SnapshotSeq(1),
        date: "2026-01-01T00:00:00Z".to_owned(),
        source: b"/src".to_vec(),
        encryption: Encryption::None,
        key_ids: Vec::new(),
        zstd: false,
        long_paths: false,
        has_snapshot: true,
        parity: 0,
        signed: false,
    }
}

/// A line of a manifest without mode, time and attributes.
fn without_metadata(line: &str) -> String {
    let (before, _) = line.rsplit_once(", [").unwrap();
    let kind = before.find(", '").unwrap() + 6;
    let rest = before[kind..].splitn(3, ", ").nth(2).unwrap();
    format!("{} {rest}", &before[..kind])
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn which(tool: &str) -> Option<PathBuf> {
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

pub fn shown(output: &Output) -> String {
    format!(
        "exit {:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
