//! The table of the floors, and what is forbidden where.

use super::tokens::{Token, tokens};
use std::collections::BTreeSet;

/// Who lives on which floor, from below.
const FLOORS: [&[&str]; 8] = [
    &["model"],
    &["port"],
    &["format", "catalog", "codec", "drive", "recovery"],
    &["scan", "pack", "drill", "verify", "restore", "rescue"],
    &["flow"],
    &["cli", "ui"],
    &["hub"],
    &["app", "main"],
];

/// Steps that may know the step before, whose product they take.
const PRODUCTS: [(&str, &str); 1] = [("pack", "scan")];

/// Names next to each other in a path, and the modules that may write them.
const GUARDED: [(&[&str], &[&str], &str); 20] = [
    (&["std", "process"], &["port"], "only port starts processes"),
    (&["process", "Command"], &["port"], "only port starts processes"),
    (&["SystemTime", "now"], &["port"], "only port reads the clock"),
    (&["Instant", "now"], &["port"], "only port reads the clock"),
    (&["Timestamp", "now"], &["port"], "only port reads the clock"),
    (&["Zoned", "now"], &["port"], "only port reads the clock"),
    (&["thread", "sleep"], &["port"], "only port sleeps"),
    (&["rusqlite"], &["catalog"], "only catalog speaks SQL"),
    (&["sequoia_openpgp"], &["codec"], "only codec speaks OpenPGP"),
    (&["indicatif"], &["ui"], "nothing below ui prints"),
    (&["termios"], &["ui"], "nothing below ui asks"),
    (
        &["serde_json"],
        &["ui", "hub", "app", "drive"],
        "only ui, hub and app write JSON, and only drive reads that of loaders",
    ),
    (&["tokio"], &["hub"], "only the service does not block"),
    (&["hyper"], &["hub"], "only the service speaks HTTP"),
    (&["axum"], &["hub"], "only the service speaks HTTP"),
    (&["maud"], &["hub"], "only the service has pages"),
    (&["clap"], &["cli"], "only cli knows how options are typed"),
    (&["io", "stdout"], &["ui", "main"], "nothing below ui prints"),
    (&["io", "stderr"], &["ui", "main"], "nothing below ui prints"),
    (&["ReadOutcome", "sound"], &["verify"], "only a proof of verify makes a disc safe"),
];

/// What of `std::process` starts nothing.
const HARMLESS: [&str; 2] = ["ExitCode", "id"];

const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

/// Programs whose names only drive says.
const BURNING: [&str; 3] = ["xorriso", "xorrisofs", "growisofs"];

/// What a file does that its place in the house forbids, a line each.
pub fn offences(file: &str, source: &str) -> Vec<String> {
    let module = module_of(file);
    let Some(home) = module.first().cloned() else { return Vec::new() };
    let Some(floor) = floor_of(&home) else {
        return vec![format!("{file}: `{home}` is on no floor: put it into the table")];
    };
    let tokens = without_tests(&tokens(source));
    let mut found = BTreeSet::new();
    for path in paths(&tokens, &module) {
        found.extend(wrong_neighbour(&home, floor, &path));
        found.extend(wrong_touch(&home, &path));
    }
    found.extend(wrong_words(&home, &tokens));
    found.into_iter().map(|what| format!("{file}: {what}")).collect()
}

/// `src/ui/ask.rs` is `[ui, ask]`; `src/lib.rs` is the crate itself, `[]`.
pub fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| !matches!(*part, "mod" | "lib")).map(str::to_owned).collect()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Whether a module is below those that know a person or a command line.
pub fn is_engine(module: &str) -> bool {
    floor_of(module) < floor_of("ui") && floor_of(module).is_some()
}

