//! What is on a disc: names, listings and texts, as bytes and as values.
