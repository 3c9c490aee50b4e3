//! Reads the INDEX of a disc and picks the members that are wanted, in the order in which their
//! bytes lie on the medium.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};

use crate::codec::frames::expander;
use crate::codec::openpgp::{OpenError, Opener};
use crate::drive::{DiscFile, DiscReader, FileReader};
use crate::format::{FormatError, IndexReader};
use crate::model::disc::Compression;
use crate::model::rows::IndexRow;
use crate::model::{ArchiveNo, Kind, RelPath};

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
}

/// A member that is wanted, and the content that it belongs to.
#[derive(Debug)]
pub struct Fetch {
    pub row: IndexRow,
    pub content: usize,
}

/// Opens a listing of the disc: decrypted and expanded.
pub fn open_listing<'a>(
    reader: &'a dyn DiscReader,
    name: &str,
    opener: Option<&Opener>,
) -> Result<Box<dyn Read + 'a>, ListingError> {
    let failed = |source| ListingError::Read { name: name.to_owned(), source };
    if let Some(file) = find(reader, name) {
        let plain = FileReader::new(reader, file);
        return Ok(Box::new(expander(Compression::Bzip2, plain).map_err(failed)?));
    }
    let sealed = format!("{name}.gpg");
    let file = find(reader, &sealed).ok_or_else(|| ListingError::Missing(name.to_owned()))?;
    let opener = opener.ok_or_else(|| ListingError::NoKey(sealed.clone()))?;
    let opened = opener
        .open(FileReader::new(reader, file))
        .map_err(|source| ListingError::Locked { name: sealed.clone(), source })?;
    Ok(Box::new(expander(Compression::Bzip2, opened).map_err(failed)?))
}

pub fn find<'a>(reader: &'a dyn DiscReader, name: &str) -> Option<&'a DiscFile> {
    reader.files().iter().find(|file| file.path == name)
}

/// The wanted members of this disc, sorted by place. Damaged rows are counted, not fatal: each
/// costs the member that it told of.
pub fn fetches(
    reader: &dyn DiscReader,
    opener: Option<&Opener>,
    wanted: &HashMap<(ArchiveNo, RelPath), usize>,
) -> Result<(Vec<Fetch>, Option<ListingError>), ListingError> {
    let name = "INDEX.tsv.bz2";
    let damaged = |source| ListingError::Damaged { name: name.to_owned(), source };
    let text = BufReader::with_capacity(256 << 10, open_listing(reader, name, opener)?);
    let rows = IndexReader::new(text).map_err(damaged)?;
    let mut fetches = Vec::new();
    let mut trouble = None;
    for row in rows {
        match row {
            Err(error) => trouble = Some(damaged(error)),
            Ok(row) => {
                if let Some(content) = content_of(&row, wanted) {
                    fetches.push(Fetch { row, content });
                }
            }
        }
    }
    fetches.sort_by_key(|f| (f.row.archive, f.row.frames.offset, f.row.frames.tar_offset));
    Ok((fetches, trouble))
}

fn content_of(row: &IndexRow, wanted: &HashMap<(ArchiveNo, RelPath), usize>) -> Option<usize> {
    if row.kind != Kind::File || row.size == 0 {
        return None;
    }
    let member = match row.span.part {
        0 => row.member.clone(),
        _ => row.member.parent()?,
    };
    wanted.get(&(row.archive, member)).copied()
}
