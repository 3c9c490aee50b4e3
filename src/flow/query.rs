//! What the catalog can say without any disc: snapshots, discs, paths, how safe a set is.

use std::path::Path;

use crate::catalog::{
    Access, Catalog, CatalogError, DiscInfo, Extent, Finding, KnownSet, SetStatus, SnapshotInfo,
};
use crate::model::glob::Pattern;
use crate::model::rows::SnapshotRow;
use crate::model::{Kind, RelPath, SetName, SnapshotSeq};
use crate::port::clock::Moment;

use super::{FlowError, choose_set};

/// A catalog that is only looked at, and the set that is meant.
pub struct Query {
    catalog: Catalog,
    set: KnownSet,
}

/// A disc, and when a copy of it was last found right, and when stock tools last opened it.
pub struct KnownDisc {
    pub info: DiscInfo,
    pub verified: Option<Moment>,
    pub drilled: Option<Moment>,
}

/// A set at a glance.
pub struct SetGlance {
    pub set: KnownSet,
    pub snapshots: Vec<SnapshotInfo>,
    pub discs: Vec<DiscInfo>,
    pub status: SetStatus,
    /// Differences without content that are on no disc yet.
    pub pending_rows: u64,
}

/// All sets; none if there is no catalog yet.
pub fn glance(catalog: &Path, name: Option<&SetName>) -> Result<Vec<SetGlance>, FlowError> {
    let catalog = match Catalog::open(catalog, Access::Read) {
        Err(CatalogError::Missing { .. }) => return Ok(Vec::new()),
        opened => opened?,
    };
    let sets = match name {
        Some(name) => vec![choose_set(catalog.sets()?, Some(name))?],
        None => catalog.sets()?,
    };
    let look = |set: KnownSet| -> Result<SetGlance, FlowError> {
        Ok(SetGlance {
            snapshots: finished(&catalog, &set)?,
            discs: catalog.discs(set.id)?,
            status: catalog.status(set.id)?,
            pending_rows: catalog.pending_rows(set.id)?,
            set,
        })
    };
    sets.into_iter().map(look).collect()
}

/// Snapshots that can be restored.
fn finished(catalog: &Catalog, set: &KnownSet) -> Result<Vec<SnapshotInfo>, FlowError> {
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

    pub fn name(&self) -> &SetName {
        &self.set.facts.name
    }

    pub fn snapshots(&self) -> Result<Vec<(SnapshotInfo, Extent)>, FlowError> {
        let with_extent = |snapshot: SnapshotInfo| {
            let extent = self.catalog.extent(self.set.id, snapshot.seq)?;
            Ok((snapshot, extent))
        };
        finished(&self.catalog, &self.set)?.into_iter().map(with_extent).collect()
    }

    pub fn discs(&self) -> Result<Vec<KnownDisc>, FlowError> {
        let with_date = |info: DiscInfo| {
            let seen = self.catalog.verifications(self.set.id, info.number)?;
            let good = seen.iter().rev().find(|seen| seen.finding == Finding::Ok);
            let drills = self.catalog.drills(self.set.id, info.number)?;
            let drilled = drills.iter().rev().find(|drill| drill.finding == Finding::Ok);
            let (verified, drilled) = (good.map(|seen| seen.at), drilled.map(|drill| drill.at));
            Ok(KnownDisc { info, verified, drilled })
        };
        self.catalog.discs(self.set.id)?.into_iter().map(with_date).collect()
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
            None => Err(FlowError::NoSuchPath { path: path.to_string(), seq }),
        }
    }

    /// Paths that match; a pattern without a slash is held against their last names.
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
        self.catalog.snapshot_rows(self.set.id, seq, |listed| {
            sink(listed.row);
            Ok::<(), FlowError>(())
        })
    }

    fn snapshot(&self, wanted: Option<SnapshotSeq>) -> Result<SnapshotSeq, FlowError> {
        let snapshots = finished(&self.catalog, &self.set)?;
        let found = match wanted {
            Some(seq) => snapshots.iter().find(|snapshot| snapshot.seq == seq),
            None => snapshots.last(),
        };
        found.map(|snapshot| snapshot.seq).ok_or_else(|| FlowError::NoSuchSnapshot {
            set: self.set.facts.name.clone(),
            wanted: wanted.map_or("yet".to_owned(), |seq| seq.to_string()),
        })
    }
}
