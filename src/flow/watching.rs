//! `coldcut watch`: stays with a drive. A blank gets the next staged disc, a disc of ours is
//! verified, anything else is handed out. All that it touches is packed already, so it needs no
//! passphrase.

use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::{Access, Catalog, CatalogError, DiscInfo, KnownSet};
use crate::drive::{Drive, DriveError};
use crate::model::{DiscNo, SetName};
use crate::port::clock::{Deadline, pause};
use crate::port::operator::Summons;

use super::burning::{Drives, Station};
use super::drilling::drill_without_keys;
use super::insertion::{Patience, blank_words};
use super::lost_staging::{lost_discs, lost_words};
use super::records::waiting;
use super::staging::Staging;
use super::verifying::{VerifyRequest, verify_from};
use super::{Desk, FlowError, chain};

/// Between two looks for discs that were staged meanwhile.
const LOOK: Duration = Duration::from_secs(20);

pub struct WatchRequest {
    /// The drive's path, for people.
    pub device: PathBuf,
    pub catalog: PathBuf,
    pub staging: PathBuf,
    pub scratch: PathBuf,
    /// End when nothing is left to burn.
    pub until_done: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchReport {
    /// Set and number of the discs that were burned and verified.
    pub burned: Vec<(String, u32)>,
    /// Something failed and was told.
    pub failures: u64,
    /// Discs of ours that proved damaged.
    pub damaged: u64,
}

/// What lies in the drive, as far as watching goes.
enum Content {
    Nothing,
    Blank,
    /// Described for people.
    Written(String),
}

/// Runs until it is stopped, or (if so asked) until all that was staged is safe.
pub fn watch(
    request: &WatchRequest,
    drives: &mut Drives,
    desk: Desk,
) -> Result<WatchReport, FlowError> {
    // What is in the drive counts; nobody is asked within a step.
    let desk = Desk { patience: Patience::AtMost(Duration::ZERO), ..desk };
    let mut watch = Watch {
        request,
        desk,
        report: WatchReport::default(),
        said: None,
        lost: Vec::new(),
        done: None,
    };
    watch.run(drives)?;
    Ok(watch.report)
}

struct Watch<'a> {
    request: &'a WatchRequest,
    desk: Desk<'a>,
    report: WatchReport,
    /// What was asked for last: nobody wants to read it twice.
    said: Option<String>,
    /// Discs whose staging is gone, as far as that was told.
    lost: Vec<(SetName, DiscNo)>,
    /// The written disc that was dealt with and still lies there.
    done: Option<String>,
}

