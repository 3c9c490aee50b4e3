//! What a file defines, imports and names.

use super::rules::{is_ours, resolve, tree, without_tests};
use super::tokens::{Token, tokens};
use std::collections::BTreeSet;

/// A name that a `use` brings into a file.
pub struct Import {
    /// `*` brings all names of a module.
    pub name: String,
    /// From the crate's root where it is ours.
    pub path: Vec<String>,
    pub public: bool,
}

/// A file as the graph of imports sees it, without its tests.
#[derive(Default)]
pub struct Names {
    /// Modules that have files of their own: `mod name;`.
    pub children: BTreeSet<String>,
    /// Functions, types, constants, traits and macros, also those of inline modules.
    pub items: BTreeSet<String>,
    pub imports: Vec<Import>,
    /// Paths of two names or more that stand outside of `use`.
    pub paths: Vec<Vec<String>>,
    /// Every word that stands outside of `use` and is no field or method.
    pub words: BTreeSet<String>,
}

/// Words before the name of an item.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

pub fn names(source: &str, module: &[String]) -> Names {
    let tokens = without_tests(&tokens(source));
    let mut reader =
        NameReader { here: module.to_vec(), found: Names::default(), ..NameReader::default() };
    let mut at = 0;
    while at < tokens.len() {
        at += reader.step(&tokens[..at], &tokens[at..]);
    }
    reader.found
}

#[derive(Default)]
struct NameReader {
    here: Vec<String>,
    /// Braces that are open, and at which of them inline modules began.
    depth: usize,
    inline: Vec<usize>,
    found: Names,
}

impl NameReader {
    /// Takes what stands at the beginning of `rest`; returns how many tokens that is.
    fn step(&mut self, before: &[Token], rest: &[Token]) -> usize {
        match rest {
            [Token::Sign('{'), ..] => self.depth += 1,
            [Token::Sign('}'), ..] => self.close(),
            [Token::Word(word), Token::Word(name), Token::Sign('{'), ..] if word == "mod" => {
                self.depth += 1;
                self.inline.push(self.depth);
                self.here.push(name.clone());
                return 3;
            }
            [Token::Word(word), Token::Word(name), Token::Sign(';'), ..] if word == "mod" => {
                self.found.children.insert(name.clone());
                return 3;
            }
            [Token::Word(word), Token::Word(_), ..] if word == "use" => {
                return self.import(before, &rest[1..]);
            }
            [Token::Word(word), Token::Sign('!'), Token::Word(name), ..]
                if word == "macro_rules" =>
            {
                self.found.items.insert(name.clone());
            }
            [Token::Word(word), Token::Word(name), ..]
                if ITEMS.contains(&word.as_str()) && self.depth == self.inline.len() =>
            {
                self.found.items.insert(name.clone());
            }
            [Token::Word(_), ..] => return self.path(before, rest),
            _ => {}
        }
        1
    }

    fn close(&mut self) {
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.here.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// `rest` begins after the word `use`.
    fn import(&mut self, before: &[Token], rest: &[Token]) -> usize {
        let end = rest.iter().position(|token| *token == Token::Sign(';')).unwrap_or(rest.len());
        let mut paths = Vec::new();
        branches(&rest[..end], &[], &mut paths);
        // What ends in a bracket is `pub(crate)`: nothing else may stand before `use`.
        let public = matches!(before.last(), Some(Token::Sign(')')))
            || before.last() == Some(&Token::Word("pub".to_owned()));
        for (path, name) in paths {
            let path = resolve(path, &self.here);
            self.found.imports.push(Import { name, path, public });
        }
        1 + end
    }

    fn path(&mut self, before: &[Token], rest: &[Token]) -> usize {
        let (paths, length) = tree(rest);
        let is_field = before.last() == Some(&Token::Sign('.'));
        for path in paths {
            if !is_field {
                self.found.words.extend(path.iter().cloned());
            }
            if path.len() > 1 {
                self.found.paths.push(resolve(path, &self.here));
            }
        }
        length
    }
}

/// The paths of a tree behind `use`, and the name that each gets.
fn branches(tokens: &[Token], prefix: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) if word == "as" => {
                let Some(Token::Word(other)) = tokens.get(at + 1) else { break };
                name = Some(other.clone());
                break;
            }
            Token::Word(word) if word == "self" && at == 0 && !prefix.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            Token::Sign('*') => path.push("*".to_owned()),
            Token::Sign('{') => {
                for branch in members(&tokens[at + 1..]) {
                    branches(branch, &path, found);
                }
                return;
            }
            _ => {}
        }
    }
    if let Some(name) = name.or_else(|| path.last().cloned()) {
        found.push((path, name));
    }
}

/// What stands between the commas of a group; `tokens` begins behind its opening brace.
fn members(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') if depth > 0 => depth -= 1,
            Token::Sign('}') => {
                found.push(&tokens[start..at]);
                break;
            }
            Token::Sign(',') if depth == 0 => {
                found.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|member| !member.is_empty());
    found
}

impl Names {
    /// The same path from the crate's root, where its first name is a child or an import.
    pub fn absolute(&self, path: &[String], module: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        self.rooted(path, module).or_else(|| {
            let import = self.imports.iter().find(|import| import.name == *first)?;
            Some([self.rooted(&import.path, module)?, rest.to_vec()].concat())
        })
    }

    fn rooted(&self, path: &[String], module: &[String]) -> Option<Vec<String>> {
        let child = || [&["crate".to_owned()], module, path].concat();
        let is_child = path.first().is_some_and(|first| self.children.contains(first));
        if is_ours(path) { Some(path.to_vec()) } else { is_child.then(child) }
    }
}
