//! What reading a disc found.

use serde::Serialize;

/// What was seen when a copy was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    Ok,
    /// Bytes differ or sectors cannot be read.
    Damaged,
    /// Nothing can be read.
    Unreadable,
}
