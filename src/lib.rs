//! coldcut puts directories on optical discs for cold storage, and gets them back.
//!
//! The code has layers, and each knows only those below it: `docs/architecture.md`.
//!
//! What is public here is what `main`, the tests in `tests/` and the fuzzers use, and no more: so the
//! compiler tells what nobody uses.

pub mod model;

mod port;

mod catalog;
mod codec;
mod drill;
mod drive;
pub mod format;
mod recovery;

mod pack;
mod rescue;
mod restore;
mod scan;
mod verify;

mod flow;

mod cli;
mod ui;

mod hub;

mod app;

pub use app::{fail, refuse, run};
pub use cli::config::ConfigFiles;
pub use cli::parse::parse;
pub use port::stop::Stop;

/// The process that reads catalogs of strangers, for the one that we are.
pub mod foreign {
    pub use crate::catalog::files::foreign::{is_wanted, serve};
}

/// What is set up once a process.
pub mod process {
    pub use crate::port::process::{
        keep_capabilities_from_children, keep_freed_memory, keep_secrets_out_of_core_dumps,
        stop_on_signals,
    };
}

/// Doors for `fuzz/`: what reads foreign bytes.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::catalog::{Catalog, CatalogError};
    pub use crate::codec::bzip2_frames::fuzzing::{bzip2_agrees_with_the_crate, bzip2_comes_back};
    pub use crate::codec::openpgp::{Checker, Locks, Opener};
    pub use crate::codec::read_member::read_member;
    pub use crate::drive::fuzzing::{descriptor, replies, volume, words};
    pub use crate::format::disc_txt::DiscTxt;
    pub use crate::format::index::{IndexReader, index_line, parse_index_line};
    pub use crate::format::listing::{ListingReader, listed_line, parse_listed_line};
    pub use crate::format::sums::{parse_sums, write_sums};
    pub use crate::hub::server::fuzzing::http;
    pub use crate::model::Format;
    pub use crate::port::clock::Moment;
}
