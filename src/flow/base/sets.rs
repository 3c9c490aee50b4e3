//! The set that a command is about.

use crate::catalog::KnownSet;
use crate::model::{DiscNo, SetName};

use crate::flow::FlowError;

/// The set that a command is about: the named one, or the only one.
pub fn choose_set(sets: Vec<KnownSet>, name: Option<&SetName>) -> Result<KnownSet, FlowError> {
    let known = || sets.iter().map(|s| s.facts.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, sets.len()) {
        (_, 0) => Err(FlowError::NoSets),
        (Some(wanted), _) => {
            let known = known();
            let found = sets.into_iter().find(|set| set.facts.name == *wanted);
            found.ok_or(FlowError::NoSuchSet { wanted: wanted.clone(), known })
        }
        (None, 1) => sets.into_iter().next().ok_or(FlowError::NoSets),
        (None, _) => Err(FlowError::SeveralSets { known: known() }),
    }
}

/// The set has no disc of this number.
pub fn no_disc(set: &KnownSet, disc: DiscNo) -> FlowError {
    FlowError::NoSuchDisc { set: set.facts.name.clone(), disc }
}
