//! All that has no content on a disc: directories first, links and devices behind the files, and
//! the directories' own metadata at the very end.

use super::extract::Restorer;
use super::place::{Complaint, DirCreation, OverwritePolicy, PlaceError};
use super::shared::Shared;
use crate::model::{Kind, Meta, RelPath};
use crate::port::stop::Stopped;

/// How the directories of the plan came about; without it, none gets its metadata.
#[derive(Debug)]
pub struct Dirs {
    /// Items whose directory gets the metadata of the listing.
    to_finish: Vec<usize>,
}

/// What decides which directories get their metadata.
#[derive(Clone, Copy, Debug)]
pub struct DirPolicy {
    pub overwrite: OverwritePolicy,
    /// The target was made by this run.
    pub target_is_new: bool,
    /// The target was there, and nothing was in it.
    pub target_was_empty: bool,
}

impl DirPolicy {
    /// A directory that was there keeps its metadata, unless it was chosen and may be overwritten.
    fn finishes(self, path: &RelPath, made: DirCreation, chosen: bool) -> bool {
        let new = made == DirCreation::New || path.is_root() && self.target_is_new;
        let empty_target = path.is_root() && self.target_was_empty;
        new || chosen && (empty_target || self.overwrite != OverwritePolicy::Never)
    }
}

impl Restorer<'_> {
    /// Makes the directories, those above others first. After a wish to stop, no more: the steps
    /// that follow end for it, and those that were made still get their metadata.
    pub fn make_dirs(&self, policy: DirPolicy) -> Dirs {
        let shared = &self.shared;
        let mut to_finish = Vec::new();
        for &number in &shared.plan.dirs {
            if shared.stop.check().is_err() {
                break;
            }
            let item = &shared.plan.items[number];
            let path = &item.row.path;
            if path.is_root() && policy.target_is_new {
                shared.target.mark_root();
            }
            let replace = policy.overwrite != OverwritePolicy::Never;
            match shared.target.make_planned_dir(path, replace, item.row.meta.mode) {
                Ok(made) if policy.finishes(path, made, item.chosen) => to_finish.push(number),
                Ok(_) => {}
                Err(error) => shared.count(number, Err(error)),
            }
        }
        Dirs { to_finish }
    }

    /// Makes empty files, symbolic links, FIFOs and devices, then hard links.
    pub fn make_nodes(&self) -> Result<(), Stopped> {
        let shared = &self.shared;
        shared.stop.check()?;
        for &number in &shared.plan.plain {
            shared.stop.check()?;
            shared.count(number, make_node(shared, number));
        }
        for &link in &shared.plan.links {
            shared.stop.check()?;
            shared.link(link);
        }
        Ok(())
    }

    /// Gives directories their metadata, the deepest first. Done even when the restore was asked to
    /// stop: what is there shall be usable; but then they are marked, for the next run to finish.
    pub fn finish_dirs(&self, dirs: Dirs) {
        let shared = &self.shared;
        let is_cut_off = shared.stop.check().is_err();
        for &number in dirs.to_finish.iter().rev() {
            let row = &shared.plan.items[number].row;
            match shared.target.finish_dir(&row.path, &row.meta) {
                Ok(complaints) => shared.complain(complaints),
                Err(error) => shared.count(number, Err(error)),
            }
            if is_cut_off {
                shared.target.mark_dir(&row.path);
            }
        }
    }
}

fn make_node(shared: &Shared, number: usize) -> Result<Vec<Complaint>, PlaceError> {
    let item = &shared.plan.items[number];
    let (path, meta, replace): (&RelPath, &Meta, bool) =
        (&item.row.path, &item.row.meta, item.replace);
    match item.row.kind {
        Kind::Symlink => shared.target.symlink(path, &meta.link, meta, replace),
        Kind::Fifo => shared.target.fifo(path, meta, replace),
        Kind::CharDevice | Kind::BlockDevice => {
            shared.target.device(path, item.row.kind, meta, replace)
        }
        // Neither directories nor hard links are among them.
        Kind::File | Kind::Dir | Kind::Hardlink => {
            shared.target.begin_file(path)?.commit(meta, replace)
        }
    }
}
