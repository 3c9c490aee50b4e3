//! What the catalog knows, without any disc; and what a person tells it.

pub mod danger;
pub mod forget_set;
pub mod keysheet;
pub mod latest;
pub mod locate;
pub mod lost_discs;
pub mod query;
pub mod rename_set;
pub mod safety;
pub mod search;
