//! Facts about drills.

use serde::Serialize;

use crate::model::DiscNo;

/// Facts about drills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DrillNotice {
    /// There are no files on it that could be tried.
    RecoveryDiscNotDrilled { disc: DiscNo },
    /// The set is encrypted, and no key is at hand.
    NotDrilledWithoutKey { disc: DiscNo },
    /// A tool is not installed.
    NotDrilledWithoutTool { disc: DiscNo, tool: String },
    NotTested {
        disc: DiscNo,
        #[serde(flatten)]
        what: Untested,
    },
    /// Not all files are those that were packed: no script is run.
    ScriptNotRun,
    /// The catalog does not know the discs, and not all are as coldcut writes them.
    OwnScriptNotRun,
    /// The disc's restore.sh is not the one that this version writes, and was not run.
    ScriptDiffers { disc: DiscNo },
}

/// What of a disc could not be tried, and why; no fault of the disc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "untested", rename_all = "kebab-case")]
pub enum Untested {
    /// Only the beginning of this INDEX was expanded, and the sample is from there.
    EndOfIndex {
        path: String,
    },
    /// The session key of this file was known only to the run that made it.
    SessionKey {
        path: String,
    },
    /// So many paths are longer than tar can create.
    LongPaths {
        paths: u64,
    },
    /// So many devices or FIFOs cannot be created here.
    Devices {
        paths: u64,
    },
    SimpleScript {
        limit: SimpleScriptLimit,
    },
}

/// Why the short script is not for these discs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimpleScriptLimit {
    /// Discs of format 1 do not have it.
    Format1,
    LongPaths,
    /// Only root can create devices.
    Devices,
    /// Not all of the snapshot is on these discs.
    NotAllDiscs,
    NoRoom,
}
