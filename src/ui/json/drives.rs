//! Drives and what is in them.

use serde::Serialize;

use super::raw_text::RawText;
use super::words::{DriveStateWord, MediumStateWord};

/// A drive, of `drives`.
#[derive(Clone, Debug, Serialize)]
pub struct DriveObject {
    #[serde(flatten)]
    pub device: RawText,
    pub vendor: String,
    pub model: String,
    pub firmware: String,
    pub serial: String,
    pub closes_tray: bool,
    pub state: DriveStateWord,
    /// Why it is unusable, or who uses it; no key otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    pub medium: Option<MediumObject>,
}

/// The medium in a drive. Sizes in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct MediumObject {
    pub kind: String,
    /// The number of MMC-6.
    pub profile: u16,
    pub state: MediumStateWord,
    pub words: Option<String>,
    pub free: u64,
    pub used: u64,
    pub sessions: u16,
    pub closed: bool,
    pub layers: Option<u8>,
    pub maker: Option<String>,
    pub speeds_kb: Vec<u32>,
    pub formatted: Option<bool>,
    pub spare: Option<u64>,
    pub spare_free: Option<u64>,
    pub with_spares: Option<u64>,
    pub volume: Option<String>,
}
