//! Where the copies of a disc are kept.

use std::fmt;

use serde::Serialize;

/// A copy, and where it is kept: the place that a person named, else its shelf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyPlace {
    pub copy: u32,
    pub place: String,
}

/// Where the copies of a disc are kept, as far as anybody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CopyPlaces(pub Vec<CopyPlace>);

impl CopyPlaces {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `, kept in shelf B`, to be added to the name of the disc; nothing if nobody knows where.
    pub fn clause(&self) -> String {
        if self.is_empty() { String::new() } else { format!(", {self}") }
    }
}

/// `kept in shelf B`; where copies are apart, `kept in shelf B (copy 1) or office (copy 2)`.
impl fmt::Display for CopyPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(CopyPlace { place: first, .. }) = self.0.first() else { return Ok(()) };
        if self.0.iter().all(|one| one.place == *first) {
            return write!(f, "kept in {first}");
        }
        let one = |one: &CopyPlace| format!("{} (copy {})", one.place, one.copy);
        let all: Vec<String> = self.0.iter().map(one).collect();
        write!(f, "kept in {}", all.join(" or "))
    }
}
