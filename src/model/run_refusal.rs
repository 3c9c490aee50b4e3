//! Why a run stops before it stores anything: too much of the source is gone.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::json_path::put_path;
use super::{Bytes, RelPath};

/// What happened to the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is in the source any more.
    Empty,
    /// This directory was a mount point and is an empty directory now.
    Unmounted(RelPath),
    /// Too much of it is gone.
    Shrunk,
}

impl Reason {
    /// As catalogs and `--json` have it.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Empty => "empty",
            Reason::Unmounted(_) => "unmounted",
            Reason::Shrunk => "shrunk",
        }
    }
}

/// A run that stops because of what is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunRefusal {
    #[serde(flatten)]
    pub reason: Reason,
    /// Files of the former state that are not there any more, and their bytes.
    pub files: u64,
    pub bytes: Bytes,
    /// The whole former state.
    pub of_files: u64,
    pub of_bytes: Bytes,
}

/// `reason`, and `mount_point`, relative to the source, where it is about one.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("reason", self.word())?;
        if let Reason::Unmounted(dir) = self {
            put_path(&mut map, "mount_point", dir.as_path())?;
        }
        map.end()
    }
}
