//! Facts about the rescue of a failing disc.

use std::path::PathBuf;

use serde::Serialize;

use super::paths;
use crate::model::{Bytes, Sectors};
use crate::port::cause::Cause;

/// Facts about the rescue of a failing disc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RescueNotice {
    /// So much of the disc is in the image now; so much cannot be read from this medium.
    Rescued { medium: String, rescued: Bytes, size: Bytes, unreadable_sectors: Sectors },
    /// Its file system is lost, it seems.
    ImageUnreadable { why: Cause },
    /// Nothing can be made of an image without a file system.
    NoFilesFound { why: Cause },
    /// The image's file system is lost; its repaired files are in this directory.
    RepairedFilesIn {
        #[serde(flatten, serialize_with = "paths::dir")]
        dir: PathBuf,
    },
    /// So much of the image was repaired.
    ImageRepaired { size: Bytes },
}
