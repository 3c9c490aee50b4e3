//! Globs as people type them, over paths that are bytes. Excludes and `--path` share the dialect.
//!
//! `*` and `?` stop at `/`, `**` does not; `[…]`, `{a,b}` and a backslash work as in a shell.
//! `?` is one byte. A leading `/` or `./` says "from the root of the source" and no more; a
//! trailing `/` says "directories only".

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::RelPath;

/// A pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern '{pattern}' cannot be read: {why}")]
pub struct GlobError {
    pub pattern: String,
    pub why: String,
}

/// One pattern, taken apart.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
    /// Had a `/` at its beginning or inside: it means the whole path, else the name at any depth.
    anchored: bool,
    dirs_only: bool,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Pattern, GlobError> {
        let fault = |why: String| GlobError { pattern: text.to_owned(), why };
        let bare = text.strip_prefix("./").unwrap_or(text);
        let body = bare.trim_start_matches('/').trim_end_matches('/');
        if body.is_empty() {
            return Err(fault("it is empty".into()));
        }
        let glob = GlobBuilder::new(body)
            .literal_separator(true)
            .build()
            .map_err(|error| fault(error.kind().to_string()))?;
        Ok(Pattern {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
            anchored: bare.len() != text.len() || bare.starts_with('/') || body.contains('/'),
            dirs_only: text.ends_with('/'),
        })
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True if this one path is meant; what is below a match is the caller's to decide.
    pub fn matches(&self, path: &RelPath, is_dir: bool) -> bool {
        if self.dirs_only && !is_dir {
            return false;
        }
        if self.anchored {
            return self.matches_whole(path);
        }
        path.components()
            .next_back()
            .is_some_and(|name| self.matcher.is_match(Path::new(as_os(name))))
    }

    fn matches_whole(&self, path: &RelPath) -> bool {
        self.matcher.is_match(path.as_path())
    }
}

fn as_os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

/// The pattern that means this path and nothing else, as `--exclude` takes it. What is not UTF-8, and
/// control characters, are `?`, each byte one: then it may mean a neighbour, too.
pub fn rule_for(path: &RelPath) -> String {
    let mut text = String::from("/");
    for chunk in path.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '?' | '*' | '[' | ']' | '{' | '}' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => (0..c.len_utf8()).for_each(|_| text.push('?')),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|_| text.push('?'));
    }
    text
}

/// The choice of paths to restore. Each pattern means the whole path relative to the source, and a
/// directory that matches brings all that is below it. `.` means everything.
#[derive(Clone, Debug, Default)]
pub struct PathGlobs(Vec<Pattern>);

impl PathGlobs {
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<PathGlobs, GlobError> {
        patterns
            .iter()
            .map(|text| Pattern::new(if text.as_ref() == "./" { "." } else { text.as_ref() }))
            .collect::<Result<_, _>>()
            .map(PathGlobs)
    }

    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Pattern::text)
    }

    /// No pattern at all: the caller means everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the path, or a directory that it is in, is meant by any pattern.
    pub fn matches(&self, path: &RelPath) -> bool {
        self.0.iter().any(|pattern| meant(pattern, path))
    }

    /// Marks the patterns that mean this path; `seen` is as long as [`PathGlobs::patterns`].
    /// What is still unmarked after the last path means nothing that exists.
    pub fn mark(&self, path: &RelPath, seen: &mut [bool]) {
        for (pattern, seen) in self.0.iter().zip(seen) {
            *seen = *seen || meant(pattern, path);
        }
    }
}

