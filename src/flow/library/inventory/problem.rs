//! What there is to say of things that look like discs, and are of no use as such, or of little.

use std::path::Path;

use crate::drive::DriveError;
use crate::port::cause::Cause;
pub use crate::port::notice::ProblemKind;
use crate::port::notice::{DiscNotice, Notice};

/// What there is to say of something that looks like a disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is of no use as one.
    Unusable { kind: ProblemKind, why: Cause },
    /// It is used all the same, and whoever reads all of it will find what is wrong.
    Remark(DiscNotice),
}

impl Problem {
    /// A coldcut disc, or what is left of one.
    pub fn damage(why: impl Into<Cause>) -> Problem {
        Problem::Unusable { kind: ProblemKind::Damage, why: why.into() }
    }

    /// It can be read, and does not count.
    pub fn refused(why: impl Into<Cause>) -> Problem {
        Problem::Unusable { kind: ProblemKind::Refused, why: why.into() }
    }

    /// Why it is of no use, if it is of none.
    pub fn why(&self) -> Option<&Cause> {
        match self {
            Problem::Unusable { why, .. } => Some(why),
            Problem::Remark(_) => None,
        }
    }

    /// For what reason it is of no use, if it is of none.
    pub fn kind(&self) -> Option<ProblemKind> {
        match self {
            Problem::Unusable { kind, .. } => Some(*kind),
            Problem::Remark(_) => None,
        }
    }

    /// A disc that should be here is missed because of it: it is damaged, or refused.
    pub fn is_missed(&self) -> bool {
        matches!(self.kind(), Some(ProblemKind::Damage | ProblemKind::Refused))
    }

    pub fn notice(&self) -> Notice {
        match self.clone() {
            Problem::Unusable { kind: problem, why } => {
                DiscNotice::DiscUnusable { problem, why }.into()
            }
            Problem::Remark(notice) => notice.into(),
        }
    }

    /// What a drive could not make a disc of; `is_ours`: by its name it was one.
    pub fn of_drive(error: DriveError, is_ours: impl Fn(&Path) -> bool) -> Problem {
        match &error {
            DriveError::Foreign(path) | DriveError::NotAnImage(path) if !is_ours(path) => {
                Problem::Unusable { kind: ProblemKind::Foreign, why: Cause::of(error) }
            }
            // What is left of it is used, and what is missing will be missed.
            DriveError::CutShort { .. } => {
                Problem::Remark(DiscNotice::ImageTruncated { why: Cause::of(error) })
            }
            _ => Problem::damage(Cause::of(error)),
        }
    }
}
