//! A disc that is an image file: read by the places that its directory names.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::absence::{Absence, ReadFailure, of_place};
use super::rate::{Rate, SlowReading};
use super::reader::{DiscFile, DiscReader, ReadError, Volume};
use super::shelf::identity::place_of_file;
use super::{DriveError, iso};
use crate::model::size::SECTOR;
use crate::model::{Bytes, Carrier, FileId, Sectors, ShelfPlace};
use crate::port::files;
use crate::port::held_dir::{HeldDir, is_link};
use crate::port::stop::Stop;

/// An open image. What is in it is read from the medium, not from the system's memory.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    /// Where the file lies, past all links.
    place: ShelfPlace,
    /// Which file it is.
    id: FileId,
    file: File,
    files: Vec<DiscFile>,
    /// What of the directory could not be used.
    complaint: Option<String>,
    sectors: Sectors,
    present: Sectors,
    /// Sectors that a shelf pretends to be unreadable.
    bad: Range<u64>,
    /// The sector at which a shelf pretends that the image vanishes.
    vanishes_at: Option<u64>,
    gone: OnceLock<Absence>,
    /// A shelf pretends that reading takes its time.
    slow: Option<SlowReading>,
}

impl Image {
    /// An image that is cut short opens, too, and one whose directory is damaged in places: what is
    /// there can be read. [`DriveError::NotAnImage`] if it is no volume, or no file at all.
    pub fn open(path: &Path, stop: &Stop) -> Result<Image, DriveError> {
        let file = open_file(path)?;
        let real = path.canonicalize().map_err(DriveError::io("access", path))?;
        Image::of(file, path, &real, stop)
    }

    /// The same of an image that must be in this directory itself: [`DriveError::Link`] if it is
    /// elsewhere.
    pub(super) fn open_in(dir: &HeldDir, name: &OsStr, stop: &Stop) -> Result<Image, DriveError> {
        let path = dir.path().join(name);
        match dir.open_regular(name) {
            Ok(Some(file)) => Image::of(file, &path, &path, stop),
            Ok(None) => Err(DriveError::NotAnImage(path)),
            Err(error) if is_link(&error) => Err(DriveError::Link(path)),
            Err(error) => Err(DriveError::io("open", path)(error)),
        }
    }

