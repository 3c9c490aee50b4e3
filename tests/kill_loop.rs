//! The shipped program, killed without warning at random moments of every phase, over and over;
//! after each kill the next run must finish the work as if nothing had happened.
//!
//! `KILLS=300 cargo test --test kill_loop` for a long night; `SEED=N` makes a night again.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use support::trees::{Random, mutate_tree};
use support::{Run, Sandbox, assert_same_tree, text};

/// Stands in names and contents of the source, and nowhere else.
const MARK: &str = "a-name-that-nobody-else-has";
const PASSPHRASE: &[u8] = b"kill me again";
/// Before the first phase, and after the last.
const START: &str = "start";

/// How long each phase of each command took when it was last seen whole.
type Durations = BTreeMap<(String, String), Duration>;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// What kind of set is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum VictimKind {
    Open,
    /// With a passphrase.
    Closed,
    /// With recovery discs.
    Grouped,
    /// On two shelves at once, a copy on each.
    Pooled,
}

/// A set, its discs, and all that was done to it.
struct KilledSet {
    sandbox: Sandbox,
    kind: VictimKind,
    durations: Durations,
    /// Kills so far, by command and phase.
    kills: BTreeMap<(String, String), u32>,
    laps: u64,
}

/// What happened to a run that was to be killed.
enum KillResult {
    Killed { phase: String },
    Escaped,
}

impl KilledSet {
    fn new(kind: VictimKind) -> KilledSet {
        let sandbox = Sandbox::new();
        sandbox.passphrase_file(PASSPHRASE);
        let mut random = Random::new(7);
        for n in 0..30 {
            let dir = sandbox.source().join(format!("{n:02}-{MARK}"));
            fs::create_dir(&dir).unwrap();
            let noise = random.bytes(20_000 + 3_000 * n);
            fs::write(dir.join("noise"), [MARK.as_bytes(), &noise].concat()).unwrap();
            fs::write(dir.join("text"), format!("{MARK} {n}\n").repeat(2_000)).unwrap();
        }
        fs::write(sandbox.source().join("film"), random.bytes(2_500_000)).unwrap();
        let (durations, kills) = (Durations::new(), BTreeMap::new());
        KilledSet { sandbox, kind, durations, kills, laps: 0 }
    }

    fn words(&self, verb: &str) -> Vec<String> {
        let (source, shelf) = (text(&self.sandbox.source()), text(&self.sandbox.shelf()));
        let other = || (self.kind == VictimKind::Pooled).then(|| text(&self.other_shelf()));
        let mut words: Vec<String> = match verb {
            "backup" => ["backup".into(), source, shelf].into_iter().chain(other()).collect(),
            "stage" => vec!["backup".into(), "--stage".into(), source],
            "burn" => ["burn".into(), shelf].into_iter().chain(other()).collect(),
            "verify" => vec!["verify".into(), shelf],
            "restore" => vec![
                "restore".into(),
                "--trust-metadata".into(),
                shelf,
                text(&self.sandbox.target()),
            ],
            _ => ["catalog".into(), "rebuild".into(), "--replace".into(), shelf]
                .into_iter()
                .chain(other())
                .collect(),
        };
        if matches!(verb, "backup" | "stage") {
            words.extend(["--disc-size", "2M", "--archive-size", "400K"].map(str::to_owned));
            words.extend(match self.kind {
                VictimKind::Open => vec![],
                VictimKind::Closed => vec!["--encrypt".to_owned()],
                VictimKind::Grouped => vec!["--parity-discs".to_owned(), "1/2".to_owned()],
                VictimKind::Pooled => vec!["--copies".to_owned(), "2".to_owned()],
            });
        }
        let key = ["--passphrase-file".to_owned(), text(&self.sandbox.path("passphrase"))];
        words.extend((self.kind == VictimKind::Closed).then_some(key).into_iter().flatten());
        words.extend(["--name", "set", "--json"].map(str::to_owned));
        words
    }

    fn other_shelf(&self) -> PathBuf {
        self.sandbox.path("other")
    }

