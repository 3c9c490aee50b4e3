//! What can go wrong with a catalog, in words that say which file.

use crate::catalog::base::file_names::last_of;
use crate::catalog::base::part::Part;
use crate::model::{ArchiveNo, DiscNo, RelPath, SetName, SnapshotSeq};
use crate::port::command::CommandError;
use crate::port::files::is_full;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("the catalog {path:?} is damaged ({what})")]
    Damaged { path: PathBuf, what: String },
    #[error(
        "the catalog {path:?} was written by a newer coldcut (tables of version {found}, this \
         one knows {known}); update coldcut"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the catalog {path:?} is in use by another coldcut{}", holder(*pid))]
    Locked { path: PathBuf, pid: Option<u32> },
    /// A part of it, by another writer.
    #[error("{} another coldcut{}", in_use(*part), holder(*pid))]
    PartInUse { path: PathBuf, part: Part, pid: Option<u32> },
    /// A fault of coldcut's own: what is changed must be held.
    #[error(
        "the catalog {path:?} was about to be changed ({doing}) without a lock; please report this"
    )]
    NotHeld { path: PathBuf, doing: &'static str },
    #[error("the catalog {path:?} is in use by another program; wait for it to finish")]
    Busy { path: PathBuf },
    #[error("the catalog {path:?} cannot be written")]
    NotWritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no catalog {path:?}")]
    Missing { path: PathBuf },
    #[error("the catalog {path:?} cannot be opened")]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the file {path:?} is not a coldcut catalog ({what})")]
    NotOurs { path: PathBuf, what: String },
    #[error("the catalog {path:?} failed while {doing}")]
    Sql {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("no space is left for the catalog {path:?} while {doing}")]
    NoRoom {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the catalog {path:?} cannot be read in a separate process")]
    Reader {
        path: PathBuf,
        #[source]
        source: CommandError,
    },
    #[error("the copy {path:?} of the catalog for a disc cannot be written")]
    Export {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl CatalogError {
    /// The copy of a damaged catalog as it was after the last successful run, if it is there.
    /// Nothing is put back by itself: what the copy does not know of may be on discs.
    pub fn last_copy(&self) -> Option<PathBuf> {
        match self {
            CatalogError::Damaged { path, .. } => Some(last_of(path)).filter(|copy| copy.exists()),
            _ => None,
        }
    }
}

/// What was asked makes no sense for what the catalog holds.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is already a set {0}; choose another name")]
    NameTaken(SetName),
    #[error("the catalog does not know this set")]
    NoSet,
    #[error("snapshot {0} is not the one in progress")]
    NotInWork(SnapshotSeq),
    #[error("the set has no snapshot {0}")]
    NoSnapshot(SnapshotSeq),
    #[error("disc {0} is already known")]
    DiscTaken(DiscNo),
    #[error("disc {0} cannot become {1}: the disc is unknown, or in a later state")]
    DiscState(DiscNo, &'static str),
    #[error("disc {0} was burned and cannot be forgotten")]
    Burned(DiscNo),
    #[error("disc {0} has no copy {1}")]
    NoCopy(DiscNo, u32),
    #[error("archive {0} is already known")]
    ArchiveTaken(ArchiveNo),
    #[error("{0}: only a file has content, and it has the size of its content")]
    NotItsContent(RelPath),
    #[error("{0}: part {1} does not follow the parts that are known")]
    PartOrder(RelPath, u32),
}

fn in_use(part: Part) -> String {
    match part {
        Part::Set(_) => "the set is being changed by".to_owned(),
        Part::Disc(_, disc) => format!("disc {disc} is being burned or verified by"),
        Part::AllDiscs(_) => "discs of the set are being burned or verified by".to_owned(),
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or(String::new(), |pid| format!(" (process {pid})"))
}

/// What the inner functions return: the file's name is added where they were called.
#[derive(Debug)]
pub(in crate::catalog) enum Fault {
    Sql(rusqlite::Error),
    /// A value that coldcut never writes.
    Value(String),
    Refused(Refused),
    /// A file beside the catalog.
    Io(io::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Sql(error)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Fault {
        Fault::Refused(refused)
    }
}

pub(in crate::catalog) fn odd(what: impl Into<String>) -> Fault {
    Fault::Value(what.into())
}

pub(in crate::catalog) fn explain(path: &Path, doing: &'static str, fault: Fault) -> CatalogError {
    match fault {
        Fault::Refused(refused) => CatalogError::Refused(refused),
        Fault::Io(source) => CatalogError::NotWritable { path: path.to_owned(), source },
        Fault::Value(what) => CatalogError::Damaged { path: path.to_owned(), what },
        Fault::Sql(error) => explain_sql(path, doing, error),
    }
}

fn explain_sql(path: &Path, doing: &'static str, source: rusqlite::Error) -> CatalogError {
    let path = path.to_owned();
    if is_odd_value(&source) {
        return CatalogError::Damaged { path, what: source.to_string() };
    }
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            CatalogError::Damaged { path, what: source.to_string() }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            CatalogError::NotWritable { path, source: io::Error::other(source) }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => CatalogError::Busy { path },
        _ => match for_want_of_room(&path, source) {
            Ok(source) => CatalogError::NoRoom { path, doing, source },
            Err(source) => CatalogError::Sql { path, doing, source },
        },
    }
}

/// A failure that ends when somebody makes room for this file and those beside it, in the words of
/// the system, as anything else that is full is told; any other comes back.
pub(in crate::catalog) fn for_want_of_room(
    path: &Path,
    error: rusqlite::Error,
) -> Result<io::Error, rusqlite::Error> {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {}
        // SQLite does not say why it could not make a file.
        Some(ErrorCode::CannotOpen) if is_full(path) => {}
        _ => return Err(error),
    }
    Ok(rustix::io::Errno::NOSPC.into())
}

/// A column of another type or range than coldcut writes.
fn is_odd_value(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::*;
    matches!(
        error,
        InvalidColumnType(..)
            | FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | Utf8Error(..)
    )
}

pub(in crate::catalog) type Result<T, E = CatalogError> = std::result::Result<T, E>;
