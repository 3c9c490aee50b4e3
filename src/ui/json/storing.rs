//! What runs report that write discs: `backup`, `burn`, `copy`, `flush`, `watch`, `migrate`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::drive::StackCount;

use super::care::CheckedDiscObject;
use super::tally::TallyObject;

/// The summary of `backup`.
#[derive(Clone, Debug, Serialize)]
pub struct BackupSummaryObject {
    pub dry_run: bool,
    pub snapshot: Option<u32>,
    pub stored: TallyObject,
    pub unchanged: TallyObject,
    pub excluded: Vec<ExcludedObject>,
    pub hollow: Vec<HollowObject>,
    pub failed: TallyObject,
    pub waiting: TallyObject,
    pub rows_waiting: u64,
    pub recoded_frames: u64,
    pub discs: Vec<u32>,
    /// With `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<BackupPlanObject>,
}

/// What a rule left out.
#[derive(Clone, Debug, Serialize)]
pub struct ExcludedObject {
    pub rule: String,
    pub count: u64,
    pub size: u64,
}

/// Directories that a rule stores without their content.
#[derive(Clone, Debug, Serialize)]
pub struct HollowObject {
    pub rule: String,
    pub count: u64,
}

/// What the run would need.
#[derive(Clone, Debug, Serialize)]
pub struct BackupPlanObject {
    /// How many.
    pub discs: u64,
    pub capacity: u64,
    /// The staged disc that is filled up first.
    pub fills_up: Option<u32>,
    pub on_discs: u64,
    pub staging: u64,
    /// Of writing, by speed: `4x`.
    pub minutes: BTreeMap<String, u64>,
}

/// The summary of `burn`.
#[derive(Clone, Debug, Serialize)]
pub struct BurnSummary {
    pub discs: Vec<u32>,
    /// Discs that are no longer complete in the staging area.
    pub incomplete: Vec<u32>,
}

/// A disc that `burn` has burned and verified.
#[derive(Clone, Debug, Serialize)]
pub struct BurnedObject {
    pub disc: u32,
    pub size: u64,
}

/// What became of the discs that a loader took.
#[derive(Clone, Debug, Serialize)]
pub struct StackObject {
    /// How many.
    pub discs: u64,
    pub good: u64,
    pub rejected: Vec<u64>,
}

impl StackObject {
    pub fn of(count: &StackCount) -> StackObject {
        let StackCount { discs, good, rejected, .. } = count.clone();
        StackObject { discs, good, rejected }
    }
}

/// A disc that `copy` has copied.
#[derive(Clone, Debug, Serialize)]
pub struct CopiedObject {
    pub set: String,
    pub disc: u32,
    /// Good ones now.
    pub copies: u32,
}

/// The summary of `flush`.
#[derive(Clone, Debug, Serialize)]
pub struct FlushSummary {
    pub disc: Option<u32>,
    pub recovery_discs: Vec<u32>,
    pub recovery_discs_wait: bool,
}

/// The summary of `watch`.
#[derive(Clone, Debug, Serialize)]
pub struct WatchSummary {
    pub burned: Vec<DiscOfSetObject>,
    pub failures: u64,
    pub damaged: u64,
    pub checked: Vec<CheckedDiscObject>,
}

/// Which disc.
#[derive(Clone, Debug, Serialize)]
pub struct DiscOfSetObject {
    pub set: String,
    pub disc: u32,
}

/// The summary of `migrate`.
#[derive(Clone, Debug, Serialize)]
pub struct MigrateSummary {
    pub set: String,
    pub migrated: TallyObject,
    /// Contents.
    pub failed: u64,
    /// New ones.
    pub discs: Vec<u32>,
    pub emptied: Vec<u32>,
}
