//! tar members, frames, OpenPGP.
