//! What a restore needs: which content from which disc, in order, each disc once. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::select::Selection;
use crate::model::rows::{Place, SnapshotRow};
use crate::model::{ArchiveNo, Digest, DiscNo, Kind, RelPath};

/// How the target stands to one path, before anything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Nothing is in the way.
    Free,
    /// Something is, and gives way.
    Replace,
    /// It is there already, as far as kind, size and time can tell.
    There,
    /// Something else is there, and stays.
    Kept,
    /// The way to it is barred.
    Barred(String),
}

impl TargetState {
    fn is_to_be_made(&self) -> bool {
        matches!(self, TargetState::Free | TargetState::Replace)
    }
}

/// A path of the plan.
#[derive(Debug)]
pub struct PlannedItem {
    pub row: SnapshotRow,
    /// What is there gives way.
    pub replace: bool,
    /// False: a directory that is needed only because of what is below it, or a file that is there
    /// already.
    pub chosen: bool,
}

/// A content, and every path that it goes to.
#[derive(Debug)]
pub struct PlannedContent {
    pub size: u64,
    pub sha256: Digest,
    /// Its parts' places in order; one if it was not split.
    pub places: Vec<Place>,
    pub member: RelPath,
    /// [`RestorePlan::items`] that have this content.
    pub targets: Vec<usize>,
}

impl PlannedContent {
    /// The numbers of its parts on this disc, from 1.
    pub fn parts_on(&self, disc: DiscNo) -> impl Iterator<Item = u32> {
        let numbered = (1..).zip(&self.places);
        numbered.filter(move |(_, place)| place.disc == disc).map(|(part, _)| part)
    }

    /// Whether other discs have parts of it, too.
    pub fn is_on_others(&self, disc: DiscNo) -> bool {
        self.places.iter().any(|place| place.disc != disc)
    }
}

/// Another name for something that is in the target by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedLink {
    pub item: usize,
    pub first: usize,
}

/// A path that will not be restored, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub path: RelPath,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Something else is in its place and stays.
    Kept,
    Barred(String),
    /// No disc that is known has it: it went onto a later one, or onto none.
    NotOnADisc,
    /// A hard link to something that the listing does not have.
    NoFirst,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Kept => "a different file is already there and was kept",
            Why::Barred(why) => why,
            Why::NotOnADisc => "its content was not on a disc yet when this listing was written",
            Why::NoFirst => "it is another name of a file that this listing does not have",
        })
    }
}

#[derive(Debug, Default)]
pub struct RestorePlan {
    pub items: Vec<PlannedItem>,
    pub contents: Vec<PlannedContent>,
    /// Which contents need something from each disc.
    pub discs: BTreeMap<DiscNo, Vec<usize>>,
    /// Directories, those above others first.
    pub dirs: Vec<usize>,
    /// Symbolic links, FIFOs, devices, empty files.
    pub plain: Vec<usize>,
    pub links: Vec<PlannedLink>,
    pub lost: Vec<Lost>,
    /// Files with content that will be written, and their bytes.
    pub files: u64,
    pub bytes: u64,
    /// Things other than directories that are in the target already.
    pub there: u64,
}

/// Plans the restore of what was chosen; `standing` looks at the target.
pub fn plan(selection: Selection, standing: impl Fn(&SnapshotRow) -> TargetState) -> RestorePlan {
    let linked = first_names(&selection.rows);
    let mut planner =
        Planner { plan: RestorePlan::default(), linked, firsts: HashMap::new(), standing };
    let mut links = Vec::new();
    for row in selection.above {
        planner.take(row, false);
    }
    for row in selection.rows {
        match row.kind {
            Kind::Hardlink => links.push(row),
            _ => planner.take(row, true),
        }
    }
    for row in links {
        planner.take_link(row, &selection.firsts);
    }
    let mut plan = planner.plan;
    plan.gather_contents();
    let RestorePlan { items, dirs, .. } = &mut plan;
    dirs.sort_by(|&a, &b| items[a].row.path.cmp(&items[b].row.path));
    plan
}

/// Paths that hard links name.
fn first_names(rows: &[SnapshotRow]) -> HashSet<RelPath> {
    let links = rows.iter().filter(|row| row.kind == Kind::Hardlink);
    links.filter_map(|row| RelPath::new(&row.meta.link)).collect()
}

