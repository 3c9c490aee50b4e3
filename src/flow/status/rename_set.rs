//! `coldcut set rename`: another name for a set. Its discs keep the one that they have; a set is
//! its UUID.

use std::path::Path;

use crate::catalog::{Access, Catalog};
use crate::model::SetName;

use crate::flow::base::turn::{hold_chosen, hold_discs, open_to_record};
use crate::flow::staging::area::Staging;
use crate::flow::{Context, FlowError};

/// Gives the set `name` the name `new`. Fails with [`FlowError::HasStaged`] while discs of it are
/// in the staging area: their texts and their directory carry the old name.
pub fn rename(
    catalog: &Path,
    staging: &Path,
    (name, new): (&SetName, &SetName),
    context: Context,
) -> Result<(), FlowError> {
    // None is made here.
    drop(Catalog::open(catalog, Access::Read)?);
    let mut catalog = open_to_record(catalog, context)?;
    let (set, _held) = hold_chosen(&catalog, Some(name), context)?;
    let _discs = hold_discs(&catalog, &set, context)?;
    if Staging::open(staging)?.has_any(&set)? {
        return Err(FlowError::HasStaged(name.clone()));
    }
    Ok(catalog.rename_set(set.id, new)?)
}
