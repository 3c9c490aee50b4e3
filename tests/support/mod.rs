//! What tests of the real binary stand on: a sandbox to run it in, trees to back up, and a
//! comparison that sees everything that a restore must bring back.

// Each test binary uses its own part of this, and helpers of tests may panic.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

pub mod browser;
pub mod compare;
pub mod disks;
pub mod endless;
pub mod loops;
pub mod sandbox;
pub mod service;
pub mod terminal;
pub mod trees;

pub use compare::{assert_same_tree, differences};
pub use disks::SmallDisk;
pub use loops::make_directory_loop;
pub use sandbox::{Run, Sandbox, text};
pub use trees::{hostile_tree, mutate_tree, random_tree};
