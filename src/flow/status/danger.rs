//! What is not safe, what nobody knows, and what waits because it may: facts, which `ui` puts into
//! words.

use crate::catalog::{CopyNo, FileTally};
use crate::model::{DiscNo, RelPath};
use crate::port::clock::Moment;

/// Something of a set, or of some of its files, that is not safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Danger {
    Backup(BackupDanger),
    Copies(CopyDanger),
    /// One of the files that were asked about, and why.
    PathUnreadable {
        path: RelPath,
        why: String,
    },
    /// So many of the files that were asked about.
    FilesNotSafe(u64),
    StagingLost(DiscNo),
    NotOnDisc(FileTally),
    NotOnVerifiedDisc(FileTally),
}

/// What is wrong with the newest backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupDanger {
    /// It was stopped before it stored anything, and why.
    Stopped(String),
    /// There is none.
    Missing,
    /// It did not come to its end, or is still running.
    Unfinished,
    /// So many paths could not be read.
    Unreadable(u64),
    /// So many paths stand as of an older date because of that.
    Stale(u64),
    /// It is of this date.
    Old(Moment),
}

/// What is wrong with the copies of discs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyDanger {
    /// `sources`: the discs that it can be rebuilt from, none if it cannot. `is_missing`: an image of
    /// it is gone from its shelf, and may have been moved.
    NoneGood {
        disc: DiscNo,
        is_missing: bool,
        sources: Vec<DiscNo>,
    },
    /// Of a recovery disc for these.
    NoneGoodOfRecovery {
        disc: DiscNo,
        covers: Vec<DiscNo>,
    },
    Few {
        wanted: u32,
        files: FileTally,
    },
    /// Discs that are not known to have been verified.
    NotReadBack(Vec<DiscNo>),
    /// Good copies that were not read for too long.
    CheckDue(Vec<CopyDate>),
}

/// Something that nobody knows; with it, whether all is safe is not known, either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Whether the newest backup could read everything.
    Readable,
    /// The newest backup is dated in the future.
    FutureBackup(Moment),
    /// Copies that are due, by a date in the future.
    FutureChecks(Vec<CopyDate>),
    /// Some of the paths that could not be read have no name here.
    NamelessFailures,
}

/// A copy, and when it was last verified; `None`: never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyDate {
    pub disc: DiscNo,
    pub copy: CopyNo,
    pub verified: Option<Moment>,
}

/// What is not safe and may be so for a while, as was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedWait {
    pub what: AwaitedMedium,
    pub files: FileTally,
    /// The oldest of them.
    pub since: Moment,
}

/// What files wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwaitedMedium {
    /// A disc: they are in the staging area.
    Disc,
    AnotherCopy,
}
