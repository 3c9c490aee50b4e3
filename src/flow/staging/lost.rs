//! Discs that were packed, are on no medium, and are not whole in the staging area any more:
//! somebody cleared it, or it is on a disk that is not there. Only a backup, which stores their
//! files again, may forget what the catalog knows of them.

use crate::catalog::{Catalog, CopyState, DiscInfo, DiscState, KnownSet};
use crate::model::DiscNo;

use crate::flow::FlowError;
use crate::flow::staging::area::{Staging, archive_file};

/// All of a set, by number.
pub fn lost_discs(
    catalog: &Catalog,
    set: &KnownSet,
    staging: &Staging,
) -> Result<Vec<DiscInfo>, FlowError> {
    let mut lost = catalog.discs(set.id)?;
    let mut whole = Vec::new();
    for disc in &lost {
        let needs_staging =
            matches!(disc.state, DiscState::Open | DiscState::Staged | DiscState::Failed);
        if !needs_staging
            || has_unread_copy(catalog, set, disc.number)?
            || staging.holds(set, disc.number, &packed(catalog, set, disc)?)
        {
            whole.push(disc.number);
        }
    }
    lost.retain(|disc| !whole.contains(&disc.number));
    Ok(lost)
}

/// A medium may carry the disc, and nobody has read it back: that needs no staging.
pub(in crate::flow) fn has_unread_copy(
    catalog: &Catalog,
    set: &KnownSet,
    disc: DiscNo,
) -> Result<bool, FlowError> {
    let copies = catalog.copies(set.id, disc)?;
    Ok(copies.last().is_some_and(|copy| copy.state == CopyState::Burned))
}

/// What must be there: of an open disc its archives.
fn packed(
    catalog: &Catalog,
    set: &KnownSet,
    disc: &DiscInfo,
) -> Result<Vec<(String, u64)>, FlowError> {
    if disc.state == DiscState::Open {
        let archives = catalog.archives_of_disc(set.id, disc.number)?;
        let files = archives.iter().map(archive_file).map(|file| (file.path, file.size));
        return Ok(files.collect());
    }
    let files = catalog.disc_files(set.id, disc.number)?;
    Ok(files.into_iter().map(|file| (file.path, file.size.0)).collect())
}
