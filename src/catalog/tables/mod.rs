//! What is in a catalog: sets, snapshots, paths, contents, archives, discs and their copies.

pub(super) mod archives;
pub(super) mod attempt;
pub(super) mod burns;
pub(super) mod contents;
pub(super) mod copies;
pub(super) mod discs;
pub(super) mod drills;
pub(super) mod entries;
pub(super) mod failures;
pub(super) mod forget;
pub(super) mod forget_set;
pub(super) mod gone;
pub(super) mod groups;
pub(super) mod listing;
pub(super) mod moved;
pub(super) mod places;
pub(super) mod refill;
pub(super) mod rows;
pub(super) mod run_lines;
pub(super) mod sets;
pub(super) mod settle;
pub(super) mod shelves;
pub(super) mod snapshots;
pub(super) mod status;
pub(super) mod vanished;
