//! One command at one forgery: what must never happen, whatever the forgery is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bench::{DiscCommand, ForgeryBench};
use crate::forge::How;
use crate::forge::forgeries::{Forged, Forgery};
use crate::forge::owner::files;
use crate::support::Run;

/// How a command ended, and whether it named what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandResult {
    pub code: Option<i32>,
    pub is_named: bool,
}

impl std::fmt::Display for CommandResult {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let named = if self.is_named { "!" } else { "" };
        match self.code {
            Some(code) => write!(f, "{code}{named}"),
            None => write!(f, "killed{named}"),
        }
    }
}

const SECONDS: u32 = 60;

pub fn run(
    bench: &ForgeryBench,
    forgery: &Forgery,
    forged: &Forged,
    verb: &DiscCommand,
    has_catalog: bool,
    faults: &mut Vec<String>,
) -> CommandResult {
    bench.set_up(forged, has_catalog);
    let sandbox = &bench.owner.sandbox;
    let settings = has_catalog.then(|| ProtectedSettings::of(bench));
    let before = surroundings(bench, verb);
    let coldcut = |words: &[String], faults: &mut Vec<String>| {
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", sandbox.path("bin").display());
        let run = sandbox.run_within(SECONDS, path.as_ref(), words);
        orderly(&run, faults);
        run
    };
    let run = coldcut(&bench.words(verb, forged, has_catalog), faults);
    if verb.name == "rebuild" && sandbox.catalog().exists() {
        for line in ["find *", "ls", "status", "discs"] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let told = coldcut(&words, faults);
            believes_nothing(bench, forgery, &told.stdout(), has_catalog, faults);
        }
    }
    let mut fault = |what: String| faults.push(format!("{what}\n{}", run.story()));
    for change in differences(&before, &surroundings(bench, verb)) {
        fault(format!("changed: {change}"));
    }
    if sandbox.path("ran").exists() {
        fault("a command of the disc was run".to_owned());
    }
    let started = fs::read_to_string(bench.started()).unwrap_or_default();
    for program in started.lines().filter(|program| !verb.starts.contains(program)) {
        fault(format!("started: {program}"));
    }
    for stray in strays(sandbox.path("").as_path()) {
        fault(format!("left behind: {stray}"));
    }
    if sandbox.catalog().exists() {
        let after = ProtectedSettings::of(bench);
        match settings {
            Some(before) if before != after => {
                fault(format!("settings: {before:?}, then {after:?}"))
            }
            None if after
                .certificates
                .iter()
                .any(|found| !ProtectedSettings::of_owner(bench).contains(found)) =>
            {
                fault(format!("certificates: {:?}", after.certificates));
            }
            _ => {}
        }
    }
    let back = sandbox.path("back");
    let contents = if back.is_dir() { files(&back) } else { Vec::new() };
    for path in contents.iter().filter(|path| path.symlink_metadata().unwrap().is_file()) {
        let content = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        believes_nothing(bench, forgery, &content, has_catalog, faults);
    }
    let words = run.stderr();
    let is_named = forgery.words.iter().any(|text| words.contains(text));
    CommandResult { code: run.output.status.code(), is_named }
}

/// Ended by itself, with words that can be shown.
fn orderly(run: &Run, faults: &mut Vec<String>) {
    let mut fault = |what: &str| faults.push(format!("{what}\n{}", run.story()));
    match run.output.status.code() {
        Some(0..=6) => {}
        _ => fault("no exit code of coldcut's: it hung, or died"),
    }
    let (stdout, stderr) = (&run.output.stdout, &run.output.stderr);
    for (name, stream) in [("stdout", stdout), ("stderr", stderr)] {
        match std::str::from_utf8(stream) {
            Err(_) => fault(&format!("{name} is no text")),
            Ok(text) => {
                if let Some(odd) = text.chars().find(|&char| moves_the_screen(char)) {
                    fault(&format!("{name} has {odd:?}"));
                }
            }
        }
    }
    let stderr = run.stderr();
    if stderr.contains("panicked") {
        fault("panicked");
    }
    for line in stderr.lines().filter(|line| line.contains("every byte matches")) {
        if !line.contains("every byte matches the catalog") {
            fault(&format!("against what? {line}"));
        }
    }
}

fn moves_the_screen(char: char) -> bool {
    let is_bidi = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_bidi || (char.is_control() && !matches!(char, '\n' | '\t'))
}

