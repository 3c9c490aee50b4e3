//! What a rebuilding is asked to do.

use std::path::PathBuf;

use crate::flow::base::keys::KeyRing;
use crate::flow::library::inventory::Trust;
use crate::model::SetName;

/// What a rebuilding is asked to do.
pub struct RebuildRequest<'a> {
    pub from: Vec<PathBuf>,
    pub catalog: PathBuf,
    pub staging: PathBuf,
    /// Only this set.
    pub name: Option<SetName>,
    pub keys: KeyRing<'a>,
    /// Sets that a sound catalog knows are rebuilt, too.
    pub replace: bool,
    /// A directory for what is unpacked from discs.
    pub scratch: PathBuf,
    /// Which discs count.
    pub trust: Trust,
}
