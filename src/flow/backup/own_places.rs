//! What coldcut itself keeps in the source: staging area and catalog are left out, and of shelves the
//! disc images.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::drive::shelf_identity::id_of;
use crate::flow::FlowError;
use crate::flow::backup::guards::{absolute, known_shelves};
use crate::flow::backup::request::BackupRequest;
use crate::model::RelPath;
use crate::scan::filter::{FilterOptions, Shelves};

/// Staging area and catalog are different after every run, and a shelf would hold itself.
pub(super) fn leave_out(
    request: &BackupRequest,
    catalog: Option<&Catalog>,
    options: &mut FilterOptions,
) -> Result<(), FlowError> {
    if let Some(dir) = absolute(&request.staging) {
        options.own_dirs.extend(inside(request, &dir)?);
    }
    for file in own_files(&request.catalog) {
        options.own_files.extend(inside(request, &file)?);
    }
    options.shelves = shelves(request, catalog)?;
    Ok(())
}

/// The catalog with all that lies beside it: beside the file itself, and, if its name is a link,
/// beside that, too.
fn own_files(catalog: &Path) -> Vec<PathBuf> {
    let linked = catalog.parent().zip(catalog.file_name());
    let linked = linked.and_then(|(dir, name)| Some(absolute(dir)?.join(name)));
    linked.into_iter().chain(absolute(catalog)).flat_map(|path| Catalog::files(&path)).collect()
}

/// DEST and, of every set, the shelves that the catalog knows. What another catalog put onto a
/// shelf may be known to nobody any more: that is stored like any file.
fn shelves(request: &BackupRequest, catalog: Option<&Catalog>) -> Result<Shelves, FlowError> {
    let sets = catalog.map(|catalog| catalog.sets()).transpose()?.unwrap_or_default();
    let known = catalog.map(|catalog| known_shelves(catalog, &sets)).transpose()?;
    let known = known.unwrap_or_default();
    let mut shelves = Shelves::default();
    // A shelf that is itself the source was agreed to.
    if !known.iter().any(|shelf| shelf.is_at(&request.source)) {
        for shelf in &known {
            let dirs = with_copies(&shelf.dir).into_iter().filter_map(|dir| absolute(&dir));
            shelves.dirs.extend(dirs.filter_map(|dir| relative(request, &dir)));
            shelves.ids.extend(shelf.id);
        }
    }
    for dir in request.shelves.iter().flat_map(|dest| with_copies(dest)) {
        if let Some(dir) = absolute(&dir) {
            shelves.dirs.extend(inside(request, &dir)?);
            shelves.ids.extend(id_of(&dir));
        }
    }
    shelves.sets = sets.into_iter().map(|set| set.facts.name).collect();
    shelves.sets.push(request.name.clone());
    Ok(shelves)
}

/// A shelf, and those for further copies in it.
fn with_copies(shelf: &Path) -> Vec<PathBuf> {
    let further = (2..).map(|n| shelf.join(format!("copy{n}"))).take_while(|dir| dir.is_dir());
    std::iter::once(shelf.to_owned()).chain(further).collect()
}

/// Where a place is in the source; `None` if it is elsewhere.
fn inside(request: &BackupRequest, place: &Path) -> Result<Option<RelPath>, FlowError> {
    match relative(request, place) {
        // The source itself.
        None if place == request.source => Err(FlowError::OwnPlace(place.to_owned())),
        inside => Ok(inside),
    }
}

fn relative(request: &BackupRequest, place: &Path) -> Option<RelPath> {
    RelPath::new(place.strip_prefix(&request.source).ok()?.as_os_str().as_bytes())
}
