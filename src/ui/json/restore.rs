//! What `restore` reports.

use serde::Serialize;

use super::tally::TallyObject;

/// The summary of `restore`.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreSummaryObject {
    pub dry_run: bool,
    pub snapshot: Option<u32>,
    pub restored: TallyObject,
    pub kept: TallyObject,
    pub failed: TallyObject,
    pub missing_discs: Vec<u32>,
    pub later_discs: bool,
    pub withheld: WithheldObject,
    /// With `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<RestorePlanObject>,
}

/// What the run would need.
#[derive(Clone, Debug, Serialize)]
pub struct RestorePlanObject {
    pub discs: Vec<u32>,
    /// What is read from them, at most.
    pub bytes: u64,
    /// Of reading, an estimate.
    pub seconds: u64,
    /// Of discs in drives.
    pub changes: u64,
    /// Where several places read at once.
    pub drives: Vec<DrivePlanObject>,
}

/// What a drive would read.
#[derive(Clone, Debug, Serialize)]
pub struct DrivePlanObject {
    pub drive: String,
    pub discs: Vec<u32>,
}

/// How many paths were restored without something, or left out, because nothing vouches for it.
#[derive(Clone, Debug, Serialize)]
pub struct WithheldObject {
    pub set_id: u64,
    pub attributes: u64,
    pub devices: u64,
}
