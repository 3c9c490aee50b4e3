//! What the user does not want stored, and by which rule. Every path left out can name its rule.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::drive::is_own_file;
use crate::model::glob::{GlobError, Pattern};
use crate::model::path::shown;
use crate::model::{RelPath, SetName, ShelfId};

/// The name of the file that marks a cache, and how it begins (bford.info/cachedir).
pub(super) const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
pub(super) const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct FilterOptions {
    /// `--exclude GLOB`.
    pub exclude: Vec<String>,
    /// `--exclude-from FILE`: one glob a line.
    pub exclude_from: Vec<PathBuf>,
    /// `--exclude-caches`: what is in a directory with a `CACHEDIR.TAG`.
    pub exclude_caches: bool,
    /// `--exclude-if-present NAME`: what is in a directory that holds such a name.
    pub exclude_if_present: Vec<Vec<u8>>,
    /// `--one-file-system`: what is behind a mount point.
    pub one_file_system: bool,
    /// Directories that are coldcut's own, whatever is in them.
    pub own_dirs: Vec<RelPath>,
    /// What is coldcut's own and no directory.
    pub own_files: Vec<RelPath>,
    /// Where disc images are that would be stored as files.
    pub shelves: Shelves,
}

/// Shelves in the source, by their paths or, wherever they are now, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Shelves {
    pub dirs: Vec<RelPath>,
    pub ids: Vec<ShelfId>,
    /// Images of these sets are disc images.
    pub sets: Vec<SetName>,
}

/// Why a path is not stored, or a directory without its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The pattern as it was typed.
    Glob(String),
    /// A staging area or a catalog that this run works with.
    Own(RelPath),
    /// What coldcut put into a shelf, which is this directory.
    DiscImages(RelPath),
    CacheTag,
    Present(Vec<u8>),
    OtherFileSystem,
    /// The file system's name.
    Pseudo(&'static str),
    /// A socket lives as long as the program that made it; so do kinds yet unknown.
    Socket,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Glob(text) => write!(f, "matches '{text}'"),
            Rule::Own(path) => write!(f, "is coldcut's own ({path})"),
            Rule::DiscImages(dir) => write!(f, "is a disc image in {dir}"),
            Rule::CacheTag => f.write_str("is a cache (CACHEDIR.TAG)"),
            Rule::Present(name) => write!(f, "holds '{}'", shown(name)),
            Rule::OtherFileSystem => f.write_str("is on another file system"),
            Rule::Pseudo(name) => write!(f, "is the kernel's own ({name})"),
            Rule::Socket => f.write_str("is a socket"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("an exclude pattern cannot be used")]
    Glob(#[from] GlobError),
    #[error("the exclude file {file} cannot be read")]
    Read { file: String, source: io::Error },
    #[error("line {line} of {file} cannot be used")]
    Line { file: String, line: usize, source: GlobError },
    #[error("line {line} of {file} is not UTF-8; write ? for each byte that is not")]
    NotText { file: String, line: usize },
    #[error(
        "'{0}', which marks directories to exclude, is not the name of a file: it is empty or has a slash"
    )]
    Name(String),
}

/// The rules, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    globs: Vec<Pattern>,
    exclude_caches: bool,
    present: Vec<Vec<u8>>,
    one_file_system: bool,
    own_dirs: Vec<RelPath>,
    own_files: Vec<RelPath>,
    shelves: Shelves,
}

impl Filter {
    /// Reads the lists and makes sense of all patterns; the first that makes none is the error.
    pub fn new(options: &FilterOptions) -> Result<Filter, FilterError> {
        let mut globs: Vec<Pattern> =
            options.exclude.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?;
        for file in &options.exclude_from {
            globs.append(&mut read_list(file)?);
        }
        for name in &options.exclude_if_present {
            if RelPath::new(name).is_none_or(|name| name.components().count() != 1) {
                return Err(FilterError::Name(shown(name)));
            }
        }
        Ok(Filter {
            globs,
            exclude_caches: options.exclude_caches,
            present: options.exclude_if_present.clone(),
            one_file_system: options.one_file_system,
            own_dirs: options.own_dirs.clone(),
            own_files: options.own_files.clone(),
            shelves: options.shelves.clone(),
        })
    }

