//! The command line as typed. Nothing here looks at the world: what is wrong here is exit 2, and
//! `--help` works on a machine without a home.

mod common;
mod media;
mod service;
mod set;

pub use common::{Burning, Common, FrameCoding, KeyArgs, LoaderArgs, Signing};
pub use media::{
    CheckArgs, CopyArgs, GiveUpArgs, KeysheetArgs, LimitArgs, LocateArgs, MigrateArgs, StatusArgs,
};
pub use service::{AnswerArgs, FollowArgs, OpenArgs, ServeArgs};
pub use set::{SetArgs, SetWork};

use super::values;
use crate::model::disc::Compression;
use crate::model::{Bytes, DiscNo, DiscUuid, Sectors, SetName, SnapshotSeq};
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What was typed: one verb, and the options that every verb takes.
#[derive(Debug)]
pub struct Cli {
    pub common: Common,
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Back up a directory to discs
    Backup(BackupArgs),
    /// Burn the discs in the staging area
    Burn(BurnArgs),
    /// Restore files from discs
    Restore(RestoreArgs),
    /// Read discs and compare every byte with the checksums
    Verify(VerifyArgs),
    /// Test that standard tools alone can read discs: restore a sample
    Drill(DrillArgs),
    /// Read a failing disc into an image and repair it from recovery data
    Rescue(RescueArgs),
    /// Close a partly filled disc so that it can be burned
    Flush(FlushArgs),
    /// Watch drives: burn staged discs on blanks, verify coldcut discs
    Watch(WatchArgs),
    /// List optical drives and the discs in them
    Drives(DrivesArgs),
    /// List the snapshots of a set, oldest first
    Snapshots(SnapshotsArgs),
    /// List the discs of a set by number
    Discs(DiscsArgs),
    /// List a directory of a snapshot
    Ls(LsArgs),
    /// List the paths of a snapshot that match a pattern
    Find(FindArgs),
    /// Show whether the data is safe, and what to do if it is not
    Status(StatusArgs),
    /// Record where discs are kept
    Locate(LocateArgs),
    /// Record discs as lost; the next backup stores their files again
    Lost(GiveUpArgs),
    /// Like lost, but for good: a later read does not bring them back
    Retire(GiveUpArgs),
    /// Re-read the copies checked longest ago, and track how they age
    Check(CheckArgs),
    /// Make one more copy of discs
    Copy(CopyArgs),
    /// Move the contents of old discs to new ones, without the source
    Migrate(MigrateArgs),
    /// Print a recovery sheet: discs, where they are, how to restore
    Keysheet(KeysheetArgs),
    /// List, rename or forget sets
    Set(SetArgs),
    /// Rebuild the catalog from discs, or restore its last good copy
    Catalog(CatalogArgs),
    /// Stay resident: show what runs do, pass on answers to them
    Serve(ServeArgs),
    /// Print a link that opens the page of the service, once
    Open(OpenArgs),
    /// Show what runs report to the service, as it happens
    Follow(FollowArgs),
    /// Answer a question of a run
    Answer(AnswerArgs),
}

impl Verb {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Verb::Backup(_) => "backup",
            Verb::Burn(_) => "burn",
            Verb::Restore(_) => "restore",
            Verb::Verify(_) => "verify",
            Verb::Drill(_) => "drill",
            Verb::Rescue(_) => "rescue",
            Verb::Flush(_) => "flush",
            Verb::Watch(_) => "watch",
            Verb::Drives(_) => "drives",
            Verb::Snapshots(_) => "snapshots",
            Verb::Discs(_) => "discs",
            Verb::Ls(_) => "ls",
            Verb::Find(_) => "find",
            Verb::Status(_) => "status",
            Verb::Locate(_) => "locate",
            Verb::Lost(_) => "lost",
            Verb::Retire(_) => "retire",
            Verb::Check(_) => "check",
            Verb::Copy(_) => "copy",
            Verb::Migrate(_) => "migrate",
            Verb::Keysheet(_) => "keysheet",
            Verb::Set(_) => "set",
            Verb::Catalog(_) => "catalog",
            Verb::Serve(_) => "serve",
            Verb::Open(_) => "open",
            Verb::Follow(_) => "follow",
            Verb::Answer(_) => "answer",
        }
    }
}

