//! Sets, as they are listed, renamed and forgotten.

use serde::Serialize;

use super::raw_text::RawText;
use super::words::EncryptionWord;

/// A set, of `set list`.
#[derive(Clone, Debug, Serialize)]
pub struct SetObject {
    pub id: String,
    pub set: String,
    pub uuid: String,
    #[serde(flatten)]
    pub source: RawText,
    pub encryption: EncryptionWord,
    pub snapshots: u64,
    pub date: Option<String>,
    pub discs: u64,
    pub staged: u64,
}

/// The summary of `set rename`.
#[derive(Clone, Debug, Serialize)]
pub struct RenameSummary {
    /// The new name.
    pub set: String,
    pub before: String,
}

/// The summary of `set forget`.
#[derive(Clone, Debug, Serialize)]
pub struct ForgetSummary {
    pub set: String,
    pub discs: Vec<u32>,
    pub staged: Vec<u32>,
    pub staged_removed: bool,
}