struct Planner<F> {
    plan: RestorePlan,
    linked: HashSet<RelPath>,
    /// What is in the target that its further names are to be linked to.
    firsts: HashMap<RelPath, FirstLink>,
    standing: F,
}

/// What is known of a file that may have several names.
enum FirstLink {
    /// An item that is or will be in the target.
    Item(usize),
    /// The file is in the plan, but not to be had under this name.
    Row(Box<SnapshotRow>),
    NotOnADisc,
}

impl<F: Fn(&SnapshotRow) -> TargetState> Planner<F> {
    fn take(&mut self, row: SnapshotRow, chosen: bool) {
        let standing = (self.standing)(&row);
        let is_dir = row.kind == Kind::Dir;
        if row.kind == Kind::File || !is_dir && self.linked.contains(&row.path) {
            let name = self.linked.contains(&row.path).then(|| row.path.clone());
            let first = self.take_file(row, standing);
            self.firsts.extend(name.map(|name| (name, first)));
        } else if standing.is_to_be_made() || is_dir && standing == TargetState::There {
            let list = if is_dir { &mut self.plan.dirs } else { &mut self.plan.plain };
            list.push(self.plan.items.len());
            let replace = standing == TargetState::Replace;
            self.plan.items.push(PlannedItem { row, replace, chosen });
        } else {
            self.pass_over(row.path, standing);
        }
    }

    fn take_file(&mut self, row: SnapshotRow, standing: TargetState) -> FirstLink {
        if !is_stored(&row) && standing != TargetState::There {
            self.plan.lost.push(Lost { path: row.path, why: Why::NotOnADisc });
            FirstLink::NotOnADisc
        } else if matches!(standing, TargetState::Kept | TargetState::Barred(_)) {
            self.pass_over(row.path.clone(), standing);
            FirstLink::Row(Box::new(row))
        } else {
            FirstLink::Item(self.add_file(row, standing))
        }
    }

    fn add_file(&mut self, row: SnapshotRow, standing: TargetState) -> usize {
        let number = self.plan.items.len();
        match standing {
            TargetState::There => self.plan.there += 1,
            _ if row.size == 0 => self.plan.plain.push(number),
            _ => {
                self.plan.files += 1;
                // Sizes from a disc may be lies.
                self.plan.bytes = self.plan.bytes.saturating_add(row.size);
            }
        }
        let there = standing == TargetState::There;
        let replace = standing == TargetState::Replace;
        self.plan.items.push(PlannedItem { row, replace, chosen: !there });
        number
    }

    fn pass_over(&mut self, path: RelPath, standing: TargetState) {
        let why = match standing {
            TargetState::There => return self.plan.there += 1,
            TargetState::Barred(why) => Why::Barred(why),
            _ => Why::Kept,
        };
        self.plan.lost.push(Lost { path, why });
    }

    /// The first name that can be restored gets the content, the others become links to it.
    fn take_link(&mut self, row: SnapshotRow, spare: &HashMap<RelPath, SnapshotRow>) {
        let lost = |plan: &mut RestorePlan, path, why| plan.lost.push(Lost { path, why });
        let Some(first_path) = RelPath::new(&row.meta.link) else {
            return lost(&mut self.plan, row.path, Why::NoFirst);
        };
        let (file, item) = match (self.firsts.get(&first_path), spare.get(&first_path)) {
            (Some(FirstLink::Item(item)), _) => (&self.plan.items[*item].row, Some(*item)),
            (Some(FirstLink::Row(file)), _) => (&**file, None),
            (Some(FirstLink::NotOnADisc), _) => {
                return lost(&mut self.plan, row.path, Why::NotOnADisc);
            }
            (None, Some(file)) => (file, None),
            (None, None) => return lost(&mut self.plan, row.path, Why::NoFirst),
        };
        let as_file = SnapshotRow { path: row.path, ..file.clone() };
        let standing = (self.standing)(&as_file);
        match item {
            Some(first) if standing.is_to_be_made() => {
                let item = self.plan.items.len();
                let replace = standing == TargetState::Replace;
                self.plan.items.push(PlannedItem { row: as_file, replace, chosen: true });
                self.plan.links.push(PlannedLink { item, first });
            }
            Some(_) => self.pass_over(as_file.path, standing),
            // It stands in for its first name; those that follow are linked to it.
            None => {
                let known = self.take_file(as_file, standing);
                if let FirstLink::Item(_) = known {
                    self.firsts.insert(first_path, known);
                }
            }
        }
    }
}

