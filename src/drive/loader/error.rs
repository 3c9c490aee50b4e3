//! What went wrong with a loader, and where the disc is as far as that is known.

use std::io;
use std::path::PathBuf;

use super::answer::DiscPosition;
use crate::port::command::{CommandError, ProgramExit};
use crate::port::trust::Distrust;

/// What a loader could not do. `call`: its arguments, `unload /dev/sr0 good`.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    #[error("the loader {} is not run: {why}", .path.display())]
    Untrusted { path: PathBuf, why: Distrust },
    /// A directory on the way to it.
    #[error("the loader {} is not run, because of the directory {}: {why}", .path.display(), .dir.display())]
    UntrustedDir { path: PathBuf, dir: PathBuf, why: Distrust },
    #[error("the loader {} cannot be run", .path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("the loader failed (`{call}`)")]
    NotRun { call: String, source: CommandError },
    #[error("the loader failed (`{call}`) with {exit}{words}")]
    Failed { call: String, exit: ProgramExit, words: String },
    #[error("the loader gave an answer that cannot be used (`{call}`): {why}")]
    BadAnswer { call: String, why: String },
    /// `at`: what it says itself.
    #[error("{at}")]
    Stuck { at: DiscPosition, source: Box<LoaderError> },
    /// Not even `list` answers.
    #[error("it is not known where the disc is, because the loader does not say it ({why})")]
    Lost { why: String, source: Box<LoaderError> },
    #[error("the loader has no room for another disc (`{call}`)")]
    NoRoom { call: String },
    #[error("the loader says that it has put a disc into {drive}, and the drive finds none")]
    DriveEmpty { drive: String },
    #[error("{rejected} discs in a row went on the reject pile, so the others are left alone")]
    OnlyRejects { rejected: u64 },
}
