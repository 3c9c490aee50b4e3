//! Why an OpenPGP message cannot be opened.

use super::BoxedError;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("this is not the passphrase")]
    WrongPassphrase,
    #[error("it is encrypted for keys, not with a passphrase: give the secret key")]
    NeedsKey,
    #[error("it is encrypted with a passphrase, not for keys: give the passphrase")]
    NeedsPassphrase,
    #[error("it is encrypted for other keys: {}", .0.join(", "))]
    NoMatchingKey(Vec<String>),
    #[error("the key file holds no secret key that decrypts")]
    NoSecretKey,
    #[error("cannot read the key file")]
    UnreadableKey(#[source] BoxedError),
    #[error("the secret key is protected and its password is missing or wrong")]
    KeyPassword,
    #[error("it is not an OpenPGP message")]
    NotOpenPgp,
    #[error(
        "it is an OpenPGP message of a kind that coldcut never writes ({0}): decrypt it with gpg"
    )]
    Unsupported(&'static str),
    #[error("the encrypted data is damaged: {0}")]
    Damaged(&'static str),
    #[error("cannot read encrypted data")]
    Read(#[from] io::Error),
}

impl OpenError {
    /// The message may be whole: it is for somebody else.
    pub fn is_of_another_key(&self) -> bool {
        use OpenError::{NeedsKey, NeedsPassphrase, NoMatchingKey, WrongPassphrase};
        matches!(self, WrongPassphrase | NoMatchingKey(_) | NeedsKey | NeedsPassphrase)
    }
}
