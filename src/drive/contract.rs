//! The checks that every drive must pass.
