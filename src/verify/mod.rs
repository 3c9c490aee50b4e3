//! Step 4: a medium against what is known of it.