#[derive(Args, Debug)]
pub struct BackupArgs {
    /// The directory to back up, or a set of the configuration files
    pub source: PathBuf,
    /// The drive (/dev/sr0) or shelf to write to, or several at once; a missing shelf is created
    pub dest: Vec<PathBuf>,
    /// Pack discs and leave them in the staging area (no DEST)
    #[arg(long)]
    pub stage: bool,
    /// Disc size: bd25, bd50, bd100, bd128, dvd, or any size from 2M; remembered for the set
    /// [default: that of the blank disc, or the set's, or bd25]
    #[arg(long, value_name = "SIZE", value_parser = values::disc_size)]
    pub disc_size: Option<Sectors>,
    /// Source data per archive, from 1K to 3900M
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = values::archive_size)]
    pub archive_size: Bytes,
    /// Compression of archives [default: the set's, initially bzip2]
    #[arg(long, value_name = "HOW", value_parser = values::compression())]
    pub compress: Option<Compression>,
    #[command(flatten)]
    pub frames: FrameCoding,
    /// Add recovery data for P percent of each disc [default: the set's, initially 0]
    #[arg(long, value_name = "P", value_parser = values::percent)]
    pub parity: Option<u8>,
    /// Make K recovery discs for every N discs, or `none` [default: the set's, initially none]
    #[arg(long, value_name = "K/N", value_parser = values::parity_discs)]
    pub parity_discs: Option<values::ParityDiscs>,
    /// Exclude paths that match GLOB (may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// Exclude paths that match a line of FILE (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// Exclude the contents of directories with a CACHEDIR.TAG
    #[arg(long)]
    pub exclude_caches: bool,
    /// Exclude the contents of directories that have a file of this name (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = values::file_name())]
    pub exclude_if_present: Vec<OsString>,
    /// Do not enter other file systems
    #[arg(long)]
    pub one_file_system: bool,
    /// Read every file, even if its size and times are unchanged
    #[arg(long)]
    pub rehash: bool,
    /// Change the set's source directory to SOURCE
    #[arg(long)]
    pub move_source: bool,
    /// Create a new set although its name or source is similar to another set's, or SOURCE is a shelf
    #[arg(long)]
    pub new_set: bool,
    /// Continue although the source is empty, lost a mount, or shrank by more than --max-shrink
    #[arg(long)]
    pub allow_shrink: bool,
    /// Stop if more than P percent of the files or bytes are gone; 100 means never [default: 50]
    #[arg(long, value_name = "P", value_parser = values::percent)]
    pub max_shrink: Option<u8>,
    /// Do not burn a last disc that is less than P percent full [default: 0]
    #[arg(long, value_name = "P", value_parser = values::percent)]
    pub min_fill: Option<u8>,
    /// Burn a disc that --min-fill holds back once its first archive is this old, such as 30d
    /// [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub max_hold: Option<Duration>,
    /// Burn N copies of each disc; it stays staged until all are verified [default: the set's,
    /// initially 1]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub copies: Option<u32>,
    /// Store TEXT as a hint to the passphrase (not the passphrase itself)
    #[arg(long, value_name = "TEXT")]
    pub hint: Option<String>,
    #[command(flatten)]
    pub said: Box<set::PublicTextArgs>,
    /// Make a disc even if only deletions, moves or metadata are new
    #[arg(long)]
    pub flush: bool,
    /// Do not test a sample of each disc with standard tools before burning it
    #[arg(long)]
    pub no_drill: bool,
    /// Show what would be done; change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub signing: Signing,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    behind: Common,
    /// The set's name was typed, not made from the directory's nor taken from the files.
    #[arg(skip)]
    pub is_name_typed: bool,
    /// All sets of the configuration files.
    #[arg(skip)]
    pub configured: Vec<SetName>,
}

