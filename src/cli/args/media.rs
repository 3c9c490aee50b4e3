//! What is typed for the verbs that look after media: where copies are, which are no more, what
//! is read again and when, what is copied.

use super::{Burning, Common, FrameCoding, Signing};
use crate::catalog::CopyNo;
use crate::cli::values;
use crate::flow::status::latest::StatusLimits;
use crate::model::{Bytes, DiscList, Sectors, SetName};
use clap::Args;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Debug)]
pub struct LocateArgs {
    /// The discs: 3, or several as 1-4,7
    #[arg(value_name = "DISCS", value_parser = values::discs)]
    pub discs: DiscList,
    /// Where they are kept, in your words: "shelf B"; "" removes the note
    pub place: String,
    /// Which copy, where there are several [default: ask]
    #[arg(long, value_name = "N", value_parser = values::copy)]
    pub copy: Option<CopyNo>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct GiveUpArgs {
    /// The discs: 3, or several as 1-4,7
    #[arg(value_name = "DISCS", value_parser = values::discs)]
    pub discs: DiscList,
    /// Only this copy [default: all copies]
    #[arg(long, value_name = "N", value_parser = values::copy)]
    pub copy: Option<CopyNo>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The drive (/dev/sr0) to read copies in, or the shelf that they are on
    #[arg(value_name = "FROM")]
    pub(in crate::cli) typed: Option<PathBuf>,
    #[arg(skip)]
    pub from: PathBuf,
    /// Read N copies, least recently read first [default: 1]
    #[arg(long, value_name = "N", value_parser = values::count, conflicts_with = "max_check_age")]
    pub count: Option<u32>,
    /// Read every copy not verified within TIME: 30d, 26w, 1y
    #[arg(long, value_name = "TIME", value_parser = values::age, alias = "max-age")]
    pub max_check_age: Option<Duration>,
    /// Show which copies are due; read nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Use only discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct CopyArgs {
    /// The discs: 3, or several as 1-4,7
    #[arg(value_name = "DISCS", value_parser = values::discs)]
    pub discs: DiscList,
    /// The drive or shelf to put the copies on, or several that share them; a missing shelf is
    /// created
    #[arg(value_name = "DEST")]
    pub dest: Vec<PathBuf>,
    /// Where to read a copy [default: the staging area, or a shelf that has one]
    #[arg(long, value_name = "FROM")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// The old discs: 3, or several as 1-20,23
    #[arg(value_name = "DISCS", value_parser = values::discs)]
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub discs: Option<DiscList>,
    /// Migrate every disc that is safe
    #[arg(long)]
    pub all: bool,
    /// The drive or shelf to put new discs on; a missing shelf is created
    #[arg(long, value_name = "DEST")]
    pub to: PathBuf,
    /// Where to read the old discs [default: the shelves that they are on]
    #[arg(long, value_name = "FROM")]
    pub from: Option<PathBuf>,
    /// Use only old discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    /// Disc size: bd25, bd50, bd100, bd128, dvd, or any size from 2M, for this run
    /// [default: the blank's, or what the set uses, or bd25]
    #[arg(long, value_name = "SIZE", value_parser = values::disc_size)]
    pub disc_size: Option<Sectors>,
    /// Source data per archive, from 1K to 3900M
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = values::archive_size)]
    pub archive_size: Bytes,
    #[command(flatten)]
    pub frames: FrameCoding,
    /// Do not test a sample of each disc with standard tools
    #[arg(long)]
    pub no_drill: bool,
    #[command(flatten)]
    pub signing: Signing,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct KeysheetArgs {
    /// Store TEXT as a hint to the passphrase (not the passphrase itself); "" removes it
    #[arg(long, value_name = "TEXT")]
    pub hint: Option<String>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Show only these files: paths relative to the source, or globs; a directory includes what is
    /// in it (may be repeated)
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub(super) behind: Common,
}

/// What counts as safe.
#[derive(Args, Clone, Debug, Default)]
pub struct LimitArgs {
    /// Count as not safe if the newest backup is older: 36h, 30d, 26w, 1y [default: only its age is
    /// shown]
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub max_age: Option<Duration>,
    /// Count as not safe if a copy was last checked longer ago than this [default: only its age is
    /// shown]
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub max_check_age: Option<Duration>,
    /// Count files as safe that have waited in the staging area for less than this
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub allow_waiting: Option<Duration>,
    /// How each set is to be judged that has a table in the configuration files.
    #[arg(skip)]
    pub by_set: BTreeMap<SetName, StatusLimits>,
    /// And how the others are.
    #[arg(skip)]
    pub otherwise: StatusLimits,
}

impl LimitArgs {
    pub fn of(&self, set: &SetName) -> StatusLimits {
        self.by_set.get(set).copied().unwrap_or(self.otherwise)
    }
}
