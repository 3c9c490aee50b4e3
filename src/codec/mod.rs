//! The three layers of an archive: tar members, compressed frames, OpenPGP. And the spool, in
//! which frames wait until their length is known.

pub mod acl;
pub mod ahead;
mod bzip2;
pub mod bzip2_frames;
pub mod frames;
pub mod member;
pub mod openpgp;
mod pax;
pub mod read_member;
pub mod salvage;
pub mod sparse;
pub mod spool;
