//! Paths below the source or the target. They are bytes, not text, and cannot lead outside.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A relative path of components joined by `/`: none empty, `.` or `..`, no NUL.
/// The root itself is the empty path, written `.` in listings.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RelPath(Vec<u8>);

impl RelPath {
    pub fn root() -> RelPath {
        RelPath(Vec::new())
    }

    /// `None` for anything that could lead outside of the directory it is relative to.
    pub fn new(bytes: &[u8]) -> Option<RelPath> {
        if bytes == b"." {
            return Some(RelPath::root());
        }
        let safe = |c: &[u8]| !c.is_empty() && c != b"." && c != b".." && !c.contains(&0);
        bytes.split(|&b| b == b'/').all(safe).then(|| RelPath(bytes.to_vec()))
    }

    /// This path with one more component. The caller vouches that `name` is one (`readdir` does).
    pub fn join(&self, name: &[u8]) -> RelPath {
        debug_assert!(RelPath::new(name).is_some_and(|p| !p.is_root() && !name.contains(&b'/')));
        let mut bytes = self.0.clone();
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        RelPath(bytes)
    }

    /// The bytes as listings have them: `.` for the root.
    pub fn as_bytes(&self) -> &[u8] {
        if self.0.is_empty() { b"." } else { &self.0 }
    }

    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.as_bytes()))
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// From the first component to the last; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|c| !c.is_empty())
    }

    /// The directory that it is in and its own name; `None` for the root.
    pub fn split_last(&self) -> Option<(RelPath, &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.0.iter().rposition(|&b| b == b'/') {
            Some(at) => (RelPath(self.0[..at].to_vec()), &self.0[at + 1..]),
            None => (RelPath::root(), &self.0[..]),
        })
    }

    pub fn parent(&self) -> Option<RelPath> {
        self.split_last().map(|(parent, _)| parent)
    }
}

/// Walk order: component by component, bytes within a component, a directory before its content.
impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.components().cmp(other.components())
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// For people: bytes that are not UTF-8, and control characters, are escaped.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display_bytes(self.as_bytes(), f)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes bytes so that no terminal is harmed: UTF-8 as it is, control characters as `\n`, `\x1b`.
pub fn display_bytes(bytes: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// The same as a string, for error texts.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = display_bytes(bytes, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_leads_outside_is_a_path() {
        for bad in ["", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a\0b"] {
            assert!(RelPath::new(bad.as_bytes()).is_none(), "{bad:?}");
        }
        for good in [".", "a", "a/b", "...", "-x", "a\nb"] {
            assert!(RelPath::new(good.as_bytes()).is_some(), "{good:?}");
        }
    }

    #[test]
    fn a_directorys_content_follows_it_before_its_longer_named_sibling() {
        let p = |s: &str| RelPath::new(s.as_bytes()).unwrap();
        let mut paths = vec![p("a-b"), p("a/z"), p("."), p("a"), p("a.txt")];
        paths.sort();
        assert_eq!(paths, vec![p("."), p("a"), p("a/z"), p("a-b"), p("a.txt")]);
    }

    #[test]
    fn a_path_comes_apart_and_goes_together() {
        let path = RelPath::new(b"a/b/c").unwrap();
        let (parent, name) = path.split_last().unwrap();
        assert_eq!(name, b"c");
        assert_eq!(parent.join(name), path);
        assert!(RelPath::root().split_last().is_none());
        assert_eq!(RelPath::new(b"a").unwrap().parent(), Some(RelPath::root()));
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(shown(b"a\x1b[2J\n\xff\xc3\xa4"), "a\\u{1b}[2J\\n\\xffä");
    }
}
