//! What the catalog can say without any disc: snapshots, discs, paths, how safe a set is.

use std::path::Path;

use crate::catalog::{
    Access, Catalog, DiscInfo, DiscState, KnownSet, Outside, SetId, SetStatus, SnapshotInfo,
    SnapshotSize,
};
use crate::model::glob::{PathGlobs, Pattern};
use crate::model::rows::SnapshotRow;
use crate::model::{DiscNo, Kind, RelPath, SetName, SnapshotSeq};
use crate::port::clock::Moment;

use crate::flow::burn::records::is_staged;
use crate::flow::library::known_discs::{KnownDisc, known_discs};
use crate::flow::staging::area::Staging;
use crate::flow::staging::lost::lost_discs;
use crate::flow::status::latest::StatusLimits;
use crate::flow::status::safety::files::files;
use crate::flow::status::safety::{FilesSafety, Safety, assess};
use crate::flow::{FlowError, SelectionError, choose_set};

/// A catalog that is only looked at, and the set that is meant.
pub struct Query {
    catalog: Catalog,
    set: KnownSet,
}

/// A set at a glance.
pub struct SetGlance {
    pub set: KnownSet,
    pub snapshots: Vec<SnapshotInfo>,
    pub discs: Vec<KnownDisc>,
    pub status: SetStatus,
    pub safety: Safety,
    /// Differences without content that are on no disc yet.
    pub pending_rows: u64,
    pub outside: Outside,
    /// Discs that a running coldcut burns and verifies, or is about to.
    pub in_work: Vec<DiscNo>,
}

/// All sets, or the named one; how each is to be judged is asked by its name.
pub fn glance(
    catalog: &Path,
    staging: &Path,
    name: Option<&SetName>,
    limits: &dyn Fn(&SetName) -> StatusLimits,
    now: Moment,
) -> Result<Vec<SetGlance>, FlowError> {
    let catalog = Catalog::open(catalog, Access::Read)?;
    let sets = match name {
        Some(name) => vec![choose_set(catalog.sets()?, Some(name))?],
        None => catalog.sets()?,
    };
    let look = |set: KnownSet| -> Result<SetGlance, FlowError> {
        let discs = known_discs(&catalog, &set)?;
        let outside = outside(&catalog, &set, staging, &discs)?;
        let status = catalog.status_with(set.id, &outside)?;
        let judged = (&limits(&set.facts.name), now);
        Ok(SetGlance {
            snapshots: finished(&catalog, &set)?,
            safety: assess(&catalog, &set, &status, &discs, &outside.lost, judged)?,
            discs,
            status,
            pending_rows: catalog.pending_rows(set.id)?,
            outside,
            in_work: catalog.discs_in_work(set.id),
            set,
        })
    };
    sets.into_iter().map(look).collect()
}

/// What staging area and shelves say of a set's discs. Nothing is read there, only looked for.
fn outside(
    catalog: &Catalog,
    set: &KnownSet,
    staging: &Path,
    discs: &[KnownDisc],
) -> Result<Outside, FlowError> {
    let staging = Staging::at(staging);
    let lost = lost_discs(catalog, set, &staging)?;
    let mut outside =
        Outside { lost: lost.into_iter().map(|disc| disc.number).collect(), ..Outside::default() };
    for disc in discs {
        let DiscInfo { number, state, good_copies, .. } = disc.info;
        let lacks_copy = state == DiscState::Verified && good_copies < set.copies;
        if lacks_copy && is_staged(catalog, set, &staging, number)? {
            outside.owed.push(number);
        }
        let missing = disc.media.iter().filter(|m| m.is_missing && m.copy.is_good());
        outside.missing.extend(missing.map(|medium| (number, medium.copy.number)));
    }
    Ok(outside)
}

/// Snapshots that can be restored.
pub(in crate::flow) fn finished(
    catalog: &Catalog,
    set: &KnownSet,
) -> Result<Vec<SnapshotInfo>, FlowError> {
    let mut snapshots = catalog.snapshots(set.id)?;
    snapshots.retain(|snapshot| snapshot.finished.is_some());
    Ok(snapshots)
}

