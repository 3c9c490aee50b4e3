//! Step 5: from discs back to files. Works from discs alone: a listing says what belongs where,
//! each disc's INDEX says where its bytes are. What archives say of paths is never looked at.

pub mod index;
pub mod place;
pub mod plan;

pub use plan::{Lost, Plan, plan};
