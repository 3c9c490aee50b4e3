//! A failing disc into an image: what is easy to read first, what is hard to read last, and a map
//! that says what is done, so that another run, or another drive, goes on.

pub mod map;
pub mod passes;
