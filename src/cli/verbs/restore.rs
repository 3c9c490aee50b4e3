//! `coldcut restore`.
use crate::cli::args::Restore;
use crate::cli::run::{Room, RunError};
use crate::ui::exit::Exit;

pub fn run(_room: &Room, _args: Restore) -> Result<Exit, RunError> {
    Err(RunError::Usage("restore".to_owned()))
}
