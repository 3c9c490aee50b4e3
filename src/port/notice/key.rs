//! Facts about keys.

use std::path::PathBuf;

use serde::Serialize;

use super::paths;
use crate::model::SetName;
use crate::model::disc::Encryption;
use crate::port::cause::Cause;

/// Facts about keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeyNotice {
    /// `encrypt = false` was said, and the set is encrypted.
    StaysEncrypted { set: SetName, origin: SettingOrigin },
    /// Recipients were named for a set that has a passphrase.
    RecipientsNotUsed { set: SetName, origin: SettingOrigin },
    /// A passphrase was named for a set that has none.
    PassphraseNotUsed { set: SetName, encryption: Encryption, origin: SettingOrigin },
    /// Others can read a passphrase file.
    PassphraseFileOpen {
        #[serde(flatten, serialize_with = "paths::file")]
        file: PathBuf,
    },
    /// The key that was named does not open the set: its encrypted files are not opened.
    FilesNotOpened { set: SetName, why: Cause },
}

/// Where a person said something: what is typed is meant for this very run, all else for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingOrigin {
    Typed,
    Environment,
    Configuration,
}
