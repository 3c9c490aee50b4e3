//! What people read is plain English: no message, no page and no help text has one of the idioms
//! that this project once had.

#![allow(clippy::unwrap_used)] // helpers of tests may panic

#[path = "architecture/files.rs"]
mod files;
// The tokens themselves are for tests/architecture.rs.
#[allow(dead_code)]
#[path = "architecture/tokens.rs"]
mod tokens;

use std::fs;
use std::process::Command;

use files::{files, root};

/// What is not written, and what is written instead. Whole words only, in any case.
const IDIOMS: &[(&str, &str)] = &[
    ("goes on with", "continues, resumes"),
    ("goes on from", "continues, resumes"),
    ("go on with", "continue, resume"),
    ("gone on with", "continued, resumed"),
    ("made again", "rebuilt, reconstructed"),
    ("makes it again", "rebuilds it"),
    ("anew", "again; rebuild"),
    ("made good", "repaired, replaced"),
    ("make good", "repair, replace"),
    ("makes good", "repairs, replaces"),
    ("mend it", "repair it, correct it"),
    ("held against", "compared with, checked against"),
    ("hold against", "compare with, check against"),
    ("handed out", "ejected"),
    ("hands out", "ejects"),
    ("hand it out", "eject it"),
    (" bears ", "has, contains, carries"),
    ("in work", "in progress"),
    ("tells of", "says, reports, lists"),
    ("told of", "said, reported, listed"),
    ("as far as is known", "not known to be"),
    ("found right", "verified"),
    ("came out right", "restored correctly"),
    ("(s)", "1 file, 2 files: model::plural"),
    ("check sum", "checksum"),
    ("check sums", "checksums"),
    ("of ours", "our, coldcut's"),
    ("disc of coldcut's", "coldcut disc"),
    ("discs of coldcut's", "coldcut discs"),
    ("stock tools", "standard tools"),
    ("is no", "is not a"),
    ("are no", "are not"),
    ("that is none", "that is not one, invalid"),
    ("lies in", "is in"),
    ("lies on", "is on"),
    ("lies there", "is there"),
    ("stands there", "is there"),
    ("so many times", "N times"),
    ("so many copies", "N copies"),
    ("all the same", "anyway"),
    ("broke off", "stopped unexpectedly"),
    ("nobody agreed", "not confirmed"),
    ("another content", "content differs, different content"),
    ("not whole", "incomplete"),
    ("read whole", "read completely"),
    ("does not hold up", "is not valid"),
    ("yet to come", "in the future"),
    ("anybody can have", "anyone could have"),
];

/// Texts that have an idiom and are right.
const RIGHT: &[&str] = &[
    // English.
    "there is no",
    "there are no",
    "is no longer",
    "are no longer",
    // docs/style.md names what is not written.
    "\"is no …\"",
    "\"so many times\"",
    "\"file(s)\"",
    // SQL and awk.
    "add column bears text",
    "function q(s)",
];

/// An idiom, and where it is.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    line: usize,
    idiom: &'static str,
    instead: &'static str,
}

/// A text in which idioms are looked for: one blank between two words, in small letters, also where
/// a line ends; and of each byte the line.
#[derive(Default)]
struct Words {
    text: String,
    lines: Vec<usize>,
}

impl Words {
    fn of(text: &str, first_line: usize) -> Words {
        let mut words = Words::default();
        for (line, typed) in (first_line..).zip(text.lines()) {
            // `\n` in a text ends a line, too, and a `\` at its end does not.
            for word in typed.replace("\\n", " ").trim_end_matches('\\').split_whitespace() {
                words.push(&(word.to_lowercase() + " "), line);
            }
        }
        for right in RIGHT {
            let blank = "\0".repeat(right.len());
            words.text = words.text.replace(right, &blank);
        }
        words
    }

    fn push(&mut self, word: &str, line: usize) {
        self.text += word;
        self.lines.resize(self.text.len(), line);
    }

