//! What clap cannot say about arguments that depend on each other, or on the configuration files,
//! which name places where none was typed.

use super::args::{
    BackupArgs, BurnArgs, Burning, CatalogArgs, CatalogWork, Cli, DrillArgs, LimitArgs,
    RestoreArgs, SetArgs, SetWork, Verb,
};
use super::config::{CommandConfig, Config};
use super::values;
use crate::flow::status::latest::StatusLimits;
use crate::model::path::shown;
use crate::model::{DiscList, DiscNo, SetName};
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// What is wrong with a command line, for clap to print.
pub type UsageError = (ErrorKind, String);

fn slip<T>(kind: ErrorKind, text: &str) -> Result<T, UsageError> {
    Err((kind, text.to_owned()))
}

impl Cli {
    /// What clap cannot say about arguments that depend on each other, and places from the files
    /// where none was typed.
    pub(super) fn finish(&mut self, chosen: CommandConfig) -> Result<(), UsageError> {
        let keys = &self.common.keys;
        if keys.passphrase_file.is_some() && keys.passphrase_command.is_some() {
            return slip(
                ErrorKind::ArgumentConflict,
                "--passphrase-file and --passphrase-command cannot be used together",
            );
        }
        if keys.no_encrypt && (keys.encrypt || !keys.recipient.is_empty()) {
            return slip(
                ErrorKind::ArgumentConflict,
                "--no-encrypt cannot be used with --encrypt or --recipient",
            );
        }
        let place = chosen.place.clone();
        let places = DrivePlaces { dest: chosen.places.clone(), readers: chosen.readers.clone() };
        match &mut self.verb {
            Verb::Backup(backup) => {
                self.common.set = self.common.set.take().or(chosen.backup.clone());
                backup.fill(chosen, places);
                backup.check()
            }
            Verb::Burn(burn) => burn.split(places),
            Verb::Drill(drill) => drill.split(),
            Verb::Restore(restore) => restore.split(place),
            Verb::Verify(verify) => {
                verify.from = or_configured("verify <FROM>", verify.typed.take(), place)?;
                Ok(())
            }
            Verb::Copy(copy) => {
                places.fill("copy DISC <DEST>...", &mut copy.dest, &mut copy.burning)
            }
            Verb::Check(check) => {
                let typed = check.typed.take();
                check.from = match check.dry_run && typed.is_none() && place.is_none() {
                    true => PathBuf::new(), // wherever copies are
                    false => or_configured("check <FROM>", typed, place)?,
                };
                Ok(())
            }
            Verb::Watch(watch) => {
                let places = DrivePlaces { dest: chosen.drives, readers: Vec::new() };
                places.fill("watch <DRIVE>...", &mut watch.drives, &mut watch.burning)
            }
            Verb::Catalog(catalog) => catalog.check(),
            Verb::Set(set) => set.check(),
            _ => Ok(()),
        }
    }
}

/// The places that were typed, or those of the files.
fn all_or_configured(
    usage: &str,
    typed: Vec<PathBuf>,
    configured: Option<PathBuf>,
) -> Result<Vec<PathBuf>, UsageError> {
    match typed.is_empty() {
        true => or_configured(usage, None, configured).map(|place| vec![place]),
        false => Ok(typed),
    }
}

/// The place that was typed, or that of the files.
fn or_configured(
    usage: &str,
    typed: Option<PathBuf>,
    configured: Option<PathBuf>,
) -> Result<PathBuf, UsageError> {
    let missing = || {
        let text = format!(
            "`coldcut {usage}`: the drive or shelf is missing, and no configuration file names one"
        );
        (ErrorKind::MissingRequiredArgument, text)
    };
    typed.or(configured).ok_or_else(missing)
}

/// Where discs go by the files, and where they are read back.
struct DrivePlaces {
    dest: Vec<PathBuf>,
    readers: Vec<PathBuf>,
}

impl DrivePlaces {
    /// What is typed counts; else what the files say.
    fn fill(
        self,
        usage: &str,
        dest: &mut Vec<PathBuf>,
        burning: &mut Burning,
    ) -> Result<(), UsageError> {
        if dest.is_empty() {
            (*dest, burning.readers) = (self.dest, self.readers);
        }
        or_configured(usage, dest.first().cloned(), None)?;
        check_places(dest)
    }
}

impl BackupArgs {
    fn fill(&mut self, chosen: CommandConfig, places: DrivePlaces) {
        self.configured = chosen.configured;
        if let (Some(_), Some(source)) = (chosen.backup, chosen.source) {
            self.source = source;
        }
        if !self.stage && self.dest.is_empty() {
            (self.dest, self.burning.readers) = (places.dest, places.readers);
        }
    }

    fn check(&self) -> Result<(), UsageError> {
        check_places(&self.dest)?;
        match (self.stage, &self.dest[..]) {
            (true, [_, ..]) => slip(
                ErrorKind::ArgumentConflict,
                "backup --stage takes SOURCE only; DEST is for burn",
            ),
            (false, []) if !self.dry_run && !self.may_be_a_mistyped_set() => {
                slip(ErrorKind::MissingRequiredArgument, BackupArgs::NO_DEST)
            }
            _ => Ok(()),
        }
    }

    /// What is said where DEST is missing.
    pub const NO_DEST: &str =
        "backup needs DEST after SOURCE, or --stage; no configuration file names a place";

