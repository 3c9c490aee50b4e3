//! Configuration files: options of the command line, written down once, by set. They stand apart
//! because they know no option: a table becomes words like `--disc-size=bd25` that go before the
//! typed ones, and the command line's own definition judges them.

mod error;
mod files;
mod known;
mod pool;
mod section;

pub use error::ConfigError;
pub use files::{CONFIG, ConfigFiles};

use super::args::{Cli, Verb};
use crate::model::SetName;
use clap::{ArgMatches, Command};
pub use known::KnownOptions;
use pool::{POOL, Pool};
use section::{DEST, DRIVE, POOL_OPTIONS, SOURCE, Section, place};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// All files, checked and laid upon each other.
#[derive(Debug, Default)]
pub struct Config {
    top: Section,
    sets: BTreeMap<SetName, Section>,
    pool: Pool,
}

/// What the files say for the command in hand.
#[derive(Debug, Default)]
pub struct CommandConfig {
    /// The set, where the typed SOURCE is its name or its directory.
    pub backup: Option<SetName>,
    pub source: Option<PathBuf>,
    /// The set's destination, or the drives: what is meant where no DEST was typed.
    pub places: Vec<PathBuf>,
    /// Where discs are read back that go to those places; empty: where they are burned.
    pub readers: Vec<PathBuf>,
    /// The same where no FROM was typed.
    pub place: Option<PathBuf>,
    /// What is watched where no drive was typed.
    pub drives: Vec<PathBuf>,
    /// All sets of the files.
    pub configured: Vec<SetName>,
    options: Section,
}

impl Config {
    /// Reads all tables of all files, also those that the command in hand does not use: a slip of
    /// the finger must not wait for the night in which it counts.
    pub fn new(files: &ConfigFiles, command: &Command) -> Result<Config, ConfigError> {
        let known = KnownOptions::new(command);
        let mut config = Config::default();
        for file in files.iter() {
            if let Some(table) = file.table()? {
                config.lay(&known, file.path(), table)?;
            }
        }
        for variable in files.answered() {
            config.forget(variable);
        }
        Ok(config)
    }

    fn lay(&mut self, known: &KnownOptions, path: &Path, table: Table) -> Result<(), ConfigError> {
        let told = |table: &str, key: &str, reason: String| ConfigError::Key {
            path: path.to_owned(),
            table: table.to_owned(),
            key: key.to_owned(),
            reason,
        };
        for (key, value) in table {
            if key == POOL {
                let of_key = |(key, why): (String, String)| told("[pool]", &key, why);
                for (key, value) in self.pool.lay(value).map_err(of_key)? {
                    pool_key(known, &key, &value).map_err(|why| told("[pool]", &key, why))?;
                    known.lay(&mut self.top, key, value);
                }
                continue;
            }
            if key != "set" {
                top_key(known, &key, &value).map_err(|why| told("top level", &key, why))?;
                known.lay(&mut self.top, key, value);
                continue;
            }
            for (name, section) in sets(value).map_err(|why| told("top level", "set", why))? {
                let heading = format!("[set.{name}]");
                for (key, value) in section {
                    set_key(known, &key, &value).map_err(|why| told(&heading, &key, why))?;
                    known.lay(self.sets.entry(name.clone()).or_default(), key, value);
                }
            }
        }
        match self.top.contains_key(DRIVE) && !self.pool.burn.is_empty() {
            true => Err(told("top level", DRIVE, "[pool] names the drives; remove one".to_owned())),
            false => Ok(()),
        }
    }

    /// The sets that have a table.
    pub fn set_names(&self) -> impl Iterator<Item = &SetName> {
        self.sets.keys()
    }

    /// What the files say of an option for a set; without one, for those that have no table.
    pub fn text(&self, key: &str, set: Option<&SetName>) -> Option<&str> {
        let own = set.and_then(|set| self.sets.get(set)?.get(key));
        own.or_else(|| self.top.get(key))?.as_str()
    }

    fn forget(&mut self, key: &str) {
        self.top.remove(key);
        self.sets.values_mut().for_each(|section| drop(section.remove(key)));
    }

