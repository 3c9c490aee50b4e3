//! A drive for tests: its medium is a directory, a shelf for one disc, named after the medium's
//! maker. It can be in any state that a real one gets into, remembers what it was told to
//! change, and lets a test watch each act, wait there, refuse it, or die.

mod reading;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::*;
use crate::model::BurnedMedium;

pub(crate) use reading::{ReadFault, Reads};

/// A file with this name makes a medium one of somebody else's.
pub(crate) const FOREIGN: &str = "foreign";
/// What fits on a blank.
pub(crate) const ROOM: Sectors = Sectors(2000);
/// Where the drive is.
pub(crate) const PATH: &str = "/dev/fake";

/// How the drive answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Works,
    /// Another program burns in it, or has its disc mounted.
    InUse,
    /// Nobody answers: unplugged.
    Gone,
    /// Commands are not answered within their time.
    Hangs,
}

/// What changed a drive or a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriveAction {
    Eject,
    /// An empty drive, for a disc to be put in.
    OpenTray,
    Burn,
    Reject,
    Sacrifice,
}

/// What the drive is about to do, or has just done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act<'a> {
    TakeBlank(&'a DiscIdentity),
    Burn(&'a DiscIdentity),
    /// It is burned, and the program has not heard of it.
    Burned,
    Find(&'a DiscIdentity),
    Reject(&'a DiscIdentity),
    Eject,
    Await,
}

/// Called at each act. What it returns is what the drive answers, if it is an error.
type Hook = Arc<dyn Fn(&FakeDrive, Act) -> Result<(), DriveError> + Send + Sync>;

#[derive(Default)]
struct Bay {
    inside: Mutex<Inside>,
    put_in: Condvar,
}

#[derive(Default)]
struct Inside {
    /// If there are several drives.
    path: Option<PathBuf>,
    /// People put media in by themselves, when they are asked to.
    is_attended: bool,
    medium: Option<PathBuf>,
    insertions: u64,
    /// What somebody will put into it, one after the other.
    next: VecDeque<PathBuf>,
    condition: Condition,
    told: Vec<DriveAction>,
    /// Asked to stop when nobody comes, or the drive is in use: what a person does in the end.
    stop: Option<Stop>,
    hook: Option<Hook>,
    plan: Option<reading::PlannedFault>,
    /// What is taken out in the middle of a read, is what somebody puts in next.
    comes_back: bool,
    /// Of the discs in it: how many there were, and how many of discs that were gone before.
    reads: (u32, u32),
    /// Several discs at once, and nobody inserts anything.
    is_jukebox: bool,
}

#[derive(Clone, Default)]
pub(crate) struct FakeDrive(Arc<Bay>);

impl FakeDrive {
    pub fn jukebox(dir: &Path) -> FakeDrive {
        let drive = FakeDrive::default();
        drive.put_in(dir);
        drive.lock().is_jukebox = true;
        drive
    }

    /// One of several, into which people put media by themselves.
    pub fn attended(path: &str) -> FakeDrive {
        let drive = FakeDrive::default();
        drive.lock().path = Some(path.into());
        drive.lock().is_attended = true;
        drive
    }

    pub fn put_in(&self, medium: &Path) {
        let mut state = self.lock();
        state.medium = Some(medium.to_owned());
        state.insertions += 1;
        self.0.put_in.notify_all();
    }

    /// By hands: the drive was not told.
    pub fn take_out(&self) {
        self.lock().medium = None;
    }

    /// The directory of the medium in the drive.
    pub fn inside(&self) -> Option<PathBuf> {
        self.lock().medium.clone()
    }

    /// What somebody will put in whenever it is waited for. A medium that is not there is one that
    /// nobody has.
    pub fn will_get(&self, media: &[&Path]) {
        self.lock().next = media.iter().map(|dir| dir.to_path_buf()).collect();
    }

    /// How many of those were not put in.
    pub fn still_to_come(&self) -> usize {
        self.lock().next.len()
    }

    pub fn is(&self, condition: Condition) {
        self.lock().condition = condition;
    }

    pub fn stops(&self, stop: &Stop) {
        self.lock().stop = Some(stop.clone());
    }

    /// At each act, in place of what was called before.
    pub fn at_each_act(
        &self,
        call: impl Fn(&FakeDrive, Act) -> Result<(), DriveError> + Send + Sync + 'static,
    ) {
        self.lock().hook = Some(Arc::new(call));
    }

    pub fn told(&self) -> Vec<DriveAction> {
        self.lock().told.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.inside.lock().unwrap()
    }

    fn tell(&self, told: DriveAction) {
        self.lock().told.push(told);
    }

    /// The drive itself can be used meanwhile.
    fn act(&self, act: Act) -> Result<(), DriveError> {
        let hook = self.lock().hook.clone();
        hook.map_or(Ok(()), |hook| hook(self, act))
    }

    /// The drive's answer before it does anything.
    fn ask(&self) -> Result<(), DriveError> {
        let path = PathBuf::from(PATH);
        let condition = self.lock().condition;
        let error = match condition {
            Condition::Works => return Ok(()),
            Condition::InUse => {
                self.give_up();
                DeviceError::Busy { path, by: None }
            }
            Condition::Gone => DeviceError::Gone(path),
            Condition::Hangs => {
                let source = io::Error::other("the drive does not answer (host status 3)");
                DeviceError::Io { path, what: "ask what is in it", source }
            }
        };
        Err(error.into())
    }

    fn give_up(&self) {
        if let Some(stop) = &self.lock().stop {
            stop.ask(15);
        }
    }

    fn is_jukebox(&self) -> bool {
        self.lock().is_jukebox
    }

    fn is_foreign(&self) -> bool {
        self.inside().is_some_and(|dir| dir.join(FOREIGN).exists())
    }

    fn shelf(&self) -> Result<Shelf, DriveError> {
        match self.inside() {
            Some(dir) => Shelf::open(&dir),
            None => Err(DriveError::Empty { drive: self.title() }),
        }
    }

    fn bears_something(&self) -> bool {
        self.is_foreign() || self.inside().is_some_and(|dir| image_on(&dir).is_some())
    }

    fn blank_for(&mut self, label: &DiscIdentity) -> Result<Blank, DriveError> {
        let drive = self.title();
        if self.is_jukebox() {
            return self.shelf()?.take_blank(label);
        }
        match self.content()? {
            None => Err(DriveError::NoMoreBlanks { drive }),
            Some(found) if self.bears_something() => Err(DriveError::NotBlank { drive, found }),
            Some(_) => self.shelf()?.take_blank(label),
        }
    }
}

/// The disc on a medium.
pub(crate) fn image_on(medium: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(medium).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.extension().is_some_and(|end| end == "iso"))
}

impl Drive for FakeDrive {
    fn title(&self) -> String {
        let path = self.lock().path.clone();
        format!("{} (F)", path.as_deref().unwrap_or(Path::new(PATH)).display())
    }

    fn blank_capacity(&mut self) -> Result<Option<Sectors>, DriveError> {
        self.ask()?;
        if self.is_jukebox() {
            return self.shelf()?.blank_capacity();
        }
        let blank = self.inside().filter(|_| !self.bears_something());
        Ok(blank.map(|_| ROOM))
    }

    fn take_blank(&mut self, label: &DiscIdentity) -> Result<Blank, DriveError> {
        self.ask()?;
        self.act(Act::TakeBlank(label))?;
        self.blank_for(label)
    }

    fn wants_image(&self) -> bool {
        false
    }

    fn make_image(
        &mut self,
        job: &BurnJob,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<Box<dyn DiscReader>, DriveError> {
        self.shelf()?.make_image(job, watch, stop)
    }

    /// As in a real drive a burn that has begun goes on when somebody asks to stop.
    fn burn(&mut self, job: &BurnJob, watch: &dyn Fn(News), stop: &Stop) -> Result<(), DriveError> {
        stop.check()?;
        self.ask()?;
        self.blank_for(&job.label)?;
        self.act(Act::Burn(&job.label))?;
        self.tell(DriveAction::Burn);
        self.shelf()?.burn(job, watch, &Stop::new())?;
        self.act(Act::Burned)
    }

    fn find(&mut self, wanted: &DiscIdentity) -> Result<Box<dyn DiscReader>, DriveError> {
        self.ask()?;
        self.act(Act::Find(wanted))?;
        let wanted_here = Box::new(wanted.clone());
        if self.is_foreign() {
            let found = "a disc not made by coldcut".to_owned();
            return Err(DriveError::WrongDisc { wanted: wanted_here, found });
        } else if self.inside().is_none() {
            return Err(DriveError::NotThere { drive: self.title(), label: wanted_here });
        }
        self.shelf()?.find(wanted).map(|disc| self.hold(disc))
    }

    fn reject(&mut self, label: &DiscIdentity) -> Result<(), DriveError> {
        self.ask()?;
        self.act(Act::Reject(label))?;
        self.tell(DriveAction::Reject);
        self.shelf()?.reject(label)
    }

    fn discs(&mut self) -> Result<Discs, DriveError> {
        self.ask()?;
        if self.is_foreign() {
            let (drive, words) = (self.title(), "it is not a coldcut disc".to_owned());
            let problems = vec![DriveError::Unusable { drive, words }];
            return Ok(Discs { discs: Vec::new(), problems });
        }
        if self.inside().is_none() {
            return Ok(Discs::default());
        }
        let Discs { discs, problems } = self.shelf()?.discs()?;
        Ok(Discs { discs: discs.into_iter().map(|disc| self.hold(disc)).collect(), problems })
    }

    fn medium(&mut self) -> Carrier {
        if let (true, Ok(mut shelf)) = (self.is_jukebox(), self.shelf()) {
            return shelf.medium();
        }
        let dir = self.inside().unwrap_or_default();
        let maker = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let (kind, burner) = (Some("BD-R".to_owned()), Some("F".to_owned()));
        Carrier::Disc(BurnedMedium { kind, maker, burner, reader: None })
    }

    fn settle(&mut self, _: &dyn Fn(BurnNotice), _: &Stop) -> Result<(), DriveError> {
        Ok(())
    }

    fn slot(&mut self) -> Option<&mut dyn Slot> {
        if self.is_jukebox() { None } else { Some(self) }
    }
}

impl Slot for FakeDrive {
    fn content(&mut self) -> Result<Option<String>, DriveError> {
        self.ask()?;
        let kind = if self.bears_something() { "a BD-R that is not blank" } else { "a blank BD-R" };
        Ok(self.inside().map(|_| kind.to_owned()))
    }

    fn insertion(&self) -> Option<u64> {
        Some(self.lock().insertions)
    }

    fn eject(&mut self) -> Result<(), DriveError> {
        self.ask()?;
        self.act(Act::Eject)?;
        self.tell(if self.inside().is_some() { DriveAction::Eject } else { DriveAction::OpenTray });
        self.take_out();
        Ok(())
    }

    fn await_medium(&mut self, deadline: &Deadline, stop: &Stop) -> Result<bool, DriveError> {
        self.ask()?;
        self.act(Act::Await)?;
        stop.check()?;
        if self.lock().is_attended {
            let most = deadline.left().unwrap_or(Duration::from_secs(1));
            let is_empty = |inside: &mut Inside| inside.medium.is_none();
            let waited = self.0.put_in.wait_timeout_while(self.lock(), most, is_empty);
            return Ok(waited.unwrap().0.medium.is_some());
        }
        let next = self.lock().next.pop_front();
        if next.is_none() {
            self.give_up();
        }
        let next = next.filter(|dir| dir.exists());
        let has_come = next.is_some();
        match next {
            Some(dir) => self.put_in(&dir),
            None => self.take_out(),
        }
        Ok(has_come)
    }

    fn sacrifice(&mut self) -> Result<(), DriveError> {
        self.ask()?;
        self.tell(DriveAction::Sacrifice);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{self, DriveBench, InjectedFault, burn, label, staged};
    use super::super::shelf::tests::{ShelfBench, bench};
    use super::*;

    struct FakeBench(ShelfBench);

    impl DriveBench for FakeBench {
        fn drive(&self) -> Box<dyn Drive> {
            Box::new(FakeDrive::jukebox(self.0.dir()))
        }
        fn arrange(&self, trouble: &[InjectedFault]) {
            self.0.arrange(trouble);
        }
        fn medium(&self, label: &DiscIdentity) -> Option<Vec<u8>> {
            self.0.medium(label)
        }
    }

    #[test]
    fn a_drive_for_tests_keeps_the_contract_of_drives() {
        contract::check(|| FakeBench(bench()));
    }

    #[test]
    fn what_lies_in_the_drive_is_burned_once_and_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut drive = FakeDrive::default();
        let taken = drive.take_blank(&label(1)).unwrap_err();
        assert!(matches!(taken, DriveError::NoMoreBlanks { .. }), "{taken}");
        drive.put_in(dir.path());
        assert_eq!(drive.blank_capacity().unwrap(), Some(ROOM));
        burn(&mut drive, &staged(1).job).unwrap();
        let taken = drive.take_blank(&label(2)).unwrap_err();
        assert!(matches!(taken, DriveError::NotBlank { .. }), "{taken}");
        drive.eject().unwrap();
        assert_eq!(drive.told(), [DriveAction::Burn, DriveAction::Eject]);
        assert!(drive.discs().unwrap().discs.is_empty() && drive.content().unwrap().is_none());
        drive.is(Condition::InUse);
        assert!(drive.eject().unwrap_err().is_in_use());
        assert_eq!(drive.told().len(), 2, "a drive in use was told nothing");
    }
}
