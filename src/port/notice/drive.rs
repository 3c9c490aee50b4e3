//! Facts about a drive and what is in it.

use crate::port::cause::Cause;
use serde::Serialize;

/// Facts about a drive and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DriveNotice {
    /// Another program has it, and is waited for.
    WaitingForDrive { why: Cause },
    /// Another program has it now; nobody waits yet.
    DriveInUse { why: Cause },
    /// A disc that is done with cannot be ejected, for another program has the drive.
    DiscLeftInDrive { why: Cause },
    /// A disc that is of no use here is ejected.
    Ejecting { why: Cause },
    /// A loader has put a disc there. `number`: in the order in which the discs of this run were
    /// taken, from 1.
    OnRejectPile { number: u64 },
    /// The disc that was asked for was not inserted.
    NotInserted { why: Cause },
    /// The disc may be another copy than the one that is due; it is ejected.
    PerhapsOtherCopy { drive: String },
    /// The drive can be used no more; others do its work.
    GoesOnWithout { drive: String, why: Cause },
    /// Too many burns in a row failed in it; others do its work.
    BurnsKeepFailing { drive: String },
}
