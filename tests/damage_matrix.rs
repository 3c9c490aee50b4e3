//! Damaged discs, every kind of damage to every part of a disc, and every step that meets it.
//!
//! `MATRIX=all cargo test --test damage_matrix` runs all cells, `MATRIX=SEED` the one with that
//! seed; without it a fixed tenth.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod damage;
mod support;

use damage::hurt::{DamageDone, DamageKind, DamagedPart, HURTS, VICTIMS, hurt};
use damage::loss::ExpectedLoss;
use damage::{DamageBench, UndamagedSet, image};
use std::collections::BTreeSet;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use support::Run;
use support::trees::Random;

/// Names that a run tells it could not bring back.
fn told(run: &Run) -> BTreeSet<String> {
    let troubles = run.objects().into_iter().filter(|object| object["event"] == "trouble");
    troubles.map(|trouble| trouble["thing"].as_str().unwrap().to_owned()).collect()
}

/// What happened to the discs, or to what is known of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Damage {
    Hurt(DamageKind, DamagedPart),
    /// Two discs are in each other's place.
    Swapped,
    /// Another disc carries the number of one.
    Twin,
    /// The catalog is one from before the last run.
    Stale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum MatrixStep {
    Verify,
    Restore,
    /// Without our catalog.
    RestoreAlone,
    Rebuild,
    Backup,
    /// restore.sh.
    ByHand,
}

const STEPS: [MatrixStep; 6] = [
    MatrixStep::Verify,
    MatrixStep::Restore,
    MatrixStep::RestoreAlone,
    MatrixStep::Rebuild,
    MatrixStep::Backup,
    MatrixStep::ByHand,
];

/// One damage and one step that meets it.
#[derive(Clone, Copy, Debug)]
struct MatrixCell {
    damage: Damage,
    step: MatrixStep,
    kind: SetKind,
    seed: u64,
}

/// Which set is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetKind {
    Plain,
    Closed,
    /// With recovery data.
    Protected,
}

impl SetKind {
    const ALL: [SetKind; 3] = [SetKind::Plain, SetKind::Closed, SetKind::Protected];

    fn discs(self) -> UndamagedSet {
        match self {
            SetKind::Plain => UndamagedSet::new(false),
            SetKind::Closed => UndamagedSet::new(true),
            SetKind::Protected => UndamagedSet::protected(),
        }
    }
}

fn cells() -> Vec<MatrixCell> {
    let hurts = HURTS.iter().flat_map(|&hurt| VICTIMS.map(|victim| Damage::Hurt(hurt, victim)));
    let damages = hurts.chain([Damage::Swapped, Damage::Twin, Damage::Stale]);
    let with_steps = damages.flat_map(|damage| STEPS.map(|step| (damage, step)));
    let kinds = [SetKind::Plain, SetKind::Closed];
    let both = with_steps.flat_map(|(damage, step)| kinds.map(|kind| (damage, step, kind)));
    let number = |(seed, (damage, step, kind)): (usize, _)| MatrixCell {
        damage,
        step,
        kind,
        seed: seed as u64,
    };
    // A mounted disc's directory is the kernel's work.
    let is_ours = |cell: &MatrixCell| {
        let structures = matches!(cell.damage, Damage::Hurt(_, DamagedPart::Structures));
        !(cell.step == MatrixStep::ByHand && (structures || cell.damage == Damage::Stale))
    };
    both.enumerate().map(number).filter(is_ours).collect()
}

/// What recovery data covers, and can repair: less than half of a disc. And recovery data itself,
/// on which nothing depends then.
fn protected_cells() -> Vec<MatrixCell> {
    let whole = [
        DamageKind::Delete,
        DamageKind::Sector,
        DamageKind::Cluster,
        DamageKind::Bit,
        DamageKind::Scattered,
    ];
    let covered = [
        DamagedPart::Archive,
        DamagedPart::Index,
        DamagedPart::Listing,
        DamagedPart::Catalog,
        DamagedPart::DiscTxt,
    ];
    let repaired = whole.iter().flat_map(|&hurt| covered.map(|victim| (hurt, victim)));
    // An archive may be more than half of its disc.
    let repaired = repaired.filter(|damage| *damage != (DamageKind::Delete, DamagedPart::Archive));
    let repaired = repaired.flat_map(|damage| {
        [MatrixStep::Restore, MatrixStep::RestoreAlone].map(|step| (damage, step))
    });
    let spoilt = HURTS.iter().map(|&hurt| (hurt, DamagedPart::Parity));
    let spoilt = spoilt.flat_map(|damage| {
        [MatrixStep::Verify, MatrixStep::RestoreAlone, MatrixStep::ByHand]
            .map(|step| (damage, step))
    });
    let cell =
        |(seed, ((hurt, victim), step)): (usize, ((DamageKind, DamagedPart), MatrixStep))| {
            MatrixCell {
                damage: Damage::Hurt(hurt, victim),
                step,
                kind: SetKind::Protected,
                seed: 5_000 + seed as u64,
            }
        };
    repaired.chain(spoilt).enumerate().map(cell).collect()
}

