//! What another coldcut works with, so that this one waits for it.

use std::fmt;
use std::path::PathBuf;

use crate::model::{DiscNo, SetName};

/// What another coldcut works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InUse {
    /// All of it: it is replaced, or its tables are brought up to date.
    Catalog(PathBuf),
    /// Its structure: it is scanned, packed or changed otherwise.
    Set(SetName),
    /// It is burned, or read back.
    Disc(SetName, DiscNo),
    /// At least one of the set's discs.
    Discs(SetName),
}

/// `the catalog "/c"`, `disc 3 of films`.
impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            InUse::Catalog(path) => write!(f, "the catalog {path:?}"),
            InUse::Set(set) => write!(f, "set {set}"),
            InUse::Disc(set, disc) => write!(f, "disc {disc} of {set}"),
            InUse::Discs(set) => write!(f, "discs of {set}"),
        }
    }
}
