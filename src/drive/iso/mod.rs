//! The directory of an ISO 9660 volume: which files there are and where they lie (ECMA-119, 4th
//! edition), by the names that Rock Ridge gives them (SUSP and RRIP, IEEE P1281 and P1282, 1.12).
//! Joliet's tree is for Windows, and not read.
//!
//! Discs come from strangers. Nothing here is taken for granted: every length is compared with what
//! is there, each directory is read once, and records, bytes and depth are bounded. What is wrong
//! in one record, or one sector, costs no more than that, and is told.

mod descriptor;
mod listing;
mod record;
mod susp;
#[cfg(test)]
mod tests;
mod walk;

use crate::port::stop::Stop;

pub(super) use descriptor::{size_in, volume_id_in, volume_in};
pub(super) use listing::{IsoFault, Listing, MediumReader};

/// Lists the regular files of a volume. Links and devices are nothing that a coldcut disc has.
pub(super) fn list(read: &MediumReader, stop: &Stop) -> Result<Listing, IsoFault> {
    walk::IsoWalk::over(read, stop)?.run()
}