impl Query {
    pub fn open(catalog: &Path, name: Option<&SetName>) -> Result<Query, FlowError> {
        let catalog = Catalog::open(catalog, Access::Read)?;
        let set = choose_set(catalog.sets()?, name)?;
        Ok(Query { catalog, set })
    }

    /// The names of all sets.
    pub fn sets(catalog: &Path) -> Result<Vec<SetName>, FlowError> {
        let sets = Catalog::open(catalog, Access::Read)?.sets()?;
        Ok(sets.into_iter().map(|set| set.facts.name).collect())
    }

    pub fn name(&self) -> &SetName {
        &self.set.facts.name
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(super) fn set_id(&self) -> SetId {
        self.set.id
    }

    /// Snapshots that can be restored, the oldest first.
    pub(super) fn finished(&self) -> Result<Vec<SnapshotSeq>, FlowError> {
        Ok(finished(&self.catalog, &self.set)?.iter().map(|snapshot| snapshot.seq).collect())
    }

    pub fn snapshots(&self) -> Result<Vec<(SnapshotInfo, SnapshotSize)>, FlowError> {
        let with_extent = |snapshot: SnapshotInfo| {
            let extent = self.catalog.extent(self.set.id, snapshot.seq)?;
            Ok((snapshot, extent))
        };
        finished(&self.catalog, &self.set)?.into_iter().map(with_extent).collect()
    }

    pub fn discs(&self) -> Result<Vec<KnownDisc>, FlowError> {
        known_discs(&self.catalog, &self.set)
    }

    /// How safe the files of the newest snapshot are that the patterns mean.
    pub fn safety_of(
        &self,
        globs: &PathGlobs,
        staging: &Path,
        limits: &StatusLimits,
        now: Moment,
    ) -> Result<FilesSafety, FlowError> {
        let seq = self.snapshot(None)?;
        let discs = self.discs()?;
        let outside = outside(&self.catalog, &self.set, staging, &discs)?;
        files(&self.catalog, &self.set, seq, globs, (&discs, &outside), (limits, now))
    }

    /// What is in a directory, or the path itself if it is none.
    pub fn list(
        &self,
        path: &RelPath,
        wanted: Option<SnapshotSeq>,
    ) -> Result<Vec<SnapshotRow>, FlowError> {
        let seq = self.snapshot(wanted)?;
        let mut itself = None;
        let mut content = Vec::new();
        self.each(seq, |row| {
            if row.path.parent().as_ref() == Some(path) {
                content.push(row);
            } else if row.path == *path {
                itself = Some(row);
            }
        })?;
        match itself {
            Some(row) if row.kind == Kind::Dir => Ok(content),
            Some(row) => Ok(vec![row]),
            None => Err(SelectionError::NoSuchPath { path: path.to_string(), seq }.into()),
        }
    }

    /// Paths that match; a pattern without a slash is compared with their last names.
    pub fn find(
        &self,
        pattern: &Pattern,
        wanted: Option<SnapshotSeq>,
    ) -> Result<Vec<SnapshotRow>, FlowError> {
        let seq = self.snapshot(wanted)?;
        let mut found = Vec::new();
        self.each(seq, |row| {
            if pattern.matches(&row.path, row.kind == Kind::Dir) {
                found.push(row);
            }
        })?;
        Ok(found)
    }

    fn each(&self, seq: SnapshotSeq, mut sink: impl FnMut(SnapshotRow)) -> Result<(), FlowError> {
        self.catalog.at_one_moment(|| {
            self.catalog.snapshot_rows(self.set.id, seq, |listed| {
                sink(listed.row);
                Ok::<(), FlowError>(())
            })
        })
    }

    fn snapshot(&self, wanted: Option<SnapshotSeq>) -> Result<SnapshotSeq, FlowError> {
        let snapshots = finished(&self.catalog, &self.set)?;
        let found = match wanted {
            Some(seq) => snapshots.iter().find(|snapshot| snapshot.seq == seq),
            None => snapshots.last(),
        };
        found.map(|snapshot| snapshot.seq).ok_or_else(|| {
            SelectionError::NoSuchSnapshot {
                set: self.set.facts.name.clone(),
                wanted: wanted.map_or("yet".to_owned(), |seq| seq.to_string()),
            }
            .into()
        })
    }
}