    /// Starts a command, waits for a phase, goes a part of its usual length into it, and kills.
    fn kill(&mut self, verb: &str, random: &mut Random) -> KillResult {
        let phases: Vec<(String, Duration)> = self
            .durations
            .iter()
            .filter(|((of, _), _)| of == verb)
            .map(|((_, phase), length)| (phase.clone(), *length))
            .collect();
        let (phase, length) = phases[random.below(phases.len() as u64) as usize].clone();
        let part = random.below(1_100);
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
        command.args(self.words(verb)).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (sender, heard) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listener = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(phase_in(&line));
            }
        });
        let mut reached = phase == START;
        while !reached {
            match heard.recv() {
                Ok(found) => reached = found.as_deref() == Some(phase.as_str()),
                Err(_) => break,
            }
        }
        let mut last = phase.clone();
        let deadline = Instant::now() + length * part as u32 / 1_000;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match heard.recv_timeout(left) {
                Ok(found) => last = found.unwrap_or(last),
                Err(_) => break,
            }
        }
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        listener.join().unwrap();
        if ended.is_some() {
            return KillResult::Escaped;
        }
        *self.kills.entry((verb.to_owned(), last.clone())).or_default() += 1;
        KillResult::Killed { phase: last }
    }

    /// Runs a command to its end, and remembers how long its phases take.
    #[track_caller]
    fn finish(&mut self, verb: &str) {
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
        command.args(self.words(verb)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut phase = START.to_owned();
        let mut since = Instant::now();
        let mut lengths = Durations::new();
        let mut note = |phase: &str, length: Duration| {
            *lengths.entry((verb.to_owned(), phase.to_owned())).or_default() += length;
        };
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(next) = phase_in(&line.unwrap()) {
                note(&phase, since.elapsed());
                (phase, since) = (next, Instant::now());
            }
        }
        let output = child.wait_with_output().unwrap();
        note(&phase, since.elapsed());
        let stderr = String::from_utf8_lossy(&output.stderr);
        let dir = self.sandbox.path("");
        // Killed when all was done, and not said yet.
        let was_done = verb == "burn" && stderr.contains("nothing is staged");
        assert!(
            output.status.success() || was_done,
            "{verb}: {} in {}\n{stderr}",
            output.status,
            dir.display()
        );
        self.durations.extend(lengths);
    }

    fn run(&self, words: &[&str]) -> Run {
        self.sandbox.run(words)
    }

    /// What must be true at any moment, whatever was cut off.
    fn check_always(&self, story: &str, is_in_work: bool) {
        self.check_safe_discs(story);
        if self.kind == VictimKind::Closed {
            self.check_no_plaintext(story, is_in_work);
        }
    }

    /// A disc is called safe only if its image is there, whole.
    fn check_safe_discs(&self, story: &str) {
        if !self.sandbox.catalog().exists() {
            return;
        }
        let run = self.run(&["discs", "--json", "--name", "set"]);
        if run.output.status.code() == Some(1) {
            // Killed before the set was made.
            run.says("no set");
            return;
        }
        for disc in run.ok().results() {
            let is_safe = disc["state"] == "verified";
            let is_whole = |shelf: PathBuf| {
                let length = fs::metadata(shelf.join(image_name(&disc))).map_or(0, |f| f.len());
                length == disc["used"].as_u64().unwrap()
            };
            let is_there = is_whole(self.sandbox.shelf()) || is_whole(self.other_shelf());
            assert!(!is_safe || is_there, "{story}: {disc}");
        }
    }

    /// Nothing readable lies about where discs wait. While a disc is filled the rows of its INDEX
    /// are there, and for a moment a copy of the catalog, as they are in the catalog itself.
    fn check_no_plaintext(&self, story: &str, is_in_work: bool) {
        for path in files_below(&self.sandbox.staging()) {
            let in_work = path.parent().unwrap().ends_with(".rows")
                || path.extension().is_some_and(|end| end == "export" || end == "sqlite");
            if is_in_work && in_work {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let tells = bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes());
            assert!(!tells, "{story}: {} can be read", path.display());
            let name = path.file_name().unwrap().to_str().unwrap();
            let open = [
                "README.txt",
                "README.intl.txt",
                "restore.sh",
                "simple-restore.sh",
                "FORMAT.txt",
                "DISC.txt",
                "SHA256SUMS",
            ];
            // An OpenPGP message begins with a session-key packet (RFC 4880 5.3, tag 3).
            let is_sealed = bytes.is_empty() || matches!(bytes[0], 0xc3 | 0x8c | 0x8d);
            let is_open = open.iter().any(|clear| name.starts_with(clear));
            assert!(is_sealed || is_open, "{story}: {} is not sealed", path.display());
        }
    }

    /// What must be true once a backup has ended.
    fn check_stored_once(&self, story: &str) {
        let catalog = rusqlite::Connection::open(self.sandbox.catalog()).unwrap();
        let ask = |sql: &str| -> i64 { catalog.query_row(sql, [], |row| row.get(0)).unwrap() };
        let twice = ask("SELECT count(*) FROM (SELECT 1 FROM contents WHERE sha256 IS NOT NULL
             GROUP BY sha256, size HAVING count(*) > 1)");
        assert_eq!(twice, 0, "{story}: contents are stored twice");
        let live = ask("SELECT count(*) FROM entries e LEFT JOIN contents c ON c.id=e.content
             WHERE e.last_seq IS NULL AND e.kind='f' AND COALESCE(c.size, e.size)>0
             AND c.sha256 IS NULL");
        assert_eq!(live, 0, "{story}: files count as stored and are not");
        assert_eq!(ask("SELECT count(*) FROM pragma_foreign_key_check"), 0, "{story}");
        let twice = ask("SELECT count(*) - count(DISTINCT disc) FROM covered");
        assert_eq!(twice, 0, "{story}: a disc is in two groups");
        let covered = ask("SELECT count(*) FROM covered");
        assert!(covered > 0 || self.kind != VictimKind::Grouped, "{story}: no disc is covered");
    }

    /// Everything is on discs, and on nothing else.
    fn check_finished(&self, story: &str) {
        self.check_stored_once(story);
        let discs = self.run(&["discs", "--json", "--name", "set"]).ok().results();
        assert!(discs.iter().all(|disc| disc["state"] == "verified"), "{story}: {discs:?}");
        let names: BTreeSet<String> = discs.iter().map(image_name).collect();
        let there: BTreeSet<String> =
            self.sandbox.images().iter().map(|image| name(image)).collect();
        assert_eq!(names, there, "{story}");
        if self.kind == VictimKind::Pooled {
            assert!(discs.iter().all(|disc| disc["copies"] == 2), "{story}: {discs:?}");
            let is_image = |path: &PathBuf| path.extension().is_some_and(|end| end == "iso");
            let images = files_below(&self.other_shelf()).into_iter().filter(is_image);
            let there: BTreeSet<String> = images.map(|image| name(&image)).collect();
            assert_eq!(names, there, "{story}: one copy is on each shelf");
        }
        // A group waits for its next disc.
        let is_group = |path: &PathBuf| text(path).contains("/group-");
        let mut left = files_below(&self.sandbox.staging());
        left.retain(|path| self.kind != VictimKind::Grouped || !is_group(path));
        assert!(left.is_empty(), "{story}: {left:?} is left in the staging area");
    }

    fn check_target(&self) {
        assert_same_tree(&self.sandbox.source(), &self.sandbox.target());
        fs::remove_dir_all(self.sandbox.target()).unwrap();
    }

    fn change(&mut self) {
        self.laps += 1;
        mutate_tree(&self.sandbox.source(), self.laps, 6);
        let dir = self.sandbox.source().join(format!("lap-{}-{MARK}", self.laps));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("new"), Random::new(self.laps).bytes(600_000)).unwrap();
    }

    /// One command, killed up to so many times, and then let go to its end.
    fn torment(&mut self, verb: &str, times: u64, random: &mut Random, killed: &mut u64) {
        for _ in 0..times {
            let story = match self.kill(verb, random) {
                KillResult::Killed { phase } => {
                    *killed += 1;
                    format!("kill {killed}: {verb} while {phase}")
                }
                KillResult::Escaped => format!("{verb} ended before it was killed"),
            };
            self.check_always(&story, true);
        }
        self.finish(verb);
        let is_reader = !matches!(verb, "backup" | "stage" | "burn");
        self.check_always(&format!("{verb} after kill {killed}"), is_reader);
    }

    /// All commands once, on what changed since.
    fn lap(&mut self, random: &mut Random, killed: &mut u64) {
        self.change();
        if random.below(2) == 0 {
            self.torment("backup", 1 + random.below(2), random, killed);
        } else {
            self.torment("stage", 1, random, killed);
            // The next night fills up what waits.
            self.change();
            self.torment("stage", 1, random, killed);
            self.torment("burn", 1, random, killed);
        }
        self.check_finished(&format!("after kill {killed}"));
        self.torment("verify", 1, random, killed);
        self.torment("restore", 1, random, killed);
        self.check_target();
        if random.below(2) == 0 {
            self.torment("rebuild", 1, random, killed);
            self.finish("verify");
            let before = self.sandbox.images().len();
            self.finish("backup");
            assert_eq!(self.sandbox.images().len(), before, "an unchanged tree costs a disc");
            self.check_finished(&format!("after kill {killed}, rebuilt"));
        }
    }

    /// Everything once without a kill: how long phases are.
    fn rehearse(&mut self) {
        for verb in ["backup", "verify", "restore", "rebuild", "verify"] {
            self.finish(verb);
        }
        self.check_target();
        self.change();
        self.finish("stage");
        self.finish("burn");
        self.check_finished("before any kill");
    }
}

