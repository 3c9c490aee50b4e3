//! Files of a disc as the catalog wants them to be.

use crate::catalog::DiscFileRecord;
use crate::verify::ExpectedFile;

/// A file as the catalog wants it to be.
pub fn expected(file: &DiscFileRecord) -> ExpectedFile {
    ExpectedFile { path: file.path.clone(), size: file.size.0, sha256: file.sha256 }
}
