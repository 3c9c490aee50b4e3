//! What the engine reports, asks and fails with, in English. The engine speaks in values; no other
//! place turns them into sentences.

pub mod advice;
pub mod dangers;
pub mod insertion;
mod notices;
#[cfg(test)]
mod question_tests;
pub mod questions;

use crate::port::event::Trouble;

pub use notices::{notice, untested, verdict};

/// What went wrong with one thing, and what to do about it.
pub fn trouble(trouble: &Trouble) -> String {
    advice::advised(trouble.to_string(), &trouble.what)
}
