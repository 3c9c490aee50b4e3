//! The laboratory: an optical drive that is a program (target_core_user), and a suite that runs
//! coldcut against it. No part of this is in the shipped program.

pub mod commands;
pub mod control;
pub mod disc;
pub mod drive;
pub mod log_writes;
pub mod sense;
pub mod tcmu;
