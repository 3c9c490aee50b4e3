//! What former runs left in the staging area that nobody needs any more.

use crate::catalog::{Catalog, DiscState, KnownSet, Part};

use crate::flow::FlowError;
use crate::flow::base::turn::unless_in_use;
use crate::flow::staging::area::Staging;

/// Takes away what a run left of discs that are safe, because it was killed or lost its power at that
/// moment, and its scratch files.
pub(in crate::flow) fn clear_done(
    catalog: &Catalog,
    staging: &Staging,
    set: &KnownSet,
) -> Result<(), FlowError> {
    staging.clear_scratch()?;
    let discs = catalog.discs(set.id)?;
    // Staging is kept until as many copies as are wanted were read back.
    let safe = discs
        .iter()
        .filter(|disc| disc.state == DiscState::Verified && disc.good_copies >= set.copies);
    for disc in safe {
        // Another coldcut may make one more copy from it.
        if let Some(_claim) = unless_in_use(catalog.hold(Part::Disc(set.id, disc.number)))? {
            staging.remove(set, disc.number)?;
        }
    }
    Ok(())
}
