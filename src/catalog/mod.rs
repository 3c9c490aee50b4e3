//! What we know: the SQLite catalog of sets, snapshots, paths, contents, archives and discs.
//!
//! It stands apart because it is the memory between runs, and the only thing that speaks SQL.
//! Everything that a run has achieved is one transaction per archive and one per disc, so a kill
//! costs at most the archive in progress. Nothing here touches sources or discs.

mod adopt;
mod archives;
mod attempt;
mod burns;
mod carrier;
mod contents;
mod copies;
mod database;
mod dirs;
mod discs;
mod drills;
mod dump;
mod entries;
mod error;
mod export;
mod failures;
mod file_names;
pub mod foreign;
mod forget;
mod forget_set;
mod former;
mod gone;
mod groups;
mod ids;
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
mod state;
mod status;
mod value;
mod vanished;
mod whole;

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod testing;

pub(crate) use crate::model::Finding;
pub use adopt::{AdoptedDisc, FoundMember, NumberConflict};
pub use archives::{ArchiveRecord, FileEnd, PartsId, Stored, StoredMember};
pub use copies::{Copy, CopyState, Fate, ReadOrdinal, ReadOutcome, Readings, Verification};
pub use database::Catalog;
pub use discs::{
    ClosedDiscInfo, ClosedDiscRecord, DiscFileRecord, DiscInfo, DiscState, NewDisc, OpenDiscInfo,
};
pub use drills::{DrillRecord, DrillScope};
pub use entries::{DIR_PAGE, KnownContent, KnownEntry, RowChange};
pub use error::CatalogError;
pub use failures::PathFailure;
pub use gone::{DiscLoss, LossAt};
pub use groups::RecoveryGroup;
pub use ids::{ContentId, CopyNo, SetId};
pub use listing::{CatalogRow, FoundPath};
pub use moved::OnDisc;
pub use open::Access;
pub use sets::{KnownSet, SetFacts};
pub use settle::KnownCopies;
pub use shelves::{CopyPlacement, Shelved};
pub use snapshots::{Counts, SnapshotInfo, SnapshotSize};
pub use status::{FileTally, Outside, SetStatus, Waiting};
pub use vanished::{FileIdentity, Vanished};
pub use whole::Replacement;

use error::Result;
