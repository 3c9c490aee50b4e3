//! Writing an image to a shelf: under a hidden name, to the disk, and only then under its own.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use rustix::fs::RenameFlags;

use super::Shelf;
use crate::drive::faults::{self, Faults};
use crate::drive::image::forget_cached;
use crate::drive::rate::last_as_long;
use crate::drive::{BurnJob, Drive, DriveError, Label, News, xorriso};
use crate::model::{Bytes, Sectors};
use crate::port::clock::Stopwatch;
use crate::port::files;
use crate::port::stop::Stop;

impl Shelf {
    /// Writes the image under its temporary name, and makes it durable.
    fn write_part(
        &self,
        job: &BurnJob,
        part: &Path,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<File, DriveError> {
        match &job.image {
            Some(image) => copy_image(image, part, watch, stop)?,
            None => xorriso::write(job, part, &|bytes| watch(News::Written(bytes)), stop)
                .map_err(|error| self.write_error(job, error))?,
        }
        let file =
            OpenOptions::new().write(true).open(part).map_err(DriveError::io("open", part))?;
        let length = file.metadata().map_err(DriveError::io("look at", part))?.len();
        if length != job.sectors.bytes().0 {
            let is = Bytes(length).sectors();
            return Err(DriveError::Size {
                label: Box::new(job.label.clone()),
                is,
                wanted: job.sectors,
            });
        }
        file.sync_all().map_err(DriveError::io("write", part))?;
        forget_cached(&file);
        Ok(file)
    }

    fn write_error(&self, job: &BurnJob, error: DriveError) -> DriveError {
        match error {
            DriveError::Program { words, .. } => self.failed_write(&job.label, None, words),
            other => other,
        }
    }

    fn failed_write(&self, label: &Label, sector: Option<Sectors>, words: String) -> DriveError {
        DriveError::Write { drive: self.title(), label: Box::new(label.clone()), sector, words }
    }

    /// What a fault makes of a medium: cut where the error is, and of no use.
    fn spoil(&self, job: &BurnJob, file: &File, part: &Path, at: Sectors) -> DriveError {
        let path = self.failed_path(&job.label);
        let spoilt = file.set_len(at.bytes().0).and_then(|()| files::rename_durably(part, &path));
        match spoilt {
            Err(e) => DriveError::io("rename", part)(e),
            Ok(()) => {
                let words = format!("asked for in {}", faults::FILE);
                self.failed_write(&job.label, Some(at), words)
            }
        }
    }

    /// The error of this burn that `.shelf.toml` asks for, if it is to come and within the image.
    fn fault(&self, job: &BurnJob, faults: &Faults) -> Option<Sectors> {
        let Label { set, number, .. } = &job.label;
        faults
            .write_error(*number)
            .filter(|&at| at < job.sectors && self.is_first_medium(set, *number))
    }

    pub(super) fn burn_part(
        &self,
        job: &BurnJob,
        part: &Path,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<(), DriveError> {
        let faults = Faults::read(&self.dir)?;
        let fault = self.fault(job, &faults);
        let file = match faults.write_rate {
            None => self.write_part(job, part, watch, stop)?,
            Some(rate) => {
                let began = Stopwatch::start();
                let file = self.write_part(job, part, &|_| (), stop)?;
                let end = fault.unwrap_or(job.sectors).bytes();
                last_as_long(end, rate, &began, &|done| watch(News::Written(done)), stop)?;
                file
            }
        };
        match fault {
            Some(at) => Err(self.spoil(job, &file, part, at)),
            None => publish(part, &self.image_path(&job.label)),
        }
    }
}

fn copy_image(
    image: &Path,
    to: &Path,
    watch: &dyn Fn(News),
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut from = File::open(image).map_err(DriveError::io("open", image))?;
    let mut file = File::create(to).map_err(DriveError::io("make", to))?;
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        stop.check()?;
        let got = from.read(&mut buffer).map_err(DriveError::io("read", image))?;
        if got == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..got]).map_err(DriveError::io("write", to))?;
        done += got as u64;
        watch(News::Written(Bytes(done)));
    }
}

/// Gives a whole image its name, and never another image's.
pub(super) fn publish(part: &Path, path: &Path) -> Result<(), DriveError> {
    let cwd = rustix::fs::CWD;
    match rustix::fs::renameat_with(cwd, part, cwd, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => {
            return Err(DriveError::AlreadyThere { path: path.to_owned() });
        }
        // A file system without this kind of renaming: the lock on the shelf must do.
        Err(rustix::io::Errno::INVAL) if !path.exists() => {
            fs::rename(part, path).map_err(DriveError::io("rename", part))?;
        }
        Err(e) => return Err(DriveError::io("rename", part)(e.into())),
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    files::sync_dir(dir).map_err(DriveError::io("write", dir))
}
