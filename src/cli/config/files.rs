//! The configuration files as files: where they are, and what is in them. The only part that
//! looks at the world, so that what they mean can be tested without one.

use super::error::ConfigError;
use crate::cli::resolve::{CATALOG, PASSPHRASE, STAGING};
use crate::model::path::shown;
use crate::port::trust::read_trusted;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use toml::Table;

/// Names one file that is read instead of all others.
pub const CONFIG: &str = "COLDCUT_CONFIG";
/// The machine's file.
const SYSTEM: &str = "/etc/coldcut.toml";
/// The user's file, below `$XDG_CONFIG_HOME`.
const USER: &str = "coldcut.toml";

/// Options that a variable answers, too. The environment goes before the files: it is nearer to
/// the person who types.
const VARIABLES: [(&str, &str); 4] = [
    (CATALOG, "catalog"),
    (STAGING, "staging"),
    (PASSPHRASE, "passphrase-file"),
    (PASSPHRASE, "passphrase-command"),
];

/// A file that was looked for. Its content is `None` if it is absent and may be.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    content: Result<Option<String>, String>,
}

/// What was found, the strongest last.
#[derive(Debug, Default)]
pub struct ConfigFiles {
    files: Vec<ConfigFile>,
    answered: Vec<&'static str>,
}

impl ConfigFile {
    pub fn new(path: impl Into<PathBuf>, content: &str) -> ConfigFile {
        ConfigFile { path: path.into(), content: Ok(Some(content.to_owned())) }
    }

    /// `named`: somebody asked for this very file, so it must be there.
    fn read(path: PathBuf, named: bool) -> ConfigFile {
        let text = read_trusted(&path).and_then(|content| {
            String::from_utf8(content)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
        });
        let content = match text {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound && !named => Ok(None),
            Err(error) => Err(error.to_string()),
        };
        ConfigFile { path, content }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn table(&self) -> Result<Option<Table>, ConfigError> {
        let path = || self.path.clone();
        match &self.content {
            Ok(None) => Ok(None),
            Ok(Some(text)) => text.parse().map(Some).map_err(|error: toml::de::Error| {
                ConfigError::NotToml { path: path(), reason: error.to_string().trim().to_owned() }
            }),
            Err(reason) => Err(ConfigError::Unreadable { path: path(), reason: reason.clone() }),
        }
    }

    fn state(&self) -> &'static str {
        match self.table() {
            Ok(Some(_)) => "read",
            Ok(None) => "absent",
            Err(ConfigError::NotToml { .. }) => "DAMAGED",
            Err(_) => "CANNOT BE READ",
        }
    }
}

impl ConfigFiles {
    pub fn read() -> ConfigFiles {
        ConfigFiles::from_vars(|name| std::env::var_os(name))
    }

    /// An empty variable counts as unset; so does a relative XDG one (XDG Base Directory 0.8).
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> ConfigFiles {
        let full = |name: &str| var(name).filter(|value| !value.is_empty());
        let absolute = |name| full(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let answered = VARIABLES.iter().filter(|(name, _)| full(name).is_some());
        let answered = answered.map(|&(_, key)| key).collect();
        if let Some(path) = full(CONFIG) {
            return ConfigFiles { files: vec![ConfigFile::read(path.into(), true)], answered };
        }
        let home = || absolute("HOME").map(|home| home.join(".config"));
        let user = absolute("XDG_CONFIG_HOME").or_else(home).map(|dir| dir.join(USER));
        let paths = std::iter::once(PathBuf::from(SYSTEM)).chain(user);
        ConfigFiles { files: paths.map(|path| ConfigFile::read(path, false)).collect(), answered }
    }

    /// These files and no variables.
    pub fn of(files: Vec<ConfigFile>) -> ConfigFiles {
        ConfigFiles { files, answered: Vec::new() }
    }

    pub fn iter(&self) -> impl Iterator<Item = &ConfigFile> {
        self.files.iter()
    }

    /// The keys that variables have answered.
    pub fn answered(&self) -> &[&'static str] {
        &self.answered
    }

    /// A line for `--help`: which files there are.
    pub fn line(&self) -> String {
        let one = |file: &ConfigFile| {
            format!("{} ({})", shown(file.path.as_os_str().as_bytes()), file.state())
        };
        let all: Vec<String> = self.files.iter().map(one).collect();
        format!("Configuration files: {}; {CONFIG}=FILE replaces them.", all.join(", "))
    }
}
