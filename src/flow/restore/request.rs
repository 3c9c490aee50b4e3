//! What a restore is asked to do, and what became of it.

use std::path::PathBuf;

use crate::drive::Absence;
use crate::flow::base::keys::KeyRing;
use crate::flow::library::inventory::Trust;
use crate::flow::library::vouching::Rights;
use crate::model::glob::PathGlobs;
use crate::model::{DiscNo, SetName, SnapshotSeq};
use crate::restore::extract::RestoreTally;
use crate::restore::place::OverwritePolicy;
use crate::restore::privileges::Privileges;

/// What a restore is asked to do.
pub struct RestoreRequest<'a> {
    /// Drives, shelves, images and directories with discs.
    pub from: Vec<PathBuf>,
    pub target: PathBuf,
    /// Need not exist.
    pub catalog: PathBuf,
    pub name: Option<SetName>,
    /// Without it, the newest that is finished.
    pub snapshot: Option<SnapshotSeq>,
    pub paths: PathGlobs,
    pub overwrite: OverwritePolicy,
    /// Owners are wanted; they come back only if root restores.
    pub owners: bool,
    /// Set-id bits, capabilities, devices.
    pub rights: Rights,
    pub keys: KeyRing<'a>,
    pub dry_run: bool,
    /// Which discs count.
    pub trust: Trust,
    /// A directory for a catalog that was unpacked from a disc.
    pub scratch: PathBuf,
}

/// What became of it, or (dry run) what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    pub set: SetName,
    pub snapshot: SnapshotSeq,
    /// Discs that are needed, in order.
    pub discs: Vec<DiscNo>,
    /// Files with content to restore, and their bytes.
    pub files_planned: u64,
    pub bytes_planned: u64,
    /// Bytes of content to be read from the discs, each content once.
    pub bytes_to_read: u64,
    /// How often a person must change the disc in a drive; none where discs are files.
    pub media_changes: u64,
    /// Bytes that are read by the place that takes longest, of several that read at once.
    pub bytes_of_longest: u64,
    /// What each drive would read, where several places read at once, in order.
    pub drives: Vec<(PathBuf, Vec<DiscNo>)>,
    /// Paths put in place, directories apart.
    pub restored: u64,
    pub bytes: u64,
    /// There already, as far as kind, size and time can tell.
    pub there: u64,
    /// Something else is there and was kept.
    pub kept: u64,
    /// Could not be restored.
    pub failed: u64,
    /// On a disc that never came.
    pub missing: u64,
    pub missing_discs: Vec<DiscNo>,
    /// Files of the listing went onto discs after the last one at hand.
    pub later_discs: bool,
    /// Restored, but some of their metadata.
    pub complaints: u64,
    /// Left out because nobody vouches for the listing, and nobody was there to ask.
    pub withheld: Privileges,
    /// No whole listing was found: paths may be missing that nobody knows of.
    pub listing_damaged: bool,
    /// A disc or its drive went away while it was read, and did not come back.
    pub gone: Option<Absence>,
}

impl RestoreReport {
    /// A disc that is needed never came.
    pub fn lacks_discs(&self) -> bool {
        !self.missing_discs.is_empty() || self.later_discs
    }

    /// All is as the snapshot says.
    pub fn is_complete(&self) -> bool {
        let short = self.kept + self.failed + self.missing + self.complaints;
        let is_whole = !self.listing_damaged && self.withheld.is_empty();
        short == 0 && is_whole && !self.lacks_discs()
    }

    pub(in crate::flow) fn take(&mut self, tally: &RestoreTally) {
        self.restored = tally.restored;
        self.bytes = tally.bytes;
        self.failed += tally.failed;
        self.missing += tally.missing;
        self.complaints = tally.complaints;
    }
}
