//! Paths in serialised facts (`docs/json.md`): the text, and all bytes where they are no text.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serializer;
use serde::ser::SerializeMap;

/// `key`, and where the path is not UTF-8 `key_bytes`; for a field that is flattened.
fn put<S: Serializer>(key: &'static str, path: &Path, to: S) -> Result<S::Ok, S::Error> {
    let bytes = path.as_os_str().as_bytes();
    let mut map = to.serialize_map(None)?;
    map.serialize_entry(key, &String::from_utf8_lossy(bytes))?;
    if std::str::from_utf8(bytes).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        map.serialize_entry(&format!("{key}_bytes"), &hex)?;
    }
    map.end()
}

/// What `serialize_with` of a field is: its key is the function's name.
macro_rules! keys {
    ($($key:ident),*) => {
        $(pub(super) fn $key<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
            put(stringify!($key), path, to)
        })*
    };
}

keys!(catalog, dir, file, from, original, shelf, shelf_before, source);
