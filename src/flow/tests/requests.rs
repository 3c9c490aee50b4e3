//! Requests of which a test says only what it is about.

use std::path::Path;

use crate::flow::backup::BackupRequest;
use crate::flow::backup::shrink::MAY_SHRINK;
use crate::flow::base::keys::KeyRing;
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::staging::holding::HoldPolicy;
use crate::model::{Bytes, SetName};
use crate::scan::filter::FilterOptions;

/// A backup of `source` in this directory, with the catalog and the staging area beside it.
pub fn backup_request<'a>(
    dir: &Path,
    name: &str,
    disc_size: DiscSize,
    keys: KeyRing<'a>,
) -> BackupRequest<'a> {
    BackupRequest {
        signer: None,
        drill: false,
        source: dir.join("source"),
        name: SetName::new(name).unwrap(),
        catalog: dir.join("catalog.sqlite"),
        staging: dir.join("staging"),
        shelves: Vec::new(),
        disc_size,
        archive_size: Bytes(1 << 20),
        compression: None,
        bzip2: Default::default(),
        parity: None,
        parity_discs: None,
        keys,
        filter: FilterOptions::default(),
        rehash: false,
        move_source: false,
        allow_shrink: false,
        max_shrink: MAY_SHRINK,
        hold: HoldPolicy::default(),
        copies: None,
        hint: None,
        description: Default::default(),
        hint_in_clear: None,
        flush: false,
    }
}
