//! What the discs tell that no catalog knew.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::catalog::PartsId;
use crate::format::members::part_id;
use crate::model::rows::IndexRow;
use crate::model::{Digest, SnapshotSeq};

/// What the discs tell that no catalog knew: rows by the run that stored them.
#[derive(Default)]
pub struct ArchiveContents {
    pub rows: BTreeMap<SnapshotSeq, Vec<IndexRow>>,
    /// Contents in parts whose last part was seen: how many there are, the size, the digest.
    pub ends: HashMap<PartsId, (u32, u64, Digest)>,
}

impl ArchiveContents {
    /// Contents that came in parts.
    pub fn parts(&self) -> HashSet<PartsId> {
        let rows = self.rows.values().flatten().filter(|row| row.span.part != 0);
        rows.filter_map(|row| part_id(&row.member).map(PartsId)).collect()
    }

    pub(super) fn take(&mut self, row: IndexRow) {
        if let (Some(id), Some(parts), Some(sha256)) =
            (part_id(&row.member), row.span.parts, row.file_sha256)
        {
            self.ends.insert(PartsId(id), (parts, row.span.file_size, sha256));
        }
        self.rows.entry(row.snapshot).or_default().push(row);
    }
}
