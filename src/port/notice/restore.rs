//! Facts about a restore, and about a migration, which reads the same way.

use std::path::PathBuf;

use serde::Serialize;

use super::paths;
use crate::model::{Bytes, CopyPlaces, DiscNo, SetName, SnapshotSeq};
use crate::port::cause::Cause;
use crate::port::clock::Moment;

/// Facts about a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RestoreNotice {
    /// What is restored, and from which discs.
    RestorePlan {
        set: SetName,
        snapshot: SnapshotSeq,
        files: u64,
        size: Bytes,
        discs: Vec<DiscNo>,
    },
    /// These discs are needed, and not at this place.
    DiscsMissing {
        #[serde(flatten, serialize_with = "paths::from")]
        from: PathBuf,
        discs: Vec<DiscNo>,
    },
    /// Where a disc is kept.
    DiscKept {
        disc: DiscNo,
        places: CopyPlaces,
    },
    /// An earlier restore did not come to its end: what it left is read and compared.
    TargetRead,
    FilesThere {
        files: u64,
    },
    ListingDamaged,
    /// So many paths cannot be restored.
    NotRestorable {
        paths: u64,
    },
    /// A snapshot has no file; an earlier one has so many.
    SnapshotEmpty {
        snapshot: SnapshotSeq,
        earlier: SnapshotSeq,
        date: Moment,
        files: u64,
    },
    /// The disc was written before the whole snapshot was on discs: a later disc lists where the
    /// rest is.
    LaterDiscNeeded {
        disc: DiscNo,
    },
    /// The later disc could not be used.
    LaterDiscNoHelp {
        why: Cause,
    },
    /// Metadata that gives rights, and devices. `is_doubt`: nobody decided that they stay out.
    RightsLeftOut {
        set_id: u64,
        attributes: u64,
        devices: u64,
        is_doubt: bool,
    },
    /// These discs are not known to have been verified, and not migrated.
    NotMigrated {
        discs: Vec<DiscNo>,
    },
}
