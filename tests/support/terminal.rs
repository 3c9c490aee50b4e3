//! A terminal with the program at it: a real one, as the kernel makes them for windows (pty(7)).
//! Nothing sleeps: who waits, waits for what the program says.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Sandbox;

/// What says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A terminal, and the program that it is the controlling terminal of.
pub struct Terminal {
    screen: Option<File>,
    child: Child,
    seen: String,
}

impl Sandbox {
    /// coldcut at a terminal of its own.
    pub fn at_terminal<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) -> Terminal {
        let mut command = self.command("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_coldcut")]).args(words);
        Terminal::start(command)
    }

    /// A line of bash there; it ends with `exec`, so that signals and the exit code are the
    /// program's.
    pub fn bash_at_terminal(&self, line: &str) -> Terminal {
        let mut command = self.command("setsid");
        command.args(["--ctty", "bash", "-c", line]);
        Terminal::start(command)
    }
}

impl Terminal {
    fn start(mut command: Command) -> Terminal {
        let (screen, inner) = pair();
        let end = |file: &File| Stdio::from(file.try_clone().unwrap());
        command.env("TERM", "xterm").stdin(end(&inner)).stdout(end(&inner));
        command.stderr(Stdio::from(inner));
        let child = command.spawn().unwrap();
        drop(command);
        Terminal { screen: Some(screen), child, seen: String::new() }
    }

    /// Reads what the program writes until this text is among it, behind what was waited for
    /// before.
    #[track_caller]
    pub fn waits_for(&mut self, text: &str) -> &mut Terminal {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return self;
            }
            assert!(self.read(), "it ended and never said {text:?}: {}", self.seen);
        }
    }

    pub fn types(&mut self, text: &str) -> &mut Terminal {
        self.screen.as_ref().unwrap().write_all(text.as_bytes()).unwrap();
        self
    }

    /// What Ctrl-C and the like do.
    pub fn signals(&mut self, signal: Signal) -> &mut Terminal {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
        self
    }

    /// The window is closed.
    pub fn goes_away(&mut self) -> &mut Terminal {
        self.screen = None;
        self
    }

    /// Waits for the program's end; all that it said since the last wait comes with its code.
    #[track_caller]
    pub fn ends(mut self) -> (i32, String) {
        while self.screen.is_some() && self.read() {}
        let status = end(&mut self.child);
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap());
        (code, std::mem::take(&mut self.seen))
    }

    /// `false`: nobody writes there any more.
    #[track_caller]
    fn read(&mut self) -> bool {
        let screen = self.screen.as_mut().unwrap();
        let mut ready = [PollFd::new(screen.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(PATIENCE).unwrap();
        assert!(poll(&mut ready, patience).unwrap() > 0, "it hangs; it said: {}", self.seen);
        let mut piece = [0; 4096];
        // EIO: the last one who had the other end open has closed it.
        let Ok(got) = screen.read(&mut piece) else { return false };
        self.seen += &String::from_utf8_lossy(&piece[..got]);
        true
    }
}

/// Both ends of a terminal. No program that a test starts gets the outer one, or closing it would
/// close nothing.
fn pair() -> (File, File) {
    let outer = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&outer).unwrap();
    unlockpt(&outer).unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags((OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits());
    let inner = options.open(ptsname_r(&outer).unwrap()).unwrap();
    (File::from(OwnedFd::from(outer)), inner)
}

/// No program of a test outlives it.
impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child that ends by itself.
#[track_caller]
pub fn end(child: &mut Child) -> ExitStatus {
    let pause = Duration::from_millis(20);
    let mut left = PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if left.is_zero() {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(pause);
        left = left.saturating_sub(pause);
    }
}
