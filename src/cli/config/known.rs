//! Which options there are, asked of clap: a new option of a verb is a key of the files at once.

use super::section::{PLACES, POOL_OPTIONS, Section, absolute};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::any::TypeId;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use toml::Value;

/// What an option's name begins with that turns another one off.
const NO: &str = "no-";

/// What agrees to a doubt of one run. In a file it would agree to every doubt there will ever be.
const AGREES: [&str; 8] = [
    "accept-plain",
    "allow-shrink",
    "even-with-discs",
    "new-recipients",
    "new-set",
    "new-shelf",
    "no-limits",
    "trust-metadata",
];

/// Verifies a whole stack of discs if it has a loader, and that must be typed: whoever wants to verify
/// the disc in the drive does not want the blanks of the stack moved.
const TAKES_NO_POOL: &str = "verify";

/// The command line's definition, as the files see it.
pub struct KnownOptions<'a> {
    command: &'a Command,
}

impl<'a> KnownOptions<'a> {
    pub fn new(command: &'a Command) -> KnownOptions<'a> {
        KnownOptions { command }
    }

    /// Whether some command takes this option with this value, and if not, why.
    pub fn check(&self, key: &str, value: &Value) -> Result<(), String> {
        if key == "passphrase" {
            return Err("a secret does not belong here; name a file with passphrase-file, or a \
                        command with passphrase-command"
                .to_owned());
        }
        if AGREES.contains(&key) {
            return Err("it confirms one run only and must be typed".to_owned());
        }
        if let Some(positive) = self.negated(key) {
            return Err(format!("write {positive} = false"));
        }
        let mut why = Err(format!("no command has an option --{key}"));
        for (command, arg) in self.takers(key) {
            why = words(arg, value).and_then(|words| judge(command, words));
            if why.is_ok() {
                break;
            }
        }
        why
    }

    /// Lays a key over what weaker files or tables said: lists grow, all else is replaced, and
    /// what cannot stand beside it goes. `encrypt = false` is `--no-encrypt`, for it says more than
    /// silence does.
    pub fn lay(&self, section: &mut Section, key: String, value: Value) {
        let (key, value) = match value {
            Value::Boolean(false) if self.has_negation(&key) => {
                (format!("{NO}{key}"), Value::Boolean(true))
            }
            value => (key, value),
        };
        for rival in self.rivals(&key) {
            section.remove(&rival);
        }
        let value = match section.remove(&key) {
            Some(under) if self.is_list(&key) => Value::Array([list(under), list(value)].concat()),
            _ => value,
        };
        section.insert(key, value);
    }

    /// The words of an option that stands before the verb.
    pub fn words_of_all(&self, key: &str, value: &Value) -> Vec<OsString> {
        option(self.command, key).and_then(|arg| words(arg, value).ok()).unwrap_or_default()
    }

    /// The words of an option that only verbs have, if this one is among them.
    pub fn words_of(&self, verb: &str, key: &str, value: &Value) -> Vec<OsString> {
        let own = || {
            let command = self.command.find_subcommand(verb)?;
            let words = words(option(command, key)?, value).ok()?;
            judge(command, words.clone()).is_ok().then_some(words)
        };
        let is_for_others = verb == TAKES_NO_POOL && POOL_OPTIONS.contains(&key);
        match option(self.command, key) {
            _ if is_for_others => Vec::new(),
            Some(_) => Vec::new(),
            None => own().unwrap_or_default(),
        }
    }

    /// The long names of all options that were typed.
    pub fn typed(&self, matches: &ArgMatches) -> BTreeSet<String> {
        let verb = matches.subcommand();
        let own = verb.and_then(|(name, own)| Some((self.command.find_subcommand(name)?, own)));
        let both = std::iter::once((self.command, matches)).chain(own);
        both.flat_map(|(command, matches)| {
            let typed = |arg: &&Arg| {
                matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
            };
            command.get_arguments().filter(typed).filter_map(|arg| arg.get_long())
        })
        .map(str::to_owned)
        .collect()
    }

    /// Whether an option was typed that cannot stand beside this one.
    pub fn is_beaten(&self, key: &str, typed: &BTreeSet<String>) -> bool {
        PLACES.contains(&key) || self.rivals(key).iter().any(|rival| typed.contains(rival))
    }

    /// Where the verb stands among the words: the first that is no option and no option's value.
    pub fn verb_at(&self, words: &[OsString]) -> usize {
        let mut at = 1;
        while let Some(long) = words.get(at).and_then(|word| word.to_str()?.strip_prefix("--")) {
            let takes_next = |arg: &Arg| !matches!(arg.get_action(), ArgAction::SetTrue);
            at += 1 + usize::from(option(self.command, long).is_some_and(takes_next));
        }
        at
    }

    /// The switch that this one turns off.
    fn negated<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(NO).filter(|positive| option(self.command, positive).is_some())
    }

    fn has_negation(&self, key: &str) -> bool {
        option(self.command, &format!("{NO}{key}")).is_some()
    }

    /// The commands that have an option of this name.
    fn takers(&self, key: &str) -> Vec<(&Command, &Arg)> {
        std::iter::once(self.command)
            .chain(self.command.get_subcommands())
            .filter_map(|command| Some((command, option(command, key)?)))
            .collect()
    }

    fn is_list(&self, key: &str) -> bool {
        let mut takers = self.takers(key).into_iter();
        takers.any(|(_, arg)| matches!(arg.get_action(), ArgAction::Append))
    }

    /// The options that clap refuses beside this one; it tells only in one direction.
    fn rivals(&self, key: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (command, arg) in self.takers(key) {
            let against = |arg: &Arg| command.get_arg_conflicts_with(arg);
            let theirs = command
                .get_arguments()
                .filter(|other| against(other).iter().any(|rival| rival.get_id() == arg.get_id()));
            let all = against(arg).into_iter().chain(theirs);
            found.extend(all.filter_map(|rival| rival.get_long()).map(str::to_owned));
        }
        found
    }
}

/// An option that has something to say; `--help` and `--version` have not.
fn option<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        let says =
            matches!(arg.get_action(), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue);
        let is_alias = || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&key));
        says && (arg.get_long() == Some(key) || is_alias())
    })
}

fn words(arg: &Arg, value: &Value) -> Result<Vec<OsString>, String> {
    let name = arg.get_long().unwrap_or_default();
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => Ok(vec![format!("--{name}").into()]),
        (ArgAction::SetTrue, Value::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err("write true or false".to_owned()),
        (ArgAction::Append, Value::Array(values)) => {
            values.iter().map(|value| word(arg, name, value)).collect()
        }
        (_, value) => Ok(vec![word(arg, name, value)?]),
    }
}

fn word(arg: &Arg, name: &str, value: &Value) -> Result<OsString, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Array(_) => return Err("write one value, not a list".to_owned()),
        _ => return Err("write text in quotation marks".to_owned()),
    };
    if arg.get_value_parser().type_id() == TypeId::of::<PathBuf>() {
        absolute(&text)?;
    }
    Ok(format!("--{name}={text}").into())
}

/// clap's own judgement of an option's value, on one line.
fn judge(command: &Command, words: Vec<OsString>) -> Result<(), String> {
    let alone = command.clone().no_binary_name(true).subcommand_required(false);
    let alone = alone.mut_args(|arg| arg.required(false));
    let told = |error: clap::Error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        line.strip_prefix("error: ").unwrap_or(line).to_owned()
    };
    alone.try_get_matches_from(words).map(drop).map_err(told)
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        one => vec![one],
    }
}
