//! Why discs are not put into a directory, and why no set is made.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::model::SetName;
use crate::model::path::shown;

/// Why discs are not put into a directory.
#[derive(Debug, thiserror::Error)]
pub enum DestError {
    #[error("{} is the directory to back up, so its discs cannot go there", at(.0))]
    IsSource(PathBuf),
    #[error("{} is the source of set {sets}, and discs are never put into a directory that is \
             backed up", at(.dir))]
    IsSourceOf { dir: PathBuf, sets: String },
    #[error(
        "{} holds other files ({}), and is not a shelf", at(.dir), shown(.example.as_bytes())
    )]
    HoldsOthers { dir: PathBuf, example: std::ffi::OsString },
    #[error("{} is a mount point in /etc/fstab, and nothing is mounted there", at(.point))]
    NotMounted { point: PathBuf, dir: PathBuf },
    #[error("cannot look into {}", at(.dir))]
    Unreadable { dir: PathBuf, source: io::Error },
}

fn at(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}

/// Why no set is made.
#[derive(Debug, thiserror::Error)]
pub enum NewSetError {
    #[error("{doubt}")]
    NobodyThere { name: SetName, doubt: String },
    #[error("not confirmed, so set {0} was not created")]
    NotAgreed(SetName),
    #[error("{} is a shelf with coldcut discs", shown(.0.as_os_str().as_bytes()))]
    IsShelf(PathBuf),
}
