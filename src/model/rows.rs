//! The rows of INDEX and SNAPSHOT (format 5 and 6), as values.

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
