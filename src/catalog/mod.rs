//! What we know: the SQLite catalog of sets, snapshots, paths, contents, archives and discs.
//!
//! It stands apart because it is the memory between runs, and the only thing that speaks SQL.
//! Everything that a run has achieved is one transaction per archive and one per disc, so a kill
//! costs at most the archive in progress. Nothing here touches sources or discs.

mod base;
pub mod files;
mod tables;

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod testing;

pub(crate) use crate::model::Finding;
pub use base::database::{Catalog, Patience};
pub use base::error::CatalogError;
pub use base::ids::{ContentId, CopyNo, SetId};
pub use base::lock::Held;
pub use base::part::Part;
pub use files::adopt::{AdoptedDisc, FoundMember, NumberConflict};
pub use files::open::Access;
pub use files::whole::Replacement;
pub use tables::archives::{ArchiveRecord, FileEnd, PartsId, Stored, StoredMember};
pub use tables::copies::{Copy, CopyState, Fate, ReadOrdinal, ReadOutcome, Readings, Verification};
pub use tables::discs::{
    ClosedDiscInfo, ClosedDiscRecord, DiscFileRecord, DiscInfo, DiscState, NewDisc, OpenDiscInfo,
};
pub use tables::drills::{DrillRecord, DrillScope};
pub use tables::entries::{DIR_PAGE, KnownContent, KnownEntry, RowChange};
pub use tables::failures::PathFailure;
pub use tables::gone::{DiscLoss, LossAt};
pub use tables::groups::RecoveryGroup;
pub use tables::listing::{CatalogRow, FoundPath};
pub use tables::moved::OnDisc;
pub use tables::sets::{KnownSet, SetFacts};
pub use tables::settle::KnownCopies;
pub use tables::shelves::{CopyPlacement, Shelved};
pub use tables::snapshots::{Counts, SnapshotInfo, SnapshotSize};
pub use tables::status::{FileTally, Outside, SetStatus, Waiting};
pub use tables::vanished::{FileIdentity, Vanished};

#[cfg(test)]
use base::error::Result;