    /// A slip in a set's name looks like a directory without DEST; only a look at the directory
    /// tells.
    pub fn may_be_a_mistyped_set(&self) -> bool {
        !self.configured.is_empty() && !self.source.as_os_str().as_bytes().contains(&b'/')
    }
}

impl CatalogArgs {
    fn check(&self) -> Result<(), UsageError> {
        use ErrorKind::{MissingRequiredArgument, UnknownArgument};
        match self.what {
            CatalogWork::Rebuild if self.from.is_empty() => {
                slip(MissingRequiredArgument, "catalog rebuild needs FROM: where discs are")
            }
            CatalogWork::RestoreLast if !self.from.is_empty() || self.replace => {
                slip(UnknownArgument, "catalog restore-last takes no arguments")
            }
            _ => Ok(()),
        }
    }
}

impl BurnArgs {
    /// Numbers come first, and places after them; clap wants optional words last. Where the files
    /// name a place, a number at the end is a disc, too.
    fn split(&mut self, configured: DrivePlaces) -> Result<(), UsageError> {
        let is_place = |word: &OsString| configured.dest.is_empty() || disc_list(word).is_err();
        let places = match self.words.last().is_some_and(is_place) {
            true => 1 + self.words.iter().rev().skip(1).take_while(|word| has_slash(word)).count(),
            false => 0,
        };
        let typed = self.words.split_off(self.words.len() - places);
        self.dest = typed.into_iter().map(PathBuf::from).collect();
        configured.fill("burn [DISC]... <DEST>...", &mut self.dest, &mut self.burning)?;
        self.discs = discs(&mut self.words)?;
        Ok(())
    }
}

fn has_slash(word: &OsStr) -> bool {
    word.as_bytes().contains(&b'/')
}

/// Among several places a word without a slash may be a second source, or a number mistyped, and
/// would become a shelf.
fn check_places(places: &[PathBuf]) -> Result<(), UsageError> {
    let bare = places.iter().find(|place| !has_slash(place.as_os_str()));
    let Some(bare) = bare.filter(|_| places.len() > 1) else { return Ok(()) };
    let bare = shown(bare.as_os_str().as_bytes());
    let text = format!(
        "of several drives or shelves, each needs a slash in its name: is {bare} one of them? \
         Write ./{bare} then"
    );
    Err((ErrorKind::ValueValidation, text))
}

impl RestoreArgs {
    /// As for `cp`, the last word is the target.
    fn split(&mut self, configured: Option<PathBuf>) -> Result<(), UsageError> {
        let mut words = std::mem::take(&mut self.words);
        self.target = words.pop().unwrap_or_default();
        self.from = all_or_configured("restore <FROM>... <TARGET>", words, configured)?;
        Ok(())
    }
}

impl DrillArgs {
    /// A last word that is no number is the place. The files' place is not meant here: what is to be
    /// tried first is what waits to be burned.
    fn split(&mut self) -> Result<(), UsageError> {
        let typed = self.words.last().is_some_and(|word| disc_list(word).is_err());
        self.from = typed.then(|| self.words.pop()).flatten().map(PathBuf::from);
        self.discs = discs(&mut self.words)?;
        Ok(())
    }
}

/// The discs that these words name, each once, in their order.
fn discs(words: &mut Vec<OsString>) -> Result<Vec<DiscNo>, UsageError> {
    let lists: Vec<DiscList> =
        words.drain(..).map(|word| disc_list(&word)).collect::<Result<_, _>>()?;
    let all: DiscList = lists.iter().flat_map(DiscList::iter).collect();
    Ok(all.iter().collect())
}

fn disc_list(word: &OsString) -> Result<DiscList, UsageError> {
    values::discs(&word.to_string_lossy()).map_err(|allowed| {
        (ErrorKind::ValueValidation, format!("{} is not a disc: {allowed}", shown(word.as_bytes())))
    })
}

impl LimitArgs {
    /// What was typed is meant for every set; what it leaves open each set's own table says.
    pub(super) fn judge_by(&mut self, typed: &LimitArgs, config: &Config) {
        let limit = |typed: Option<Duration>, key: &str, set: Option<&SetName>| {
            // The files were checked: what they say is a time.
            typed.or_else(|| values::age(config.text(key, set)?).ok())
        };
        let limits = |set: Option<&SetName>| StatusLimits {
            max_age: limit(typed.max_age, "max-age", set),
            max_check_age: limit(typed.max_check_age, "max-check-age", set),
            allow_waiting: limit(typed.allow_waiting, "allow-waiting", set),
        };
        self.otherwise = limits(None);
        self.by_set = config.set_names().map(|set| (set.clone(), limits(Some(set)))).collect();
    }
}

impl SetArgs {
    fn check(&self) -> Result<(), UsageError> {
        use ErrorKind::{MissingRequiredArgument, UnknownArgument};
        match self.what {
            SetWork::Forget if self.old.is_none() => {
                slip(MissingRequiredArgument, "set forget needs the name of a set")
            }
            SetWork::Rename if self.new.is_none() => {
                slip(MissingRequiredArgument, "set rename needs the name of a set and a new one")
            }
            SetWork::List if self.old.is_some() || self.even_with_discs => {
                slip(UnknownArgument, "set list takes no arguments")
            }
            SetWork::Forget if self.new.is_some() => {
                slip(UnknownArgument, "set forget takes the name of one set")
            }
            SetWork::Rename if self.even_with_discs => {
                slip(UnknownArgument, "--even-with-discs is for set forget")
            }
            _ => Ok(()),
        }
    }
}
