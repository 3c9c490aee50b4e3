//! What `catalog rebuild` reports.

use serde::Serialize;

/// The summary of `catalog rebuild`.
#[derive(Clone, Debug, Serialize)]
pub struct RebuildSummary {
    pub sets: Vec<RebuiltSetObject>,
    pub unreadable: u64,
    pub refused: u64,
}

/// A set of the new catalog.
#[derive(Clone, Debug, Serialize)]
pub struct RebuiltSetObject {
    pub set: String,
    pub uuid: String,
    /// How many.
    pub snapshots: usize,
    pub newest: Option<u32>,
    pub catalog_of: Option<u32>,
    pub discs: Vec<u32>,
    pub missing_discs: Vec<u32>,
    pub twins: Vec<TwinObject>,
    pub not_verified: Vec<u32>,
    pub readings_not_counted: u64,
    pub lost_files: u64,
    pub pieced: bool,
    pub unreadable: u64,
}

/// Another disc with the number of one of the set.
#[derive(Clone, Debug, Serialize)]
pub struct TwinObject {
    pub disc: u32,
    pub uuid: String,
}
