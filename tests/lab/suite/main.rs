//! coldcut, as it is shipped, against optical drives: real kernel, real udev, real xorriso and
//! growisofs. Runs in the guest that scripts/lab.sh boots.

mod bench;
mod burning;
mod drive_itself;
