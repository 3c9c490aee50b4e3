//! The order of the steps. The only floor that opens and writes the catalog; it hands the catalog's
//! values to the steps, and the steps' products from one to the next.

pub mod backup;
pub mod base;
pub mod burn;
pub mod care;
pub mod drill;
pub mod library;
pub mod restore;
pub mod service;
pub mod staging;
pub mod status;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::port::cause::chain;
pub use base::burn_failure::BurnFailure;
pub use base::context::{Context, WaitLimit};
pub use base::discs_error::DiscsError;
pub use base::error::FlowError;
pub use base::key_error::KeyError;
pub use base::rescue_error::RescueRefusal;
pub use base::selection_error::SelectionError;
pub use base::sets::choose_set;
