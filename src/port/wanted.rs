//! The medium that a drive needs, as values: a changer reads no English. `ui::words` makes the
//! sentence for people.

use serde::Serialize;

use super::clock::Moment;
use crate::model::{CopyPlaces, DiscNo, Sectors, SetName};

/// A medium is to be inserted. Nobody answers: the drive sees it being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InsertRequest {
    /// `/dev/sr0 (HL-DT-ST BD-RE WH16NS60)`.
    pub drive: String,
    pub wanted: WantedMedium,
}

/// The medium that a drive needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WantedMedium {
    Disc(WantedDisc),
    /// Any of these, none of them twice; the first is the most urgent.
    AnyOf {
        discs: Vec<WantedDisc>,
    },
    /// Not a certain disc. `set`: of which set, if that is known.
    AnyDisc {
        set: Option<SetName>,
        which: DiscChoice,
    },
    Blank(WantedBlank),
    /// A disc that was burned and not read back, or a blank of at least `sectors` to burn it again.
    DiscOrBlank {
        disc: WantedDisc,
        sectors: Sectors,
    },
}

/// A certain disc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantedDisc {
    pub set: SetName,
    pub disc: DiscNo,
    /// `None`: any copy does.
    pub copy: Option<u32>,
    /// Where copies are kept, as far as that is known.
    pub kept: CopyPlaces,
    /// When it was burned, if it was not verified since.
    pub burned: Option<BurnDate>,
    /// `None`: to be read, for what the command does.
    pub purpose: Option<Purpose>,
}

/// A blank for a certain disc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantedBlank {
    pub set: SetName,
    pub disc: DiscNo,
    /// What it must hold at least.
    pub sectors: Sectors,
    /// Which copy is to be burned, where there are several.
    pub copy: Option<u32>,
    /// How many there shall be; `None` if that does not include this one.
    pub copies: Option<u32>,
}

/// When an unverified disc was burned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BurnDate {
    /// By this run.
    JustNow,
    On(Moment),
}

/// What a disc is inserted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Copy,
    Drill,
    Migrate,
}

/// Which disc of a set will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscChoice {
    Any,
    /// One that was not read yet.
    Next,
    /// The one with the highest number that there is.
    Newest,
    /// The same; this one again if there is none with a higher number.
    NewerThan(DiscNo),
    /// Whichever the person wants verified.
    ToVerify,
    /// The same, while nothing is there to burn.
    ToVerifyWhileIdle,
    /// Whichever the person wants drilled.
    ToDrill,
}

impl WantedDisc {
    pub fn new(set: &SetName, disc: DiscNo) -> WantedDisc {
        let kept = CopyPlaces::default();
        WantedDisc { set: set.clone(), disc, copy: None, kept, burned: None, purpose: None }
    }

    pub fn copy(self, copy: Option<u32>) -> WantedDisc {
        WantedDisc { copy, ..self }
    }

    pub fn kept(self, kept: CopyPlaces) -> WantedDisc {
        WantedDisc { kept, ..self }
    }

    pub fn burned(self, date: BurnDate) -> WantedDisc {
        WantedDisc { burned: Some(date), ..self }
    }

    pub fn to(self, purpose: Purpose) -> WantedDisc {
        WantedDisc { purpose: Some(purpose), ..self }
    }
}

impl From<WantedDisc> for WantedMedium {
    fn from(disc: WantedDisc) -> WantedMedium {
        WantedMedium::Disc(disc)
    }
}

impl WantedMedium {
    pub fn any(set: Option<&SetName>, which: DiscChoice) -> WantedMedium {
        WantedMedium::AnyDisc { set: set.cloned(), which }
    }

    /// The disc that is wanted, or the first of several.
    pub fn first_disc(&self) -> Option<&WantedDisc> {
        match self {
            WantedMedium::Disc(disc) | WantedMedium::DiscOrBlank { disc, .. } => Some(disc),
            WantedMedium::AnyOf { discs } => discs.first(),
            WantedMedium::AnyDisc { .. } | WantedMedium::Blank(_) => None,
        }
    }
}
