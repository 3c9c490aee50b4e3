//! A loader as a program: how it is called, what its answers mean, and what is done after it failed
//! or was killed in the middle of a movement.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::answer::{DiscPosition, LoaderFacts, LoaderListing, SlotName, check_loaded};
use super::error::LoaderError;
use crate::drive::Pile;
use crate::model::path::shown;
use crate::port::command::{Program, ProgramExit};
use crate::port::stop::Stop;
use crate::port::trust::{distrust, distrust_dir};

const DONE: i32 = 0;
const NOTHING_LEFT: i32 = 4;
const NO_ROOM: i32 = 5;

/// Bytes of an answer; ten thousand slots with barcodes are less.
const LONGEST_ANSWER: usize = 1 << 20;
/// Lines of stderr that are shown, and bytes of each.
const LAST_LINES: usize = 5;
const LONGEST_LINE: usize = 300;
/// In such a directory nobody removes what is another's (inode(7), S_ISVTX).
const STICKY: u32 = 0o1000;

/// What `load` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadOutcome {
    /// The drive has a disc.
    Loaded,
    NothingLeft,
}

/// Where `unload` puts a disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnloadTarget<'a> {
    Pile(Pile),
    Slot(&'a SlotName),
}

impl UnloadTarget<'_> {
    fn word(&self) -> &str {
        match self {
            UnloadTarget::Pile(Pile::Good) => "good",
            UnloadTarget::Pile(Pile::Bad) => "bad",
            UnloadTarget::Slot(slot) => slot.as_str(),
        }
    }
}

/// A program that keeps the contract of `docs/loaders.md`.
#[derive(Debug)]
pub struct Loader {
    program: PathBuf,
    timeout: Duration,
    /// One call at a time: a machine has one arm.
    turn: Mutex<()>,
}

/// A call that ended by itself.
struct LoaderRun {
    exit: ProgramExit,
    answer: Vec<u8>,
    words: String,
}

impl Loader {
    /// A movement that takes longer is stuck.
    pub const TIMEOUT: Duration = Duration::from_secs(600);

    /// A program that nobody else can change; it is not run yet.
    pub fn open(program: &Path, timeout: Duration) -> Result<Loader, LoaderError> {
        let unusable = |source| LoaderError::Unusable { path: program.to_owned(), source };
        let path = program.canonicalize().map_err(unusable)?;
        let found = path.metadata().map_err(unusable)?;
        if !found.is_file() {
            return Err(unusable(io::Error::other("it is not a file")));
        }
        if let Some(why) = distrust(&found) {
            return Err(LoaderError::Untrusted { path, why });
        }
        for dir in path.ancestors().skip(1) {
            let found = dir.metadata().map_err(unusable)?;
            if let Some(why) = distrust_dir(&found).filter(|_| found.mode() & STICKY == 0) {
                return Err(LoaderError::UntrustedDir { dir: dir.to_owned(), path, why });
            }
        }
        Ok(Loader { program: path, timeout, turn: Mutex::new(()) })
    }

    /// Whether it is configured, and its machine answers. Nothing moves.
    pub fn check(&self) -> Result<LoaderFacts, LoaderError> {
        let call = [OsString::from("check")];
        let run = self.done(&call, self.run(&call)?)?;
        LoaderFacts::parse(&run.answer).map_err(|why| bad_answer(&call, why))
    }

    /// What is where. Nothing moves.
    pub fn list(&self) -> Result<LoaderListing, LoaderError> {
        let call = [OsString::from("list")];
        let run = self.done(&call, self.run(&call)?)?;
        LoaderListing::parse(&run.answer).map_err(|why| bad_answer(&call, why))
    }

