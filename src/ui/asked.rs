//! What is asked, and what is to be inserted, as the objects of `--json`.

use super::words::insertion::medium;
use super::words::questions as words;
use crate::port::event::{Prompt, Reply};
use crate::port::question::QuestionId;
use crate::port::wanted::{InsertRequest, WantedBlank, WantedMedium};
use serde_json::{Value, json};

/// The values of the question, and what every question has.
pub fn question_event(id: QuestionId, prompt: &Prompt) -> Value {
    let (text, choices, terminal_only) = match prompt {
        Prompt::Question(what) => {
            (words::question(what), what.choices().answers(), what.is_for_the_terminal_only())
        }
        Prompt::Passphrase(what) => (words::passphrase(what), Vec::new(), true),
    };
    let mut event = json!({
        "event": "question",
        "question": id,
        "text": text,
        "choices": choices,
        "terminal_only": terminal_only,
    });
    // A value of strings and numbers always serializes; without it the event says what it can.
    if let (Value::Object(event), Ok(Value::Object(values))) =
        (&mut event, serde_json::to_value(prompt))
    {
        event.extend(values);
    }
    event
}

pub fn answer_event(id: QuestionId, reply: Reply) -> Value {
    json!({"event": "answer", "question": id, "answer": reply})
}

pub fn insert_event(InsertRequest { drive, wanted }: &InsertRequest) -> Value {
    let (set, disc, copy) = match (wanted, wanted.first_disc()) {
        (_, Some(disc)) => (Some(&disc.set), Some(disc.disc), disc.copy),
        (WantedMedium::Blank(blank), _) => (Some(&blank.set), Some(blank.disc), blank.copy),
        (WantedMedium::AnyDisc { set, .. }, _) => (set.as_ref(), None, None),
        _ => (None, None, None),
    };
    let sectors = match wanted {
        WantedMedium::Blank(WantedBlank { sectors, .. })
        | WantedMedium::DiscOrBlank { sectors, .. } => Some(sectors),
        _ => None,
    };
    json!({
        "event": "insert",
        "drive": drive,
        "wanted": medium(wanted),
        "what": if matches!(wanted, WantedMedium::Blank(_)) { "blank" } else { "disc" },
        "or_blank": matches!(wanted, WantedMedium::DiscOrBlank { .. }),
        "set": set,
        "disc": disc,
        "copy": copy,
        "sectors": sectors,
        "medium": wanted,
    })
}
