//! Writing an image to a shelf: under a hidden name, to the disk, and only then under its own.
//!
//! Others may be able to write to the directory, too. The image is a new file under a random name, it is
//! written by its descriptor, and what has its name is compared with it before and after the renaming.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::names::{free_failed_name, image_name, is_first_medium, part_name, title};
use crate::drive::faults::{self, ShelfFaults};
use crate::drive::image::Image;
use crate::drive::rate::last_as_long;
use crate::drive::{BurnJob, DiscReader, DriveError, News, xorriso};
use crate::model::{Bytes, DiscIdentity, FileId, Sectors};
use crate::port::clock::Stopwatch;
use crate::port::files::{forget_cached, open_own_to_read};
use crate::port::held_dir::HeldDir;
use crate::port::stop::Stop;

/// An image that is being written.
pub(super) struct PartialImage<'a> {
    dir: &'a HeldDir,
    name: OsString,
    file: File,
}

impl<'a> PartialImage<'a> {
    pub fn new_in(dir: &'a HeldDir, label: &DiscIdentity) -> Result<PartialImage<'a>, DriveError> {
        let name = part_name(label);
        let file = dir.create(&name).map_err(DriveError::io("make", dir.path().join(&name)))?;
        Ok(PartialImage { dir, name, file })
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    /// Half an image is of no use. What cannot be removed, and what somebody else put there, the
    /// next burn removes.
    pub fn remove(&self) {
        if self.dir.is_name_of(&self.name, &self.file).unwrap_or(false) {
            let _ = self.dir.remove(&self.name);
        }
    }

    fn check_name(&self, name: &OsStr) -> Result<(), DriveError> {
        let path = self.dir.path().join(name);
        match self.dir.is_name_of(name, &self.file) {
            Ok(true) => Ok(()),
            Ok(false) => Err(DriveError::Replaced(path)),
            Err(error) => Err(DriveError::io("access", path)(error)),
        }
    }

    /// Gives the whole image its name, and never another image's, nor the name to anything else.
    pub fn publish(&self, name: &OsStr) -> Result<(), DriveError> {
        self.check_name(&self.name)?;
        self.dir.rename_new(&self.name, name).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                DriveError::AlreadyThere { path: self.dir.path().join(name) }
            }
            _ => DriveError::io("rename", self.path())(error),
        })?;
        self.dir.sync().map_err(DriveError::io("write", self.dir.path()))?;
        self.check_name(name)
    }
}

/// An image that was written. It is held open, so that no other file gets its number.
#[derive(Debug)]
pub(super) struct WrittenImage {
    path: PathBuf,
    file: File,
}

impl WrittenImage {
    /// What is under its name is this very image.
    pub fn check(&self, found: &Image) -> Result<(), DriveError> {
        if found.path() != self.path {
            return Ok(()); // Another one was looked for.
        }
        let made = self.file.metadata().map_err(DriveError::io("access", &self.path))?;
        let made = FileId { device: made.dev(), inode: made.ino() };
        match found.file_id() == Some(made) {
            true => Ok(()),
            false => Err(DriveError::Replaced(self.path.clone())),
        }
    }
}

impl PartialImage<'_> {
    /// Writes the image under its temporary name, and makes it durable.
    fn write(&self, job: &BurnJob, watch: &dyn Fn(News), stop: &Stop) -> Result<(), DriveError> {
        let file = &self.file;
        match &job.image {
            Some(image) => copy_image(image, self, watch, stop)?,
            None => xorriso::write(job, file, &|bytes| watch(News::Written(bytes)), stop)
                .map_err(|error| self.write_error(job, error))?,
        }
        let length = file.metadata().map_err(DriveError::io("access", self.path()))?.len();
        if length != job.sectors.bytes().0 {
            let is = Bytes(length).sectors();
            return Err(DriveError::Size {
                label: Box::new(job.label.clone()),
                is,
                wanted: job.sectors,
            });
        }
        file.sync_all().map_err(DriveError::io("write", self.path()))?;
        forget_cached(file);
        Ok(())
    }

    fn write_error(&self, job: &BurnJob, error: DriveError) -> DriveError {
        match error {
            DriveError::Program { words, .. } => self.failed_write(&job.label, None, words),
            other => other,
        }
    }

    fn failed_write(
        &self,
        label: &DiscIdentity,
        sector: Option<Sectors>,
        words: String,
    ) -> DriveError {
        DriveError::Write {
            drive: title(self.dir.path()),
            label: Box::new(label.clone()),
            sector,
            words,
            remedy: None,
        }
    }

    /// What a fault makes of a medium: cut where the error is, and of no use.
    fn spoil(&self, job: &BurnJob, at: Sectors) -> Result<DriveError, DriveError> {
        let name = free_failed_name(self.dir, &job.label)?;
        self.file.set_len(at.bytes().0).map_err(DriveError::io("cut", self.path()))?;
        self.publish(&name)?;
        let words = format!("asked for in {}", faults::FILE);
        Ok(self.failed_write(&job.label, Some(at), words))
    }

    /// The error of this burn that `.shelf.toml` asks for, if it is to come and within the image.
    fn fault(&self, job: &BurnJob, faults: &ShelfFaults) -> Option<Sectors> {
        let DiscIdentity { set, number, .. } = &job.label;
        faults
            .write_error(*number)
            .filter(|&at| at < job.sectors && is_first_medium(self.dir.path(), set, *number))
    }

    /// Writes the image, as fast and as well as `.shelf.toml` says, and gives it its name.
    pub fn burn(
        &self,
        job: &BurnJob,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<WrittenImage, DriveError> {
        let faults = ShelfFaults::read(self.dir.path())?;
        let fault = self.fault(job, &faults);
        match faults.write_rate {
            None => self.write(job, watch, stop)?,
            Some(rate) => {
                let began = Stopwatch::start();
                self.write(job, &|_| (), stop)?;
                let end = fault.unwrap_or(job.sectors).bytes();
                last_as_long(end, rate, &began, &|done| watch(News::Written(done)), stop)?;
            }
        }
        if let Some(at) = fault {
            return Err(self.spoil(job, at)?);
        }
        let name = image_name(&job.label);
        self.publish(OsStr::new(&name))?;
        let (path, file) = (self.dir.path().join(name), self.file.try_clone());
        Ok(WrittenImage { file: file.map_err(DriveError::io("open", &path))?, path })
    }
}

fn copy_image(
    image: &Path,
    part: &PartialImage,
    watch: &dyn Fn(News),
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut from = open_own_to_read(image).map_err(DriveError::io("open", image))?;
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        stop.check()?;
        let got = from.read(&mut buffer).map_err(DriveError::io("read", image))?;
        if got == 0 {
            return Ok(());
        }
        (&part.file).write_all(&buffer[..got]).map_err(DriveError::io("write", part.path()))?;
        done += got as u64;
        watch(News::Written(Bytes(done)));
    }
}
