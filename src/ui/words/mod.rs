//! What the engine reports, asks and fails with, in English. The engine speaks in values; no other
//! place turns them into sentences.

mod notices;

pub use notices::{notice, untested, verdict};
