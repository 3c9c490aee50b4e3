//! Compares `docs/json.md` with the types: every key that a table of the page names is written, and
//! every key that is written is in the table of its object.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::examples::{Example, examples};

const PAGE: &str = include_str!("../../../docs/json.md");
/// Objects whose keys are values.
const MAPS: [&str; 2] = ["files_by_copies", "minutes"];

type Keys = BTreeSet<String>;

/// The keys in each table of the page, by chapter and heading: ``Results: `ls`, `find` ``. What
/// follows a colon in a heading is not part of its name.
fn tables(page: &str) -> BTreeMap<String, Keys> {
    let mut found: BTreeMap<String, Keys> = BTreeMap::new();
    let (mut chapter, mut heading, mut is_table) = ("", "", false);
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            (chapter, heading) = (title, title);
        } else if let Some(title) = line.strip_prefix("#### ").or(line.strip_prefix("### ")) {
            heading = title.split(": ").next().unwrap();
        } else if line.starts_with("| key |") {
            is_table = true;
        } else if !line.starts_with('|') {
            is_table = false;
        } else if is_table && !line.starts_with("|---") {
            let cell = line.split('|').nth(1).unwrap();
            let keys = cell.split('`').skip(1).step_by(2).map(str::to_owned);
            found.entry(format!("{chapter}: {heading}")).or_default().extend(keys);
        }
    }
    found
}

fn keys(object: &Value) -> Keys {
    object.as_object().unwrap().keys().cloned().collect()
}

/// Every object within a value, but not the value.
fn objects_in(value: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let inner: Vec<&Value> = match value {
        Value::Object(map) => {
            map.iter().filter(|(key, _)| !MAPS.contains(&key.as_str())).map(|(_, v)| v).collect()
        }
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    };
    for value in inner {
        found.extend(value.is_object().then_some(value));
        found.extend(objects_in(value));
    }
    found
}

/// What is wrong with a page, a line each.
fn differences(page: &str, examples: &[Example]) -> Vec<String> {
    let mut tables = tables(page);
    let mut wrong = Vec::new();
    for example in examples {
        let written: Keys = keys(&example.value).difference(&example.implied()).cloned().collect();
        let named = tables.remove(&example.section).unwrap_or_default();
        let compare = |these: &Keys, those: &Keys, what: &str| {
            let more =
                these.difference(those).map(|key| format!("{}: {key} {what}", example.section));
            more.collect::<Vec<_>>()
        };
        wrong.extend(compare(&written, &named, "is written and not on the page"));
        wrong.extend(compare(&named, &written, "is on the page and not written"));
    }
    wrong.extend(tables.into_keys().map(|section| format!("{section}: no object has this table")));
    wrong
}

#[test]
fn the_page_names_exactly_the_keys_that_are_written() {
    let examples = examples();
    assert!(tables(PAGE).len() > 30, "the search for tables is broken: {:?}", tables(PAGE));
    let wrong = differences(PAGE, &examples);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_key_that_is_only_on_the_page_or_only_in_a_type_is_found() {
    let page = "## Results\n\n### `x`: by number\n\n| key | meaning |\n|---|---|\n\
                | `a`, `b` | two |\n| `c` | `d` |\n\n### `y`\n\n| key | meaning |\n| `a` | |\n";
    let value = serde_json::json!({"a": 1, "c": 2, "e": 3});
    let example = Example { section: "Results: `x`".to_owned(), name: "X".to_owned(), value };
    assert_eq!(
        differences(page, &[example]),
        [
            "Results: `x`: e is written and not on the page",
            "Results: `x`: b is on the page and not written",
            "Results: `y`: no object has this table"
        ]
    );
}

/// An event or a summary is in the section of its name.
#[test]
fn events_and_commands_have_the_names_in_their_headings() {
    for Example { section, value, .. } in examples() {
        let (chapter, heading) = section.split_once(": ").unwrap();
        let name = |key: &str| format!("`{}`", value[key].as_str().unwrap_or_default());
        match chapter {
            "Events" | "Errors" => assert_eq!(heading, name("event")),
            "Summaries" if value.get("event").is_some() => {
                assert_eq!(value["event"], "summary", "{section}");
                let mut commands = heading.split(", ");
                assert!(commands.any(|command| command == name("command")), "{section}: {value}");
            }
            _ => {}
        }
    }
}

#[test]
fn objects_within_objects_have_tables_of_their_own() {
    let examples = examples();
    let known: BTreeSet<Keys> = examples.iter().map(|example| keys(&example.value)).collect();
    for Example { section, value, .. } in &examples {
        for object in objects_in(value) {
            assert!(known.contains(&keys(object)), "{section}: no table for {object}");
        }
    }
}

/// A key that is `null` in an example may hide objects.
#[test]
fn examples_have_everything_filled() {
    for Example { section, value, .. } in examples() {
        for (key, value) in value.as_object().unwrap() {
            let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            assert!(!is_empty, "{section}: {key} is {value}");
        }
    }
}

/// Types of whole objects end in `Object`, `Event` or `Summary`; what is flattened into them does not.
#[test]
fn every_type_has_an_example() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui/json");
    let mut types = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let names =
            text.lines().filter_map(|line| line.strip_prefix("pub struct ")?.split(' ').next());
        let whole =
            |name: &&str| ["Object", "Event", "Summary"].iter().any(|end| name.ends_with(end));
        types.extend(names.filter(whole).map(str::to_owned));
    }
    let shown: BTreeSet<String> = examples().iter().map(|example| example.name.clone()).collect();
    assert_eq!(types, shown);
}
