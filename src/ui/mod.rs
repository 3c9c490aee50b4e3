//! Words with the human: the only floor that prints. Results for people and `--json` go to
//! stdout, all else to stderr.

pub mod ask;
pub mod drives;
pub mod exit;
pub mod lines;
pub mod progress;
pub mod screen;
pub mod summary;
pub mod table;
