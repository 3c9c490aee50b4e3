//! Step 3: a staged disc onto a medium.
