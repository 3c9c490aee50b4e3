//! The command line as typed. Nothing here looks at the world: what is wrong here is exit 2, and
//! `--help` works on a machine without a home.

mod finish;
mod media;
mod set;

pub use media::{Check, CopyDisc, GiveUp, Keysheet, Locate, Migrate, Status};
pub use set::{SetArgs, SetWork};

use super::config::{Config, ConfigError, ConfigFiles, Known};
use super::{help, values};
use crate::drive::{Engine, Speed};
use crate::flow::insertion::Patience;
use crate::model::disc::{Compression, DiscName, Encryption};
use crate::model::{Bytes, DiscNo, DiscUuid, Sectors, SetName, SnapshotSeq};
use clap::error::ErrorKind;
use clap::{
    ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What was typed: one verb, and the options that every verb takes.
#[derive(Debug)]
pub struct Cli {
    pub common: Common,
    pub verb: Verb,
}

const AFTER_HELP: &str = "\
DEST and FROM are a drive (/dev/sr0) or a shelf (a directory of disc images).
Exit codes: 0 success; 1 failed; 2 usage error; 3 some files failed; 4 a disc is missing; \
5 damage found; 6 another coldcut is running.
See 'coldcut help <COMMAND>' for the options of a command.";

#[derive(Debug, Parser)]
#[command(
    name = "coldcut",
    version,
    about = "Store directories on Blu-ray discs and restore them",
    subcommand_required = true
)]
struct Typed {
    #[command(flatten)]
    before: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Back up a directory to discs
    Backup(Backup),
    /// Burn the discs in the staging area
    Burn(Burn),
    /// Restore files from discs
    Restore(Restore),
    /// Read discs and compare every byte with the checksums
    Verify(Verify),
    /// Test that standard tools alone can read discs: restore a sample
    Drill(Drill),
    /// Read a failing disc into an image and repair it from recovery data
    Rescue(Rescue),
    /// Close a partly filled disc so that it can be burned
    Flush(Flush),
    /// Watch a drive: burn staged discs on blanks, verify coldcut discs
    Watch(Watch),
    /// List optical drives and the discs in them
    Drives(Drives),
    /// List the snapshots of a set, oldest first
    Snapshots(Snapshots),
    /// List the discs of a set by number
    Discs(Discs),
    /// List a directory of a snapshot
    Ls(Ls),
    /// List the paths of a snapshot that match a pattern
    Find(Find),
    /// Show whether the data is safe, and what to do if it is not
    Status(Status),
    /// Record where discs are kept
    Locate(Locate),
    /// Record discs as lost; the next backup stores their files again
    Lost(GiveUp),
    /// Like lost, but for good: a later read does not bring them back
    Retire(GiveUp),
    /// Re-read the copies checked longest ago, and track how they age
    Check(Check),
    /// Make one more copy of discs
    Copy(CopyDisc),
    /// Move the contents of old discs to new ones, without the source
    Migrate(Migrate),
    /// Print a recovery sheet: discs, where they are, how to restore
    Keysheet(Keysheet),
    /// List, rename or forget sets
    Set(SetArgs),
    /// Rebuild the catalog from discs, or restore its last good copy
    Catalog(Catalog),
}

/// Options that every command takes, before its name or after it.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// The catalog to use [env: COLDCUT_CATALOG] [default: $XDG_DATA_HOME/coldcut/catalog.sqlite]
    #[arg(long, value_name = "FILE", help_heading = "Options of every command")]
    pub catalog: Option<PathBuf>,
    /// The set [default: the last component of SOURCE, or the only set]
    #[arg(long, alias = "name", value_name = "SET", value_parser = values::set_name)]
    #[arg(help_heading = "Options of every command")]
    pub set: Option<SetName>,
    /// Where packed discs are kept until they are burned [env: COLDCUT_STAGING] [default: $XDG_STATE_HOME/coldcut/staging]
    #[arg(long, value_name = "DIR", help_heading = "Options of every command")]
    pub staging: Option<PathBuf>,
    /// Print JSON objects on stdout, one per line
    #[arg(long, help_heading = "Options of every command")]
    pub json: bool,
    /// Answer yes to every confirmation that has no option of its own (--allow-shrink, --new-set)
    #[arg(long, help_heading = "Options of every command")]
    pub yes: bool,
    /// Print only errors and warnings
    #[arg(long, help_heading = "Options of every command")]
    pub quiet: bool,
    /// Also report which sandboxing features the kernel does not support
    #[arg(long, help_heading = "Options of every command")]
    pub verbose: bool,
    /// How long to wait for a disc, an answer, or another coldcut: 90s, 10m, 2h, or `forever`
    /// [default: forever for discs and answers at a terminal, forever for discs as a service,
    /// otherwise 0s]
    #[arg(long, value_name = "TIME", value_parser = values::patience)]
    #[arg(help_heading = "Options of every command")]
    pub wait: Option<Patience>,
    /// Read listings and catalogs even if they expand to more than genuine ones of their size
    /// could; only for discs that you made yourself
    #[arg(long, help_heading = "Options of every command")]
    pub no_limits: bool,
    #[command(flatten)]
    pub keys: Keys,
}

