//! The command line as typed. Nothing here looks at the world: what is wrong here is exit 2, and
//! `--help` works on a machine without a home.

mod common;
mod media;
mod set;

pub use common::{Burning, Common, Keys, Signing};
pub use media::{Check, CopyDisc, GiveUp, Keysheet, Locate, Migrate, Status};
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
    /// Put a directory on discs
    Backup(Backup),
    /// Burn discs that wait in the staging area
    Burn(Burn),
    /// Get files back from discs
    Restore(Restore),
    /// Read discs and compare every byte with its checksum
    Verify(Verify),
    /// Try that discs open with stock tools alone: restore a sample of them, and compare
    Drill(Drill),
    /// Read a failing disc into an image, and repair what its recovery data can
    Rescue(Rescue),
    /// Finish a disc that is held back for more, so that it can be burned
    Flush(Flush),
    /// Stay, burn staged discs when blanks are inserted, and verify discs of ours
    Watch(Watch),
    /// List the optical drives and what is in them
    Drives(Drives),
    /// List the snapshots of a set, oldest first
    Snapshots(Snapshots),
    /// List the discs of a set by number
    Discs(Discs),
    /// List what is in a directory of a snapshot
    Ls(Ls),
    /// List the paths of a snapshot that match a pattern
    Find(Find),
    /// Say whether the data is safe: what is not, which discs may be lost, what to do
    Status(Status),
    /// Remember where copies of a disc are kept
    Locate(Locate),
    /// A disc is lost: show what that means, and store again what is then missing
    Lost(GiveUp),
    /// A disc is given up for good: the same as `lost`, but reading it does not bring it back
    Retire(GiveUp),
    /// Read copies that were not read for long, or of a suspect maker, and follow how they age
    Check(Check),
    /// Make one more copy of discs, from staging or from another copy
    Copy(CopyDisc),
    /// Pack what old discs hold onto new ones, without the source
    Migrate(Migrate),
    /// Print a page for the drawer: the set, its discs, where they are, how to restore
    Keysheet(Keysheet),
    /// List the sets of the catalog, or forget one
    Set(SetArgs),
    /// Make the catalog anew from discs, or put back the copy of the last run that ended well
    Catalog(Catalog),
}

