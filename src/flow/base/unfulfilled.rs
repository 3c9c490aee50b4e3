//! Why a medium that was needed did not come.

/// Why a medium that was needed did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfulfilled {
    /// Somebody was asked, and did not insert it in time.
    TimedOut,
    /// There was nobody to ask.
    NobodyToAsk,
    /// The drive's loader has no more discs.
    LoaderEmpty,
    /// It was in the drive, and a loader brings what comes next, not a certain disc.
    NotBroughtBack,
}

impl Unfulfilled {
    pub fn of(asked: bool) -> Unfulfilled {
        if asked { Unfulfilled::TimedOut } else { Unfulfilled::NobodyToAsk }
    }
}
