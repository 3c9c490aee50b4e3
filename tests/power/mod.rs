//! A file system that forgets what was not synced, for tests of power cuts.
//!
//! [`PowerDisk`] keeps two states: what running programs see, and what is certain to be there after a
//! power cut, with all changes in between. [`Mounted`] shows it through FUSE. It promises what POSIX
//! promises and nothing more: `fsync` of a file makes its content and metadata durable, but not its
//! name; a name is durable after `fsync` of the directory that it is in.

pub mod bench;
pub mod content;
pub mod cut;
pub mod disk;
pub mod mounted;
pub mod run;
pub mod syncfs;
pub mod tree;

pub use cut::{CutKind, PowerCut};
pub use disk::{LeftOut, PowerDisk};
pub use mounted::Mounted;
