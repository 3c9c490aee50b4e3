//! Files of a disc as the catalog wants them to be.

use crate::catalog::DiscFile;
use crate::verify::Expected;

/// A file as the catalog wants it to be.
pub fn expected(file: &DiscFile) -> Expected {
    Expected { path: file.path.clone(), size: file.size.0, sha256: file.sha256 }
}
