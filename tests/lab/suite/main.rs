//! coldcut, as it is shipped, against optical drives: real kernel, real udev, real xorriso and
//! growisofs. Runs in the guest that scripts/lab.sh boots.

mod bench;
mod broken;
mod burning;
mod cut_off;
mod drive_itself;
mod going_away;
mod in_use;
mod loader;
mod media;
mod pool;
mod power_cuts;
mod reading;
mod restore_pool;
mod service;
mod states;
