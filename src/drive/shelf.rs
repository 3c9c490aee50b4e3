//! The shelf: a directory that behaves like a drive with an endless stack of blank discs.
//!
//! Each disc is a real ISO image `SET-NNNN.iso`, written by the program that burns real ones. An
//! image appears under its name only when it is whole and on the disk, and is never overwritten.
//! `.shelf.toml` (see `faults`) makes the shelf fail like a drive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation, RenameFlags};

use super::faults::Faults;
use super::image::{Image, forget_cached};
use super::rate::last_as_long;
use super::{
    Blank, BurnJob, DiscReader, Discs, Drive, DriveError, Label, News, ReadError, Slot, xorriso,
};
use crate::model::disc::parse_archive_path;
use crate::model::{Bytes, Carrier, DiscNo, Sectors, SetName};
use crate::port::clock::Stopwatch;
use crate::port::files;
use crate::port::stop::Stop;

/// The main file of recovery data (format 10).
const RECOVERY_DATA: &str = "parity/disc.par2";
/// What a disc in work is called: hidden, and no image for anybody.
const PART: &str = ".iso.part";

/// The shelf is this writer's. Given up by name: a program that another thread is just starting
/// holds the directory open, too, until it is what it is to become (flock(2)).
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// A directory with images.
#[derive(Debug)]
pub struct Shelf {
    /// Where it is: a path that holds from everywhere.
    home: PathBuf,
    /// The place in work: `home`, or a shelf in it for further copies.
    dir: PathBuf,
}

impl Shelf {
    /// Any directory is a shelf; it is looked into when it is used.
    pub fn open(dir: &Path) -> Result<Shelf, DriveError> {
        match fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(DriveError::NotADirectory(dir.to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(DriveError::Missing(dir.to_owned()));
            }
            Err(e) => return Err(DriveError::io("look at", dir)(e)),
        }
        Faults::read(dir)?;
        let home = dir.canonicalize().map_err(DriveError::io("look at", dir))?;
        Ok(Shelf { dir: home.clone(), home })
    }

    fn image_path(&self, label: &Label) -> PathBuf {
        self.dir.join(image_name(label))
    }