/// The phase that a line of `--json` tells of.
fn phase_in(line: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(line).ok()?;
    (object["event"] == "phase").then(|| object["phase"].as_str().unwrap().to_owned())
}

fn image_name(disc: &serde_json::Value) -> String {
    format!("set-{:04}.iso", disc["id"].as_u64().unwrap())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

#[test]
fn whatever_is_killed_whenever_the_next_run_finishes_it() {
    let (kills, seed) = (number("KILLS", 40), number("SEED", 20_261_122));
    println!("{kills} kills, SEED={seed}");
    let mut random = Random::new(seed);
    let mut victims =
        [VictimKind::Open, VictimKind::Closed, VictimKind::Grouped, VictimKind::Pooled]
            .map(KilledSet::new);
    victims.iter_mut().for_each(KilledSet::rehearse);
    let mut killed = 0;
    // A few dozen kills may miss a short phase; then there are some more, until luck is no excuse.
    while killed < kills || (killed < 4 * kills && !missed(&victims).is_empty()) {
        for victim in &mut victims {
            victim.lap(&mut random, &mut killed);
        }
        // Images grow with each lap; a fresh set keeps a long night's laps as short as the first.
        for victim in victims.iter_mut().filter(|victim| victim.laps >= 12) {
            let kills = std::mem::take(&mut victim.kills);
            *victim = KilledSet::new(victim.kind);
            victim.rehearse();
            victim.kills = kills;
        }
    }
    let mut by_phase: BTreeMap<(String, String), u32> = BTreeMap::new();
    for (place, count) in victims.iter().flat_map(|victim| &victim.kills) {
        *by_phase.entry(place.clone()).or_default() += count;
    }
    for ((verb, phase), count) in &by_phase {
        println!("{count:4} while {phase} ({verb})");
    }
    let missed = missed(&victims);
    assert!(missed.is_empty(), "never killed while {missed:?}: too few kills, or another SEED");
}

/// Phases in which nobody was killed so far.
fn missed(victims: &[KilledSet]) -> Vec<&'static str> {
    let hit: BTreeSet<&str> =
        victims.iter().flat_map(|v| v.kills.keys()).map(|(_, phase)| phase.as_str()).collect();
    let all = [
        START,
        "scanning",
        "packing",
        "writing",
        "verifying",
        "protecting",
        "restoring",
        "reading",
    ];
    all.into_iter().filter(|phase| !hit.contains(phase)).collect()
}
