//! Facts about discs that are read to be verified.

use serde::Serialize;

use crate::model::{Against, CopyPlaces, DiscNo, Finding, SetName};
use crate::port::cause::Cause;

/// Facts about discs that are read to be verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum VerifyNotice {
    /// Our own catalog does not know the disc: it is compared with the newest one on these discs,
    /// and its own list.
    ComparedWithDiscCatalog { medium: String },
    /// Nothing but its own list knows the disc.
    ComparedWithOwnList { medium: String },
    /// A disc is damaged, and has recovery data.
    DiscDamaged {
        set: SetName,
        disc: DiscNo,
        #[serde(flatten)]
        outlook: Outlook,
    },
    /// All of it was read, some places slowly: how many; the slowest of them, and its time.
    SlowPlaces { medium: String, places: u32, file: String, sector: Option<u64>, seconds: u64 },
    /// It went away meanwhile.
    DiscNotReadCompletely { set: SetName, disc: DiscNo, why: Cause },
    /// The catalog knows it, and it is not at this place.
    DiscNotHere { set: SetName, disc: DiscNo, places: CopyPlaces },
    /// A copy that is to be read. `suspect`: what failed that is like it.
    CopyDue { set: SetName, disc: DiscNo, copy: u32, places: CopyPlaces, suspect: Option<String> },
    /// Not a whole copy can be read from this medium.
    CopyUnusable { medium: String, why: Cause },
    DiscChecked {
        set: SetName,
        disc: DiscNo,
        #[serde(flatten)]
        verdict: DiscVerdict,
    },
}

/// How a damaged disc stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outlook", rename_all = "kebab-case")]
pub enum Outlook {
    /// Nothing is lost but checksums and recovery data.
    Unhurt,
    /// So many of the blocks are lost, and there are recovery blocks for so many.
    Blocks { lost: u64, of: u64, recovery: u64 },
    /// What describes the recovery data is lost itself.
    Unknown,
}

impl Outlook {
    pub fn is_repairable(&self) -> bool {
        match self {
            Outlook::Unhurt => true,
            Outlook::Blocks { lost, recovery, .. } => lost <= recovery,
            Outlook::Unknown => false,
        }
    }
}

/// What reading a disc found, and what that is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DiscVerdict {
    pub finding: Finding,
    pub faults: u64,
    /// Its bytes agree, and it is not as coldcut writes it: that is what the faults are.
    pub is_incoherent: bool,
    pub against: Against,
    /// Whether the disc's recovery data suffices, if it has any and is damaged.
    pub repairable: Option<bool>,
    /// `None` where there are no encrypted files, or the catalog has their sums.
    pub encrypted_files: Option<OpenedFiles>,
}

/// How many encrypted files of a disc were opened, and how many by no key that is at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpenedFiles {
    pub opened: u64,
    pub locked: u64,
}
