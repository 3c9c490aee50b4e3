//! The sentence of each fact that the engine reports. `docs/json.md` lists the facts.

#[cfg(test)]
#[macro_use]
mod examples;

mod burn;
mod catalog;
mod disc;
mod drill;
mod drive;
mod key;
mod listing;
mod recovery;
mod rescue;
mod restore;
mod set;
mod shelf;
mod staging;
mod verify;
mod watch;

use crate::port::notice::Notice;

pub use drill::untested;
pub use verify::verdict;

/// What a person reads of a fact: a sentence without a full stop.
pub fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Burn(notice) => burn::words(notice),
        Notice::Catalog(notice) => catalog::words(notice),
        Notice::Disc(notice) => disc::words(notice),
        Notice::Drill(notice) => drill::words(notice),
        Notice::Drive(notice) => drive::words(notice),
        Notice::Key(notice) => key::words(notice),
        Notice::Listing(notice) => listing::words(notice),
        Notice::Recovery(notice) => recovery::words(notice),
        Notice::Rescue(notice) => rescue::words(notice),
        Notice::Restore(notice) => restore::words(notice),
        Notice::Set(notice) => set::words(notice),
        Notice::Shelf(notice) => shelf::words(notice),
        Notice::Staging(notice) => staging::words(notice),
        Notice::Verify(notice) => verify::words(notice),
        Notice::Watch(notice) => watch::words(notice),
    }
}

#[cfg(test)]
impl crate::port::recorder::Recorder {
    /// What a person would have read.
    pub fn words(&self) -> Vec<String> {
        self.heard.notes.lock().unwrap().iter().map(notice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::examples::Examples;
    use super::*;
    use crate::port::notice::StagingNotice;
    use serde_json::{Value, json};
    use std::collections::{BTreeMap, BTreeSet};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    /// All examples. A room that is missing does not compile.
    macro_rules! of_rooms {
        ($($room:ident: $file:ident),* $(,)?) => {{
            fn is_here(notice: &Notice) {
                match notice { $(Notice::$room(_) => {})* }
            }
            let _ = is_here;
            [$($file::examples()),*].concat()
        }};
    }

    fn examples() -> Examples {
        of_rooms! {
            Burn: burn,
            Catalog: catalog,
            Disc: disc,
            Drill: drill,
            Drive: drive,
            Key: key,
            Listing: listing,
            Recovery: recovery,
            Rescue: rescue,
            Restore: restore,
            Set: set,
            Shelf: shelf,
            Staging: staging,
            Verify: verify,
            Watch: watch,
        }
    }

    type Kinds = BTreeMap<String, BTreeSet<String>>;

    /// Of all facts, with their keys.
    fn kinds() -> Kinds {
        let mut kinds = Kinds::new();
        for (notice, _) in examples() {
            let Value::Object(object) = json!(notice) else { panic!("{notice:?}") };
            let kind = object["kind"].as_str().unwrap().to_owned();
            let keys = object.into_iter().map(|(key, _)| key).filter(|key| key != "kind");
            kinds.entry(kind).or_default().extend(keys);
        }
        kinds
    }

    /// As the page lists them.
    fn kinds_of_page() -> Kinds {
        let page = include_str!("../../../docs/json.md");
        let (_, section) = page.split_once("\n## Notices\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let rows = rows.map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            (quoted(cells[0]).remove(0), quoted(cells[1]).into_iter().collect())
        });
        let rows: Vec<_> = rows.collect();
        let kinds: Kinds = rows.iter().cloned().collect();
        assert_eq!(kinds.len(), rows.len(), "a kind has two rows");
        kinds
    }

    #[test]
    fn a_person_reads_a_sentence_of_each_fact() {
        for (fact, words) in examples() {
            assert_eq!(notice(&fact), words, "{fact:?}");
        }
    }

    #[test]
    fn the_page_lists_each_kind_with_its_keys() {
        assert_eq!(kinds_of_page(), kinds());
    }

    /// The facts of a room may not be called as those of another one.
    #[test]
    fn no_two_facts_have_one_kind() {
        let mut names = BTreeMap::new();
        for (notice, _) in examples() {
            let kind = json!(notice)["kind"].as_str().unwrap().to_owned();
            let room = std::mem::discriminant(&notice);
            assert_eq!(*names.entry(kind).or_insert(room), room, "{notice:?}");
        }
    }

    #[test]
    fn a_fact_keeps_its_numbers_and_all_bytes_of_its_paths() {
        let dir = OsStr::from_bytes(b"/srv/\xff").into();
        let object = json!(Notice::from(StagingNotice::ImagesLeftOut { dir }));
        let bytes = json!({"kind": "images-left-out", "dir": "/srv/\u{fffd}",
            "dir_bytes": "2f7372762fff"});
        assert_eq!(object, bytes);
        let (disc, before) = (examples::disc(), crate::model::DiscNo(2));
        let object = json!(Notice::from(StagingNotice::DiscWaits { disc, before }));
        assert_eq!(object, json!({"kind": "disc-waits", "disc": 3, "before": 2}));
    }
}
