//! Step 2: from files to archives and discs.
