//! The command line: first as typed (`args`), then resolved against the world (`resolve`).

pub mod args;
pub mod resolve;
mod values;
