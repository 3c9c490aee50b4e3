//! A medium as a row of sectors, whatever is on it: what a rescue reads. An image file, a disc in a
//! drive (past the system's memory), or an image on a shelf that is told to have bad places.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::absence::{Absence, ReadFailure, of_place};
use super::image::open_file;
use super::optical::reading::DriveReads;
use super::optical::{Device, Readiness};
use super::{DriveError, iso, shelf};
use crate::model::Sectors;
use crate::model::size::SECTOR;
use crate::port::stop::Stop;

/// A drive may take so long to recognise a bad disc.
const SPIN_UP: Duration = Duration::from_secs(120);
/// Direct reads go to addresses of pages (open(2), O_DIRECT).
const ALIGNMENT: usize = 4096;
/// The primary volume descriptor (ECMA-119 6.7.1).
pub const DESCRIPTOR: Sectors = Sectors(16);

/// Reads whole sectors, and nothing where one of them cannot be read.
pub trait SectorSource {
    /// For people.
    fn title(&self) -> String;
    fn sectors(&self) -> Sectors;
    /// Fills `buf`, whole sectors, from the sector `first` on, or fails.
    fn read(&self, first: Sectors, buf: &mut [u8]) -> io::Result<()>;
    /// Why what could not be read says nothing about the medium: it is not there any more.
    fn absence(&self) -> Option<Absence>;
}

/// An image or a device, open.
pub struct RawMedium {
    path: PathBuf,
    from: SectorOrigin,
    sectors: Sectors,
    bad: Range<u64>,
    /// Where a shelf pretends that the image vanishes.
    vanishes_at: Option<Sectors>,
    gone: OnceLock<Absence>,
}

enum SectorOrigin {
    Image(File),
    Drive(DriveReads),
}

impl RawMedium {
    /// A drive is waited for until it knows its disc.
    pub fn open(path: &Path, stop: &Stop) -> Result<RawMedium, DriveError> {
        let metadata = fs::metadata(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => DriveError::Missing(path.to_owned()),
            _ => DriveError::io("access", path)(e),
        })?;
        if metadata.is_dir() {
            return Err(DriveError::NotAnImage(path.to_owned()));
        }
        if metadata.file_type().is_block_device() {
            return RawMedium::of_device(path, stop);
        }
        let file = open_file(path)?;
        let sectors = Sectors(metadata.len() / SECTOR);
        let bad = shelf::bad_sectors_of(path)?;
        let vanishes_at = shelf::vanishing_of(path)?;
        let (path, from, gone) = (path.to_owned(), SectorOrigin::Image(file), OnceLock::new());
        RawMedium { path, from, sectors, bad, vanishes_at, gone }.sized()
    }

    fn of_device(path: &Path, stop: &Stop) -> Result<RawMedium, DriveError> {
        let device = Device::open(path)?;
        drop(device.free()?);
        match device.await_ready(SPIN_UP, stop)? {
            Readiness::Ready => {}
            Readiness::NoMedium | Readiness::TrayOpen => {
                return Err(DriveError::Empty { drive: path.display().to_string() });
            }
            Readiness::Unusable(sense) | Readiness::StillBusy(sense) => {
                let (drive, words) = (path.display().to_string(), sense.to_string());
                return Err(DriveError::Unusable { drive, words });
            }
        }
        let sectors = Sectors(device.size()?.0 / SECTOR);
        let from = SectorOrigin::Drive(DriveReads::open(&device)?);
        let (path, bad, gone) = (path.to_owned(), 0..0, OnceLock::new());
        RawMedium { path, from, sectors, bad, vanishes_at: None, gone }.sized()
    }

    /// The volume says how long it is: a drive gives more, and an image that is cut short less.
    fn sized(mut self) -> Result<RawMedium, DriveError> {
        let mut descriptor = [0; SECTOR as usize];
        if self.read(DESCRIPTOR, &mut descriptor).is_ok() {
            self.sectors = iso::size_in(&descriptor).unwrap_or(self.sectors);
        }
        Ok(self)
    }

    fn read_from(&self, position: u64, buf: &mut [u8]) -> Result<(), ReadFailure> {
        match &self.from {
            SectorOrigin::Drive(reads) => read_direct(reads, position, buf),
            SectorOrigin::Image(file) => file.read_exact_at(buf, position).map_err(|error| {
                match of_place(&self.path, Some(file), &error) {
                    None => ReadFailure::Bad(error),
                    Some(absence) => ReadFailure::Gone(self.gone.get_or_init(|| absence).clone()),
                }
            }),
        }
    }
}

/// Through an aligned buffer; all of it, or nothing.
fn read_direct(reads: &DriveReads, position: u64, buf: &mut [u8]) -> Result<(), ReadFailure> {
    let mut space = vec![0; buf.len() + ALIGNMENT];
    let start = space.as_ptr().align_offset(ALIGNMENT);
    let aligned = &mut space[start..start + buf.len()];
    let mut done = 0;
    while done < aligned.len() {
        match reads.read(position + done as u64, &mut aligned[done..])? {
            0 => return Err(ReadFailure::Bad(io::ErrorKind::UnexpectedEof.into())),
            read => done += read,
        }
    }
    buf.copy_from_slice(aligned);
    Ok(())
}

impl SectorSource for RawMedium {
    fn title(&self) -> String {
        self.path.display().to_string()
    }

    fn sectors(&self) -> Sectors {
        self.sectors
    }

    fn read(&self, first: Sectors, buf: &mut [u8]) -> io::Result<()> {
        let end = first.0 + buf.len() as u64 / SECTOR;
        if first.0 < self.bad.end && self.bad.start < end {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        if self.vanishes_at.is_some_and(|sector| end > sector.0) {
            self.gone.get_or_init(|| Absence::Place { place: self.path.clone() });
        }
        if let Some(gone) = self.gone.get() {
            return Err(io::Error::other(gone.clone()));
        }
        Ok(self.read_from(first.bytes().0, buf)?)
    }

    fn absence(&self) -> Option<Absence> {
        match &self.from {
            // A place at which the drive resets is a bad place to a rescue.
            SectorOrigin::Drive(reads) => reads.absence().filter(Absence::ends_reading),
            SectorOrigin::Image(_) => self.gone.get().cloned(),
        }
    }
}
