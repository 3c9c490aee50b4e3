//! What a person types at the terminal: a line, shown or not. Whoever waits for it hears a wish to
//! stop at once, and waits no longer than `--wait`.

use crate::flow::WaitLimit;
use crate::port::clock::Deadline;
use crate::port::stop::{Recall, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr,
};
use std::io::{self, Stdin, Write};
use std::time::Duration;
use zeroize::Zeroizing;

/// A signal may come just before `poll`: so much later it is seen at the latest.
const LOOK: Duration = Duration::from_millis(500);
/// A terminal gives no longer line (termios(3), "Canonical mode").
const LONGEST: usize = 4096;

/// What was typed, without the end of its line.
pub(super) type Line = Zeroizing<Vec<u8>>;

/// Why there is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The end of input, or a terminal that went away.
    End,
    /// The run is to stop.
    Stopped,
    /// Nobody answered in time.
    TooLate,
    /// The answer came from elsewhere.
    Recalled,
}

/// Where answers come from.
pub(super) trait Keyboard: Send + Sync {
    /// Until `recall` is asked for.
    fn line(&self, recall: &Recall) -> Result<Line, Silence>;
    /// A line that is not shown, behind this prompt.
    fn secret(&self, prompt: &str) -> Result<Line, Silence>;
}

/// The terminal at stdin.
pub(super) struct TerminalKeyboard {
    pub stop: Stop,
    pub wait_limit: WaitLimit,
}

impl Keyboard for TerminalKeyboard {
    fn line(&self, recall: &Recall) -> Result<Line, Silence> {
        self.read(&io::stdin(), recall)
    }

    fn secret(&self, prompt: &str) -> Result<Line, Silence> {
        let stdin = io::stdin();
        let quiet = Quiet::begin(&stdin).ok_or(Silence::End)?;
        // Shown when nothing typed is shown any more. A lost terminal is noticed by reading.
        let _ = write!(io::stderr(), "{prompt}").and_then(|()| io::stderr().flush());
        let line = self.read(&stdin, &Recall::default());
        drop(quiet);
        if line.is_err() {
            let _ = writeln!(io::stderr());
        }
        line
    }
}

impl TerminalKeyboard {
    /// Byte by byte as they come, to the end of the line: what is typed ahead waits in the kernel
    /// for the next question.
    fn read(&self, stdin: &Stdin, recall: &Recall) -> Result<Line, Silence> {
        let deadline = self.wait_limit.deadline();
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
        loop {
            self.ready(stdin, &deadline, recall)?;
            let mut byte = Zeroizing::new([0]);
            match rustix::io::read(stdin, &mut byte[..]) {
                Ok(0) if line.is_empty() => return Err(Silence::End),
                Ok(0) => return Ok(line),
                Ok(_) if byte[0] == b'\n' => return Ok(line),
                Ok(_) if line.len() < LONGEST => line.push(byte[0]),
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Err(Silence::End),
            }
        }
    }

    /// Waits for something to read. A read would be restarted after Ctrl-C, as signal handlers ask
    /// for; `poll` never is (signal(7)).
    fn ready(&self, stdin: &Stdin, deadline: &Deadline, recall: &Recall) -> Result<(), Silence> {
        loop {
            self.stop.check().map_err(|_| Silence::Stopped)?;
            if recall.is_asked() {
                // What was typed was meant for this question, not for the next one.
                let _ = tcflush(stdin, QueueSelector::IFlush);
                return Err(Silence::Recalled);
            }
            let left = deadline.left().unwrap_or(LOOK);
            let mut descriptors = [PollFd::new(stdin, PollFlags::IN)];
            match poll(&mut descriptors, Timespec::try_from(left.min(LOOK)).ok().as_ref()) {
                Ok(0) | Err(Errno::INTR) if !deadline.is_over() => {}
                Ok(0) | Err(Errno::INTR) => {
                    self.stop.check().map_err(|_| Silence::Stopped)?;
                    return Err(Silence::TooLate);
                }
                Ok(_) => return Ok(()),
                Err(_) => return Err(Silence::End),
            }
        }
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl Quiet<'_> {
    fn begin(terminal: &Stdin) -> Option<Quiet<'_>> {
        let before = tcgetattr(terminal).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // But for Enter, so that the next line begins on a line of its own.
        quiet.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
        tcsetattr(terminal, OptionalActions::Flush, &quiet).ok()?;
        Some(Quiet { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // A terminal that went away shows nothing anyway.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