fn meant(pattern: &Pattern, path: &RelPath) -> bool {
    if pattern.text == "." {
        return true;
    }
    let bytes = path.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
    // A directory on the way ends where a `/` stands; the path itself at its end.
    !path.is_root()
        && ends
            .chain([bytes.len()])
            .any(|end| pattern.matcher.is_match(Path::new(as_os(&bytes[..end]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_for_a_path_means_it_and_no_other() {
        let path = |bytes: &[u8]| RelPath::new(bytes).unwrap();
        for name in ["a", "d/we *[i]r-d{n,o}!", "b\\c", "**", "x/[a-z]?", "ä b", "[!a]", "-x", "#y"]
        {
            let rule = Pattern::new(&rule_for(&path(name.as_bytes()))).unwrap();
            assert!(rule.matches(&path(name.as_bytes()), false), "{name}");
            for other in ["d/we xir-dn!", "x/ab", "bc", "b/c", "other", "y", "sub/a", "b"] {
                assert!(!rule.matches(&path(other.as_bytes()), false), "{name} {other}");
            }
        }
        for bytes in [&b"d/\xff\xfe"[..], b"new\nline", "c1\u{85}x".as_bytes()] {
            let rule = Pattern::new(&rule_for(&path(bytes))).unwrap();
            assert!(rule.matches(&path(bytes), false), "{bytes:?}");
            assert!(!rule.matches(&path(b"d/xyz"), false));
        }
    }

    fn path(bytes: &[u8]) -> RelPath {
        RelPath::new(bytes).unwrap()
    }

    #[test]
    fn a_pattern_without_a_slash_means_a_name_at_any_depth() {
        let pattern = Pattern::new("*.o").unwrap();
        assert!(pattern.matches(&path(b"a/b/x.o"), false));
        assert!(pattern.matches(&path(b"x.o"), false));
        assert!(!pattern.matches(&path(b"x.o/y"), false));
        assert!(!pattern.matches(&RelPath::root(), true));
    }

    #[test]
    fn a_pattern_with_a_slash_means_the_whole_path() {
        for (glob, bytes, expected) in [
            ("a/*.o", "a/x.o", true),
            ("a/*.o", "a/b/x.o", false),
            ("a/*.o", "z/a/x.o", false),
            ("a/**/x", "a/x", true),
            ("a/**/x", "a/b/c/x", true),
            ("**/cache", "cache", true),
            ("**/cache", "a/b/cache", true),
            ("/top", "top", true),
            ("/top", "a/top", false),
            ("./top", "a/top", false),
            ("./top", "top", true),
            ("a/[!x]", "a/y", true),
            ("a/{b,c}", "a/c", true),
            ("a/\\*", "a/*", true),
            ("a/\\*", "a/b", false),
        ] {
            let pattern = Pattern::new(glob).unwrap();
            assert_eq!(pattern.matches(&path(bytes.as_bytes()), false), expected, "{glob} {bytes}");
        }
    }

    #[test]
    fn a_slash_at_the_end_means_directories_at_any_depth() {
        let pattern = Pattern::new("cache/").unwrap();
        assert!(pattern.matches(&path(b"a/cache"), true));
        assert!(!pattern.matches(&path(b"a/cache"), false));
    }

    #[test]
    fn names_are_bytes() {
        assert!(Pattern::new("x?y").unwrap().matches(&path(b"x\xffy"), false));
        assert!(Pattern::new("x*").unwrap().matches(&path(b"x\n\xfe"), false));
        assert!(Pattern::new("größe*").unwrap().matches(&path("größer".as_bytes()), false));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for bad in ["", "/", "[a", "{a"] {
            let error = Pattern::new(bad).unwrap_err();
            assert_eq!(error.pattern, bad);
        }
    }

    #[test]
    fn a_directory_brings_all_below_it() {
        let globs = PathGlobs::new(&["photos/20*", "x/", "*.txt"]).unwrap();
        for (bytes, expected) in [
            ("photos/2024", true),
            ("photos/2024/a/b.jpg", true),
            ("photos", false),
            ("photos/1999/a", false),
            ("x/y", true),
            ("a/x", false),
            ("n.txt", true),
            ("a/n.txt", false),
            (".", false),
        ] {
            assert_eq!(globs.matches(&path(bytes.as_bytes())), expected, "{bytes}");
        }
        assert!(PathGlobs::new(&["."]).unwrap().matches(&path(b"a/b")));
        assert!(PathGlobs::new(&["./"]).unwrap().matches(&RelPath::root()));
    }

    #[test]
    fn patterns_that_mean_nothing_stay_unmarked() {
        let globs = PathGlobs::new(&["a", "zzz"]).unwrap();
        let mut seen = [false; 2];
        globs.mark(&path(b"a/b"), &mut seen);
        globs.mark(&path(b"c"), &mut seen);
        assert_eq!(seen, [true, false]);
    }
}
