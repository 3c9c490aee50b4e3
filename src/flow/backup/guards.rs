//! What is asked, or refused, before the first byte: whether a new set is meant, whether SOURCE is a
//! source and DEST a place for discs. Nothing is written here; the catalog is only read.

mod dest;
mod new_set;
mod programs;
mod shelves;

use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, CatalogError, KnownSet};
use crate::model::SetName;

use crate::flow::FlowError;

pub use crate::flow::base::guard_error::{DestError, NewSetError};
pub use dest::DestGuard;
pub use new_set::{NewSetGuard, doubt_words};
pub use programs::{Burner, ProgramGuard};
pub(in crate::flow) use shelves::known_shelves;

/// The catalog, if there is one.
fn open(catalog: &Path) -> Result<Option<Catalog>, FlowError> {
    match Catalog::open_if_there(catalog) {
        // A full disk may have left a file without tables, which a backup makes a catalog of;
        // whoever opens it to write says what else it is.
        Err(CatalogError::NotOurs { .. }) => Ok(None),
        opened => Ok(opened?),
    }
}

/// Whether two paths are one directory, however they are spelt.
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|is| (is.dev(), is.ino()));
    one == other || identity(one).is_some_and(|is| identity(other) == Some(is))
}

/// The sets whose source is this directory.
fn sets_over(sets: &[KnownSet], source: &Path) -> Vec<SetName> {
    let over = sets.iter().filter(|set| is_same(&set.facts.source, source));
    over.map(|set| set.facts.name.clone()).collect()
}

fn in_words(names: &[SetName]) -> String {
    names.iter().map(SetName::as_str).collect::<Vec<_>>().join(", ")
}

/// The path without symbolic links, as far as it exists.
pub(in crate::flow) fn absolute(path: &Path) -> Option<PathBuf> {
    let full = std::path::absolute(path).ok()?;
    let existing = full.ancestors().find(|above| above.exists())?;
    let rest = full.strip_prefix(existing).ok()?;
    let existing = existing.canonicalize().ok()?;
    // An empty end would become a slash.
    Some(if rest.as_os_str().is_empty() { existing } else { existing.join(rest) })
}
