//! Facts about what a watch sees in its drive.

use crate::port::cause::Cause;
use serde::Serialize;

/// Facts about what a watch sees in its drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WatchNotice {
    /// The blank stays in the drive.
    NothingStaged,
    /// No disc is taken from the stack.
    NothingToLoad,
    /// The loader has no more discs; it is asked again now and then.
    LoaderEmpty { drive: String },
    /// A disc's turn failed, and the watch continues.
    TurnFailed { why: Cause },
    /// What is in the drive cannot be verified; it is ejected. `content`: what the drive says of it.
    NotVerified { content: String, why: Cause },
    /// What is in the drive is of no use.
    OfNoUse { content: String },
}
