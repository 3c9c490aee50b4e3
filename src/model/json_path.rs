//! Paths in `--json`, which has text: they are bytes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::ser::{SerializeMap, Serializer};

/// Puts a path into an object as `docs/json.md` promises: U+FFFD in place of what is not UTF-8; all
/// bytes in hexadecimal under `KEY_bytes` if there was any such place.
pub fn put_path<M: SerializeMap>(map: &mut M, key: &str, path: &Path) -> Result<(), M::Error> {
    let bytes = path.as_os_str().as_bytes();
    map.serialize_entry(key, &String::from_utf8_lossy(bytes))?;
    if std::str::from_utf8(bytes).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        map.serialize_entry(&format!("{key}_bytes"), &hex)?;
    }
    Ok(())
}

/// For `#[serde(flatten, serialize_with = "…")]` of a field that is called `dir`.
pub fn dir<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    alone("dir", path, serializer)
}

/// The same for a field that is called `file`.
pub fn file<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    alone("file", path, serializer)
}

fn alone<S: Serializer>(key: &str, path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    put_path(&mut map, key, path)?;
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use serde_json::json;
    use std::ffi::OsStr;
    use std::path::PathBuf;

    #[derive(Serialize)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    enum Fact {
        Full {
            #[serde(flatten, serialize_with = "super::dir")]
            dir: PathBuf,
            need: u64,
        },
    }

    #[test]
    fn a_path_that_is_not_text_brings_its_bytes() {
        let fact = |bytes: &[u8]| {
            let dir = PathBuf::from(OsStr::from_bytes(bytes));
            serde_json::to_value(Fact::Full { dir, need: 7 }).unwrap()
        };
        assert_eq!(fact(b"/a"), json!({"kind": "full", "dir": "/a", "need": 7}));
        let odd = json!({"kind": "full", "dir": "/\u{fffd}", "dir_bytes": "2fff", "need": 7});
        assert_eq!(fact(b"/\xff"), odd);
    }
}
