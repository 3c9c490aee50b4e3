//! Why a thing could not be put in its place, and what of it is not as it was.

use std::error::Error as _;
use std::io;

use rustix::io::Errno;

use crate::model::RelPath;
use crate::port::beneath::BeneathError;

/// Why a thing could not be put in its place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("the target {path} cannot be used")]
    Target { path: String, source: io::Error },
    #[error("cannot reach {path} in the target")]
    Way { path: RelPath, source: BeneathError },
    #[error("no room is left in the target for {path}; make room, or restore elsewhere")]
    Full { path: RelPath },
    #[error("{path} is already in the target")]
    Exists { path: RelPath },
    #[error("{path} in the target is a directory that is not empty; it is not replaced")]
    DirInTheWay { path: RelPath },
    #[error("only root can create the device {path}")]
    NeedsRoot { path: RelPath },
    #[error("{path} should be another name of {first}, which is not a file in the target")]
    NotAFile { path: RelPath, first: RelPath },
    #[error("{path} cannot be restored: {doing}")]
    Failed { path: RelPath, doing: &'static str, source: io::Error },
}

impl PlaceError {
    pub(super) fn new(path: &RelPath, doing: &'static str, errno: Errno) -> PlaceError {
        let path = path.clone();
        match errno {
            Errno::NOSPC | Errno::DQUOT => PlaceError::Full { path },
            errno => PlaceError::Failed { path, doing, source: errno.into() },
        }
    }

    /// The error and what it came from, on one line.
    pub fn in_words(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(inner) = source {
            text.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        text
    }

    pub(super) fn way(path: &RelPath, source: BeneathError) -> PlaceError {
        let path = path.clone();
        match &source {
            BeneathError::Make { source: io, .. }
                if matches!(Errno::from_io_error(io), Some(Errno::NOSPC | Errno::DQUOT)) =>
            {
                PlaceError::Full { path }
            }
            _ => PlaceError::Way { path, source },
        }
    }
}

/// Something about a thing in its place is not as it was: it is there, but for this.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what} could not be restored")]
pub struct Complaint {
    pub path: RelPath,
    pub what: String,
    pub source: Option<io::Error>,
}
