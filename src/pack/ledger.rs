//! Whom the packer asks and tells about what is stored.

use std::io;

use super::archive::SealedArchive;
use super::error::LedgerError;
use crate::model::rows::{ListedRow, Note};
use crate::model::{ArchiveNo, Digest, Entry};
use crate::port::stop::Stop;

/// What the packer asks and tells about what is stored. Calls come from one thread, in order.
pub trait Ledger {
    /// Whether a content of this many bytes may be stored already.
    fn knows_size(&self, size: u64) -> bool;
    /// Whether this very content is stored already, in this run or before.
    fn knows(&mut self, digest: &Digest, size: u64) -> Result<bool, LedgerError>;
    /// These files' content is stored already: only their rows are to be kept, in one transaction.
    /// Gives how many rows were not as they were.
    fn reuse(&mut self, twins: &[DuplicateFile]) -> Result<u64, LedgerError>;
    /// The number of the next archive; each is given out once.
    fn next_archive(&mut self) -> Result<ArchiveNo, LedgerError>;
    /// An archive is durable in staging: archive, contents and rows become one transaction.
    fn sealed(&mut self, archive: SealedArchive) -> Result<(), LedgerError>;
    /// The entry could not be read; what was stored of it before (if anything) stays in the
    /// snapshot.
    fn unreadable(&mut self, entry: &Entry, why: &str) -> Result<(), LedgerError>;
    /// Every row of the snapshot in progress, in walk order, as known now.
    fn snapshot_rows(
        &mut self,
        sink: &mut dyn FnMut(ListedRow) -> io::Result<()>,
    ) -> Result<(), LedgerError>;
    /// Whether older snapshots hold anything that is not in the one in progress.
    fn has_history(&mut self) -> Result<bool, LedgerError>;
    /// What older snapshots hold and the one in progress does not, in walk order.
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
pub struct DuplicateFile {
    pub entry: Entry,
    pub digest: Digest,
    pub note: Note,
}
