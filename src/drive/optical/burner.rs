//! The optical drive as a [`Drive`]: what is in it, burning it, reading it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::device::{Device, Readiness, Tray};
use super::disc::{OpticalDisc, volume_name};
use super::hold::DriveHold;
use super::insertion::Watcher;
use super::medium::{Medium, MediumState};
use super::profile::Profile;
use crate::drive::engine::{self, BurnSource, Settings};
use crate::drive::{
    Blank, BurnJob, DiscReader, Discs, Drive, DriveError, Image, News, Slot, xorriso,
};
use crate::model::{BurnedMedium, Bytes, Carrier, DiscIdentity, Sectors};
use crate::port::clock::Deadline;
use crate::port::notice::BurnNotice;
use crate::port::stop::Stop;

/// A drive may spin up so long before it says what it holds.
const SPIN_UP: Duration = Duration::from_secs(120);

/// What the person chose for burning.
#[derive(Clone, Debug)]
pub struct DriveOptions {
    pub settings: Settings,
    /// A whole image first, which is verified, and that is burned.
    pub image_first: bool,
    /// A private directory for the burner's log and for images.
    pub scratch: PathBuf,
    /// The wish to stop of the run that the drive works for.
    pub stop: Stop,
}

/// An optical drive.
pub struct Optical {
    device: Device,
    choices: DriveOptions,
    /// Written in this run: what the system believes of the medium is out of date.
    stale: bool,
    /// The insertion (by the kernel's count) whose medium may be overwritten.
    sacrificed: Option<u64>,
    /// From a burn until its disc is read back.
    kept: Option<Arc<DriveHold>>,
    /// A burn failed: what it left is looked at to the end, for the answer is recorded.
    is_in_doubt: bool,
}

impl Optical {
    pub fn open(path: &Path, choices: DriveOptions) -> Result<Optical, DriveError> {
        let device = Device::open(path)?;
        Ok(Optical {
            device,
            choices,
            stale: false,
            sacrificed: None,
            kept: None,
            is_in_doubt: false,
        })
    }

    #[cfg(test)]
    pub(super) fn with(device: Device) -> Optical {
        let (settings, scratch) = (Settings::default(), PathBuf::from("/nowhere"));
        let choices = DriveOptions { settings, image_first: false, scratch, stop: Stop::new() };
        Optical { device, choices, stale: true, sacrificed: None, kept: None, is_in_doubt: false }
    }

    #[cfg(test)]
    pub(super) fn heed(&mut self, stop: &Stop) {
        self.choices.stop = stop.clone();
    }

    /// The medium, once the drive knows what it is; `None` if there is none. A drive that another
    /// program uses is not even asked: questions disturb some burns (MMC-6 4.8).
    fn ready_medium(&self, stop: &Stop) -> Result<Option<Medium>, DriveError> {
        drop(self.device.free()?);
        match self.device.await_ready(SPIN_UP, stop)? {
            Readiness::NoMedium | Readiness::TrayOpen => Ok(None),
            Readiness::Ready => Ok(self.device.medium()?),
            Readiness::Unusable(sense) => Err(self.unusable(sense.to_string())),
            Readiness::StillBusy(sense) => {
                let (drive, words) = (self.title(), sense.to_string());
                Err(DriveError::StillBusy { drive, words })
            }
        }
    }

    fn unusable(&self, words: String) -> DriveError {
        DriveError::Unusable { drive: self.title(), words }
    }

    /// What fits on a blank, once it is formatted as it was wished.
    fn room_on(&self, medium: &Medium) -> Sectors {
        let unformatted = medium.state == MediumState::Blank && medium.spare.is_none();
        match medium.with_spares {
            Some(left) if unformatted && self.choices.settings.defect_management => left,
            _ => medium.writable_whole(),
        }
    }

