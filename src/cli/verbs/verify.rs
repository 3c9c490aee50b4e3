//! `coldcut verify`.
use crate::cli::args::Verify;
use crate::cli::run::{Room, RunError};
use crate::ui::exit::Exit;

pub fn run(_room: &Room, _args: Verify) -> Result<Exit, RunError> {
    Err(RunError::Usage("verify".to_owned()))
}
