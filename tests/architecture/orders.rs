//! The order of the rooms within a module, from below: a room may know its own level and those below
//! it. A room is a file, or a folder with all that is in it; a file of a folder that stands on another
//! level than the folder is named with it (`guards/error`).

use super::circles::Graph;
use std::collections::BTreeSet;

/// A module, and its levels: what each is about, and who is there.
pub type LevelOrder = (&'static str, &'static [(&'static str, &'static [&'static str])]);

pub const ORDERS: [LevelOrder; 7] = [
    (
        "flow",
        &[
            ("what all steps share", &["base"]),
            ("the staging area", &["staging"]),
            ("the discs at hand", &["library"]),
            ("discs are tried with standard tools", &["drill"]),
            ("discs are burned", &["burn"]),
            ("what the catalog knows", &["status"]),
            ("discs are read", &["restore"]),
            ("discs are filled", &["backup"]),
            ("discs are looked after", &["care"]),
            ("work that goes on by itself", &["service"]),
            ("all together", &["mod"]),
        ],
    ),
    (
        "catalog",
        &[
            ("the database, and values in it", &["base"]),
            ("what is in it", &["tables"]),
            ("catalogs as files, and those from discs", &["files"]),
            ("all together", &["mod"]),
        ],
    ),
    (
        "codec",
        &[
            ("bzip2", &["bzip2"]),
            (
                "single pieces",
                &["acl", "bzip2_frames", "frames", "openpgp", "pax", "sparse", "spool"],
            ),
            ("members and frames", &["ahead", "member", "read_member", "salvage"]),
            ("all together", &["mod"]),
        ],
    ),
    (
        "cli",
        &[
            ("what may be typed", &["args", "help", "values"]),
            ("what the world says for it", &["config", "resolve"]),
            ("what was meant", &["finish", "parse"]),
            ("all together", &["mod"]),
        ],
    ),
    (
        "ui",
        &[
            ("sentences", &["words"]),
            ("terminal and screen", &["keyboard", "lock", "screen", "styled", "table", "terminal"]),
            (
                "the talk with a person",
                &["ask", "asked", "events", "exit", "json", "messages", "pace", "progress", "run"],
            ),
            (
                "what results look like",
                &["drives", "keysheet", "lines", "media", "safety", "sets", "status", "summary"],
            ),
            ("all together", &["mod"]),
        ],
    ),
    (
        "hub",
        &[
            ("what both sides know", &["choice", "hello", "place"]),
            ("a run that reports, and who asks", &["client", "desk", "follow", "outbox"]),
            ("all of that together", &["operator", "report"]),
            ("the service", &["server"]),
            ("all together", &["mod"]),
        ],
    ),
    (
        "pack",
        &[
            ("sizes and errors", &["compact", "error", "estimate", "room", "staged"]),
            ("archives", &["ahead", "archive", "ledger", "queue", "reader", "rows", "sealing"]),
            ("discs", &["closing", "filler", "placing", "protecting", "space"]),
            ("all together", &["mod"]),
        ],
    ),
];

/// Who knows somebody above him, and which rooms are on no level, or not there any more.
pub fn offences(graph: &Graph, (module, levels): &LevelOrder) -> Vec<String> {
    let root = format!("src/{module}/");
    let place = |file: &str| {
        let path = file.strip_prefix(&root)?;
        Some(room_of(path, levels).ok_or_else(|| format!("{file} is on no level of {module}")))
    };
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (file, known) in graph {
        let Some(Ok((level, room))) = place(file).map(|place| place.map_err(|e| found.insert(e)))
        else {
            continue;
        };
        seen.insert(room);
        for (other, names) in known {
            if let Some(Ok((above, _))) = place(other).filter(|place| place.is_ok()) {
                if above > level {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let names = names.join(", ");
                    found.insert(format!("{file} knows {other}, which is above it: {names}"));
                }
            }
        }
    }
    let listed = levels.iter().flat_map(|(_, rooms)| rooms.iter().copied());
    let gone = listed.filter(|room| !seen.contains(room));
    found.extend(gone.map(|room| format!("{module}: nothing is called {room} any more")));
    found.into_iter().collect()
}

/// The level and the name of the room that a file is in: of two, the one that is named more closely.
fn room_of(
    path: &str,
    levels: &[(&'static str, &'static [&'static str])],
) -> Option<(usize, &'static str)> {
    let path = path.trim_end_matches(".rs");
    let holds =
        |room: &str| path.strip_prefix(room).is_some_and(|r| r.is_empty() || r.starts_with('/'));
    let all = levels.iter().enumerate();
    let all = all.flat_map(|(level, (_, rooms))| rooms.iter().map(move |room| (level, *room)));
    all.filter(|(_, room)| holds(room)).max_by_key(|(_, room)| room.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circles::House;

    const ORDER: LevelOrder = ("a", &[("below", &["x", "z/own"]), ("above", &["y", "z"])]);

    fn found(x: &str, y: &str) -> Vec<String> {
        let sources = [
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod x; mod y; mod z;"),
            ("src/a/x.rs", x),
            ("src/a/y.rs", y),
            ("src/a/z.rs", "mod own; pub struct Z;"),
            ("src/a/z/own.rs", "pub struct Own;"),
        ];
        let sources: Vec<_> =
            sources.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        let mut found = offences(&House::new(&sources).graph(), &ORDER);
        assert!(found.contains(&"src/a/mod.rs is on no level of a".to_owned()), "{found:?}");
        found.retain(|words| !words.starts_with("src/a/mod.rs"));
        found
    }

    #[test]
    fn a_room_may_know_its_own_level_and_those_below() {
        assert_eq!(found("pub struct X;", "use super::{x::X, z::Z};"), Vec::<String>::new());
        assert_eq!(found("use super::z::own::Own;", ""), Vec::<String>::new());
        assert_eq!(found("use super::y::Y;", "pub struct Y;").len(), 1);
        assert_eq!(found("use super::z::Z;", "").len(), 1);
    }

    #[test]
    fn a_room_that_is_gone_is_noticed() {
        let sources = [("src/a/x.rs".to_owned(), String::new())];
        let found = offences(&House::new(&sources).graph(), &ORDER);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
