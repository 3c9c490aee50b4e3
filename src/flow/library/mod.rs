//! The discs at hand: which there are, whose they are, what they list, how they are repaired and
//! rebuilt, and where copies are kept.

pub mod branches;
pub mod coherence;
pub mod collect;
pub mod insertion;
pub mod inventory;
pub mod known_discs;
pub mod listings;
pub mod locations;
pub mod older;
pub mod reconstruct;
pub mod recovery_status;
pub mod repair;
pub mod shelves;
pub mod signatures;
pub mod unlock;
pub mod unread;
pub mod vouching;
