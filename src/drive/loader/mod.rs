//! Disc loaders: programs that bring discs to a drive and take them away, by the contract of
//! `docs/loaders.md`. No model of a machine is known here.

mod answer;
mod error;
mod program;
mod served;
mod tally;
#[cfg(test)]
pub(crate) mod tests;

pub use error::LoaderError;
pub use program::Loader;
pub use served::{ServedDrive, StackTask};
pub use tally::{StackCount, StackTally};
