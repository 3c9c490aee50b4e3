//! Facts about the discs that are found at a place: who they are, and which of them count.

use serde::Serialize;

use crate::model::{DatedDisc, DiscNo, DiscUuid, SetName, SnapshotSeq};
use crate::port::cause::Cause;

/// Facts about the discs that are found at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DiscNotice {
    /// It was here, and is not any more: nothing is known of it.
    DiscGone { why: Cause },
    /// What looks like a disc and is of no use as one.
    DiscUnusable { problem: ProblemKind, why: Cause },
    /// What is left of it is used.
    ImageTruncated { why: Cause },
    /// DISC.txt is damaged, and something else says which disc it is.
    IdentifiedOtherwise { by: IdentifiedBy, why: Cause },
    /// It was not as it was signed, and was repaired from its recovery data.
    SignedDiscRepaired { why: Cause },
    /// The disc says that it is of snapshot `said`; the catalog knows better, and is right.
    SnapshotCorrected {
        set: SetName,
        disc: DiscNo,
        media: Vec<String>,
        said: SnapshotSeq,
        known: SnapshotSeq,
    },
    /// Two discs have one number; `medium` carries the one that is not used.
    SameNumber {
        set: SetName,
        disc: DiscNo,
        used: Option<DiscUuid>,
        other: DiscUuid,
        medium: String,
    },
    /// It is of another history of the set than `newest`, and not used.
    OtherHistory { other: DatedDisc, newest: DatedDisc },
    /// The list of checksums is not the one that `newest` knows.
    ListChanged { medium: String, newest: DatedDisc },
    /// Another disc is where a certain one should be.
    WrongDisc { why: Cause },
}

/// Why something that looks like a disc is of no use as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A coldcut disc, or what is left of one.
    Damage,
    /// It can be read, and does not count, for whoever made it.
    Refused,
    /// Made by a newer coldcut.
    Newer,
    /// Somebody else's.
    Foreign,
}

/// What says which disc it is whose DISC.txt is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentifiedBy {
    Readme,
    /// The fields of its volume, which the catalog knows.
    Volume,
    RecoveryData,
}
