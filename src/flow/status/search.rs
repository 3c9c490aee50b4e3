//! Looks for paths in all snapshots of a set, and stops when there are enough: who asks may be a phone,
//! and the set may have millions. Apart from the queries that list everything.

use crate::catalog::{CatalogError, CatalogRow};
use crate::model::glob::Pattern;
use crate::model::rows::{Life, SnapshotRow};
use crate::model::{Kind, SnapshotSeq};

use crate::flow::FlowError;

use super::query::Query;

/// A path in a state, and the snapshots in which it was so.
pub struct FoundState {
    pub row: SnapshotRow,
    pub first: SnapshotSeq,
    pub last: SnapshotSeq,
}

/// What was found.
pub struct Finds {
    /// In walk order, those of one path by age.
    pub states: Vec<FoundState>,
    /// `false`: there may be more.
    pub is_all: bool,
}

/// Why a listing ends before its end.
enum Halt {
    Enough,
    Failed(FlowError),
}

impl From<CatalogError> for Halt {
    fn from(error: CatalogError) -> Halt {
        Halt::Failed(error.into())
    }
}

impl Query {
    /// Paths that match, as they were in any snapshot that can be restored, at most so many;
    /// `is_wanted` is asked at each path whether somebody still waits for them.
    pub fn search(
        &self,
        pattern: &Pattern,
        most: usize,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Finds, FlowError> {
        let mut states = Vec::new();
        // A backup may commit meanwhile.
        let listed = self.catalog().at_one_moment(|| {
            let snapshots = self.finished().map_err(Halt::Failed)?;
            self.catalog().each_state(
                self.set_id(),
                |path, kind, life| match is_wanted() {
                    true if pattern.matches(path, kind == Kind::Dir) => {
                        Ok(having(life, &snapshots))
                    }
                    true => Ok(None),
                    false => Err(Halt::Enough),
                },
                |CatalogRow { row, .. }, (first, last)| {
                    if states.len() == most {
                        return Err(Halt::Enough);
                    }
                    states.push(FoundState { row, first, last });
                    Ok(())
                },
            )
        });
        match listed {
            Ok(()) => Ok(Finds { states, is_all: true }),
            Err(Halt::Enough) => Ok(Finds { states, is_all: false }),
            Err(Halt::Failed(error)) => Err(error),
        }
    }
}

/// The first snapshot and the last one that have a row; `None`: only a run that did not finish saw it
/// so.
fn having(life: Life, snapshots: &[SnapshotSeq]) -> Option<(SnapshotSeq, SnapshotSeq)> {
    let mut having = snapshots.iter().filter(|seq| life.has(**seq));
    let first = *having.next()?;
    Some((first, having.next_back().copied().unwrap_or(first)))
}
