//! Recovery data (format 10): PAR2 files that repair what a disc has lost. How much there
//! is and how large it becomes is reckoned here; the program `par2` makes it and repairs with it;
//! whether a repair is possible is told from the packets, without the program.

pub mod field;
pub mod geometry;
pub mod group;
pub mod packets;
pub mod program;
pub mod striping;

/// Where recovery data is on a disc.
pub const DIRECTORY: &str = "parity";
/// The file that describes the set and has no recovery blocks.
pub const MAIN: &str = "parity/disc.par2";

/// Whether recovery data covers this file: all but itself and the checksums, which have the sums
/// of the recovery data in them.
pub fn covers(path: &str) -> bool {
    !is_recovery_data(path) && !path.starts_with("SHA256SUMS")
}

/// Whether this file is recovery data itself.
pub fn is_recovery_data(path: &str) -> bool {
    path.split_once('/').is_some_and(|(dir, _)| dir == DIRECTORY)
}