/// Whether all of a file's bytes are on discs.
pub fn is_stored(row: &SnapshotRow) -> bool {
    let place = &row.place;
    let found = place.complete && !place.places.is_empty() && place.member.is_some();
    row.size == 0 || found && row.sha256.is_some()
}

impl RestorePlan {
    fn gather_contents(&mut self) {
        let linked: Vec<usize> = self.links.iter().map(|link| link.item).collect();
        let mut known: HashMap<(Digest, ArchiveNo, &[u8]), usize> = HashMap::new();
        for (number, PlannedItem { row, chosen, .. }) in self.items.iter().enumerate() {
            let is_file = row.kind == Kind::File && row.size > 0 && *chosen;
            if !is_file || linked.binary_search(&number).is_ok() {
                continue;
            }
            let (Some(sha256), Some(member)) = (row.sha256, &row.place.member) else { continue };
            let Some(place) = row.place.places.first() else { continue };
            let key = (sha256, place.archive, member.as_bytes());
            let content = *known.entry(key).or_insert_with(|| {
                let (places, member) = (row.place.places.clone(), member.clone());
                let targets = Vec::new();
                self.contents.push(PlannedContent {
                    size: row.size,
                    sha256,
                    places,
                    member,
                    targets,
                });
                self.contents.len() - 1
            });
            self.contents[content].targets.push(number);
        }
        for (number, content) in self.contents.iter().enumerate() {
            for place in &content.places {
                let needed = self.discs.entry(place.disc).or_default();
                if needed.last() != Some(&number) {
                    needed.push(number);
                }
            }
        }
    }

    /// Every path that a content goes to.
    pub fn paths(&self, content: usize) -> impl Iterator<Item = &RelPath> {
        self.contents[content].targets.iter().map(|&item| &self.items[item].row.path)
    }

    /// The discs of each file that is on several.
    pub fn split_over_discs(&self) -> impl Iterator<Item = BTreeSet<DiscNo>> {
        let on = |content: &PlannedContent| content.places.iter().map(|place| place.disc).collect();
        self.contents.iter().map(on).filter(|discs: &BTreeSet<DiscNo>| discs.len() > 1)
    }

    /// Bytes of members to be read from all discs: each content once, however many paths it goes to.
    pub fn bytes_to_read(&self) -> u64 {
        self.contents.iter().fold(0, |sum: u64, content| sum.saturating_add(content.size))
    }

