//! Reads the INDEX of a disc and picks the members that are wanted, in the order in which their
//! bytes lie on the medium.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};

use super::archive::{Bytes, Holes};
use crate::codec::openpgp::{OpenError, Opener};
use crate::codec::salvage::SalvagedText;
use crate::drive::{DiscFile, DiscReader};
use crate::format::{FormatError, IndexReader};
use crate::model::rows::{FrameSpan, IndexRow};
use crate::model::{ArchiveNo, Digest, Kind, RelPath};
use crate::port::stop::{Stop, Stopped};

/// What the listings are called, encrypted ones with `.gpg` behind it.
pub const INDEX: &str = "INDEX.tsv.bz2";
pub const SNAPSHOT: &str = "SNAPSHOT.tsv.bz2";
pub const CATALOG: &str = "catalog.sqlite.bz2";

#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    #[error("the disc has no {0}")]
    Missing(String),
    #[error("cannot open {name}")]
    Locked { name: String, source: OpenError },
    #[error("{0} is encrypted and no key is given")]
    NoKey(String),
    #[error("cannot read {name}")]
    Read { name: String, source: io::Error },
    #[error("{name} is damaged")]
    Damaged { name: String, source: FormatError },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A member that is wanted, and the content that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// In [`super::Plan::contents`].
    pub content: usize,
    pub archive: ArchiveNo,
    pub frames: FrameSpan,
    /// Bytes of content in the member.
    pub size: u64,
    /// Of those bytes, where known.
    pub sha256: Option<Digest>,
    /// 0: the whole file; else counted from 1.
    pub part: u32,
    /// Where in the file its content belongs.
    pub file_offset: u64,
}

/// What is wanted of a disc: by archive and member, the content. Parts are found by their
/// directory, which is the name that listings give.
pub type Wanted = HashMap<(ArchiveNo, RelPath), usize>;

/// Opens a listing of the disc: decrypted and expanded. What of it is damaged is an error of kind
/// `InvalidData`, and what is sound behind it follows; each stretch is proved by the check sum of
/// its own bzip2 stream.
pub fn open_listing<'a>(
    reader: &'a dyn DiscReader,
    name: &str,
    opener: Option<&Opener>,
) -> Result<Box<dyn Read + 'a>, ListingError> {
    if let Some(file) = reader.file(name) {
        let bytes = Bytes::of(reader, file, Holes::Zeros);
        return Ok(Box::new(SalvagedText::new(bytes.into_reader())));
    }
    let sealed = format!("{name}.gpg");
    let file = reader.file(&sealed).ok_or_else(|| ListingError::Missing(name.to_owned()))?;
    let opener = opener.ok_or_else(|| ListingError::NoKey(sealed.clone()))?;
    let bytes = Bytes::of(reader, file, Holes::Zeros);
    let opened = opener
        .open_damaged(bytes.into_reader())
        .map_err(|source| ListingError::Locked { name: sealed, source })?;
    Ok(Box::new(SalvagedText::new(opened)))
}

/// A listing of the disc as the file that it is, encrypted or not.
pub fn listing_file<'a>(reader: &'a dyn DiscReader, name: &str) -> Option<&'a DiscFile> {
    reader.file(name).or_else(|| reader.file(&format!("{name}.gpg")))
}

/// How many bytes a listing takes on its disc.
pub fn packed_size(reader: &dyn DiscReader, name: &str) -> u64 {
    listing_file(reader, name).map_or(0, |file| file.size.0)
}

/// Gives each row of the INDEX to `each`. A damaged row costs the member that it told of; the
/// first such error is in the answer.
pub fn each_index_row(
    reader: &dyn DiscReader,
    opener: Option<&Opener>,
    stop: &Stop,
    mut each: impl FnMut(IndexRow),
) -> Result<Option<ListingError>, ListingError> {
    let damaged = |source| ListingError::Damaged { name: INDEX.to_owned(), source };
    let text = BufReader::with_capacity(256 << 10, open_listing(reader, INDEX, opener)?);
    let mut trouble = None;
    for row in IndexReader::new(text, packed_size(reader, INDEX)).map_err(damaged)? {
        stop.check()?;
        match row {
            Ok(row) => each(row),
            Err(error) => trouble = trouble.or_else(|| Some(damaged(error))),
        }
    }
    Ok(trouble)
}

/// The wanted members of this disc.
pub fn fetches(
    reader: &dyn DiscReader,
    opener: Option<&Opener>,
    wanted: &Wanted,
    stop: &Stop,
) -> Result<(Vec<Fetch>, Option<ListingError>), ListingError> {
    let mut fetches = Vec::new();
    let trouble = each_index_row(reader, opener, stop, |row| fetches.extend(fetch(row, wanted)))?;
    Ok((fetches, trouble))
}

fn fetch(row: IndexRow, wanted: &Wanted) -> Option<Fetch> {
    if row.kind != Kind::File || row.size == 0 {
        return None;
    }
    let member = match row.span.part {
        0 => row.member,
        _ => row.member.parent()?,
    };
    let content = *wanted.get(&(row.archive, member))?;
    Some(Fetch {
        content,
        archive: row.archive,
        frames: row.frames,
        size: row.size,
        sha256: row.sha256,
        part: row.span.part,
        file_offset: row.span.file_offset,
    })
}
