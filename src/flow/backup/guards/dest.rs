//! Whether a directory may be DEST. Discs that are put into a folder of photographs, or onto the
//! disk below a mount point, are found by nobody.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::catalog::KnownSet;
use crate::drive::{Holds, look_into};
use crate::flow::FlowError;
use crate::flow::backup::guards::shelves::{KnownShelf, known_shelves};
use crate::flow::backup::guards::{absolute, in_words, is_same, open, sets_over};
use crate::flow::base::guard_error::DestError;
use crate::model::SetName;
use crate::port::mounts::{mount_points, planned_mount_points};

/// What is asked of a DEST that is a directory, or is to be one.
pub struct DestGuard<'a> {
    pub catalog: &'a Path,
    pub dest: &'a Path,
    /// What this run backs up, absolute and without symbolic links.
    pub source: Option<&'a Path>,
    /// The set that this run makes discs of, as far as it was named.
    pub set: Option<&'a SetName>,
    /// `--new-shelf`.
    pub new_shelf: bool,
}

impl DestGuard<'_> {
    pub fn check(&self) -> Result<(), FlowError> {
        let Some(dest) = absolute(self.dest) else { return Ok(()) }; // Whoever opens it says why.
        let catalog = open(self.catalog)?;
        let sets = catalog.as_ref().map(|catalog| catalog.sets()).transpose()?.unwrap_or_default();
        let shelves = match &catalog {
            Some(catalog) => known_shelves(catalog, &sets)?,
            None => Vec::new(),
        };
        let known: Vec<&KnownShelf> = shelves.iter().filter(|shelf| shelf.is_at(&dest)).collect();
        self.check_sources(&dest, &sets, &known)?;
        if !self.new_shelf {
            check_mounted(&dest, known.iter().any(|shelf| shelf.has_id_of(&dest)))?;
        }
        if known.is_empty() {
            check_content(&dest)?;
        }
        Ok(())
    }

    /// A shelf that bore discs of this set before does so again, whatever else is made of it.
    fn check_sources(
        &self,
        dest: &Path,
        sets: &[KnownSet],
        known: &[&KnownShelf],
    ) -> Result<(), DestError> {
        if self.source.is_some_and(|source| is_same(source, dest)) {
            return Err(DestError::IsSource(dest.to_owned()));
        }
        let over = sets_over(sets, dest);
        let only = sets.first().filter(|_| sets.len() == 1).map(|set| &set.facts.name);
        let set = self.set.or(only);
        let is_ours = known.iter().any(|shelf| set == Some(&shelf.set));
        match over.is_empty() || is_ours {
            true => Ok(()),
            false => Err(DestError::IsSourceOf { dir: dest.to_owned(), sets: in_words(&over) }),
        }
    }
}

/// What is not mounted is looked for among all parents: the disk below would be filled, and the
/// discs hidden by the next mount. A shelf that is there all the same, known by its id, is no mistake.
fn check_mounted(dest: &Path, is_known_by_id: bool) -> Result<(), DestError> {
    let Some(mounted) = mount_points() else { return Ok(()) };
    let planned = planned_mount_points().into_iter().map(|point| absolute(&point).unwrap_or(point));
    let missing = planned
        .filter(|point| point != Path::new("/") && dest.starts_with(point))
        .find(|point| !mounted.contains(point));
    match missing {
        Some(point) if !is_known_by_id => {
            Err(DestError::NotMounted { point, dir: dest.to_owned() })
        }
        _ => Ok(()),
    }
}

fn check_content(dest: &Path) -> Result<(), DestError> {
    if !fs::metadata(dest).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    let unreadable = |source| DestError::Unreadable { dir: dest.to_owned(), source };
    match look_into(dest).map_err(unreadable)? {
        Holds::Nothing | Holds::Shelf => Ok(()),
        Holds::Others(example) => {
            let example = OsStr::to_owned(&example);
            Err(DestError::HoldsOthers { dir: dest.to_owned(), example })
        }
    }
}
