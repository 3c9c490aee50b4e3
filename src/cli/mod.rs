//! The command line: first as typed (`args`), then resolved against the world (`resolve`).

pub mod args;
pub mod config;
mod help;
pub mod resolve;
mod values;
