//! What is wrong with a configuration file.

use crate::model::SetName;
use crate::model::path::shown;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What is wrong with a file, by its name, table and key. Its exit code is that of a bad command
/// line, of which the files are a part.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {reason}", shown(path.as_os_str().as_bytes()))]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is not valid TOML: {reason}", shown(path.as_os_str().as_bytes()))]
    NotToml { path: PathBuf, reason: String },
    #[error("{}, {table}, {key}: {reason}", shown(path.as_os_str().as_bytes()))]
    Key { path: PathBuf, table: String, key: String, reason: String },
    #[error("[set.{0}] of the configuration files has no source: add `source = \"/…\"`")]
    NoSource(SetName),
}
