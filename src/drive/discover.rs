//! Finding discs where a person says they are: an image, a shelf, a folder of shelves, a mounted
//! disc, a folder of copied discs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Discs, Drive, DriveError, Folder, Image, Shelf};

/// How many levels of directories below FROM are looked into.
const DEPTH: usize = 2;

/// All discs at `from`. What looks like a disc and cannot be read is named in the answer; only
/// a `from` that cannot be looked at is an error.
pub fn discover(from: &Path) -> Result<Discs, DriveError> {
    let metadata = fs::metadata(from).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => DriveError::Missing(from.to_owned()),
        _ => DriveError::io("look at", from)(e),
    })?;
    let mut found = Discs::default();
    if metadata.is_dir() {
        look_into(from, DEPTH, &mut found)?;
    } else {
        found.add(Image::open(from)?);
    }
    Ok(found)
}

fn look_into(dir: &Path, depth: usize, found: &mut Discs) -> Result<(), DriveError> {
    if Folder::is_one(dir) {
        found.discs.push(Box::new(Folder::open(dir)?));
        return Ok(());
    }
    let shelf = Shelf::open(dir)?.discs()?;
    found.discs.extend(shelf.discs);
    found.problems.extend(shelf.problems);
    if depth == 0 {
        return Ok(());
    }
    for below in directories(dir)? {
        if let Err(problem) = look_into(&below, depth - 1, found) {
            found.problems.push(problem);
        }
    }
    Ok(())
}

/// The directories in a directory, by name; hidden ones are not meant.
fn directories(dir: &Path) -> Result<Vec<PathBuf>, DriveError> {
    let mut below = Vec::new();
    for entry in fs::read_dir(dir).map_err(DriveError::io("list", dir))? {
        let entry = entry.map_err(DriveError::io("list", dir))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_dir() {
            below.push(entry.path());
        }
    }
    below.sort();
    Ok(below)
}