#[derive(Args, Debug)]
pub struct Backup {
    /// The directory to back up, or the name of a set of the configuration files
    pub source: PathBuf,
    /// The drive (/dev/sr0), or the shelf to put discs on; a shelf is made if it is missing
    pub dest: Option<PathBuf>,
    /// Pack discs and leave them in the staging area; takes SOURCE only
    #[arg(long)]
    pub stage: bool,
    /// bd25, bd50, bd100, bd128, dvd, or a size from 2M; the set remembers it [default: the
    /// blank's, or what the set uses, or bd25]
    #[arg(long, value_name = "SIZE", value_parser = values::disc_size)]
    pub disc_size: Option<Sectors>,
    /// Source data in an archive, from 1K to 3900M
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = values::archive_size)]
    pub archive_size: Bytes,
    /// How archives are compressed [default: bzip2, or what the set uses]
    #[arg(long, value_name = "HOW", value_parser = values::compression())]
    pub compress: Option<Compression>,
    /// Put recovery data for P percent of each disc on it [default: 0, or what the set uses]
    #[arg(long, value_name = "P", value_parser = values::percent)]
    pub parity: Option<u8>,
    /// Make K recovery discs for each N discs, or `none` [default: none, or what the set uses]
    #[arg(long, value_name = "K/N", value_parser = values::parity_discs)]
    pub parity_discs: Option<values::ParityDiscs>,
    /// Leave out what matches (may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// Leave out what matches a line of FILE (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// Leave out what is in directories marked by a CACHEDIR.TAG
    #[arg(long)]
    pub exclude_caches: bool,
    /// Leave out directories that hold a file of this name (may be repeated)
    #[arg(long, value_name = "NAME", value_parser = values::file_name())]
    pub exclude_if_present: Vec<OsString>,
    /// Do not enter other file systems
    #[arg(long)]
    pub one_file_system: bool,
    /// Read every file again, even if its size and times are unchanged
    #[arg(long)]
    pub rehash: bool,
    /// The set's source is another directory from now on
    #[arg(long)]
    pub move_source: bool,
    /// A new set is meant, though its name or source is like another set's, or SOURCE is a shelf
    #[arg(long)]
    pub new_set: bool,
    /// Go on although the source is empty, lost a mount, or shrank by more than --max-shrink allows
    #[arg(long)]
    pub allow_shrink: bool,
    /// Stop if more than P percent of the files, or of their bytes, are gone; 100: never [default: 50]
    #[arg(long, value_name = "P", value_parser = values::percent)]
    pub max_shrink: Option<u8>,
    /// Hold back a last disc that is less full than P percent [default: 0]
    #[arg(long, value_name = "P", value_parser = values::percent)]
    pub min_fill: Option<u8>,
    /// Close a disc that has been held back for this long since its first archive, such as 30d
    /// [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub max_hold: Option<Duration>,
    /// Burn each disc so many times; it stays staged until all copies are verified [default: 1,
    /// or what the set was told last]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub copies: Option<u32>,
    /// Remember these words as the hint to the passphrase, never the passphrase
    #[arg(long, value_name = "TEXT")]
    pub hint: Option<String>,
    #[command(flatten)]
    pub said: Box<set::Said>,
    /// Make a disc even if only deletions, moves or modes are new
    #[arg(long)]
    pub flush: bool,
    /// Burn discs without trying stock tools on a sample of each before
    #[arg(long)]
    pub no_drill: bool,
    /// Show what would be done, and do nothing
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
#[command(override_usage = "coldcut burn [OPTIONS] [DISC]... <DEST>")]
pub struct Burn {
    /// Numbers of the discs to burn [default: all that wait], and behind them the drive or shelf
    #[arg(value_name = "DISC|DEST")]
    pub(super) words: Vec<OsString>,
    #[arg(skip)]
    pub discs: Vec<DiscNo>,
    #[arg(skip)]
    pub dest: PathBuf,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
#[command(allow_missing_positional = true)]
pub struct Restore {
    /// The drive (/dev/sr0), or the shelf: a directory that holds disc images
    #[arg(value_name = "FROM")]
    pub(super) typed: Option<PathBuf>,
    #[arg(skip)]
    pub from: PathBuf,
    /// The directory to restore into; made if it is missing
    pub target: PathBuf,
    /// The snapshot to restore [default: the newest]
    #[arg(long, value_name = "ID", value_parser = values::snapshot)]
    pub snapshot: Option<SnapshotSeq>,
    /// Which of two histories of the set is meant: that of this disc, by its UUID
    #[arg(long, value_name = "UUID", value_parser = values::disc_uuid)]
    pub disc: Option<DiscUuid>,
    /// Restore only what matches (may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<OsString>,
    /// What becomes of files that are there already
    #[arg(long, value_name = "WHEN", value_enum, default_value = "never")]
    pub overwrite: Overwrite,
    /// Leave owners as they come; set-id bits, capabilities and devices are left out then
    #[arg(long)]
    pub no_owner: bool,
    /// Restore set-id bits, capabilities and devices as root even if neither the catalog nor a
    /// signature vouches for the discs
    #[arg(long, conflicts_with_all = ["no_trust_metadata", "no_owner"])]
    pub trust_metadata: bool,
    /// Leave set-id bits, capabilities and devices out
    #[arg(long)]
    pub no_trust_metadata: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Use only discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Overwrite {
    /// Keep what is there
    Never,
    /// Replace what differs in size or time
    Changed,
    /// Replace it
    Always,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// The drive (/dev/sr0), or the shelf: a directory that holds disc images
    #[arg(value_name = "FROM")]
    pub(super) typed: Option<PathBuf>,
    #[arg(skip)]
    pub from: PathBuf,
    /// Use only discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
#[command(override_usage = "coldcut drill [OPTIONS] [DISC]... [FROM]")]
pub struct Drill {
    /// Numbers of the discs [default: all that are there], and behind them the drive or shelf
    /// [default: the staging area]
    #[arg(value_name = "DISC|FROM")]
    pub(super) words: Vec<OsString>,
    #[arg(skip)]
    pub discs: Vec<DiscNo>,
    #[arg(skip)]
    pub from: Option<PathBuf>,
    /// Restore all that is on them, by the discs' own restore.sh
    #[arg(long)]
    pub all: bool,
    /// Of the discs at FROM use only those whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Rescue {
    /// The drive (/dev/sr0) or image; several are read one after the other
    #[arg(required = true)]
    pub from: Vec<PathBuf>,
    /// The image to make, or to go on with
    #[arg(long, value_name = "IMAGE")]
    pub to: PathBuf,
    /// What was read so far, as ddrescue keeps it [default: IMAGE.map]
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Flush {
    /// Make discs without trying stock tools on a sample of each
    #[arg(long)]
    pub no_drill: bool,
    #[command(flatten)]
    pub signing: Signing,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Watch {
    /// The drive to watch
    #[arg(value_name = "DRIVE")]
    pub(super) typed: Option<PathBuf>,
    #[arg(skip)]
    pub drive: PathBuf,
    /// End when nothing is left to burn
    #[arg(long)]
    pub until_done: bool,
    /// Verify only discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Drives {
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Snapshots {
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Discs {
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Ls {
    /// The directory to list, relative to the source [default: the source]
    pub path: Option<OsString>,
    /// The snapshot to look in [default: the newest]
    #[arg(long, value_name = "ID", value_parser = values::snapshot)]
    pub snapshot: Option<SnapshotSeq>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Find {
    /// A glob; without a slash it is held against the last name of each path
    pub pattern: OsString,
    /// The snapshot to look in [default: the newest]
    #[arg(long, value_name = "ID", value_parser = values::snapshot)]
    pub snapshot: Option<SnapshotSeq>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
pub struct Catalog {
    /// What to do with the catalog
    #[arg(value_name = "rebuild|restore-last", value_enum, hide_possible_values = true)]
    pub what: CatalogWork,
    /// For `rebuild`: drives, shelves, images, folders with discs, in any order
    #[arg(value_name = "FROM")]
    pub from: Vec<PathBuf>,
    /// For `rebuild`: sets that the catalog knows already are made anew, too
    #[arg(long)]
    pub replace: bool,
    /// For `rebuild`: use only discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    /// For `rebuild`: which of two histories of a set is meant, that of this disc, by its UUID
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
        }
    }
}
