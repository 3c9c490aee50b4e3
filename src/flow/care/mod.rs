//! Looking after discs: verify, check, copy, rescue, and rebuilding the catalog from them.

pub mod check;
pub mod copy;
pub mod rebuild;
pub mod rescue;
pub mod stack;
pub mod verify;
