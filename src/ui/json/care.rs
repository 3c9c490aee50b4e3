//! What runs report that read discs or give them up: `verify`, `check`, `drill`, `rescue`, `lost`,
//! `retire`.

use serde::Serialize;

use super::tally::TallyObject;
use super::words::{AgainstWord, FindingWord, ScriptWord};

/// The summary of `verify`.
#[derive(Clone, Debug, Serialize)]
pub struct VerifySummary {
    pub discs: Vec<CheckedDiscObject>,
    pub missing_discs: Vec<u32>,
    /// `None`: a disc that went away before it said which one it is.
    pub gone_discs: Vec<Option<u32>>,
    pub unreadable: u64,
    pub refused: u64,
}

/// A disc that was read, of `verify` and `watch`.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedDiscObject {
    pub set: String,
    pub disc: u32,
    pub finding: FindingWord,
    /// How many.
    pub faults: usize,
    pub repairable: Option<bool>,
    pub against: AgainstWord,
    pub opened: Option<bool>,
}

/// The summary of `check`.
#[derive(Clone, Debug, Serialize)]
pub struct CheckSummary {
    pub copies: Vec<CheckedCopyObject>,
    pub missing: Vec<DueCopyObject>,
    pub elsewhere: Vec<DueCopyObject>,
    pub refused: Vec<DueCopyObject>,
}

/// A copy that was read, of `check`.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedCopyObject {
    pub set: String,
    pub disc: u32,
    pub copy: u32,
    pub finding: FindingWord,
    /// How many.
    pub faults: usize,
    pub ages: bool,
    pub trend: Vec<ReadingObject>,
}

/// How a copy was read.
#[derive(Clone, Debug, Serialize)]
pub struct ReadingObject {
    pub date: String,
    pub slow: u32,
    pub slowest_ms: u64,
    pub unreadable: u32,
}

/// A copy that was due and not read, of `check`.
#[derive(Clone, Debug, Serialize)]
pub struct DueCopyObject {
    pub set: String,
    pub disc: u32,
    pub copy: u32,
    pub place: Option<String>,
}

/// The summary of `drill`.
#[derive(Clone, Debug, Serialize)]
pub struct DrillSummary {
    pub discs: Vec<DrilledDiscObject>,
}

/// A disc that was restored with standard tools.
#[derive(Clone, Debug, Serialize)]
pub struct DrilledDiscObject {
    pub set: String,
    pub disc: u32,
    pub files: u64,
    pub bytes: u64,
    /// How many.
    pub faults: usize,
    pub skipped: Vec<String>,
    pub against: AgainstWord,
    pub script: Option<ScriptWord>,
    pub script_differs: Option<bool>,
}

/// The summary of `rescue`.
#[derive(Clone, Debug, Serialize)]
pub struct RescueSummary {
    pub size: u64,
    pub rescued: u64,
    pub mended: bool,
    pub files: Option<usize>,
    pub damaged: Option<usize>,
    pub refused: u64,
}

/// The summary of `lost` and `retire`.
#[derive(Clone, Debug, Serialize)]
pub struct GiveUpSummary {
    pub discs: Vec<GivenUpObject>,
    pub newest: TallyObject,
    pub for_good: TallyObject,
    pub made_again: Vec<u32>,
}

/// A disc that `lost` or `retire` is about.
#[derive(Clone, Debug, Serialize)]
pub struct GivenUpObject {
    pub disc: u32,
    /// Those that no longer count.
    pub copies: Vec<u32>,
    pub good_left: usize,
    pub staged: bool,
}
