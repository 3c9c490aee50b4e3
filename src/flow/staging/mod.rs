//! The staging area: packed discs that are not safe yet, and the room that they need.

pub mod area;
pub mod clear;
pub mod disc_size;
pub mod holding;
pub mod lost;
