//! What the service asks of the catalog. Each question opens it anew, only to read, and closes it.

use crate::ui::json::discs::DiscObject;
use crate::ui::json::sets::SetObject;
use crate::ui::json::snapshots::{PathObject, SnapshotObject};
use crate::ui::json::status::SetStatusObject;

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

pub trait CatalogView: Send + Sync {
    /// All sets; none if there is no catalog yet.
    fn sets(&self) -> Result<Vec<SetObject>, ViewError>;

    /// How safe each set is.
    fn status(&self) -> Result<Vec<SetStatusObject>, ViewError>;

    /// Of a set, or of all.
    fn discs(&self, set: Option<&str>) -> Result<Vec<DiscObject>, ViewError>;

    /// Of a set, or of all, the oldest first.
    fn snapshots(&self, set: Option<&str>) -> Result<Vec<SnapshotObject>, ViewError>;

    /// What is in a directory of a snapshot; no set: the only one; no snapshot: the newest.
    fn list(
        &self,
        set: Option<&str>,
        path: &str,
        snapshot: Option<u32>,
    ) -> Result<Vec<PathObject>, ViewError>;
}
