//! `coldcut set rename`: another name for a set. Its discs keep the one that they have; a set is
//! its UUID.

use std::ffi::OsString;
use std::path::Path;

use crate::catalog::{Access, Catalog, CopyPlacement, Shelved};
use crate::format::volume::image_name;
use crate::model::{Carrier, SetName, ShelfPlace};

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
    let shelved = catalog.shelved()?.into_iter().filter(|copy| copy.set == set.id);
    let named: Vec<CopyPlacement> = shelved.filter_map(|copy| named(copy, name)).collect();
    catalog.put_copies(&named)?;
    Ok(catalog.rename_set(set.id, new)?)
}

/// An image that is called by the set's name keeps that name, which must be known from now on.
fn named(shelved: Shelved, set: &SetName) -> Option<CopyPlacement> {
    let place = shelved.copy.medium.shelf_place().filter(|place| place.file.is_none())?;
    let file = Some(OsString::from(image_name(set, shelved.disc)));
    let carrier = Carrier::Shelf(ShelfPlace { file, ..place.clone() });
    let Shelved { set, disc, copy } = shelved;
    Some(CopyPlacement { set, disc, copy: copy.number, carrier, is_unproved: false })
}
