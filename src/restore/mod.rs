//! Step 5: from discs back to files.

pub mod place;
