//! From staged to safe: burn, read back, record; a disc that fails goes onto the next blank.

use crate::burn::{BurnError, Burned, burn};
use crate::catalog::{Catalog, CopyState, DiscInfo, DiscState, Finding, KnownSet, Verification};
use crate::drive::{Drive, DriveError};
use crate::model::DiscNo;
use crate::port::clock::Moment;
use crate::port::monitor::{Phase, Trouble};
use crate::verify::{Expected, Fault, Proof, Verdict, verify};

use super::staging::{Staging, burn_job, label};
use super::{Desk, FlowError, chain};

/// Blanks that one disc may cost in one run.
const TRIES: u32 = 3;

/// A disc and the drive that is to bear it.
pub struct Station<'a> {
    pub catalog: &'a mut Catalog,
    pub staging: &'a Staging,
    pub set: &'a KnownSet,
    pub drive: &'a mut dyn Drive,
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

    /// A run that was killed may have burned the disc and not said so.
    fn is_burned_already(&mut self, disc: &DiscInfo) -> Result<bool, FlowError> {
        match self.drive.find(&label(self.set, disc)) {
            Ok(_) => {
                self.desk.monitor.note(&format!(
                    "disc {} is in {} already; it is read back",
                    disc.number,
                    self.drive.title()
                ));
                let copies = self.catalog.copies(self.set.id, disc.number)?;
                if copies.last().is_none_or(|copy| copy.state != CopyState::Burned) {
                    self.record_burned(disc)?;
                }
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    fn attempt(&mut self, disc: &DiscInfo) -> Result<Result<(), Failed>, FlowError> {
        let files = self.catalog.disc_files(self.set.id, disc.number)?;
        let job = burn_job(self.staging, self.set, disc, &files);
        match burn(job, self.drive, self.desk.monitor, self.desk.stop) {
            Ok(Burned { .. }) => {
                self.record_burned(disc)?;
                self.read_back(disc)
            }
            Err(BurnError::Drive(DriveError::NoMoreBlanks { drive })) => {
                Err(FlowError::NoBlank { drive, disc: disc.number })
            }
            Err(BurnError::TooSmall { need, free }) => Err(FlowError::BlankTooSmall {
                drive: self.drive.title(),
                disc: disc.number,
                need: need.bytes(),
                free: free.bytes(),
            }),
            Err(BurnError::Drive(error @ DriveError::Write { .. })) => {
                self.catalog.record_failure(self.set.id, disc.number)?;
                self.say_failed(disc, &chain(&error));
                Ok(Err(Failed::Burn))
            }
            Err(BurnError::Drive(error)) => Err(error.into()),
            Err(error @ BurnError::Prediction { .. }) => {
                Err(FlowError::Unburnable { disc: disc.number, source: error })
            }
        }
    }

    fn say_failed(&self, disc: &DiscInfo, why: &str) {
        self.desk
            .monitor
            .note(&format!("disc {}: {why}; it goes onto the next blank", disc.number));
    }

    fn record_burned(&mut self, disc: &DiscInfo) -> Result<(), FlowError> {
        let medium = self.drive.title();
        self.catalog.record_copy(self.set.id, disc.number, &medium, "", Moment::now())?;
        Ok(())
    }

    /// Reads the newest copy back. Only what comes out of this counts.
    fn read_back(&mut self, disc: &DiscInfo) -> Result<Result<(), Failed>, FlowError> {
        let found = self.drive.find(&label(self.set, disc));
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
                let desk = self.desk;
                match verify(&*reader, disc.uuid, &expected, disc.image, desk.monitor, desk.stop)? {
                    Verdict::Sound(proof) => return self.bless(disc, &proof).map(Ok),
                    Verdict::Damaged(faults) => faults,
                }
            }
            Err(error) => vec![Fault { path: "the disc".to_owned(), what: chain(&error) }],
        };
        self.condemn(disc, &faults)?;
        Ok(Err(Failed::ReadBack))
    }

    /// The only place where a disc becomes safe: it takes a proof, and only `verify` makes those.
    fn bless(&mut self, disc: &DiscInfo, proof: &Proof) -> Result<(), FlowError> {
        debug_assert_eq!(proof.disc(), disc.uuid);
        let details = format!("{} files, {} bytes", proof.files(), proof.bytes());
        self.record_finding(disc, Finding::Ok, details)?;
        self.staging.remove(self.set, disc.number)
    }

    fn condemn(&mut self, disc: &DiscInfo, faults: &[Fault]) -> Result<(), FlowError> {
        for fault in faults {
            let thing = format!("disc {}: {}", disc.number, fault.path);
            self.desk.monitor.trouble(&Trouble { thing, what: fault.what.clone() });
        }
        let details: Vec<String> =
            faults.iter().map(|fault| format!("{} {}", fault.path, fault.what)).collect();
        self.record_finding(disc, Finding::Damaged, details.join("\n"))?;
        self.drive.reject(&label(self.set, disc))?;
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
            drive: self.drive.title(),
            finding,
            details,
        };
        Ok(self.catalog.record_verification(self.set.id, &seen)?)
    }
}

/// A file as the catalog wants it to be.
pub fn expected(file: &crate::catalog::DiscFile) -> Expected {
    Expected { path: file.path.clone(), size: file.size.0, sha256: file.sha256 }
}

/// Discs that are packed and not safe yet.
pub fn waiting(catalog: &Catalog, set: &KnownSet) -> Result<Vec<DiscInfo>, FlowError> {
    let mut discs = catalog.discs(set.id)?;
    discs.retain(|disc| matches!(disc.state, DiscState::Staged | DiscState::Failed));
    Ok(discs)
}
