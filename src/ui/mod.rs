//! Words with the human: the only floor that prints. Results for people and `--json` go to
//! stdout, all else to stderr.

pub mod ask;
pub mod drives;
pub mod exit;
pub mod keysheet;
pub mod lines;
pub mod media;
pub mod progress;
pub mod safety;
pub mod screen;
pub mod summary;
pub mod table;
