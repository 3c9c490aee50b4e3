//! What is on a disc: names, listings and texts, as bytes and as values.
//!
//! The nouns of `docs/format.md`, a file each, as pure functions: what a disc says is known here,
//! where its bytes come from or go to is not.

pub mod by_hand;
pub(crate) mod companions;
pub(crate) mod disc_txt;
mod error;
pub(crate) mod escape;
pub(crate) mod heading;
pub(crate) mod index;
mod lines;
pub(crate) mod listing;
pub(crate) mod members;
mod meta_fields;
pub(crate) mod sums;
pub(crate) mod volume;

pub(crate) use disc_txt::DiscTxt;
pub(crate) use error::FormatError;
pub(crate) use heading::SnapshotLine;
pub(crate) use index::{IndexHeader, IndexReader, index_line};
pub(crate) use lines::{SizeLimits, longest_text};
pub(crate) use listing::{ListingHeader, ListingReader, listed_line};
pub(crate) use members::{member_name, part_name};
