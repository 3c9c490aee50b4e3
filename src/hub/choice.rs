//! What a question can be answered with, as the service and those who speak to it write it.

use serde_json::Value;

/// A word, or a copy's number.
pub fn choice_word(choice: &Value) -> String {
    choice.as_str().map_or_else(|| choice.to_string(), str::to_owned)
}
