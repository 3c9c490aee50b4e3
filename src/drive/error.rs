//! What a drive could not do, in words that name the drive, the disc and what happened.

use std::io;
use std::path::PathBuf;

use super::{Absence, DeviceError, LoaderError, ReadError, Remedy};
use crate::model::{Bytes, DiscIdentity, Sectors};
use crate::port::command::{CommandError, ProgramExit};
use crate::port::stop::Stopped;

/// What a drive could not do.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error("{drive} has no more blank discs")]
    NoMoreBlanks { drive: String },
    #[error("{label} is not in {drive}")]
    NotThere { drive: String, label: Box<DiscIdentity> },
    #[error("{drive} is empty")]
    Empty { drive: String },
    #[error("{drive} holds {found}; a blank disc is needed")]
    NotBlank { drive: String, found: String },
    #[error("{drive} holds {found}, which can be overwritten")]
    WouldOverwrite { drive: String, found: String },
    #[error("the disc in {drive} cannot be used: {words}")]
    Unusable { drive: String, words: String },
    #[error("the disc in {drive} cannot be used yet: {words}")]
    StillBusy { drive: String, words: String },
    #[error("this is not {wanted} but {found}")]
    WrongDisc { wanted: Box<DiscIdentity>, found: String },
    #[error("{} exists already and is never overwritten", .path.display())]
    AlreadyThere { path: PathBuf },
    #[error("{} is a symbolic link, and coldcut follows none on a shelf: put the file itself \
             there, or remove the link", .0.display())]
    Link(PathBuf),
    #[error("{} was removed, or replaced by another file, while coldcut used it; another user, or another program, can write to this directory", .0.display())]
    Replaced(PathBuf),
    #[error("{drive}: burning did not start; the disc is unchanged: {words}")]
    NotBegun { drive: String, words: String, remedy: Option<Remedy> },
    #[error("{drive}: writing {label} failed{}{words}", at(.sector))]
    Write {
        drive: String,
        label: Box<DiscIdentity>,
        sector: Option<Sectors>,
        words: String,
        remedy: Option<Remedy>,
    },
    #[error("{label} would be {is} sectors long instead of {wanted}; a staged file has changed", is = .is.0, wanted = .wanted.0)]
    Size { label: Box<DiscIdentity>, is: Sectors, wanted: Sectors },
    #[error("{path} cannot be the name of a file on a disc")]
    BadName { path: String },
    #[error("{} is full: {needed} is needed and {free} is free", .dir.display())]
    NoSpace { dir: PathBuf, needed: Bytes, free: Bytes },
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("{} cannot be written to", .dir.display())]
    NotWritable { dir: PathBuf, source: io::Error },
    #[error("another coldcut is writing to {}", .0.display())]
    Busy(PathBuf),
    #[error("{} is not a disc image", .0.display())]
    NotAnImage(PathBuf),
    #[error("{} is truncated: it has {is} of {wanted} sectors", .path.display(), is = .is.0, wanted = .wanted.0)]
    CutShort { path: PathBuf, is: Sectors, wanted: Sectors },
    #[error("{} is damaged: its directory cannot be read ({words})", .path.display())]
    Damaged { path: PathBuf, words: String },
    #[error("{} is not a coldcut disc", .0.display())]
    Foreign(PathBuf),
    #[error("{}: {words}", .file.display())]
    Settings { file: PathBuf, words: String },
    #[error("xorriso failed with {exit}: {words}")]
    Program { exit: ProgramExit, words: String },
    #[error("xorriso printed something that coldcut does not know: {0}")]
    UnknownWords(String),
    #[error("could not {what} {}", .path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Device(DeviceError),
    #[error(transparent)]
    Read(ReadError),
    /// It was there, and went away while it was read.
    #[error(transparent)]
    Gone(#[from] Absence),
    #[error("the disc loader cannot be used")]
    Loader(#[from] LoaderError),
    #[error(transparent)]
    Command(CommandError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl DriveError {
    /// How another burn may be better, by what the drive said of this one.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            DriveError::NotBegun { remedy, .. } | DriveError::Write { remedy, .. } => *remedy,
            DriveError::Device(DeviceError::Refused { sense, .. }) => sense.remedy(),
            _ => None,
        }
    }

    /// Another medium, or the same one inserted again, may help.
    pub fn is_about_the_medium(&self) -> bool {
        use DriveError::*;
        matches!(
            self,
            NoMoreBlanks { .. }
                | Empty { .. }
                | NotThere { .. }
                | NotBlank { .. }
                | WouldOverwrite { .. }
                | Unusable { .. }
                | StillBusy { .. }
                | WrongDisc { .. }
                | Foreign(_)
        ) || matches!(self, Gone(absence) if absence.may_be_inserted_again())
    }

    /// It says of the medium itself that it is bad; all else says something of the drive, of this
    /// system, or of another medium.
    pub fn condemns_the_medium(&self) -> bool {
        use DriveError::*;
        match self {
            Unusable { .. } | Damaged { .. } | CutShort { .. } | NotAnImage(_) | Read(_) => true,
            Io { source, .. } => source.raw_os_error() == Some(nix::libc::EIO),
            _ => false,
        }
    }

    /// Another program has the drive: it may be free later.
    pub fn is_in_use(&self) -> bool {
        matches!(self, DriveError::Device(DeviceError::Busy { .. }) | DriveError::Busy(_))
    }

    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> DriveError {
        let path = path.into();
        move |source| DriveError::Io { what, path, source }
    }
}

/// A disc that is gone is one thing, wherever it was noticed.
impl From<ReadError> for DriveError {
    fn from(error: ReadError) -> DriveError {
        match error {
            ReadError::Gone(absence) => DriveError::Gone(absence),
            error => DriveError::Read(error),
        }
    }
}

/// A wish to stop is one thing, wherever it was noticed.
impl From<CommandError> for DriveError {
    fn from(error: CommandError) -> DriveError {
        match error {
            CommandError::Stopped(stopped) => DriveError::Stopped(stopped),
            other => DriveError::Command(other),
        }
    }
}

impl From<DeviceError> for DriveError {
    fn from(error: DeviceError) -> DriveError {
        match error {
            DeviceError::Stopped(stopped) => DriveError::Stopped(stopped),
            other => DriveError::Device(other),
        }
    }
}

fn at(sector: &Option<Sectors>) -> String {
    match sector {
        Some(sector) => format!(" at sector {}: ", sector.0),
        None => ": ".to_owned(),
    }
}
