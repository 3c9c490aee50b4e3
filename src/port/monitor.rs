//! How the engine tells what it does. It never prints; `ui` shows, counts nothing, decides nothing.

use std::fmt;
use std::sync::Mutex;

use super::notice::Notice;
use crate::model::DiscNo;

/// A stretch of work with a bar of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    pub what: Activity,
    /// The disc in progress, if it is about one.
    pub disc: Option<u32>,
    /// Bytes (or entries, when scanning) to do, if known.
    pub total: Option<u64>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Scanning,
    Packing,
    /// Making recovery data.
    Protecting,
    Drilling,
    /// Making an image before it is burned.
    Imaging,
    Writing,
    Verifying,
    Reading,
    Repairing,
    Rescuing,
    Restoring,
}

impl Activity {
    /// The word of `--json` and of progress lines.
    pub fn word(self) -> &'static str {
        match self {
            Activity::Scanning => "scanning",
            Activity::Packing => "packing",
            Activity::Protecting => "protecting",
            Activity::Drilling => "drilling",
            Activity::Imaging => "imaging",
            Activity::Writing => "writing",
            Activity::Verifying => "verifying",
            Activity::Reading => "reading",
            Activity::Repairing => "repairing",
            Activity::Rescuing => "rescuing",
            Activity::Restoring => "restoring",
        }
    }
}

/// How far the phase in progress has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the source, or of the medium, done so far.
    pub done: u64,
    /// Bytes that came out, when packing: `written / done` is the ratio.
    pub written: Option<u64>,
}

/// How far a disc has come. Each step is told when it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Packed: all of it waits in the staging area.
    Staged,
    /// Written, and good for nothing yet.
    Burned,
    /// Read back, and every byte was right.
    Verified,
    /// A burn or its read-back failed; another blank is to take it.
    Failed,
}

/// Something went wrong with one thing, and the work goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The path, disc or file concerned, fit for a terminal.
    pub thing: String,
    /// What happened, in words.
    pub what: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.thing, self.what)
    }
}

/// Where the engine reports to. Called from several threads; what goes on beside other work has a
/// monitor of its own, so that one's phases do not end the other's.
pub trait Monitor: Send + Sync {
    /// For work that goes on beside this monitor's. Its last phase ends when it is dropped.
    fn beside(&self) -> Box<dyn Monitor + '_>;
    /// A new phase begins; the one before has ended.
    fn phase(&self, phase: &Phase);
    fn progress(&self, progress: Progress);
    /// The phase has ended, and none follows yet.
    fn rest(&self);
    fn disc(&self, number: DiscNo, reached: Reached);
    /// A fact that a person wants to read even when all goes well.
    fn note(&self, notice: Notice);
    /// A non-fatal failure. The engine counts it itself: it reaches the exit code without the
    /// monitor.
    fn trouble(&self, trouble: &Trouble);
}

impl<M: Monitor + ?Sized> Monitor for &M {
    fn beside(&self) -> Box<dyn Monitor + '_> {
        (**self).beside()
    }
    fn phase(&self, phase: &Phase) {
        (**self).phase(phase);
    }
    fn progress(&self, progress: Progress) {
        (**self).progress(progress);
    }
    fn rest(&self) {
        (**self).rest();
    }
    fn disc(&self, number: DiscNo, reached: Reached) {
        (**self).disc(number, reached);
    }
    fn note(&self, notice: Notice) {
        (**self).note(notice);
    }
    fn trouble(&self, trouble: &Trouble) {
        (**self).trouble(trouble);
    }
}

/// Keeps all that is said, for tests and for callers that print nothing.
#[derive(Debug, Default)]
pub struct Recorder {
    pub notes: Mutex<Vec<Notice>>,
    pub troubles: Mutex<Vec<Trouble>>,
}

impl Monitor for Recorder {
    fn beside(&self) -> Box<dyn Monitor + '_> {
        Box::new(self)
    }
    fn phase(&self, _: &Phase) {}
    fn progress(&self, _: Progress) {}
    fn rest(&self) {}
    fn disc(&self, _: DiscNo, _: Reached) {}
    fn note(&self, notice: Notice) {
        if let Ok(mut notes) = self.notes.lock() {
            notes.push(notice);
        }
    }
    fn trouble(&self, trouble: &Trouble) {
        if let Ok(mut troubles) = self.troubles.lock() {
            troubles.push(trouble.clone());
        }
    }
}
