//! The set that a command is about.

use crate::catalog::KnownSet;
use crate::model::{DiscNo, SetName};

use crate::flow::{FlowError, SelectionError};

/// The set that a command is about: the named one, or the only one.
pub fn choose_set(sets: Vec<KnownSet>, name: Option<&SetName>) -> Result<KnownSet, FlowError> {
    let known = || sets.iter().map(|s| s.facts.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, sets.len()) {
        (_, 0) => Err(SelectionError::NoSets.into()),
        (Some(wanted), _) => {
            let known = known();
            let found = sets.into_iter().find(|set| set.facts.name == *wanted);
            found.ok_or_else(|| SelectionError::NoSuchSet { wanted: wanted.clone(), known }.into())
        }
        (None, 1) => sets.into_iter().next().ok_or_else(|| SelectionError::NoSets.into()),
        (None, _) => Err(SelectionError::SeveralSets { known: known() }.into()),
    }
}

/// The set has no disc of this number.
pub fn no_disc(set: &KnownSet, disc: DiscNo) -> FlowError {
    SelectionError::NoSuchDisc { set: set.facts.name.clone(), disc }.into()
}