/// How the set is encrypted. A passphrase is never an argument's value: every user of
/// the machine could read it there.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Encrypt a new set with a passphrase; naming a source of one does, too
    #[arg(long, help_heading = help::ENCRYPTION)]
    pub encrypt: bool,
    /// Do not encrypt a new set, even if the configuration or the environment names a passphrase
    #[arg(long, help_heading = help::ENCRYPTION, conflicts_with_all = ["encrypt", "recipient"])]
    pub no_encrypt: bool,
    /// Read the passphrase from the first line of FILE
    #[arg(long, value_name = "FILE", help_heading = help::ENCRYPTION)]
    #[arg(conflicts_with = "passphrase_command")]
    pub passphrase_file: Option<PathBuf>,
    /// Read it from the first line that `sh -c CMD` prints [default: COLDCUT_PASSPHRASE, or ask]
    #[arg(long, value_name = "CMD", help_heading = help::ENCRYPTION)]
    pub passphrase_command: Option<OsString>,
    /// Accept a new passphrase that is hard to type from paper: it starts with a byte order mark,
    /// or ends with a carriage return or a space
    #[arg(long, help_heading = help::ENCRYPTION)]
    pub odd_passphrase: bool,
    /// Encrypt a new set for this OpenPGP certificate, without a passphrase (may be repeated)
    #[arg(long, value_name = "CERTFILE", help_heading = help::ENCRYPTION)]
    pub recipient: Vec<PathBuf>,
    /// Encrypt for recipients other than those of the last backup
    #[arg(long, help_heading = help::ENCRYPTION)]
    pub new_recipients: bool,
    /// Do not write the recipients' key IDs to the discs
    #[arg(long, help_heading = help::ENCRYPTION)]
    pub hidden_recipients: bool,
    /// Decrypt with this OpenPGP secret key (may be repeated)
    #[arg(long, value_name = "FILE", help_heading = help::ENCRYPTION)]
    pub secret_key: Vec<PathBuf>,
    /// Use this disc of an encrypted set although some or all of it is not encrypted; by number or
    /// UUID (may be repeated)
    #[arg(long, value_name = "DISC", help_heading = help::ENCRYPTION, value_parser = values::disc_name)]
    pub accept_plain: Vec<DiscName>,
    /// What of this was typed, and does not come from a configuration file.
    #[arg(skip)]
    pub typed: TypedKeys,
}

/// Which keys were typed: what is typed is meant for this very run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypedKeys {
    pub passphrase: bool,
    pub no_encrypt: bool,
    pub recipient: bool,
}

/// How discs are burned in a drive. A shelf needs none of it.
#[derive(Args, Clone, Debug, Default)]
pub struct Burning {
    /// The burning program: xorriso or growisofs [default: xorriso]
    #[arg(long, value_name = "NAME", value_parser = values::engine, help_heading = "Drives")]
    pub engine: Option<Engine>,
    /// Write speed, 4 for 4x [default: the drive's choice]
    #[arg(long, value_name = "N", value_parser = values::speed, help_heading = "Drives")]
    pub speed: Option<Speed>,
    /// First build and check an image in the staging area, then burn it
    #[arg(long, help_heading = "Drives")]
    pub image_first: bool,
    /// On formatted media, write without the drive's own verification
    #[arg(long, help_heading = "Drives")]
    pub stream_recording: bool,
    /// Let the drive replace bad sectors while it writes, at half the speed [default: off]
    #[arg(long, value_name = "on|off", value_parser = values::on_off, help_heading = "Drives")]
    pub defect_management: Option<bool>,
    /// Verify discs in this drive instead of the burner
    #[arg(long, value_name = "DEVICE", help_heading = "Drives")]
    pub verify_drive: Option<PathBuf>,
    /// Allow overwriting a rewritable disc (BD-RE), after a prompt that names it
    #[arg(long, help_heading = "Drives")]
    pub overwrite_disc: bool,
    /// Create a shelf at DEST although nothing is mounted at a mount point of /etc/fstab in it
    #[arg(long, help_heading = "Shelves")]
    pub new_shelf: bool,
}

