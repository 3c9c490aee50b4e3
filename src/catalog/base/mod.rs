//! The database, its tables, values in them, and what rows are called.

pub(super) mod carrier;
pub(super) mod database;
pub(super) mod dirs;
pub(super) mod error;
pub(super) mod file_names;
pub(super) mod former;
pub(super) mod ids;
pub(super) mod lock;
pub(super) mod part;
pub(super) mod schema;
pub(super) mod state;
pub(super) mod value;
