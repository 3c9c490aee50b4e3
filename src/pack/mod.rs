//! Step 2: from files of the source to archives in staging, and from archives to full discs.
//!
//! The order inside: [`queue`] says what is to be stored, [`ahead`] and [`reader`] read each file once,
//! [`archive`] makes members into frames, [`sealing`] a full archive into a durable file, [`room`] knows
//! how much the disc still takes, [`filler`] decides what goes where and where it is cut, and [`closing`]
//! writes what else a disc carries. What is known already, and what must be remembered, is asked of
//! and told to a [`Ledger`]: the catalog is not touched from here.

mod ahead;
pub mod archive;
pub mod closing;
mod compact;
#[cfg(test)]
mod concurrency_tests;
pub mod estimate;
pub mod filler;
mod placing;
pub mod protecting;
pub mod queue;
pub mod reader;
pub mod room;
mod sealing;
mod space;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use crate::codec::openpgp::{SealError, SignError};
use crate::codec::spool::SpoolError;
use crate::model::rows::{IndexRow, ListedRow, Note};
use crate::model::{ArchiveNo, Digest, Entry};
use crate::port::stop::{Stop, Stopped};

pub use archive::SealedArchive;
pub use filler::{Fill, Filler};
pub use queue::Work;

/// Any error of whoever keeps the ledger.
pub type LedgerError = Box<dyn std::error::Error + Send + Sync>;

/// What the packer asks and tells about what is stored. Calls come from one thread, in order.
pub trait Ledger {
    /// Whether a content of this many bytes may be stored already.
    fn knows_size(&self, size: u64) -> bool;
    /// Whether this very content is stored already, in this run or before.
    fn knows(&mut self, digest: &Digest, size: u64) -> Result<bool, LedgerError>;
    /// These files' content is stored already: only their rows are to be kept, in one transaction.
    /// Gives how many rows were not as they were.
    fn reuse(&mut self, twins: &[Twin]) -> Result<u64, LedgerError>;
    /// The number of the next archive; each is given out once.
    fn next_archive(&mut self) -> Result<ArchiveNo, LedgerError>;
    /// An archive is durable in staging: archive, contents and rows become one transaction.
    fn sealed(&mut self, archive: SealedArchive) -> Result<(), LedgerError>;
    /// The entry could not be read; what was stored of it before (if anything) stays in the snapshot.
    fn unreadable(&mut self, entry: &Entry, why: &str) -> Result<(), LedgerError>;
    /// Every row of the snapshot in work, in walk order, as known now.
    fn snapshot_rows(
        &mut self,
        sink: &mut dyn FnMut(ListedRow) -> io::Result<()>,
    ) -> Result<(), LedgerError>;
    /// Whether older snapshots hold anything that is not in the one in work.
    fn has_history(&mut self) -> Result<bool, LedgerError>;
    /// What older snapshots hold and the one in work does not, in walk order.
    fn history_rows(
        &mut self,
        sink: &mut dyn FnMut(ListedRow) -> io::Result<()>,
    ) -> Result<(), LedgerError>;
    /// A moment between two pieces of work, at most a block apart: whoever keeps the ledger may see
    /// to something else, or end the packing.
    fn breathe(&mut self) -> Result<(), LedgerError>;
    /// What [`export_catalog`](Self::export_catalog) would write now, at most.
    fn catalog_bytes(&mut self) -> Result<u64, LedgerError>;
    /// Writes the set's own catalog as it goes onto a disc into a new file.
    fn export_catalog(&mut self, to: &std::path::Path, stop: &Stop) -> Result<(), LedgerError>;
}

/// A file whose content is stored already, under this digest.
#[derive(Clone, Debug)]
pub struct Twin {
    pub entry: Entry,
    pub digest: Digest,
    pub note: Note,
}

/// A row of INDEX together with what only the catalog wants to know.
#[derive(Clone, Debug)]
pub struct PackedMember {
    pub row: IndexRow,
    /// The entry as the walk found it, for its fingerprint.
    pub entry: Entry,
    /// The random id of a file in parts.
    pub parts_id: Option<u64>,
}

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
    #[error(
        "discs of {size} are too small: nothing fits beside the listings of this set. \
         Choose a larger --disc-size"
    )]
    DiscTooSmall { size: crate::model::Bytes },
    #[error("the recovery data of this disc cannot be made")]
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
