//! A disc by what tells it from others of its number: when it was made, and its UUID.

use std::fmt;

use serde::Serialize;

use super::{DiscNo, DiscUuid};

/// A disc by what tells it from others of its number. `date`: as its DISC.txt has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatedDisc {
    pub disc: DiscNo,
    pub date: String,
    pub uuid: DiscUuid,
}

/// `disc 2 of 2026-11-22T23:05:33Z (7e57…)`.
impl fmt::Display for DatedDisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disc {} of {} ({})", self.disc, self.date, self.uuid)
    }
}
