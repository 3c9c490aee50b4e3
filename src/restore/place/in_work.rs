//! How a restore marks what it is at work on, so that the next one knows what it left behind.

use std::os::fd::AsFd;

use rustix::fs::{FlockOperation, Mode, flock};

/// A directory in progress is its owner's alone, and sticky, which is of no use on such a
/// directory.
pub(super) const IN_WORK: Mode = Mode::RWXU.union(Mode::SVTX);

/// For as long as the file is open.
pub(super) fn lock(file: &impl AsFd) -> rustix::io::Result<()> {
    flock(file, FlockOperation::NonBlockingLockExclusive)
}
