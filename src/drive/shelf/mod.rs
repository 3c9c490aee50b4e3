//! The shelf: a directory that behaves like a drive with an endless stack of blank discs.
//!
//! Each disc is a real ISO image `SET-NNNN.iso`, written by the program that burns real ones. An
//! image appears under its name only when it is whole and on the disk, and is never overwritten.
//! `.shelf.toml` (see `faults`) makes the shelf fail like a drive.

pub mod identity;
mod label;
mod marks;
mod names;
#[cfg(test)]
pub(super) mod tests;
mod write;

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation};

use super::faults::ShelfFaults;
use super::image::Image;
use super::{Blank, BurnJob, DiscReader, Discs, Drive, DriveError, News, Slot};
use crate::model::{Bytes, Carrier, DiscIdentity, DiscNo, Sectors, SetName};
use crate::port::files;
use crate::port::held_dir::HeldDir;
use crate::port::notice::BurnNotice;
use crate::port::stop::Stop;

use label::check_label;
pub use marks::{Holds, is_marked, is_own_file, look_into};
pub(super) use names::{bad_sectors_of, is_image, vanishing_of};
use names::{free_failed_name, image_name, is_failed, is_first_medium, is_part, parse_name, title};
use write::{PartialImage, WrittenImage};

/// The shelf is this writer's. Given up by name: a program that another thread is just starting
/// holds the directory open, too, until it is what it is to become (flock(2)).
#[derive(Debug)]
struct ShelfLock(File);

impl Drop for ShelfLock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// A directory with images.
#[derive(Debug)]
pub struct Shelf {
    /// Where it is: a path that holds from everywhere.
    home: PathBuf,
    /// The place in use: `home`, or a shelf in it for further copies.
    dir: PathBuf,
    /// The wish to stop of the run that it works for.
    stop: Stop,
    /// The image that was put on it last, until it is looked for.
    made: Option<WrittenImage>,
}

impl Shelf {
    /// The same for a run that may be asked to stop.
    pub fn heeding(self, stop: &Stop) -> Shelf {
        Shelf { stop: stop.clone(), ..self }
    }

