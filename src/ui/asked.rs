//! What is asked, and what is to be inserted, as the objects of `--json`.

use super::words::insertion::medium;
use super::words::questions as words;
use crate::port::event::{Prompt, Reply};
use crate::port::question::QuestionId;
use crate::port::wanted::{InsertRequest, WantedMedium};
use serde_json::{Value, json};

/// The values of the question, and what every question has.
pub fn question_event(id: QuestionId, prompt: &Prompt) -> Value {
    let (text, choices) = match prompt {
        Prompt::Question(what) => (words::question(what), what.choices().answers()),
        Prompt::Passphrase(what) => (words::passphrase(what), Vec::new()),
    };
    let mut event = json!({"event": "question", "question": id, "text": text, "choices": choices});
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
    let disc = wanted.first_disc();
    let blank = match wanted {
        WantedMedium::Blank(blank) => Some(blank),
        _ => None,
    };
    let sectors = match wanted {
        WantedMedium::DiscOrBlank { sectors, .. } => Some(*sectors),
        _ => blank.map(|blank| blank.sectors),
    };
    let any_of_set = match wanted {
        WantedMedium::AnyDisc { set, .. } => set.as_ref(),
        _ => None,
    };
    json!({
        "event": "insert",
        "drive": drive,
        "wanted": medium(wanted),
        "what": if blank.is_some() { "blank" } else { "disc" },
        "or_blank": matches!(wanted, WantedMedium::DiscOrBlank { .. }),
        "set": disc.map(|disc| &disc.set).or(blank.map(|blank| &blank.set)).or(any_of_set),
        "disc": disc.map(|disc| disc.disc).or(blank.map(|blank| blank.disc)),
        "copy": disc.map(|disc| disc.copy).or(blank.map(|blank| blank.copy)),
        "sectors": sectors,
        "medium": wanted,
    })
}
