//! How much a disc still takes. Exact: the image's size is calculated from the list of its files,
//! and the only margin is the rounding down to a whole cluster.

use crate::drive::image_sectors;
use crate::model::{Bytes, Sectors};

/// A disc's capacity and the files that are certain to be on it.
#[derive(Clone, Debug)]
pub struct Room {
    capacity: Sectors,
    files: Vec<(String, u64)>,
}

impl Room {
    /// `capacity` is what the medium takes; whole clusters of it are used.
    pub fn new(capacity: Sectors) -> Room {
        Room { capacity: capacity.whole_clusters(), files: Vec::new() }
    }

    pub fn capacity(&self) -> Sectors {
        self.capacity
    }

    /// A file of known size will be on the disc; the same path again replaces it.
    pub fn put(&mut self, path: &str, size: u64) {
        self.files.retain(|(known, _)| known != path);
        self.files.push((path.to_owned(), size));
    }

    /// The image's size if these files came on top of the certain ones.
    pub fn image_with(&self, more: &[(String, u64)]) -> Sectors {
        let mut files = self.files.clone();
        files.extend_from_slice(more);
        let sized: Vec<(String, Bytes)> =
            files.into_iter().map(|(path, size)| (path, Bytes(size))).collect();
        image_sectors(&sized)
    }

    /// Bytes by which one of the files `more` may still grow, whichever it is.
    /// `None`: they do not fit as they are.
    pub fn left_with(&self, more: &[(String, u64)]) -> Option<u64> {
        let used = self.image_with(more);
        if used > self.capacity {
            return None;
        }
        Some((self.capacity - used).bytes().0)
    }

    /// How full the disc would be if it were closed like this.
    pub fn used_percent(&self) -> u64 {
        self.image_with(&[]).0 * 100 / self.capacity.0.max(1)
    }

    pub fn files(&self) -> &[(String, u64)] {
        &self.files
    }
}

/// The size of `SHA256SUMS` over these files: 64 digits, two blanks, the path and a line end each.
pub fn sums_size(files: &[(String, u64)]) -> u64 {
    files
        .iter()
        .filter(|(path, _)| !path.starts_with("SHA256SUMS"))
        .map(|(path, _)| 67 + path.len() as u64)
        .sum()
}
