//! Facts about a disc in the drives: from the blank to the verified copy.

use serde::Serialize;

use crate::model::DiscNo;
use crate::port::cause::Cause;

/// Facts about a disc in the drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BurnNotice {
    /// A burn of an earlier run is waited for.
    EarlierBurn {
        drive: String,
    },
    /// A person wants to stop, and half a burn would ruin the disc.
    BurnContinues {
        disc: DiscNo,
    },
    /// The same on a shelf.
    ImageContinues {
        disc: DiscNo,
    },
    /// A person insisted, and the disc in the drive is ruined.
    BurnAborted {
        disc: DiscNo,
    },
    ClosingDisc {
        disc: DiscNo,
    },
    /// An earlier run left a disc in the hand of a loader; nothing is known of it.
    LiftedDiscRejected {
        drive: String,
        number: u64,
    },
    /// Burned by an earlier run; it is read back now.
    AlreadyInDrive {
        disc: DiscNo,
        drive: String,
    },
    /// The burning program failed, and the disc may be good: it is read back.
    BurnInDoubt {
        disc: DiscNo,
        why: Cause,
    },
    /// It is tried again with the next blank.
    BurnFailed {
        disc: DiscNo,
        why: Cause,
    },
    /// Reading it back found damage; it is burned again on the next blank.
    ReadBackFailed {
        disc: DiscNo,
    },
    /// Verified and ejected. `copy`: where there are several; `label`: what to write on it.
    DiscDone {
        disc: DiscNo,
        copy: Option<u32>,
        label: String,
    },
}
