//! The command line: first as typed (`args`, read by `parse`), then resolved against the world (`resolve`).

pub mod args;
pub mod config;
mod finish;
mod help;
pub mod parse;
pub mod resolve;
mod values;
