//! As much of Rust's grammar as it takes to see which paths a file names.

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    Text(String),
    PathSep,
    Sign(char),
}

/// The tokens of a file: no comments, no numbers' details, strings as one token.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Tokenizer { chars: source.chars().collect(), at: 0, found: Vec::new() };
    while reader.at < reader.chars.len() {
        reader.step();
    }
    reader.found
}

/// The texts of a file as they are typed, each with the line on which it begins.
pub fn texts(source: &str) -> Vec<(usize, String)> {
    let mut reader = Tokenizer { chars: source.chars().collect(), at: 0, found: Vec::new() };
    let (mut line, mut texts) = (1, Vec::new());
    while reader.at < reader.chars.len() {
        let (from, known) = (reader.at, reader.found.len());
        reader.step();
        if let Some(Token::Text(text)) = reader.found.get(known) {
            texts.push((line, text.clone()));
        }
        let passed = &reader.chars[from..reader.at.min(reader.chars.len())];
        line += passed.iter().filter(|&&c| c == '\n').count();
    }
    texts
}

struct Tokenizer {
    chars: Vec<char>,
    at: usize,
    found: Vec<Token>,
}

impl Tokenizer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.skip_line(),
            ('/', '*') => self.skip_block(),
            ('"', _) => self.string(),
            ('\'', next) => self.quote(next),
            (':', ':') => {
                self.found.push(Token::PathSep);
                self.at += 2;
            }
            (c, _) if c.is_alphanumeric() || c == '_' => self.word(),
            (c, _) => {
                if !c.is_whitespace() {
                    self.found.push(Token::Sign(c));
                }
                self.at += 1;
            }
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.at += 1;
        }
    }

    fn skip_block(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.at += 1;
                    if self.at >= self.chars.len() {
                        return;
                    }
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let start = self.at + 1;
        self.at = start;
        while self.at < self.chars.len() && self.peek(0) != '"' {
            self.at += if self.peek(0) == '\\' { 2 } else { 1 };
        }
        let end = self.at.min(self.chars.len());
        self.found.push(Token::Text(self.chars[start..end].iter().collect()));
        self.at = end + 1;
    }

    /// `r"…"` and `r#"…"#`, at the first `#` or quote.
    fn raw_string(&mut self) {
        let mut hashes = 0;
        while self.peek(0) == '#' {
            hashes += 1;
            self.at += 1;
        }
        let start = self.at + 1;
        self.at = start;
        let closes = |reader: &Tokenizer| {
            reader.peek(0) == '"' && (1..=hashes).all(|ahead| reader.peek(ahead) == '#')
        };
        while self.at < self.chars.len() && !closes(self) {
            self.at += 1;
        }
        let end = self.at.min(self.chars.len());
        self.found.push(Token::Text(self.chars[start..end].iter().collect()));
        self.at = end + 1 + hashes;
    }

    /// A character, or a lifetime.
    fn quote(&mut self, next: char) {
        if next == '\\' {
            self.at += 3;
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.at += 1;
            }
            self.at += 1;
        } else if self.peek(2) == '\'' {
            self.at += 3;
        } else {
            self.at += 1;
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect();
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        match (raw, self.peek(0), self.peek(1)) {
            (true, '"', _) | (true, '#', '"' | '#') => self.raw_string(),
            _ if matches!(word.as_str(), "b" | "c") && self.peek(0) == '"' => self.string(),
            _ if word == "b" && self.peek(0) == '\'' => self.quote(self.peek(1)),
            _ => self.found.push(Token::Word(word)),
        }
    }
}

#[test]
fn comments_strings_and_lifetimes_name_nothing() {
    let source = r##"
        // crate::a
        /* crate::b /* nested */ crate::c */
        let s = "crate::d \" more"; let r = r#"crate::"e""#; let b = b"crate::f";
        let c = '"'; let d = '\''; let e = '\u{41}'; let f = b'"';
        fn g<'a>(x: &'a str) { y::z }
    "##;
    let words: Vec<String> = tokens(source)
        .into_iter()
        .filter_map(|token| match token {
            Token::Word(word) => Some(word),
            _ => None,
        })
        .collect();
    assert!(!words.contains(&"crate".to_owned()), "{words:?}");
    assert!(words.ends_with(&["y".to_owned(), "z".to_owned()]), "{words:?}");
}

#[test]
fn a_text_is_found_with_the_line_on_which_it_begins() {
    let source =
        "// \"no\"\nlet a = \"one\n two\";\nlet b = r#\"three\"#; // x\n/* \n */ b\"four\"";
    let wanted = [(2, "one\n two"), (4, "three"), (6, "four")];
    assert_eq!(texts(source), wanted.map(|(line, text)| (line, text.to_owned())));
}
