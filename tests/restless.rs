//! A source that others write to while it is read: what comes back of each file is a state that it
//! had, or the file is named; never a mixture that is called good.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::{Run, Sandbox};

const BLOCK: usize = 4096;

/// What others do to a file, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Written over in place, block by block, each time with another value.
    Rewritten,
    /// Appended to, block by block; each block tells its number.
    Grows,
    /// Cut short, and created again under another name that replaces it.
    Shrinks,
    Vanishes,
    /// A file, a symbolic link, a pipe, by turns.
    Turns,
    /// Given to others; the content stays.
    ChangesHands,
}

const HABITS: [Habit; 6] = [
    Habit::Rewritten,
    Habit::Grows,
    Habit::Shrinks,
    Habit::Vanishes,
    Habit::Turns,
    Habit::ChangesHands,
];

/// Held in memory, streamed, and larger than an archive's share of a disc.
const BLOCKS: [usize; 3] = [40, 300, 900];

fn numbered(blocks: std::ops::Range<usize>) -> Vec<u8> {
    blocks.flat_map(|n| (n as u64).to_le_bytes().repeat(BLOCK / 8)).collect()
}

fn of_one_value(value: u64, blocks: usize) -> Vec<u8> {
    value.to_le_bytes().repeat(blocks * BLOCK / 8)
}

impl Habit {
    fn path(self, dir: &Path, blocks: usize) -> PathBuf {
        dir.join(format!("{self:?}-{blocks}"))
    }

    fn begin(self, path: &Path, blocks: usize) {
        let content = match self {
            Habit::Rewritten => of_one_value(0, blocks),
            _ => numbered(0..blocks),
        };
        fs::write(path, content).unwrap();
    }

    /// One turn of what it does.
    fn turn(self, path: &Path, blocks: usize, turn: u64) {
        let beside = path.with_extension("~new");
        let replace = |content: &[u8]| {
            fs::write(&beside, content).unwrap();
            fs::rename(&beside, path).unwrap();
        };
        match self {
            Habit::Rewritten => {
                let file = File::options().write(true).open(path).unwrap();
                for n in 0..blocks {
                    file.write_all_at(&of_one_value(turn, 1), (n * BLOCK) as u64).unwrap();
                }
            }
            Habit::Grows => {
                let file = File::options().write(true).open(path).unwrap();
                let has = file.metadata().unwrap().len() as usize / BLOCK;
                match has < 2 * blocks {
                    true => {
                        file.write_all_at(&numbered(has..has + 1), (has * BLOCK) as u64).unwrap()
                    }
                    false => replace(&numbered(0..blocks)),
                }
            }
            Habit::Shrinks => match turn % 4 {
                0 => replace(&numbered(0..blocks)),
                n => {
                    let file = File::options().write(true).open(path).unwrap();
                    file.set_len((blocks / (n as usize + 1) * BLOCK) as u64).unwrap();
                }
            },
            Habit::Vanishes => match turn % 2 {
                0 => replace(&numbered(0..blocks)),
                _ => fs::remove_file(path).unwrap(),
            },
            Habit::Turns => match turn % 3 {
                0 => replace(&numbered(0..blocks)),
                1 => {
                    symlink("/etc/passwd", &beside).unwrap();
                    fs::rename(&beside, path).unwrap();
                }
                _ => {
                    nix::unistd::mkfifo(&beside, nix::sys::stat::Mode::S_IRUSR).unwrap();
                    fs::rename(&beside, path).unwrap();
                }
            },
            Habit::ChangesHands => {
                let owner = Some(1_000 + (turn % 2) as u32);
                std::os::unix::fs::lchown(path, owner, owner).unwrap();
            }
        }
    }

    /// Whether a file was like this at any moment.
    fn had(self, path: &Path, blocks: usize) -> bool {
        let meta = fs::symlink_metadata(path).unwrap();
        let kind = meta.file_type();
        if self == Habit::Turns && kind.is_symlink() {
            return fs::read_link(path).unwrap() == Path::new("/etc/passwd");
        }
        if self == Habit::Turns && kind.is_fifo() {
            return true;
        }
        if !kind.is_file() {
            return false;
        }
        let content = fs::read(path).unwrap();
        let has = content.len() / BLOCK;
        if self == Habit::Rewritten {
            return content.len() == blocks * BLOCK && is_between_two_values(&content);
        }
        let sizes: Vec<usize> = match self {
            Habit::Grows => (blocks..=2 * blocks).collect(),
            Habit::Shrinks => (1..=4).map(|n| blocks / n).collect(),
            _ => vec![blocks],
        };
        let owners = [0, 1_000, 1_001];
        let owned = meta.uid() == meta.gid() && owners.contains(&meta.uid());
        owned && sizes.contains(&has) && content == numbered(0..has)
    }
}

