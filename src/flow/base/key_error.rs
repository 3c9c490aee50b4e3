//! Why the keys of a set are not at hand, or are not those that were named.

use std::error::Error;

use crate::model::{DiscNo, SetName};

/// Why the keys of a set are not at hand, or are not those that were named.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{0}")]
    NotRead(#[source] Box<dyn Error + Send + Sync>, String),
    #[error("this is not the passphrase of set {0}")]
    WrongPassphrase(SetName),
    #[error("set {0} is not encrypted, which cannot be changed")]
    NotEncrypted(SetName),
    #[error(
        "set {0} is not encrypted, which cannot be changed, and a passphrase was \
         given"
    )]
    NeedlessPassphrase(SetName),
    #[error("set {0} is encrypted, which cannot be changed")]
    StaysEncrypted(SetName),
    #[error("set {0} is encrypted with a passphrase, which cannot be changed")]
    NoRecipients(SetName),
    #[error("set {0} is encrypted for other recipients; the keys of a set cannot be changed")]
    OtherRecipients(SetName),
    #[error(
        "set {name} was encrypted for {before} until now, and would be encrypted for {now} from \
         now on; nothing was packed"
    )]
    NewRecipients { name: SetName, before: String, now: String },
    #[error(
        "the catalog on disc {disc} says that set {set} is encrypted for {}, and nobody vouches for \
         that; nothing was changed", .recipients.join(", ")
    )]
    UnknownRecipients { set: SetName, disc: DiscNo, recipients: Vec<String> },
    #[error("set {0} is encrypted for recipients, and no secret key was given")]
    NeedsSecretKey(SetName),
    #[error("the catalog has lost the keys of set {0}")]
    NoKeys(SetName),
    #[error("this hint is the passphrase itself")]
    HintIsPassphrase,
}
