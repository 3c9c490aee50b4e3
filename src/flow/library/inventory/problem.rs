//! What looks like a disc and is of no use as one.

/// Something that looks like a disc and is of no use as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    pub kind: ProblemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A coldcut disc, or what is left of one.
    Damage,
    /// It can be read, and does not count, for whoever made it.
    Refused,
    /// Made by a newer coldcut.
    Newer,
    /// Somebody else's.
    Foreign,
    /// It is used all the same, and whoever reads all of it will find what is wrong.
    Remark,
}
