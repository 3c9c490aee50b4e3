//! Why a verb ended without a result.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::cli::resolve::ResolveError;
use crate::flow::FlowError;
use crate::hub::client::ClientError;
use crate::hub::server::ServeError;
use crate::model::path::shown;
use crate::port::shell::quoted;
use crate::port::trust::user_name;

/// Why a verb ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Service(#[from] ClientError),
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
    /// Something on the command line that only its use can show to be wrong.
    #[error("{0}")]
    Usage(String),
}

/// Why coldcut does not work with a catalog or a staging area.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    #[error("cannot find out who owns {}", shown(path.as_os_str().as_bytes()))]
    Unknown { path: PathBuf, source: io::Error },
    #[error(
        "{}: as root, coldcut works with the catalog and the staging area of one other user, not of \
         several; name others with --catalog and --staging", owners(.0)
    )]
    Several(BTreeMap<u32, PathBuf>),
    #[error(
        "{} belongs to {}: as root, `coldcut {verb}` does not use the catalog or staging area of \
         another user. Run it as that user: `{command}`. {otherwise}",
        shown(path.as_os_str().as_bytes()), user_name(*user)
    )]
    NotAsRoot {
        path: PathBuf,
        user: u32,
        verb: &'static str,
        command: String,
        otherwise: &'static str,
    },
    #[error(
        "{} belongs to {}, and coldcut cannot work as that user",
        shown(path.as_os_str().as_bytes()), user_name(*user)
    )]
    CannotBecome { path: PathBuf, user: u32, source: io::Error },
    #[error("the staging area {} belongs to {owner}; name one of your own with --staging", shown(path.as_os_str().as_bytes()))]
    StagingOfOther { path: PathBuf, owner: String },
    #[error(
        "others can write to the staging area {place}; `chmod go-w {place}` fixes that",
        place = quoted(path.as_os_str())
    )]
    StagingOpen { path: PathBuf },
    #[error(
        "others can write to {}, which cannot be the staging area itself; name a directory of your \
         own in it with --staging", shown(path.as_os_str().as_bytes())
    )]
    StagingShared { path: PathBuf },
}

fn owners(owners: &BTreeMap<u32, PathBuf>) -> String {
    let each = owners.iter().map(|(user, path)| {
        format!("{} belongs to {}", shown(path.as_os_str().as_bytes()), user_name(*user))
    });
    each.collect::<Vec<_>>().join(", ")
}
