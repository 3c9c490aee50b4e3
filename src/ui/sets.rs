//! What the rows of `set list` are. `docs/json.md` describes the objects: their keys are a promise.

use super::lines::put_bytes;
use super::table::{Object, Row};
use crate::model::disc::Encryption;
use crate::model::path::shown;
use crate::model::{SetName, SetUuid};
use crate::port::clock::Moment;
use serde_json::{Value, json};

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
            self.newest.map_or("-".to_owned(), |date| date.to_string()),
            self.discs.to_string(),
            self.staged.to_string(),
            self.encryption.word().to_owned(),
            shown(&self.source),
        ]
    }
}

impl Object for SetLine {
    fn object(&self) -> Value {
        let object = json!({
            "id": self.name.as_str(),
            "set": self.name.as_str(),
            "uuid": self.uuid.to_string(),
            "encryption": self.encryption.word(),
            "snapshots": self.snapshots,
            "discs": self.discs,
            "staged": self.staged,
            "date": self.newest.map(|date| date.to_string()),
        });
        let Value::Object(mut object) = object else { return object };
        put_bytes(&mut object, "source", &self.source);
        Value::Object(object)
    }
}
