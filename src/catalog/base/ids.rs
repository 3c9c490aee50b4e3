//! What rows are called that others point to.

/// A set in this catalog; not stable over a rebuild, and never on a disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(pub(in crate::catalog) i64);

/// A content in this catalog; not stable over a rebuild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub(in crate::catalog) i64);

/// A copy of a disc, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CopyNo(pub u32);

impl ContentId {
    /// To be kept for the length of one run.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The content that had this number a moment ago.
    pub fn numbered(number: i64) -> ContentId {
        ContentId(number)
    }
}
