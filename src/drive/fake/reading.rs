//! A disc in a drive for tests, which may go away in the middle of a read: by its files, and as a
//! row of sectors.

use std::io;
use std::sync::OnceLock;

use super::super::*;
use super::{Condition, FOREIGN, FakeDrive, PATH, ROOM, image_on};
use crate::model::FileId;

/// What happens in the middle of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// Somebody presses the drive's button.
    TakenOut,
    Unplugged,
    /// The drive answers no more.
    Hangs,
}

impl ReadFault {
    pub fn absence(self) -> Absence {
        let drive = PATH.to_owned();
        match self {
            ReadFault::TakenOut => Absence::TakenOut { drive },
            ReadFault::Unplugged => Absence::DriveGone { drive },
            ReadFault::Hangs => Absence::NoAnswer { drive },
        }
    }
}

/// Which reads of a disc count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    All,
    /// And of whole images: the disc was recognised before.
    OfArchives,
}

/// What happens at a read, and how many come before it.
#[derive(Clone, Copy)]
pub(super) struct PlannedFault {
    pub which: Reads,
    pub left: u32,
    pub slip: ReadFault,
}

impl FakeDrive {
    /// So many of these reads are well, and at the next one this happens.
    pub fn slips_after(&self, left: u32, which: Reads, slip: ReadFault) {
        self.lock().plan = Some(PlannedFault { which, left, slip });
    }

    /// Somebody puts a disc that was taken out in again, when it is waited for.
    pub fn comes_back(&self) {
        self.lock().comes_back = true;
    }

    /// Whether that is still to happen.
    pub fn has_yet_to_slip(&self) -> bool {
        self.lock().plan.is_some()
    }

    /// How often discs in it were read, and those that were gone before.
    pub fn reads(&self) -> (u32, u32) {
        self.lock().reads
    }

    /// What is in it, sector by sector; of a blank none can be read.
    pub fn sectors(&self) -> Result<Box<dyn SectorSource>, DriveError> {
        self.ask()?;
        let Some(medium) = self.inside() else {
            return Err(DriveError::Empty { drive: self.title() });
        };
        let foreign = Some(medium.join(FOREIGN)).filter(|path| path.exists());
        let bears = image_on(&medium).or(foreign);
        let inner = bears.map(|path| RawMedium::open(&path, &Stop::new())).transpose()?;
        Ok(Box::new(InDrive { inner, drive: self.clone(), gone: OnceLock::new() }))
    }

    pub(super) fn hold(&self, inner: Box<dyn DiscReader>) -> Box<dyn DiscReader> {
        Box::new(InDrive { inner, drive: self.clone(), gone: OnceLock::new() })
    }

    /// Whether this read is one too many.
    fn slips(&self, reads: Reads) -> Option<ReadFault> {
        let mut inside = self.lock();
        inside.reads.0 += 1;
        let plan = inside.plan.as_mut().filter(|plan| [Reads::All, reads].contains(&plan.which))?;
        if plan.left > 0 {
            plan.left -= 1;
            return None;
        }
        let slip = inside.plan.take()?.slip;
        match slip {
            ReadFault::TakenOut => {
                let medium = inside.medium.take();
                let again = medium.filter(|_| inside.comes_back);
                again.into_iter().for_each(|medium| inside.next.push_front(medium));
            }
            ReadFault::Unplugged => inside.condition = Condition::Gone,
            ReadFault::Hangs => inside.condition = Condition::Hangs,
        }
        Some(slip)
    }
}

/// A disc as it was opened: once it is gone it stays so.
struct InDrive<T> {
    inner: T,
    drive: FakeDrive,
    gone: OnceLock<Absence>,
}

impl<T> InDrive<T> {
    /// An error if it is not there any more.
    fn look(&self, reads: Reads) -> Result<(), Absence> {
        if let Some(gone) = self.gone.get() {
            self.drive.lock().reads.1 += 1;
            return Err(gone.clone());
        }
        match self.drive.slips(reads) {
            Some(slip) => Err(self.gone.get_or_init(|| slip.absence()).clone()),
            None => Ok(()),
        }
    }
}

impl DiscReader for InDrive<Box<dyn DiscReader>> {
    fn title(&self) -> String {
        self.inner.title()
    }
    fn is_in_a_drive(&self) -> bool {
        true
    }
    fn medium(&self) -> Carrier {
        self.inner.medium()
    }
    fn file_id(&self) -> Option<FileId> {
        self.inner.file_id()
    }
    fn files(&self) -> &[DiscFile] {
        self.inner.files()
    }
    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        let is_archive = file.path.starts_with("archives/");
        self.look(if is_archive { Reads::OfArchives } else { Reads::All })?;
        self.inner.read_at(file, offset, buf)
    }
    fn read_image(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<usize> {
        self.look(Reads::OfArchives).map_err(io::Error::other)?;
        self.inner.read_image(offset, buf)
    }
    fn absence(&self) -> Option<Absence> {
        self.gone.get().cloned().or_else(|| self.inner.absence())
    }
    fn try_skipped(&self) -> bool {
        self.inner.try_skipped()
    }
    fn image_sectors(&self) -> Option<Sectors> {
        self.inner.image_sectors()
    }
    fn volume(&self) -> Option<Volume> {
        self.inner.volume()
    }
}

impl SectorSource for InDrive<Option<RawMedium>> {
    fn title(&self) -> String {
        self.drive.title()
    }
    fn sectors(&self) -> Sectors {
        self.inner.as_ref().map_or(ROOM, RawMedium::sectors)
    }
    fn read(&self, first: Sectors, buf: &mut [u8]) -> io::Result<()> {
        self.look(Reads::OfArchives).map_err(io::Error::other)?;
        match &self.inner {
            Some(medium) => medium.read(first, buf),
            None => Err(io::Error::from_raw_os_error(nix::libc::EIO)),
        }
    }
    fn absence(&self) -> Option<Absence> {
        self.gone.get().cloned()
    }
}
