//! Step 2: from files of the source to archives in staging, and from archives to full discs.
//!
//! The order inside: [`queue`] says what is to be stored, [`ahead`] and [`reader`] read each file once,
//! [`archive`] makes members into frames, [`sealing`] a full archive into a durable file, [`room`] knows
//! how much the disc still takes, [`filler`] decides what goes where and where it is cut, and [`closing`]
//! writes what else a disc carries. What is known already, and what must be remembered, is asked of
//! and told to a [`Ledger`]: the catalog is not touched from here.

mod ahead;
pub mod archive;
pub mod closing;
mod compact;
#[cfg(test)]
mod concurrency_tests;
mod error;
pub mod estimate;
pub mod filler;
mod ledger;
mod placing;
pub mod protecting;
pub mod queue;
pub mod reader;
pub mod room;
pub mod rows;
mod sealing;
mod space;
pub mod staged;
#[cfg(test)]
mod tests;

pub use archive::{PackedMember, SealedArchive};
pub use error::{LedgerError, PackError};
pub use filler::{Fill, Filler};
pub use ledger::{DuplicateFile, Ledger};
