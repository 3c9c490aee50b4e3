//! Whether the programs that a run will need are there: whoever hears of it behind hours of packing
//! has packed for nothing.

use std::path::Path;

use crate::catalog::{KnownSet, SetFacts};
use crate::drill::check_tools;
use crate::drive::{Engine, check_burning_programs};
use crate::flow::backup::guards::open;
use crate::flow::base::protection::needs_par2;
use crate::flow::{Context, FlowError};
use crate::model::SetName;
use crate::model::disc::{Compression, Encryption};

/// What discs are put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burner {
    Shelf,
    Drive(Engine),
}

/// What a run will do with other programs.
pub struct ProgramGuard<'a> {
    pub catalog: &'a Path,
    /// The set, as far as it was named.
    pub name: Option<&'a SetName>,
    /// `None`: discs are only staged.
    pub burner: Option<Burner>,
    /// Discs are packed and tried with standard tools.
    pub drill: bool,
    /// What a new set is like, and how the run compresses if it was told; `None`: the run makes no
    /// set.
    pub new_set: Option<(Encryption, Option<Compression>)>,
}

impl ProgramGuard<'_> {
    pub fn check(&self, context: Context) -> Result<(), FlowError> {
        let facts = self.known_set()?;
        if let Some(burner) = self.burner {
            let engine = match burner {
                Burner::Shelf => None,
                Burner::Drive(engine) => Some(engine),
            };
            check_burning_programs(engine)?;
            // The recovery discs of a group that becomes full are made beside the burns.
            let makes = facts.as_ref().is_some_and(|facts| facts.parity_discs.is_some());
            needs_par2(makes, context)?;
        }
        let known = facts.map(|facts| (facts.encryption, facts.compression));
        let Some((encryption, compression)) = self.of_discs(known).filter(|_| self.drill) else {
            return Ok(());
        };
        check_tools(encryption, compression).map_err(FlowError::NoDrillTool)
    }

    /// What the run's discs are like, if the set is known or the run makes one.
    fn of_discs(
        &self,
        known: Option<(Encryption, Compression)>,
    ) -> Option<(Encryption, Compression)> {
        let Some((encryption, told)) = self.new_set else { return known };
        let encryption = known.map_or(encryption, |(encryption, _)| encryption);
        let compression = told.or(known.map(|(_, compression)| compression));
        Some((encryption, compression.unwrap_or(Compression::Bzip2)))
    }

    /// Where there is doubt which set is meant, the command itself says so.
    fn known_set(&self) -> Result<Option<SetFacts>, FlowError> {
        let sets = open(self.catalog)?.map(|catalog| catalog.sets()).transpose()?;
        let sets: Vec<KnownSet> = sets.unwrap_or_default();
        let found = match self.name {
            Some(name) => sets.into_iter().find(|set| set.facts.name == *name),
            None if sets.len() == 1 => sets.into_iter().next(),
            None => None,
        };
        Ok(found.map(|set| set.facts))
    }
}