/// What the stranger wrote is not the owner's, where that can be told.
fn believes_nothing(
    bench: &ForgeryBench,
    forgery: &Forgery,
    text: &str,
    has_catalog: bool,
    faults: &mut Vec<String>,
) {
    let can_be_told = has_catalog || bench.owner.how != How::Plain;
    let is_strangers = ["stranger", "evil", ".bashrc"].iter().any(|word| text.contains(word));
    if can_be_told && is_strangers && !forgery.is_as_good_as_owners {
        faults.push(format!("the stranger's is taken for the owner's: {text}"));
    }
}

/// What no disc may change.
#[derive(Debug, PartialEq, Eq)]
struct ProtectedSettings {
    certificates: Vec<String>,
    rest: Vec<String>,
}

impl ProtectedSettings {
    fn of(bench: &ForgeryBench) -> ProtectedSettings {
        let catalog = bench.owner.sandbox.catalog();
        let conn = rusqlite::Connection::open(&catalog).unwrap();
        let sql =
            "SELECT quote(encryption), quote(source), quote(hint), quote(copies), quote(parity),
                   quote(hidden) FROM sets ORDER BY uuid";
        let mut statement = conn.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row| {
            (0..6).map(|n| row.get::<_, String>(n)).collect::<Result<Vec<_>, _>>()
        };
        let rest = statement.query_map([], row).unwrap().flat_map(Result::unwrap).collect();
        drop(statement);
        let certs: Vec<Option<Vec<u8>>> = conn
            .prepare("SELECT certs FROM sets ORDER BY uuid")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let fingerprints =
            |certs: Option<Vec<u8>>| certs.map(|certs| bench.owner.fingerprints_of(&certs));
        ProtectedSettings {
            certificates: certs.into_iter().filter_map(fingerprints).flatten().collect(),
            rest,
        }
    }

    /// The only certificate that there may be.
    fn of_owner(bench: &ForgeryBench) -> Vec<String> {
        match bench.owner.how {
            How::Recipients => vec![bench.owner.fingerprint("owner")],
            _ => Vec::new(),
        }
    }
}

/// Everything in the sandbox that the command has no business with. The time of a change cannot be
/// set back.
fn surroundings(bench: &ForgeryBench, verb: &DiscCommand) -> BTreeMap<PathBuf, String> {
    let root = bench.owner.sandbox.path("");
    let may_change = |name: &str| {
        let is_its_own = ["staging", "started", "ran", "ring", "home"].contains(&name);
        is_its_own
            || name.starts_with("catalog.sqlite")
            || verb.writes.iter().any(|w| name.starts_with(w))
    };
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&root).unwrap() {
        let entry = entry.unwrap();
        if !may_change(entry.file_name().to_str().unwrap()) {
            note(&entry.path(), &mut found);
        }
    }
    found
}

fn note(path: &Path, found: &mut BTreeMap<PathBuf, String>) {
    let Ok(meta) = path.symlink_metadata() else { return };
    let state = format!(
        "inode {} mode {:o} owner {}:{} size {} changed {}.{}",
        meta.ino(),
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.size(),
        meta.ctime(),
        meta.ctime_nsec()
    );
    found.insert(path.to_owned(), state);
    if meta.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| note(&entry.unwrap().path(), found));
    }
}

fn differences(
    before: &BTreeMap<PathBuf, String>,
    after: &BTreeMap<PathBuf, String>,
) -> Vec<String> {
    let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
    let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
    paths
        .filter(differs)
        .map(|path| {
            format!("{}: {:?}, then {:?}", path.display(), before.get(path), after.get(path))
        })
        .collect()
}

/// Processes that have something of the sandbox open, or in their arguments. One that was killed may
/// need a moment.
fn strays(dir: &Path) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let found = processes_in(dir);
        if found.is_empty() || Instant::now() > end {
            return found;
        }
        std::thread::yield_now();
    }
}

fn processes_in(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name();
        let is_other = pid
            .to_str()
            .and_then(|pid| pid.parse().ok())
            .is_some_and(|pid: u32| pid != std::process::id());
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        // gpg's own daemon, which serves a key ring.
        if !is_other || name == "gpg-agent\n" {
            continue;
        }
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        let open = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
        let mut places = open.map(|fd| fd.path()).chain([entry.path().join("cwd")]);
        let is_in =
            places.any(|link| fs::read_link(link).is_ok_and(|target| target.starts_with(dir)));
        if is_in || arguments.contains(dir.to_str().unwrap()) {
            found.push(format!("{} {}", name.trim(), arguments.replace('\0', " ")));
        }
    }
    found
}
