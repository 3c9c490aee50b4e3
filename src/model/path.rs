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

/// Writes bytes so that no terminal is harmed and no reader misled: UTF-8 as it is, characters that
/// are not text as `\n`, `\u{1b}`, `\u{202e}`.
pub fn display_bytes(bytes: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if !is_text(c) {
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

/// Whether a terminal shows this character where it stands and does nothing else with it.
pub fn is_text(c: char) -> bool {
    !c.is_control() && !reorders(c)
}

/// Characters that show what stands around them in another order, or begin a line of their own
/// (Unicode 15, Bidi_Control, and the separators of lines and paragraphs): `photo\u{202e}gpj.exe`
/// would read as `photoexe.jpg`.
fn reorders(c: char) -> bool {
    matches!(
        c,
        '\u{061c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// The same as a string, for error texts.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = display_bytes(bytes, &mut text);
    text
}

/// A path for people, the same way.
pub fn shown_path(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
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
        // C1: U+009B begins a sequence as ESC [ does.
        assert_eq!(shown("\u{9b}2J\u{85}".as_bytes()), "\\u{9b}2J\\u{85}");
    }

    #[test]
    fn nothing_is_shown_in_another_order_than_it_has() {
        assert_eq!(shown("a\u{202e}gpj.exe".as_bytes()), "a\\u{202e}gpj.exe");
        let others = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2066}', '\u{2069}', '\u{2028}'];
        for c in others {
            assert_eq!(shown(c.to_string().as_bytes()), c.escape_default().to_string());
        }
        // Letters that are written from right to left, and what joins them, are text.
        assert_eq!(shown("שלום\u{200d}".as_bytes()), "שלום\u{200d}");
    }
}
