//! Circles of imports between files.
//!
//! A file knows another when it names something that is *defined* there, in a `use` or in a path.
//! How it comes by the name makes no difference: what a module passes on (`pub use`) counts for the
//! file that defines it, so that going by way of `mod.rs` hides nothing. From this follows:
//!
//! - A file that declares its children and passes on what they define knows none of them by that
//!   alone. It does as soon as it uses one of these names itself.
//! - A child that uses something defined in its parent knows the parent. If the parent knows the
//!   child as well, that is a circle: what children share belongs in a file of its own.
//! - Naming a module (`use super::keys;`) is nothing yet; what is named through it (`keys::open`)
//!   counts.
//! - A name that is not found where it should be (made by a macro) counts for the file of the module
//!   in which it was looked for. So does `*`.
//! - What is passed on from a file that is not a child counts, used or not.
//! - `#[cfg(test)]` is free.
//!
//! Methods are called without a path. So methods of a type in another file than the type's own are
//! not seen here.

use super::names::{Names, names};
use super::rules::{files_for_tests, module_of};
use std::collections::{BTreeMap, BTreeSet};

/// Who knows whom, and by which names.
pub type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

struct File {
    path: String,
    names: Names,
}

/// All files that are no tests, by their modules.
pub struct House {
    modules: BTreeMap<Vec<String>, File>,
}

impl House {
    pub fn new(sources: &[(String, String)]) -> House {
        let for_tests = files_for_tests(sources);
        let modules = sources.iter().filter(|(path, _)| !for_tests.contains(path));
        let file = |(path, text): &(String, String)| {
            let module = module_of(path);
            let names = names(text, &module);
            (module, File { path: path.clone(), names })
        };
        House { modules: modules.map(file).collect() }
    }

    pub fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (module, file) in &self.modules {
            let known = graph.entry(file.path.clone()).or_default();
            for path in self.named(module, file) {
                let name = path.last().cloned().unwrap_or_default();
                for other in self.definers(&path, &mut BTreeSet::new()) {
                    if other != file.path {
                        known.entry(other).or_default().insert(name.clone());
                    }
                }
            }
        }
        graph
    }

    /// The paths that a file names, from the crate's root; not those that it only passes on.
    fn named(&self, module: &[String], file: &File) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for import in &file.names.imports {
            let Some(path) = file.names.absolute(&import.path, module) else { continue };
            let of_a_child = path.len() > module.len() + 1 && path[1..].starts_with(module);
            let passed_on = import.public && of_a_child;
            if !passed_on || file.names.words.contains(&import.name) {
                found.push(path);
            }
        }
        let paths = file.names.paths.iter();
        found.extend(paths.filter_map(|path| file.names.absolute(path, module)));
        found
    }

    /// The files that define what a path from the crate's root names: none for a module, several for
    /// a function and a type of one name.
    fn definers(&self, path: &[String], seen: &mut BTreeSet<Vec<String>>) -> BTreeSet<String> {
        if !seen.insert(path.to_vec()) {
            return BTreeSet::new();
        }
        let mut module = Vec::new();
        let mut rest = &path[1..];
        while let [first, more @ ..] = rest {
            let Some(file) = self.modules.get(&module) else { return BTreeSet::new() };
            let is_child = file.names.children.contains(first);
            if is_child && !more.is_empty() {
                module.push(first.clone());
                rest = more;
                continue;
            }
            let nowhere = if is_child { BTreeSet::new() } else { [file.path.clone()].into() };
            return self.meanings(&module, file, rest, seen).unwrap_or(nowhere);
        }
        BTreeSet::new()
    }

    /// What the first name of a path is in a module, beside a child.
    fn meanings(
        &self,
        module: &[String],
        file: &File,
        path: &[String],
        seen: &mut BTreeSet<Vec<String>>,
    ) -> Option<BTreeSet<String>> {
        let (first, rest) = path.split_first()?;
        let mut found = None;
        if file.names.items.contains(first) {
            found.get_or_insert_with(BTreeSet::new).insert(file.path.clone());
        }
        for import in file.names.imports.iter().filter(|import| import.name == *first) {
            let there = file.names.absolute(&import.path, module);
            let files = there.map(|there| self.definers(&[&there[..], rest].concat(), seen));
            found.get_or_insert_with(BTreeSet::new).extend(files.unwrap_or_default());
        }
        found
    }
}

/// Every circle: its files, and who in it knows whom, by which names.
pub fn circles(graph: &Graph) -> Vec<String> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reached(graph, file))).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for (&file, known) in &reach {
        if !known.contains(file) || told.contains(file) {
            continue;
        }
        let circle: BTreeSet<&str> =
            known.iter().copied().filter(|other| reach[other].contains(file)).collect();
        found.push(words(graph, &circle));
        told.extend(circle);
    }
    found
}

/// All files that one knows, by however many steps.
fn reached<'a>(graph: &'a Graph, file: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = graph[file].keys().map(String::as_str).collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(graph[file].keys().map(String::as_str));
        }
    }
    found
}

