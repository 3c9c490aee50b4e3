//! How much a disc still takes. Exact: the image's size is calculated from the list of its files,
//! and the only margin is the rounding down to a whole cluster.

use crate::drive::image_sectors;
use crate::model::size::SECTOR;
use crate::model::{Bytes, Sectors};
use crate::recovery::geometry::Geometry;

/// Files that may grow before room is computed again, and each begin another sector: two archives,
/// INDEX, SNAPSHOT, HISTORY, catalog, sums.
const GROWING: u64 = 7;
const SUMS: &str = "SHA256SUMS";

/// A disc's capacity and the files that are certain to be on it.
#[derive(Clone, Debug)]
pub struct Room {
    capacity: Sectors,
    files: Vec<(String, u64)>,
    recovery: Option<Geometry>,
}

impl Room {
    /// `capacity` is what the medium takes; whole clusters of it are used.
    pub fn new(capacity: Sectors) -> Room {
        Room { capacity: capacity.whole_clusters(), files: Vec::new(), recovery: None }
    }

    /// Recovery data for so many percent of the disc's blocks comes on top.
    pub fn with_recovery(mut self, percent: u8) -> Room {
        self.recovery = Geometry::new(self.capacity, percent);
        self
    }

    pub fn recovery(&self) -> Option<Geometry> {
        self.recovery
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
        self.image_with_blocks(more, 0)
    }

    /// The same with recovery data for `blocks` more source blocks than there are.
    fn image_with_blocks(&self, more: &[(String, u64)], blocks: u64) -> Sectors {
        let mut files = self.files.clone();
        files.extend_from_slice(more);
        if let Some(geometry) = self.recovery {
            let recovery = geometry.layout(&files, blocks).files;
            add_recovery(&mut files, recovery);
        }
        image(&files)
    }

    /// Bytes by which one of the files `more` may still grow, whichever it is.
    /// `None`: they do not fit as they are.
    pub fn left_with(&self, more: &[(String, u64)]) -> Option<u64> {
        let used = self.image_with(more);
        if used > self.capacity {
            return None;
        }
        let left = self.capacity - used;
        match self.recovery {
            None => Some(left.bytes().0),
            Some(geometry) => Some(self.left_beside(geometry, more, left).bytes().0),
        }
    }

    /// What of the sectors that are left a file may take, so that its recovery data fits, too.
    fn left_beside(&self, geometry: Geometry, more: &[(String, u64)], left: Sectors) -> Sectors {
        let fits = |growth: u64| {
            let blocks = Sectors(growth).bytes().0.div_ceil(geometry.block);
            self.image_with_blocks(more, blocks) + Sectors(growth) <= self.capacity
        };
        let (mut fitting, mut beyond) = (0, left.0 + 1);
        while beyond - fitting > 1 {
            let middle = fitting + (beyond - fitting) / 2;
            if fits(middle) { fitting = middle } else { beyond = middle }
        }
        Sectors(fitting)
    }

    /// What the growth of several files may take beside its bytes.
    pub fn doubt(&self) -> u64 {
        let blocks = self.recovery.map_or(0, |g| g.doubt(self.capacity, GROWING).0);
        GROWING * SECTOR + blocks
    }

    /// How full the disc would be if it were closed like this.
    pub fn used_percent(&self) -> u64 {
        self.image_with(&[]).0 * 100 / self.capacity.0.max(1)
    }

    pub fn files(&self) -> &[(String, u64)] {
        &self.files
    }
}

/// The image's size with exactly these files.
pub fn image(files: &[(String, u64)]) -> Sectors {
    let sized: Vec<(&str, Bytes)> =
        files.iter().map(|(path, size)| (path.as_str(), Bytes(*size))).collect();
    image_sectors(&sized)
}

/// Recovery data joins the files, and its lines join the sums.
pub fn add_recovery(files: &mut Vec<(String, u64)>, recovery: Vec<(String, u64)>) {
    if let Some((_, sums)) = files.iter_mut().find(|(path, _)| path == SUMS) {
        *sums += sums_size(&recovery);
    }
    files.extend(recovery);
}

/// The size of `SHA256SUMS` over these files: 64 digits, two blanks, the path and a line end each.
pub fn sums_size(files: &[(String, u64)]) -> u64 {
    let listed = files.iter().filter(|(path, _)| !path.starts_with(SUMS));
    listed.map(|(path, _)| 67 + path.len() as u64).sum()
}
