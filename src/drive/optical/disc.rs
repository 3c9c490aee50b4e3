//! A disc that is in a drive: its files are read by the places that its directory names, past
//! the system's memory, so that what is read is what is on the medium.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::clusters::{ClusterEffort, Clusters};
use super::device::Device;
use super::hold::DriveHold;
use super::reading::DriveReads;
use crate::drive::DriveError;
use crate::drive::absence::{Absence, ReadFailure};
use crate::drive::iso::{self, IsoFault};
use crate::drive::reader::{DiscFile, DiscReader, ReadError, Volume};
use crate::model::size::SECTOR;
use crate::model::{Bytes, Carrier, Sectors};
use crate::port::stop::Stop;

/// Direct reads go to addresses of pages (open(2), O_DIRECT).
const ALIGNMENT: usize = 4096;
/// Read at once.
const LARGEST: usize = 1 << 20;

pub struct OpticalDisc {
    title: String,
    clusters: Clusters,
    files: Vec<DiscFile>,
    /// What of the directory could not be used.
    complaint: Option<String>,
    sectors: Sectors,
    /// Its last session was never closed.
    pub(super) is_open: bool,
}

impl OpticalDisc {
    /// The disc that is in the drive; the drive must be ready.
    pub fn open(device: &Device, drive: &str, stop: &Stop) -> Result<OpticalDisc, DriveError> {
        // What this program still reads in this drive lay there before.
        DriveHold::let_go(device.path());
        let disc = OpticalDisc::over(DriveReads::open(device)?, drive);
        let read = |position: u64, buf: &mut [u8]| {
            disc.read_from(position, buf, ClusterEffort::EachSector)
        };
        match iso::list(&read, stop) {
            Ok(iso::Listing { sectors, files, complaint }) => {
                Ok(OpticalDisc { files, complaint, sectors, ..disc })
            }
            Err(fault) => Err(disc.not_listed(fault)),
        }
    }

    /// The complaint about a directory that could not be used in places.
    pub fn incomplete_listing(&self) -> Option<DriveError> {
        Some(self.directory_unreadable(self.complaint.as_ref()?))
    }

    fn over(reads: DriveReads, drive: &str) -> OpticalDisc {
        let (title, clusters) = (drive.to_owned(), Clusters::over(reads));
        let (files, complaint, sectors, is_open) = (Vec::new(), None, Sectors(0), false);
        OpticalDisc { title, clusters, files, complaint, sectors, is_open }
    }

    /// What fails because the disc is out says nothing about it.
    fn not_listed(&self, fault: IsoFault) -> DriveError {
        let error = match fault {
            IsoFault::Gone(absence) => return absence.into(),
            IsoFault::Stopped(stopped) => return stopped.into(),
            IsoFault::NotAVolume => self.unusable("it holds no ISO 9660 volume".to_owned()),
            IsoFault::Damaged(words) => self.directory_unreadable(&words),
        };
        self.clusters.look().map_or(error, DriveError::from)
    }

    fn directory_unreadable(&self, words: &str) -> DriveError {
        self.unusable(format!("its directory cannot be read ({words})"))
    }

    fn unusable(&self, words: String) -> DriveError {
        DriveError::Unusable { drive: self.title.clone(), words }
    }

    /// Reads what the caller wants through an aligned buffer. Stops before the first bad sector.
    fn read_from(
        &self,
        position: u64,
        buf: &mut [u8],
        effort: ClusterEffort,
    ) -> Result<usize, ReadFailure> {
        let first = position / SECTOR * SECTOR;
        let inside = (position - first) as usize;
        let wanted = (inside + buf.len()).min(LARGEST).next_multiple_of(SECTOR as usize);
        let mut space = vec![0; wanted + ALIGNMENT];
        let start = space.as_ptr().align_offset(ALIGNMENT);
        let aligned = &mut space[start..start + wanted];
        let read = self.clusters.read(first, aligned, effort)?;
        let got = read.saturating_sub(inside).min(buf.len());
        buf[..got].copy_from_slice(&aligned[inside..inside + got]);
        Ok(got)
    }

    fn read_file(
        &self,
        file: &DiscFile,
        offset: u64,
        buf: &mut [u8],
        effort: ClusterEffort,
    ) -> Result<usize, ReadError> {
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
        match self.read_from(position, &mut buf[..wanted], effort) {
            Ok(0) => Err(self.unreadable(file, position, None)),
            Ok(read) => Ok(read),
            Err(ReadFailure::Bad(error)) => Err(self.unreadable(file, position, Some(error))),
            Err(ReadFailure::Gone(absence)) => Err(absence.into()),
        }
    }

    fn unreadable(&self, file: &DiscFile, position: u64, source: Option<io::Error>) -> ReadError {
        let (disc, path) = (self.title.clone(), file.path.clone());
        ReadError::Unreadable { disc, path, sector: Sectors(position / SECTOR), source }
    }
}

