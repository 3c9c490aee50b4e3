//! A program that outlives us: a burner must close its disc even if coldcut is killed. Its output
//! goes to a file, which we follow; a pipe would end it as soon as nobody reads any more.
//!
//! The file is locked (flock) for as long as the program has it open: the lock belongs to the open
//! file that the program inherits, so it needs no process number, and a crash leaves no stale one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::command::{
    CommandError, LineSink, LineSplitter, Program, ProgramExit, TICK, signal_group,
};
use super::files::{open_own, open_own_to_read};
use super::stop::{Stop, Stopped};

/// How a lasting program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramEnd {
    pub exit: ProgramExit,
    /// A person asked twice, and it was told to end.
    pub aborted: bool,
}

/// A program at work that was started by this process.
pub struct Lasting {
    child: Child,
    log: Log,
}

impl Program {
    /// Starts the program with both its outputs in `log`, which is written from scratch. The
    /// program before that wrote to this file must have ended ([`is_at_work`]).
    pub fn start_lasting(&self, log: &Path, stop: &Stop) -> Result<Lasting, CommandError> {
        stop.check()?;
        let failed = |source| CommandError::Log { log: log.to_owned(), source };
        let (file, mine) = create(log).map_err(failed)?;
        let again = file.try_clone().map_err(failed)?;
        let child = self.spawn_into(Stdio::from(file), Stdio::from(again))?;
        Ok(Lasting {
            child,
            log: Log { path: log.to_owned(), file: mine, lines: LineSplitter::default() },
        })
    }
}

impl Lasting {
    /// Hands over each line until the program ends by itself. The first wish to stop is only told,
    /// by `first_ask`; the second one ends the program: one SIGTERM, and then its own end is
    /// awaited, however long it takes to leave the disc in order.
    pub fn follow(
        mut self,
        stop: &Stop,
        first_ask: &mut dyn FnMut(),
        line: &mut LineSink,
    ) -> Result<ProgramEnd, CommandError> {
        let (mut told, mut aborted) = (false, false);
        loop {
            let status = self.child.try_wait().map_err(|source| self.log.failed(source))?;
            self.log.hand_over(line)?;
            if let Some(status) = status {
                self.log.lines.finish(line);
                return Ok(ProgramEnd { exit: ProgramExit::of(status), aborted });
            }
            if stop.asks() >= 1 && !told {
                told = true;
                first_ask();
            }
            if stop.asks() >= 2 && !aborted {
                aborted = true;
                signal_group(&self.child, Signal::SIGTERM);
            }
            std::thread::sleep(TICK);
        }
    }
}

/// Our own view of the file; the program's position in it is another one.
struct Log {
    path: PathBuf,
    file: File,
    lines: LineSplitter,
}

impl Log {
    fn hand_over(&mut self, line: &mut LineSink) -> Result<(), CommandError> {
        let mut piece = [0; 16 << 10];
        loop {
            match self.file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(n) => self.lines.feed(&piece[..n], line),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
    }

    fn failed(&self, source: io::Error) -> CommandError {
        CommandError::Log { log: self.path.clone(), source }
    }
}

/// The file for the program, locked, and a second opening of it for us, which holds no lock.
fn create(log: &Path) -> io::Result<(File, File)> {
    if let Some(dir) = log.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let file = open_own(OpenOptions::new().append(true).create(true), log)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.set_len(0)?;
    Ok((file, open_own_to_read(log)?))
}

/// Whether the program that writes to this log has not ended; `None` if there is no log.
pub fn is_at_work(log: &Path) -> io::Result<Option<bool>> {
    let file = match open_own_to_read(log) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(false)),
        Err(Errno::WOULDBLOCK) => Ok(Some(true)),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the program that writes to this log has ended, whoever started it.
pub fn await_end(log: &Path, stop: &Stop) -> io::Result<Result<(), Stopped>> {
    while is_at_work(log)? == Some(true) {
        if let Err(stopped) = super::clock::pause(std::time::Duration::from_secs(1), stop) {
            return Ok(Err(stopped));
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bash(script: &str) -> Program {
        Program::new("apt install bash", ["bash", "-c", script])
    }

    #[test]
    fn lines_of_both_outputs_are_followed_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("new/log");
        let alone = "read -r _ _ _ _ _ session _ </proc/self/stat; [ $$ = $session ] || exit 99";
        let program = bash(&format!(
            "{alone}; echo one; printf '5%%\\r6%%\\r' >&2; sleep 0.2; printf last; exit 3"
        ));
        let mut lines = Vec::new();
        let started = program.start_lasting(&log, &Stop::new()).unwrap();
        assert_eq!(is_at_work(&log).unwrap(), Some(true));
        let ended = started
            .follow(&Stop::new(), &mut || panic!("nobody asked"), &mut |line| {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
            })
            .unwrap();
        assert_eq!(ended, ProgramEnd { exit: ProgramExit::Code(3), aborted: false });
        assert_eq!(lines, ["one", "5%", "6%", "last"]);
        assert_eq!(is_at_work(&log).unwrap(), Some(false));
    }

    #[test]
    fn the_first_wish_to_stop_is_told_and_the_second_one_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "trap 'echo tidied; exit 1' TERM; echo up; while :; do sleep 0.05; done";
        let stop = Stop::new();
        let (mut told, mut lines) = (0, Vec::new());
        let started = bash(script).start_lasting(&log, &stop).unwrap();
        let ended = started
            .follow(
                &stop,
                &mut || {
                    told += 1;
                    stop.ask(2)
                },
                &mut |line| {
                    if line == b"up" {
                        stop.ask(2);
                    }
                    lines.push(line.to_vec());
                },
            )
            .unwrap();
        assert_eq!(ended, ProgramEnd { exit: ProgramExit::Code(1), aborted: true });
        assert_eq!(told, 1);
        assert!(lines.contains(&b"tidied".to_vec()), "{lines:?}");
    }

    /// What a kill -9 of coldcut does: the one who started it is gone, and nobody reads.
    #[test]
    fn a_program_goes_on_without_us_and_is_found_by_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let (log, go) = (dir.path().join("log"), dir.path().join("go"));
        let script =
            format!("until [ -e {} ]; do sleep 0.05; done; yes | head -c 200000", go.display());
        let started = bash(&script).start_lasting(&log, &Stop::new()).unwrap();
        // The child is not waited for, and nothing reads the log.
        let mut child = started.child;
        drop(started.log);
        assert_eq!(is_at_work(&log).unwrap(), Some(true));
        let busy = bash("true").start_lasting(&log, &Stop::new()).err().unwrap();
        assert!(matches!(busy, CommandError::Log { .. }), "{busy}");
        std::fs::write(&go, "").unwrap();
        await_end(&log, &Stop::new()).unwrap().unwrap();
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 200_000);
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_log_that_is_a_link_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (log, other) = (dir.path().join("log"), dir.path().join("other"));
        std::fs::write(&other, "another's").unwrap();
        std::os::unix::fs::symlink(&other, &log).unwrap();
        let refused = bash("echo").start_lasting(&log, &Stop::new()).err().unwrap();
        assert!(matches!(refused, CommandError::Log { .. }), "{refused}");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "another's");
    }

    #[test]
    fn waiting_for_a_stranger_ends_with_a_wish_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        assert_eq!(is_at_work(&log).unwrap(), None);
        let holder = create(&log).unwrap();
        let stop = Stop::new();
        stop.ask(15);
        assert_eq!(await_end(&log, &stop).unwrap(), Err(Stopped(15)));
        drop(holder);
        assert_eq!(await_end(&log, &stop).unwrap(), Ok(()));
    }
}
