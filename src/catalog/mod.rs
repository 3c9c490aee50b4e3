//! What we know: the SQLite catalog.
