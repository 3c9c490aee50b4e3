//! The program par2 (par2cmdline 0.8.1 and later): how it is called and what its end means.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::geometry::Layout;
use crate::port::command::{CommandError, Program, ProgramExit, ProgramLimits};
use crate::port::confinement;
use crate::port::fence::Fence;
use crate::port::files::make_private_dir;
use crate::port::stop::{Stop, Stopped};

const INSTALL: &str = "apt install par2";
/// Mebibytes; by itself it takes half of the machine's memory. More than this makes it no faster
/// as long as the data is read from the staging area in stretches of some hundred kilobytes.
const MEMORY: u32 = 1024;
/// Bytes of address space of a repair: beside [`MEMORY`] it has its tables (some hundred megabytes for 32,768 blocks) and
/// addresses for a thread on each processor (8 MiB of stack and 128 MiB of glibc's heap): this is
/// enough for a hundred.
const REPAIRS_MEMORY: u64 = 16 << 30;
/// Bytes that a repair has a second for, of processor time and of ours: 100 GB take two processors
/// six hours, a slow one alone two days, and may take seven.
const BYTES_A_SECOND: u64 = 166_000;
/// Seconds for a repair, however little there is.
const SECONDS: u64 = 60;
/// How many of its last words are shown to a person.
const WORDS: usize = 4;

/// The directory that a program has as its input, as that program reaches it.
const INPUT: &str = "/proc/self/fd/0";

/// par2's exit codes (libpar2.h, `Result`).
const REPAIR_IS_IMPOSSIBLE: [i32; 2] = [2, 4];

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error(transparent)]
    Command(CommandError),
    #[error("par2 failed with {exit}: {words}")]
    Failed { exit: ProgramExit, words: String },
    #[error("par2 cannot work in {}", .dir.display())]
    Directory { dir: PathBuf, source: io::Error },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<CommandError> for ProgramError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Stopped(stopped) => ProgramError::Stopped(stopped),
            error => ProgramError::Command(error),
        }
    }
}

/// What became of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Done,
    /// More is lost than there is recovery data for.
    TooMuchLost,
}

/// That the program is there, before anybody relies on it.
pub fn check(stop: &Stop) -> Result<(), ProgramError> {
    run(program(["par2".into(), "-V".into()].to_vec()), &mut |_| (), stop).map(drop)
}

/// Makes recovery data over the files `paths` of `dir`. `watch` hears how many percent are done.
pub fn create(
    dir: &Path,
    paths: &[&str],
    block: u64,
    layout: &Layout,
    watch: &mut dyn FnMut(u64),
    stop: &Stop,
) -> Result<(), ProgramError> {
    let dir = absolute(dir)?;
    let parity = dir.join(super::DIRECTORY);
    make_private_dir(&parity).map_err(in_dir(&parity))?;
    let argv = create_args(&dir, paths, block, layout);
    match run(program(argv), watch, stop)? {
        (ProgramExit::Code(0), _) => Ok(()),
        (exit, words) => Err(ProgramError::Failed { exit, words }),
    }
}

/// Repairs the files of `dir`, of so many `bytes` together, with the recovery data in its file `par2`.
/// Blocks are looked for in its file `more`, too. What takes longer than any repair of so much is ended.
/// The directory is the one that it is now, wherever its path leads meanwhile.
pub fn repair(
    dir: &Path,
    bytes: u64,
    par2: &Path,
    more: Option<&Path>,
    watch: &mut dyn FnMut(u64),
    stop: &Stop,
) -> Result<Repair, ProgramError> {
    let place = File::open(dir).map_err(in_dir(dir))?;
    let inside = |path: &Path| Path::new(INPUT).join(path.strip_prefix(dir).unwrap_or(path));
    let argv = repair_args(Path::new(INPUT), &inside(par2), more.map(inside).as_deref());
    // What it reads may be anybody's.
    let limits = limits(bytes);
    let program = program(argv).open_input(place).confined(limits).timeout(limits.processor);
    let program = program.killed_when_stopped();
    let program = match Fence::around(dir) {
        Ok(fence) => program.behind(fence),
        Err(error) => {
            confinement::is_missing(&format!("par2 may write anywhere, as coldcut may: {error}"));
            program
        }
    };
    match run(program, watch, stop)? {
        (ProgramExit::Code(0), _) => Ok(Repair::Done),
        (ProgramExit::Code(code), _) if REPAIR_IS_IMPOSSIBLE.contains(&code) => {
            Ok(Repair::TooMuchLost)
        }
        (exit, words) => Err(ProgramError::Failed { exit, words }),
    }
}

fn limits(bytes: u64) -> ProgramLimits {
    let processor = Duration::from_secs(SECONDS + bytes / BYTES_A_SECOND);
    ProgramLimits { memory: REPAIRS_MEMORY, processor }
}

fn create_args(dir: &Path, paths: &[&str], block: u64, layout: &Layout) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec!["par2".into(), "create".into(), base(dir)];
    let numbers = [
        format!("-s{block}"),
        format!("-c{}", layout.recovery_blocks),
        format!("-n{}", layout.volumes),
        format!("-m{MEMORY}"),
    ];
    argv.extend(numbers.map(OsString::from));
    argv.extend(["-u", "--"].map(OsString::from));
    argv.push(dir.join(super::MAIN).into());
    argv.extend(paths.iter().map(|path| dir.join(path).into()));
    argv
}

fn repair_args(dir: &Path, par2: &Path, more: Option<&Path>) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec!["par2".into(), "repair".into(), base(dir)];
    argv.extend([format!("-m{MEMORY}"), "--".to_owned()].map(OsString::from));
    argv.push(par2.into());
    argv.extend(more.map(OsString::from));
    argv
}

/// The slash tells par2 that it is a directory.
fn base(dir: &Path) -> OsString {
    let mut option = OsString::from("-B");
    option.push(dir);
    option.push("/");
    option
}

fn program(argv: Vec<OsString>) -> Program {
    Program::new(INSTALL, argv).dies_with_us()
}

/// How it ended, and its last words.
fn run(
    program: Program,
    watch: &mut dyn FnMut(u64),
    stop: &Stop,
) -> Result<(ProgramExit, String), ProgramError> {
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let exit = program.run(
        stop,
        &mut |line| match percent(line) {
            Some(done) => watch(done),
            None => keep(&mut said, line),
        },
        &mut |line| keep(&mut complained, line),
    )?;
    let words = if complained.is_empty() { said } else { complained };
    Ok((exit, words.join(" | ")))
}

fn keep(words: &mut Vec<String>, line: &[u8]) {
    if words.len() == WORDS {
        words.remove(0);
    }
    words.push(crate::model::path::shown(line));
}

/// `Processing: 12.3%`, `Repairing: 45.6%`.
fn percent(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let (_, number) = text.split_once(": ")?;
    number.strip_suffix('%')?.split('.').next()?.trim().parse().ok().filter(|&done| done <= 100)
}

fn absolute(path: &Path) -> Result<PathBuf, ProgramError> {
    std::path::absolute(path).map_err(in_dir(path))
}

fn in_dir(dir: &Path) -> impl FnOnce(io::Error) -> ProgramError {
    let dir = dir.to_owned();
    move |source| ProgramError::Directory { dir, source }
}
