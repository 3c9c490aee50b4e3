//! What became of the discs of a stack, counted over a run and all its drives.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::drive::Pile;

/// What became of the discs that loaders took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackCount {
    /// How many were taken.
    pub discs: u64,
    pub good: u64,
    /// Those on the reject pile: which ones, in the order in which they were taken, from 1.
    pub rejected: Vec<u64>,
    /// How many of the last ones were rejected, without a good one between them.
    pub in_a_row: u64,
}

/// The count of a run, which all its loaders share.
#[derive(Debug, Default)]
pub struct StackTally(Mutex<StackCount>);

impl StackTally {
    /// The number of a disc that is taken now.
    pub fn take(&self) -> u64 {
        let mut count = self.lock();
        count.discs += 1;
        count.discs
    }

    pub fn put(&self, disc: u64, pile: Pile) {
        let mut count = self.lock();
        match pile {
            Pile::Good => (count.good, count.in_a_row) = (count.good + 1, 0),
            Pile::Bad => {
                count.rejected.push(disc);
                count.in_a_row += 1;
            }
        }
    }

    pub fn count(&self) -> StackCount {
        self.lock().clone()
    }

    /// A number is right whoever panicked while it was locked.
    fn lock(&self) -> MutexGuard<'_, StackCount> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
