//! Facts about shelves that are met again.

use std::path::PathBuf;

use serde::Serialize;

use super::paths;
use crate::model::{DiscNo, SetName};

/// Facts about shelves that are met again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ShelfNotice {
    /// `is_unproved`: it may be on another file system, and its copies count as not verified.
    ShelfMoved {
        #[serde(flatten, serialize_with = "paths::shelf_before")]
        shelf_before: PathBuf,
        #[serde(flatten, serialize_with = "paths::shelf")]
        shelf: PathBuf,
        is_unproved: bool,
    },
    /// Its discs are further copies.
    ShelfCopied {
        #[serde(flatten, serialize_with = "paths::shelf")]
        shelf: PathBuf,
        #[serde(flatten, serialize_with = "paths::original")]
        original: PathBuf,
    },
    /// Two copies were the same image, and are one from now on.
    CopiesMerged {
        set: SetName,
        disc: DiscNo,
        copies: [u32; 2],
        #[serde(flatten, serialize_with = "paths::shelf")]
        shelf: PathBuf,
    },
}
