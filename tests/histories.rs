//! Random histories: a source changes, is backed up, changes again; a plain copy is kept of every
//! snapshot, and all of them must come back. `HISTORIES=N` plays N more histories, and
//! `HISTORY=SEED` one alone. A failure names its seed and keeps its folder.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::trees::Random;
use support::{Sandbox, assert_same_tree, mutate_tree, random_tree};

/// One history: how the set is made, and what was kept of it.
struct SetHistory {
    sandbox: Sandbox,
    random: Random,
    /// Options of every backup.
    options: Vec<String>,
    encrypted: bool,
    /// So many discs may be lost.
    spare: u64,
    /// Snapshots by id, each with a plain copy of the source.
    copies: HashMap<u64, PathBuf>,
    told: Vec<String>,
}

impl SetHistory {
    fn begin(seed: u64) -> SetHistory {
        let sandbox = Sandbox::new();
        let mut random = Random::new(seed);
        let passphrase = sandbox.passphrase_file(b"correct horse \xff battery");
        let encrypted = random.below(3) == 0;
        // gpg takes a third of a second for each archive that it opens by hand: fewer, then.
        let smallest = if encrypted { 256 } else { 16 };
        let mut options = vec![
            format!("--disc-size={}M", 2 + random.below(5)),
            format!("--archive-size={}K", smallest << random.below(4)),
            format!("--compress={}", ["bzip2", "zstd", "none"][random.below(3) as usize]),
            "--name=history".to_owned(),
        ];
        if encrypted {
            options.push(format!("--passphrase-file={}", passphrase.display()));
        }
        if random.below(4) == 0 {
            options.push(format!("--parity={}", 5 + random.below(25)));
        }
        if random.below(4) == 0 {
            options.push("--copies=2".to_owned());
        }
        let spare = random.below(6).saturating_sub(3);
        if spare > 0 {
            options.push(format!("--parity-discs={spare}/{}", spare + random.below(4)));
        }
        random_tree(&sandbox.source(), random.next(), 60);
        let told = vec![format!("seed {seed}, {options:?}")];
        SetHistory { sandbox, random, options, encrypted, spare, copies: HashMap::new(), told }
    }

    fn change(&mut self) {
        let seed = self.random.next();
        let changes = 1 + self.random.below(12) as usize;
        self.told.push(format!("mutate_tree({seed}, {changes})"));
        mutate_tree(&self.sandbox.source(), seed, changes);
        match self.random.below(6) {
            0 => self.put_large(),
            1 => self.move_a_directory(),
            2 => self.copy_a_file(),
            _ => {}
        }
    }

    /// A file that is longer than most archives, sometimes than a disc.
    fn put_large(&mut self) {
        let len = 100_000 + self.random.below(5_000_000) as usize;
        let bytes = self.random.bytes(len);
        let name = format!("large{}", self.random.below(3));
        self.told.push(format!("{name} of {len} bytes"));
        let path = self.sandbox.source().join(name);
        if !path.is_dir() {
            fs::write(path, bytes).unwrap();
        }
    }

    fn move_a_directory(&mut self) {
        let dirs: Vec<PathBuf> = entries(&self.sandbox.source(), Path::is_dir);
        if dirs.is_empty() {
            return;
        }
        let from = &dirs[self.random.below(dirs.len() as u64) as usize];
        let to = self.sandbox.source().join(format!("moved{}", self.random.below(1 << 40)));
        self.told.push(format!("mv {from:?} {to:?}"));
        fs::rename(from, to).unwrap();
    }

    fn copy_a_file(&mut self) {
        let files = entries(&self.sandbox.source(), Path::is_file);
        if files.is_empty() {
            return;
        }
        let from = &files[self.random.below(files.len() as u64) as usize];
        let to = self.sandbox.source().join(format!("copied{}", self.random.below(1 << 40)));
        self.told.push(format!("cp {from:?} {to:?}"));
        bash(&format!("cp -a --no-dereference {} {}", quoted(from), quoted(&to)));
    }

    fn backup(&mut self, flush: bool) {
        let staged = !flush && self.random.below(4) == 0;
        // Files vanish at random, and that is meant.
        let mut words = vec!["backup".to_owned(), "--allow-shrink".to_owned()];
        words.extend(self.options.iter().cloned());
        words.push(self.sandbox.source().display().to_string());
        if staged {
            words.push("--stage".to_owned());
        } else {
            words.push(self.sandbox.shelf().display().to_string());
        }
        if flush {
            words.push("--flush".to_owned());
        }
        self.told.push(format!("{words:?}"));
        self.sandbox.run(&words).ok();
        let newest = self.newest();
        let copy = self.sandbox.path(&format!("copy{newest}"));
        bash(&format!("cp -a {} {}", quoted(&self.sandbox.source()), quoted(&copy)));
        self.copies.insert(newest, copy);
        if staged && self.random.below(2) == 0 {
            // Nothing staged is an error, and no failure here.
            let shelf = self.sandbox.shelf().display().to_string();
            let burned = self.sandbox.run(["burn", "--name=history", &shelf]);
            if !burned.stderr().contains("nothing is staged") {
                burned.ok();
            }
        }
    }

    fn snapshots(&self) -> Vec<u64> {
        let results = self.sandbox.run(["snapshots", "--json", "--name=history"]).results();
        results.iter().map(|object| object["id"].as_u64().unwrap()).collect()
    }

    fn newest(&self) -> u64 {
        *self.snapshots().last().unwrap()
    }

