//! How hard a medium was to read: what an ageing disc shows years before a byte is lost.

use std::time::Duration;

/// Of one reading of one medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Strain {
    /// Places that were read at last, after the drive had tried again and again.
    pub slow: u32,
    /// The slowest place took so long; zero if none was slow.
    pub slowest: Duration,
    /// Places that could not be read at all.
    pub unreadable: u32,
}
