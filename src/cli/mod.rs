//! The command line: as typed, then resolved against the world, then handed to the flows.

pub mod args;
pub mod resolve;
pub mod run;
mod values;
mod verbs;
