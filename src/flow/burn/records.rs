//! What the catalog is told of a disc on its way from staged to safe, step by step. Stands apart
//! from the drive's work: that may go on in another thread, and the catalog belongs to one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalog::{
    Catalog, ClosedDiscInfo, Copy, CopyNo, CopyState, DiscFileRecord, DiscInfo, DiscState, Finding,
    Held, KnownSet, Part, ReadOutcome, SetId, Verification,
};
use crate::model::{Carrier, DiscNo};
use crate::port::clock::Moment;
use crate::port::event::Reached;

use crate::flow::FlowError;
use crate::flow::staging::area::Staging;
use crate::flow::staging::lost::has_unread_copy;

/// A disc that is to be burned, and all that the catalog knows of it.
#[derive(Clone, Debug)]
pub struct BurnOrder {
    pub disc: ClosedDiscInfo,
    /// What must be found on it.
    pub files: Vec<DiscFileRecord>,
    pub copies: Copies,
    /// A recovery disc covers it already.
    pub is_covered: bool,
    /// It is safe with so many of them.
    pub wanted: usize,
    /// An image of it that is burned as it is; else it is made from what is staged.
    pub image: Option<PathBuf>,
    /// Nobody else burns it, or takes it away, as long as this order stands.
    pub _claim: Arc<Held>,
}

/// What is known of a disc's copies. They are alike to the last byte: only what became of them
/// tells one from the other.
#[derive(Clone, Debug)]
pub struct Copies {
    /// The media of those that were right when they were last read.
    pub good: Vec<Carrier>,
    /// Their burn was begun and nobody read them back: a run before ended there.
    pub unread: Vec<Copy>,
    /// Media that could be taken for the unread ones may lie about.
    pub has_others: bool,
    /// Those that this run began, or continues with, in drives whose media are changed, and that are
    /// not read back yet. One stays here when its drive is gone: its disc is read back in another.
    pub in_work: Vec<CopyNo>,
    /// The next one has this number at least.
    pub next: CopyNo,
}

/// The copies of a disc, as all drives know them that work on it at once.
#[derive(Clone, Debug)]
pub struct SharedCopies(Arc<Mutex<Copies>>);

impl SharedCopies {
    pub fn new(copies: Copies) -> SharedCopies {
        SharedCopies(Arc::new(Mutex::new(copies)))
    }

    /// Held for as long as it takes to look or to change something, and never while a drive works.
    pub fn now(&self) -> MutexGuard<'_, Copies> {
        // Each change is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BurnOrder {
    /// What is known of the disc once nobody else burns it; `None` if it is not closed any more,
    /// because another coldcut fills it up. [`CatalogError::PartInUse`](crate::catalog::CatalogError)
    /// if another one burns it.
    pub fn of(catalog: &Catalog, set: SetId, disc: DiscNo) -> Result<Option<BurnOrder>, FlowError> {
        let claim = Arc::new(catalog.hold(Part::Disc(set, disc))?);
        let disc = catalog.disc(set, disc)?.and_then(DiscInfo::closed);
        let Some(disc) = disc else { return Ok(None) };
        let files = catalog.disc_files(set, disc.number)?;
        let copies = Copies::of(&catalog.copies(set, disc.number)?);
        let wanted = catalog.copies_wanted(set)?.max(1) as usize;
        let is_covered = catalog.is_covered(set, disc.number)?;
        Ok(Some(BurnOrder { disc, files, copies, is_covered, wanted, image: None, _claim: claim }))
    }
}

impl Copies {
    pub fn of(all: &[Copy]) -> Copies {
        let is_unread = |copy: &Copy| copy.state == CopyState::Burned;
        let good = all.iter().filter(|copy| copy.is_good()).map(|copy| copy.medium.clone());
        let last = all.iter().map(|copy| copy.number.0).max().unwrap_or(0);
        Copies {
            good: good.collect(),
            unread: all.iter().filter(|copy| is_unread(copy)).cloned().collect(),
            // What is on a shelf is put into no drive.
            has_others: all.iter().any(|copy| !is_unread(copy) && !copy.medium.is_place()),
            in_work: Vec::new(),
            next: CopyNo(last + 1),
        }
    }

    /// The newest unread one that could be put into a drive.
    pub fn unread_in_drive(&self) -> Option<&Copy> {
        self.unread.iter().rfind(|copy| !copy.medium.is_place())
    }

