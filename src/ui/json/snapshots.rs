//! Snapshots and the paths in them.

use serde::Serialize;

use super::raw_text::RawText;

/// A snapshot, of `snapshots`.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotObject {
    pub id: u32,
    pub set: String,
    pub date: String,
    #[serde(flatten)]
    pub source: RawText,
    pub paths: u64,
    pub size: u64,
    pub waiting: u64,
}

/// A path of a snapshot, of `ls` and `find`.
#[derive(Clone, Debug, Serialize)]
pub struct PathObject {
    #[serde(flatten)]
    pub path: RawText,
    /// The letter of `docs/format.md`.
    pub kind: char,
    pub size: u64,
    pub sha256: Option<String>,
    /// Four octal digits.
    pub mode: String,
    pub uid: u32,
    pub gid: u32,
    /// Seconds with nine digits after the point: more than a number of JSON can hold.
    pub mtime: String,
    pub discs: Vec<u32>,
    pub waiting: bool,
    /// `changed`, `stale:DATE`.
    pub note: Option<String>,
    #[serde(flatten)]
    pub link: Option<RawText>,
}

/// What the loss of discs takes from a snapshot, of `lost` and `retire`.
#[derive(Clone, Debug, Serialize)]
pub struct LossObject {
    pub id: u32,
    pub set: String,
    pub date: String,
    pub files: u64,
    pub size: u64,
    pub for_good: u64,
    pub for_good_size: u64,
}
