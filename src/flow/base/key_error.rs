//! Why the keys of a set are not at hand, or are not those that were named.

use std::error::Error;

use crate::model::SetName;

/// Why the keys of a set are not at hand, or are not those that were named.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{0}")]
    NotRead(#[source] Box<dyn Error + Send + Sync>, String),
    #[error("this is not the passphrase of set {0}")]
    WrongPassphrase(SetName),
    #[error("set {0} is not encrypted, from its first disc to its last; choose another --set")]
    NotEncrypted(SetName),
    #[error(
        "set {0} is not encrypted, from its first disc to its last, and a passphrase was named: leave that out, or choose another --set for an encrypted set"
    )]
    NeedlessPassphrase(SetName),
    #[error(
        "set {0} is encrypted, from its first disc to its last: leave --no-encrypt out, or choose another --set"
    )]
    StaysEncrypted(SetName),
    #[error(
        "set {0} is encrypted with a passphrase, from its first disc to its last: leave --recipient out, or choose another --set"
    )]
    NoRecipients(SetName),
    #[error(
        "set {0} is encrypted for other recipients; a set keeps its keys from its first disc to its last"
    )]
    OtherRecipients(SetName),
    #[error(
        "set {name} was encrypted for {before} until now, and would be encrypted for {now} from \
         now on; nothing was packed: if that is intended, use --new-recipients"
    )]
    NewRecipients { name: SetName, before: String, now: String },
    #[error(
        "{says}, and nobody vouches for that: name the certificates that are yours with --recipient CERTFILE, or who signed the discs with --verify-signature CERTFILE; nothing was changed"
    )]
    UnknownRecipients { says: String },
    #[error("set {0} is encrypted for recipients: name the secret key with --secret-key")]
    NeedsSecretKey(SetName),
    #[error("the catalog has lost the keys of set {0}")]
    NoKeys(SetName),
    #[error("this hint is the passphrase itself; choose words that remind you of it")]
    HintIsPassphrase,
}
