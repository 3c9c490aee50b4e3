//! What all steps share: their context, errors, keys, and the set that is meant.

pub mod burn_failure;
pub mod context;
pub mod discs_error;
pub mod error;
pub mod expected;
pub mod guard_error;
pub mod key_error;
pub mod keys;
pub mod medium_name;
pub mod own_list;
pub mod own_listing;
pub mod protection;
pub mod recipients;
pub mod refusal;
pub mod rescue_error;
pub mod selection_error;
pub mod set_copy;
pub mod sets;
pub mod turn;
pub mod unfulfilled;
