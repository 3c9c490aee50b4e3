//! What the files beside a catalog are called.

use std::path::{Path, PathBuf};

/// The copy that is kept of a catalog.
pub(in crate::catalog) fn last_of(catalog: &Path) -> PathBuf {
    beside(catalog, ".last")
}

pub(in crate::catalog) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

/// A path that SQLite takes as a file: `:memory:` and the empty name mean something else to it.
pub(in crate::catalog) fn plain(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