    /// For people, as in "/dev/sr0 holds …".
    fn describe(&self, medium: &Medium) -> String {
        let kind = medium.profile;
        match &medium.state {
            MediumState::Blank => format!("a blank {kind}"),
            MediumState::Unusable(words) => format!("a {kind} that cannot be used ({words})"),
            MediumState::Appendable | MediumState::Complete => match self.label_inside() {
                Some(label) => label.to_string(),
                None => match volume_name(self.device.path()) {
                    Some(name) => format!("a {kind} with the volume {name}"),
                    None => format!("a {kind} that is not blank"),
                },
            },
        }
    }

    fn label_inside(&self) -> Option<DiscIdentity> {
        let disc = OpticalDisc::open(&self.device, &self.title(), &self.choices.stop).ok()?;
        DiscIdentity::read(&disc).ok()?
    }

    /// Whether the system knows less of the medium than is on it: written in this run, or in one
    /// that ended before it reloaded the medium. The kernel may know more than the drive says
    /// (`sr` takes the larger of two answers), never less.
    fn is_stale(&self) -> bool {
        let knows_less = || {
            let medium = self.device.medium().ok()??;
            let size = self.device.size().ok()?;
            Some(medium.state != MediumState::Blank && size < medium.used.bytes())
        };
        self.stale || knows_less().unwrap_or(false)
    }

    /// What is written is forgotten by nobody but the kernel's cache: the medium is reloaded.
    /// A tray that cannot close stays open, and a person is asked.
    fn reload(&mut self) -> Result<(), DriveError> {
        drop(self.device.free()?);
        if !self.is_stale() {
            return Ok(());
        }
        self.stale = false;
        if self.device.can_close_tray() {
            let free = self.device.free()?;
            free.eject()?;
            free.close_tray()?;
        } else if self.device.rescan().is_err() {
            self.device.free()?.eject()?;
        }
        Ok(())
    }

    /// The disc in the drive; the error says what is there instead.
    fn disc(&mut self, stop: &Stop) -> Result<Option<OpticalDisc>, DriveError> {
        let Some(medium) = self.ready_medium(stop)? else { return Ok(None) };
        match &medium.state {
            MediumState::Blank => Ok(None),
            MediumState::Unusable(words) => Err(self.unusable(words.clone())),
            MediumState::Appendable | MediumState::Complete => {
                let mut disc = OpticalDisc::open(&self.device, &self.title(), stop)?;
                disc.is_open = medium.state == MediumState::Appendable && !medium.is_closed;
                // Until it is ejected, so that nobody comes between that and the last read.
                self.kept = DriveHold::of(self.device.path());
                Ok(Some(disc))
            }
        }
    }

    fn file(&self, ending: &str) -> PathBuf {
        let name = self.device.path().file_name().unwrap_or_default().to_string_lossy();
        self.choices.scratch.join(format!("burning-{name}.{ending}"))
    }

    /// The whole image in staging, checked to be as long as it must be.
    fn write_image(
        &self,
        job: &BurnJob,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<PathBuf, DriveError> {
        let path = self.image();
        self.drop_image()?;
        std::fs::create_dir_all(&self.choices.scratch)
            .map_err(DriveError::io("make", &self.choices.scratch))?;
        let options = std::fs::File::options().read(true).write(true).create_new(true).clone();
        let file = options.open(&path).map_err(DriveError::io("make", &path))?;
        xorriso::write(job, &file, &|bytes| watch(News::Written(bytes)), stop)?;
        let length = file.metadata().map_err(DriveError::io("access", &path))?.len();
        if length != job.sectors.bytes().0 {
            let label = Box::new(job.label.clone());
            let is = Bytes(length).sectors();
            return Err(DriveError::Size { label, is, wanted: job.sectors });
        }
        Ok(path)
    }

    /// It can be rebuilt from what is staged.
    fn drop_image(&self) -> Result<(), DriveError> {
        let path = self.image();
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(DriveError::io("remove", &path)(e))
            }
            _ => Ok(()),
        }
    }

    fn image(&self) -> PathBuf {
        self.file("iso")
    }

    fn place(&self, medium: Option<&Medium>) -> engine::BurnTarget {
        engine::BurnTarget {
            device: self.device.path().to_owned(),
            drive: self.title(),
            profile: medium.map_or(Profile::NONE, |medium| medium.profile),
            is_formatted: medium.is_some_and(|medium| medium.formatted == Some(true)),
            log: self.file("log"),
        }
    }

    /// Whether the drive answers, and its medium could be burned now.
    fn is_writable_still(&self) -> bool {
        let medium = self.ready_medium(&Stop::new()).ok().flatten();
        medium.is_some_and(|medium| medium.state == MediumState::Blank || medium.is_overwritable())
    }

    fn run_burner(
        &mut self,
        job: &BurnJob,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<(), DriveError> {
        let made = self.image();
        let path = match &job.image {
            None if self.wants_image() => Some(&made),
            given => given.as_ref(),
        };
        let what = match path {
            Some(path) => BurnSource::Image { path, sectors: job.sectors },
            None => BurnSource::Tree,
        };
        let place = self.place(self.ready_medium(stop)?.as_ref());
        // Both burning programs lock the tray themselves; this one holds until they do.
        let _ = self.device.free()?.lock_for_burner();
        let burned = engine::burn(job, what, &place, &self.choices.settings, watch, stop);
        if let Ok(free) = self.device.free() {
            free.unlock();
        }
        self.kept = DriveHold::keep(self.device.path()).ok();
        burned
    }
}