    pub(super) fn is_shelf_at(&self, dir: &RelPath) -> bool {
        self.shelves.dirs.contains(dir)
    }

    pub(super) fn is_shelf_with_id(&self, id: ShelfId) -> bool {
        self.shelves.ids.contains(&id)
    }

    /// Of what is in a shelf, coldcut's own files.
    pub(super) fn excludes_from_shelf(&self, dir: &RelPath, name: &[u8]) -> Option<Rule> {
        is_own_file(name, &self.shelves.sets).then(|| Rule::DiscImages(dir.clone()))
    }

    /// The first rule that means this path. All below an excluded directory goes with it.
    pub(super) fn excludes(&self, path: &RelPath, is_dir: bool) -> Option<Rule> {
        let own = if is_dir { &self.own_dirs } else { &self.own_files };
        if own.contains(path) {
            return Some(Rule::Own(path.clone()));
        }
        let found = self.globs.iter().find(|pattern| pattern.matches(path, is_dir))?;
        Some(Rule::Glob(found.text().to_owned()))
    }

    pub(super) fn excludes_caches(&self) -> bool {
        self.exclude_caches
    }

    /// Names that empty the directory that holds one.
    pub(super) fn present(&self) -> &[Vec<u8>] {
        &self.present
    }

    pub(super) fn one_file_system(&self) -> bool {
        self.one_file_system
    }
}

fn read_list(file: &Path) -> Result<Vec<Pattern>, FilterError> {
    use std::os::unix::ffi::OsStrExt;
    let name = shown(file.as_os_str().as_bytes());
    match fs::read(file) {
        Ok(content) => parse_list(&name, &content),
        Err(source) => Err(FilterError::Read { file: name, source }),
    }
}

/// One pattern a line; empty lines and those that begin with `#` are for people. Blanks count.
fn parse_list(file: &str, content: &[u8]) -> Result<Vec<Pattern>, FilterError> {
    let mut patterns = Vec::new();
    for (number, line) in (1..).zip(content.split(|&b| b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let file = || file.to_owned();
        let text = std::str::from_utf8(line)
            .map_err(|_| FilterError::NotText { file: file(), line: number })?;
        let pattern = Pattern::new(text).map_err(|source| FilterError::Line {
            file: file(),
            line: number,
            source,
        })?;
        patterns.push(pattern);
    }
    Ok(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_list_has_one_pattern_a_line_and_room_for_remarks() {
        let list = b"# caches\n*.o\r\n\n\\#odd\n a b \n";
        let patterns = parse_list("x", list).unwrap();
        let texts: Vec<_> = patterns.iter().map(Pattern::text).collect();
        assert_eq!(texts, ["*.o", "\\#odd", " a b "]);
        assert!(patterns[1].matches(&path("#odd"), false));
    }

    #[test]
    fn a_bad_line_is_named_with_its_file_and_number() {
        let error = parse_list("my list", b"a\n\n[z\n").unwrap_err();
        assert!(matches!(&error, FilterError::Line { line: 3, .. }));
        assert_eq!(error.to_string(), "line 3 of my list cannot be used");
        let error = parse_list("l", b"\xff").unwrap_err();
        assert!(matches!(error, FilterError::NotText { line: 1, .. }));
    }

    #[test]
    fn lists_and_patterns_work_together_and_the_first_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("list");
        fs::write(&file, "b/c\n").unwrap();
        let options = FilterOptions {
            exclude: vec!["*.o".into()],
            exclude_from: vec![file.clone()],
            ..FilterOptions::default()
        };
        let filter = Filter::new(&options).unwrap();
        assert_eq!(filter.excludes(&path("x/y.o"), false), Some(Rule::Glob("*.o".into())));
        assert_eq!(filter.excludes(&path("b/c"), true), Some(Rule::Glob("b/c".into())));
        assert_eq!(filter.excludes(&path("b"), true), None);
        fs::remove_file(&file).unwrap();
        assert!(matches!(Filter::new(&options), Err(FilterError::Read { .. })));
    }

    #[test]
    fn a_tag_is_a_name_and_not_a_path() {
        for bad in ["", "a/b", "."] {
            let options =
                FilterOptions { exclude_if_present: vec![bad.into()], ..FilterOptions::default() };
            assert!(matches!(Filter::new(&options), Err(FilterError::Name(_))), "{bad:?}");
        }
    }
}
