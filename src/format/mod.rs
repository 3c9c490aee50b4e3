//! What is on a disc: names, listings and texts, as bytes and as values.
//!
//! The nouns of `docs/format.md`, a file each, as pure functions: what a disc says is known here,
//! where its bytes come from or go to is not.

pub mod by_hand;
pub mod companions;
pub mod disc_txt;
mod error;
pub mod escape;
pub mod heading;
pub mod index;
mod lines;
pub mod listing;
pub mod members;
mod meta_fields;
pub mod sums;
pub mod volume;

pub use disc_txt::DiscTxt;
pub use error::FormatError;
pub use heading::{Heading, SnapshotLine};
pub use index::{IndexHeader, IndexReader, index_line, parse_index_line};
pub use lines::{Limits, longest_text};
pub use listing::{ListingHeader, ListingReader, listed_line, parse_listed_line};
pub use members::{member_name, part_dir, part_name};