impl Drive for Optical {
    fn title(&self) -> String {
        let id = self.device.identity();
        format!("{} ({} {})", self.device.path().display(), id.vendor, id.model)
    }

    fn blank_capacity(&mut self) -> Result<Option<Sectors>, DriveError> {
        let medium = self.ready_medium(&self.choices.stop)?;
        Ok(medium.filter(|medium| medium.state == MediumState::Blank).map(|blank| blank.free))
    }

    fn take_blank(&mut self, _: &DiscIdentity) -> Result<Blank, DriveError> {
        let drive = self.title();
        let Some(medium) = self.ready_medium(&self.choices.stop)? else {
            return Err(DriveError::NoMoreBlanks { drive });
        };
        let found = || self.describe(&medium);
        let blank = Blank { capacity: Some(self.room_on(&medium)) };
        match &medium.state {
            _ if !medium.profile.can_be_written() => {
                Err(DriveError::NotBlank { drive, found: found() })
            }
            MediumState::Blank => Ok(blank),
            MediumState::Unusable(words) => Err(self.unusable(words.clone())),
            _ if !medium.is_overwritable() => Err(DriveError::NotBlank { drive, found: found() }),
            _ if self.sacrificed.is_some() && self.sacrificed == self.device.disk_sequence() => {
                Ok(blank)
            }
            _ => Err(DriveError::WouldOverwrite { drive, found: found() }),
        }
    }

    fn wants_image(&self) -> bool {
        self.choices.image_first || self.choices.settings.engine.needs_image()
    }

