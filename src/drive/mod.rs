//! Drives: what a disc is burned with and read from. One trait for the shelf and for optical
//! drives, so that the steps above never ask which of them it is.

use std::path::PathBuf;

use crate::model::{Bytes, Carrier, DiscIdentity, Sectors};
use crate::port::clock::Deadline;
use crate::port::notice::BurnNotice;
use crate::port::stop::Stop;

mod absence;
mod best_effort;
pub mod burning;
#[cfg(test)]
mod contract;
mod discover;
mod engine;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod faults;
mod folder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod iso;
mod label;
mod layout;
pub(crate) mod loader;
mod optical;
mod rate;
mod reader;
mod sectors;
mod shelf;
mod xorriso;

#[cfg(test)]
pub(crate) use optical::ScratchedDisc;

pub use absence::Absence;
pub use best_effort::BestEffortReader;
pub use discover::discover;
pub use engine::{Engine, Settings, Speed, check_burning_programs};
pub use error::DriveError;
pub use folder::Folder;
pub use image::Image;
#[cfg(test)]
pub(crate) use layout::LONGEST_NAME;
pub use layout::image_sectors;
pub use loader::{Loader, LoaderError, ServedDrive, StackCount, StackTally, StackTask};
pub use optical::{
    Device, DeviceError, DriveIdentity, DriveOptions, KiloBytesPerSecond, Medium, MediumState,
    Optical, Profile, Readiness, Remedy, drives, volume_name,
};
pub use reader::{DiscFile, DiscReader, FileReader, ReadError, Volume};
pub use sectors::{DESCRIPTOR, RawMedium, SectorSource};
pub use shelf::identity as shelf_identity;
pub use shelf::{Holds, Shelf, is_marked, is_own_file, look_into};
pub use xorriso::predicted_sectors;

/// All that decides a disc's bytes. Two burns of one job are alike, whatever drive, day or user.
#[derive(Clone, Debug)]
pub struct BurnJob {
    pub label: DiscIdentity,
    /// `0007_HOLIDAYS` (format 1).
    pub volume_id: String,
    /// `YYYYMMDDhhmmsscc`, in UTC: of the volume and of all files.
    pub volume_date: String,
    /// Who the set is, and the disc; empty on discs of format 1.
    pub volume_set: String,
    pub application: String,
    /// The path on the disc without a leading slash, and the file with the content, in the order
    /// in which they shall be on the disc. Archives and listings end by the size they have now.
    pub files: Vec<(String, PathBuf)>,
    /// The exact size of the image, as [`image_sectors`] gives it.
    pub sectors: Sectors,
    /// The image itself, if there is one already: a copy of a disc is its image, burned again.
    pub image: Option<PathBuf>,
}

/// A medium that can be burned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blank {
    /// How much fits on it; `None` where nothing but the free space is a limit.
    pub capacity: Option<Sectors>,
}

/// What a drive tells while it burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// So far.
    Written(Bytes),
    /// A person wants to stop, and the burn continues: half of one would ruin the disc.
    BurnContinues,
    /// The same with an image on a shelf.
    ImageContinues,
    /// A person insisted, and the disc in the drive is ruined.
    Aborted,
    /// The disc is being closed, which can take many minutes.
    Closing,
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

    /// A drive that keeps the copies of a disc apart turns to the place of this number, from 1, and
    /// works there from now on. `false`: media are changed by hands, and there are no places.
    fn turn_to(&mut self, _place: u32) -> bool {
        false
    }

    /// What fits on the blank that lies ready; `None` where that is not known, or where every
    /// blank is as large as the job needs. Takes nothing and waits for nobody.
    fn blank_capacity(&mut self) -> Result<Option<Sectors>, DriveError>;

    /// Makes sure that a blank for this disc lies ready. [`DriveError::NoMoreBlanks`] if there is
    /// none, [`DriveError::AlreadyThere`] if this disc is in the way.
    fn take_blank(&mut self, label: &DiscIdentity) -> Result<Blank, DriveError>;

    /// Whether a whole image must be made before [`Drive::burn`].
    fn wants_image(&self) -> bool;

    /// Makes the image. It is verified like a disc before a blank is spent on it.
    fn make_image(
        &mut self,
        job: &BurnJob,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<Box<dyn DiscReader>, DriveError>;

    /// Burns the blank. After an error no medium passes for this disc, and the next attempt takes
    /// another blank.
    fn burn(&mut self, job: &BurnJob, watch: &dyn Fn(News), stop: &Stop) -> Result<(), DriveError>;

    /// The disc, read again: nothing that the writer left in memory is used.
    /// [`DriveError::NotThere`] or [`DriveError::WrongDisc`] otherwise.
    fn find(&mut self, wanted: &DiscIdentity) -> Result<Box<dyn DiscReader>, DriveError>;

    /// The medium that carries this disc proved bad and is put away: it is not found again, and the
    /// disc can be burned on another blank.
    fn reject(&mut self, label: &DiscIdentity) -> Result<(), DriveError>;

    /// Every disc that can be had without a person.
    fn discs(&mut self) -> Result<Discs, DriveError>;

    /// What the catalog notes of the medium that was just burned.
    fn medium(&mut self) -> Carrier;

    /// Waits for the burn of a former run that still goes on here, and says so.
    fn settle(&mut self, say: &dyn Fn(BurnNotice), stop: &Stop) -> Result<(), DriveError>;

    /// Where people change media; `None` where nobody inserts anything.
    fn slot(&mut self) -> Option<&mut dyn Slot>;
}

/// Where a disc goes that is done with, if a machine puts it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pile {
    /// Every byte was read back and was right.
    Good,
    /// All others: bad, foreign, not needed, not known.
    Bad,
}

/// The side of a drive that hands reach: a person's, or those of a machine.
pub trait Slot {
    /// What is in the drive, for people: `a blank BD-R`, `disc 3 of holidays`; `None`: nothing.
    fn content(&mut self) -> Result<Option<String>, DriveError>;

    /// Tells one insertion from the next, though the media look alike; `None` where nothing counts
    /// them.
    fn insertion(&self) -> Option<u64>;

    /// A machine changes the media: nobody is asked for one, and [`Slot::await_medium`] brings it.
    fn is_served(&self) -> bool {
        false
    }

    /// Hands the medium out; an empty drive opens its tray.
    fn eject(&mut self) -> Result<(), DriveError>;

    /// The medium is done with. A machine puts it on that pile, and its number in the stack is
    /// returned; a person sees what it is by what is said of it. An empty drive has nothing to put
    /// away.
    fn put_away(&mut self, _pile: Pile) -> Result<Option<u64>, DriveError> {
        self.eject().map(|()| None)
    }

    /// Waits until a medium is inserted; `false` if the time is over before, or a machine has no
    /// more.
    fn await_medium(&mut self, deadline: &Deadline, stop: &Stop) -> Result<bool, DriveError>;

    /// The medium that is in the drive now, and no other, may be overwritten.
    fn sacrifice(&mut self) -> Result<(), DriveError>;
}
