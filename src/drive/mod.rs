//! Drives: what a disc is burned with and read from. One trait for the shelf and for optical
//! drives, so that the steps above never ask which of them it is.

use std::io;
use std::path::PathBuf;

use crate::model::{Bytes, Sectors};
use crate::port::command::CommandError;
use crate::port::stop::{Stop, Stopped};

#[cfg(test)]
mod contract;
mod discover;
mod faults;
mod folder;
mod image;
mod label;
mod layout;
mod reader;
mod shelf;
mod xorriso;

pub use discover::discover;
pub use folder::Folder;
pub use image::Image;
pub use label::Label;
pub use layout::{LONGEST_NAME, image_sectors};
pub use reader::{DiscFile, DiscReader, FileReader, ReadError};
pub use shelf::Shelf;
pub use xorriso::predicted_sectors;

/// All that decides a disc's bytes. Two burns of one job are alike, whatever drive, day or user.
#[derive(Clone, Debug)]
pub struct BurnJob {
    pub label: Label,
    /// `0007_HOLIDAYS` (format 1).
    pub volume_id: String,
    /// `YYYYMMDDhhmmsscc`, made from the disc's UUID (format 9).
    pub volume_date: String,
    /// The path on the disc without a leading slash, and the file with the content, in the order
    /// in which they shall lie on the disc. Archives and listings end by the size they have now.
    pub files: Vec<(String, PathBuf)>,
    /// The exact size of the image, as [`image_sectors`] gives it.
    pub sectors: Sectors,
}

/// A medium that can be burned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blank {
    /// How much fits on it; `None` where nothing but the free space is a limit.
    pub capacity: Option<Sectors>,
}

/// The discs that were found, and what looked like one and is not readable.
#[derive(Default)]
pub struct Discs {
    pub discs: Vec<Box<dyn DiscReader>>,
    pub problems: Vec<DriveError>,
}

/// Something that burns and reads discs.
pub trait Drive: Send {
    /// For people: `shelf /srv/discs`.
    fn title(&self) -> String;

    /// What fits on the blank that lies ready; `None` where that is not known, or where every
    /// blank is as large as the job needs. Takes nothing and waits for nobody.
    fn blank_capacity(&mut self) -> Result<Option<Sectors>, DriveError>;

    /// Makes sure that a blank for this disc lies ready. [`DriveError::NoMoreBlanks`] if there is
    /// none, [`DriveError::AlreadyThere`] if this disc is in the way.
    fn take_blank(&mut self, label: &Label) -> Result<Blank, DriveError>;

    /// Burns the blank. `watch` is told the bytes written so far. After an error no medium passes
    /// for this disc, and the next attempt takes another blank.
    fn burn(&mut self, job: &BurnJob, watch: &dyn Fn(Bytes), stop: &Stop)
    -> Result<(), DriveError>;

    /// The disc, read anew: nothing that the writer left in memory is used.
    /// [`DriveError::NotThere`] or [`DriveError::WrongDisc`] otherwise.
    fn find(&mut self, wanted: &Label) -> Result<Box<dyn DiscReader>, DriveError>;

    /// The medium that bears this disc proved bad and is put away: it is not found again, and the
    /// disc can be burned on another blank.
    fn reject(&mut self, label: &Label) -> Result<(), DriveError>;

    /// Every disc that can be had without a person.
    fn discs(&mut self) -> Result<Discs, DriveError>;
}

/// What a drive could not do.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error("{drive} has no more blank discs")]
    NoMoreBlanks { drive: String },
    #[error("{label} is not in {drive}")]
    NotThere { drive: String, label: Box<Label> },
    #[error("this is not {wanted} but {found}")]
    WrongDisc { wanted: Box<Label>, found: String },
    #[error("{} exists already and is never overwritten", .path.display())]
    AlreadyThere { path: PathBuf },
    #[error("{drive}: writing {label} failed{}{words}", at(.sector))]
    Write { drive: String, label: Box<Label>, sector: Option<Sectors>, words: String },
    #[error("{label} would be {is} sectors long and must be {wanted}; a staged file has changed", is = .is.0, wanted = .wanted.0)]
    Size { label: Box<Label>, is: Sectors, wanted: Sectors },
    #[error("{path} cannot be the name of a file on a disc")]
    BadName { path: String },
    #[error("{} is full: {needed} are needed and {free} are free", .dir.display())]
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
    #[error("{} is cut short: {is} of {wanted} sectors are there", .path.display(), is = .is.0, wanted = .wanted.0)]
    CutShort { path: PathBuf, is: Sectors, wanted: Sectors },
    #[error("{} is damaged: its directory cannot be read ({words})", .path.display())]
    Damaged { path: PathBuf, words: String },
    #[error("{} is not one of coldcut's discs", .0.display())]
    Foreign(PathBuf),
    #[error("{}: {words}", .file.display())]
    Settings { file: PathBuf, words: String },
    #[error("xorriso failed with {exit}: {words}")]
    Program { exit: crate::port::command::Exit, words: String },
    #[error("xorriso said something that coldcut does not know: {0}")]
    UnknownWords(String),
    #[error("could not {what} {}", .path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Command(CommandError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl DriveError {
    fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> DriveError {
        let path = path.into();
        move |source| DriveError::Io { what, path, source }
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

fn at(sector: &Option<Sectors>) -> String {
    match sector {
        Some(sector) => format!(" at sector {}: ", sector.0),
        None => ": ".to_owned(),
    }
}