    fn make_image(
        &mut self,
        job: &BurnJob,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<Box<dyn DiscReader>, DriveError> {
        Ok(Box::new(Image::open(&self.write_image(job, watch, stop)?, stop)?))
    }

    fn burn(&mut self, job: &BurnJob, watch: &dyn Fn(News), stop: &Stop) -> Result<(), DriveError> {
        self.take_blank(&job.label)?;
        self.stale = true;
        let burned = self.run_burner(job, watch, stop);
        self.sacrificed = None;
        self.is_in_doubt = burned.is_err();
        self.drop_image()?;
        match burned {
            // Silent progress is no proof of an untouched disc: the drive knows.
            Err(DriveError::NotBegun { drive, words, remedy }) if !self.is_writable_still() => {
                let label = Box::new(job.label.clone());
                Err(DriveError::Write { drive, label, sector: None, words, remedy })
            }
            burned => burned,
        }
    }

    fn find(&mut self, wanted: &DiscIdentity) -> Result<Box<dyn DiscReader>, DriveError> {
        self.reload()?;
        let stop = match std::mem::take(&mut self.is_in_doubt) {
            true => Stop::new(),
            false => self.choices.stop.clone(),
        };
        let wrong = |found| Err(DriveError::WrongDisc { wanted: Box::new(wanted.clone()), found });
        let Some(disc) = self.disc(&stop)? else {
            let label = Box::new(wanted.clone());
            return match self.content()? {
                Some(found) => wrong(found),
                None => Err(DriveError::NotThere { drive: self.title(), label }),
            };
        };
        if DiscIdentity::candidates(&disc).any(|label| label.is_same_disc(wanted)) {
            return Ok(Box::new(disc));
        }
        match DiscIdentity::read(&disc)? {
            Some(label) if label.set == wanted.set && label.number == wanted.number => {
                wrong(format!("{label} with another identity"))
            }
            Some(label) => wrong(label.to_string()),
            None => wrong("a disc not made by coldcut".to_owned()),
        }
    }

    fn reject(&mut self, _: &DiscIdentity) -> Result<(), DriveError> {
        self.eject()
    }

    fn discs(&mut self) -> Result<Discs, DriveError> {
        self.reload()?;
        let (mut found, stop) = (Discs::default(), self.choices.stop.clone());
        match self.disc(&stop) {
            Ok(None) => {}
            Ok(Some(disc)) if matches!(DiscIdentity::read(&disc), Ok(None)) => {
                found.problems.push(self.unusable("it is not a coldcut disc".to_owned()));
            }
            Ok(Some(disc)) => {
                found.problems.extend(disc.incomplete_listing());
                found.discs.push(Box::new(disc));
            }
            Err(problem) if problem.is_in_use() => return Err(problem),
            Err(problem) => found.doubt(problem)?,
        }
        Ok(found)
    }

    fn medium(&mut self) -> Carrier {
        let medium = self.device.medium().ok().flatten();
        let id = self.device.identity();
        Carrier::Disc(BurnedMedium {
            kind: medium.as_ref().map(|medium| medium.profile.to_string()),
            maker: medium.and_then(|medium| medium.maker),
            burner: Some(format!("{} {} {}", id.vendor, id.model, id.firmware)),
            reader: None,
        })
    }

    fn settle(&mut self, say: &dyn Fn(BurnNotice), stop: &Stop) -> Result<(), DriveError> {
        let ended = engine::settle(&self.place(None), say, stop)?;
        self.stale |= ended;
        Ok(())
    }

    fn slot(&mut self) -> Option<&mut dyn Slot> {
        Some(self)
    }
}

impl Slot for Optical {
    fn content(&mut self) -> Result<Option<String>, DriveError> {
        match self.ready_medium(&self.choices.stop) {
            Ok(None) => Ok(None),
            Ok(Some(medium)) => Ok(Some(self.describe(&medium))),
            Err(DriveError::Unusable { words, .. } | DriveError::StillBusy { words, .. }) => {
                Ok(Some(format!("a disc that cannot be used: {words}")))
            }
            Err(error) => Err(error),
        }
    }

    fn insertion(&self) -> Option<u64> {
        self.device.disk_sequence()
    }

    fn eject(&mut self) -> Result<(), DriveError> {
        self.device.free()?.eject()?;
        (self.stale, self.kept) = (false, None);
        Ok(())
    }

    /// A medium that the drive knows to be there, whatever it thinks of it.
    fn await_medium(&mut self, deadline: &Deadline, stop: &Stop) -> Result<bool, DriveError> {
        // It listens before the first look: what happens in between is not missed.
        let mut watcher = Watcher::new(self.device.path());
        loop {
            stop.check()?;
            if matches!(self.device.tray()?, Tray::Loaded | Tray::NotReady) {
                return Ok(true);
            }
            if deadline.is_over() {
                return Ok(false);
            }
            let device = self.device.path().to_owned();
            watcher.wait(deadline.left(), stop).map_err(DriveError::io("watch", device))?;
        }
    }

    fn sacrifice(&mut self) -> Result<(), DriveError> {
        self.sacrificed = self.device.disk_sequence();
        Ok(())
    }
}
