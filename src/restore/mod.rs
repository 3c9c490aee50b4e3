//! Step 5: from discs back to files. Works from discs alone: a listing says what belongs where,
//! each disc's INDEX says where its bytes are. What archives say of paths is never looked at.

mod archive;
mod assembly;
pub mod assignment;
pub mod extract;
pub mod index;
pub mod nodes;
pub mod order;
pub mod place;
pub mod plan;
pub mod privileges;
mod read_ahead;
pub mod select;
mod shared;
pub mod survey;
pub mod unlisted;
mod unpack;
