//! Who a disc is: what DISC.txt, README.txt and the listings on it say, what drives tell discs apart
//! by, and what the catalog knows it as.

use std::fmt;

use super::{DiscNo, DiscUuid, SetName, SetUuid};

/// The identity of a disc; all copies bear the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscIdentity {
    /// The name that the set had when the disc was made.
    pub set: SetName,
    pub set_uuid: SetUuid,
    pub number: DiscNo,
    pub uuid: DiscUuid,
}

impl DiscIdentity {
    /// Whether both name one disc. A set is its UUID: its discs keep the name that it had when they
    /// were made.
    pub(crate) fn is_same_disc(&self, other: &DiscIdentity) -> bool {
        (self.set_uuid, self.number, self.uuid) == (other.set_uuid, other.number, other.uuid)
    }
}

/// `disc 2 of holidays`.
impl fmt::Display for DiscIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disc {} of {}", self.number, self.set)
    }
}