#[derive(Args, Debug)]
#[command(override_usage = "coldcut burn [OPTIONS] [DISC]... <DEST>...")]
pub struct BurnArgs {
    /// The discs to burn, such as 3-5,7 [default: all staged], followed by the drives or
    /// shelves
    #[arg(value_name = "DISC|DEST")]
    pub(super) words: Vec<OsString>,
    #[arg(skip)]
    pub discs: Vec<DiscNo>,
    #[arg(skip)]
    pub dest: Vec<PathBuf>,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
#[command(override_usage = "coldcut restore [OPTIONS] [FROM]... <TARGET>")]
pub struct RestoreArgs {
    /// The drives (/dev/sr0) and shelves (directories of disc images), which are read at the same
    /// time, followed by the directory to restore into; it is created if it is missing
    #[arg(value_name = "FROM|TARGET", required = true)]
    pub(super) words: Vec<PathBuf>,
    #[arg(skip)]
    pub from: Vec<PathBuf>,
    #[arg(skip)]
    pub target: PathBuf,
    /// The snapshot to restore [default: the newest]
    #[arg(long, value_name = "ID", value_parser = values::snapshot)]
    pub snapshot: Option<SnapshotSeq>,
    /// If the discs hold two histories of the set, use that of the disc with this UUID
    #[arg(long, value_name = "UUID", value_parser = values::disc_uuid)]
    pub disc: Option<DiscUuid>,
    /// Restore only paths that match GLOB (may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<OsString>,
    /// What to do with files that already exist
    #[arg(long, value_name = "WHEN", value_enum, default_value = "never")]
    pub overwrite: Overwrite,
    /// Do not restore owners, nor set-id bits, capabilities and devices
    #[arg(long)]
    pub no_owner: bool,
    /// As root, restore set-id bits, capabilities and devices even if neither the catalog nor a
    /// signature confirms that the discs are yours
    #[arg(long, conflicts_with_all = ["no_trust_metadata", "no_owner"])]
    pub trust_metadata: bool,
    /// Do not restore set-id bits, capabilities and devices
    #[arg(long)]
    pub no_trust_metadata: bool,
    /// Show what would be done; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Use only discs whose SHA256SUMS is signed by this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Overwrite {
    /// Keep existing files
    Never,
    /// Replace files whose size or time differs
    Changed,
    /// Replace existing files
    Always,
}

#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The drive (/dev/sr0) or shelf (a directory of disc images)
    #[arg(value_name = "FROM")]
    pub(super) typed: Option<PathBuf>,
    #[arg(skip)]
    pub from: PathBuf,
    #[command(flatten)]
    pub loader: LoaderArgs,
    /// Use only discs whose SHA256SUMS is signed by this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
#[command(override_usage = "coldcut drill [OPTIONS] [DISC]... [FROM]")]
pub struct DrillArgs {
    /// The discs to test, such as 3-5,7 [default: all that are there], followed by the drive or
    /// shelf [default: the staging area]
    #[arg(value_name = "DISC|FROM")]
    pub(super) words: Vec<OsString>,
    #[arg(skip)]
    pub discs: Vec<DiscNo>,
    #[arg(skip)]
    pub from: Option<PathBuf>,
    /// Restore everything on them with the scripts on the discs
    #[arg(long)]
    pub all: bool,
    /// Use only discs at FROM whose SHA256SUMS is signed by this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct RescueArgs {
    /// The drives (/dev/sr0) or images to read, one after the other
    #[arg(required = true)]
    pub from: Vec<PathBuf>,
    /// The image to create or to continue
    #[arg(long, value_name = "IMAGE")]
    pub to: PathBuf,
    /// The ddrescue mapfile that records what was read [default: IMAGE.map]
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct FlushArgs {
    #[command(flatten)]
    pub frames: FrameCoding,
    /// Do not test a sample of each disc with standard tools
    #[arg(long)]
    pub no_drill: bool,
    #[command(flatten)]
    pub signing: Signing,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct WatchArgs {
    /// The drives to watch
    #[arg(value_name = "DRIVE")]
    pub drives: Vec<PathBuf>,
    /// Exit when nothing is left to burn
    #[arg(long)]
    pub until_done: bool,
    /// Verify only discs whose SHA256SUMS is signed by this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct DrivesArgs {
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct SnapshotsArgs {
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct DiscsArgs {
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct LsArgs {
    /// The directory to list, relative to the source [default: the source]
    pub path: Option<OsString>,
    /// The snapshot to look in [default: the newest]
    #[arg(long, value_name = "ID", value_parser = values::snapshot)]
    pub snapshot: Option<SnapshotSeq>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct FindArgs {
    /// A glob; without a slash it matches the file name only
    pub pattern: OsString,
    /// The snapshot to look in [default: the newest]
    #[arg(long, value_name = "ID", value_parser = values::snapshot)]
    pub snapshot: Option<SnapshotSeq>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct CatalogArgs {
    /// What to do with the catalog
    #[arg(value_name = "rebuild|restore-last", value_enum, hide_possible_values = true)]
    pub what: CatalogWork,
    /// For `rebuild`: drives, shelves, images or directories with discs, in any order
    #[arg(value_name = "FROM")]
    pub from: Vec<PathBuf>,
    /// For `rebuild`: also rebuild sets that the catalog already has
    #[arg(long)]
    pub replace: bool,
    /// For `rebuild`: use only discs whose SHA256SUMS is signed by this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    /// For `rebuild`: if the discs hold two histories of a set, use that of the disc with this UUID
    #[arg(long, value_name = "UUID", value_parser = values::disc_uuid)]
    pub disc: Option<DiscUuid>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CatalogWork {
    Rebuild,
    RestoreLast,
}

impl Verb {
    /// What counts as safe, for those that say so.
    pub(super) fn limits(&mut self) -> Option<&mut LimitArgs> {
        match self {
            Verb::Status(verb) => Some(&mut verb.limits),
            Verb::Serve(verb) => Some(&mut verb.limits),
            _ => None,
        }
    }

    pub(super) fn behind(&mut self) -> &mut Common {
        match self {
            Verb::Backup(verb) => &mut verb.behind,
            Verb::Burn(verb) => &mut verb.behind,
            Verb::Restore(verb) => &mut verb.behind,
            Verb::Verify(verb) => &mut verb.behind,
            Verb::Drill(verb) => &mut verb.behind,
            Verb::Rescue(verb) => &mut verb.behind,
            Verb::Flush(verb) => &mut verb.behind,
            Verb::Watch(verb) => &mut verb.behind,
            Verb::Drives(verb) => &mut verb.behind,
            Verb::Snapshots(verb) => &mut verb.behind,
            Verb::Discs(verb) => &mut verb.behind,
            Verb::Ls(verb) => &mut verb.behind,
            Verb::Find(verb) => &mut verb.behind,
            Verb::Status(verb) => &mut verb.behind,
            Verb::Locate(verb) => &mut verb.behind,
            Verb::Lost(verb) | Verb::Retire(verb) => &mut verb.behind,
            Verb::Check(verb) => &mut verb.behind,
            Verb::Copy(verb) => &mut verb.behind,
            Verb::Migrate(verb) => &mut verb.behind,
            Verb::Keysheet(verb) => &mut verb.behind,
            Verb::Set(verb) => &mut verb.behind,
            Verb::Catalog(verb) => &mut verb.behind,
            Verb::Serve(verb) => &mut verb.behind,
            Verb::Open(verb) => &mut verb.behind,
            Verb::Follow(verb) => &mut verb.behind,
            Verb::Answer(verb) => &mut verb.behind,
        }
    }
}
