//! Words with the human: the only floor that prints. Results for people and `--json` go to
//! stdout, all else to stderr.

pub mod ask;
mod asked;
pub mod drives;
pub mod events;
pub mod exit;
pub mod json;
mod keyboard;
pub mod keysheet;
pub mod lines;
mod lock;
pub mod media;
mod messages;
pub mod pace;
pub mod progress;
mod run;
pub mod safety;
pub mod screen;
pub mod sets;
pub mod status;
pub mod styled;
pub mod summary;
pub mod table;
mod terminal;
pub mod words;
