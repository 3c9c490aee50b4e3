//! Identifies the images on a shelf: whether one is a coldcut disc, and whether it is the wanted one.

use super::names::parse_name;
use crate::drive::image::Image;
use crate::drive::{DiscReader, Discs, DriveError, ReadError};
use crate::model::DiscIdentity;
use crate::model::disc::parse_archive_path;

/// The main file of recovery data (format 10).
const RECOVERY_DATA: &str = "parity/disc.par2";

impl Discs {
    /// Something that looked like a disc, and cannot be read as one. A program that could not be run
    /// says nothing of any disc: that ends the looking.
    pub(in crate::drive) fn doubt(&mut self, problem: DriveError) -> Result<(), DriveError> {
        match problem {
            DriveError::Command(_) | DriveError::Stopped(_) => Err(problem),
            problem => {
                self.problems.push(problem);
                Ok(())
            }
        }
    }

    /// An image that is cut short is both a disc and a problem; one that is not ours, a problem.
    /// One with recovery data may get its name from that.
    pub(in crate::drive) fn add(&mut self, image: Image) {
        // One of ours may have lost the files that say who it is.
        if matches!(DiscIdentity::read(&image), Ok(None)) && !is_ours(&image) {
            self.problems.push(DriveError::Foreign(image.path().to_owned()));
            return;
        }
        self.problems.extend(image.incomplete_listing());
        self.problems.extend(image.shortfall());
        self.discs.push(Box::new(image));
    }
}

/// Archives or recovery data: nobody else's discs have these.
fn is_ours(image: &Image) -> bool {
    image
        .files()
        .iter()
        .any(|file| parse_archive_path(&file.path).is_some() || file.path == RECOVERY_DATA)
}

fn is_called_like(image: &Image, wanted: &DiscIdentity) -> bool {
    parse_name(image.path()) == Some((wanted.set.clone(), wanted.number))
}

/// The disc in hand is the one that is wanted. One that cannot say who it is passes: its name is
/// right, and what is read from it will be checked byte by byte.
pub(super) fn check_label(image: &Image, wanted: &DiscIdentity) -> Result<(), DriveError> {
    if DiscIdentity::candidates(image).any(|label| label.is_same_disc(wanted)) {
        return Ok(());
    }
    let wrong = |found| Err(DriveError::WrongDisc { wanted: Box::new(wanted.clone()), found });
    match DiscIdentity::read(image) {
        Ok(Some(label)) if label.set == wanted.set && label.number == wanted.number => {
            wrong(format!("{label} with another identity ({})", image.title()))
        }
        Ok(Some(label)) => wrong(format!("{label} ({})", image.title())),
        Ok(None) if is_ours(image) && is_called_like(image, wanted) => Ok(()),
        Ok(None) => wrong(format!("a disc not made by coldcut ({})", image.title())),
        Err(ReadError::Unreadable { .. }) if is_called_like(image, wanted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