    /// Takes the newest unread one that could be put into a drive: nobody else continues with it.
    pub fn claim_unread(&mut self) -> Option<Copy> {
        let at = self.unread.iter().rposition(|copy| !copy.medium.is_place())?;
        Some(self.unread.remove(at))
    }

    /// Whether a medium could be taken for this copy, or for one that has no number yet, and is
    /// another one.
    pub fn has_others_than(&self, copy: Option<CopyNo>) -> bool {
        self.has_others || self.in_work.iter().any(|other| Some(*other) != copy)
    }

    /// Nobody ever burned it, as far as is known.
    pub fn is_first(&self) -> bool {
        self.next == CopyNo(1)
    }
}

/// A copy that is about to be burned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCopy {
    pub disc: DiscNo,
    pub medium: Carrier,
    pub at: Moment,
    /// Its number is not less: numbers of copies that came to nothing are not used again.
    pub least: CopyNo,
}

/// A step of a copy that must be known before the next one is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscEvent {
    pub disc: DiscNo,
    pub copy: CopyNo,
    pub at: Moment,
    pub step: CopyStep,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// A medium was written. It counts for nothing until it is read back.
    Burned { medium: Carrier },
    /// The burn did not begin, or was given up: there is no such copy.
    Void,
    /// A burn left nothing that could be read back: there is no such copy.
    Failed,
    /// It was read back, in this drive.
    ReadBack { drive: String, outcome: ReadOutcome },
}

impl CopyStep {
    /// What is told of it.
    pub fn reached(&self) -> Option<Reached> {
        match self {
            CopyStep::Void => None,
            CopyStep::Burned { .. } => Some(Reached::Burned),
            CopyStep::ReadBack { outcome, .. } if outcome.finding() == Finding::Ok => {
                Some(Reached::Verified)
            }
            CopyStep::Failed | CopyStep::ReadBack { .. } => Some(Reached::Failed),
        }
    }
}

/// Where records are kept. When `begin` or `keep` returns, the step survives a power cut.
pub trait Records {
    /// A blank was taken for a copy, which gets its number now: nothing else gives one. From now on
    /// there may be a medium more.
    fn begin(&mut self, copy: NewCopy) -> Result<CopyNo, FlowError>;

    fn keep(&mut self, record: DiscEvent) -> Result<(), FlowError>;

    /// The drive has the medium that it waited for. An error where another drive was told to do its
    /// work meanwhile.
    fn has_medium(&mut self) -> Result<(), FlowError> {
        Ok(())
    }

    /// The same: it has this copy, which was burned before and is to be read back.
    fn has_burned(&mut self, _copy: CopyNo) -> Result<(), FlowError> {
        self.has_medium()
    }

    /// Whether the disc that was just burned is read back in the drive that it is in.
    fn reads_here(&mut self) -> Result<bool, FlowError> {
        Ok(true)
    }
}

/// The catalog of this very thread.
pub struct OwnCatalog<'a> {
    pub catalog: &'a mut Catalog,
    pub set: SetId,
}

impl Records for OwnCatalog<'_> {
    fn begin(&mut self, copy: NewCopy) -> Result<CopyNo, FlowError> {
        let NewCopy { disc, medium, at, least } = copy;
        let OwnCatalog { catalog, set } = self;
        catalog.record_burn(*set, disc, at)?;
        Ok(catalog.begin_copy(*set, disc, least, &medium, at)?)
    }

    fn keep(&mut self, record: DiscEvent) -> Result<(), FlowError> {
        let DiscEvent { disc, copy, at, step } = record;
        let OwnCatalog { catalog, set } = self;
        match step {
            CopyStep::Burned { medium } => catalog.end_burn(*set, disc, copy, &medium, at)?,
            CopyStep::Void => catalog.drop_copy(*set, disc, copy)?,
            CopyStep::Failed => {
                catalog.drop_copy(*set, disc, copy)?;
                catalog.record_failure(*set, disc)?;
            }
            CopyStep::ReadBack { drive, outcome } => {
                let seen = Verification { disc, copy, at, drive, outcome };
                catalog.record_verification(*set, &seen)?;
            }
        }
        Ok(())
    }
}

/// Discs that are staged, or on a medium that nobody read back: they are not safe yet, or lack a
/// copy.
pub fn waiting(
    catalog: &Catalog,
    set: &KnownSet,
    staging: &Staging,
) -> Result<Vec<ClosedDiscInfo>, FlowError> {
    let mut waiting = Vec::new();
    for disc in catalog.discs(set.id)?.into_iter().filter_map(DiscInfo::closed) {
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