    /// The first free name for a medium of this disc that is of no use.
    fn failed_path(&self, label: &Label) -> PathBuf {
        let name = |n: u32| self.dir.join(failed_name(label, n));
        (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX))
    }

    /// Whether the next medium of this disc is its first: only that one has faults.
    fn is_first_medium(&self, set: &SetName, number: DiscNo) -> bool {
        is_first_medium(&self.dir, set, number)
    }

    /// Takes the shelf for one writer; whoever comes second would clean up the first one's work.
    fn lock(&self) -> Result<Lock, DriveError> {
        let dir = File::open(&self.dir).map_err(DriveError::io("open", &self.dir))?;
        match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(dir)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DriveError::Busy(self.dir.clone())),
            Err(e) => Err(DriveError::io("lock", &self.dir)(e.into())),
        }
    }

    /// Removes what a run left behind that was killed while it wrote.
    fn remove_left_overs(&self) -> Result<(), DriveError> {
        for path in self.listed()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') && name.ends_with(PART) {
                fs::remove_file(&path).map_err(DriveError::io("remove", path))?;
            }
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), DriveError> {
        rustix::fs::access(&self.dir, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|e| DriveError::NotWritable { dir: self.dir.clone(), source: e.into() })
    }

    fn check_space(&self, needed: Bytes) -> Result<(), DriveError> {
        let free = files::free_space(&self.dir).map_err(DriveError::io("look at", &self.dir))?;
        let free = Bytes(free);
        match free < needed {
            true => Err(DriveError::NoSpace { dir: self.dir.clone(), needed, free }),
            false => Ok(()),
        }
    }

    fn listed(&self) -> Result<Vec<PathBuf>, DriveError> {
        let entries = fs::read_dir(&self.dir).map_err(DriveError::io("list", &self.dir))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(DriveError::io("list", &self.dir))?;
        paths.sort();
        Ok(paths)
    }

    /// Opens an image of this shelf; `disc` is what its name says that it is.
    fn open_image(
        &self,
        path: &Path,
        disc: Option<(SetName, DiscNo)>,
        faults: &Faults,
    ) -> Result<Image, DriveError> {
        let image = Image::open(path)?.at_rate(faults.read_rate);
        Ok(match disc {
            Some((set, number)) if self.is_first_medium(&set, number) => {
                image.with_bad_sectors(faults.bad_sectors(number))
            }
            _ => image,
        })
    }

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
                let words = format!("asked for in {}", super::faults::FILE);
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

    fn burn_part(
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

impl Drive for Shelf {
    fn title(&self) -> String {
        format!("shelf {}", self.dir.display())
    }

    /// Second copies are on a shelf of their own, `copy2`, that can be moved away as it is.
    fn turn_to(&mut self, place: u32) -> bool {
        self.dir = match place {
            1 => self.home.clone(),
            place => self.home.join(format!("copy{place}")),
        };
        true
    }

    fn blank_capacity(&mut self) -> Result<Option<Sectors>, DriveError> {
        Ok(None)
    }

    fn take_blank(&mut self, label: &Label) -> Result<Blank, DriveError> {
        if self.dir != self.home && !self.dir.exists() {
            fs::create_dir(&self.dir)
                .map_err(|source| DriveError::NotWritable { dir: self.dir.clone(), source })?;
        }
        self.check_writable()?;
        let path = self.image_path(label);
        if path.exists() {
            return Err(DriveError::AlreadyThere { path });
        }
        if let Some(blanks) = Faults::read(&self.dir)?.full_after {
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

    fn burn(&mut self, job: &BurnJob, watch: &dyn Fn(News), stop: &Stop) -> Result<(), DriveError> {
        self.take_blank(&job.label)?;
        let _lock = self.lock()?;
        self.remove_left_overs()?;
        self.check_space(job.sectors.bytes())?;
        let part = self.dir.join(format!(".{}{PART}", stem(&job.label.set, job.label.number)));
        let burned = self.burn_part(job, &part, watch, stop);
        if burned.is_err() {
            // Half an image is of no use; where it cannot be removed, the next burn tries again.
            let _ = fs::remove_file(&part);
        }
        burned
    }

    fn find(&mut self, wanted: &Label) -> Result<Box<dyn DiscReader>, DriveError> {
        let faults = Faults::read(&self.dir)?;
        let not_there =
            || DriveError::NotThere { drive: self.title(), label: Box::new(wanted.clone()) };
        let path = match faults.instead_of(wanted.number) {
            Some(other) => self.dir.join(other),
            None if !faults.is_present(wanted.number) => return Err(not_there()),
            None => self.image_path(wanted),
        };
        if !path.exists() {
            return Err(not_there());
        }
        let image = self.open_image(&path, parse_name(&path), &faults)?;
        check_label(&image, wanted)?;
        Ok(Box::new(image))
    }

    fn reject(&mut self, label: &Label) -> Result<(), DriveError> {
        let path = self.image_path(label);
        files::rename_durably(&path, &self.failed_path(label))
            .map_err(DriveError::io("rename", path))
    }

    fn discs(&mut self) -> Result<Discs, DriveError> {
        let faults = Faults::read(&self.dir)?;
        let mut found = Discs::default();
        for path in self.listed()?.into_iter().filter(|path| is_image(path) && !is_failed(path)) {
            let disc = parse_name(&path);
            if disc.as_ref().is_some_and(|&(_, number)| !faults.is_present(number)) {
                continue;
            }
            match self.open_image(&path, disc, &faults) {
                Ok(image) => found.add(image),
                Err(problem) => found.problems.push(problem),
            }
        }
        Ok(found)
    }

    fn medium(&mut self) -> Carrier {
        Carrier::Shelf(self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone()))
    }

    fn settle(&mut self, _: &dyn Fn(&str), _: &Stop) -> Result<(), DriveError> {
        Ok(()) // What writes an image ends with the run that started it.
    }

    fn slot(&mut self) -> Option<&mut dyn Slot> {
        None
    }
}

impl Discs {
    /// An image that is cut short is both a disc and a problem; one that is not ours, a problem.
    /// One with recovery data may get its name from that.
    pub(super) fn add(&mut self, image: Image) {
        // One of ours may have lost the files that say who it is.
        if matches!(Label::read(&image), Ok(None)) && !is_ours(&image) {
            self.problems.push(DriveError::Foreign(image.path().to_owned()));
            return;
        }
        self.problems.extend(image.shortfall());
        self.discs.push(Box::new(image));
    }
}

/// Archives or recovery data: nobody else's discs have these.
fn is_ours(image: &Image) -> bool {
    image
        .files()
        .iter()
        .any(|file| parse_archive_path(&file.path).is_some() || file.path == RECOVERY_DATA)
}

fn is_called_like(image: &Image, wanted: &Label) -> bool {
    parse_name(image.path()) == Some((wanted.set.clone(), wanted.number))
}

/// The disc in hand is the one that is wanted. One that cannot say who it is passes: its name is
/// right, and what is read from it will be checked byte by byte.
fn check_label(image: &Image, wanted: &Label) -> Result<(), DriveError> {
    if Label::candidates(image).any(|label| label == *wanted) {
        return Ok(());
    }
    let wrong = |found| Err(DriveError::WrongDisc { wanted: Box::new(wanted.clone()), found });
    match Label::read(image) {
        Ok(Some(label)) if label.set == wanted.set && label.number == wanted.number => {
            wrong(format!("{label} with another identity ({})", image.title()))
        }
        Ok(Some(label)) => wrong(format!("{label} ({})", image.title())),
        Ok(None) if is_ours(image) && is_called_like(image, wanted) => Ok(()),
        Ok(None) => wrong(format!("a disc that is not coldcut's ({})", image.title())),
        Err(ReadError::Unreadable { .. }) if is_called_like(image, wanted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives a whole image its name, and never another image's.
fn publish(part: &Path, path: &Path) -> Result<(), DriveError> {
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

/// `holidays-0007`.
fn stem(set: &SetName, number: DiscNo) -> String {
    format!("{set}-{:04}", number.0)
}

fn image_name(label: &Label) -> String {
    format!("{}.iso", stem(&label.set, label.number))
}

fn failed_name(label: &Label, attempt: u32) -> String {
    format!("{}.failed-{attempt}.iso", stem(&label.set, label.number))
}

/// Which disc an image's name says that it is.
fn parse_name(path: &Path) -> Option<(SetName, DiscNo)> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".iso")?;
    let (set, number) = stem.rsplit_once('-')?;
    let digits = number.len() >= 4 && number.bytes().all(|b| b.is_ascii_digit());
    Some((SetName::new(set)?, DiscNo(digits.then(|| number.parse().ok())??)))
}

fn is_first_medium(dir: &Path, set: &SetName, number: DiscNo) -> bool {
    !dir.join(format!("{}.failed-1.iso", stem(set, number))).exists()
}

/// What the shelf that an image lies on pretends to be unreadable of it.
pub(super) fn bad_sectors_of(path: &Path) -> Result<std::ops::Range<u64>, DriveError> {
    let dir = files::dir_of(path);
    match parse_name(path) {
        Some((set, number)) if is_first_medium(dir, &set, number) => {
            Ok(Faults::read(dir)?.bad_sectors(number))
        }
        _ => Ok(0..0),
    }
}

/// By name: other files in a shelf are none of its business.
pub(super) fn is_image(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.to_ascii_lowercase().ends_with(".iso") && !name.starts_with('.')
}

fn is_failed(path: &Path) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().contains(".failed-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::contract::{self, Bench, Trouble, burn, label, staged};
    use crate::drive::faults;

    struct ShelfBench(tempfile::TempDir);

    fn bench() -> ShelfBench {
        ShelfBench(tempfile::tempdir().unwrap())
    }

    impl Bench for ShelfBench {
        fn drive(&self) -> Box<dyn Drive> {
            Box::new(Shelf::open(self.0.path()).unwrap())
        }

        fn arrange(&self, troubles: &[Trouble]) {
            let lines = troubles.iter().map(|trouble| match trouble {
                Trouble::WriteError(disc, at) => format!("write_error_at = [{disc}, {}]\n", at.0),
                Trouble::ReadError(disc, at, n) => {
                    format!("read_error = [{disc}, {}, {n}]\n", at.0)
                }
                Trouble::Blanks(n) => format!("full_after = {n}\n"),
                Trouble::Present(discs) => {
                    format!("present = {:?}\n", discs.iter().map(|d| d.0).collect::<Vec<_>>())
                }
                Trouble::Swap(disc, label) => {
                    format!("wrong = {{{disc} = \"{}\"}}\n", image_name(label))
                }
            });
            fs::write(self.0.path().join(faults::FILE), lines.collect::<String>()).unwrap();
        }

        fn medium(&self, label: &Label) -> Option<Vec<u8>> {
            fs::read(self.0.path().join(image_name(label))).ok()
        }
    }

    fn names(bench: &ShelfBench) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(bench.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_shelf_keeps_the_contract_of_drives() {
        contract::check(bench);
    }

    #[test]
    fn a_shelf_holds_images_by_name_and_nothing_else() {
        let bench = bench();
        burn(&mut *bench.drive(), &staged(1).job).unwrap();
        assert_eq!(names(&bench), ["holidays-0001.iso"]);
    }

    #[test]
    fn a_spoilt_medium_is_left_and_is_no_disc() {
        let bench = bench();
        bench.arrange(&[Trouble::WriteError(DiscNo(1), Sectors(50)), Trouble::Blanks(2)]);
        burn(&mut *bench.drive(), &staged(1).job).unwrap_err();
        let spoilt = bench.0.path().join("holidays-0001.failed-1.iso");
        assert_eq!(fs::metadata(&spoilt).unwrap().len(), 50 * 2048);
        burn(&mut *bench.drive(), &staged(1).job).unwrap();
        let error = bench.drive().take_blank(&label(2)).unwrap_err();
        assert!(matches!(error, DriveError::NoMoreBlanks { .. }), "{error}");
    }

    /// How long it takes is not looked at.
    #[test]
    fn a_shelf_that_takes_its_time_tells_how_far_it_is_and_holds_the_same_disc() {
        use std::cell::Cell;
        let (slow, plain) = (bench(), bench());
        let rates = "write_rate = 20_000_000\nread_rate = 50_000_000\n";
        fs::write(slow.0.path().join(faults::FILE), rates).unwrap();
        let staged = staged(1);
        let (told, tellings) = (Cell::new(0), Cell::new(0));
        let watch = |news: News| {
            if let News::Written(bytes) = news {
                assert!(bytes.0 >= told.get());
                told.set(bytes.0);
                tellings.set(tellings.get() + 1);
            }
        };
        slow.drive().burn(&staged.job, &watch, &Stop::new()).unwrap();
        assert_eq!(told.get(), staged.job.sectors.bytes().0);
        assert!(tellings.get() >= 1);
        burn(&mut *plain.drive(), &staged.job).unwrap();
        assert_eq!(slow.medium(&label(1)), plain.medium(&label(1)));
        let reader = slow.drive().find(&label(1)).unwrap();
        let file = reader.file("archives/00000002.tar.bz2").unwrap();
        let mut content = vec![0; file.size.0 as usize];
        assert_eq!(reader.read_at(file, 0, &mut content).unwrap(), content.len());
    }

    #[test]
    fn left_overs_of_a_killed_run_are_removed_by_the_next_burn() {
        let bench = bench();
        fs::write(bench.0.path().join(".holidays-0007.iso.part"), "half").unwrap();
        burn(&mut *bench.drive(), &staged(1).job).unwrap();
        assert_eq!(names(&bench), ["holidays-0001.iso"]);
    }

    #[test]
    fn two_writers_do_not_share_a_shelf() {
        let bench = bench();
        let shelf = Shelf::open(bench.0.path()).unwrap();
        let lock = shelf.lock().unwrap();
        let error = burn(&mut *bench.drive(), &staged(1).job).unwrap_err();
        assert!(matches!(error, DriveError::Busy(_)), "{error}");
        drop(lock);
        burn(&mut *bench.drive(), &staged(1).job).unwrap();
    }

    #[test]
    fn a_shelf_without_room_says_how_much_is_missing() {
        let bench = bench();
        let mut staged = staged(1);
        staged.job.sectors = Sectors(1 << 50);
        let error = burn(&mut *bench.drive(), &staged.job).unwrap_err();
        assert!(matches!(error, DriveError::NoSpace { .. }), "{error}");
        assert!(error.to_string().contains("are needed and"), "{error}");
    }

    #[test]
    fn what_is_no_directory_is_no_shelf() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        assert!(matches!(Shelf::open(&file), Err(DriveError::Missing(_))));
        fs::write(&file, "").unwrap();
        assert!(matches!(Shelf::open(&file), Err(DriveError::NotADirectory(_))));
        fs::write(dir.path().join(faults::FILE), "x = 1").unwrap();
        assert!(matches!(Shelf::open(dir.path()), Err(DriveError::Settings { .. })));
    }

    #[test]
    fn an_image_never_takes_the_name_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let (part, image) = (dir.path().join("part"), dir.path().join("image"));
        fs::write(&part, "new").unwrap();
        fs::write(&image, "old").unwrap();
        assert!(matches!(publish(&part, &image), Err(DriveError::AlreadyThere { .. })));
        assert_eq!(fs::read(&image).unwrap(), b"old");
    }

    #[test]
    fn names_of_images_tell_the_disc() {
        let parse = |name: &str| parse_name(Path::new(name));
        let named = |set: &str, n| Some((SetName::new(set).unwrap(), DiscNo(n)));
        assert_eq!(parse("/x/my-set-0012.iso"), named("my-set", 12));
        assert_eq!(parse("a-12345.iso"), named("a", 12345));
        for other in ["a-12.iso", "a-0001.failed-1.iso", "a-0001.img", "0001.iso", "a-00x1.iso"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
