//! What each command that uses a drive must do in each state of a drive: exit code, and what the
//! drive was told. A table for two tests, so that neither drifts from the other: on a drive that is
//! only a value (`drive_states.rs`), and in the laboratory (`tests/lab/suite/states.rs`).

use super::DriveAction::{self, Burn as B, Eject as E};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveState {
    Empty,
    Blank,
    /// Disc 1, which the catalog knows to be verified.
    Ours,
    /// Disc 2, burned by a run that was killed then.
    OursUnverified,
    Foreign,
    /// Another program burns in it, or has its disc mounted.
    InUse,
    Gone,
    Hanging,
    /// A blank, which the drive will not write to.
    Refusing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveCommand {
    Backup,
    Burn,
    /// A file that is on disc 1.
    Restore,
    Verify,
    Check,
    /// Disc 1, read in the drive, onto a shelf.
    CopyFrom,
    /// Disc 1, read from a shelf, into the drive.
    CopyTo,
    Drill,
    /// Disc 1, read from a shelf, onto a new one in the drive.
    Migrate,
    Watch,
    Rebuild,
    Rescue,
    Status,
}

pub const STATES: [DriveState; 9] = [
    DriveState::Empty,
    DriveState::Blank,
    DriveState::Ours,
    DriveState::OursUnverified,
    DriveState::Foreign,
    DriveState::InUse,
    DriveState::Gone,
    DriveState::Hanging,
    DriveState::Refusing,
];

/// How a verb must end, and what the drive may be told.
pub type Must = (u8, &'static [DriveAction]);

/// What each verb must do in each state, in the order of [`STATES`]: exit code, and what the drive
/// was told. Disc 2 is staged (what burns begins with it; a backup reads it back and then asks for a
/// blank for what is new), and nobody inserts anything; who watches is stopped when nobody comes. A
/// blank that was refused before its first byte is as good as before: it stays where it is, except
/// that who watches hands it out, as it would be tried for ever. What is in a drive says nothing of
/// what is safe: `status` does not ask it, and disc 2 waits.
pub type ExpectedRow = [Must; 9];
#[rustfmt::skip]
pub const TABLE: [(DriveCommand, ExpectedRow); 13] = [
    //                empty     blank         ours       unverified  foreign    in use      gone      hanging   refusing
    (DriveCommand::Backup,   [(4, &[]), (0, &[B, E]), (4, &[]),  (4, &[E]), (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (1, &[])]),
    (DriveCommand::Burn,     [(4, &[]), (0, &[B, E]), (4, &[]),  (0, &[E]), (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (1, &[])]),
    (DriveCommand::Restore,  [(4, &[]), (4, &[]),     (0, &[]),  (4, &[E]), (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (4, &[])]),
    (DriveCommand::Verify,   [(4, &[]), (4, &[]),     (0, &[]),  (0, &[]),  (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (4, &[])]),
    (DriveCommand::Check,    [(4, &[]), (4, &[]),     (0, &[E]), (0, &[E]), (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (4, &[])]),
    (DriveCommand::CopyFrom, [(4, &[]), (4, &[]),     (0, &[E]), (4, &[]),  (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (4, &[])]),
    (DriveCommand::CopyTo,   [(4, &[]), (0, &[B, E]), (4, &[]),  (4, &[]),  (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (1, &[])]),
    (DriveCommand::Drill,    [(4, &[]), (4, &[]),     (0, &[]),  (0, &[]),  (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (4, &[])]),
    (DriveCommand::Migrate,  [(4, &[]), (4, &[B, E]), (4, &[]),  (4, &[E]), (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (1, &[])]),
    (DriveCommand::Watch,    [(143, &[]), (0, &[B, E]), (143, &[E]), (0, &[E]), (143, &[E]), (143, &[]), (1, &[]), (1, &[]), (143, &[E])]),
    (DriveCommand::Rebuild,  [(4, &[]), (4, &[]),     (0, &[E]), (0, &[E]), (4, &[]),  (1, &[]), (1, &[]), (1, &[]), (4, &[])]),
    (DriveCommand::Rescue,   [(1, &[]), (3, &[]),     (0, &[]),  (0, &[]),  (0, &[]),  (1, &[]), (1, &[]), (1, &[]), (3, &[])]),
    (DriveCommand::Status,   [(3, &[]); 9]),
];
