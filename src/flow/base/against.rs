//! What a disc is compared with, and how much that proves.

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
    /// Only the catalog's sums prove that the disc is the one that was written.
    pub fn agreement(self) -> &'static str {
        match self {
            Against::Catalog => "every byte matches the catalog",
            Against::Signature => {
                "every byte is as it was signed; the catalog does not know this disc"
            }
            Against::DiscCatalog => {
                "matches its own list and a catalog on these discs, which anyone could have made; \
                 the catalog does not know this disc"
            }
            Against::OwnList => {
                "matches its own list, which anyone could have made; the catalog does not know \
                 this disc"
            }
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Against::Catalog => "checked against the catalog",
            Against::Signature => "checked against its own list, which is signed",
            Against::DiscCatalog => "checked against a catalog on the discs",
            Against::OwnList => "checked against its own list only",
        }
    }
}
