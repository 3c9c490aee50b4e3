//! Drives and burning programs.
