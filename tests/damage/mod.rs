//! What the damage matrix stands on: discs to hurt, ways to hurt them, and what must be lost by it.

#![allow(dead_code, clippy::unwrap_used)] // helpers of tests may panic

pub mod bench;
pub mod hurt;
pub mod image;
pub mod loss;

pub use bench::{DamageBench, UndamagedSet};