fn words(graph: &Graph, circle: &BTreeSet<&str>) -> String {
    let mut lines = vec![format!("a circle of {} files:", circle.len())];
    for &file in circle {
        for (other, names) in graph[file].iter().filter(|(other, _)| circle.contains(&other[..])) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("  {file} knows {other}: {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(sources: &[(&str, &str)]) -> Graph {
        let owned = |(path, text): &(&str, &str)| (path.to_string(), text.to_string());
        House::new(&sources.iter().map(owned).collect::<Vec<_>>()).graph()
    }

    /// A module `a` with this `mod.rs` and these children, and a module `z` beside it.
    fn found(parent: &str, x: &str, y: &str) -> Vec<String> {
        let parent = format!("mod x; mod y; {parent}");
        circles(&graph(&[
            ("src/lib.rs", "mod a; mod z;"),
            ("src/a/mod.rs", &parent),
            ("src/a/x.rs", x),
            ("src/a/y.rs", y),
            ("src/z.rs", "pub struct Z;"),
        ]))
    }

    fn is_circle(parent: &str, x: &str, y: &str) {
        let found = found(parent, x, y);
        assert_eq!(found.len(), 1, "{parent} | {x} | {y}: {found:?}");
    }

    fn is_none(parent: &str, x: &str, y: &str) {
        assert_eq!(found(parent, x, y), Vec::<String>::new(), "{parent} | {x} | {y}");
    }

    const X: &str = "pub struct X; pub fn x() {}";

    #[test]
    fn siblings_that_name_each_other_are_a_circle_however_they_do_it() {
        for y in [
            "use super::x::X; pub fn y() {}",
            "use crate::a::x::X; pub fn y() {}",
            "use crate::{a::{x::{X as Other}}, z::Z}; pub fn y() {}",
            "pub fn y() { super::x::x() }",
            "use super::x; pub fn y() { x::x() }",
            "use super::x as other; pub fn y() -> other::X { other::X }",
            "mod inner { use super::super::x::X; } pub fn y() {}",
            "pub use super::x::X; pub fn y() {}",
            "use super::x::*; pub fn y() {}",
        ] {
            let x = format!("{X} use super::y::y;");
            is_circle("", &x, y);
            is_none("", X, y);
        }
    }

    #[test]
    fn a_circle_is_told_with_its_files_and_names() {
        let found = found("", "use super::y::y; pub struct X;", "use super::x::X; pub fn y() {}");
        assert_eq!(
            found,
            [
                "a circle of 2 files:\n  src/a/x.rs knows src/a/y.rs: y\n  src/a/y.rs knows src/a/x.rs: X"
            ]
        );
    }

    #[test]
    fn a_parent_knows_no_child_by_declaring_it_and_passing_on_what_it_defines() {
        let x = "use super::Shared; pub struct X;";
        is_none("pub use x::X; pub struct Shared;", x, "");
        is_none("pub use x::{X as Other}; pub use self::x::X; pub struct Shared;", x, "");
        is_circle("use x::X; pub struct Shared;", x, "");
        is_circle("pub use x::X; pub struct Shared(X);", x, "");
        is_circle("pub struct Shared(x::X);", x, "");
        is_none("pub use x::X; pub struct Shared(X);", "pub struct X;", "");
    }

    #[test]
    fn what_a_module_passes_on_counts_for_the_file_that_defines_it() {
        let y = "use super::X; pub struct Y;";
        is_circle("pub use x::X;", "use super::y::Y; pub struct X;", y);
        is_circle("use x::X; fn f(x: X) {}", "use super::y::Y; pub struct X;", y);
        is_none("pub use x::X;", X, y);
        is_none("", "pub use super::y::Y as Passed;", "use super::x::Passed; pub struct Y;");
    }

    #[test]
    fn a_long_way_round_is_a_circle_and_two_circles_are_two() {
        let long = [
            ("src/lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
            ("src/a.rs", "use crate::b::B; pub struct A;"),
            ("src/b.rs", "use crate::c::C; pub struct B;"),
            ("src/c.rs", "use crate::a::A; pub struct C;"),
            ("src/d.rs", "use crate::{a::A, e::E}; pub struct D;"),
            ("src/e.rs", "use crate::d::D; pub struct E;"),
        ];
        assert_eq!(circles(&graph(&long)).len(), 2);
        assert_eq!(circles(&graph(&long[..3])).len(), 0);
    }

    #[test]
    fn names_of_macros_and_modules_are_found_where_they_are() {
        is_circle("", "use super::y::y; made!(X);", "use super::x::X; pub fn y() {}");
        is_none("", "use super::y; pub struct X;", "use super::x::X; pub fn y() {}");
    }

    #[test]
    fn tests_are_free() {
        let tests = "pub fn y() {} #[cfg(test)] mod tests { use crate::a::x::X; }";
        is_none("", "use super::y::y; pub struct X;", tests);
    }
}
