//! The order of the steps. The only floor that opens and writes the catalog; it hands the catalog's
//! values to the steps, and the steps' products from one to the next.

#[cfg(test)]
mod absence_tests;
pub mod backup;
mod beside;
#[cfg(test)]
mod beside_tests;
mod branches;
pub mod burning;
pub mod checking;
mod coherence;
pub mod compare;
#[cfg(test)]
mod compare_tests;
pub mod copying;
mod desk;
pub mod disc_size;
pub mod drilling;
mod error;
mod expected;
pub mod flushing;
pub mod forgetting;
mod gathering;
pub mod giving_up;
mod grouping;
#[cfg(test)]
mod grouping_tests;
pub mod guards;
pub mod holding;
pub mod insertion;
#[cfg(test)]
mod insertion_tests;
pub mod keys;
pub mod keysheet;
pub mod known_discs;
mod later_disc;
pub mod latest;
pub mod ledger;
pub mod locating;
mod lost_staging;
#[cfg(test)]
mod media_tests;
mod mending;
pub mod migrating;
mod obtaining;
mod older;
mod opening;
mod own_list;
mod own_listing;
mod packing;
pub mod piles;
pub mod query;
pub mod rebuilding;
pub mod recipients;
pub mod records;
mod refilling;
mod refusal;
mod remaking;
pub mod renaming;
pub mod rescuing;
#[cfg(test)]
mod restore_tests;
pub mod restoring;
mod rows;
pub mod safety;
mod set_copy;
mod sets;
pub mod shelves;
pub mod signatures;
pub mod spares;
pub mod staging;
pub mod turn;
mod unread;
#[cfg(test)]
mod unread_tests;
pub mod verifying;
pub mod vouching;
pub mod watching;
pub mod whereabouts;
mod writer;

pub use desk::{Desk, Patience};
pub use error::{FlowError, chain};
pub use sets::choose_set;
