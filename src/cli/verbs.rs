//! One file a verb: from its arguments to a flow's request, from the flow's report to words.

pub mod backup;
pub mod burn;
pub mod query;
pub mod restore;
pub mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use crate::drive::{Drive, DriveError, Shelf};
use crate::flow::FlowError;

use super::run::RunError;

/// The contents of files that were named on the command line.
pub fn read_files(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, RunError> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|source| {
            RunError::Flow(FlowError::Staging {
                path: path.clone(),
                what: "cannot be read",
                source,
            })
        })
    };
    paths.iter().map(read).collect()
}

/// The shelf at `dest`, made if it is missing. A device is a drive, which is not ours to write yet.
pub fn open_shelf(dest: &Path) -> Result<Box<dyn Drive>, RunError> {
    use std::os::unix::fs::FileTypeExt;
    if let Ok(found) = fs::metadata(dest) {
        let kind = found.file_type();
        if kind.is_block_device() || kind.is_char_device() {
            return Err(FlowError::NoDrive(dest.to_owned()).into());
        }
    } else if dest.starts_with("/dev") {
        return Err(FlowError::NoDrive(dest.to_owned()).into());
    } else {
        fs::create_dir_all(dest).map_err(|source| {
            let dir = dest.to_owned();
            FlowError::from(DriveError::NotWritable { dir, source })
        })?;
    }
    Ok(Box::new(Shelf::open(dest).map_err(FlowError::from)?))
}