/// A path that begins at the crate's root: who lives there?
fn wrong_neighbour(home: &str, floor: usize, path: &[String]) -> Option<String> {
    let [first, target, ..] = path else { return None };
    if first != "crate" || target == home || home == "main" {
        return None;
    }
    match floor_of(target) {
        Some(below) if below < floor => None,
        Some(_) if PRODUCTS.contains(&(home, target.as_str())) => None,
        Some(same) if same == floor => Some(format!("{home} knows its neighbour {target}")),
        Some(_) => Some(format!("{home} knows {target}, which is above it")),
        // A lower-case name at the root that nobody knows is a module that is missing in the table.
        None => Some(format!("{home} names crate::{target}, which is on no floor")),
    }
}

fn wrong_touch(home: &str, path: &[String]) -> Option<String> {
    let harmless = path.iter().any(|name| HARMLESS.contains(&name.as_str()));
    GUARDED
        .iter()
        .filter(|(_, owners, _)| !owners.contains(&home))
        .find(|(names, _, _)| path.windows(names.len()).any(|window| window == *names))
        .filter(|(names, _, _)| !(harmless && names.contains(&"process")))
        .map(|(_, _, why)| format!("{} in {home}: {why}", path.join("::")))
}

fn wrong_words(home: &str, tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        if let [Token::Word(word), Token::Sign('!')] = pair {
            if PRINTING.contains(&word.as_str()) && !matches!(home, "ui" | "main") {
                found.push(format!("{word}! in {home}: nothing below ui prints"));
            }
        }
    }
    for token in tokens {
        if let Token::Text(text) = token {
            if BURNING.contains(&text.as_str()) && home != "drive" {
                found.push(format!("{text:?} in {home}: only drive knows burning programs"));
            }
        }
    }
    found
}

/// All that is not behind `#[cfg(test)]`.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        if is_test_mark(rest) {
            rest = &rest[item_length(rest)..];
        } else {
            kept.push(rest[0].clone());
            rest = &rest[1..];
        }
    }
    kept
}

/// `#[cfg(test)]` or `#[test]` comes next.
fn is_test_mark(tokens: &[Token]) -> bool {
    let sign = Token::Sign;
    let word = |word: &str| Token::Word(word.to_owned());
    let cfg = [sign('#'), sign('['), word("cfg"), sign('('), word("test"), sign(')'), sign(']')];
    let test = [sign('#'), sign('['), word("test"), sign(']')];
    tokens.starts_with(&cfg) || tokens.starts_with(&test)
}

/// The tokens of the item that comes next: up to the end of its braces, or to its semicolon.
fn item_length(tokens: &[Token]) -> usize {
    let (mut braces, mut others) = (0_i32, 0_i32);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => braces += 1,
            Token::Sign('(' | '[') => others += 1,
            Token::Sign(')' | ']') => others -= 1,
            Token::Sign('}') => {
                braces -= 1;
                if braces == 0 && others == 0 {
                    return at + 1;
                }
            }
            Token::Sign(';') if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Every path that is named, from the crate's root where it is one of ours: groups taken apart,
/// `self` and `super` resolved, also within inline modules.
fn paths(tokens: &[Token], module: &[String]) -> Vec<Vec<String>> {
    let mut here = module.to_vec();
    let mut inline: Vec<i32> = Vec::new();
    let mut depth = 0;
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [Token::Word(word), Token::Word(name), Token::Sign('{'), ..] if word == "mod" => {
                depth += 1;
                inline.push(depth);
                here.push(name.clone());
                at += 3;
            }
            [Token::Sign('{'), ..] => {
                depth += 1;
                at += 1;
            }
            [Token::Sign('}'), ..] => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                    here.pop();
                }
                depth -= 1;
                at += 1;
            }
            [Token::Word(_), ..] => {
                let (trees, length) = tree(&tokens[at..]);
                found.extend(trees.into_iter().map(|path| resolve(path, &here)));
                at += length;
            }
            _ => at += 1,
        }
    }
    found
}

