//! Discs and their copies, as the catalog knows them.

use serde::Serialize;

use super::raw_text::RawText;
use super::words::{CopyStateWord, DiscStateWord};
use crate::model::Carrier;

/// A disc, of `discs` and `keysheet`.
#[derive(Clone, Debug, Serialize)]
pub struct DiscObject {
    pub id: u32,
    pub set: String,
    pub uuid: String,
    pub state: DiscStateWord,
    pub date: Option<String>,
    pub used: u64,
    pub capacity: u64,
    pub snapshot: u32,
    pub copies: u32,
    pub verified: Option<String>,
    pub drilled: Option<String>,
    pub media: Vec<CopyObject>,
    pub covers: Vec<u32>,
}

/// A copy of a disc.
#[derive(Clone, Debug, Serialize)]
pub struct CopyObject {
    pub copy: u32,
    pub state: CopyStateWord,
    pub place: String,
    pub burned: String,
    pub verified: Option<String>,
    #[serde(flatten)]
    pub carrier: CarrierKeys,
}

/// A copy that is due, of `check --dry-run`.
#[derive(Clone, Debug, Serialize)]
pub struct DueObject {
    /// The disc.
    pub id: u32,
    pub set: String,
    pub copy: u32,
    pub verified: Option<String>,
    pub suspect: Option<String>,
    pub place: Option<String>,
    #[serde(flatten)]
    pub carrier: CarrierKeys,
}

/// A copy whose place `locate` has recorded.
#[derive(Clone, Debug, Serialize)]
pub struct LocatedObject {
    pub set: String,
    pub disc: u32,
    pub copy: u32,
    pub place: String,
}

/// What carries a copy: the keys that each object of a copy has.
#[derive(Clone, Debug, Serialize)]
pub struct CarrierKeys {
    /// A description in words.
    pub medium: String,
    pub kind: Option<String>,
    pub maker: Option<String>,
    pub drive: Option<String>,
    #[serde(flatten)]
    pub shelf: RawText,
    #[serde(flatten)]
    pub folder: RawText,
}

impl From<&Carrier> for CarrierKeys {
    fn from(carrier: &Carrier) -> CarrierKeys {
        let disc = carrier.disc();
        CarrierKeys {
            medium: carrier.to_string(),
            kind: disc.and_then(|disc| disc.kind.clone()),
            maker: disc.and_then(|disc| disc.maker.clone()),
            drive: disc.and_then(|disc| disc.burner.clone()),
            shelf: RawText::path_or_null("shelf", carrier.shelf()),
            folder: RawText::path_or_null("folder", carrier.folder()),
        }
    }
}
