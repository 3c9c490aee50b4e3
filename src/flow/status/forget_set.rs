//! `coldcut set forget`: a set is taken out of the catalog, as after a slip of the finger. Discs
//! and shelves are not touched, and what is on discs can be read into a catalog again.

use std::path::{Path, PathBuf};

use crate::catalog::{Access, Catalog, Held, KnownSet};
use crate::model::{DiscNo, SetName};

use crate::flow::base::turn::{hold_chosen, hold_discs, open_to_record};
use crate::flow::staging::area::Staging;
use crate::flow::{Context, FlowError};

/// A set that is to be forgotten. Nobody else changes it or burns its discs meanwhile.
pub struct Forgetting {
    catalog: Catalog,
    _held: [Held; 2],
    staging: Staging,
    pub set: KnownSet,
    pub snapshots: usize,
    /// Discs of which there is, or was, a medium.
    pub discs: Vec<DiscNo>,
    /// Discs that are in the staging area.
    pub staged: Vec<DiscNo>,
}

impl Forgetting {
    pub fn weigh(
        catalog: &Path,
        staging: &Path,
        name: &SetName,
        context: Context,
    ) -> Result<Forgetting, FlowError> {
        // None is made here.
        drop(Catalog::open(catalog, Access::Read)?);
        let catalog = open_to_record(catalog, context)?;
        let (set, held) = hold_chosen(&catalog, Some(name), context)?;
        let held = [held, hold_discs(&catalog, &set, context)?];
        let staging = Staging::open(staging)?;
        let (mut discs, mut staged) = (Vec::new(), Vec::new());
        for disc in catalog.discs(set.id)? {
            if !catalog.copies(set.id, disc.number)?.is_empty() {
                discs.push(disc.number);
            }
            if staging.disc_dir(&set, disc.number).exists() {
                staged.push(disc.number);
            }
        }
        let snapshots = catalog.snapshots(set.id)?.len();
        Ok(Forgetting { catalog, _held: held, staging, set, snapshots, discs, staged })
    }

    /// Where the staged discs lie.
    pub fn staged_at(&self) -> PathBuf {
        self.staging.set_dir(&self.set)
    }

    /// Takes the set out of the catalog; and then, if so wished, what is staged of it. In this
    /// order: a set whose staging is gone would store its files again.
    pub fn record(mut self, remove_staged: bool) -> Result<(), FlowError> {
        self.catalog.forget_set(self.set.id)?;
        if remove_staged {
            self.staging.remove_set(&self.set)?;
        }
        Ok(())
    }
}
