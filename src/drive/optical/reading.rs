//! Reading the disc in a drive, bypassing the kernel's cache. After each error the drive is asked
//! for the reason; once the disc or the drive is gone, nothing more is tried.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::device::{Device, open_error};
use super::hold::DriveHold;
use super::inquiry::{ANSWER_WITHIN, DriveProbe, Meaning, inquire};
use super::sense::Sense;
use super::sg::{ScsiError, Transfer};
use super::{cdrom, mmc, sg};
use crate::drive::DriveError;
use crate::drive::absence::{Absence, ReadFailure};
use crate::port::clock::pause;
use crate::port::stop::Stop;

/// Between two questions.
const BETWEEN: Duration = Duration::from_millis(500);

/// A drive's node that is read from.
pub(super) trait ReadableNode: DriveProbe + Send + Sync {
    fn read(&self, position: u64, buf: &mut [u8]) -> io::Result<usize>;
}

/// The disc that lay in the drive when it was opened.
pub(in crate::drive) struct DriveReads {
    /// `/dev/sr0`.
    drive: String,
    node: Box<dyn ReadableNode>,
    insertion: Option<u64>,
    gone: OnceLock<Absence>,
    /// Places could not be read for which the drive may be to blame.
    doubt: OnceLock<Absence>,
}

impl DriveReads {
    /// Claims the drive; the kernel locks its tray until this ends.
    pub fn open(device: &Device) -> Result<DriveReads, DriveError> {
        device.free()?.keep_shut_while_open();
        let (path, drive) = (device.path().to_owned(), device.path().display().to_string());
        let held = DriveHold::take(&path).map_err(|error| match error.raw_os_error() {
            Some(nix::libc::ENOMEDIUM) => Absence::TakenOut { drive: drive.clone() }.into(),
            Some(nix::libc::ENODEV | nix::libc::ENXIO | nix::libc::ENOENT) => {
                Absence::DriveGone { drive: drive.clone() }.into()
            }
            Some(nix::libc::EBUSY) => open_error(&path, error).into(),
            _ => DriveError::io("read", &path)(error),
        })?;
        Ok(DriveReads::over(&drive, Box::new(Open { hold: held, path })))
    }

    pub(super) fn over(drive: &str, node: Box<dyn ReadableNode>) -> DriveReads {
        let (insertion, drive) = (node.insertion(), drive.to_owned());
        let (gone, doubt) = (OnceLock::new(), OnceLock::new());
        DriveReads { drive, node, insertion, gone, doubt }
    }

    /// Fills an aligned buffer as far as one read does; 0 only at the end. A drive that was reset
    /// gets a second chance.
    pub fn read(&self, position: u64, buf: &mut [u8]) -> Result<usize, ReadFailure> {
        let mut was_reset = false;
        loop {
            if let Some(gone) = self.gone.get() {
                return Err(ReadFailure::Gone(gone.clone()));
            }
            let error = match self.node.read(position, buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
                // A disc that is taken out may have no length any more.
                Ok(0) if !buf.is_empty() => io::ErrorKind::UnexpectedEof.into(),
                Ok(read) => return Ok(read),
            };
            match self.inquire(&error) {
                Meaning::Gone(_) => {}
                Meaning::WasReset if !was_reset => was_reset = true,
                Meaning::BadPlace if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Meaning::BadPlace => return Err(ReadFailure::Bad(error)),
                Meaning::WasReset => {
                    let drive = self.drive.clone();
                    self.doubt.get_or_init(|| Absence::Reset { drive });
                    return Err(ReadFailure::Bad(error));
                }
            }
        }
    }

    fn inquire(&self, error: &io::Error) -> Meaning {
        let meaning = inquire(&self.drive, &*self.node, self.insertion, error);
        if let Meaning::Gone(absence) = &meaning {
            self.gone.get_or_init(|| absence.clone());
        }
        meaning
    }

    /// Asks the drive now: something else than a read has failed.
    pub fn look(&self) -> Option<Absence> {
        self.inquire(&io::Error::from_raw_os_error(nix::libc::EIO));
        self.absence()
    }

    /// Why what could not be read says nothing about the disc.
    pub fn absence(&self) -> Option<Absence> {
        self.gone.get().or(self.doubt.get()).cloned()
    }
}

struct Open {
    hold: Arc<DriveHold>,
    path: PathBuf,
}

/// What a drive says without a disc: this program handed it out.
const HANDED_OUT: Sense = Sense { key: 2, asc: 0x3a, ascq: 0, progress: None };

impl DriveProbe for Open {
    fn is_ready(&self) -> Result<(), ScsiError> {
        let asked = &mmc::TEST_UNIT_READY;
        let file = self.hold.file().ok_or(ScsiError::Sense(HANDED_OUT))?;
        sg::command(file.as_fd(), asked, Transfer::Nothing, ANSWER_WITHIN).map(drop)
    }

    fn insertion(&self) -> Option<u64> {
        cdrom::disk_sequence(self.hold.file()?.as_fd())
    }

    fn is_there(&self) -> bool {
        let Some(file) = self.hold.file() else { return true };
        let ours = file.metadata().map(|file| file.rdev());
        let there = fs::metadata(&self.path).map(|node| node.rdev());
        matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
    }

