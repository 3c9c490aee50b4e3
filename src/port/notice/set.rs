//! Facts about a set.

use std::path::PathBuf;

use serde::Serialize;

use super::paths;
use crate::model::disc::{Encryption, Ratio};
use crate::model::{DiscNo, SetName};

/// Facts about a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SetNotice {
    /// `others`: the sets that the catalog knew before.
    NewSet { set: SetName, encryption: Encryption, others: Vec<SetName> },
    /// For whom the discs of this run are encrypted; `None`: with a passphrase.
    Encrypted { recipients: Option<Vec<String>> },
    /// This disc is signed, and those of this run will not be.
    NotSigning { set: SetName, disc: DiscNo },
    /// This disc is on another shelf than that to which the next ones go.
    OtherShelf {
        set: SetName,
        disc: DiscNo,
        #[serde(flatten, serialize_with = "paths::shelf_before")]
        shelf_before: PathBuf,
        #[serde(flatten, serialize_with = "paths::shelf")]
        shelf: PathBuf,
    },
    /// The catalog on this disc names recipients, and others were named by a person.
    RecipientsNotTaken { set: SetName, disc: DiscNo, recipients: Vec<String> },
    /// The catalog on this disc names recipients, and a signature vouches for it.
    RecipientsSigned { set: SetName, disc: DiscNo, recipients: Vec<String> },
    /// Taken over from the catalog on this disc. `recovery_percent`: the recovery data of a disc.
    SettingsTaken {
        set: SetName,
        disc: DiscNo,
        #[serde(flatten, serialize_with = "paths::source")]
        source: PathBuf,
        copies: u32,
        recovery_percent: u8,
        recovery_discs: Option<Ratio>,
        hint: Option<String>,
    },
}
