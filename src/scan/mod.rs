//! Step 1: what is in the source.

mod ahead;
pub mod content;
mod directory;
pub mod filter;
mod look;
mod owners;
mod pseudo;
pub mod walk;
mod xattrs;

pub use content::{ContentReadError, Source};
pub use filter::{Filter, Rule};
#[cfg(test)]
pub use look::LookError;
pub use walk::{Visitor, WalkedPath, walk};
pub use xattrs::sees_trusted;
