//! What the catalog is told of a disc on its way from staged to safe, step by step. Stands apart from
//! the drive's work: that may go on in another thread, and the catalog belongs to one.

use crate::catalog::{
    Catalog, CopyState, DiscFile, DiscInfo, DiscState, Finding, KnownSet, SetId, Verification,
};
use crate::model::DiscNo;
use crate::port::clock::Moment;
use crate::port::monitor::Reached;

use super::FlowError;

/// A disc that is to be burned, and all that the catalog knows of it.
#[derive(Clone, Debug)]
pub struct Order {
    pub disc: DiscInfo,
    /// What must be found on it.
    pub files: Vec<DiscFile>,
    /// A copy was burned that nobody read back yet: a run before ended there.
    pub has_unread_copy: bool,
}

impl Order {
    pub fn of(catalog: &Catalog, set: SetId, disc: DiscInfo) -> Result<Order, FlowError> {
        let files = catalog.disc_files(set, disc.number)?;
        let copies = catalog.copies(set, disc.number)?;
        let has_unread_copy = copies.last().is_some_and(|copy| copy.state == CopyState::Burned);
        Ok(Order { disc, files, has_unread_copy })
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
    Burned { medium: String },
    /// A burn left nothing that could be read back.
    Failed,
    /// The newest copy was read back, in this drive.
    ReadBack { drive: String, finding: Finding, details: String },
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
            Step::ReadBack { drive, finding, details } => {
                let copies = self.catalog.copies(self.set, disc)?;
                let Some(copy) = copies.last().map(|copy| copy.number) else { return Ok(()) };
                let seen = Verification { disc, copy, at, drive, finding, details };
                self.catalog.record_verification(self.set, &seen)?;
            }
        }
        Ok(())
    }
}

/// Discs that are packed and not safe yet.
pub fn waiting(catalog: &Catalog, set: &KnownSet) -> Result<Vec<DiscInfo>, FlowError> {
    let mut discs = catalog.discs(set.id)?;
    discs.retain(|disc| matches!(disc.state, DiscState::Staged | DiscState::Failed));
    Ok(discs)
}