    /// Puts the next disc, or that of a slot, into the drive. What is on its tray already is that
    /// disc.
    pub fn load(&self, drive: &Path, slot: Option<&SlotName>) -> Result<LoadOutcome, LoaderError> {
        let mut call = vec![OsString::from("load"), drive.into()];
        call.extend(slot.map(|slot| OsString::from(slot.as_str())));
        let run = self.insist(&call, drive, NOTHING_LEFT)?;
        if run.exit == ProgramExit::Code(NOTHING_LEFT) {
            return Ok(LoadOutcome::NothingLeft);
        }
        check_loaded(&run.answer).map_err(|why| bad_answer(&call, why))?;
        Ok(LoadOutcome::Loaded)
    }

    /// Takes the disc out of the drive, or from where an interrupted movement left it.
    pub fn unload(&self, drive: &Path, to: UnloadTarget) -> Result<(), LoaderError> {
        let call = [OsString::from("unload"), drive.into(), OsString::from(to.word())];
        match self.insist(&call, drive, NO_ROOM)?.exit {
            ProgramExit::Code(DONE) => Ok(()),
            _ => Err(LoaderError::NoRoom { call: shown_call(&call) }),
        }
    }

    /// A loader that failed, or was killed, left the disc somewhere: where it knows that, the
    /// command is given once more, and continues from there. `refusal`: the exit code that moves
    /// nothing.
    fn insist(
        &self,
        call: &[OsString],
        drive: &Path,
        refusal: i32,
    ) -> Result<LoaderRun, LoaderError> {
        let attempt = || {
            let run = self.run(call)?;
            if run.exit == ProgramExit::Code(refusal) { Ok(run) } else { self.done(call, run) }
        };
        let failed = match attempt() {
            Err(failed) => failed,
            done => return done,
        };
        if let DiscPosition::Unknown = self.position_after(drive, &failed)? {
            return Err(stuck(DiscPosition::Unknown, failed));
        }
        attempt().or_else(|again| Err(stuck(self.position_after(drive, &again)?, again)))
    }

    /// Where the disc is, by `list`; the error has why it was asked, too.
    fn position_after(
        &self,
        drive: &Path,
        failed: &LoaderError,
    ) -> Result<DiscPosition, LoaderError> {
        let listing = self.list().map_err(|error| LoaderError::Lost {
            why: failed.to_string(),
            source: Box::new(error),
        })?;
        Ok(listing.position(drive))
    }

    fn done(&self, call: &[OsString], run: LoaderRun) -> Result<LoaderRun, LoaderError> {
        let LoaderRun { exit, words, .. } = &run;
        match exit.is_success() {
            true => Ok(run),
            false => Err(LoaderError::Failed {
                call: shown_call(call),
                exit: *exit,
                words: words.clone(),
            }),
        }
    }

    /// Nobody interrupts it: half a movement would leave a disc in the air. It has its time.
    fn run(&self, call: &[OsString]) -> Result<LoaderRun, LoaderError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let argv = std::iter::once(self.program.as_os_str()).chain(call.iter().map(OsStr::new));
        let mut last: Vec<String> = Vec::new();
        let mut keep = |line: &[u8]| {
            if last.len() == LAST_LINES {
                last.remove(0);
            }
            last.push(shown(&line[..line.len().min(LONGEST_LINE)]));
        };
        let program = Program::new("its maker", argv).timeout(self.timeout);
        let ended = program.capture(&Stop::new(), LONGEST_ANSWER, &mut keep);
        let not_run = |source| LoaderError::NotRun { call: shown_call(call), source };
        let (exit, answer) = ended.map_err(not_run)?;
        let words = last.iter().map(|line| format!(": {line}")).collect();
        Ok(LoaderRun { exit, answer, words })
    }
}

fn stuck(at: DiscPosition, why: LoaderError) -> LoaderError {
    LoaderError::Stuck { at, source: Box::new(why) }
}

fn bad_answer(call: &[OsString], why: String) -> LoaderError {
    LoaderError::BadAnswer { call: shown_call(call), why }
}

/// For people: `unload /dev/sr0 good`.
fn shown_call(call: &[OsString]) -> String {
    let words = call.iter().map(|word| shown(word.as_encoded_bytes()));
    words.collect::<Vec<_>>().join(" ")
}
