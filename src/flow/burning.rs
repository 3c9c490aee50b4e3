//! From staged to safe: burn, read back, record; a disc that fails goes onto the next blank.

use crate::burn::{BurnError, Burned, burn, check_size, make_image, take_blank};
use crate::catalog::{
    Catalog, CopyState, DiscFile, DiscInfo, DiscState, Finding, KnownSet, Verification,
};
use crate::drive::{Blank, BurnJob, DiscReader, Drive, DriveError};
use crate::format::volume::volume_id;
use crate::model::DiscNo;
use crate::port::clock::Moment;
use crate::port::monitor::{Phase, Trouble};
use crate::verify::{Expected, Fault, Proof, Verdict, verify};

use super::insertion::{blank_words, with_medium};
use super::staging::{Staging, burn_job, label};
use super::{Desk, FlowError, chain};

/// Blanks that one disc may cost in one run.
const TRIES: u32 = 3;

/// What burns, and what reads back, if that is another drive.
pub struct Drives {
    pub burner: Box<dyn Drive>,
    pub reader: Option<Box<dyn Drive>>,
}

impl Drives {
    pub fn one(burner: Box<dyn Drive>) -> Drives {
        Drives { burner, reader: None }
    }

    /// Whether people change the media.
    pub fn have_hands(&mut self) -> bool {
        self.burner.slot().is_some()
    }

    /// The drive that discs are read back in.
    fn reader(&mut self) -> &mut dyn Drive {
        match &mut self.reader {
            Some(reader) => &mut **reader,
            None => &mut *self.burner,
        }
    }
}

/// A disc and the drives that are to bear it.
pub struct Station<'a> {
    pub catalog: &'a mut Catalog,
    pub staging: &'a Staging,
    pub set: &'a KnownSet,
    pub drives: &'a mut Drives,
    pub desk: Desk<'a>,
}

/// Why an attempt did not make a safe disc, though another may.
enum Failed {
    Burn,
    ReadBack,
}

