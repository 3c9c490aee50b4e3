//! What we know: the SQLite catalog of sets, snapshots, paths, contents, archives and discs.
//!
//! It stands apart because it is the memory between runs, and the only thing that speaks SQL.
//! Everything that a run has achieved is one transaction per archive and one per disc, so a kill
//! costs at most the archive in work. Nothing here touches sources or discs.

mod adopt;
mod archives;
mod attempt;
mod burns;
mod carrier;
mod contents;
mod copies;
mod dirs;
mod discs;
mod drills;
mod dump;
mod entries;
mod error;
mod export;
mod failures;
pub mod foreign;
mod forget;
mod forget_set;
mod gone;
mod groups;
mod import;
mod listing;
mod load;
mod lock;
mod moved;
mod open;
mod places;
mod prove;
mod read_copy;
mod refill;
mod row_stream;
mod rows;
mod run_lines;
mod schema;
mod sets;
mod settle;
mod shelves;
mod snapshots;
mod status;
mod value;
mod vanished;
mod whole;

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod testing;

pub use adopt::{AdoptedDisc, FoundMember, Twin};
pub use archives::{ArchiveRecord, FileEnd, PartsId, Stored, StoredMember};
pub use contents::{ContentId, FilePlaces, StoredContent, StoredPart};
pub use copies::{Copy, CopyNo, CopyState, Fate, Finding, Readings, Turn, Verification};
pub use discs::{ClosedDisc, DiscFile, DiscInfo, DiscState, Listings, NewDisc};
pub use drills::{Drill, DrillScope};
pub use entries::{DIR_PAGE, KnownContent, KnownEntry, RowChange};
pub use error::{CatalogError, Refused};
pub use failures::{Failure, Reason, Refusal};
pub use gone::{Loss, LossAt};
pub use groups::RecoveryGroup;
pub use listing::{Found, Listed};
pub use moved::OnDisc;
pub use open::Access;
pub use sets::{KnownSet, SetFacts, SetId};
pub use settle::{KnownCopies, Settled};
pub use shelves::{Put, Shelved};
pub use snapshots::{Counts, Extent, SnapshotInfo};
pub use status::{Outside, SetStatus, Tally, Waiting};
pub use vanished::{Identity, Vanished};
pub use whole::Replacement;

use error::{Fault, explain};
use rusqlite::{Connection, TransactionBehavior};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

type Result<T, E = CatalogError> = std::result::Result<T, E>;

/// An open catalog. With [`Access::Write`] no other process writes it until this is dropped.
pub struct Catalog {
    // Dropped in this order: the database is closed before others are let in.
    conn: Connection,
    path: PathBuf,
    _lock: Option<lock::Lock>,
    /// Both caches hold committed rows only: these are never changed and never removed.
    owners: RefCell<value::Owners>,
    dirs: RefCell<dirs::DirStack>,
}

impl Catalog {
    /// The file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        work(&self.conn).map_err(|fault| explain(&self.path, doing, fault))
    }

    /// All of `work`, or none of it.
    fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        let path = &self.path;
        let run = || {
            if !self.conn.is_autocommit() {
                let within = self.conn.savepoint()?; // of an attempt
                let value = work(&within)?;
                within.commit()?;
                return Ok(value);
            }
            let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        run().map_err(|fault| explain(path, doing, fault))
    }
}
