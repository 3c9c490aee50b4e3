//! Why something was not done or is of no use, as notices and troubles carry it: words, and the
//! error that they are of. Whoever shows it knows by the error what helps.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Words, and the error that they come from, if it is one. Two that say the same are equal;
/// serialised it is the words.
#[derive(Clone, Debug)]
pub struct Cause {
    words: String,
    error: Option<Arc<dyn Error + Send + Sync>>,
}

impl Cause {
    /// An error, and what it came from.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Cause {
        Cause { words: chain(&error), error: Some(Arc::new(error)) }
    }

    /// Other words for the same.
    pub fn reworded(self, words: impl FnOnce(&str) -> String) -> Cause {
        Cause { words: words(&self.words), ..self }
    }

    /// The same of a certain thing: `a.iso: cannot read INDEX`.
    pub fn about(self, thing: impl fmt::Display) -> Cause {
        self.reworded(|words| format!("{thing}: {words}"))
    }

    pub fn words(&self) -> &str {
        &self.words
    }

    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        self.error.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

impl From<String> for Cause {
    fn from(words: String) -> Cause {
        Cause { words, error: None }
    }
}

impl From<&str> for Cause {
    fn from(words: &str) -> Cause {
        words.to_owned().into()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Cause) -> bool {
        self.words == other.words
    }
}

impl Eq for Cause {}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.words.serialize(to)
    }
}

/// An error and what it came from, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    text
}
