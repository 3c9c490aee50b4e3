//! The rows of one snapshot by the listings of one disc. A snapshot that is older than the disc is told
//! by SNAPSHOT, which has the rows that are still so, and HISTORY, which has those that are no more
//! (format 8): both are read side by side, in walk order.

use std::io::BufReader;

use crate::codec::openpgp::Opener;
use crate::drive::DiscReader;
use crate::format::{DiscTxt, FormatError, ListingReader};
use crate::model::rows::ListedRow;
use crate::model::{Format, SnapshotSeq};
use crate::restore::index::{
    HISTORY, ListingError, ListingOptions, SNAPSHOT, open_listing, packed_size,
};

use crate::flow::base::own_listing::refuse_other;

/// One of the two, expanded as it is read.
type ExpandedListing<'a> = ListingReader<BufReader<Box<dyn std::io::Read + 'a>>>;
type RowResult = Result<ListedRow, FormatError>;

/// SNAPSHOT of one disc, and HISTORY where that is needed.
pub struct Past<'a> {
    of: SnapshotSeq,
    snapshot: Side<'a>,
    history: Option<Side<'a>>,
}

struct Side<'a> {
    name: &'static str,
    rows: ExpandedListing<'a>,
    next: Option<RowResult>,
}

impl<'a> Past<'a> {
    /// Whether the disc's listings tell of older snapshots at all.
    pub fn is_told_by(txt: &DiscTxt) -> bool {
        txt.format != Format::One && txt.listings.snapshot && txt.group.is_none()
    }

    /// Opens what tells of the snapshot `of`. A HISTORY that DISC.txt does not name is not missed:
    /// there was nothing to tell.
    pub fn open(
        reader: &'a dyn DiscReader,
        txt: &DiscTxt,
        with: (Option<&Opener>, ListingOptions<'a>),
        of: SnapshotSeq,
    ) -> Result<Past<'a>, ListingError> {
        let snapshot = Side::open(reader, txt, with, SNAPSHOT)?;
        let history = match of < txt.snapshot && txt.listings.history {
            true => Some(Side::open(reader, txt, with, HISTORY)?),
            false => None,
        };
        Ok(Past { of, snapshot, history })
    }

    /// Whether a row is of the snapshot; a listing of format 1 has no others.
    pub fn has(&self, listed: &ListedRow) -> bool {
        listed.life.is_none_or(|life| life.has(self.of))
    }
}

/// All rows that are read on the way, of other snapshots, too; in walk order, those of one path by
/// age. And what is damaged, in which of the two.
impl Iterator for Past<'_> {
    type Item = Result<ListedRow, ListingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_older = |history: &Side| match (&self.snapshot.next, &history.next) {
            (Some(Ok(now)), Some(Ok(then))) => then.row.path <= now.row.path,
            (Some(Err(_)), _) => false,
            (_, next) => next.is_some(),
        };
        match self.history.as_mut() {
            Some(history) if is_older(history) => history.take(),
            _ => self.snapshot.take(),
        }
    }
}

impl<'a> Side<'a> {
    fn open(
        reader: &'a dyn DiscReader,
        txt: &DiscTxt,
        (opener, reading): (Option<&Opener>, ListingOptions<'a>),
        name: &'static str,
    ) -> Result<Side<'a>, ListingError> {
        let text: Box<dyn std::io::Read + 'a> =
            Box::new(open_listing(reader, name, opener, reading.stop)?);
        let packed = reading.limits.packed(packed_size(reader, name));
        let text = BufReader::with_capacity(256 << 10, text);
        let rows = match name {
            HISTORY => ListingReader::history(text, packed),
            _ => ListingReader::new(text, packed),
        };
        let mut rows = rows.map_err(|source| damaged(name, source))?;
        refuse_other(rows.header(), txt, name)?;
        let next = rows.next();
        Ok(Side { name, rows, next })
    }

    fn take(&mut self) -> Option<Result<ListedRow, ListingError>> {
        let row = std::mem::replace(&mut self.next, self.rows.next())?;
        Some(row.map_err(|source| damaged(self.name, source)))
    }
}

fn damaged(name: &str, source: FormatError) -> ListingError {
    ListingError::Damaged { name: name.to_owned(), source }
}
