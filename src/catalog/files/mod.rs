//! Catalogs as files: opening, copies, and those that came from discs.

pub(super) mod adopt;
pub(super) mod dump;
pub(super) mod export;
pub mod foreign;
pub(super) mod import;
pub(super) mod load;
pub(super) mod open;
pub(super) mod prove;
pub(super) mod read_copy;
pub(super) mod row_stream;
pub(super) mod whole;
