//! What the walk through a volume takes and gives: how the medium is read, the files that are on
//! it, and why there may be no listing.

use std::path::Path;

use crate::drive::DriveError;
use crate::drive::absence::{Absence, ReadFailure};
use crate::drive::reader::DiscFile;
use crate::model::Sectors;
use crate::port::stop::Stopped;

/// Reads bytes of the medium from a position on: as many as one read gives, and 0 at its end.
pub(in crate::drive) type MediumReader<'a> =
    dyn Fn(u64, &mut [u8]) -> Result<usize, ReadFailure> + 'a;

/// What a volume says that is on it.
#[derive(Debug)]
pub(in crate::drive) struct Listing {
    /// How long the volume is.
    pub sectors: Sectors,
    /// In the order in which they are on it.
    pub files: Vec<DiscFile>,
    /// What of the directory could not be used, if anything: files may be missing.
    pub complaint: Option<String>,
}

/// Why there is no listing.
#[derive(Debug)]
pub(in crate::drive) enum IsoFault {
    NotAVolume,
    Damaged(String),
    Gone(Absence),
    Stopped(Stopped),
}

impl IsoFault {
    pub(in crate::drive) fn of_image(self, path: &Path) -> DriveError {
        match self {
            IsoFault::NotAVolume => DriveError::NotAnImage(path.to_owned()),
            IsoFault::Damaged(words) => DriveError::Damaged { path: path.to_owned(), words },
            IsoFault::Gone(absence) => absence.into(),
            IsoFault::Stopped(stopped) => stopped.into(),
        }
    }
}

impl From<Stopped> for IsoFault {
    fn from(stopped: Stopped) -> IsoFault {
        IsoFault::Stopped(stopped)
    }
}
