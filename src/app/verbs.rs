//! One file a verb: from its arguments to a flow's request, from the flow's report to words.

pub mod backup;
pub mod burn;
pub mod query;
pub mod restore;
pub mod verify;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::drive::{Drive, DriveError, Shelf};
use crate::flow::FlowError;
use crate::model::path::shown;

use super::{Room, RunError};

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

/// A glob or another text that must be UTF-8.
pub fn text(option: &str, typed: &OsStr) -> Result<String, RunError> {
    let bad = || RunError::Usage(format!("{option} {} is not UTF-8", shown(typed.as_bytes())));
    typed.to_str().map(str::to_owned).ok_or_else(bad)
}

/// Where a catalog from a disc is unpacked: in the staging area, which is private; for somebody who
/// has none, among temporary files.
pub fn scratch(room: &Room) -> PathBuf {
    match room.around.staging(&room.common) {
        Ok(staging) => staging.join("scratch"),
        Err(_) => std::env::temp_dir().join(format!("coldcut-{}", std::process::id())),
    }
}

/// Drives cannot be used by this version.
pub fn refuse_device(path: &Path) -> Result<(), RunError> {
    use std::os::unix::fs::FileTypeExt;
    let is_device = match fs::metadata(path) {
        Ok(found) => found.file_type().is_block_device() || found.file_type().is_char_device(),
        Err(_) => path.starts_with("/dev"),
    };
    if is_device { Err(FlowError::NoDrive(path.to_owned()).into()) } else { Ok(()) }
}

/// The shelf at `dest`, made if it is missing.
pub fn open_shelf(dest: &Path) -> Result<Box<dyn Drive>, RunError> {
    refuse_device(dest)?;
    if !dest.exists() {
        fs::create_dir_all(dest).map_err(|source| {
            let dir = dest.to_owned();
            FlowError::from(DriveError::NotWritable { dir, source })
        })?;
    }
    Ok(Box::new(Shelf::open(dest).map_err(FlowError::from)?))
}
