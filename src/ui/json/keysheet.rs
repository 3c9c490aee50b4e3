//! The recovery sheet.

use serde::Serialize;

use super::discs::DiscObject;
use super::raw_text::RawText;
use super::words::EncryptionWord;

/// The object of `keysheet`.
#[derive(Clone, Debug, Serialize)]
pub struct KeysheetObject {
    pub id: String,
    pub set: String,
    pub uuid: String,
    #[serde(flatten)]
    pub source: RawText,
    pub encryption: EncryptionWord,
    pub newest: Option<u32>,
    pub key_ids: Vec<String>,
    pub hint: Option<String>,
    pub discs: Vec<DiscObject>,
    /// The page.
    pub text: String,
}
