//! What the catalog is told of a disc on its way from staged to safe, step by step. Stands apart from
//! the drive's work: that may go on in another thread, and the catalog belongs to one.

use std::path::PathBuf;

use crate::catalog::{
    Catalog, CopyState, DiscFile, DiscInfo, DiscState, Finding, KnownSet, SetId, Verification,
};
use crate::model::{Carrier, DiscNo, Strain};
use crate::port::clock::Moment;
use crate::port::monitor::Reached;

use super::FlowError;
use super::lost_staging::has_unread_copy;
use super::staging::Staging;

/// A disc that is to be burned, and all that the catalog knows of it.
#[derive(Clone, Debug)]
pub struct Order {
    pub disc: DiscInfo,
    /// What must be found on it.
    pub files: Vec<DiscFile>,
    /// A copy was burned that nobody read back yet: a run before ended there.
    pub has_unread_copy: bool,
    /// The media of the copies that were right when they were last read.
    pub good: Vec<Carrier>,
    /// A recovery disc covers it already.
    pub is_covered: bool,
    /// It is safe with so many of them.
    pub wanted: usize,
    /// An image of it that is burned as it is; else it is made from what is staged.
    pub image: Option<PathBuf>,
}

impl Order {
    pub fn of(catalog: &Catalog, set: SetId, disc: DiscInfo) -> Result<Order, FlowError> {
        let files = catalog.disc_files(set, disc.number)?;
        let copies = catalog.copies(set, disc.number)?;
        let has_unread_copy = copies.last().is_some_and(|copy| copy.state == CopyState::Burned);
        let good = copies.into_iter().filter(|copy| copy.is_good()).map(|copy| copy.medium);
        let good: Vec<Carrier> = good.collect();
        let wanted = catalog.copies_wanted(set)?.max(1) as usize;
        let is_covered = catalog.is_covered(set, disc.number)?;
        Ok(Order { disc, files, has_unread_copy, good, is_covered, wanted, image: None })
    }
}

/// A step of a disc that must be known before the next one is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub disc: DiscNo,
    pub at: Moment,
    pub step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A medium was written. It counts for nothing until it is read back.
    Burned { medium: Carrier },
    /// A burn left nothing that could be read back.
    Failed,
    /// The newest copy was read back, in this drive.
    ReadBack { drive: String, finding: Finding, details: String, strain: Strain },
}

impl Step {
    pub fn reached(&self) -> Reached {
        match self {
            Step::Burned { .. } => Reached::Burned,
            Step::ReadBack { finding: Finding::Ok, .. } => Reached::Verified,
            Step::Failed | Step::ReadBack { .. } => Reached::Failed,
        }
    }
}

/// Where records are kept. When `keep` returns, the step survives a power cut.
pub trait Records {
    fn keep(&mut self, record: Record) -> Result<(), FlowError>;
}

/// The catalog of this very thread.
pub struct OwnCatalog<'a> {
    pub catalog: &'a mut Catalog,
    pub set: SetId,
}

impl Records for OwnCatalog<'_> {
    fn keep(&mut self, record: Record) -> Result<(), FlowError> {
        let Record { disc, at, step } = record;
        match step {
            Step::Burned { medium } => {
                self.catalog.record_copy(self.set, disc, &medium, "", at)?;
            }
            Step::Failed => self.catalog.record_failure(self.set, disc)?,
            Step::ReadBack { drive, finding, details, strain } => {
                let copies = self.catalog.copies(self.set, disc)?;
                let Some(copy) = copies.last().map(|copy| copy.number) else { return Ok(()) };
                let seen = Verification { disc, copy, at, drive, finding, details, strain };
                self.catalog.record_verification(self.set, &seen)?;
            }
        }
        Ok(())
    }
}

/// Discs that are staged, or on a medium that nobody read back: they are not safe yet, or lack a copy.
pub fn waiting(
    catalog: &Catalog,
    set: &KnownSet,
    staging: &Staging,
) -> Result<Vec<DiscInfo>, FlowError> {
    let mut waiting = Vec::new();
    for disc in catalog.discs(set.id)? {
        let lacks_copy = disc.state == DiscState::Verified && disc.good_copies < set.copies;
        let is_unsafe = matches!(disc.state, DiscState::Staged | DiscState::Failed);
        let is_at_hand = is_staged(catalog, set, staging, disc.number)?
            || is_unsafe && has_unread_copy(catalog, set, disc.number)?;
        if (is_unsafe || lacks_copy) && is_at_hand {
            waiting.push(disc);
        }
    }
    Ok(waiting)
}

/// Whether all of a closed disc is in the staging area.
pub fn is_staged(
    catalog: &Catalog,
    set: &KnownSet,
    staging: &Staging,
    disc: DiscNo,
) -> Result<bool, FlowError> {
    let files = catalog.disc_files(set.id, disc)?;
    let files: Vec<(String, u64)> =
        files.into_iter().map(|file| (file.path, file.size.0)).collect();
    Ok(!files.is_empty() && staging.holds(set, disc, &files))
}
