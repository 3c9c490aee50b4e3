//! The command line: as typed, then resolved.
