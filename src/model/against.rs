//! What a disc is compared with, and how much that proves.

use serde::{Serialize, Serializer};

/// What a disc was compared with, from what proves least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Against {
    /// Its own SHA256SUMS: it cannot tell that somebody changed both.
    OwnList,
    /// A catalog on one of the discs, and its own list for what that does not know: both are what
    /// anybody can make.
    DiscCatalog,
    /// Its own list, which somebody signed whose signatures count.
    Signature,
    /// Our own catalog.
    Catalog,
}

impl Against {
    /// For programs: a catalog that lies with the discs proves no more than their own lists.
    pub fn word(self) -> &'static str {
        match self {
            Against::Catalog => "catalog",
            Against::Signature => "signature",
            Against::DiscCatalog | Against::OwnList => "own-list",
        }
    }
}

impl Serialize for Against {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}