/// Signing what is packed. Not by the set's own keys: who signs need not be able to read.
#[derive(Args, Clone, Debug, Default)]
pub struct Signing {
    /// Sign each disc's SHA256SUMS with this OpenPGP secret key
    #[arg(long, value_name = "KEYFILE", help_heading = "Signing")]
    pub sign: Option<PathBuf>,
    /// Read the password of that key from the first line of FILE [default: ask]
    #[arg(long, value_name = "FILE", help_heading = "Signing")]
    pub sign_passphrase_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Backup {
    /// The directory to back up, or a set of the configuration files
    pub source: PathBuf,
    /// The drive (/dev/sr0) or shelf to write to; a missing shelf is created
    pub dest: Option<PathBuf>,
    /// Pack discs and leave them in the staging area (no DEST)
    #[arg(long)]
    pub stage: bool,
    /// bd25, bd50, bd100, bd128, dvd, or a size from 2M; remembered for the set [default: that of
    /// the blank disc, or the set's, or bd25]
    #[arg(long, value_name = "SIZE", value_parser = values::disc_size)]
    pub disc_size: Option<Sectors>,
    /// Source data per archive, from 1K to 3900M
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = values::archive_size)]
    pub archive_size: Bytes,
    /// Compression of archives [default: the set's, initially bzip2]
    #[arg(long, value_name = "HOW", value_parser = values::compression())]
    pub compress: Option<Compression>,
    /// Add recovery data for P percent of each disc [default: the set's, initially 0]
    #[arg(long, value_name = "P", value_parser = values::percent)]
    pub parity: Option<u8>,
    /// Make K recovery discs for every N discs, or `none` [default: the set's, initially none]
    #[arg(long, value_name = "K/N", value_parser = values::parity_discs)]
    pub parity_discs: Option<values::ParityDiscs>,
    /// Exclude what matches (may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// Exclude what matches a line of FILE (may be repeated)
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
    /// Burn it anyway once its first archive is this old, such as 30d [default: never]
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
    pub said: Box<set::Said>,
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
#[command(override_usage = "coldcut burn [OPTIONS] [DISC]... <DEST>")]
pub struct Burn {
    /// The discs to burn, such as 3-5,7 [default: all staged], followed by the drive or shelf
    #[arg(value_name = "DISC|DEST")]
    words: Vec<OsString>,
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
    /// The drive (/dev/sr0) or shelf (a directory of disc images)
    #[arg(value_name = "FROM")]
    typed: Option<PathBuf>,
    #[arg(skip)]
    pub from: PathBuf,
    /// The directory to restore into; created if it is missing
    pub target: PathBuf,
    /// The snapshot to restore [default: the newest]
    #[arg(long, value_name = "ID", value_parser = values::snapshot)]
    pub snapshot: Option<SnapshotSeq>,
    /// If the discs hold two histories of the set, use that of the disc with this UUID
    #[arg(long, value_name = "UUID", value_parser = values::disc_uuid)]
    pub disc: Option<DiscUuid>,
    /// Restore only what matches (may be repeated)
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
pub struct Verify {
    /// The drive (/dev/sr0) or shelf (a directory of disc images)
    #[arg(value_name = "FROM")]
    typed: Option<PathBuf>,
    #[arg(skip)]
    pub from: PathBuf,
    /// Use only discs whose SHA256SUMS is signed by this OpenPGP certificate
    #[arg(long, value_name = "CERTFILE")]
    pub verify_signature: Option<PathBuf>,
    #[command(flatten)]
    behind: Common,
}

#[derive(Args, Debug)]
#[command(override_usage = "coldcut drill [OPTIONS] [DISC]... [FROM]")]
pub struct Drill {
    /// The discs to test, such as 3-5,7 [default: all that are there], followed by the drive or
    /// shelf [default: the staging area]
    #[arg(value_name = "DISC|FROM")]
    words: Vec<OsString>,
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
pub struct Rescue {
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
pub struct Flush {
    /// Do not test a sample of each disc with standard tools
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
    typed: Option<PathBuf>,
    #[arg(skip)]
    pub drive: PathBuf,
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
    /// A glob; without a slash it matches the file name only
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

/// Reads a command line, the program's name first, and what the files say for it. An error prints
/// itself and ends the program by its `exit()`: 0 for `--help` and `--version`, 2 for all else.
pub fn parse<I, T>(words: I, files: &ConfigFiles) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let command =
        || help::arranged(Typed::command()).after_help(format!("{AFTER_HELP}\n{}", files.line()));
    // First what was typed alone: a slip there is not the files' fault, and tells what to look up.
    let typed = command().try_get_matches_from(&words).map_err(help::harmless_first)?;
    let first = Cli::from(&typed)?;
    let definition = Typed::command();
    let refused = |(kind, text): finish::Slip| command().error(kind, text);
    has_use_for_keys(&typed, &definition).map_err(refused)?;
    let wrong = |error: ConfigError| refused((ErrorKind::InvalidValue, error.to_string()));
    let config = Config::new(files, &definition).map_err(wrong)?;
    let chosen = config.choose(&first, &definition).map_err(wrong)?;
    let words = chosen.weave(&words, &typed, &definition);
    let all = command().args_override_self(true).try_get_matches_from(words)?;
    let mut cli = Cli::from(&all)?;
    cli.common.keys.typed = first.common.keys.as_typed();
    if let Verb::Backup(backup) = &mut cli.verb {
        backup.is_name_typed = first.common.set.is_some();
    }
    if let (Verb::Status(status), Verb::Status(typed)) = (&mut cli.verb, &first.verb) {
        status.judge_by(typed, &config);
    }
    cli.finish(chosen).map_err(refused)?;
    Ok(cli)
}

/// Options about encryption that the verb ignores are not what the person means to say.
fn has_use_for_keys(typed: &ArgMatches, definition: &Command) -> Result<(), finish::Slip> {
    let (Some(verb), known) = (typed.subcommand_name(), Known::new(definition)) else {
        return Ok(());
    };
    let is_needless = |long: &String| {
        let arg = definition.get_arguments().find(|arg| arg.get_long() == Some(long));
        arg.is_some_and(help::is_about_encryption)
            && !help::page(verb).is_some_and(|page| page.takes(long))
    };
    match known.typed(typed).into_iter().find(is_needless) {
        None => Ok(()),
        Some(long) => Err((ErrorKind::UnknownArgument, format!("{verb} has no use for --{long}"))),
    }
}

impl Cli {
    fn from(matches: &ArgMatches) -> Result<Cli, clap::Error> {
        let mut typed = Typed::from_arg_matches(matches)?;
        let behind = std::mem::take(typed.verb.behind());
        Ok(Cli { common: typed.before.and(behind), verb: typed.verb })
    }
}

impl Verb {
    fn behind(&mut self) -> &mut Common {
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

impl Common {
    /// What stood before the verb and what stood after it. clap's own global arguments would
    /// forget a `--recipient` before the verb once another one stands after it.
    fn and(self, behind: Common) -> Common {
        Common {
            catalog: behind.catalog.or(self.catalog),
            set: behind.set.or(self.set),
            staging: behind.staging.or(self.staging),
            json: self.json || behind.json,
            yes: self.yes || behind.yes,
            quiet: self.quiet || behind.quiet,
            verbose: self.verbose || behind.verbose,
            wait: behind.wait.or(self.wait),
            no_limits: self.no_limits || behind.no_limits,
            keys: self.keys.and(behind.keys),
        }
    }
}

impl Keys {
    fn and(mut self, behind: Keys) -> Keys {
        self.recipient.extend(behind.recipient);
        self.secret_key.extend(behind.secret_key);
        self.accept_plain.extend(behind.accept_plain);
        Keys {
            encrypt: self.encrypt || behind.encrypt,
            no_encrypt: self.no_encrypt || behind.no_encrypt,
            passphrase_file: behind.passphrase_file.or(self.passphrase_file),
            passphrase_command: behind.passphrase_command.or(self.passphrase_command),
            odd_passphrase: self.odd_passphrase || behind.odd_passphrase,
            hidden_recipients: self.hidden_recipients || behind.hidden_recipients,
            new_recipients: self.new_recipients || behind.new_recipients,
            ..self
        }
    }

    fn as_typed(&self) -> TypedKeys {
        TypedKeys {
            passphrase: self.passphrase_file.is_some() || self.passphrase_command.is_some(),
            no_encrypt: self.no_encrypt,
            recipient: !self.recipient.is_empty(),
        }
    }

    /// The encryption that was asked for; `None` if nothing was said.
    pub fn encryption(&self) -> Option<Encryption> {
        if !self.recipient.is_empty() {
            Some(Encryption::Recipients)
        } else {
            self.encrypt.then_some(Encryption::Passphrase)
        }
    }
}

#[cfg(test)]
mod tests;