/// A path or a tree of them (`a::{b, c::d}`), and how many tokens it takes.
pub fn tree(tokens: &[Token]) -> (Vec<Vec<String>>, usize) {
    let mut path = Vec::new();
    let mut at = 0;
    loop {
        match &tokens[at..] {
            [Token::Word(word), Token::PathSep, ..] => {
                path.push(word.clone());
                at += 2;
            }
            [Token::Word(word), ..] => {
                path.push(word.clone());
                return (vec![path], at + 1);
            }
            [Token::Sign('{'), ..] if at > 0 => {
                let (trees, length) = group(&tokens[at + 1..]);
                let whole = trees.into_iter().map(|tail| [path.clone(), tail].concat());
                return (whole.collect(), at + 1 + length);
            }
            _ => return (vec![path], at.max(1)),
        }
    }
}

/// What stands in the braces of a tree, and how many tokens it takes with the closing one.
fn group(tokens: &[Token]) -> (Vec<Vec<String>>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Sign('}') => return (found, at + 1),
            Token::Word(_) => {
                let (trees, length) = tree(&tokens[at..]);
                found.extend(trees);
                at += length;
            }
            _ => at += 1,
        }
    }
    (found, at)
}

/// A path from the crate's root.
pub fn is_ours(path: &[String]) -> bool {
    path.first().is_some_and(|first| first == "crate")
}

/// `crate` in front of what is ours; other paths stay as they are.
pub fn resolve(path: Vec<String>, here: &[String]) -> Vec<String> {
    let mut base = here.to_vec();
    let mut rest = path.as_slice();
    match rest.first().map(String::as_str) {
        Some("coldcut") => return [vec!["crate".to_owned()], rest[1..].to_vec()].concat(),
        Some("self" | "super") => {}
        _ => return path,
    }
    while let Some(first) = rest.first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = &rest[1..];
    }
    [vec!["crate".to_owned()], base, rest.to_vec()].concat()
}

/// Files that are modules behind `#[cfg(test)]`, and all below these: `mod tests;` in `a.rs` is
/// `a/tests.rs`, or `a/tests/mod.rs`.
pub fn files_for_tests(sources: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (file, text) in sources {
        let dir = file.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let tokens = tokens(text);
        for at in 0..tokens.len() {
            if !is_test_mark(&tokens[at..]) {
                continue;
            }
            let item = &tokens[at..at + item_length(&tokens[at..])];
            if let [.., Token::Word(word), Token::Word(name), Token::Sign(';')] = item {
                if word == "mod" {
                    found.insert(format!("{dir}/{name}.rs"));
                    let below = format!("{dir}/{name}/");
                    let files = sources.iter().map(|(file, _)| file);
                    found.extend(files.filter(|file| file.starts_with(&below)).cloned());
                }
            }
        }
    }
    found
}

