//! Why a drill did not come to an end. What is wrong with a disc is no error but a finding.

use std::io;

use crate::port::command::CommandError;
use crate::port::stop::Stopped;

#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    #[error(transparent)]
    Stopped(Stopped),
    /// A tool is missing on this machine: that says nothing about the disc.
    #[error("{0} is not installed, and a drill needs it")]
    NoTool(String),
    #[error("a program of the drill could not be run")]
    Run(#[source] CommandError),
    #[error("cannot get random bytes")]
    Random(#[source] io::Error),
    #[error(
        "this kernel cannot confine restore.sh to a directory of its own (Landlock, since Linux \
         5.19), and anyone could have made these discs"
    )]
    NoFence(#[source] io::Error),
}

impl From<CommandError> for DrillError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Stopped(stopped) => DrillError::Stopped(stopped),
            CommandError::Missing { program, .. } => DrillError::NoTool(program),
            other => DrillError::Run(other),
        }
    }
}
