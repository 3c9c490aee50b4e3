//! A count with the size of what was counted.

use serde::Serialize;

/// A number of paths, files or contents, and the bytes that they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TallyObject {
    pub count: u64,
    pub size: u64,
}
