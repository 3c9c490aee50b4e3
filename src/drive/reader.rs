//! Reading a disc's files, wherever the disc is: in a drive, as an image, copied into a folder.

use std::io::{self, Read};
use std::ops::Range;

use super::absence::Absence;
use crate::model::size::SECTOR;
use crate::model::{Bytes, Sectors};
use crate::model::{Carrier, FileId};

/// A piece of a file that is in one row on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub start: Sectors,
    pub length: Bytes,
}

/// A file on a disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscFile {
    /// Without a leading slash. A name that is not UTF-8 is not ours; what is wrong in it shows
    /// as replacement characters.
    pub path: String,
    pub size: Bytes,
    /// None where the medium's layout is not known.
    pub(super) extents: Vec<Extent>,
}

impl DiscFile {
    /// A file of a disc whose layout is not known.
    pub fn without_place(path: &str, size: Bytes) -> DiscFile {
        DiscFile { path: path.to_owned(), size, extents: Vec::new() }
    }

    /// Where on the medium the byte at `offset` lies, and how many bytes follow it in one row.
    pub(super) fn locate(&self, offset: u64) -> Option<(u64, u64)> {
        let mut passed = 0;
        self.extents.iter().find_map(|extent| {
            let inside = offset.checked_sub(passed)?;
            passed += extent.length.0;
            let left = extent.length.0.checked_sub(inside).filter(|&left| left > 0)?;
            Some((extent.start.0 * SECTOR + inside, left))
        })
    }

    /// The stretches of the medium that it takes, in bytes, in its own order; none where the layout
    /// is not known.
    pub fn places(&self) -> impl Iterator<Item = Range<u64>> {
        self.extents.iter().map(|extent| {
            let start = extent.start.bytes().0;
            start..start + extent.length.0
        })
    }

    /// The sector on the medium with the byte at `offset`, where the layout is known.
    pub fn sector_at(&self, offset: u64) -> Option<Sectors> {
        self.locate(offset).map(|(position, _)| Sectors(position / SECTOR))
    }
}

/// What the volume descriptor says of the volume that a disc is (ECMA-119 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `0007_HOLIDAYS`.
    pub id: String,
    /// Of its creation: `YYYYMMDDhhmmsscc`.
    pub date: String,
    /// The application identifier: `COLDCUT DISC` and the disc's UUID.
    pub application: String,
}

/// A piece of a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The medium is damaged here; other places may be sound.
    #[error("{disc}: {path} cannot be read at sector {}", .sector.0)]
    Unreadable { disc: String, path: String, sector: Sectors, source: Option<io::Error> },
    #[error("{disc}: {path} cannot be read")]
    Io { disc: String, path: String, source: io::Error },
    /// The disc, or what it is in, is not there any more: this says nothing about its soundness,
    /// and further reads fail alike.
    #[error(transparent)]
    Gone(#[from] Absence),
}

/// A disc whose files can be read, from several threads at once.
pub trait DiscReader: Send + Sync {
    /// For people: which disc this is and where.
    fn title(&self) -> String;

    /// What carries it, as far as the reader can tell: a drive, or where it lies, as a path that
    /// holds from everywhere.
    fn medium(&self) -> Carrier;

    /// Which file it is, if it is one, whatever name led to it.
    fn file_id(&self) -> Option<FileId> {
        None
    }

    /// In the order in which they are on the medium; by name where that is not known.
    fn files(&self) -> &[DiscFile];

    /// Reads from `offset` on; 0 only at the file's end or for an empty buffer.
    ///
    /// Stops before an unreadable sector: only a read that *begins* in one fails. So a caller
    /// that continues with the next sector gets all that can be read.
    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError>;

    /// The same, and also tries, sector by sector, what `read_at` skips around a bad place: a drive
    /// is busy with each of them for up to a minute. For whoever has read all the rest.
    fn read_each_sector(
        &self,
        file: &DiscFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, ReadError> {
        self.read_at(file, offset, buf)
    }

    /// Reads of the image itself, from `offset` on; fewer bytes before a place that cannot be
    /// read, and 0 at the end only. An error where there are only files.
    fn read_image(&self, _offset: Bytes, _buf: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "these are files, not a disc image"))
    }

    /// Why what could not be read of this disc says nothing about it: it was taken out, its drive
    /// is gone. Whoever is about to call a disc damaged asks this first.
    fn absence(&self) -> Option<Absence>;

    /// Whether somebody may take it out, or has to, before another one can be read there.
    fn is_in_a_drive(&self) -> bool {
        false
    }

    /// What is wrong with the medium as a whole, however well its files can be read here.
    fn flaw(&self) -> Option<String> {
        None
    }

    /// Reads around bad places skip the rest of their cluster, for a drive is busy with each sector
    /// for up to a minute. From now on it is tried, sector by sector; `false`: nothing was skipped,
    /// or it is tried already.
    fn try_skipped(&self) -> bool {
        false
    }

    /// The size of the whole image, where there is one.
    fn image_sectors(&self) -> Option<Sectors>;

    /// What the volume is called, where it can be read.
    fn volume(&self) -> Option<Volume>;

    fn file(&self, path: &str) -> Option<&DiscFile> {
        self.files().iter().find(|file| file.path == path)
    }
}

/// A stretch of a file on a disc as a stream. Its errors hold a [`ReadError`].
pub struct FileReader<'a> {
    disc: &'a dyn DiscReader,
    file: &'a DiscFile,
    at: u64,
    end: u64,
}

impl<'a> FileReader<'a> {
    pub fn new(disc: &'a dyn DiscReader, file: &'a DiscFile) -> FileReader<'a> {
        FileReader::range(disc, file, 0..file.size.0)
    }

    /// What of the range is beyond the file's end is left out.
    pub fn range(
        disc: &'a dyn DiscReader,
        file: &'a DiscFile,
        range: Range<u64>,
    ) -> FileReader<'a> {
        FileReader { disc, file, at: range.start, end: range.end.min(file.size.0) }
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let n =
            self.disc.read_at(self.file, self.at, &mut buf[..wanted]).map_err(io::Error::other)?;
        if n == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_two_extents_is_found_in_both() {
        let extents = [(100, 4096), (500, 10)]
            .map(|(start, length)| Extent { start: Sectors(start), length: Bytes(length) });
        let file = DiscFile { path: "x".into(), size: Bytes(4106), extents: extents.to_vec() };
        assert_eq!(file.locate(0), Some((100 * 2048, 4096)));
        assert_eq!(file.locate(4095), Some((101 * 2048 + 2047, 1)));
        assert_eq!(file.locate(4096), Some((500 * 2048, 10)));
        assert_eq!(file.locate(4106), None);
        assert_eq!(file.sector_at(2048), Some(Sectors(101)));
    }
}