    /// The table that is meant: the named set's, that of a backup's SOURCE, or the only one.
    pub fn choose(&self, cli: &Cli, command: &Command) -> Result<CommandConfig, ConfigError> {
        let backup = self.backed_up(cli);
        let section = self.meant(cli, backup.as_ref()).and_then(|name| self.sets.get(&name));
        let place = |key: &str, section: &Section| {
            section.get(key).and_then(Value::as_str).map(PathBuf::from)
        };
        let mut options = self.top.clone();
        let known = KnownOptions::new(command);
        for (key, value) in section.into_iter().flatten() {
            known.lay(&mut options, key.clone(), value.clone());
        }
        let dest = section.and_then(|section| place(DEST, section));
        let drives = match place(DRIVE, &self.top) {
            Some(drive) => vec![drive],
            None => self.pool.burn.clone(),
        };
        let readers = if dest.is_none() { self.pool.read.clone() } else { Vec::new() };
        let places = dest.map_or(drives.clone(), |dest| vec![dest]);
        let source = section.and_then(|section| place(SOURCE, section));
        if let (Some(name), None) = (&backup, &source) {
            return Err(ConfigError::NoSource(name.clone()));
        }
        Ok(CommandConfig {
            place: readers.first().or(places.first()).cloned(),
            places,
            readers,
            source,
            drives,
            configured: self.sets.keys().cloned().collect(),
            backup,
            options,
        })
    }

    /// The set that `backup SOURCE` speaks of: SOURCE is its name, or its directory as written
    /// in its table. A directory of that name is meant by `./NAME`.
    fn backed_up(&self, cli: &Cli) -> Option<SetName> {
        let Verb::Backup(backup) = &cli.verb else { return None };
        let typed = |name: &SetName| cli.common.set.as_ref().is_none_or(|typed| typed == name);
        let is = |(name, section): &(&SetName, &Section)| {
            let source = section.get(SOURCE).and_then(Value::as_str).map(Path::new);
            backup.source.as_os_str() == name.as_str() || source == Some(&backup.source)
        };
        self.sets.iter().filter(|(name, _)| typed(name)).find(is).map(|(name, _)| name.clone())
    }

    fn meant(&self, cli: &Cli, backup: Option<&SetName>) -> Option<SetName> {
        let named = || SetName::new(self.top.get("name")?.as_str()?);
        let only = || match (&cli.verb, self.sets.len()) {
            (Verb::Backup(_), _) => None,
            (_, 1) => self.sets.keys().next().cloned(),
            _ => None,
        };
        cli.common.set.clone().or_else(|| backup.cloned()).or_else(named).or_else(only)
    }
}

impl CommandConfig {
    /// The typed words with those of the files before them, so that the typed ones win: options
    /// of every command before the verb, its own ones right after it.
    pub fn weave(
        &self,
        words: &[OsString],
        typed: &ArgMatches,
        command: &Command,
    ) -> Vec<OsString> {
        let known = KnownOptions::new(command);
        let verb = typed.subcommand_name().unwrap_or_default();
        let typed = known.typed(typed);
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for (key, value) in self.options.iter().filter(|(key, _)| !known.is_beaten(key, &typed)) {
            before.extend(known.words_of_all(key, value));
            behind.extend(known.words_of(verb, key, value));
        }
        let at = known.verb_at(words);
        let (head, tail) = words.split_at((at + 1).min(words.len()));
        let [program, head @ .., verb] = head else { return words.to_vec() };
        let one = std::slice::from_ref;
        [one(program), &before, head, one(verb), &behind, tail].concat()
    }
}

fn top_key(known: &KnownOptions, key: &str, value: &Value) -> Result<(), String> {
    match key {
        DRIVE => place(value),
        SOURCE | DEST => {
            Err(format!("belongs to a set: write it below [set.NAME]; `{DRIVE}` is for all"))
        }
        _ if POOL_OPTIONS.contains(&key) => Err(OF_POOL.to_owned()),
        _ => known.check(key, value),
    }
}

const OF_POOL: &str = "belongs to the drives: write it below [pool]";

/// What is said of the drives, for all sets.
fn pool_key(known: &KnownOptions, key: &str, value: &Value) -> Result<(), String> {
    match POOL_OPTIONS.contains(&key) {
        true => known.check(key, value),
        false => {
            let keys = POOL_OPTIONS.join(", ");
            Err(format!("is not a key of this table, which has: burn, read, {keys}"))
        }
    }
}

fn set_key(known: &KnownOptions, key: &str, value: &Value) -> Result<(), String> {
    match key {
        SOURCE | DEST => place(value),
        DRIVE => Err(format!("belongs to the top level; a set has `{DEST}`")),
        "name" => Err("the table's name is the set's name".to_owned()),
        _ if POOL_OPTIONS.contains(&key) => Err(OF_POOL.to_owned()),
        _ => known.check(key, value),
    }
}

fn sets(value: Value) -> Result<Vec<(SetName, Table)>, String> {
    let Value::Table(tables) = value else { return Err("write tables: [set.NAME]".to_owned()) };
    let named = |(name, value): (String, Value)| {
        let set = super::values::set_name(&name).map_err(|why| format!("{name:?}: {why}"))?;
        match value {
            Value::Table(table) => Ok((set, table)),
            _ => Err(format!("write a table: [set.{name}]")),
        }
    };
    tables.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests;
