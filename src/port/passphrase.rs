//! Passphrases: which one is asked for, where one comes from, and what is odd about it.

use std::path::PathBuf;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::model::{SetName, json_path};

/// A secret as typed or read: wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Which passphrase is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub enum PassphraseOf {
    /// Closes a new set: typed until two inputs agree.
    #[serde(rename = "new-set-passphrase")]
    NewSet { set: SetName },
    /// Opens a set that is there. `hint`: what its owner wrote down for this moment.
    #[serde(rename = "set-passphrase")]
    Set { set: SetName, hint: Option<String> },
    /// The password of the secret key that opens a set's discs.
    #[serde(rename = "secret-key-password")]
    SecretKey { set: SetName },
    /// The password of the key that signs discs.
    #[serde(rename = "signing-key-password")]
    SigningKey {
        #[serde(flatten, serialize_with = "json_path::file")]
        file: PathBuf,
    },
}

/// One is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassphraseRequest {
    #[serde(flatten)]
    pub of: PassphraseOf,
    /// The one before was not it.
    pub again: bool,
}

impl PassphraseRequest {
    pub fn first(of: PassphraseOf) -> PassphraseRequest {
        PassphraseRequest { of, again: false }
    }

    pub fn again(of: PassphraseOf) -> PassphraseRequest {
        PassphraseRequest { of, again: true }
    }

    /// Whoever mistypes it loses all that it closes: it is typed twice.
    pub fn is_new(&self) -> bool {
        matches!(self.of, PassphraseOf::NewSet { .. })
    }
}

/// Where a passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "origin", rename_all = "kebab-case")]
pub enum PassphraseOrigin {
    File {
        #[serde(flatten, serialize_with = "json_path::file")]
        file: PathBuf,
    },
    Command,
    Variable {
        name: &'static str,
    },
    Terminal,
}

/// What is wrong with a passphrase that is to be typed from paper some day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    #[error("begins with a byte order mark, which editors add and no keyboard types")]
    ByteOrderMark,
    #[error("ends with a carriage return, which editors on Windows add and no keyboard types")]
    CarriageReturn,
    #[error("begins or ends with a space, which cannot be seen on paper")]
    Blank,
    #[error("contains a control character, which cannot be seen on paper")]
    ControlCharacter,
}
