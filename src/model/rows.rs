//! The rows of INDEX, SNAPSHOT and HISTORY (format 6 to 8), as values, and what their first lines say
//! of a run.

use super::{ArchiveNo, Digest, DiscNo, Kind, Meta, RelPath, SnapshotSeq};

/// Where a member's bytes are inside its decrypted archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameSpan {
    /// Where the frames that hold the member begin, in bytes of the decrypted archive.
    pub offset: u64,
    /// Bytes of those frames together.
    pub length: u64,
    /// Where the member's first tar header is in the expanded data of those frames.
    pub tar_offset: u64,
}

/// Which slice of its file a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartSpan {
    /// 0: the whole file; else counted from 1.
    pub part: u32,
    /// How many there are; known with the last part only.
    pub parts: Option<u32>,
    /// Where in the file the slice belongs.
    pub file_offset: u64,
    /// Size of the whole file.
    pub file_size: u64,
}

/// Anything to say about how an entry was stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Note {
    #[default]
    None,
    /// Changed under the reader; stored as it was read last.
    Changed,
    /// Could not be read at this run; stands as it was stored on this date.
    Stale(String),
}

/// A row of INDEX: one member of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    pub snapshot: SnapshotSeq,
    pub kind: Kind,
    pub path: RelPath,
    /// The member's name in the tar file.
    pub member: RelPath,
    /// Bytes of content in this member.
    pub size: u64,
    /// Of those bytes; `None` for other kinds than files.
    pub sha256: Option<Digest>,
    pub archive: ArchiveNo,
    pub frames: FrameSpan,
    pub span: PartSpan,
    /// Of the whole file, where known.
    pub file_sha256: Option<Digest>,
    pub meta: Meta,
    pub note: Note,
}

/// A piece of a file on a disc: `DISC:ARCHIVE` in SNAPSHOT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub disc: DiscNo,
    pub archive: ArchiveNo,
}

/// Where a file's bytes are, as far as known when the listing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    /// In the order of the parts; one for a file that was not split; none for entries without content.
    pub places: Vec<Place>,
    /// False: the rest was not on a disc yet (`?`).
    pub complete: bool,
    /// The member that holds the content, or `.coldcut-parts/ID` for a file in parts;
    /// `None` where there is no content or nothing is known yet.
    pub member: Option<RelPath>,
}

impl Where {
    /// For entries that have no bytes on any disc.
    pub fn nothing() -> Where {
        Where { places: Vec::new(), complete: true, member: None }
    }
}

/// A row of SNAPSHOT: one path of the source at one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRow {
    pub kind: Kind,
    pub path: RelPath,
    pub size: u64,
    pub sha256: Option<Digest>,
    pub place: Where,
    pub meta: Meta,
    pub note: Note,
}

/// The snapshots in which a path was as its row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// The first one.
    pub since: SnapshotSeq,
    /// The last one; `None`: it still is so.
    pub until: Option<SnapshotSeq>,
}

impl Life {
    /// Whether the path was so in this snapshot.
    pub fn has(self, seq: SnapshotSeq) -> bool {
        self.since <= seq && self.until.is_none_or(|until| seq <= until)
    }
}

/// A row of SNAPSHOT or HISTORY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRow {
    pub row: SnapshotRow,
    /// `None` on discs of format 1, which do not tell.
    pub life: Option<Life>,
}

/// What a run says of itself, so that what it did not store can be told from what was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunLine {
    /// The character set of the locale.
    Charset(String),
    /// An option that changes what is stored.
    Option { name: String, value: Vec<u8> },
    /// A pattern, marker or file system that was left out.
    Excluded(Vec<u8>),
    /// A path that was met and not stored, and why.
    Skipped { path: RelPath, why: String },
}
