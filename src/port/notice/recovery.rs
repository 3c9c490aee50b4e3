//! Facts about recovery: repair of a disc, reconstruction of a lost one, groups.

use serde::Serialize;

use crate::model::{DiscNo, SetName};
use crate::port::cause::Cause;

/// Facts about recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RecoveryNotice {
    /// It is damaged, and is repaired from its recovery data.
    Repairing {
        #[serde(flatten)]
        what: DiscOrMedium,
    },
    Repaired {
        #[serde(flatten)]
        what: DiscOrMedium,
    },
    NotRepaired {
        #[serde(flatten)]
        what: DiscOrMedium,
        why: Cause,
    },
    /// From the other discs of its group.
    Reconstructing {
        set: SetName,
        disc: DiscNo,
    },
    /// `missing`: discs of its group; `recovery`: how many of its recovery discs are here.
    TooFewDiscs {
        set: SetName,
        disc: DiscNo,
        missing: u64,
        recovery: u64,
    },
    NotReconstructed {
        set: SetName,
        disc: DiscNo,
        why: Cause,
    },
    /// A reconstructed disc does not have the signature that it had.
    ReconstructedUnsigned {
        why: Cause,
    },
    /// It was packed when the set had fewer recovery discs, or none: none can cover it.
    NotCovered {
        disc: DiscNo,
    },
    /// A disc failed while it was added to its group. `discs`: the others, which no recovery disc
    /// covers.
    GroupGivenUp {
        discs: Vec<DiscNo>,
    },
}

/// Whom a repair is about: a disc, or a medium that does not say which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DiscOrMedium {
    Disc { set: SetName, disc: DiscNo },
    Medium { medium: String },
}
