//! Facts about a drive and what is in it.

use serde::Serialize;

/// Facts about a drive and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DriveNotice {
    /// Another program has it, and is waited for.
    WaitingForDrive { why: String },
    /// Another program has it now; nobody waits yet.
    DriveInUse { why: String },
    /// A disc that is done with cannot be ejected, for another program has the drive.
    DiscLeftInDrive { why: String },
    /// A disc that is of no use here is ejected.
    Ejecting { why: String },
    /// The disc that was asked for was not inserted.
    NotInserted { why: String },
    /// The disc may be another copy than the one that is due; it is ejected.
    PerhapsOtherCopy { drive: String },
}
