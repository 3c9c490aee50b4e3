//! The shelves that the catalog knows: the directories that copies were put into.

use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, CatalogError, KnownSet};
use crate::drive::shelf_identity::id_of;
use crate::model::{Carrier, SetName, ShelfId};

/// A directory that carries copies of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::flow) struct KnownShelf {
    pub set: SetName,
    pub dir: PathBuf,
    pub id: Option<ShelfId>,
}

/// Each shelf of each set. Copies that are lost or given up count, too: their images may be there.
pub(in crate::flow) fn known_shelves(
    catalog: &Catalog,
    sets: &[KnownSet],
) -> Result<Vec<KnownShelf>, CatalogError> {
    let mut shelves: Vec<KnownShelf> = Vec::new();
    for set in sets {
        for disc in catalog.discs(set.id)? {
            for copy in catalog.copies(set.id, disc.number)? {
                let Carrier::Shelf(place) = copy.medium else { continue };
                let (set, dir, id) = (set.facts.name.clone(), place.dir, place.id);
                let shelf = KnownShelf { set, dir, id };
                if !shelves.contains(&shelf) {
                    shelves.push(shelf);
                }
            }
        }
    }
    Ok(shelves)
}

impl KnownShelf {
    /// Whether this is the directory, or a place for further copies in it; also where it has moved
    /// to, if it has its id with it.
    pub fn is_at(&self, dir: &Path) -> bool {
        crate::flow::backup::guards::is_same(&self.dir, dir)
            || self.has_id_of(dir)
            || self.is_for_further_copies()
                && self
                    .dir
                    .parent()
                    .is_some_and(|home| crate::flow::backup::guards::is_same(home, dir))
    }

    /// Whether the directory carries the shelf's own id.
    pub fn has_id_of(&self, dir: &Path) -> bool {
        self.id.is_some() && id_of(dir) == self.id
    }

    fn is_for_further_copies(&self) -> bool {
        let name = self.dir.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix("copy"));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    }
}
