//! What the rows of `set list` are.

use super::json::date;
use super::json::raw_text::RawText;
use super::json::sets::SetObject;
use super::table::{Object, Row};
use crate::model::disc::Encryption;
use crate::model::path::shown;
use crate::model::{SetName, SetUuid};
use crate::port::clock::Moment;

/// A set of the catalog.
#[derive(Clone, Debug)]
pub struct SetLine {
    pub name: SetName,
    pub uuid: SetUuid,
    pub source: Vec<u8>,
    pub encryption: Encryption,
    pub snapshots: u64,
    /// Discs of which there is, or was, a medium.
    pub discs: u64,
    /// Discs that wait in the staging area.
    pub staged: u64,
    /// When the newest snapshot was made.
    pub newest: Option<Moment>,
}

impl Row for SetLine {
    const HEADINGS: &'static [&'static str] =
        &["SET", "SNAPSHOTS", "NEWEST", "DISCS", "STAGED", "ENCRYPTION", "SOURCE"];
    const NUMBERS: &'static [usize] = &[1, 3, 4];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.to_string(),
            self.snapshots.to_string(),
            self.newest.map_or("-".to_owned(), |date| date.local_day()),
            self.discs.to_string(),
            self.staged.to_string(),
            self.encryption.word().to_owned(),
            shown(&self.source),
        ]
    }
}

impl Object for SetLine {
    type Json = SetObject;

    fn object(&self) -> SetObject {
        SetObject {
            id: self.name.to_string(),
            set: self.name.to_string(),
            uuid: self.uuid.to_string(),
            source: RawText::new("source", &self.source),
            encryption: self.encryption.into(),
            snapshots: self.snapshots,
            date: date(self.newest),
            discs: self.discs,
            staged: self.staged,
        }
    }
}
