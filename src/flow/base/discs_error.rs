//! Why the discs at hand do not say what a set holds.

use std::path::PathBuf;

use crate::model::{DiscUuid, SetName};
use crate::port::cause::Cause;

/// Why the discs at hand do not say what a set holds.
#[derive(Debug, thiserror::Error)]
pub enum DiscsError {
    #[error("there is no coldcut disc in {0}")]
    NoDiscs(PathBuf),
    #[error("the discs in {} cannot be used: {what}", .from.display())]
    Unusable { from: PathBuf, what: Cause },
    #[error("no listing of set {0} can be read from these discs")]
    NoListing(SetName),
    #[error(
        "the discs hold two histories of set {set}, and nothing on them says which is right: \
         {one}, and {other}"
    )]
    TwoHistories { set: SetName, one: String, other: String },
    #[error("no disc here of set {set} has a listing of the history of disc {uuid}")]
    NoHistory { set: SetName, uuid: DiscUuid },
}