    /// Bytes of members to be read from a disc; where a file is split, at most.
    pub fn bytes_from(&self, disc: DiscNo) -> u64 {
        let needed = self.discs.get(&disc).into_iter().flatten();
        needed.fold(0, |sum, &content| sum.saturating_add(self.contents[content].size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Meta;
    use crate::model::rows::{Note, Where};

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn row(kind: Kind, text: &str) -> SnapshotRow {
        SnapshotRow {
            kind,
            path: path(text),
            size: 0,
            sha256: None,
            place: Where::nothing(),
            meta: Meta::default(),
            note: Note::None,
        }
    }

    fn file(text: &str, digest: u8, places: &[(u32, u32)], complete: bool) -> SnapshotRow {
        let place = |&(disc, archive): &(u32, u32)| Place {
            disc: DiscNo(disc),
            archive: ArchiveNo(archive),
        };
        let places = places.iter().map(place).collect();
        SnapshotRow {
            size: 10,
            sha256: Some(Digest([digest; 32])),
            place: Where { places, complete, member: RelPath::new(b"a") },
            ..row(Kind::File, text)
        }
    }

    fn link(text: &str, first: &str) -> SnapshotRow {
        let mut row = row(Kind::Hardlink, text);
        row.meta.link = first.as_bytes().to_vec();
        row
    }

    fn planned(rows: Vec<SnapshotRow>) -> RestorePlan {
        plan_with(rows, &[])
    }

    fn plan_with(rows: Vec<SnapshotRow>, standings: &[(&str, TargetState)]) -> RestorePlan {
        plan(Selection { rows, ..Selection::default() }, |row| standing(row, standings))
    }

    fn standing(row: &SnapshotRow, standings: &[(&str, TargetState)]) -> TargetState {
        let known = standings.iter().find(|(text, _)| path(text) == row.path);
        known.map_or(TargetState::Free, |(_, standing)| standing.clone())
    }

    #[test]
    fn a_content_with_two_paths_is_read_once() {
        let plan = planned(vec![file("a", 1, &[(1, 1)], true), file("b", 1, &[(1, 1)], true)]);
        assert_eq!(plan.contents.len(), 1);
        assert_eq!(plan.contents[0].targets, vec![0, 1]);
        assert_eq!((plan.files, plan.bytes), (2, 20));
    }

    #[test]
    fn a_split_file_needs_each_disc_once() {
        let plan = planned(vec![file("a", 1, &[(1, 1), (1, 2), (2, 3)], true)]);
        let discs: Vec<u32> = plan.discs.keys().map(|disc| disc.0).collect();
        assert_eq!(discs, vec![1, 2]);
        assert_eq!(plan.discs[&DiscNo(1)], vec![0]);
        let on = |disc| plan.contents[0].parts_on(DiscNo(disc)).collect::<Vec<u32>>();
        assert_eq!([0, 1, 2].map(on), [vec![], vec![1, 2], vec![3]]);
    }

    #[test]
    fn what_was_not_stored_is_named_as_lost() {
        let plan = planned(vec![file("a", 1, &[(1, 1)], false), file("b", 1, &[], true)]);
        assert!(plan.contents.is_empty());
        assert_eq!(plan.lost.len(), 2);
    }

    #[test]
    fn what_is_there_needs_no_disc_and_what_is_kept_is_named() {
        let rows = vec![
            file("a", 1, &[(1, 1)], true),
            file("b", 2, &[(2, 2)], true),
            file("c", 3, &[(3, 3)], true),
        ];
        let plan = plan_with(rows, &[("a", TargetState::There), ("b", TargetState::Kept)]);
        assert_eq!(plan.discs.keys().collect::<Vec<_>>(), [&DiscNo(3)]);
        assert_eq!(plan.there, 1);
        assert_eq!(plan.lost, [Lost { path: path("b"), why: Why::Kept }]);
    }

    #[test]
    fn a_link_follows_its_first_name() {
        let plan = planned(vec![link("0", "a"), file("a", 1, &[(1, 1)], true)]);
        let named = |item: usize| plan.items[item].row.path.to_string();
        let PlannedLink { item, first } = plan.links[0];
        assert_eq!((named(item), named(first)), ("0".into(), "a".into()));
        assert_eq!(plan.contents[0].targets.len(), 1);
    }

    #[test]
    fn a_link_takes_the_content_where_its_first_name_is_not_restored() {
        let rows = [file("a", 1, &[(1, 1)], true), link("b", "a"), link("c", "a")];
        for (chosen, standings) in [(0, vec![("a", TargetState::Kept)]), (1, vec![])] {
            let firsts = HashMap::from([(path("a"), rows[0].clone())]);
            let rows = rows[chosen..].to_vec();
            let selection = Selection { rows, firsts, ..Selection::default() };
            let plan = plan(selection, |row| standing(row, &standings));
            assert_eq!(plan.paths(0).collect::<Vec<_>>(), [&path("b")]);
            assert_eq!(plan.links.len(), 1);
            assert_eq!(plan.items[plan.links[0].first].row.path, path("b"));
        }
    }

    #[test]
    fn a_link_to_what_is_there_needs_no_content() {
        let rows = vec![file("a", 1, &[(1, 1)], true), link("b", "a")];
        let plan = plan_with(rows, &[("a", TargetState::There)]);
        assert!(plan.contents.is_empty());
        assert_eq!(plan.links.len(), 1);
    }

    #[test]
    fn a_link_to_nothing_is_lost() {
        let plan = planned(vec![link("b", "a"), link("c", "../x")]);
        assert!(plan.lost.iter().all(|lost| lost.why == Why::NoFirst));
        assert_eq!(plan.lost.len(), 2);
    }

    #[test]
    fn directories_are_sorted_whatever_the_listing() {
        let dirs = ["b/c", "a", ".", "b"].map(|text| row(Kind::Dir, text));
        let plan = plan_with(dirs.to_vec(), &[("b", TargetState::There)]);
        let paths: Vec<String> =
            plan.dirs.iter().map(|&item| plan.items[item].row.path.to_string()).collect();
        assert_eq!(paths, [".", "a", "b", "b/c"]);
    }
}
