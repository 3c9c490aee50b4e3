//! Words with the human.
