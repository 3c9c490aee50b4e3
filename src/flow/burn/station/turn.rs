//! A drive's turn with a disc: what it is to do, and what became of it.

use crate::catalog::CopyNo;
use crate::drive::Remedy;
use crate::flow::burn::dispatcher::TRIES;
use crate::flow::{BurnFailure, FlowError};
use crate::model::DiscNo;

/// What a drive is to do with a disc.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) enum Turn {
    /// Makes a copy. `look`: one may be in the drive already.
    Burn { look: bool },
    /// Reads this copy back, which another drive burned.
    ReadBack(CopyNo),
}

/// What became of that.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::flow) enum TurnEnd {
    /// There is a verified copy more.
    Good,
    /// It was burned and ejected, and another drive is to read it back.
    HandedOver(CopyNo),
    /// Another try may succeed. `is_blank_lost`: this one cost a blank.
    Failed { why: Failed, is_blank_lost: bool },
}

/// Why an attempt did not make a safe disc, though another may.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::flow) enum Failed {
    Burn(Option<Remedy>),
    ReadBack,
}

impl Failed {
    /// What is said when no further try is made.
    pub(in crate::flow) fn of(self, disc: DiscNo) -> FlowError {
        let tries = TRIES;
        let failure = match self {
            Failed::Burn(remedy) => BurnFailure::NotBurned { disc, tries, remedy },
            Failed::ReadBack => BurnFailure::ReadBackDamaged { disc, tries },
        };
        failure.into()
    }
}
