//! What `--json` prints: a type for each object, whose fields are its keys. `docs/json.md` names them
//! all, and a test compares that page with these types. Keys and words are a promise: none is renamed
//! or removed.
//!
//! The types hold what JSON has (numbers, texts, lists): what they are made from may change its shape,
//! and they must not.

pub mod care;
pub mod discs;
pub mod drives;
pub mod event;
#[cfg(test)]
mod examples;
pub mod keysheet;
#[cfg(test)]
mod page;
pub mod raw_text;
pub mod rebuild;
pub mod restore;
pub mod sets;
pub mod snapshots;
pub mod status;
pub mod storing;
pub mod tally;
pub mod words;

use crate::model::DiscNo;
use crate::port::clock::Moment;

/// The numbers of discs.
pub fn numbers(discs: &[DiscNo]) -> Vec<u32> {
    discs.iter().map(|disc| disc.0).collect()
}

/// `2026-11-22T23:05:33Z`; `None`: not known, or never.
pub fn date(moment: Option<Moment>) -> Option<String> {
    moment.map(|moment| moment.to_string())
}