    /// `real`: the path past all links.
    fn of(file: File, path: &Path, real: &Path, stop: &Stop) -> Result<Image, DriveError> {
        let metadata = file.metadata().map_err(DriveError::io("access", path))?;
        files::forget_cached(&file);
        let read = |position: u64, buf: &mut [u8]| {
            retry(|| file.read_at(buf, position)).map_err(|error| failure(path, &file, error))
        };
        let iso::Listing { sectors, files, complaint } =
            iso::list(&read, stop).map_err(|fault| fault.of_image(path))?;
        let present = Sectors(metadata.len() / SECTOR);
        let place = place_of_file(real);
        let id = FileId { device: metadata.dev(), inode: metadata.ino() };
        let (path, bad, gone) = (path.to_owned(), 0..0, OnceLock::new());
        let (vanishes_at, slow) = (None, None);
        Ok(Image {
            path,
            place,
            id,
            file,
            files,
            complaint,
            sectors,
            present,
            bad,
            vanishes_at,
            gone,
            slow,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The complaint about a directory that could not be used in places.
    pub fn incomplete_listing(&self) -> Option<DriveError> {
        let words = self.complaint.clone()?;
        Some(DriveError::Damaged { path: self.path.clone(), words })
    }

    /// The complaint about an image of which a piece is missing at the end.
    pub fn shortfall(&self) -> Option<DriveError> {
        (self.present < self.sectors).then(|| DriveError::CutShort {
            path: self.path.clone(),
            is: self.present,
            wanted: self.sectors,
        })
    }

    pub(super) fn with_bad_sectors(mut self, bad: Range<u64>) -> Image {
        self.bad = bad;
        self
    }

    pub(super) fn vanishing_at(mut self, sector: Option<Sectors>) -> Image {
        self.vanishes_at = sector.map(|sector| sector.0);
        self
    }

    pub(super) fn at_rate(mut self, rate: Option<Rate>) -> Image {
        self.slow = rate.map(SlowReading::new);
        self
    }

    fn read_sound(&self, position: u64, buf: &mut [u8]) -> Result<usize, ReadFailure> {
        if self.vanishes_at.is_some_and(|sector| position + buf.len() as u64 > sector * SECTOR) {
            self.gone.get_or_init(|| Absence::Place { place: self.path.clone() });
        }
        if let Some(gone) = self.gone.get() {
            return Err(ReadFailure::Gone(gone.clone()));
        }
        self.read_at_rate(position, buf).map_err(|error| {
            match failure(&self.path, &self.file, error) {
                ReadFailure::Gone(absence) => {
                    ReadFailure::Gone(self.gone.get_or_init(|| absence).clone())
                }
                bad => bad,
            }
        })
    }

    fn read_at_rate(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(slow) = &self.slow else { return read_up_to_damage(&self.file, position, buf) };
        slow.begin();
        let got = read_up_to_damage(&self.file, position, buf)?;
        slow.end(got);
        Ok(got)
    }

    /// How much of a read at this place of the image lies before the sectors that are bad;
    /// `None` if it begins in one.
    fn sound(&self, position: u64, length: u64) -> Option<u64> {
        let bad = self.bad.start * SECTOR..self.bad.end.saturating_mul(SECTOR);
        if bad.contains(&position) {
            return None;
        }
        Some(if position < bad.start { length.min(bad.start - position) } else { length })
    }

    /// The directory gives the file fewer sectors than its size needs.
    fn misdescribed(&self, file: &DiscFile) -> ReadError {
        let source = io::Error::new(io::ErrorKind::InvalidData, "the disc's directory is damaged");
        ReadError::Io { disc: self.title(), path: file.path.clone(), source }
    }

    fn unreadable(&self, file: &DiscFile, position: u64, source: Option<io::Error>) -> ReadError {
        ReadError::Unreadable {
            disc: self.title(),
            path: file.path.clone(),
            sector: Sectors(position / SECTOR),
            source,
        }
    }
}

impl DiscReader for Image {
    fn title(&self) -> String {
        self.path.display().to_string()
    }

    fn medium(&self) -> Carrier {
        Carrier::Shelf(self.place.clone())
    }

    fn file_id(&self) -> Option<FileId> {
        Some(self.id)
    }

    fn files(&self) -> &[DiscFile] {
        &self.files
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        if buf.is_empty() || offset >= file.size.0 {
            return Ok(0);
        }
        let (position, row) = file.locate(offset).ok_or_else(|| self.misdescribed(file))?;
        let wanted = row.min(buf.len() as u64);
        let sound =
            self.sound(position, wanted).ok_or_else(|| self.unreadable(file, position, None))?;
        match self.read_sound(position, &mut buf[..sound as usize]) {
            Ok(0) => Err(self.unreadable(file, position, None)),
            Ok(n) => Ok(n),
            Err(ReadFailure::Bad(error)) => Err(self.unreadable(file, position, Some(error))),
            Err(ReadFailure::Gone(absence)) => Err(absence.into()),
        }
    }

    fn read_image(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<usize> {
        let sound = self.sound(offset.0, buf.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
        Ok(self.read_sound(offset.0, &mut buf[..sound as usize])?)
    }

    fn absence(&self) -> Option<Absence> {
        self.gone.get().cloned()
    }

    fn volume(&self) -> Option<Volume> {
        let mut descriptor = [0; SECTOR as usize];
        self.file.read_exact_at(&mut descriptor, 16 * SECTOR).ok()?;
        iso::volume_in(&descriptor)
    }

    fn image_sectors(&self) -> Option<Sectors> {
        Some(self.sectors)
    }
}

/// [`DriveError::NotAnImage`] for what is no file: a FIFO or a device would hold up whoever reads
/// it.
pub(super) fn open_file(path: &Path) -> Result<File, DriveError> {
    let file = files::open_regular(path).map_err(DriveError::io("open", path))?;
    file.ok_or_else(|| DriveError::NotAnImage(path.to_owned()))
}

/// What an error says of the image: nothing, if it is not there any more.
fn failure(path: &Path, file: &File, error: io::Error) -> ReadFailure {
    match of_place(path, Some(file), &error) {
        None => ReadFailure::Bad(error),
        Some(absence) => ReadFailure::Gone(absence),
    }
}

/// After an error, reads the piece up to the next sector's border alone: the bad place may be
/// further on. Interruptions are not errors.
pub(super) fn read_up_to_damage(file: &File, position: u64, buf: &mut [u8]) -> io::Result<usize> {
    let to_border = SECTOR - position % SECTOR;
    match retry(|| file.read_at(buf, position)) {
        Err(_) if buf.len() as u64 > to_border => {
            retry(|| file.read_at(&mut buf[..to_border as usize], position))
        }
        other => other,
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
