//! Directories read before their turn, by other threads, while the walk tells of those before them.
//!
//! Which ones come next is known as soon as the directory above them was looked at. The walk takes
//! each in its own order, and does itself what no thread has begun, so it waits for nothing that it
//! could do.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, bounded};
use rayon::Scope;

use super::directory::Directory;
use super::filter::Filter;
use super::look::LookError;
use crate::port::stop::Stop;

/// Directories that may be read ahead at once, each with an open descriptor.
const MOST: usize = 128;

/// Names in them together: bounds the memory that they take.
const MOST_NAMES: usize = 64 << 10;

/// Starts reading ahead, within bounds.
pub(super) struct DirReadAhead<'s, 'env> {
    scope: &'s Scope<'env>,
    filter: &'env Filter,
    stop: &'env Stop,
    pending: usize,
    names: Arc<AtomicUsize>,
}

/// A directory that is being read, or will be.
pub(super) struct Pending {
    pub name: Vec<u8>,
    parent: Arc<OwnedFd>,
    above: u64,
    /// Whoever sets it does the work.
    taken: Arc<AtomicBool>,
    result: Receiver<Result<Directory, LookError>>,
}

impl<'s, 'env> DirReadAhead<'s, 'env> {
    pub fn new(
        scope: &'s Scope<'env>,
        filter: &'env Filter,
        stop: &'env Stop,
    ) -> DirReadAhead<'s, 'env> {
        DirReadAhead { scope, filter, stop, pending: 0, names: Arc::default() }
    }

    /// Directories of one level: enough that every thread has one at hand.
    pub fn window() -> usize {
        (2 * rayon::current_num_threads()).min(MOST / 4)
    }

    pub fn has_room(&self) -> bool {
        self.pending < MOST && self.names.load(Ordering::Relaxed) < MOST_NAMES
    }

    pub fn start(&mut self, parent: &Arc<OwnedFd>, name: &[u8], above: u64) -> Pending {
        let (sender, result) = bounded(1);
        let taken = Arc::new(AtomicBool::new(false));
        let pending = Pending { name: name.to_vec(), parent: parent.clone(), above, taken, result };
        let (taken, filter, stop) = (pending.taken.clone(), self.filter, self.stop);
        let (parent, name) = (parent.clone(), name.to_vec());
        let names = self.names.clone();
        self.pending += 1;
        self.scope.spawn(move |_| {
            if !taken.swap(true, Ordering::AcqRel) {
                let read = Directory::open(parent.as_fd(), &name, above, filter, stop);
                names.fetch_add(names_in(&read), Ordering::Relaxed);
                // Nobody listens any more if the walk ended early.
                let _ = sender.send(read);
            }
        });
        pending
    }

    /// The directory, read by whichever thread.
    pub fn finish(&mut self, pending: Pending) -> Result<Directory, LookError> {
        self.pending -= 1;
        let Pending { name, parent, above, taken, result } = pending;
        if taken.swap(true, Ordering::AcqRel) {
            if let Ok(read) = result.recv() {
                self.names.fetch_sub(names_in(&read), Ordering::Relaxed);
                return read;
            }
        }
        Directory::open(parent.as_fd(), &name, above, self.filter, self.stop)
    }
}

fn names_in(read: &Result<Directory, LookError>) -> usize {
    read.as_ref().map_or(0, |directory| directory.children.len())
}
