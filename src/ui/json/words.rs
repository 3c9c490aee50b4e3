//! Values that programs read as words.

use serde::Serialize;

use crate::catalog::{CopyState, DiscState, Fate, Finding};
use crate::model::Against;
use crate::model::disc::Encryption;

/// As programs read it; empty of what is no word.
pub fn word_of(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// How far a disc has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscStateWord {
    Open,
    Staged,
    Failed,
    Burned,
    Verified,
    Gone,
}

impl From<DiscState> for DiscStateWord {
    fn from(state: DiscState) -> DiscStateWord {
        match state {
            DiscState::Open => DiscStateWord::Open,
            DiscState::Staged => DiscStateWord::Staged,
            DiscState::Failed => DiscStateWord::Failed,
            DiscState::Burned => DiscStateWord::Burned,
            DiscState::Verified => DiscStateWord::Verified,
            DiscState::Gone => DiscStateWord::Gone,
        }
    }
}

/// What is known of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyStateWord {
    Burned,
    Ok,
    Damaged,
    Unreadable,
    Lost,
    Retired,
    /// Its image is no longer on its shelf.
    Missing,
}

impl CopyStateWord {
    /// Without a look at the shelf.
    pub fn recorded(state: CopyState) -> CopyStateWord {
        match state {
            CopyState::Burned => CopyStateWord::Burned,
            CopyState::Found(Finding::Ok) => CopyStateWord::Ok,
            CopyState::Found(Finding::Damaged) => CopyStateWord::Damaged,
            CopyState::Found(Finding::Unreadable) => CopyStateWord::Unreadable,
            CopyState::Gone(Fate::Lost) => CopyStateWord::Lost,
            CopyState::Gone(Fate::Retired) => CopyStateWord::Retired,
        }
    }
}

/// What reading a disc found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingWord {
    Ok,
    Damaged,
    Unreadable,
}

impl From<Finding> for FindingWord {
    fn from(finding: Finding) -> FindingWord {
        match finding {
            Finding::Ok => FindingWord::Ok,
            Finding::Damaged => FindingWord::Damaged,
            Finding::Unreadable => FindingWord::Unreadable,
        }
    }
}

/// What a disc was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgainstWord {
    Catalog,
    Signature,
    OwnList,
}

impl From<Against> for AgainstWord {
    fn from(against: Against) -> AgainstWord {
        match against {
            Against::Catalog => AgainstWord::Catalog,
            Against::Signature => AgainstWord::Signature,
            // A catalog that is on the discs proves no more than their own lists.
            Against::DiscCatalog | Against::OwnList => AgainstWord::OwnList,
        }
    }
}

/// How a set is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionWord {
    None,
    Passphrase,
    Recipients,
}

impl From<Encryption> for EncryptionWord {
    fn from(encryption: Encryption) -> EncryptionWord {
        match encryption {
            Encryption::None => EncryptionWord::None,
            Encryption::Passphrase => EncryptionWord::Passphrase,
            Encryption::Recipients => EncryptionWord::Recipients,
        }
    }
}

/// Whose restore.sh a drill ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptWord {
    Disc,
    Coldcut,
}

/// What is in a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveStateWord {
    Empty,
    #[serde(rename = "tray open")]
    TrayOpen,
    Unusable,
    Loaded,
    #[serde(rename = "in use")]
    InUse,
}

/// What can be done with a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediumStateWord {
    Blank,
    Appendable,
    Complete,
    Unusable,
}
