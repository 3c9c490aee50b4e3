//! Files of a disc in the staging area, and the sizes of its listings.

use crate::model::Digest;

/// Sizes of the listings before encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListingSizes {
    pub index: u64,
    pub snapshot: u64,
    /// 0: there is nothing to tell of older snapshots.
    pub history: u64,
    pub catalog: u64,
}

impl ListingSizes {
    /// What a disc can be without.
    pub fn of_the_set(self) -> u64 {
        self.snapshot + self.history + self.catalog
    }
}

/// A file of the disc that is durable in staging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedFile {
    pub path: String,
    pub size: u64,
    pub sha256: Digest,
}
