//! Work that goes through many discs by itself.

pub mod migrate;
pub mod watch;
mod watched_discs;
