//! Why there is no verdict on a medium.

use crate::drive::Absence;
use crate::port::stop::Stopped;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The disc went away while it was read: it is neither sound nor damaged for all that is known.
    #[error(transparent)]
    Gone(#[from] Absence),
}
