//! One table of a configuration file, and the words in it that are no options.

use std::collections::BTreeMap;
use std::path::Path;
use toml::Value;

/// Words of a table that are no options: what stands for SOURCE, DEST and FROM.
pub(super) const SOURCE: &str = "source";

pub(super) const DEST: &str = "dest";

pub(super) const DRIVE: &str = "drive";

pub(super) const PLACES: [&str; 3] = [SOURCE, DEST, DRIVE];

/// Options that the table of drives and what serves them has.
pub(super) const POOL_OPTIONS: [&str; 2] = ["loader", "loader-timeout"];

/// One table: options by their long names, and places.
pub(super) type Section = BTreeMap<String, Value>;

pub(super) fn place(value: &Value) -> Result<(), String> {
    match value.as_str() {
        Some(path) => absolute(path),
        None => Err("write a path in quotation marks".to_owned()),
    }
}

/// A relative path would mean another place for each directory that a command is typed in.
pub(super) fn absolute(path: &str) -> Result<(), String> {
    match Path::new(path).is_absolute() {
        true => Ok(()),
        false => Err(format!("write the whole path, from /, instead of {path:?}")),
    }
}
