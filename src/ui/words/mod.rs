//! What the engine reports, asks and fails with, in English. The engine speaks in values; no other
//! place turns them into sentences.

pub mod advice;
pub mod dangers;
pub mod insertion;
mod notices;
#[cfg(test)]
mod question_tests;
pub mod questions;

pub use notices::{notice, untested, verdict};