impl Station<'_> {
    /// Burns every disc that waits, the lowest number first, or only the named ones.
    pub fn burn_waiting(&mut self, only: &[DiscNo]) -> Result<Vec<DiscInfo>, FlowError> {
        let mut burned = Vec::new();
        for disc in waiting(self.catalog, self.set)? {
            if only.is_empty() || only.contains(&disc.number) {
                self.make_safe(&disc)?;
                burned.push(disc);
            }
        }
        Ok(burned)
    }

    /// Burns and verifies one disc until it is safe.
    pub fn make_safe(&mut self, disc: &DiscInfo) -> Result<(), FlowError> {
        let mut failed = Failed::Burn;
        if self.is_burned_already(disc)? {
            match self.read_back(disc)? {
                Ok(()) => return Ok(()),
                Err(why) => failed = why,
            }
        }
        for _ in 0..TRIES {
            match self.attempt(disc)? {
                Ok(()) => return Ok(()),
                Err(why) => failed = why,
            }
        }
        let (disc, tries) = (disc.number, TRIES);
        Err(match failed {
            Failed::Burn => FlowError::BurnFailed { disc, tries },
            Failed::ReadBack => FlowError::ReadBackFailed { disc, tries },
        })
    }

    /// A run that was killed may have burned the disc and not said so, or may have left the burner
    /// at work.
    fn is_burned_already(&mut self, disc: &DiscInfo) -> Result<bool, FlowError> {
        let monitor = self.desk.monitor;
        self.drives.burner.settle(&|words| monitor.note(words), self.desk.stop)?;
        if self.drives.burner.find(&label(self.set, disc)).is_err() {
            return Ok(false);
        }
        monitor.note(&format!(
            "disc {} is in {} already; it is read back",
            disc.number,
            self.drives.burner.title()
        ));
        let copies = self.catalog.copies(self.set.id, disc.number)?;
        if copies.last().is_none_or(|copy| copy.state != CopyState::Burned) {
            self.record_burned(disc)?;
        }
        Ok(true)
    }

    fn attempt(&mut self, disc: &DiscInfo) -> Result<Result<(), Failed>, FlowError> {
        let files = self.catalog.disc_files(self.set.id, disc.number)?;
        let job = burn_job(self.staging, self.set, disc, &files);
        check_size(&job, self.desk.stop).map_err(|error| burn_error(error, disc, ""))?;
        self.prove_image(&job, disc, &files)?;
        let blank = self.blank_for(&job, disc)?;
        match burn(job, blank, &mut *self.drives.burner, self.desk.monitor, self.desk.stop) {
            Ok(Burned { .. }) => {
                self.record_burned(disc)?;
                self.read_back(disc)
            }
            Err(BurnError::Drive(error @ DriveError::Write { .. })) => self.doubt(disc, &error),
            Err(error) => Err(burn_error(error, disc, &self.drives.burner.title())),
        }
    }

    /// Where a whole image is burned, it is verified before a blank is spent on it: what is wrong
    /// then is the staged disc, not the medium.
    fn prove_image(
        &mut self,
        job: &BurnJob,
        disc: &DiscInfo,
        files: &[DiscFile],
    ) -> Result<(), FlowError> {
        let Desk { monitor, stop, .. } = self.desk;
        let image = make_image(job, &mut *self.drives.burner, monitor, stop)
            .map_err(|error| burn_error(error, disc, ""))?;
        let Some(image) = image else { return Ok(()) };
        let expected: Vec<Expected> = files.iter().map(expected).collect();
        match verify(&*image, disc.uuid, &expected, disc.image, monitor, stop)? {
            Verdict::Sound(_) => Ok(()),
            Verdict::Damaged(faults) => {
                let words: Vec<String> =
                    faults.iter().map(|fault| format!("{}: {}", fault.path, fault.what)).collect();
                Err(FlowError::StagedDamaged { disc: disc.number, words: words.join("; ") })
            }
        }
    }

    fn blank_for(&mut self, job: &BurnJob, disc: &DiscInfo) -> Result<Blank, FlowError> {
        let wanted = blank_words(&self.set.facts.name, disc);
        with_medium(&mut *self.drives.burner, self.desk, &wanted, |drive| {
            take_blank(job, drive).map_err(|error| burn_error(error, disc, &drive.title()))
        })
    }

    /// The burning program says that it failed. It neither blesses nor condemns: if the disc can be
    /// read, what is on it decides.
    fn doubt(
        &mut self,
        disc: &DiscInfo,
        error: &DriveError,
    ) -> Result<Result<(), Failed>, FlowError> {
        let label = label(self.set, disc);
        if self.drives.burner.find(&label).is_ok() {
            self.desk.monitor.note(&format!("{}; what is on the disc decides", chain(error)));
            self.record_burned(disc)?;
            return self.read_back(disc);
        }
        self.catalog.record_failure(self.set.id, disc.number)?;
        self.say_failed(disc, &chain(error));
        if let Some(slot) = self.drives.burner.slot() {
            slot.eject()?;
        }
        Ok(Err(Failed::Burn))
    }

    fn say_failed(&self, disc: &DiscInfo, why: &str) {
        self.desk
            .monitor
            .note(&format!("disc {}: {why}; it goes onto the next blank", disc.number));
    }

    fn record_burned(&mut self, disc: &DiscInfo) -> Result<(), FlowError> {
        let medium = self.drives.burner.medium();
        self.catalog.record_copy(self.set.id, disc.number, &medium, "", Moment::now())?;
        Ok(())
    }

    /// Reads the newest copy back. Only what comes out of this counts.
    fn read_back(&mut self, disc: &DiscInfo) -> Result<Result<(), Failed>, FlowError> {
        let found = self.obtain(disc)?;
        let files = self.catalog.disc_files(self.set.id, disc.number)?;
        let faults = match found {
            Ok(reader) => {
                let phase = Phase {
                    what: "verifying",
                    disc: Some(disc.number.0),
                    total: Some(files.iter().map(|file| file.size.0).sum()),
                };
                self.desk.monitor.phase(&phase);
                let expected: Vec<Expected> = files.iter().map(expected).collect();
                let Desk { monitor, stop, .. } = self.desk;
                match verify(&*reader, disc.uuid, &expected, disc.image, monitor, stop)? {
                    Verdict::Sound(proof) => {
                        drop(reader);
                        return self.bless(disc, &proof).map(Ok);
                    }
                    Verdict::Damaged(faults) => faults,
                }
            }
            Err(error) => vec![Fault { path: "the disc".to_owned(), what: chain(&error) }],
        };
        self.condemn(disc, &faults)?;
        Ok(Err(Failed::ReadBack))
    }

    /// The disc that was just burned, in the drive that reads it back; or why it cannot be read.
    /// A medium that is not there can be inserted again; one that cannot be read is judged.
    fn obtain(
        &mut self,
        disc: &DiscInfo,
    ) -> Result<Result<Box<dyn DiscReader>, DriveError>, FlowError> {
        if self.drives.reader.is_some() {
            if let Some(slot) = self.drives.burner.slot() {
                slot.eject()?;
            }
        }
        let label = label(self.set, disc);
        let wanted = format!("{label}, which was just burned and is to be read back");
        with_medium(self.drives.reader(), self.desk, &wanted, |drive| match drive.find(&label) {
            Ok(reader) => Ok(Ok(reader)),
            Err(DriveError::Stopped(stopped)) => Err(stopped.into()),
            Err(
                error @ (DriveError::NotThere { .. }
                | DriveError::WrongDisc { .. }
                | DriveError::Foreign(_)),
            ) if drive.slot().is_some() => Err(error.into()),
            Err(error) => Ok(Err(error)),
        })
    }

    /// The only place where a disc becomes safe: it takes a proof, and only `verify` makes those.
    fn bless(&mut self, disc: &DiscInfo, proof: &Proof) -> Result<(), FlowError> {
        debug_assert_eq!(proof.disc(), disc.uuid);
        let details = format!("{} files, {} bytes", proof.files(), proof.bytes());
        self.record_finding(disc, Finding::Ok, details)?;
        self.staging.remove(self.set, disc.number)?;
        let Some(slot) = self.drives.reader().slot() else { return Ok(()) };
        slot.eject()?;
        let name = volume_id(disc.number, &self.set.facts.name);
        self.desk
            .monitor
            .note(&format!("disc {} is verified and handed out: write {name} on it", disc.number));
        Ok(())
    }

    fn condemn(&mut self, disc: &DiscInfo, faults: &[Fault]) -> Result<(), FlowError> {
        for fault in faults {
            let thing = format!("disc {}: {}", disc.number, fault.path);
            self.desk.monitor.trouble(&Trouble { thing, what: fault.what.clone() });
        }
        let details: Vec<String> =
            faults.iter().map(|fault| format!("{} {}", fault.path, fault.what)).collect();
        self.record_finding(disc, Finding::Damaged, details.join("\n"))?;
        self.drives.reader().reject(&label(self.set, disc))?;
        self.say_failed(disc, "reading it back found damage");
        Ok(())
    }

    fn record_finding(
        &mut self,
        disc: &DiscInfo,
        finding: Finding,
        details: String,
    ) -> Result<(), FlowError> {
        let copies = self.catalog.copies(self.set.id, disc.number)?;
        let Some(copy) = copies.last() else { return Ok(()) };
        let seen = Verification {
            disc: disc.number,
            copy: copy.number,
            at: Moment::now(),
            drive: self.drives.reader().title(),
            finding,
            details,
        };
        Ok(self.catalog.record_verification(self.set.id, &seen)?)
    }
}

fn burn_error(error: BurnError, disc: &DiscInfo, drive: &str) -> FlowError {
    match error {
        BurnError::Drive(DriveError::NoMoreBlanks { drive }) => {
            FlowError::NoBlank { drive, disc: disc.number }
        }
        BurnError::TooSmall { need, free } => FlowError::BlankTooSmall {
            drive: drive.to_owned(),
            disc: disc.number,
            need: need.bytes(),
            free: free.bytes(),
        },
        BurnError::Drive(error) => error.into(),
        error @ BurnError::Prediction { .. } => {
            FlowError::Unburnable { disc: disc.number, source: error }
        }
    }
}

/// A file as the catalog wants it to be.
pub fn expected(file: &DiscFile) -> Expected {
    Expected { path: file.path.clone(), size: file.size.0, sha256: file.sha256 }
}

/// Discs that are packed and not safe yet.
pub fn waiting(catalog: &Catalog, set: &KnownSet) -> Result<Vec<DiscInfo>, FlowError> {
    let mut discs = catalog.discs(set.id)?;
    discs.retain(|disc| matches!(disc.state, DiscState::Staged | DiscState::Failed));
    Ok(discs)
}
