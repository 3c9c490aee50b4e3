//! Which rows of a listing a restore is about. Pure: rows come from a catalog or from a disc, and a
//! listing of millions is passed over without keeping what nobody asked for.

use std::collections::{HashMap, HashSet};

use crate::model::glob::PathGlobs;
use crate::model::rows::SnapshotRow;
use crate::model::{Kind, RelPath};

/// Takes one row.
pub type TakeRow<'a> = dyn FnMut(SnapshotRow) + 'a;

/// What was chosen of a listing.
#[derive(Debug, Default)]
pub struct Selection {
    pub rows: Vec<SnapshotRow>,
    /// Directories above them that were not chosen themselves.
    pub above: Vec<SnapshotRow>,
    /// Rows that were not chosen, but hold the content of a hard link that was.
    pub firsts: HashMap<RelPath, SnapshotRow>,
    /// Patterns that mean nothing in this listing.
    pub unmatched: Vec<String>,
}

impl Selection {
    /// The mode that the target itself will have, where the listing tells it.
    pub fn root_mode(&self) -> u32 {
        let mut rows = self.rows.iter().chain(&self.above);
        rows.find(|row| row.path.is_root()).map_or(0o755, |row| row.meta.mode)
    }
}

/// Goes through a listing, twice only where a hard link was chosen without its first name.
pub fn select<E>(
    globs: &PathGlobs,
    mut each_row: impl FnMut(&mut TakeRow) -> Result<(), E>,
) -> Result<Selection, E> {
    let mut chosen = PathSelector::new(globs);
    each_row(&mut |row| chosen.take(row))?;
    let mut selection = chosen.finish();
    let wanted = links_without_first(&selection.rows);
    if !wanted.is_empty() {
        each_row(&mut |row| {
            if is_first(&row) && wanted.contains(&row.path) {
                selection.firsts.insert(row.path.clone(), row);
            }
        })?;
    }
    Ok(selection)
}

struct PathSelector<'a> {
    globs: &'a PathGlobs,
    seen: Vec<bool>,
    rows: Vec<SnapshotRow>,
    dirs: Vec<SnapshotRow>,
}

impl<'a> PathSelector<'a> {
    fn new(globs: &'a PathGlobs) -> PathSelector<'a> {
        let seen = vec![false; globs.patterns().count()];
        PathSelector { globs, seen, rows: Vec::new(), dirs: Vec::new() }
    }

    fn take(&mut self, row: SnapshotRow) {
        self.globs.mark(&row.path, &mut self.seen);
        if self.globs.is_empty() || self.globs.matches(&row.path) {
            self.rows.push(row);
        } else if row.kind == Kind::Dir {
            self.dirs.push(row);
        }
    }

    fn finish(self) -> Selection {
        let unseen = self.globs.patterns().zip(&self.seen).filter(|(_, seen)| !**seen);
        let unmatched = unseen.map(|(pattern, _)| pattern.to_owned()).collect();
        let needed = ancestors(&self.rows);
        let mut above = self.dirs;
        above.retain(|row| needed.contains(&row.path));
        Selection { rows: self.rows, above, firsts: HashMap::new(), unmatched }
    }
}

fn ancestors(rows: &[SnapshotRow]) -> HashSet<RelPath> {
    let mut all = HashSet::new();
    for row in rows {
        let mut path = row.path.parent();
        // What is above a directory that is known is known, too.
        while let Some(dir) = path.filter(|dir| !all.contains(dir)) {
            path = dir.parent();
            all.insert(dir);
        }
    }
    all
}

/// Anything but a directory can have several names.
fn is_first(row: &SnapshotRow) -> bool {
    !matches!(row.kind, Kind::Dir | Kind::Hardlink)
}

/// First names of chosen hard links that were not chosen themselves.
fn links_without_first(rows: &[SnapshotRow]) -> HashSet<RelPath> {
    let links = rows.iter().filter(|row| row.kind == Kind::Hardlink);
    let mut wanted: HashSet<RelPath> =
        links.filter_map(|row| RelPath::new(&row.meta.link)).collect();
    for row in rows {
        if is_first(row) && !wanted.is_empty() {
            wanted.remove(&row.path);
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Meta;
    use crate::model::rows::{Note, Where};

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn row(kind: Kind, text: &str, link: &str) -> SnapshotRow {
        SnapshotRow {
            kind,
            path: path(text),
            size: 0,
            sha256: None,
            place: Where::nothing(),
            meta: Meta { link: link.as_bytes().to_vec(), ..Meta::default() },
            note: Note::None,
        }
    }

    fn listing() -> Vec<SnapshotRow> {
        vec![
            row(Kind::Dir, ".", ""),
            row(Kind::Dir, "a", ""),
            row(Kind::File, "a/first", ""),
            row(Kind::Dir, "b", ""),
            row(Kind::Dir, "b/c", ""),
            row(Kind::Hardlink, "b/c/second", "a/first"),
            row(Kind::File, "b/x", ""),
        ]
    }

    fn chosen(patterns: &[&str]) -> Selection {
        let globs = PathGlobs::new(patterns).unwrap();
        let each = |take: &mut TakeRow| -> Result<(), ()> {
            listing().into_iter().for_each(take);
            Ok(())
        };
        select(&globs, each).unwrap()
    }

    fn paths(rows: &[SnapshotRow]) -> Vec<String> {
        rows.iter().map(|row| row.path.to_string()).collect()
    }

    #[test]
    fn without_a_pattern_all_is_chosen() {
        let all = chosen(&[]);
        assert_eq!(all.rows.len(), 7);
        assert!(all.above.is_empty() && all.firsts.is_empty() && all.unmatched.is_empty());
    }

    #[test]
    fn the_directories_above_come_along_and_others_do_not() {
        let some = chosen(&["b/x"]);
        assert_eq!(paths(&some.rows), ["b/x"]);
        assert_eq!(paths(&some.above), [".", "b"]);
    }

    #[test]
    fn a_link_without_its_first_name_brings_the_row_of_that_name() {
        let some = chosen(&["b"]);
        assert_eq!(paths(&some.rows), ["b", "b/c", "b/c/second", "b/x"]);
        assert_eq!(some.firsts.keys().collect::<Vec<_>>(), [&path("a/first")]);
        assert!(chosen(&["**"]).firsts.is_empty());
    }

    #[test]
    fn a_pattern_that_means_nothing_is_named() {
        assert_eq!(chosen(&["b/x", "no/such"]).unmatched, ["no/such"]);
    }
}
