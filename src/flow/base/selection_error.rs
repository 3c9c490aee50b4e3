//! Why it is not clear which set, snapshot, disc, copy or path is meant, or why that one will not do.

use crate::model::{DiscNo, SetName, SnapshotSeq};

/// What was named is not in the catalog or on the discs, will not do, or was not named and there are
/// several.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    #[error("the catalog has no sets")]
    NoSets,
    #[error("there is no set {wanted}; known sets: {known}")]
    NoSuchSet { wanted: SetName, known: String },
    #[error("there are several sets: {known}")]
    SeveralSets { known: String },
    #[error("set {set} has no snapshot {wanted}")]
    NoSuchSnapshot { set: SetName, wanted: String },
    #[error("set {set} has no disc {disc}")]
    NoSuchDisc { set: SetName, disc: DiscNo },
    #[error("disc {disc} has no copy {copy}; there are: {known}")]
    NoSuchCopy { disc: DiscNo, copy: u32, known: String },
    #[error("disc {0} has not been burned yet, or its copies are gone")]
    NoCopyYet(DiscNo),
    #[error("the size of disc {0} is not known")]
    SizeUnknown(DiscNo),
    #[error("disc {0} is not known to have been verified")]
    NotReadBack(DiscNo),
    #[error("disc {disc} has several copies ({known})")]
    SeveralCopies { disc: DiscNo, known: String },
    #[error("snapshot {seq} has no path \"{path}\"")]
    NoSuchPath { path: String, seq: SnapshotSeq },
}
