//! A disc that lies in a drive: its files are read by the places that its directory names, past
//! the system's memory, so that what is read is what is on the medium.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::drive::reader::{DiscFile, DiscReader, ReadError, Volume};
use crate::drive::{DriveError, xorriso};
use crate::model::size::SECTOR;
use crate::model::{Bytes, Carrier, Sectors};

/// The error correction of BD and DVD covers 32 sectors: neighbours fail together (ECMA-267 20.5
/// has 16 for DVD; a BD cluster is 64 KiB).
const CLUSTER: u64 = 32 * SECTOR;
/// Direct reads go to addresses of pages (open(2), O_DIRECT).
const ALIGNMENT: usize = 4096;
/// Read at once.
const LARGEST: usize = 1 << 20;

pub struct OpticalDisc {
    title: String,
    file: File,
    files: Vec<DiscFile>,
    sectors: Sectors,
    /// Sectors that failed once: a drive tries for up to a minute before it says so.
    bad: Mutex<BTreeSet<u64>>,
}

impl OpticalDisc {
    /// The disc that lies in the drive; the drive must be ready.
    pub fn open(device: &Path, drive: &str) -> Result<OpticalDisc, DriveError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_DIRECT | nix::libc::O_CLOEXEC)
            .open(device)
            .map_err(DriveError::io("read", device))?;
        let disc = OpticalDisc {
            title: drive.to_owned(),
            file,
            files: Vec::new(),
            sectors: Sectors(0),
            bad: Mutex::default(),
        };
        let sectors = disc.volume_size().map_err(|words| disc.unusable(words))?;
        let files = xorriso::list_disc(device).map_err(|error| match error {
            DriveError::NotAnImage(_) => disc.unusable("it holds no ISO 9660 volume".to_owned()),
            DriveError::Damaged { words, .. } => {
                disc.unusable(format!("its directory cannot be read ({words})"))
            }
            other => other,
        })?;
        Ok(OpticalDisc { files, sectors, ..disc })
    }

    fn unusable(&self, words: String) -> DriveError {
        DriveError::Unusable { drive: self.title.clone(), words }
    }

    fn volume_size(&self) -> Result<Sectors, String> {
        let mut descriptor = [0; SECTOR as usize];
        let read = self.read_from(16 * SECTOR, &mut descriptor);
        match read {
            Ok(n) if n == descriptor.len() => xorriso::size_in(&descriptor)
                .ok_or_else(|| "it holds no ISO 9660 volume".to_owned()),
            Ok(_) => Err("it ends before its first volume descriptor".to_owned()),
            Err(e) => Err(format!("its volume descriptor cannot be read: {e}")),
        }
    }

    /// Reads what the caller wants through an aligned buffer. Stops before the first bad sector.
    fn read_from(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        let first = position / SECTOR * SECTOR;
        let inside = (position - first) as usize;
        let wanted = (inside + buf.len()).min(LARGEST).next_multiple_of(SECTOR as usize);
        let mut space = vec![0; wanted + ALIGNMENT];
        let start = space.as_ptr().align_offset(ALIGNMENT);
        let aligned = &mut space[start..start + wanted];
        let read = self.read_sectors(first, aligned)?;
        let got = read.saturating_sub(inside).min(buf.len());
        buf[..got].copy_from_slice(&aligned[inside..inside + got]);
        Ok(got)
    }

    /// Whole sectors; fewer than wanted if a bad one follows.
    fn read_sectors(&self, position: u64, aligned: &mut [u8]) -> io::Result<usize> {
        let sound = self.before_known_bad(position, aligned.len() as u64)?;
        let piece = &mut aligned[..sound as usize];
        match self.read_direct(position, piece) {
            Err(_) if piece.len() as u64 > SECTOR => self.read_towards_damage(position, piece),
            Err(error) => {
                self.known_bad().insert(position / SECTOR);
                Err(error)
            }
            read => read,
        }
    }

    /// After an error: up to the cluster's end, and if that fails sector by sector.
    fn read_towards_damage(&self, position: u64, aligned: &mut [u8]) -> io::Result<usize> {
        let to_border = CLUSTER - position % CLUSTER;
        let step = if aligned.len() as u64 > to_border { to_border } else { SECTOR };
        self.read_sectors(position, &mut aligned[..step as usize])
    }

    fn before_known_bad(&self, position: u64, length: u64) -> io::Result<u64> {
        let first = position / SECTOR;
        match self.known_bad().range(first..first + length / SECTOR).next() {
            Some(&bad) if bad == first => Err(io::Error::from_raw_os_error(nix::libc::EIO)),
            Some(&bad) => Ok((bad - first) * SECTOR),
            None => Ok(length),
        }
    }

    fn known_bad(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_direct(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(buf, position) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn unreadable(&self, file: &DiscFile, position: u64, source: Option<io::Error>) -> ReadError {
        let (disc, path) = (self.title.clone(), file.path.clone());
        ReadError::Unreadable { disc, path, sector: Sectors(position / SECTOR), source }
    }
}

/// The name of the volume that lies in a drive, for people.
pub fn volume_name(device: &Path) -> Option<String> {
    let file = OpenOptions::new().read(true).open(device).ok()?;
    let mut descriptor = [0; SECTOR as usize];
    file.read_exact_at(&mut descriptor, 16 * SECTOR).ok()?;
    xorriso::volume_id_in(&descriptor)
}

impl DiscReader for OpticalDisc {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn medium(&self) -> Carrier {
        Carrier::found_in(self.title.clone())
    }

    fn files(&self) -> &[DiscFile] {
        &self.files
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        if buf.is_empty() || offset >= file.size.0 {
            return Ok(0);
        }
        let Some((position, row)) = file.locate(offset) else {
            let source =
                io::Error::new(io::ErrorKind::InvalidData, "the disc's directory is damaged");
            let (disc, path) = (self.title.clone(), file.path.clone());
            return Err(ReadError::Io { disc, path, source });
        };
        let wanted = row.min(buf.len() as u64) as usize;
        match self.read_from(position, &mut buf[..wanted]) {
            Ok(0) => Err(self.unreadable(file, position, None)),
            Ok(read) => Ok(read),
            Err(error) => Err(self.unreadable(file, position, Some(error))),
        }
    }

    fn read_image(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<usize> {
        self.read_from(offset.0, buf)
    }

    fn volume(&self) -> Option<Volume> {
        let mut descriptor = [0; SECTOR as usize];
        let read = self.read_from(16 * SECTOR, &mut descriptor).ok()?;
        xorriso::volume_in(&descriptor[..read])
    }

    fn image_sectors(&self) -> Option<Sectors> {
        Some(self.sectors)
    }
}
