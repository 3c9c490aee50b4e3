//! The directory of an ISO 9660 volume: which files there are and where they lie (ECMA-119, 4th
//! edition), by the names that Rock Ridge gives them (SUSP and RRIP, IEEE P1281 and P1282, 1.12).
//! Joliet's tree is for Windows, and not read.
//!
//! Discs come from strangers. Nothing here is taken for granted: every length is held against what
//! is there, each directory is read once, and records, bytes and depth are bounded. What is wrong in
//! one record, or one sector, costs no more than that, and is told.

mod descriptor;
mod record;
mod susp;
#[cfg(test)]
mod tests;
mod walk;

use std::path::Path;

use super::DriveError;
use super::absence::{Absence, Failure};
use super::reader::DiscFile;
use crate::model::Sectors;
use crate::port::stop::{Stop, Stopped};

pub(super) use descriptor::{size_in, volume_id_in, volume_in};

/// Reads bytes of the medium from a position on: as many as one read gives, and 0 at its end.
pub(super) type ReadAt<'a> = dyn Fn(u64, &mut [u8]) -> Result<usize, Failure> + 'a;

/// What a volume says that is on it.
#[derive(Debug)]
pub(super) struct Listing {
    /// How long the volume is.
    pub sectors: Sectors,
    /// In the order in which they lie on it.
    pub files: Vec<DiscFile>,
    /// What of the directory could not be used, if anything: files may be missing.
    pub complaint: Option<String>,
}

/// Why there is no listing.
#[derive(Debug)]
pub(super) enum Fault {
    NotAVolume,
    Damaged(String),
    Gone(Absence),
    Stopped(Stopped),
}

impl Fault {
    pub(super) fn of_image(self, path: &Path) -> DriveError {
        match self {
            Fault::NotAVolume => DriveError::NotAnImage(path.to_owned()),
            Fault::Damaged(words) => DriveError::Damaged { path: path.to_owned(), words },
            Fault::Gone(absence) => absence.into(),
            Fault::Stopped(stopped) => stopped.into(),
        }
    }
}

impl From<Stopped> for Fault {
    fn from(stopped: Stopped) -> Fault {
        Fault::Stopped(stopped)
    }
}

/// Lists the regular files of a volume. Links and devices are nothing that a disc of ours has.
pub(super) fn list(read: &ReadAt, stop: &Stop) -> Result<Listing, Fault> {
    walk::Walk::over(read, stop)?.run()
}
