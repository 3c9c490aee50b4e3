//! How safe sets and paths are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::raw_text::RawText;
use super::words::EncryptionWord;

/// The places in use: the first object of `status`.
#[derive(Clone, Debug, Serialize)]
pub struct PlacesObject {
    #[serde(flatten)]
    pub catalog: RawText,
    pub catalog_exists: bool,
    #[serde(flatten)]
    pub staging: RawText,
}

/// A set, of `status`.
#[derive(Clone, Debug, Serialize)]
pub struct SetStatusObject {
    pub id: String,
    pub set: String,
    pub uuid: String,
    #[serde(flatten)]
    pub source: RawText,
    pub encryption: EncryptionWord,
    pub snapshots: u64,
    pub newest: Option<u32>,
    pub date: Option<String>,
    pub safe: u64,
    pub staged: u64,
    pub waiting: u64,
    pub waiting_size: u64,
    pub rows_waiting: u64,
    pub wanted: Option<String>,
    pub in_progress: Vec<u32>,
    #[serde(flatten)]
    pub safety: SafetyKeys,
}

/// The keys of a set in `status` that say how safe it is.
#[derive(Clone, Debug, Serialize)]
pub struct SafetyKeys {
    pub is_safe: Option<bool>,
    pub dangers: Vec<String>,
    pub unknown: Vec<String>,
    /// Seconds.
    pub newest_age: Option<u64>,
    pub unfinished: bool,
    pub stopped: Option<String>,
    pub failed_paths: Option<u64>,
    pub stale_paths: u64,
    pub unreadable: Vec<UnreadableObject>,
    /// Files by their number of verified copies.
    pub files_by_copies: BTreeMap<u32, u64>,
    pub copies_wanted: u32,
    pub may_lose: Vec<u32>,
    pub only_copy: Vec<u32>,
    pub no_good_copy: Vec<u32>,
    pub missing_copies: Vec<MissingCopyObject>,
    pub oldest_check: Option<String>,
    pub drilled: Vec<DrilledAtObject>,
    pub groups: Vec<GroupObject>,
}

/// A path that could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadableObject {
    #[serde(flatten)]
    pub path: RawText,
    pub what: String,
    pub rule: String,
}

/// A copy whose image is no longer on its shelf.
#[derive(Clone, Debug, Serialize)]
pub struct MissingCopyObject {
    pub disc: u32,
    pub copy: u32,
}

/// When a disc was drilled.
#[derive(Clone, Debug, Serialize)]
pub struct DrilledAtObject {
    pub disc: u32,
    pub at: Option<String>,
}

/// A group of discs with recovery discs.
#[derive(Clone, Debug, Serialize)]
pub struct GroupObject {
    pub discs: Vec<u32>,
    pub recovery: Vec<u32>,
    pub lost: Vec<u32>,
    pub may_lose: Option<usize>,
}

/// A path, of `status PATH...`.
#[derive(Clone, Debug, Serialize)]
pub struct PathStatusObject {
    #[serde(flatten)]
    pub path: RawText,
    pub size: u64,
    pub copies: u32,
    pub discs: Vec<u32>,
    pub verified: Option<String>,
    pub places: Vec<String>,
    pub stale: Option<String>,
}
