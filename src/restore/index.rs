//! Reads the INDEX of a disc and picks the members that are wanted, in the order in which their
//! bytes are on the medium.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};

use super::archive::{ArchiveBytes, Holes};
use crate::codec::openpgp::{Integrity, IntegrityError, MessageReader, OpenError, Opener};
use crate::codec::salvage::SalvagedText;
use crate::drive::{DiscFile, DiscReader};
use crate::format::{FormatError, IndexHeader, IndexReader, SizeLimits};
use crate::model::rows::{FrameSpan, IndexRow};
use crate::model::{ArchiveNo, Digest, DiscIdentity, Kind, RelPath};
use crate::port::stop::{Heeding, Stop, Stopped};

/// What the listings are called, encrypted ones with `.gpg` after it.
pub const INDEX: &str = "INDEX.tsv.bz2";
pub const SNAPSHOT: &str = "SNAPSHOT.tsv.bz2";
pub const HISTORY: &str = "HISTORY.tsv.bz2";
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
    /// It is whole, and does not belong to this disc.
    #[error("{name} {what}")]
    Elsewhere { name: String, what: String },
}

impl ListingError {
    /// What there is to say of a listing that has these troubles: the first, unless the other says
    /// that the rest was not read.
    pub fn first(trouble: Option<ListingError>, next: ListingError) -> ListingError {
        let is_limit =
            matches!(&next, ListingError::Damaged { source, .. } if source.is_of_limit());
        trouble.filter(|_| !is_limit).unwrap_or(next)
    }

    /// The listing was read, and the modification detection code at its end says that some of it is
    /// not what was encrypted.
    pub fn is_of_integrity(&self) -> bool {
        let source = match self {
            ListingError::Read { source, .. } => source,
            ListingError::Damaged { source: FormatError::Read { source, .. }, .. } => source,
            _ => return false,
        };
        source.get_ref().is_some_and(|inner| inner.is::<IntegrityError>())
    }
}

/// How listings are read.
#[derive(Clone, Copy)]
pub struct ListingOptions<'a> {
    pub limits: SizeLimits,
    pub stop: &'a Stop,
}

/// A member that is wanted, and the content that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// In [`super::RestorePlan::contents`].
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
pub type WantedMembers = HashMap<(ArchiveNo, RelPath), usize>;

/// Opens a listing of the disc: decrypted and expanded. What of it is damaged is an error of kind
/// `InvalidData`, and what is sound after it follows; each stretch is proved by the checksum of
/// its own bzip2 stream. If the integrity of an encrypted one is broken, that is one more such
/// error, at its end. A wish to stop is an error of another kind, wherever it comes.
pub fn open_listing<'a>(
    reader: &'a dyn DiscReader,
    name: &str,
    opener: Option<&Opener>,
    stop: &'a Stop,
) -> Result<Box<dyn Read + 'a>, ListingError> {
    if let Some(file) = reader.file(name) {
        let bytes = ArchiveBytes::of(reader, file, Holes::Zeros).into_reader();
        return Ok(Box::new(SalvagedText::new(Heeding::new(bytes, stop))));
    }
    let sealed = format!("{name}.gpg");
    let file = reader.file(&sealed).ok_or_else(|| ListingError::Missing(name.to_owned()))?;
    let opener = opener.ok_or_else(|| ListingError::NoKey(sealed.clone()))?;
    let bytes = ArchiveBytes::of(reader, file, Holes::Zeros).into_reader();
    let opened = opener
        .open_damaged(Heeding::new(bytes, stop))
        .map_err(|source| ListingError::Locked { name: sealed, source })?;
    Ok(Box::new(Checked { text: SalvagedText::new(opened), is_told: false }))
}

