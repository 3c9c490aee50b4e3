//! Optical drives: what the kernel and the drive itself say (ioctls, MMC commands), what is in
//! them, and how that makes a [`super::Drive`].

mod burner;
mod cdrom;
mod clusters;
mod device;
mod disc;
mod free;
mod hold;
mod inquiry;
mod insertion;
pub(super) mod medium;
pub(super) mod mmc;
mod profile;
pub(super) mod reading;
mod reasons;
mod sense;
mod sg;
mod users;

#[cfg(test)]
pub(crate) use disc::tests::ScratchedDisc;

pub use burner::{DriveOptions, Optical};
pub use device::{Device, DeviceError, DriveIdentity, Readiness, drives};
pub use disc::volume_name;
pub use medium::{Medium, MediumState};
pub use profile::{KiloBytesPerSecond, Profile};
pub use sense::{Remedy, Sense};
