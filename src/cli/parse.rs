//! From the words of a command line, and what the files say for it, to one verb.

use super::args::{Cli, Common, Verb};
use super::config::{Config, ConfigError, ConfigFiles, KnownOptions};
use super::{finish, help};
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::fmt;

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

/// A command line that no command comes from: it cannot be understood, or asks for help.
#[derive(Debug)]
pub struct Refusal {
    error: clap::Error,
    /// `--json` was given.
    pub json: bool,
}

impl Refusal {
    /// Not for `--help` and `--version`.
    pub fn is_error(&self) -> bool {
        self.error.use_stderr()
    }

    /// 0 for `--help` and `--version`, 2 for all else.
    pub fn exit_code(&self) -> i32 {
        self.error.exit_code()
    }

    /// Prints what is to be said, and ends the program.
    pub fn exit(self) -> ! {
        self.error.exit()
    }
}

/// All that `exit` prints, without colours.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

/// Reads a command line, the program's name first, and what the files say for it.
pub fn parse<I, T>(words: I, files: &ConfigFiles) -> Result<Cli, Refusal>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    read(&words, files).map_err(|error| Refusal { error, json: asks_for_json(&words, files) })
}

/// Whether objects are wanted by words that cannot be understood otherwise: `--json` is among them, or
/// the files say it for every command.
fn asks_for_json(words: &[OsString], files: &ConfigFiles) -> bool {
    let mut options = words.iter().take_while(|word| *word != "--");
    let plain = ["coldcut", "drives"].map(OsString::from);
    options.any(|word| word == "--json") || read(&plain, files).is_ok_and(|cli| cli.common.json)
}

fn read(words: &[OsString], files: &ConfigFiles) -> Result<Cli, clap::Error> {
    let command =
        || help::arranged(Typed::command()).after_help(format!("{AFTER_HELP}\n{}", files.line()));
    // First what was typed alone: a slip there is not the files' fault, and tells what to look up.
    let typed = command().try_get_matches_from(words).map_err(help::harmless_first)?;
    let mut first = Cli::from(&typed)?;
    let definition = Typed::command();
    let refused = |(kind, text): finish::UsageError| command().error(kind, text);
    has_use_for_keys(&typed, &definition).map_err(refused)?;
    let wrong = |error: ConfigError| refused((ErrorKind::InvalidValue, error.to_string()));
    let config = Config::new(files, &definition).map_err(wrong)?;
    let chosen = config.choose(&first, &definition).map_err(wrong)?;
    let words = chosen.weave(words, &typed, &definition);
    let all = command().args_override_self(true).try_get_matches_from(words)?;
    let mut cli = Cli::from(&all)?;
    cli.common.keys.typed = first.common.keys.as_typed();
    if let Verb::Backup(backup) = &mut cli.verb {
        backup.is_name_typed = first.common.set.is_some();
    }
    if let (Some(limits), Some(typed)) = (cli.verb.limits(), first.verb.limits()) {
        limits.judge_by(typed, &config);
    }
    cli.finish(chosen).map_err(refused)?;
    Ok(cli)
}

/// Options about encryption that the verb ignores are not what the person means to say.
fn has_use_for_keys(typed: &ArgMatches, definition: &Command) -> Result<(), finish::UsageError> {
    let Some(verb) = typed.subcommand_name() else { return Ok(()) };
    let is_needless = |long: &String| {
        let arg = definition.get_arguments().find(|arg| arg.get_long() == Some(long));
        arg.is_some_and(help::is_about_encryption)
            && !help::page(verb).is_some_and(|page| page.takes(long))
    };
    match KnownOptions::new(definition).typed(typed).into_iter().find(is_needless) {
        None => Ok(()),
        Some(long) => Err((ErrorKind::UnknownArgument, format!("{verb} does not take --{long}"))),
    }
}

impl Cli {
    fn from(matches: &ArgMatches) -> Result<Cli, clap::Error> {
        let mut typed = Typed::from_arg_matches(matches)?;
        let behind = std::mem::take(typed.verb.behind());
        Ok(Cli { common: typed.before.and(behind), verb: typed.verb })
    }
}

#[cfg(test)]
mod tests;