/// The same tenth each time, in which every kind of damage, victim and step is.
fn tenth(mut cells: Vec<MatrixCell>) -> Vec<MatrixCell> {
    let mut random = Random::new(15);
    for at in (1..cells.len()).rev() {
        cells.swap(at, random.below(at as u64 + 1) as usize);
    }
    cells.truncate(cells.len().div_ceil(10));
    cells
}

/// A bench with the damage done.
struct DamageCase<'a> {
    bench: DamageBench<'a>,
    cell: MatrixCell,
    /// The disc that was hurt.
    disc: usize,
    done: DamageDone,
    loss: ExpectedLoss,
}

impl<'a> DamageCase<'a> {
    fn new(discs: &'a UndamagedSet, cell: MatrixCell) -> DamageCase<'a> {
        let bench = discs.bench();
        let mut random = Random::new(cell.seed);
        let (mut disc, mut done, mut loss) = (0, DamageDone::default(), ExpectedLoss::default());
        match cell.damage {
            Damage::Hurt(how, victim) => {
                let on: Vec<usize> =
                    (1..=discs.images.len()).filter(|&n| victim.is_on(&discs.image(n))).collect();
                disc = on[random.below(on.len() as u64) as usize];
                done = hurt(&bench.own(disc), how, victim, cell.seed);
                loss = discs.loss(disc, &done);
                if discs.is_protected && cell.step != MatrixStep::ByHand {
                    // It is repaired, before it is read.
                    loss.must.clear();
                    loss.may.clear();
                }
            }
            Damage::Swapped => {
                let (one, two) = (bench.image(1), bench.image(2));
                let aside = bench.sandbox.path("aside");
                fs::rename(&one, &aside).unwrap();
                fs::rename(&two, &one).unwrap();
                fs::rename(&aside, &two).unwrap();
            }
            Damage::Twin => {
                let twin = discs.sandbox.path("twin.iso");
                fs::hard_link(twin, bench.sandbox.shelf().join("twin.iso")).unwrap();
            }
            Damage::Stale => {
                fs::copy(discs.sandbox.path("stale.sqlite"), bench.sandbox.catalog()).unwrap();
            }
        }
        DamageCase { bench, cell, disc, done, loss }
    }

    fn what(&self) -> String {
        format!("{:?}, disc {}, {:?}", self.cell, self.disc, self.done)
    }

    fn shelf(&self) -> String {
        self.bench.sandbox.shelf().display().to_string()
    }

    fn lost(&self, name: &str) -> bool {
        self.loss.touched.iter().any(|file| file.starts_with(name))
    }

    /// The disc itself may not be found any more.
    fn is_disc_in_doubt(&self) -> bool {
        self.done.structures
    }

    /// Without our catalog nobody knows what the newest snapshot was.
    fn is_blind(&self) -> bool {
        let last = self.disc == self.bench.discs.images.len();
        let is_nameless = self.lost("DISC.txt") && self.lost("README.txt");
        let is_untold = self.lost("SNAPSHOT") && self.lost("catalog");
        last && (is_nameless || is_untold || self.is_disc_in_doubt())
    }

    /// What need not come back from the discs alone.
    fn may_be_lost_alone(&self) -> BTreeSet<String> {
        let mut may = self.loss.may.clone();
        if self.lost("INDEX") && self.lost("catalog") {
            may.extend(self.bench.discs.all_on(self.disc));
        }
        may
    }

    fn check(&self) {
        match self.cell.step {
            MatrixStep::Verify => self.verify(),
            MatrixStep::Restore => self.restore(&[], &self.loss.may),
            MatrixStep::RestoreAlone => self.restore_alone(),
            MatrixStep::Rebuild => self.rebuild(),
            MatrixStep::Backup => self.backup(),
            MatrixStep::ByHand => self.by_hand(),
        }
    }

    /// Finds all of it, and names each file that is not as it was.
    fn verify(&self) {
        let run = self.bench.run(&["verify", "--json", &self.shelf()]);
        let is_hurt = !self.loss.touched.is_empty();
        match (is_hurt, self.is_disc_in_doubt()) {
            // The tree for Windows is not read by anything here.
            (_, true) => assert!([0, 5].contains(&code(&run)), "{}", run.story()),
            (is_hurt, false) => drop(run.code(if is_hurt { 5 } else { 0 })),
        }
        let told = told(&run);
        for file in &self.loss.touched {
            let named = told.iter().any(|thing| thing.ends_with(&format!(": {file}")));
            assert!(named || self.done.structures, "{}: {file} is not named", run.story());
        }
    }

    /// Restores and holds the target against the source: what is there is right, what is not there
    /// was allowed to be lost and is told by name, and the exit code says so.
    fn restore(&self, words: &[&str], may: &BTreeSet<String>) {
        let what = self.what();
        let (run, target) = self.run_restore(words);
        let missing = self.bench.missing(&target, &what, &run);
        let too_much: Vec<_> = missing.difference(may).collect();
        assert!(too_much.is_empty(), "{what}: lost for nothing: {too_much:?}\n{}", run.story());
        let too_little: Vec<_> = self.loss.must.difference(&missing).collect();
        assert!(too_little.is_empty(), "{what}: not under the damage? {too_little:?}");
        let told = told(&run);
        let silent: Vec<_> = missing.difference(&told).collect();
        assert!(silent.is_empty(), "{what}: lost silently: {silent:?}\n{}", run.story());
        match missing.is_empty() {
            true => drop(run.ok()),
            // A disc that cannot be found is missing.
            false if self.is_disc_in_doubt() => {
                assert!([3, 4].contains(&code(&run)), "{}", run.story());
            }
            false => drop(run.code(3)),
        }
    }

    fn run_restore(&self, words: &[&str]) -> (Run, PathBuf) {
        let target = self.bench.sandbox.path("back");
        let (from, to) = (self.shelf(), target.display().to_string());
        let all = [&["restore", "--json"], words, &[&from, &to]].concat();
        (self.bench.run(&all), target)
    }

    fn restore_alone(&self) {
        let none = ["--catalog", "no-such-catalog"];
        if self.is_blind() || self.cell.damage == Damage::Twin {
            return self.restore_blind(&none);
        }
        self.restore(&none, &self.may_be_lost_alone());
    }

    /// Whatever comes back is as it was at some run. Not every bit of a directory matters: where
    /// all of the newest run came back, nobody need be told of anything.
    fn restore_blind(&self, words: &[&str]) {
        let (run, target) = self.run_restore(words);
        let is_good = code(&run) == 0 && self.cell.damage != Damage::Twin;
        if is_good {
            let missing = self.bench.missing(&target, &self.what(), &run);
            assert!(missing.is_empty(), "lost silently: {missing:?}\n{}", run.story());
        }
        self.nothing_is_wrong(&target, &run);
    }

    fn nothing_is_wrong(&self, target: &Path, run: &Run) {
        let sources = ["source", "source-1"].map(|name| self.bench.discs.sandbox.path(name));
        for file in files_below(target) {
            let path = file.strip_prefix(target).unwrap();
            let bytes = fs::read(&file).unwrap();
            let is_it =
                |source: &PathBuf| fs::read(source.join(path)).is_ok_and(|was| was == bytes);
            let is_aside = path.starts_with(".coldcut-damaged");
            let of_twin = path == Path::new("only on the twin");
            assert!(
                is_aside || of_twin || sources.iter().any(is_it),
                "{}: {} is wrong\n{}",
                self.what(),
                path.display(),
                run.story()
            );
        }
    }

    /// The catalog that is made from the discs does as well as they do.
    fn rebuild(&self) {
        let mut words = vec!["catalog", "rebuild", "--json"];
        let new = ["--catalog", "rebuilt.sqlite"];
        let words_of_catalog = match self.cell.damage {
            // In the place of the one that is stale.
            Damage::Stale => {
                self.bench.run(&["catalog", "rebuild", &self.shelf()]).code(1).says("--replace");
                &["--replace"][..]
            }
            _ => &new[..],
        };
        words.extend(words_of_catalog);
        let shelf = self.shelf();
        words.push(&shelf);
        let run = self.bench.run(&words);
        assert!([0, 3].contains(&code(&run)), "{}: {}", self.what(), run.story());
        let with: &[&str] = if self.cell.damage == Damage::Stale { &[] } else { &new };
        self.bench.sandbox.run([&["ls"], with].concat()).ok();
        if self.is_blind() || self.cell.damage == Damage::Twin {
            let (run, target) = self.run_restore(with);
            return self.nothing_is_wrong(&target, &run);
        }
        self.restore(with, &self.may_be_lost_alone());
    }

    /// A new file goes onto a new disc, and nothing is written over.
    fn backup(&self) {
        let before = self.images();
        let new = self.bench.sandbox.path("source/later.txt");
        let source = self.bench.discs.sandbox.source();
        // The source belongs to all cells: it is looked at through a copy.
        self.bench.sandbox.bash(&format!("cp -a '{}/.' source", source.display())).ok();
        fs::write(&new, "later").unwrap();
        let run = self.bench.discs.backup_of(&self.bench.sandbox, &["--move-source"]);
        assert!(!run.stderr().contains("panicked"), "{}", run.story());
        if matches!(self.cell.damage, Damage::Twin | Damage::Stale) {
            run.code(1).says("catalog rebuild");
            assert!(self.images() == before, "{}: something was written", self.what());
            return;
        }
        run.ok();
        let after = self.images();
        assert_eq!(after.len(), before.len() + 1, "{}: {}", self.what(), run.story());
        assert!(before.iter().all(|image| after.contains(image)), "{}", self.what());
        let (run, target) = self.run_restore(&["--path", "later.txt"]);
        run.ok();
        assert_eq!(fs::read_to_string(target.join("later.txt")).unwrap(), "later");
    }

    /// Names and contents.
    fn images(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let images = self.bench.sandbox.images().into_iter();
        images.map(|image| (image.clone(), fs::read(image).unwrap())).collect()
    }

    /// The script on its own, with the discs as if they were mounted.
    fn by_hand(&self) {
        let (sandbox, discs) = (&self.bench.sandbox, self.bench.discs);
        let mut dirs = Vec::new();
        for disc in 1..=discs.images.len() {
            let dir = sandbox.path(&format!("mounted/{disc}"));
            // Discs that are in each other's place are whole.
            let image = match self.cell.damage {
                Damage::Swapped => discs.image(disc),
                _ => self.bench.image(disc),
            };
            image::extract_damaged(&discs.image(disc), &image, &dir);
            if disc == self.disc {
                self.done.hidden.iter().for_each(|file| fs::remove_file(dir.join(file)).unwrap());
            }
            dirs.push(dir.display().to_string());
        }
        if self.cell.damage == Damage::Swapped {
            dirs.swap(0, 1);
        }
        if self.cell.damage == Damage::Twin {
            let dir = sandbox.path("mounted/twin");
            image::extract(&discs.sandbox.path("twin.iso"), &dir);
            dirs.push(dir.display().to_string());
        }
        let key = match discs.is_closed {
            true => format!("-p '{}'", discs.sandbox.path("passphrase").display()),
            false => String::new(),
        };
        let sound = if self.disc == 1 { 2 } else { 1 };
        let line = format!(
            "bash mounted/{sound}/restore.sh --ignore-damage {key} back {}",
            dirs.join(" ")
        );
        let run = sandbox.bash(&line);
        self.check_by_hand(&run, &sandbox.path("back"));
    }

    fn check_by_hand(&self, run: &Run, target: &Path) {
        let discs = self.bench.discs;
        let what = self.what();
        let last = self.disc == discs.images.len();
        // The script has no catalog to fall back on, and knows a disc by DISC.txt alone.
        if last && (self.lost("SNAPSHOT") || self.lost("DISC.txt"))
            || self.cell.damage == Damage::Twin
        {
            let is_sound = self.cell.damage == Damage::Twin;
            assert!([1, 3].contains(&code(run)) || is_sound, "{what}: {}", run.story());
            return self.nothing_is_wrong(target, run);
        }
        let mut may = self.loss.may.clone();
        if self.lost("INDEX") || self.lost("DISC.txt") {
            may.extend(discs.all_on(self.disc));
        }
        let missing = self.bench.missing(target, &what, run);
        let too_much: Vec<_> = missing.difference(&may).collect();
        assert!(too_much.is_empty(), "{what}: lost for nothing: {too_much:?}\n{}", run.story());
        let too_little: Vec<_> = self.loss.must.difference(&missing).collect();
        assert!(too_little.is_empty(), "{what}: not under the damage? {too_little:?}");
        let named: BTreeSet<String> = run
            .stdout()
            .lines()
            .filter_map(|line| {
                Some(line.strip_prefix("missing: ")?.rsplit_once(" (")?.0.to_owned())
            })
            .collect();
        let plain = |path: &&String| !path.contains('\\');
        let silent: Vec<_> = missing.difference(&named).filter(plain).collect();
        assert!(silent.is_empty(), "{what}: lost silently: {silent:?}\n{}", run.story());
        // A disc whose DISC.txt is damaged may be refused; not every letter of it matters.
        match missing.is_empty() {
            true if self.lost("DISC.txt") => {
                assert!([0, 3].contains(&code(run)), "{}", run.story())
            }
            true => drop(run.code(0)),
            false => drop(run.code(3)),
        }
    }
}

fn code(run: &Run) -> i32 {
    run.output.status.code().unwrap_or(-1)
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        match fs::symlink_metadata(&path).unwrap().file_type() {
            kind if kind.is_dir() => files.extend(files_below(&path)),
            kind if kind.is_file() => files.push(path),
            _ => {}
        }
    }
    files
}