/// The text of an encrypted listing; behind its last line an error, if the message's own code says
/// that it is not what was encrypted.
struct Checked<R: Read> {
    text: SalvagedText<MessageReader<R>>,
    is_told: bool,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(buf)?;
        let is_at_end = read == 0 && !buf.is_empty();
        if is_at_end && !self.is_told && self.text.input().integrity() != Integrity::Good {
            self.is_told = true;
            return Err(io::Error::new(io::ErrorKind::InvalidData, IntegrityError));
        }
        Ok(read)
    }
}

/// A listing of the disc as the file that it is, encrypted or not.
pub fn listing_file<'a>(reader: &'a dyn DiscReader, name: &str) -> Option<&'a DiscFile> {
    reader.file(name).or_else(|| reader.file(&format!("{name}.gpg")))
}

/// How many bytes a listing takes on its disc.
pub fn packed_size(reader: &dyn DiscReader, name: &str) -> u64 {
    listing_file(reader, name).map_or(0, |file| file.size.0)
}

/// The first lines of the disc's INDEX; `None` where they are damaged. An INDEX of another disc is
/// an error.
pub fn index_header(
    reader: &dyn DiscReader,
    opener: Option<&Opener>,
    of: &DiscIdentity,
    stop: &Stop,
) -> Result<Option<IndexHeader>, ListingError> {
    let damaged = |source| ListingError::Damaged { name: INDEX.to_owned(), source };
    let text = BufReader::new(open_listing(reader, INDEX, opener, stop)?);
    let rows = IndexReader::new(text, packed_size(reader, INDEX)).map_err(damaged)?;
    refuse_other(rows.header(), of)?;
    Ok(rows.header().cloned())
}

/// DISC.txt is what anybody can write; an encrypted INDEX is not.
fn refuse_other(header: Option<&IndexHeader>, of: &DiscIdentity) -> Result<(), ListingError> {
    let Some(header) = header else { return Ok(()) };
    if header.id.is_same_disc(of) {
        return Ok(());
    }
    let DiscIdentity { set, set_uuid, number, uuid } = &header.id;
    let what = match *set_uuid == of.set_uuid {
        true => format!("belongs to disc {number} ({uuid}), not to this disc"),
        false => format!("belongs to disc {number} of another set, {set}"),
    };
    Err(ListingError::Elsewhere { name: INDEX.to_owned(), what })
}

/// Gives each row of the INDEX of this disc to `each`. A damaged row costs the member that it told
/// of; the first such error is in the answer.
pub fn each_index_row(
    reader: &dyn DiscReader,
    opener: Option<&Opener>,
    of: &DiscIdentity,
    ListingOptions { limits, stop }: ListingOptions,
    mut each: impl FnMut(IndexRow),
) -> Result<Option<ListingError>, ListingError> {
    let damaged = |source| ListingError::Damaged { name: INDEX.to_owned(), source };
    let text = open_listing(reader, INDEX, opener, stop);
    stop.check()?;
    let text = BufReader::with_capacity(256 << 10, text?);
    let mut trouble = None;
    let packed = limits.packed(packed_size(reader, INDEX));
    let rows = IndexReader::new(text, packed).map_err(damaged);
    stop.check()?;
    let rows = rows?;
    refuse_other(rows.header(), of)?;
    for row in rows {
        stop.check()?;
        match row {
            Ok(row) => each(row),
            Err(error) => trouble = Some(ListingError::first(trouble, damaged(error))),
        }
    }
    Ok(trouble)
}

/// The wanted members of this disc.
pub fn fetches(
    reader: &dyn DiscReader,
    opener: Option<&Opener>,
    of: &DiscIdentity,
    wanted: &WantedMembers,
    reading: ListingOptions,
) -> Result<(Vec<Fetch>, Option<ListingError>), ListingError> {
    let mut fetches = Vec::new();
    let take = |row| fetches.extend(fetch(row, wanted));
    let trouble = each_index_row(reader, opener, of, reading, take)?;
    Ok((fetches, trouble))
}

fn fetch(row: IndexRow, wanted: &WantedMembers) -> Option<Fetch> {
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
