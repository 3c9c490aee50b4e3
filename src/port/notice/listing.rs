//! Facts about the listings of discs.

use serde::Serialize;

use crate::model::{DiscNo, SetName, SnapshotSeq};
use crate::port::cause::Cause;

/// Facts about the listings of discs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ListingNotice {
    /// The disc's INDEX contradicts its DISC.txt: its listings are not used.
    ListingContradicted { set: SetName, disc: DiscNo, why: Cause },
    /// Another listing is used, if there is one.
    ListingUnreadable { medium: String, why: Cause },
    /// What is in these archives may not be found.
    IndexUnreadable { medium: String, why: Cause },
    /// Another catalog is used, if there is one.
    CatalogUnreadable { medium: String, why: Cause },
    /// INDEX is damaged: the archives are read completely.
    ArchivesRead { medium: String, why: Cause },
    /// INDEX is damaged: another copy is used, or members are looked for in the archives.
    IndexDamaged { medium: String, why: Cause },
    /// No listing of the one can be read.
    OlderSnapshotUsed { wanted: SnapshotSeq, used: SnapshotSeq },
}
