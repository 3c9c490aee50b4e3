//! A disc in a drive for tests, which may go away in the middle of a read.

use std::sync::OnceLock;

use super::super::*;
use super::{Condition, FakeDrive, PATH};
use crate::model::FileId;

/// What happens in the middle of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slip {
    /// Somebody presses the drive's button.
    TakenOut,
    Unplugged,
    /// The drive answers no more.
    Hangs,
}

impl Slip {
    pub fn absence(self) -> Absence {
        let drive = PATH.to_owned();
        match self {
            Slip::TakenOut => Absence::TakenOut { drive },
            Slip::Unplugged => Absence::DriveGone { drive },
            Slip::Hangs => Absence::NoAnswer { drive },
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
pub(super) struct Plan {
    pub which: Reads,
    pub left: u32,
    pub slip: Slip,
}

impl FakeDrive {
    /// So many of these reads are well, and at the next one this happens.
    pub fn slips_after(&self, left: u32, which: Reads, slip: Slip) {
        self.lock().plan = Some(Plan { which, left, slip });
    }

    pub(super) fn hold(&self, inner: Box<dyn DiscReader>) -> Box<dyn DiscReader> {
        Box::new(InDrive { inner, drive: self.clone(), gone: OnceLock::new() })
    }

    /// Whether this read is one too many.
    fn slips(&self, reads: Reads) -> Option<Slip> {
        let mut inside = self.lock();
        let plan = inside.plan.as_mut().filter(|plan| [Reads::All, reads].contains(&plan.which))?;
        if plan.left > 0 {
            plan.left -= 1;
            return None;
        }
        let slip = inside.plan.take()?.slip;
        match slip {
            Slip::TakenOut => inside.medium = None,
            Slip::Unplugged => inside.condition = Condition::Gone,
            Slip::Hangs => inside.condition = Condition::Hangs,
        }
        Some(slip)
    }
}

/// A disc as it was opened: once it is gone it stays so.
struct InDrive {
    inner: Box<dyn DiscReader>,
    drive: FakeDrive,
    gone: OnceLock<Absence>,
}

impl InDrive {
    fn read<T>(
        &self,
        reads: Reads,
        read: impl FnOnce() -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if let Some(slip) = self.drive.slips(reads) {
            self.gone.get_or_init(|| slip.absence());
        }
        match self.gone.get() {
            Some(absence) => Err(absence.clone().into()),
            None => read(),
        }
    }
}

impl DiscReader for InDrive {
    fn title(&self) -> String {
        self.inner.title()
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
        let reads = if is_archive { Reads::OfArchives } else { Reads::All };
        self.read(reads, || self.inner.read_at(file, offset, buf))
    }
    fn read_image(&self, offset: Bytes, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = || Ok(self.inner.read_image(offset, buf));
        self.read(Reads::OfArchives, read).map_err(std::io::Error::other)?
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
