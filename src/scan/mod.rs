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

pub use content::{OpenFile, ReadError, Source};
pub use filter::{Filter, FilterError, FilterOptions, Rule, Shelves};
pub use look::LookError;
pub use walk::{Found, ScanError, Tally, Visitor, walk};
pub use xattrs::sees_trusted;
