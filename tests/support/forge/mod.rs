//! Discs as somebody makes them who means harm: an owner with a set, a stranger who knows of it what
//! is on its discs in clear, and each forgery as one function.

pub mod forgeries;
pub mod listings;
pub mod owner;

pub use owner::{How, Owner};

/// What a version of the format on disc looks like from outside, as far as forgeries need to know.
pub struct Version {
    /// `format=` of DISC.txt.
    pub number: u32,
    /// Options that make `coldcut backup` write it.
    pub backup: &'static [&'static str],
    pub index: Columns,
    pub snapshot: Columns,
}

/// Where fields are in the rows of a listing, counted from 0.
pub struct Columns {
    pub kind: usize,
    pub path: usize,
    pub member: usize,
    pub size: usize,
    pub sha256: usize,
    pub place: usize,
    pub mode: usize,
    pub link: usize,
    pub device: usize,
    pub xattrs: usize,
    /// All that are numbers, or have numbers in them.
    pub numbers: &'static [usize],
}

/// Every version that discs may have. The last is the one that the program writes.
pub const VERSIONS: [Version; 1] = [Version {
    number: 2,
    backup: &[],
    index: Columns {
        kind: 1,
        path: 2,
        member: 3,
        size: 4,
        sha256: 5,
        place: 6,
        mode: 15,
        link: 21,
        device: 22,
        xattrs: 23,
        numbers: &[0, 4, 6, 7, 8, 9, 10, 12, 13, 16, 17],
    },
    snapshot: Columns {
        kind: 0,
        path: 1,
        member: 5,
        size: 2,
        sha256: 3,
        place: 4,
        mode: 6,
        link: 12,
        device: 13,
        xattrs: 14,
        numbers: &[2, 4, 7, 8, 16],
    },
}];