/// Archives and recovery data are nearly all of a disc; what is beside them tells what is in them.
fn effort_for(path: &str) -> ClusterEffort {
    match path.contains('/') {
        true => ClusterEffort::Skip,
        false => ClusterEffort::EachSector,
    }
}

/// The name of the volume that is in a drive, for people.
pub fn volume_name(device: &Path) -> Option<String> {
    let file = OpenOptions::new().read(true).open(device).ok()?;
    let mut descriptor = [0; SECTOR as usize];
    file.read_exact_at(&mut descriptor, 16 * SECTOR).ok()?;
    iso::volume_id_in(&descriptor)
}

impl DiscReader for OpticalDisc {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn is_in_a_drive(&self) -> bool {
        true
    }

    fn medium(&self) -> Carrier {
        Carrier::found_in(self.title.clone())
    }

    fn files(&self) -> &[DiscFile] {
        &self.files
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        self.read_file(file, offset, buf, effort_for(&file.path))
    }

    fn read_each_sector(
        &self,
        file: &DiscFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, ReadError> {
        self.read_file(file, offset, buf, ClusterEffort::EachSector)
    }

    fn read_image(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_from(offset.0, buf, ClusterEffort::Skip)?)
    }

    fn absence(&self) -> Option<Absence> {
        self.clusters.absence()
    }

    /// A drive that cannot write reads closed sessions only (MMC-6 4.4).
    fn flaw(&self) -> Option<String> {
        let words = "was not closed when it was burned: other drives cannot read it";
        self.is_open.then(|| words.to_owned())
    }

    fn try_skipped(&self) -> bool {
        self.clusters.try_skipped()
    }

    fn volume(&self) -> Option<Volume> {
        let mut descriptor = [0; SECTOR as usize];
        let read = self.read_from(16 * SECTOR, &mut descriptor, ClusterEffort::EachSector).ok()?;
        iso::volume_in(&descriptor[..read])
    }

    fn image_sectors(&self) -> Option<Sectors> {
        Some(self.sectors)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::reading::tests::Platter;
    use super::*;
    use crate::drive::reader::Extent;
    use std::ops::Range;
    use std::sync::{Arc, Mutex};

    /// A disc in a drive that reads it through the code for real ones, and which sectors it tried.
    pub(crate) struct ScratchedDisc {
        pub disc: OpticalDisc,
        tried: Arc<Mutex<Vec<Range<u64>>>>,
        bad: Vec<u64>,
    }

    impl ScratchedDisc {
        /// With these files in these sectors, each of which is filled with its number's low byte.
        pub(crate) fn new(files: &[(&str, Range<u64>)], bad: &[u64]) -> ScratchedDisc {
            let platter = Platter::new(bad.iter().copied());
            let tried = platter.tried.clone();
            let disc =
                OpticalDisc::over(DriveReads::over("/dev/sr0", Box::new(platter)), "/dev/sr0");
            let file = |(path, sectors): &(&str, Range<u64>)| {
                let length = Bytes((sectors.end - sectors.start) * SECTOR);
                let extent = Extent { start: Sectors(sectors.start), length };
                DiscFile { path: (*path).to_owned(), size: length, extents: vec![extent] }
            };
            let sectors = files.iter().map(|(_, sectors)| sectors.end).max();
            let (files, sectors) =
                (files.iter().map(file).collect(), Sectors(sectors.unwrap_or(0)));
            ScratchedDisc { disc: OpticalDisc { files, sectors, ..disc }, tried, bad: bad.to_vec() }
        }

        /// What a file of these sectors holds.
        pub(crate) fn content(sectors: Range<u64>) -> Vec<u8> {
            sectors.flat_map(|sector| [sector as u8; SECTOR as usize]).collect()
        }

        /// How many tries failed since this was asked last.
        pub(crate) fn failures(&self) -> usize {
            let tried = std::mem::take(&mut *self.tried.lock().unwrap());
            let fails = |range: &&Range<u64>| self.bad.iter().any(|bad| range.contains(bad));
            tried.iter().filter(fails).count()
        }
    }

    #[test]
    fn what_was_skipped_around_a_bad_sector_is_read_when_each_sector_is_wanted() {
        let scratched = ScratchedDisc::new(&[("archives/1.tar", 320..400)], &[330]);
        let (disc, file) = (&scratched.disc, &scratched.disc.files()[0]);
        let mut buf = vec![0; 100 * SECTOR as usize];
        assert_eq!(disc.read_at(file, 0, &mut buf).unwrap(), 10 * SECTOR as usize);
        for sector in [10, 11, 31] {
            assert!(disc.read_at(file, sector * SECTOR, &mut buf).is_err(), "{sector}");
        }
        assert_eq!(scratched.failures(), 3);
        assert!(disc.read_each_sector(file, 10 * SECTOR, &mut buf).is_err());
        for sector in [11, 31] {
            let read = disc.read_each_sector(file, sector * SECTOR, &mut buf).unwrap();
            assert_eq!(buf[..read], ScratchedDisc::content(320 + sector..321 + sector));
        }
        assert_eq!(scratched.failures(), 0);
    }
}
