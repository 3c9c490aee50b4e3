//! What a drill is asked to do, and what became of it.

use std::path::PathBuf;

use crate::drill::Drilled;
use crate::flow::base::keys::KeyRing;
use crate::flow::library::inventory::Trust;
use crate::model::Against;
use crate::model::{DiscNo, SetName};

/// What a drill is asked to do.
pub struct DrillRequest<'a> {
    pub catalog: PathBuf,
    pub staging: PathBuf,
    /// Discs that lie somewhere; `None`: those that are staged.
    pub from: Option<PathBuf>,
    pub name: Option<SetName>,
    /// None: all that are there.
    pub discs: Vec<DiscNo>,
    pub all: bool,
    pub keys: KeyRing<'a>,
    /// Which discs count, of those that lie somewhere.
    pub trust: Trust,
}

/// One disc, drilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrilledDisc {
    pub set: SetName,
    pub number: DiscNo,
    pub seen: Drilled,
    /// What its files were compared with before anything was done with them.
    pub against: Against,
    /// Which restore.sh was run; `None`: a sample was taken, or the files are not what they must be.
    pub script: Option<RestoreScript>,
}

/// Whose restore.sh it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreScript {
    /// The disc's own, which is the one that was packed.
    OfDisc,
    /// This program's, for discs of that format. The disc's own may be another one: that of another
    /// release, or somebody's.
    OfProgram { differs: bool },
}

/// What became of a drill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrillReport {
    pub discs: Vec<DrilledDisc>,
    /// Discs and files that do not count, for whoever made them.
    pub refused: u64,
}

impl DrillReport {
    pub fn is_sound(&self) -> bool {
        self.refused == 0 && self.discs.iter().all(|disc| disc.seen.faults.is_empty())
    }
}
