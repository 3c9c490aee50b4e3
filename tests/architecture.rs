//! Holds the floors of the house: who may know whom, and who may touch the world. What is built
//! for tests (`#[cfg(test)]`) is free.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/files.rs"]
mod files;
#[path = "architecture/names.rs"]
mod names;
#[path = "architecture/options.rs"]
mod options;
#[path = "architecture/orders.rs"]
mod orders;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/tokens.rs"]
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use files::{files, root};

/// All Rust files of `src/`, relative to the project, with their text.
fn sources() -> Vec<(String, String)> {
    let files = files("src", ".rs");
    assert!(files.len() > 20, "the search for sources is broken: {files:?}");
    files
}

#[test]
fn nobody_knows_a_higher_floor_or_touches_what_is_not_his() {
    let sources = sources();
    let for_tests = rules::files_for_tests(&sources);
    let offences: Vec<String> = sources
        .iter()
        .filter(|(file, _)| !for_tests.contains(file))
        .flat_map(|(file, text)| rules::offences(file, text))
        .collect();
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn no_text_of_the_engine_names_an_option_or_a_command() {
    let sources = sources();
    let for_tests = rules::files_for_tests(&sources);
    let offences: Vec<String> = sources
        .iter()
        .filter(|(file, _)| !for_tests.contains(file))
        .flat_map(|(file, text)| options::offences(file, text))
        .collect();
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
    let stale = options::stale(sources.iter().map(|(file, _)| file.as_str()));
    assert!(stale.is_empty(), "not there any more: {stale:?}");
}

#[test]
fn no_files_know_each_other_in_a_circle() {
    let graph = circles::House::new(&sources()).graph();
    let arrows: usize = graph.values().map(|known| known.len()).sum();
    assert!(arrows > graph.len(), "the search for imports is broken: {arrows} arrows");
    let circles = circles::circles(&graph);
    assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
}

#[test]
fn within_a_module_nobody_knows_a_room_above_him() {
    let graph = circles::House::new(&sources()).graph();
    let offences = orders::ORDERS.iter().flat_map(|order| orders::offences(&graph, order));
    let offences: Vec<String> = offences.collect();
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let silent: Vec<String> = ["src", "tests", "fuzz/targets"]
        .into_iter()
        .flat_map(|folder| files(folder, ".rs"))
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(file, _)| file)
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top of {silent:?}");
}

#[test]
fn main_is_wiring_only() {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 60, "main.rs has {} lines", main.lines().count());
}

#[test]
fn the_page_names_every_folder_and_nothing_that_is_not_there() {
    let page = root().join("docs/architecture.md");
    let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
    let named = rules::named_places(&text);
    let folders: BTreeSet<String> = sources()
        .iter()
        .filter_map(|(file, _)| file.rsplit_once('/'))
        .map(|(folder, _)| folder.to_owned())
        .collect();
    let missing: Vec<_> = folders.difference(&named).collect();
    let gone: Vec<_> = named.iter().filter(|place| !root().join(place).exists()).collect();
    assert!(missing.is_empty(), "docs/architecture.md does not name {missing:?}");
    assert!(gone.is_empty(), "docs/architecture.md names what is not there: {gone:?}");
}

/// `mod.rs` included.
#[test]
fn no_folder_has_more_than_30_files() {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for (file, _) in sources() {
        let folder = file.rsplit_once('/').unwrap().0.to_owned();
        *folders.entry(folder).or_default() += 1;
    }
    folders.retain(|_, files| *files > 30);
    assert!(folders.is_empty(), "files per folder: {folders:?}");
}

/// Of structs, enums, unions, traits and aliases, those for tests included.
#[test]
fn at_most_20_type_names_are_defined_more_than_once() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources() {
        for name in text.lines().filter_map(defined_type) {
            homes.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    assert!(homes.len() > 500, "the search for types is broken: {homes:?}");
    homes.retain(|_, places| places.len() > 1);
    assert!(homes.len() <= 20, "{} names: {homes:#?}", homes.len());
}

/// The name of the type that a line defines. What an `impl` calls its own types does not count.
fn defined_type(line: &str) -> Option<&str> {
    let is_nested = line.starts_with(' ');
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let (keyword, rest) = line.split_once(' ')?;
    let defines = match keyword {
        "struct" | "enum" | "union" | "trait" => true,
        "type" => !is_nested,
        _ => false,
    };
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (defines && name.starts_with(char::is_uppercase)).then_some(name)
}