    fn restore(&self, words: &[&str], target: &Path) {
        let mut all = vec!["restore", "--trust-metadata", "--name=history"];
        let key = self.options.iter().filter(|option| option.starts_with("--passphrase-file"));
        all.extend(key.map(String::as_str));
        all.extend(words);
        let (shelf, target) = (self.sandbox.shelf(), target.to_owned());
        let (shelf, target) = (shelf.display().to_string(), target.display().to_string());
        all.push(&shelf);
        all.push(&target);
        self.sandbox.run(&all).ok();
    }

    /// Everything that was ever backed up comes back.
    fn prove(&mut self) {
        assert_eq!(self.snapshots().len(), self.copies.len());
        for (id, copy) in &self.copies {
            let target = self.sandbox.path(&format!("back{id}"));
            self.restore(&["--snapshot", &id.to_string()], &target);
            assert_same_tree(copy, &target);
        }
        let shelf = self.sandbox.shelf().display().to_string();
        self.sandbox.run(["verify", &shelf]).ok();
        let newest = self.copies[&self.newest()].clone();
        let catalog = self.sandbox.catalog();
        fs::rename(&catalog, self.sandbox.path("lost.sqlite")).unwrap();
        self.sandbox.run(["verify", &shelf]).ok();
        let target = self.sandbox.path("without");
        self.restore(&[], &target);
        assert_same_tree(&newest, &target);
        self.by_hand(&newest);
        self.lose_discs();
        let target = self.sandbox.path("remade");
        self.restore(&[], &target);
        assert_same_tree(&newest, &target);
        fs::rename(self.sandbox.path("lost.sqlite"), catalog).unwrap();
    }

    /// Where each disc's copies are.
    fn images(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let mut discs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let second = self.sandbox.shelf().join("copy2");
        let seconds = second.is_dir().then(|| entries(&second, Path::is_file));
        for image in self.sandbox.images().into_iter().chain(seconds.into_iter().flatten()) {
            let name = image.file_stem().unwrap().to_str().unwrap();
            let disc = name["history-".len()..][..4].to_owned();
            discs.entry(disc).or_default().push(image);
        }
        discs
    }

    /// As many as recovery discs repair, with all their copies.
    fn lose_discs(&mut self) {
        for _ in 0..self.spare {
            let discs = self.images();
            let at = self.random.below(discs.len() as u64) as usize;
            let lost = discs.into_values().nth(at).unwrap();
            self.told.push(format!("lost: {lost:?}"));
            lost.iter().for_each(|copy| fs::remove_file(copy).unwrap());
        }
    }

    fn by_hand(&self, newest: &Path) {
        let mut discs = Vec::new();
        for (number, copies) in self.images() {
            let (image, disc) = (&copies[0], self.sandbox.path("discs").join(number));
            fs::create_dir_all(disc.parent().unwrap()).unwrap();
            bash(&format!(
                "xorriso -osirrox on -indev {} -extract / {} 2>&1",
                quoted(image),
                quoted(&disc)
            ));
            discs.push(disc);
        }
        // Recovery discs carry no files.
        discs.retain(|disc| disc.join("restore.sh").exists());
        let target = self.sandbox.path("by-hand");
        let words: Vec<String> = discs.iter().map(|disc| quoted(disc)).collect();
        let passphrase = match self.encrypted {
            true => format!("-p {}", self.sandbox.path("passphrase").display()),
            false => String::new(),
        };
        bash(&format!(
            "bash {}/restore.sh {passphrase} {} {} 2>&1",
            quoted(discs.last().unwrap()),
            quoted(&target),
            words.join(" ")
        ));
        assert_same_tree(newest, &target);
        self.nothing_is_stored_twice(&discs);
    }

    /// Each whole content is in one member of the whole set.
    fn nothing_is_stored_twice(&self, discs: &[PathBuf]) {
        if self.encrypted {
            return;
        }
        let mut seen: HashMap<String, String> = HashMap::new();
        for disc in discs {
            let index = bash(&format!("bzcat {}", quoted(&disc.join("INDEX.tsv.bz2"))));
            let rows = index.split(|&byte| byte == b'\n').map(String::from_utf8_lossy);
            for row in rows {
                let fields: Vec<&str> = row.split('\t').collect();
                if fields.len() == 25 && fields[1] == "f" && fields[10] == "0" && fields[4] != "0" {
                    let before = seen.insert(fields[5].to_owned(), fields[2].to_owned());
                    assert!(before.is_none(), "{before:?} and {} are the same", fields[2]);
                }
            }
        }
    }
}

fn entries(dir: &Path, wanted: fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.is_symlink() && wanted(path))
        .collect();
    found.sort();
    found
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_str().unwrap().replace('\'', "'\\''"))
}

fn bash(line: &str) -> Vec<u8> {
    let output = Command::new("bash").args(["-c", line]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{line}: {}\n{words}", output.status);
    output.stdout
}

fn play(seed: u64) {
    let mut history = SetHistory::begin(seed);
    let steps = 3 + history.random.below(3);
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for step in 0..steps {
            history.change();
            history.backup(step + 1 == steps);
        }
        history.prove();
    }));
    if let Err(panic) = played {
        eprintln!("history failed:\n  {}", history.told.join("\n  "));
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn whatever_happens_to_the_source_every_snapshot_comes_back() {
    if let Ok(seed) = std::env::var("HISTORY") {
        return play(seed.parse().unwrap());
    }
    let more: u64 = std::env::var("HISTORIES").map_or(0, |n| n.parse().unwrap());
    for seed in 1..=6 + more {
        play(seed);
    }
}
