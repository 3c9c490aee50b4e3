//! From staged to safe: burning, reading back, recovery discs, and packing meanwhile.

pub mod dispatcher;
pub(in crate::flow) mod drive_thread;
pub mod pipeline;
pub mod records;
pub mod recovery_groups;
pub mod station;
mod waiting;