    fn has_at(&self, at: usize, idiom: &str) -> bool {
        let before = self.text[..at].chars().next_back();
        let after = self.text[at + idiom.len()..].chars().next();
        let meets = |inside: Option<char>, outside: Option<char>| {
            inside.is_some_and(char::is_alphanumeric) && outside.is_some_and(char::is_alphanumeric)
        };
        !meets(idiom.chars().next(), before) && !meets(idiom.chars().next_back(), after)
    }

    fn idioms(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for &(idiom, instead) in IDIOMS {
            let here = self.text.match_indices(idiom).filter(|&(at, _)| self.has_at(at, idiom));
            found.extend(here.map(|(at, _)| Found { line: self.lines[at], idiom, instead }));
        }
        found
    }
}

/// Where each idiom of a text is, for a person.
fn complaints(name: &str, text: &str, first_line: usize) -> Vec<String> {
    let found = Words::of(text, first_line).idioms();
    let words =
        |Found { line, idiom, instead }| format!("{name}:{line}: \"{idiom}\": write \"{instead}\"");
    found.into_iter().map(words).collect()
}

fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn no_text_of_the_program_has_an_idiom() {
    let mut found = Vec::new();
    for (name, source) in files("src", ".rs") {
        for (line, text) in tokens::texts(&source) {
            found.extend(complaints(&name, &text, line));
        }
    }
    none(&found);
}

#[test]
fn no_page_has_an_idiom() {
    let mut pages = files("docs", ".md");
    for name in ["README.md", "CHANGELOG.md"] {
        pages.push((name.to_owned(), fs::read_to_string(root().join(name)).unwrap()));
    }
    let found = pages.iter().flat_map(|(name, text)| complaints(name, text, 1));
    none(&found.collect::<Vec<_>>());
}

/// What the program prints for these words; `None`: it fails.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_coldcut")).args(words).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn no_help_has_an_idiom() {
    let top = help(&["--help"]).unwrap();
    let mut found = complaints("coldcut --help", &top, 1);
    let mut verbs = 0;
    for word in top.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        let Some(text) = help(&["help", word]) else { continue };
        verbs += 1;
        found.extend(complaints(&format!("coldcut help {word}"), &text, 1));
    }
    assert!(verbs >= 20, "the verbs are not found in\n{top}");
    none(&found);
}

#[test]
fn help_lists_the_options_that_can_matter_and_no_others() {
    let lists = |verb: &str, option: &str| {
        let text = help(&["help", verb]).unwrap();
        text.lines().any(|line| line.trim_start().split(' ').next() == Some(option))
    };
    for (verb, options) in [
        ("backup", ["--encrypt", "--staging", "--wait"]),
        ("restore", ["--no-limits", "--catalog", "--wait"]),
        ("serve", ["--listen", "--catalog", "--hub"]),
        ("follow", ["--json", "--catalog", "--hub"]),
    ] {
        assert!(options.iter().all(|option| lists(verb, option)), "{verb}: {options:?}");
    }
    for (verb, options) in [
        ("discs", ["--encrypt", "--no-limits", "--odd-passphrase"]),
        ("serve", ["--set", "--staging", "--wait"]),
        ("open", ["--set", "--staging", "--yes"]),
        ("follow", ["--set", "--staging", "--yes"]),
        ("answer", ["--set", "--staging", "--yes"]),
    ] {
        assert!(!options.iter().any(|option| lists(verb, option)), "{verb}: {options:?}");
    }
}

#[test]
fn an_idiom_is_found_with_its_line_wherever_lines_end() {
    let idioms = |text: &str| -> Vec<(usize, &str)> {
        Words::of(text, 7).idioms().iter().map(|found| (found.line, found.idiom)).collect()
    };
    assert_eq!(idioms("fine\nIt is Handed\n  out.").as_slice(), [(8, "handed out")]);
    assert_eq!(idioms("3 file(s) are held \\\n    against it"), [(7, "held against"), (7, "(s)")]);
    assert_eq!(idioms("it\\nbears a name"), [(7, " bears ")]);
    assert_eq!(
        idioms("this is no disc, and there is no drive; it is no longer here"),
        [(7, "is no")]
    );
    let fine = "he is not old; plus no work; it is nothing; cares (so) and bearings; the same";
    assert_eq!(idioms(fine), []);
}
