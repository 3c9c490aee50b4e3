//! Facts about discs in the staging area.

use std::path::PathBuf;

use serde::Serialize;

use super::paths;
use crate::model::{Bytes, DiscNo, SetName};
use crate::port::cause::Cause;
use crate::port::clock::Moment;

/// Facts about discs in the staging area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StagingNotice {
    /// A directory of the source has disc images, which are not stored.
    ImagesLeftOut {
        #[serde(flatten, serialize_with = "paths::dir")]
        dir: PathBuf,
    },
    /// It is not complete any more; the next backup packs its files. `set`: where the run is about
    /// several.
    StagedDiscLost { set: Option<SetName>, disc: DiscNo },
    /// The same, noticed by a backup, which packs its files.
    StagedDiscRepacked { disc: DiscNo },
    /// So many frames of it were compressed by the crate bzip2, because what our encoder had made of
    /// them was not right.
    FramesRecoded { disc: DiscNo, frames: u64 },
    /// An open disc that waited for more files since then is closed.
    HeldLongEnough { disc: DiscNo, since: Moment },
    /// A staged disc with room is filled before another one is begun.
    FillingUp { disc: DiscNo },
    /// It has room, and another disc is begun.
    NotFilledUp {
        disc: DiscNo,
        #[serde(flatten)]
        obstacle: FillObstacle,
    },
    /// There is no room to pack a disc while another one is burned; `need`: for that.
    OneDiscAtATime { need: Bytes },
    /// Several drives burn; with the one that is packed, so many discs are staged at most, and take
    /// this much.
    DiscsAtOnce { drives: usize, discs: usize, need: Bytes },
    /// The same, and `wanted` is what it would take for all drives.
    FewerAtOnce { drives: usize, discs: usize, wanted: Bytes },
    /// Packed; the drives are busy with the one before.
    DiscWaits { disc: DiscNo, before: DiscNo },
    /// Packing failed; the disc in the drives is finished first.
    PackingFailed { disc: DiscNo, why: Cause },
    /// A drive failed, or a disc; what the other drives burn is finished first.
    OthersEndFirst { why: Cause },
    /// That disc failed, too.
    LastDiscFailed { disc: DiscNo, why: Cause },
}

/// Why a staged disc is not filled up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "obstacle", rename_all = "kebab-case")]
pub enum FillObstacle {
    /// Its rows are not in the staging area, and only a secret key reads its INDEX.
    NoSecretKey,
    /// It is signed, and this run does not sign.
    NotSigning,
    /// It is signed by another key than this run's.
    OtherSigner,
    NoIndex,
    IndexChanged {
        path: String,
    },
    /// INDEX does not list all archives.
    IndexIncomplete,
    /// By another coldcut.
    BeingBurned,
    Unreadable {
        why: Cause,
    },
}