    fn pause(&self) {
        // Nobody asks this one to stop: the reader looks at the real one between two reads.
        let _ = pause(BETWEEN, &Stop::new());
    }
}

impl ReadableNode for Open {
    fn read(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.hold.read_at(buf, position)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::inquiry::tests::{ScriptedDrive, sense};
    use super::*;
    use crate::model::size::SECTOR;
    use std::collections::{BTreeSet, VecDeque};
    use std::ops::Range;
    use std::sync::{Arc, Mutex};

    /// A disc in a drive: each sector is filled with its number's low byte; it fails at bad
    /// sectors, and from one on the drive gives other answers. It notes every read.
    pub(crate) struct Platter {
        pub bad: BTreeSet<u64>,
        pub vanishes_at: u64,
        pub told: ScriptedDrive,
        pub tried: Arc<Mutex<Vec<Range<u64>>>>,
    }

    impl Platter {
        pub(crate) fn new(bad: impl IntoIterator<Item = u64>) -> Platter {
            let (bad, tried) = (bad.into_iter().collect(), Arc::default());
            Platter { bad, vanishes_at: u64::MAX, told: ScriptedDrive::new(&[]), tried }
        }
    }

    impl DriveProbe for Platter {
        fn is_ready(&self) -> Result<(), ScsiError> {
            self.told.is_ready()
        }
        fn insertion(&self) -> Option<u64> {
            self.told.insertion
        }
        fn is_there(&self) -> bool {
            self.told.is_there
        }
        fn pause(&self) {}
    }

    impl ReadableNode for Platter {
        fn read(&self, position: u64, buf: &mut [u8]) -> io::Result<usize> {
            let sectors = position / SECTOR..(position + buf.len() as u64).div_ceil(SECTOR);
            self.tried.lock().unwrap().push(sectors.clone());
            if sectors.end > self.vanishes_at || self.bad.range(sectors.clone()).next().is_some() {
                return Err(io::Error::from_raw_os_error(nix::libc::EIO));
            }
            for (sector, piece) in sectors.zip(buf.chunks_mut(SECTOR as usize)) {
                piece.fill(sector as u8);
            }
            Ok(buf.len())
        }
    }

    fn reads(platter: Platter) -> (DriveReads, Arc<Mutex<Vec<Range<u64>>>>) {
        let tried = platter.tried.clone();
        (DriveReads::over("/dev/sr0", Box::new(platter)), tried)
    }

    #[test]
    fn once_the_disc_is_gone_nothing_more_is_tried() {
        let told = ScriptedDrive::new(&[sense(2, 0x3a, 1)]);
        let (reads, tried) = reads(Platter { vanishes_at: 9, told, ..Platter::new([]) });
        let mut buf = [0; SECTOR as usize];
        assert_eq!(reads.read(8 * SECTOR, &mut buf).unwrap(), buf.len());
        assert_eq!(reads.absence(), None);
        for sector in [9, 1, 20] {
            let failed = reads.read(sector * SECTOR, &mut buf).unwrap_err();
            assert!(matches!(failed, ReadFailure::Gone(Absence::TakenOut { .. })), "{failed:?}");
        }
        assert_eq!(tried.lock().unwrap().len(), 2, "sectors 8 and 9");
        assert!(reads.absence().is_some());
    }

    #[test]
    fn a_bad_place_is_a_bad_place_and_the_rest_is_read() {
        let (reads, _) = reads(Platter::new([9]));
        let mut buf = [0; SECTOR as usize];
        assert!(matches!(reads.read(9 * SECTOR, &mut buf), Err(ReadFailure::Bad(_))));
        assert_eq!(reads.read(10 * SECTOR, &mut buf).unwrap(), buf.len());
        assert_eq!(reads.absence(), None);
    }

    /// It continues with other places, for a restore; but nobody is to call the disc damaged.
    #[test]
    fn a_place_at_which_the_drive_resets_is_tried_twice_and_leaves_doubt() {
        let again = VecDeque::from([Err(sense(6, 0x29, 0))]);
        let (reads_well, tried) = reads(Platter::new([]));
        assert_eq!(reads_well.read(0, &mut [0; SECTOR as usize]).unwrap(), SECTOR as usize);
        assert_eq!(tried.lock().unwrap().len(), 1);
        let platter = Platter::new([9]);
        *platter.told.answers.lock().unwrap() = again;
        let (once, tried) = reads(platter);
        let mut buf = [0; SECTOR as usize];
        assert!(matches!(once.read(9 * SECTOR, &mut buf), Err(ReadFailure::Bad(_))));
        assert_eq!((tried.lock().unwrap().len(), once.absence()), (2, None), "bad without a reset");
        let platter = Platter::new([9]);
        *platter.told.answers.lock().unwrap() =
            VecDeque::from([Err(sense(6, 0x29, 0)), Ok(()), Err(sense(6, 0x29, 0))]);
        let (twice, tried) = reads(platter);
        assert!(matches!(twice.read(9 * SECTOR, &mut buf), Err(ReadFailure::Bad(_))));
        assert!(matches!(twice.absence(), Some(Absence::Reset { .. })));
        assert_eq!(twice.read(10 * SECTOR, &mut buf).unwrap(), buf.len());
        assert_eq!(tried.lock().unwrap().len(), 3);
    }
}
