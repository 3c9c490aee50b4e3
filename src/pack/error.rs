//! What can go wrong while discs are packed.

use std::io;
use std::path::PathBuf;

use crate::codec::openpgp::{SealError, SignError};
use crate::codec::spool::SpoolError;
use crate::port::stop::{Stop, Stopped};

/// Any error of whoever keeps the ledger.
pub type LedgerError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("cannot write {} in the staging area", .path.display())]
    Staging { path: PathBuf, source: io::Error },
    #[error("cannot use the staging area's scratch file")]
    Spool(#[from] SpoolError),
    #[error("cannot encrypt {what}")]
    Seal { what: String, source: SealError },
    #[error(transparent)]
    Sign(SignError),
    #[error("cannot record what was packed")]
    Ledger(#[source] LedgerError),
    #[error("discs of {size} are too small: no file fits next to the listings of this set")]
    DiscTooSmall { size: crate::model::Bytes },
    #[error("the recovery data of this disc cannot be created")]
    Recovery(#[source] crate::recovery::program::ProgramError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl PackError {
    pub(crate) fn staging(path: &std::path::Path) -> impl FnOnce(io::Error) -> PackError {
        let path = path.to_owned();
        move |source| PackError::Staging { path, source }
    }

    /// What fails once somebody asked to stop failed because of that.
    pub(crate) fn unless_stopped(self, stop: &Stop) -> PackError {
        stop.check().map_or_else(PackError::from, |()| self)
    }
}
