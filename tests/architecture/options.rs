//! No sentence of the engine names an option or a command of coldcut: whoever uses the engine may
//! have neither. What helps is said by `ui`, in `words/advice.rs` and beside it.

use super::rules::{is_engine, module_of, without_tests};
use super::tokens::{Token, tokens};

/// Files whose texts are not for whoever runs coldcut, and why.
const EXEMPT: [(&str, &str); 3] = [
    ("src/format/by_hand/", "written onto discs, for people without coldcut"),
    ("src/drill/tools.rs", "arguments of gpg and bash"),
    ("src/drill/whole.rs", "arguments of bash"),
];

/// What is wrong with a file of the engine, a line each.
pub fn offences(file: &str, source: &str) -> Vec<String> {
    let is_of_engine = module_of(file).first().is_some_and(|home| is_engine(home));
    if !is_of_engine || EXEMPT.iter().any(|(place, _)| file.starts_with(place)) {
        return Vec::new();
    }
    let tokens = without_tests(&tokens(source));
    let texts = tokens.iter().filter_map(|token| match token {
        Token::Text(text) => Some(text),
        _ => None,
    });
    let found = texts.filter(|text| names_an_option_or_command(text));
    let line = |text| format!("{file}: {text:?} names an option or a command; only ui and cli do");
    found.map(line).collect()
}

/// Files of the table that are not there any more.
pub fn stale<'a>(files: impl Iterator<Item = &'a str> + Clone) -> Vec<&'static str> {
    let is_there = |place: &str| files.clone().any(|file| file.starts_with(place));
    EXEMPT.iter().map(|(place, _)| *place).filter(|place| !is_there(place)).collect()
}

/// `--set`, but not `-----BEGIN` or `-r--r--r--`; or `coldcut verify` between backticks.
fn names_an_option_or_command(text: &str) -> bool {
    let is_option = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + 2..].chars().next();
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && c != '-');
        begins && after.is_some_and(|c| c.is_ascii_alphabetic())
    };
    text.contains("`coldcut ") || text.match_indices("--").any(|(at, _)| is_option(at))
}

#[test]
fn an_option_or_a_command_is_seen_in_any_text_of_the_engine() {
    for text in [
        "name one with --set",
        "--set names one",
        "(--yes skips it)",
        "use '--set'",
        "run `coldcut verify`",
        "run `coldcut \\\n    verify`",
    ] {
        let source = format!("fn f() -> &'static str {{ \"{text}\" }}");
        let errors = format!("enum E {{ #[error(\"{text}\")] A }}");
        for file in ["src/flow/base/error.rs", "src/model/x.rs", "src/scan/filter.rs"] {
            assert_eq!(offences(file, &source).len(), 1, "{file}: {text}");
            assert_eq!(offences(file, &errors).len(), 1, "{file}: {text}");
        }
        for file in ["src/ui/words/advice.rs", "src/app/error.rs", "src/cli/finish.rs"] {
            assert!(offences(file, &source).is_empty(), "{file}: {text}");
        }
        assert!(offences("src/scan/x.rs", &format!("// {text}")).is_empty(), "{text}");
        let test = format!("#[cfg(test)] mod tests {{ const A: &str = \"{text}\"; }}");
        assert!(offences("src/scan/x.rs", &test).is_empty(), "{text}");
    }
    for text in ["-----BEGIN DISC.txt-----", "-r--r--r--", "a -- b", "coldcut wrote it", "--"] {
        assert!(offences("src/scan/x.rs", &format!("const A: &str = \"{text}\";")).is_empty());
    }
}
