//! coldcut puts directories on optical discs for cold storage, and gets them back.
//!
//! The house has floors, and each knows only those below it; `docs/architecture.md` is the map.

pub mod model;

pub mod port;

pub mod catalog;
pub mod codec;
pub mod drill;
pub mod drive;
pub mod format;
pub mod recovery;

pub mod burn;
pub mod pack;
pub mod rescue;
pub mod restore;
pub mod scan;
pub mod verify;

pub mod flow;

pub mod cli;
pub mod ui;

pub mod app;
