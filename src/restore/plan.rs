//! What a restore needs: which content from which disc, in order, each disc once. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::model::rows::{Place, SnapshotRow};
use crate::model::{ArchiveNo, Digest, DiscNo, Kind, RelPath};

/// A content, and every path that it goes to.
#[derive(Debug)]
pub struct Content {
    pub size: u64,
    pub sha256: Digest,
    /// Its parts' places in order; one if it was not split.
    pub places: Vec<Place>,
    pub member: RelPath,
    /// Rows of [`Plan::rows`] that have this content.
    pub targets: Vec<usize>,
}

impl Content {
    /// Whether it is stored as members of `.coldcut-parts`.
    pub fn is_split(&self) -> bool {
        crate::format::members::part_id(&self.member).is_some()
    }
}

/// A file that cannot be had, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub path: RelPath,
    pub why: String,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub rows: Vec<SnapshotRow>,
    pub contents: Vec<Content>,
    /// Which contents need something from each disc.
    pub discs: BTreeMap<DiscNo, Vec<usize>>,
    /// Rows without content: directories, links, devices, empty files.
    pub plain: Vec<usize>,
    pub lost: Vec<Lost>,
    /// Bytes of files that will be written.
    pub bytes: u64,
}

/// Plans the restore of these rows.
pub fn plan(rows: Vec<SnapshotRow>) -> Plan {
    let mut plan = Plan::default();
    let mut known: HashMap<(Digest, Vec<Place>, Vec<u8>), usize> = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        if row.kind != Kind::File || row.size == 0 {
            plan.plain.push(number);
            continue;
        }
        match (&row.sha256, &row.place.member) {
            (Some(digest), Some(member)) if row.place.complete && !row.place.places.is_empty() => {
                let key = (*digest, row.place.places.clone(), member.as_bytes().to_vec());
                let content = *known.entry(key).or_insert(plan.contents.len());
                if content == plan.contents.len() {
                    plan.contents.push(Content {
                        size: row.size,
                        sha256: *digest,
                        places: row.place.places.clone(),
                        member: member.clone(),
                        targets: Vec::new(),
                    });
                }
                plan.contents[content].targets.push(number);
                plan.bytes += row.size;
            }
            _ => plan.lost.push(Lost {
                path: row.path.clone(),
                why: "its content was not on a disc yet when this listing was written".to_owned(),
            }),
        }
    }
    for (number, content) in plan.contents.iter().enumerate() {
        let mut discs: Vec<DiscNo> = content.places.iter().map(|place| place.disc).collect();
        discs.dedup();
        for disc in discs {
            plan.discs.entry(disc).or_default().push(number);
        }
    }
    plan.rows = rows;
    plan
}

impl Plan {
    /// What is wanted from one disc: by archive and member, the content that it belongs to.
    /// Parts are found by their directory.
    pub fn wanted_from(&self, disc: DiscNo) -> HashMap<(ArchiveNo, RelPath), usize> {
        let mut wanted = HashMap::new();
        for &number in self.discs.get(&disc).into_iter().flatten() {
            let content = &self.contents[number];
            for place in content.places.iter().filter(|place| place.disc == disc) {
                wanted.insert((place.archive, content.member.clone()), number);
            }
        }
        wanted
    }

    /// Every path that a content goes to.
    pub fn paths(&self, content: &Content) -> impl Iterator<Item = &RelPath> {
        content.targets.iter().map(|&row| &self.rows[row].path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Meta;
    use crate::model::rows::{Note, Where};

    fn file(path: &str, digest: u8, places: &[(u32, u32)], complete: bool) -> SnapshotRow {
        let place = |&(disc, archive): &(u32, u32)| Place {
            disc: DiscNo(disc),
            archive: ArchiveNo(archive),
        };
        SnapshotRow {
            kind: Kind::File,
            path: RelPath::new(path.as_bytes()).unwrap(),
            size: 10,
            sha256: Some(Digest([digest; 32])),
            place: Where {
                places: places.iter().map(place).collect(),
                complete,
                member: RelPath::new(b"a"),
            },
            meta: Meta::default(),
            note: Note::None,
        }
    }

    #[test]
    fn a_content_with_two_paths_is_read_once() {
        let plan = plan(vec![file("a", 1, &[(1, 1)], true), file("b", 1, &[(1, 1)], true)]);
        assert_eq!(plan.contents.len(), 1);
        assert_eq!(plan.contents[0].targets, vec![0, 1]);
        assert_eq!(plan.bytes, 20);
    }

    #[test]
    fn a_split_file_needs_each_disc_once() {
        let plan = plan(vec![file("a", 1, &[(1, 1), (1, 2), (2, 3)], true)]);
        let discs: Vec<u32> = plan.discs.keys().map(|disc| disc.0).collect();
        assert_eq!(discs, vec![1, 2]);
        assert_eq!(plan.discs[&DiscNo(1)], vec![0]);
        assert_eq!(plan.wanted_from(DiscNo(1)).len(), 2);
    }

    #[test]
    fn what_was_not_stored_is_named_as_lost() {
        let plan = plan(vec![file("a", 1, &[(1, 1)], false), file("b", 1, &[], true)]);
        assert!(plan.contents.is_empty());
        assert_eq!(plan.lost.len(), 2);
    }
}
