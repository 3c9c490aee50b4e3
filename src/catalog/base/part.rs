//! Parts of a catalog that one writer can hold while others write the rest.

use std::fmt;

use crate::catalog::base::ids::SetId;
use crate::model::DiscNo;

/// What can be held by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The structure of a set: its snapshots, rows, archives, and which discs there are.
    Set(SetId),
    /// One disc, from before it is burned until it is read back.
    Disc(SetId, DiscNo),
    /// All discs of a set, those too that are none yet.
    AllDiscs(SetId),
}

impl Part {
    /// Whether one of the two is in the way of the other.
    pub(in crate::catalog) fn meets(self, other: Part) -> bool {
        match (self, other) {
            (Part::AllDiscs(set), Part::Disc(of, _)) | (Part::Disc(of, _), Part::AllDiscs(set)) => {
                set == of
            }
            _ => self == other,
        }
    }

    pub(in crate::catalog) fn parse(word: &str) -> Option<Part> {
        let mut words = word.split(':');
        let kind = words.next()?;
        let set = SetId(words.next()?.parse().ok()?);
        match (kind, words.next()) {
            ("set", None) => Some(Part::Set(set)),
            ("discs", None) => Some(Part::AllDiscs(set)),
            ("disc", Some(disc)) => Some(Part::Disc(set, DiscNo(disc.parse().ok()?))),
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Part::Set(set) => write!(f, "set:{}", set.0),
            Part::Disc(set, disc) => write!(f, "disc:{}:{}", set.0, disc.0),
            Part::AllDiscs(set) => write!(f, "discs:{}", set.0),
        }
    }
}
