//! Objects with a key `event`: what a run reports, and its end. Events of tasks are made where
//! progress is reported.

use serde::Serialize;

use crate::port::event::TaskId;

use super::care::{CheckSummary, DrillSummary, GiveUpSummary, RescueSummary, VerifySummary};
use super::discs::LocatedObject;
use super::drives::DriveObject;
use super::rebuild::RebuildSummary;
use super::restore::RestoreSummaryObject;
use super::sets::{ForgetSummary, RenameSummary};
use super::storing::{
    BackupSummaryObject, BurnSummary, BurnedObject, CopiedObject, FlushSummary, MigrateSummary,
    StackObject, WatchSummary,
};

/// An object whose key `event` is the name of its variant.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Burned(BurnedObject),
    Copied(CopiedObject),
    Drive(DriveObject),
    Error(ErrorObject),
    Located(LocatedObject),
    Progress(DiscProgressObject),
    Stack(StackObject),
    Summary(Summary),
}

/// How far a command is that goes through several discs.
#[derive(Clone, Debug, Serialize)]
pub struct DiscProgressObject {
    /// The command.
    pub phase: &'static str,
    pub task: TaskId,
    pub total: Option<u64>,
    pub done: u64,
    pub begun: u64,
    pub verified: u64,
    pub estimated: bool,
}

/// The last object of a run that failed.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorObject {
    /// The word of the exit code.
    pub kind: &'static str,
    /// The exit code.
    pub exit: u8,
    /// What people read on stderr.
    pub text: String,
}

/// The last object of a run that has a result; its key `command` is the command.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Summary {
    Backup(BackupSummaryObject),
    Burn(BurnSummary),
    #[serde(rename = "catalog rebuild")]
    CatalogRebuild(RebuildSummary),
    #[serde(rename = "catalog restore-last")]
    CatalogRestoreLast,
    Check(CheckSummary),
    Drill(DrillSummary),
    Flush(FlushSummary),
    Lost(GiveUpSummary),
    Migrate(MigrateSummary),
    Rescue(RescueSummary),
    Restore(RestoreSummaryObject),
    Retire(GiveUpSummary),
    #[serde(rename = "set forget")]
    SetForget(ForgetSummary),
    #[serde(rename = "set rename")]
    SetRename(RenameSummary),
    Verify(VerifySummary),
    Watch(WatchSummary),
}
