//! How large a set's next discs are planned.

use crate::catalog::{Catalog, KnownSet};
use crate::model::Sectors;
use crate::model::size::NAMED_SIZES;

use crate::flow::FlowError;

/// What a run knows of the media to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscSize {
    /// What a person said, here or in the configuration.
    pub typed: Option<Sectors>,
    /// Of the blank that lies ready in the drive.
    pub blank: Option<Sectors>,
}

impl DiscSize {
    #[cfg(test)]
    pub fn typed(size: Sectors) -> DiscSize {
        DiscSize { typed: Some(size), blank: None }
    }

    /// What was said, else what lies ready, else what the set remembers, else the size of its newest
    /// disc; bd25 is what most people buy.
    pub(in crate::flow) fn of(
        self,
        set: Option<(&Catalog, &KnownSet)>,
    ) -> Result<Sectors, FlowError> {
        if let Some(size) = self.typed.or(self.blank) {
            return Ok(size);
        }
        let known = set.map(|(catalog, set)| of_set(catalog, set)).transpose()?.flatten();
        Ok(known.unwrap_or(NAMED_SIZES[0].1))
    }
}

/// What the set remembers, else the size of its newest closed disc.
pub(in crate::flow) fn of_set(
    catalog: &Catalog,
    set: &KnownSet,
) -> Result<Option<Sectors>, FlowError> {
    match set.disc_size {
        None => Ok(catalog.last_disc_size(set.id)?),
        known => Ok(known),
    }
}
