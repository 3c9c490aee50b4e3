//! The command line: first as typed (`args`), then resolved against the world (`resolve`).

pub mod args;
pub mod config;
pub mod resolve;
mod values;