/// As a file is that is being written over in place: so far the new value, from there the one
/// before.
fn is_between_two_values(content: &[u8]) -> bool {
    let values: Vec<u64> =
        content.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    let (first, last) = (values[0], values[values.len() - 1]);
    let new = values.iter().take_while(|value| **value == first).count();
    first.wrapping_sub(last) <= 1 && values[new..].iter().all(|value| *value == last)
}

fn backup(sandbox: &Sandbox) -> Run {
    let (source, shelf) =
        (sandbox.source().display().to_string(), sandbox.shelf().display().to_string());
    sandbox.run([
        "backup",
        "--disc-size",
        "6M",
        "--compress",
        "none",
        "--name",
        "set",
        &source,
        &shelf,
    ])
}

/// Files that the run, or the catalog after it, says are not as they should be.
fn named(sandbox: &Sandbox, run: &Run) -> BTreeSet<String> {
    let notes = sandbox.run(["find", "*", "--json"]);
    let notes = notes.results().into_iter().filter(|row| !row["note"].is_null());
    let mut named: BTreeSet<String> =
        notes.map(|row| row["path"].as_str().unwrap().to_owned()).collect();
    let words = run.stderr();
    named.extend(words.lines().filter_map(|line| Some(line.split_once(": ")?.0.to_owned())));
    named
}

/// `REPEAT` runs it so many times.
#[test]
fn what_changes_while_it_is_read_comes_back_as_a_state_that_was_or_is_named() {
    let repeat = std::env::var("REPEAT").map_or(1, |times| times.parse().unwrap());
    let mut changed = 0;
    for _ in 0..repeat {
        changed += one_round();
    }
    assert!(changed > 0, "nothing was met in the act: this tested nothing");
}

fn one_round() -> usize {
    let sandbox = Sandbox::new();
    let dir = sandbox.source();
    let files: Vec<(Habit, usize, PathBuf)> = HABITS
        .into_iter()
        .flat_map(|habit| BLOCKS.map(|blocks| (habit, blocks)))
        .map(|(habit, blocks)| (habit, blocks, habit.path(&dir, blocks)))
        .collect();
    for (habit, blocks, path) in &files {
        habit.begin(path, *blocks);
    }
    let ended = AtomicBool::new(false);
    let mut met = 0;
    thread::scope(|scope| {
        for (habit, blocks, path) in &files {
            let ended = &ended;
            scope.spawn(move || {
                for turn in 1.. {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    habit.turn(path, *blocks, turn);
                    thread::yield_now();
                }
            });
        }
        let outcome = std::panic::catch_unwind(|| (0..3).map(|n| check(&sandbox, &files, n)).sum());
        ended.store(true, Ordering::Relaxed);
        met = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    // Peace: the next run has everything as it is.
    fs::read_dir(&dir).unwrap().for_each(|entry| {
        let path = entry.unwrap().path();
        if path.extension().is_some() {
            fs::remove_file(path).unwrap();
        }
    });
    backup(&sandbox).ok();
    let shelf = sandbox.shelf().display().to_string();
    sandbox.run(["restore", &shelf, "peace"]).ok();
    support::assert_same_tree(&dir, &sandbox.path("peace"));
    met
}

/// One backup in the midst of it; how many files were named.
fn check(sandbox: &Sandbox, files: &[(Habit, usize, PathBuf)], n: usize) -> usize {
    let run = backup(sandbox);
    let code = run.output.status.code();
    assert!([Some(0), Some(3)].contains(&code), "{}", run.story());
    let named = named(sandbox, &run);
    let target = sandbox.path(&format!("back{n}"));
    let shelf = sandbox.shelf().display().to_string();
    sandbox.run(["restore", &shelf, &target.display().to_string()]).ok();
    for (habit, blocks, path) in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_there = fs::symlink_metadata(target.join(name)).is_ok();
        let may_lack = matches!(habit, Habit::Vanishes);
        let is_good = if is_there { habit.had(&target.join(name), *blocks) } else { may_lack };
        assert!(is_good || named.contains(name), "{name} is a mixture, or lost\n{}", run.story());
    }
    files
        .iter()
        .filter(|file| named.contains(file.2.file_name().unwrap().to_str().unwrap()))
        .count()
}
