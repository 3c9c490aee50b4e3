//! A copy of one set's catalog, apart from the catalog and from everybody else: to be taken over by
//! another one, or to be written to and thrown away.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, SetId};
use crate::port::files::{hold, make_private_dir, open_own_to_read, scratch_name};
use crate::port::stop::Stop;

use crate::flow::FlowError;

/// A catalog of this set alone, as it goes onto a disc and comes back. Its file ends with it.
pub(in crate::flow) struct SetCopy {
    pub catalog: Catalog,
    path: PathBuf,
    /// Others, who clear what a killed process left, see that this one is in use.
    _held: Option<File>,
}

impl SetCopy {
    pub fn new(
        catalog: &Catalog,
        set: SetId,
        scratch: &Path,
        stop: &Stop,
    ) -> Result<SetCopy, FlowError> {
        let path = scratch_file(scratch)?;
        let exported = catalog.export_set(set, &path, stop);
        let held = open_own_to_read(&path).ok().filter(|file| hold(file).is_ok());
        match exported.and_then(|()| Catalog::open_exported(&path)) {
            Ok(catalog) => Ok(SetCopy { catalog, path, _held: held }),
            Err(error) => {
                remove(&path);
                stop.check()?;
                Err(error.into())
            }
        }
    }
}

impl Drop for SetCopy {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// What cannot be removed is removed by the next backup.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
    let _ = std::fs::remove_file(path.with_extension("sqlite-journal"));
}

/// A name for a file of ours that nobody has.
pub(in crate::flow) fn scratch_file(scratch: &Path) -> Result<PathBuf, FlowError> {
    make_private_dir(scratch).map_err(|source| FlowError::Staging {
        path: scratch.to_owned(),
        what: "cannot be written to",
        source,
    })?;
    Ok(scratch.join(scratch_name(".sqlite")))
}
