//! Step 1: what is in the source.
