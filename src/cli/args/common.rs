//! What is typed for more than one verb: the catalog, keys, how discs are burned and signed.

use crate::cli::help;
use crate::cli::values;
use crate::codec::bzip2_frames::Bzip2Coder;
use crate::drive::{Engine, Speed};
use crate::flow::WaitLimit;
use crate::model::SetName;
use crate::model::disc::{DiscName, Encryption};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How the frames of new archives and listings are made.
#[derive(Args, Debug)]
pub struct FrameCoding {
    /// Which encoder makes bzip2 frames: coldcut's own, or libbz2 (the Rust crate bzip2), at half
    /// the speed [default: own]
    #[arg(long, value_name = "WHICH", value_parser = values::bzip2_coder())]
    pub bzip2: Option<Bzip2Coder>,
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
    /// The socket of the service [env: COLDCUT_HUB] [default: coldcut/hub.sock in $XDG_RUNTIME_DIR, else in /run]
    #[arg(long, value_name = "SOCKET", help_heading = "Options of every command")]
    pub hub: Option<PathBuf>,
    /// Print JSON objects on stdout, one per line
    #[arg(long, help_heading = "Options of every command")]
    pub json: bool,
    /// Answer yes to every confirmation that has no option of its own (--allow-shrink, --new-set)
    #[arg(long, help_heading = "Options of every command")]
    pub yes: bool,
    /// Print only errors and warnings
    #[arg(long, help_heading = "Options of every command")]
    pub quiet: bool,
    /// Show each message, however many are alike, and report which sandboxing features the kernel
    /// does not support
    #[arg(long, help_heading = "Options of every command")]
    pub verbose: bool,
    /// How long to wait for a disc, an answer, or another coldcut: 90s, 10m, 2h, or `forever`
    /// [default: forever for discs and answers at a terminal, forever for discs as a service,
    /// otherwise 0s]
    #[arg(long, value_name = "TIME", value_parser = values::wait_limit)]
    #[arg(help_heading = "Options of every command")]
    pub wait: Option<WaitLimit>,
    /// Read listings and catalogs even if they expand to more than genuine ones of their size
    /// could; only for discs that you made yourself
    #[arg(long, help_heading = "Options of every command")]
    pub no_limits: bool,
    #[command(flatten)]
    pub keys: KeyArgs,
}

impl Common {
    /// What stood before the verb and what stood after it. clap's own global arguments would
    /// forget a `--recipient` before the verb once another one stands after it.
    pub(in crate::cli) fn and(self, behind: Common) -> Common {
        Common {
            catalog: behind.catalog.or(self.catalog),
            set: behind.set.or(self.set),
            staging: behind.staging.or(self.staging),
            hub: behind.hub.or(self.hub),
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

/// How the set is encrypted. A passphrase is never an argument's value: every user of
/// the machine could read it there.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyArgs {
    /// Encrypt a new set with a passphrase; giving a source of a passphrase implies this
    #[arg(long, help_heading = help::ENCRYPTION)]
    pub encrypt: bool,
    /// Do not encrypt a new set, even if the configuration or the environment names a passphrase
    #[arg(long, help_heading = help::ENCRYPTION, conflicts_with_all = ["encrypt", "recipient"])]
    pub no_encrypt: bool,
    /// Read the passphrase from the first line of FILE
    #[arg(long, value_name = "FILE", help_heading = help::ENCRYPTION)]
    #[arg(conflicts_with = "passphrase_command")]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the first line that `sh -c CMD` prints [default: COLDCUT_PASSPHRASE,
    /// or ask]
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

impl KeyArgs {
    fn and(mut self, behind: KeyArgs) -> KeyArgs {
        self.recipient.extend(behind.recipient);
        self.secret_key.extend(behind.secret_key);
        self.accept_plain.extend(behind.accept_plain);
        KeyArgs {
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

    pub(in crate::cli) fn as_typed(&self) -> TypedKeys {
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
    #[arg(long, value_name = "DEVICE", help_heading = "Drives", conflicts_with = "loader")]
    pub verify_drive: Option<PathBuf>,
    /// The same, from the configuration files: for discs that go to their drives.
    #[arg(skip)]
    pub readers: Vec<PathBuf>,
    #[command(flatten)]
    pub loader: LoaderArgs,
    /// Allow overwriting a rewritable disc (BD-RE), after a prompt that names it
    #[arg(long, help_heading = "Drives")]
    pub overwrite_disc: bool,
    /// Create a shelf at DEST although nothing is mounted at a mount point of /etc/fstab in it
    #[arg(long, help_heading = "Shelves")]
    pub new_shelf: bool,
}

/// A program that changes the discs in a drive.
#[derive(Args, Clone, Debug, Default)]
pub struct LoaderArgs {
    /// Run this program to change the discs in the drive (see docs/loaders.md)
    #[arg(long, value_name = "PROGRAM", help_heading = "Drives")]
    pub loader: Option<PathBuf>,
    /// Stop the loader if one movement takes longer: 90s, 10m, 2h [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = "Drives")]
    pub loader_timeout: Option<Duration>,
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
