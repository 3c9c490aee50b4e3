//! What a backup is asked to do, and what became of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::{Catalog, KnownSet};
use crate::codec::bzip2_frames::{Bzip2Coder, Bzip2Frames};
use crate::codec::openpgp::{Sealer, Signer};
use crate::model::disc::{Compression, Description, Ratio};
use crate::model::{Bytes, DiscNo, SetName, SnapshotSeq};
use crate::scan::filter::FilterOptions;

use crate::flow::backup::writer::DiscWriter;
use crate::flow::base::keys::KeyRing;
use crate::flow::staging::area::Staging;
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::staging::holding::HoldPolicy;
use crate::flow::{Context, FlowError};

/// What a backup is asked to do.
pub struct BackupRequest<'a> {
    /// Absolute, without symbolic links.
    pub source: PathBuf,
    pub name: SetName,
    pub catalog: PathBuf,
    pub staging: PathBuf,
    /// Where discs go, if that is a directory.
    pub shelves: Vec<PathBuf>,
    pub disc_size: DiscSize,
    pub archive_size: Bytes,
    pub compression: Option<Compression>,
    pub bzip2: Bzip2Coder,
    /// Percent of recovery data; without it, as at the last run.
    pub parity: Option<u8>,
    /// Recovery discs for groups of discs; without it, as at the last run.
    pub parity_discs: Option<Option<Ratio>>,
    pub keys: KeyRing<'a>,
    /// Signs the discs' SHA256SUMS.
    pub signer: Option<Signer>,
    /// Stock tools are tried on a sample of each disc.
    pub drill: bool,
    pub filter: FilterOptions,
    pub rehash: bool,
    pub move_source: bool,
    /// Much of the source may be gone.
    pub allow_shrink: bool,
    /// Percent of the files, or of their bytes, that may be gone without a question.
    pub max_shrink: u8,
    /// What becomes of a last disc that is not full.
    pub hold: HoldPolicy,
    pub flush: bool,
    /// Each disc shall have so many verified copies; without it as many as before.
    pub copies: Option<u32>,
    /// To be remembered.
    pub hint: Option<String>,
    /// In clear on the discs, and remembered; an empty text is taken back.
    pub description: Description,
    pub hint_in_clear: Option<bool>,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct BackupReport {
    pub snapshot: Option<SnapshotSeq>,
    pub stored_files: u64,
    pub stored_bytes: u64,
    pub reused: u64,
    pub rows: u64,
    pub removed: u64,
    pub unchanged: u64,
    pub excluded: BTreeMap<String, u64>,
    pub hollow: BTreeMap<String, u64>,
    pub failed: u64,
    /// Read while they changed, or suspected of rot: stored, and worth a look.
    pub suspicious: u64,
    /// bzip2 frames that the crate had to make in place of our encoder.
    pub recoded_frames: u64,
    /// Discs that this run finished, with the sizes of their images.
    pub discs: Vec<(DiscNo, Bytes)>,
    pub waiting_files: u64,
    pub waiting_bytes: Bytes,
    pub rows_waiting: u64,
    /// A part-filled disc waits for more.
    pub held: Option<DiscNo>,
    pub first_encrypted: bool,
}

impl BackupReport {
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.suspicious == 0
    }
}

/// What writes the run's discs.
pub(in crate::flow) fn writer<'a>(
    request: &'a BackupRequest,
    catalog: &Catalog,
    staging: &'a Staging,
    set: &'a KnownSet,
    sealer: Option<Sealer>,
    context: Context<'a>,
) -> Result<DiscWriter<'a>, FlowError> {
    let capacity = request.disc_size.of(Some((catalog, set)))?;
    let (signer, drill) = (request.signer.as_ref(), request.drill);
    let bzip2 = Arc::new(Bzip2Frames::new(request.bzip2));
    Ok(DiscWriter { staging, set, sealer, signer, drill, bzip2, capacity, context })
}
