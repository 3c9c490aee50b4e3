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
    fn only_a_tone_is_a_colour() {
        let text = Styled::toned("NOT\x1b[5m SAFE", Tone::Bad).then(" a\x1b[31m\nb\n");
        assert_eq!(text.rendered(true), "\x1b[1;31mNOT\\u{1b}[5m SAFE\x1b[0m a\\u{1b}[31m\nb\n");
        assert_eq!(text.rendered(false), "NOT\\u{1b}[5m SAFE a\\u{1b}[31m\nb\n");
        assert_eq!(Styled::toned("safe", Tone::Good).rendered(true), "\x1b[32msafe\x1b[0m");
    }
}
