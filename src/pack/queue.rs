//! What is to be stored, in walk order. Names that share one file travel together.

use std::collections::VecDeque;

use crate::model::Entry;

/// One thing to store.
#[derive(Clone, Debug)]
pub enum Work {
    /// A file with content, the other names that it has in this run, and how often it changed
    /// while it was read.
    File { entry: Box<Entry>, links: Vec<Entry>, tries: u32 },
    /// Anything without content. Goes along when an archive is made anyway.
    Plain(Box<Entry>),
}

/// The work of a run.
pub type Queue = VecDeque<Work>;

/// Bytes of content that the queue holds, holes not counted.
pub fn content_bytes(queue: &Queue) -> u64 {
    queue.iter().map(Work::content_bytes).sum()
}

impl Work {
    /// Bytes that are really there: a sparse file occupies less than its size.
    pub fn content_bytes(&self) -> u64 {
        match self {
            Work::File { entry, .. } => entry.size.min(entry.print.occupied.max(1)),
            Work::Plain(_) => 0,
        }
    }
}
