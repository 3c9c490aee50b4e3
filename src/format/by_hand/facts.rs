//! What the texts of a disc depend on.

use crate::model::disc::Encryption;
use crate::model::{DiscIdentity, SnapshotSeq};

/// What the texts of a disc depend on. They are in clear on every disc: nothing that an encrypted
/// set hides may be told by them.
#[derive(Clone, Debug)]
pub struct Facts {
    pub id: DiscIdentity,
    /// The newest snapshot that has a member on the disc.
    pub snapshot: SnapshotSeq,
    /// When the disc was closed, `YYYY-MM-DDThh:mm:ssZ`.
    pub date: String,
    /// The source's absolute path; not shown for an encrypted set.
    pub source: Vec<u8>,
    pub encryption: Encryption,
    /// Ids of the keys that open this disc, as `gpg` shows them; none for hidden recipients.
    pub key_ids: Vec<String>,
    /// The set has, or may get, archives that need zstd.
    pub zstd: bool,
    /// Paths over 4,096 bytes are in the set. A set's own matter: never told of an encrypted one.
    pub long_paths: bool,
    /// SNAPSHOT is on this disc.
    pub has_snapshot: bool,
    /// Percent of the disc that recovery data can repair; 0: there is none.
    pub parity: u8,
    /// SHA256SUMS.sig is on this disc.
    pub signed: bool,
}