/// The places of `src` that a page names: what stands between backticks and begins with `src`.
pub fn named_places(page: &str) -> BTreeSet<String> {
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter(|words| *words == "src" || words.starts_with("src/"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(file: &str, source: &str) -> String {
        let found = offences(file, source);
        assert_eq!(found.len(), 1, "{file}: {source}: {found:?}");
        found[0].clone()
    }

    fn fine(file: &str, source: &str) {
        assert_eq!(offences(file, source), Vec::<String>::new(), "{file}: {source}");
    }

    #[test]
    fn a_floor_may_know_what_is_below_it_and_itself() {
        fine("src/flow/backup.rs", "use crate::pack::plan; use crate::{model::Bytes, scan};");
        fine("src/scan/walk.rs", "use super::filter; use crate::scan::x; use self::y;");
        fine("src/main.rs", "use coldcut::{cli, ui, flow}; fn main() { coldcut::ui::x() }");
    }

    #[test]
    fn a_higher_floor_is_seen_however_it_is_named() {
        for source in [
            "use crate::flow::x;",
            "use crate::{model::Bytes, flow::{a, b}};",
            "fn f() { crate::flow::x() }",
            "use super::super::flow;",
            "mod inner { use super::super::super::flow; }",
            "pub use crate::flow as other;",
        ] {
            assert!(one("src/scan/walk.rs", source).contains("above"), "{source}");
        }
        assert!(one("src/model/x.rs", "use crate::port::clock;").contains("above"));
    }

    #[test]
    fn inline_modules_count_as_one_level() {
        fine("src/scan/walk.rs", "mod inner { use super::super::filter; }");
        fine("src/scan/walk.rs", "mod inner { fn f() { if x {} } } use super::filter;");
    }

    #[test]
    fn neighbours_do_not_know_each_other() {
        assert!(one("src/scan/mod.rs", "use crate::pack::Queue;").contains("neighbour"));
        assert!(one("src/verify/mod.rs", "use crate::pack::Queue;").contains("neighbour"));
        fine("src/pack/mod.rs", "use crate::scan::Entry;");
        assert!(one("src/codec/mod.rs", "use crate::format::Row;").contains("neighbour"));
        assert!(one("src/cli/args.rs", "use crate::ui::Exit;").contains("neighbour"));
    }

    #[test]
    fn a_module_that_is_not_in_the_table_is_noticed() {
        assert!(one("src/utils/mod.rs", "").contains("no floor"));
        assert!(one("src/flow/x.rs", "use crate::utils;").contains("no floor"));
    }

    #[test]
    fn the_world_is_touched_by_its_owner_only() {
        for (source, owner) in [
            ("use std::process::Command;", "src/port/x.rs"),
            ("use std::{io, process::{Command}};", "src/port/x.rs"),
            ("fn f() { std::process::exit(1) }", "src/port/x.rs"),
            ("fn f() { std::time::SystemTime::now() }", "src/port/x.rs"),
            ("fn f() { Instant::now() }", "src/port/x.rs"),
            ("fn f() { jiff::Timestamp::now() }", "src/port/x.rs"),
            ("use std::thread::sleep;", "src/port/x.rs"),
            ("use rusqlite::Connection;", "src/catalog/x.rs"),
            ("use sequoia_openpgp as openpgp;", "src/codec/x.rs"),
            ("fn f() { println!(\"x\") }", "src/ui/x.rs"),
            ("fn f() { std::io::stderr() }", "src/ui/x.rs"),
            ("fn f() { serde_json::json!({}) }", "src/ui/x.rs"),
            ("fn f() { ReadOutcome::sound(d, s) }", "src/verify/x.rs"),
            ("fn f() { crate::catalog::ReadOutcome::sound(d, s) }", "src/verify/x.rs"),
            ("const P: &str = \"growisofs\";", "src/drive/x.rs"),
        ] {
            one("src/flow/x.rs", source);
            fine(owner, source);
        }
    }

    #[test]
    fn what_is_no_touch_is_allowed() {
        fine("src/ui/exit.rs", "use std::process::ExitCode;");
        fine("src/format/x.rs", "const T: &str = \"burn it with xorriso\"; // std::process");
        fine("src/flow/x.rs", "use std::time::Duration; let t = timestamp.now;");
    }

    #[test]
    fn tests_may_do_anything_and_the_code_behind_them_may_not() {
        let tests = "#[cfg(test)] mod tests { use std::process::Command; }";
        fine("src/codec/x.rs", tests);
        fine("src/codec/x.rs", "#[cfg(test)] use crate::flow::x; fn f(a: [u8; 3]) {}");
        one("src/codec/x.rs", &format!("{tests} use crate::flow::x;"));
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_found() {
        let sources = [
            ("src/cli/args.rs".to_owned(), "#[cfg(test)]\nmod tests;".to_owned()),
            ("src/pack/mod.rs".to_owned(), "#[cfg(test)] mod kit; mod plan;".to_owned()),
        ];
        let found = files_for_tests(&sources);
        assert!(found.contains("src/cli/args/tests.rs"));
        assert!(found.contains("src/pack/kit.rs"));
        assert!(!found.contains("src/pack/plan.rs"));
    }

    #[test]
    fn a_page_names_places_between_backticks() {
        let page = "`src` and `src/a`, not `srcs` or src/b\n```\nsrc/c\n```\n`src/d.rs`";
        let places: Vec<_> = named_places(page).into_iter().collect();
        assert_eq!(places, ["src", "src/a", "src/d.rs"]);
    }
}
