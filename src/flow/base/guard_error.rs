//! Why discs are not put into a directory, and why no set is made.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::model::SetName;
use crate::model::path::shown;

/// Why discs are not put into a directory.
#[derive(Debug, thiserror::Error)]
pub enum DestError {
    #[error("{} is what is backed up: name another directory as DEST", at(.0))]
    IsSource(PathBuf),
    #[error("{} is the source of set {sets}: are SOURCE and DEST swapped? discs are never put into \
             a directory that is backed up", at(.dir))]
    IsSourceOf { dir: PathBuf, sets: String },
    #[error(
        "{} holds other files ({}), and is not a shelf: name a new directory in it, such as \
         {}/discs", at(.dir), shown(.example.as_bytes()), at(.dir)
    )]
    HoldsOthers { dir: PathBuf, example: std::ffi::OsString },
    #[error(
        "{} is a mount point of /etc/fstab, and nothing is mounted there: mount it, or use \
         --new-shelf if {} is to be on this disk", at(.point), at(.dir)
    )]
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
    #[error("{doubt}; use --new-set if you mean a new set {name}")]
    NobodyThere { name: SetName, doubt: String },
    #[error("not confirmed, so set {0} was not created")]
    NotAgreed(SetName),
    #[error("{} is a shelf with coldcut discs: are SOURCE and DEST swapped? --new-set backs it up \
             anyway", shown(.0.as_os_str().as_bytes()))]
    IsShelf(PathBuf),
}
