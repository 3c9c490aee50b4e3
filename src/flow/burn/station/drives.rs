//! What burns, and what reads back.

use crate::drive::Drive;
use crate::flow::burn::dispatcher::{DriveSpec, Roles};
use crate::flow::library::insertion::{Came, is_served};

/// What burns, and what reads back, if that is another drive.
pub struct Drives {
    pub burner: Box<dyn Drive>,
    pub reader: Option<Box<dyn Drive>>,
    /// What `burner` is used for beside other drives.
    pub roles: Roles,
    /// How the medium in the burner came there, as far as somebody above saw it.
    pub came: Came,
}

impl Drives {
    pub fn new(mut burner: Box<dyn Drive>, reader: Option<Box<dyn Drive>>) -> Drives {
        let came = Came::before(&mut *burner);
        Drives { burner, reader, roles: Roles::BOTH, came }
    }

    /// A drive among several.
    pub fn with_roles(drive: Box<dyn Drive>, roles: Roles) -> Drives {
        Drives { roles, ..Drives::new(drive, None) }
    }

    pub(in crate::flow) fn spec(&mut self) -> DriveSpec {
        DriveSpec { roles: self.roles, has_hands: self.have_hands() }
    }

    #[cfg(test)]
    pub fn one(burner: Box<dyn Drive>) -> Drives {
        Drives::new(burner, None)
    }

    /// What comes next came before anybody asked for it.
    pub fn forget_how_it_came(&mut self) {
        self.came = Came::before(&mut *self.burner);
    }

    /// Whether a machine changes the media of the burner.
    pub fn are_served(&mut self) -> bool {
        is_served(&mut *self.burner)
    }

    /// Whether people change the media.
    pub(super) fn have_people(&mut self) -> bool {
        self.have_hands() && !self.are_served()
    }

    /// Whether media are changed, by people or a machine.
    pub fn have_hands(&mut self) -> bool {
        self.burner.slot().is_some()
    }

    /// The drive that discs are read back in.
    pub(super) fn reader(&mut self) -> &mut dyn Drive {
        match &mut self.reader {
            Some(reader) => &mut **reader,
            None => &mut *self.burner,
        }
    }
}
