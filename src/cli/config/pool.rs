//! `[pool]`: drives that work at once where no DEST is typed.

use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The table's name.
pub(super) const POOL: &str = "pool";

/// Where names without a slash are: they stay the same whatever else is plugged in.
const BY_ID: &str = "/dev/disk/by-id";

/// The drives of all files: a stronger file replaces a list.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub burn: Vec<PathBuf>,
    /// Without any, each disc is read back where it was burned.
    pub read: Vec<PathBuf>,
}

impl Pool {
    /// What is wrong comes with the key that it is about.
    /// Keys of the table that are options are given back.
    pub fn lay(&mut self, table: Value) -> Result<Table, (String, String)> {
        let Value::Table(table) = table else {
            return Err((POOL.to_owned(), "write a table: [pool]".to_owned()));
        };
        let mut options = Table::new();
        for (key, value) in table {
            match key.as_str() {
                "burn" => self.burn = drives(&value).map_err(|why| (key, why))?,
                "read" => self.read = drives(&value).map_err(|why| (key, why))?,
                _ => drop(options.insert(key, value)),
            }
        }
        match self.burn.is_empty() && !self.read.is_empty() {
            true => Err(("read".to_owned(), "[pool] needs drives that burn, too".to_owned())),
            false => Ok(options),
        }
    }
}

fn drives(value: &Value) -> Result<Vec<PathBuf>, String> {
    let list = || "write a list of drives: [\"/dev/sr0\", \"/dev/sr1\"]".to_owned();
    let words = value.as_array().ok_or_else(list)?.iter().map(Value::as_str);
    words.map(|word| word.ok_or_else(list).and_then(drive)).collect()
}

fn drive(word: &str) -> Result<PathBuf, String> {
    match Path::new(word) {
        path if path.is_absolute() => Ok(path.to_owned()),
        _ if word.contains('/') || word.is_empty() => {
            Err(format!("write the whole path, from /, or a name in {BY_ID}, instead of {word:?}"))
        }
        name => Ok(Path::new(BY_ID).join(name)),
    }
}
