//! The nouns: values that every floor above may hold. Nothing here does IO.

pub(crate) mod against;
pub(crate) mod carrier;
pub(crate) mod copy_places;
pub(crate) mod dated_disc;
pub(crate) mod digest;
pub mod disc;
pub(crate) mod disc_identity;
pub(crate) mod disc_list;
pub(crate) mod entry;
pub(crate) mod finding;
pub(crate) mod glob;
pub(crate) mod listing_flags;
pub(crate) mod name;
pub(crate) mod path;
pub(crate) mod plural;
pub(crate) mod rows;
pub(crate) mod size;
pub(crate) mod strain;

pub use against::Against;
pub(crate) use carrier::{Batch, BurnedMedium, Carrier, FileId, ShelfId, ShelfPlace};
pub(crate) use copy_places::{CopyPlace, CopyPlaces};
pub(crate) use dated_disc::DatedDisc;
pub(crate) use digest::Digest;
pub use disc::{ArchiveNo, DiscNo, DiscUuid, Format, SetUuid, SnapshotSeq, SnapshotUuid};
pub use disc_identity::DiscIdentity;
pub(crate) use disc_list::DiscList;
pub(crate) use entry::{Entry, Kind, Meta, Mtime, Xattr};
pub(crate) use finding::Finding;
pub use listing_flags::ListingFlags;
pub use name::SetName;
pub use path::RelPath;
pub(crate) use plural::plural;
pub(crate) use size::{Bytes, Sectors};
pub(crate) use strain::Strain;
