//! Text that is bytes in the file system, such as a path: JSON has no bytes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Text that need not be UTF-8. It is flattened into the object that has it (`#[serde(flatten)]`):
/// `key` has the text, with U+FFFD for what is not UTF-8, and if there is any such place,
/// `key_bytes` has all bytes in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawText {
    key: &'static str,
    bytes: Option<Vec<u8>>,
}

impl RawText {
    pub fn new(key: &'static str, bytes: &[u8]) -> RawText {
        RawText { key, bytes: Some(bytes.to_vec()) }
    }

    pub fn path(key: &'static str, path: &Path) -> RawText {
        RawText::new(key, path.as_os_str().as_bytes())
    }

    /// For people: bytes that hide or turn others, and those that are not text, are escaped.
    pub fn shown(&self) -> String {
        self.bytes.as_deref().map(crate::model::path::shown).unwrap_or_default()
    }

    /// `null` where there is no path.
    pub fn path_or_null(key: &'static str, path: Option<&Path>) -> RawText {
        RawText { key, bytes: path.map(|path| path.as_os_str().as_bytes().to_vec()) }
    }
}

impl Serialize for RawText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let text = self.bytes.as_deref().map(String::from_utf8_lossy);
        map.serialize_entry(self.key, &text)?;
        let raw = self.bytes.as_deref().filter(|bytes| std::str::from_utf8(bytes).is_err());
        if let Some(bytes) = raw {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            map.serialize_entry(&format!("{}_bytes", self.key), &hex)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn text_has_one_key_and_bytes_that_are_not_text_have_two() {
        let value = |bytes: &[u8]| to_value(RawText::new("path", bytes)).unwrap();
        assert_eq!(value("Äpfel".as_bytes()), json!({"path": "Äpfel"}));
        assert_eq!(value(b"a\xff"), json!({"path": "a\u{fffd}", "path_bytes": "61ff"}));
        let none = to_value(RawText::path_or_null("shelf", None)).unwrap();
        assert_eq!(none, json!({"shelf": null}));
    }
}