impl Watch<'_> {
    fn run(&mut self, drives: &mut Drives) -> Result<(), FlowError> {
        let monitor = self.desk.monitor;
        drives.burner.settle(&|words| monitor.note(words), self.desk.stop)?;
        loop {
            self.desk.stop.check()?;
            let wanted = self.wanted()?;
            if wanted.is_none() && self.request.until_done {
                return Ok(());
            }
            match content(&mut *drives.burner)? {
                Content::Blank => match wanted {
                    Some((set, disc)) => self.burn(&set, &disc, drives)?,
                    None => self.idle("nothing is staged; the blank stays in the drive")?,
                },
                Content::Written(words) if self.done.as_ref() == Some(&words) => {
                    pause(LOOK, self.desk.stop).map_err(FlowError::from)?;
                }
                Content::Written(words) => self.check(words, drives)?,
                Content::Nothing => self.call(wanted.as_ref(), &mut *drives.burner)?,
            }
        }
    }

    /// The disc that is to be burned next, of any set.
    fn wanted(&mut self) -> Result<Option<(KnownSet, DiscInfo)>, FlowError> {
        let catalog = match Catalog::open(&self.request.catalog, Access::Read) {
            Err(CatalogError::Missing { .. }) => return Ok(None),
            opened => opened?,
        };
        let staging = Staging::open(&self.request.staging)?;
        for set in catalog.sets()? {
            self.tell_lost(&catalog, &set, &staging)?;
            if let Some(disc) = waiting(&catalog, &set, &staging)?.into_iter().next() {
                return Ok(Some((set, disc)));
            }
        }
        Ok(None)
    }

    fn tell_lost(
        &mut self,
        catalog: &Catalog,
        set: &KnownSet,
        staging: &Staging,
    ) -> Result<(), FlowError> {
        for disc in lost_discs(catalog, set, staging)? {
            let lost = (set.facts.name.clone(), disc.number);
            if !self.lost.contains(&lost) {
                self.desk.monitor.note(&format!("{}: {}", lost.0, lost_words(disc.number)));
                self.report.failures += 1;
                self.lost.push(lost);
            }
        }
        Ok(())
    }

    fn idle(&mut self, words: &str) -> Result<(), FlowError> {
        self.say(words);
        Ok(pause(LOOK, self.desk.stop)?)
    }

    fn say(&mut self, words: &str) {
        if self.said.as_deref() != Some(words) {
            self.desk.monitor.note(words);
            self.said = Some(words.to_owned());
        }
    }

    /// Asks for what is wanted next, and waits a while for anything to be inserted.
    fn call(
        &mut self,
        wanted: Option<&(KnownSet, DiscInfo)>,
        drive: &mut dyn Drive,
    ) -> Result<(), FlowError> {
        self.done = None;
        let words = match wanted {
            Some((set, disc)) => blank_words(&set.facts.name, disc),
            None => "a disc to verify; nothing is staged".to_owned(),
        };
        if self.said.as_ref() != Some(&words) {
            self.desk.operator.summon(&Summons { drive: drive.title(), wanted: words.clone() });
            self.said = Some(words);
        }
        let title = drive.title();
        let slot = drive.slot().ok_or(FlowError::NoSlot(title))?;
        slot.await_medium(&Deadline::after(LOOK), self.desk.stop)?;
        Ok(())
    }

    fn burn(
        &mut self,
        set: &KnownSet,
        disc: &DiscInfo,
        drives: &mut Drives,
    ) -> Result<(), FlowError> {
        self.said = None;
        let staging = Staging::open(&self.request.staging)?;
        let mut catalog = match Catalog::open(&self.request.catalog, Access::Write) {
            Err(error @ CatalogError::Locked { .. }) => {
                let words = format!("{}; burning waits for it", chain(&error));
                return self.idle(&words);
            }
            opened => opened?,
        };
        match self.drill_and_burn(&mut catalog, &staging, set, disc, drives) {
            Ok(()) => {
                super::ended_well(&catalog, self.desk);
                self.report.burned.push((set.facts.name.to_string(), disc.number.0));
            }
            Err(FlowError::Stopped(stopped)) => return Err(stopped.into()),
            Err(error) => self.tell(&error, drives)?,
        }
        Ok(())
    }

    fn drill_and_burn(
        &self,
        catalog: &mut Catalog,
        staging: &Staging,
        set: &KnownSet,
        disc: &DiscInfo,
        drives: &mut Drives,
    ) -> Result<(), FlowError> {
        drill_without_keys(catalog, staging, set, disc, self.desk)?;
        Station { staging, set, drives, desk: self.desk }.burn_one(catalog, disc)
    }

    /// A failure ends this disc's turn and not the watch; the medium is handed out, so that it is
    /// not tried for ever.
    fn tell(&mut self, error: &FlowError, drives: &mut Drives) -> Result<(), FlowError> {
        let is_call = matches!(error, FlowError::NeverCame { .. });
        if !is_call {
            self.report.failures += 1;
        }
        self.desk.monitor.note(&chain(error));
        hand_out(&mut *drives.burner)
    }

    /// A disc that bears something: one of ours is verified.
    fn check(&mut self, words: String, drives: &mut Drives) -> Result<(), FlowError> {
        self.said = None;
        let request = VerifyRequest {
            signed_by: None,
            from: self.request.device.clone(),
            catalog: self.request.catalog.clone(),
            name: None,
            scratch: self.request.scratch.clone(),
        };
        match verify_from(&request, Some(&mut *drives.burner), self.desk) {
            Ok(report) => {
                let verdict = if report.is_sound() { "every byte is right" } else { "DAMAGED" };
                self.desk.monitor.note(&format!("{words}: {verdict}"));
                self.report.damaged += u64::from(!report.is_sound());
            }
            Err(FlowError::Stopped(stopped)) => return Err(stopped.into()),
            Err(error) => self.desk.monitor.note(&format!("{words}: {}", chain(&error))),
        }
        self.done = Some(words);
        hand_out(&mut *drives.burner)
    }
}

fn content(drive: &mut dyn Drive) -> Result<Content, FlowError> {
    if is_blank(drive)? {
        return Ok(Content::Blank);
    }
    let title = drive.title();
    let slot = drive.slot().ok_or(FlowError::NoSlot(title))?;
    Ok(slot.content()?.map_or(Content::Nothing, Content::Written))
}

fn is_blank(drive: &mut dyn Drive) -> Result<bool, FlowError> {
    match drive.blank_capacity() {
        Ok(capacity) => Ok(capacity.is_some()),
        Err(error) if error.is_about_the_medium() => Ok(false),
        Err(DriveError::Stopped(stopped)) => Err(stopped.into()),
        Err(error) => Err(error.into()),
    }
}

fn hand_out(drive: &mut dyn Drive) -> Result<(), FlowError> {
    match drive.slot() {
        Some(slot) => Ok(slot.eject()?),
        None => Ok(()),
    }
}
