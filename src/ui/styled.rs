//! Text of which some words have a colour on a terminal. This is the only way for a colour to get
//! there: text itself is escaped, whatever is in it.

use crate::model::path::shown;

/// How a word is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Somebody has to do something.
    Bad,
}

/// Pieces of text, and what they mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Styled(Vec<(String, Option<Tone>)>);

impl Tone {
    /// Of ECMA-48: green; bold and red.
    fn sequence(self) -> &'static str {
        match self {
            Tone::Good => "\x1b[32m",
            Tone::Bad => "\x1b[1;31m",
        }
    }
}

/// Back to how the terminal writes.
const PLAIN: &str = "\x1b[0m";

impl Styled {
    pub fn toned(word: &str, tone: Tone) -> Styled {
        Styled(vec![(word.to_owned(), Some(tone))])
    }

    /// With more text after it.
    pub fn then(mut self, text: impl Into<String>) -> Styled {
        self.0.push((text.into(), None));
        self
    }

    /// Broken between words to fit into so many columns; what a line continues with is below its
    /// first word. A name or a command in quotes stays whole, as does what has no room at all.
    pub(super) fn wrapped(self, columns: usize) -> Styled {
        let mut at = 0;
        let pieces = self.0.into_iter();
        Styled(pieces.map(|(text, tone)| (wrapped(&text, &mut at, columns), tone)).collect())
    }

    /// For a stream; control characters of the text are escaped, but for line ends.
    pub(super) fn rendered(&self, in_colours: bool) -> String {
        let piece = |(text, tone): &(String, Option<Tone>)| match tone.filter(|_| in_colours) {
            Some(tone) => [tone.sequence(), &escaped(text), PLAIN].concat(),
            None => escaped(text),
        };
        self.0.iter().map(piece).collect()
    }
}

impl From<&str> for Styled {
    fn from(text: &str) -> Styled {
        Styled(vec![(text.to_owned(), None)])
    }
}

/// `at`: the column where the text begins, and then where it ends.
fn wrapped(text: &str, at: &mut usize, columns: usize) -> String {
    let mut broken = String::new();
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let words = line.trim_start_matches(' ');
        let mark = if words.starts_with("- ") { 2 } else { 0 };
        let before = &line[..line.len() - words.len() + mark];
        broken += before;
        *at += before.len();
        let hanging = *at;
        for (number, word) in unbroken(&words[mark..]).into_iter().enumerate() {
            let width = word.chars().count();
            match number {
                0 => {}
                _ if *at + 1 + width > columns => {
                    broken = broken + "\n" + &" ".repeat(hanging);
                    *at = hanging;
                }
                _ => {
                    broken.push(' ');
                    *at += 1;
                }
            }
            broken += word;
            *at += width;
        }
        broken += end;
        *at = if end.is_empty() { *at } else { 0 };
    }
    broken
}

/// The words of a line; one that begins with a quotation mark goes as far as the other one.
fn unbroken(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|first| matches!(first, '`' | '\''));
        let closing = quote.and_then(|quote| rest[1..].find(quote)).map_or(0, |at| at + 2);
        let end = rest[closing..].find(' ').map_or(rest.len(), |at| closing + at);
        words.push(&rest[..end]);
        rest = rest[end..].strip_prefix(' ').unwrap_or("");
    }
    words
}

/// Lines, with control characters escaped.
fn escaped(text: &str) -> String {
    let line = |line: &str| match line.strip_suffix('\n') {
        Some(line) => shown(line.as_bytes()) + "\n",
        None => shown(line.as_bytes()),
    };
    text.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_continues_below_its_first_word_and_no_command_is_broken() {
        let text = Styled::toned("safe", Tone::Good)
            .then("      films: as of yesterday\n          - run `coldcut copy 1 x` now\n");
        assert_eq!(
            text.clone().wrapped(24).rendered(false),
            "safe      films: as of\n          yesterday\n          - run\n            \
             `coldcut copy 1 x`\n            now\n"
        );
        assert_eq!(text.clone().wrapped(80), text);
        let name = Styled::from("it's --exclude '/a b/c' and 'x");
        assert_eq!(name.wrapped(12).rendered(false), "it's\n--exclude\n'/a b/c' and\n'x");
    }

    #[test]
    fn only_a_tone_is_a_colour() {
        let text = Styled::toned("NOT\x1b[5m SAFE", Tone::Bad).then(" a\x1b[31m\nb\n");
        assert_eq!(text.rendered(true), "\x1b[1;31mNOT\\u{1b}[5m SAFE\x1b[0m a\\u{1b}[31m\nb\n");
        assert_eq!(text.rendered(false), "NOT\\u{1b}[5m SAFE a\\u{1b}[31m\nb\n");
        assert_eq!(Styled::toned("safe", Tone::Good).rendered(true), "\x1b[32msafe\x1b[0m");
    }
}