/// Runs cells, two at a time, and tells all that fail.
fn run_cells(cells: &[MatrixCell]) -> Vec<String> {
    let is_used = |kind: &SetKind| cells.iter().any(|cell| cell.kind == *kind);
    let sets = SetKind::ALL.map(|kind| is_used(&kind).then(|| kind.discs()));
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    let work = || {
        while let Some(cell) = cells.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            let discs = sets[cell.kind as usize].as_ref().unwrap();
            let done = std::panic::catch_unwind(AssertUnwindSafe(|| {
                DamageCase::new(discs, *cell).check()
            }));
            if done.is_err() {
                failed.lock().unwrap().push(format!("{cell:?}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap()
}

#[test]
fn whatever_is_damaged_nothing_else_is_lost_and_nobody_is_deceived() {
    let all = cells();
    let chosen = match std::env::var("MATRIX").as_deref() {
        Ok("all") => all.clone(),
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            all.iter().copied().filter(|cell| cell.seed == seed).collect()
        }
        Err(_) => tenth(all.clone()),
    };
    println!("{} of {} cells", chosen.len(), all.len());
    let failed = run_cells(&chosen);
    assert!(failed.is_empty(), "{} cells failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn the_tenth_has_every_damage_every_victim_and_every_step() {
    let tenth = tenth(cells());
    let steps: BTreeSet<MatrixStep> = tenth.iter().map(|cell| cell.step).collect();
    assert_eq!(steps.len(), STEPS.len());
    let hurts: BTreeSet<(DamageKind, DamagedPart)> = tenth
        .iter()
        .filter_map(|cell| match cell.damage {
            Damage::Hurt(hurt, victim) => Some((hurt, victim)),
            _ => None,
        })
        .collect();
    let kinds: BTreeSet<DamageKind> = hurts.iter().map(|(hurt, _)| *hurt).collect();
    let victims: BTreeSet<DamagedPart> = hurts.iter().map(|(_, victim)| *victim).collect();
    assert_eq!((kinds.len(), victims.len()), (HURTS.len(), VICTIMS.len()));
    for odd in [Damage::Swapped, Damage::Twin, Damage::Stale] {
        assert!(tenth.iter().any(|cell| cell.damage == odd), "{odd:?}");
    }
}

/// What the whole page rests on, with more places than the matrix has.
#[test]
fn a_lost_cluster_costs_the_members_of_the_frames_that_it_overlaps_and_nothing_else() {
    let mut cells = Vec::new();
    for kind in [SetKind::Plain, SetKind::Closed] {
        for seed in [1_000, 1_001, 1_002] {
            for step in [MatrixStep::Restore, MatrixStep::ByHand] {
                let damage = Damage::Hurt(DamageKind::Cluster, DamagedPart::Archive);
                cells.push(MatrixCell { damage, step, kind, seed });
            }
        }
    }
    let failed = run_cells(&cells);
    assert!(failed.is_empty(), "{failed:#?}");
}

/// `MATRIX=all` runs all of these, too; without it a few.
#[test]
fn a_set_with_recovery_data_comes_back_whole_from_a_damaged_disc() {
    let all = protected_cells();
    let chosen = match std::env::var("MATRIX").as_deref() {
        Ok("all") => all.clone(),
        _ => all.iter().step_by(6).copied().collect(),
    };
    let victims: BTreeSet<DamagedPart> = chosen
        .iter()
        .filter_map(|cell| match cell.damage {
            Damage::Hurt(_, victim) => Some(victim),
            _ => None,
        })
        .collect();
    assert!(victims.contains(&DamagedPart::Archive) && victims.contains(&DamagedPart::Parity));
    let failed = run_cells(&chosen);
    assert!(failed.is_empty(), "{} cells failed:\n{}", failed.len(), failed.join("\n"));
}
