//! The nouns: values that every floor above may hold. Nothing here does IO.

pub mod carrier;
pub mod digest;
pub mod disc;
pub mod disc_list;
pub mod entry;
pub mod glob;
pub mod name;
pub mod path;
pub mod rows;
pub mod size;
pub mod strain;

pub use carrier::{Batch, BurnedMedium, Carrier, FileId, ShelfId, ShelfPlace};
pub use digest::Digest;
pub use disc::{ArchiveNo, DiscNo, DiscUuid, Format, SetUuid, SnapshotSeq, SnapshotUuid};
pub use disc_list::DiscList;
pub use entry::{Entry, Kind, Meta, Mtime, Xattr};
pub use name::SetName;
pub use path::RelPath;
pub use size::{Bytes, Sectors};
pub use strain::Strain;