    /// The same for a shelf that may be missing: it is made when the first disc is put on it. The
    /// directory that it will be in must be there.
    pub fn open_or_plan(dir: &Path) -> Result<Shelf, DriveError> {
        let name = match dir.file_name() {
            Some(name) if fs::symlink_metadata(dir).is_err() => name,
            _ => return Shelf::open(dir),
        };
        let above = files::dir_of(dir);
        let refused = |source| DriveError::NotWritable { dir: above.to_owned(), source };
        match fs::metadata(above) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(DriveError::NotADirectory(above.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DriveError::Missing(above.to_owned()));
            }
            Err(error) => return Err(DriveError::io("access", above)(error)),
        }
        rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|errno| refused(errno.into()))?;
        let home = above.canonicalize().map_err(DriveError::io("access", above))?.join(name);
        Ok(Shelf::at(home))
    }

    fn at(home: PathBuf) -> Shelf {
        Shelf { dir: home.clone(), home, stop: Stop::new(), made: None }
    }

    /// Any directory is a shelf; it is looked into when it is used.
    pub fn open(dir: &Path) -> Result<Shelf, DriveError> {
        match fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(DriveError::NotADirectory(dir.to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(DriveError::Missing(dir.to_owned()));
            }
            Err(e) => return Err(DriveError::io("access", dir)(e)),
        }
        ShelfFaults::read(dir)?;
        let home = dir.canonicalize().map_err(DriveError::io("access", dir))?;
        Ok(Shelf::at(home))
    }

    fn image_path(&self, label: &DiscIdentity) -> PathBuf {
        self.dir.join(image_name(label))
    }

    /// The directory, for all that is done in it. Its path was led past all links when the shelf
    /// was opened: one that is in the way now is not followed.
    fn hold(&self) -> Result<HeldDir, DriveError> {
        HeldDir::open(&self.dir).map_err(DriveError::io("open", &self.dir))
    }

    /// Takes the shelf for one writer; whoever comes second would clean up the first one's work.
    fn lock(&self, dir: &HeldDir) -> Result<ShelfLock, DriveError> {
        let file = dir.file().map_err(DriveError::io("open", &self.dir))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(ShelfLock(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DriveError::Busy(self.dir.clone())),
            Err(e) => Err(DriveError::io("lock", &self.dir)(e.into())),
        }
    }

    /// Removes what a run left behind that was killed while it wrote. Nobody writes now: the shelf
    /// is locked.
    fn remove_left_overs(&self, dir: &HeldDir) -> Result<(), DriveError> {
        let names = dir.names().map_err(DriveError::io("list", &self.dir))?;
        for name in names.iter().filter(|name| is_part(name)) {
            dir.remove(name).map_err(DriveError::io("remove", self.dir.join(name)))?;
        }
        Ok(())
    }

    /// Gives it an id. A shelf that cannot have one is known by its path.
    fn mark(&self, dir: &HeldDir) -> Result<(), DriveError> {
        let mark = OsStr::new(identity::IDENTITY);
        if dir.has_link(mark).map_err(DriveError::io("access", self.dir.join(mark)))? {
            return Err(DriveError::Link(self.dir.join(mark)));
        }
        let _ = identity::give_id_in(dir);
        Ok(())
    }

    /// The directories are made when the first disc is put into them, and not before.
    fn make(&self) -> Result<(), DriveError> {
        for dir in [&self.home, &self.dir] {
            let name = dir.file_name().unwrap_or_default();
            let make = || HeldDir::open(files::dir_of(dir))?.make_dir(name);
            if fs::symlink_metadata(dir).is_err() {
                make().map_err(|source| DriveError::NotWritable { dir: dir.clone(), source })?;
            }
        }
        Ok(())
    }

    /// Another disk may be reached by a link of whoever runs us. That of somebody else is not
    /// followed.
    fn place_for_copies(&self, name: &str) -> PathBuf {
        let linked = HeldDir::open(&self.home).and_then(|home| home.own_link(OsStr::new(name)));
        linked.ok().flatten().unwrap_or_else(|| self.home.join(name))
    }

    fn check_writable(&self) -> Result<(), DriveError> {
        rustix::fs::access(&self.dir, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|e| DriveError::NotWritable { dir: self.dir.clone(), source: e.into() })
    }

    fn check_space(&self, needed: Bytes) -> Result<(), DriveError> {
        let free = files::free_space(&self.dir).map_err(DriveError::io("access", &self.dir))?;
        let free = Bytes(free);
        match free < needed {
            true => Err(DriveError::NoSpace { dir: self.dir.clone(), needed, free }),
            false => Ok(()),
        }
    }

    /// Every image. A shelf may hold hundreds.
    pub(super) fn look(&self, stop: &Stop) -> Result<Discs, DriveError> {
        let faults = ShelfFaults::read(&self.dir)?;
        let mut found = Discs::default();
        for path in self.listed()?.into_iter().filter(|path| is_image(path) && !is_failed(path)) {
            stop.check()?;
            let disc = parse_name(&path);
            if disc.as_ref().is_some_and(|&(_, number)| !faults.is_present(number)) {
                continue;
            }
            match Image::open(&path, stop) {
                Ok(image) => found.add(self.with_faults(image, disc, &faults)),
                Err(problem) => found.doubt(problem)?,
            }
        }
        Ok(found)
    }

    fn listed(&self) -> Result<Vec<PathBuf>, DriveError> {
        if !self.home.exists() {
            return Ok(Vec::new()); // It is not made yet.
        }
        let entries = fs::read_dir(&self.dir).map_err(DriveError::io("list", &self.dir))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(DriveError::io("list", &self.dir))?;
        paths.sort();
        Ok(paths)
    }

    /// An image of this shelf with what goes wrong with it; `disc` is what its name says that it
    /// is.
    fn with_faults(
        &self,
        image: Image,
        disc: Option<(SetName, DiscNo)>,
        faults: &ShelfFaults,
    ) -> Image {
        let vanishes = disc.as_ref().and_then(|(_, number)| faults.vanishes_at(*number));
        let image = image.at_rate(faults.read_rate).vanishing_at(vanishes);
        match disc {
            Some((set, number)) if is_first_medium(&self.dir, &set, number) => {
                image.with_bad_sectors(faults.bad_sectors(number))
            }
            _ => image,
        }
    }
}

impl Drive for Shelf {
    fn title(&self) -> String {
        title(&self.dir)
    }

