//! What the service asks of the catalog. Each question opens it anew, only to read, and closes it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::port::clock::Moment;

use crate::ui::json::discs::{CopyObject, DiscObject};
use crate::ui::json::sets::SetObject;
use crate::ui::json::snapshots::{PathObject, SnapshotObject};
use crate::ui::json::status::SetStatusObject;
use crate::ui::json::words::DiscStateWord;

#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is no such set, disc, snapshot or path.
    #[error("{0}")]
    NotThere(String),
    /// What was asked cannot be understood.
    #[error("{0}")]
    Unclear(String),
    #[error("{0}")]
    Failed(String),
}

impl ViewError {
    /// Of the answer.
    pub fn status(&self) -> u16 {
        match self {
            ViewError::NotThere(_) => 404,
            ViewError::Unclear(_) => 400,
            ViewError::Failed(_) => 500,
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    /// A part of a name, or a pattern as `coldcut find` takes it.
    pub words: String,
    /// `None`: in all sets.
    pub set: Option<String>,
    /// No more than so many.
    pub most: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub paths: Vec<FoundObject>,
    /// There may be more.
    pub has_more: bool,
}

/// A path as it was in some snapshots, and the discs that have its content.
#[derive(Clone, Debug, Serialize)]
pub struct FoundObject {
    pub set: String,
    #[serde(flatten)]
    pub path: PathObject,
    /// The first snapshot and the last one.
    pub first: u32,
    pub last: u32,
    pub on: Vec<FoundDiscObject>,
}

/// A disc that has content of a path.
#[derive(Clone, Debug, Serialize)]
pub struct FoundDiscObject {
    pub disc: u32,
    pub uuid: String,
    pub state: DiscStateWord,
    pub media: Vec<CopyObject>,
}

/// Files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub files: u64,
    pub bytes: u64,
}

/// A set in numbers.
#[derive(Clone, Debug, Default)]
pub struct SetNumbers {
    pub set: String,
    /// `None`: not known.
    pub is_safe: Option<bool>,
    pub copies_wanted: u32,
    /// The files of the newest snapshot.
    pub all: Tally,
    /// Those of them that are in as many verified copies as are wanted.
    pub safe: Tally,
    pub last_backup: Option<Moment>,
    pub oldest_check: Option<Moment>,
    /// How many there are in each state.
    pub discs: BTreeMap<String, u64>,
    pub copies: BTreeMap<String, u64>,
}

pub trait CatalogView: Send + Sync {
    /// All sets; none if there is no catalog yet.
    fn sets(&self) -> Result<Vec<SetObject>, ViewError>;

    /// Their names alone, which is quick.
    fn set_names(&self) -> Result<Vec<String>, ViewError>;

    /// How safe each set is.
    fn status(&self) -> Result<Vec<SetStatusObject>, ViewError>;

    /// All sets in numbers.
    fn numbers(&self) -> Result<Vec<SetNumbers>, ViewError>;

    /// Of a set, or of all.
    fn discs(&self, set: Option<&str>) -> Result<Vec<DiscObject>, ViewError>;

    /// Of a set, or of all, the oldest first.
    fn snapshots(&self, set: Option<&str>) -> Result<Vec<SnapshotObject>, ViewError>;

    /// What is in a directory of a snapshot; no set: the only one; no snapshot: the newest.
    fn list(
        &self,
        set: Option<&str>,
        path: &[u8],
        snapshot: Option<u32>,
    ) -> Result<Vec<PathObject>, ViewError>;

    /// Paths by their names, in all snapshots. `is_wanted`: whether whoever asked still waits; else it
    /// ends early.
    fn find(&self, search: &Search, is_wanted: &dyn Fn() -> bool) -> Result<Found, ViewError>;
}
