//! One run over one set.

use crate::catalog::ClosedDiscInfo;

use crate::flow::backup::request::{BackupReport, BackupRequest};
use crate::flow::backup::writer::DiscWriter;

/// One run over one set.
pub(in crate::flow) struct BackupRun<'a> {
    pub request: &'a BackupRequest<'a>,
    pub writer: DiscWriter<'a>,
    pub report: BackupReport,
    /// The newest disc, if it waits in the staging area and has room.
    pub spare: Option<ClosedDiscInfo>,
}