    /// Second copies are on a shelf of their own, `copy2`, that can be moved away as it is.
    fn turn_to(&mut self, place: u32) -> bool {
        self.dir = match place {
            1 => self.home.clone(),
            place => self.place_for_copies(&format!("copy{place}")),
        };
        true
    }

    fn blank_capacity(&mut self) -> Result<Option<Sectors>, DriveError> {
        Ok(None)
    }

    fn take_blank(&mut self, label: &DiscIdentity) -> Result<Blank, DriveError> {
        self.made = None;
        self.make()?;
        self.check_writable()?;
        // Another coldcut that writes here now is waited for, before anything is recorded.
        drop(self.lock(&self.hold()?)?);
        let path = self.image_path(label);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(DriveError::AlreadyThere { path });
        }
        if let Some(blanks) = ShelfFaults::read(&self.dir)?.full_after {
            let used = self.listed()?.iter().filter(|path| is_image(path)).count();
            if used >= blanks as usize {
                return Err(DriveError::NoMoreBlanks { drive: self.title() });
            }
        }
        Ok(Blank { capacity: None })
    }

    fn wants_image(&self) -> bool {
        false
    }

    /// A shelf's disc is an image itself.
    fn make_image(
        &mut self,
        job: &BurnJob,
        _: &dyn Fn(News),
        _: &Stop,
    ) -> Result<Box<dyn DiscReader>, DriveError> {
        Err(DriveError::Missing(self.image_path(&job.label)))
    }

    /// As in a drive, a burn that has begun is finished first; who asks twice to stop aborts it.
    fn burn(&mut self, job: &BurnJob, watch: &dyn Fn(News), stop: &Stop) -> Result<(), DriveError> {
        stop.check()?;
        let told = Cell::new(false);
        let watch = |news: News| {
            if stop.check().is_err() && !told.replace(true) {
                watch(News::ImageContinues);
            }
            watch(news);
        };
        let stop = &stop.insisted();
        self.take_blank(&job.label)?;
        let dir = self.hold()?;
        let _lock = self.lock(&dir)?;
        self.remove_left_overs(&dir)?;
        self.mark(&dir)?;
        self.check_space(job.sectors.bytes())?;
        let part = PartialImage::new_in(&dir, &job.label)?;
        let burned = part.burn(job, &watch, stop);
        if burned.is_err() {
            part.remove();
        }
        self.made = Some(burned?);
        Ok(())
    }

    fn find(&mut self, wanted: &DiscIdentity) -> Result<Box<dyn DiscReader>, DriveError> {
        let faults = ShelfFaults::read(&self.dir)?;
        let not_there =
            || DriveError::NotThere { drive: self.title(), label: Box::new(wanted.clone()) };
        let name = match faults.instead_of(wanted.number) {
            Some(other) => other.as_os_str().to_owned(),
            None if !faults.is_present(wanted.number) => return Err(not_there()),
            None => image_name(wanted).into(),
        };
        if !self.dir.exists() {
            return Err(not_there());
        }
        let dir = self.hold()?;
        if !dir.has(&name).map_err(DriveError::io("access", self.dir.join(&name)))? {
            return Err(not_there());
        }
        let image = Image::open_in(&dir, &name, &self.stop)?;
        let image = self.with_faults(image, parse_name(Path::new(&name)), &faults);
        if let Some(made) = self.made.take() {
            made.check(&image)?;
        }
        check_label(&image, wanted)?;
        Ok(Box::new(image))
    }

    fn reject(&mut self, label: &DiscIdentity) -> Result<(), DriveError> {
        let (dir, path) = (self.hold()?, self.image_path(label));
        let to = free_failed_name(&dir, label)?;
        let name = OsString::from(image_name(label));
        dir.rename_new(&name, &to).and_then(|()| dir.sync()).map_err(DriveError::io("rename", path))
    }

    fn discs(&mut self) -> Result<Discs, DriveError> {
        self.look(&self.stop)
    }

    fn medium(&mut self) -> Carrier {
        Carrier::Shelf(identity::place_of(&self.dir))
    }

    fn settle(&mut self, _: &dyn Fn(BurnNotice), _: &Stop) -> Result<(), DriveError> {
        Ok(()) // What writes an image ends with the run that started it.
    }

    fn slot(&mut self) -> Option<&mut dyn Slot> {
        None
    }
}
