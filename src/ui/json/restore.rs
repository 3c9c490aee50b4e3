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
}

/// How many paths were restored without something, or left out, because nothing vouches for it.
#[derive(Clone, Debug, Serialize)]
pub struct WithheldObject {
    pub set_id: u64,
    pub attributes: u64,
    pub devices: u64,
}
