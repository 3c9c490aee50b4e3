//! The media that a catalog was rebuilt from, as copies in it. Apart from what the discs tell: a
//! medium whose disc has copies already, by a catalog on a disc or by the former one, is one of
//! those, and which of them is found out when it is read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::catalog::{Catalog, CatalogError};
use crate::port::clock::Moment;
use crate::port::notice::ShelfNotice;

use crate::flow::Context;
use crate::flow::library::inventory::{FoundDisc, FoundSet};
use crate::flow::library::shelves::{Visit, as_met, meet};

/// Call it when all sets are in the catalog: copies of one set tell that a shelf of another one
/// moved.
pub(super) fn record(
    catalog: &mut Catalog,
    found: &[FoundSet],
    context: Context,
) -> Result<(), CatalogError> {
    let mut shelves = HashMap::new();
    let media = found.iter().flat_map(|set| set.discs.values()).flat_map(|found| &found.copies);
    for dir in media.filter_map(|copy| Some(copy.medium().shelf()?.to_owned())) {
        if let Entry::Vacant(unmet) = shelves.entry(dir) {
            let say = |notice: ShelfNotice| context.monitor.note(notice.into());
            let here = meet(catalog, unmet.key(), Visit::Read, &say)?;
            unmet.insert(here);
        }
    }
    for known in catalog.sets()? {
        let Some(of_set) = found.iter().find(|set| set.uuid == known.facts.uuid) else { continue };
        for (&number, disc) in &of_set.discs {
            let Some(copy) = disc.copies.first() else { continue };
            if catalog.copies(known.id, number)?.is_empty() {
                let medium = as_met(&copy.medium(), &shelves);
                catalog.record_copy(known.id, number, &medium, "", closed(disc))?;
            }
        }
    }
    Ok(())
}

/// It was burned about then.
fn closed(disc: &FoundDisc) -> Moment {
    Moment::parse(&disc.txt.date).unwrap_or(Moment(0))
}
