//! What is typed for the verbs that look after media: where copies are, which are no more, what
//! is read again and when, what is copied.

use super::{Burning, Common, Signing};
use crate::catalog::CopyNo;
use crate::cli::values::{self, DiscRange};
use crate::flow::latest::Limits;
use crate::model::{Bytes, Sectors, SetName};
use clap::Args;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Debug)]
pub struct Locate {
    /// The disc's number, or several: 3, 1-20
    #[arg(value_parser = values::discs)]
    pub disc: DiscRange,
    /// Where it is kept, in your words: "shelf B"; "" forgets it
    pub place: String,
    /// Which copy, where there are several; `discs` lists them
    #[arg(long, value_name = "N", value_parser = values::copy)]
    pub copy: Option<CopyNo>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct GiveUp {
    /// The disc's number
    #[arg(value_parser = values::discs)]
    pub disc: DiscRange,
    /// Only this copy of it [default: all copies]
    #[arg(long, value_name = "N", value_parser = values::copy)]
    pub copy: Option<CopyNo>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct Check {
    /// The drive (/dev/sr0) that copies are read in, or the shelf that they are on
    #[arg(value_name = "FROM")]
    pub(in crate::cli) typed: Option<PathBuf>,
    #[arg(skip)]
    pub from: PathBuf,
    /// Read so many copies, those first that nobody read for the longest time [default: 1]
    #[arg(long, value_name = "N", value_parser = values::count, conflicts_with = "max_check_age")]
    pub count: Option<u32>,
    /// Read every copy whose last successful check is at least this old: 30d, 26w, 1y
    #[arg(long, value_name = "TIME", value_parser = values::age, alias = "max-age")]
    pub max_check_age: Option<Duration>,
    /// Say which copies are due, and read none
    #[arg(long)]
    pub dry_run: bool,
    /// Use only discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct CopyDisc {
    /// The disc's number, or several: 3, 1-20
    #[arg(value_parser = values::discs)]
    pub disc: DiscRange,
    /// The drive or shelf that the copy is put on; a shelf is made if it is missing
    #[arg(value_name = "DEST")]
    pub(in crate::cli) typed: Option<PathBuf>,
    #[arg(skip)]
    pub dest: PathBuf,
    /// Where a copy can be read [default: the staging area, else a shelf that has one]
    #[arg(long, value_name = "FROM")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub burning: Burning,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct Migrate {
    /// The old disc's number, or several: 3, 1-20
    #[arg(value_parser = values::discs, required_unless_present = "all", conflicts_with = "all")]
    pub disc: Option<DiscRange>,
    /// Every disc that is safe
    #[arg(long)]
    pub all: bool,
    /// The drive or shelf that new discs are put on; a shelf is made if it is missing
    #[arg(long, value_name = "DEST")]
    pub to: PathBuf,
    /// Where the old discs are read [default: the shelves that they are on]
    #[arg(long, value_name = "FROM")]
    pub from: Option<PathBuf>,
    /// Use only old discs whose SHA256SUMS is signed by the key of this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    /// bd25, bd50, bd100, bd128, dvd, or a size from 2M, for this run [default: the blank's, or
    /// what the set uses, or bd25]
    #[arg(long, value_name = "SIZE", value_parser = values::disc_size)]
    pub disc_size: Option<Sectors>,
    /// Source data in an archive, from 1K to 3900M
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = values::archive_size)]
    pub archive_size: Bytes,
    /// Make discs without trying stock tools on a sample of each
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
pub struct Keysheet {
    /// Remember these words as the hint to the passphrase, never the passphrase; "" forgets them
    #[arg(long, value_name = "TEXT")]
    pub hint: Option<String>,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct Status {
    /// Say it of these files alone: a glob over paths relative to the source; a directory means all
    /// that is in it (may be repeated)
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Not safe if the newest backup is older than that: 36h, 30d, 26w, 1y [default: its age is said]
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub max_age: Option<Duration>,
    /// Not safe if the last successful check of a copy is older than this [default: only its age is
    /// reported]
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub max_check_age: Option<Duration>,
    /// Files may wait in the staging area for less than that: they are listed, and count as safe
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub allow_waiting: Option<Duration>,
    /// How each set is to be judged that has a table in the configuration files.
    #[arg(skip)]
    pub by_set: BTreeMap<SetName, Limits>,
    /// And how the others are.
    #[arg(skip)]
    pub otherwise: Limits,
    #[command(flatten)]
    pub(super) behind: Common,
}

impl Status {
    pub fn limits(&self, set: &SetName) -> Limits {
        self.by_set.get(set).copied().unwrap_or(self.otherwise)
    }
}
