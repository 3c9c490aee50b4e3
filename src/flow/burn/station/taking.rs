//! Chooses the medium for a disc: a copy that an earlier run burned and did not verify, or a blank.
//! Copies are identical to the last byte, so the disc in a drive is taken for the unverified one
//! only if it cannot be another one, if it was inserted after it was asked for, or if a person
//! confirms it.

use crate::catalog::{ClosedDiscInfo, Copy, CopyNo, KnownSet};
use crate::drive::burning::{BurnError, check_size, make_image, take_blank};
use crate::drive::{Blank, BurnJob, Drive, DriveError};
use crate::model::DiscIdentity;
use crate::port::notice::BurnNotice;
use crate::port::question::{Answer, Question};
use crate::port::wanted::{BurnDate, WantedBlank, WantedDisc, WantedMedium};
use crate::verify::Verdict;

use crate::flow::burn::records::{BurnOrder, Copies, CopyStep, SharedCopies};
use crate::flow::burn::station::attempt::{BurnAttempt, burn_error};
use crate::flow::library::insertion::{Came, when_free, with_medium};
use crate::flow::staging::area::burn_job;
use crate::flow::{BurnFailure, Context, FlowError};

/// What a turn continues with.
pub(super) enum Taken {
    /// It was burned already, and is in the drive.
    Unread,
    Blank(Box<BurnJob>, Blank),
}

/// Whether the disc in a drive, of which there are several copies, is the one that is wanted.
pub(super) fn is_meant(
    drive: &dyn Drive,
    came: Came,
    wanted: &WantedDisc,
    context: Context,
) -> bool {
    let (drive, wanted) = (drive.title(), wanted.clone());
    match came {
        Came::AsAsked => true,
        Came::Before => says_yes(Question::IsThisDisc { drive, wanted }, context),
        Came::Loaded => false,
    }
}

fn says_yes(question: Question, context: Context) -> bool {
    context.operator.ask(question) == Answer::Yes
}

/// Looks at media.
struct Seeker<'a> {
    label: DiscIdentity,
    disc: &'a ClosedDiscInfo,
    wanted: WantedMedium,
    /// The copy that nobody read back, if there is one.
    unread: WantedDisc,
    has_unread: bool,
    copies: &'a SharedCopies,
    context: Context<'a>,
}

impl Seeker<'_> {
    /// Whether the drive holds the disc, and it may be the copy that nobody read back.
    fn is_there(&self, drive: &mut dyn Drive) -> Result<bool, FlowError> {
        // Nothing is known of any copy: one that is there was burned by a run that did not record it.
        if !self.has_unread && !self.copies.now().is_first() {
            return Ok(false);
        }
        match drive.find(&self.label) {
            Ok(_) => Ok(true),
            Err(DriveError::Stopped(stopped)) => Err(stopped.into()),
            // Nothing is known of a disc that went away meanwhile.
            Err(DriveError::Gone(absence)) => Err(absence.into()),
            Err(error) if error.is_in_use() => Err(error.into()),
            // Nothing to continue with; if it is not a blank either, taking one says why.
            Err(_) => Ok(false),
        }
    }

    fn is_it(&self, drive: &dyn Drive, came: Came) -> bool {
        !self.has_others() || is_meant(drive, came, &self.unread, self.context)
    }

    fn has_others(&self) -> bool {
        self.copies.now().has_others_than(None)
    }

    fn take(
        &self,
        job: &BurnJob,
        drive: &mut dyn Drive,
        came: Came,
    ) -> Result<Option<Blank>, FlowError> {
        let refusal = match take_blank(job, drive) {
            Ok(blank) => return self.may_burn(drive, came).map(|()| Some(blank)),
            Err(refusal) => refusal,
        };
        let is_written = matches!(
            refusal,
            BurnError::Drive(
                DriveError::NotBlank { .. }
                    | DriveError::WouldOverwrite { .. }
                    | DriveError::Unusable { .. }
            )
        );
        if !is_written || !self.is_there(drive)? {
            return Err(burn_error(refusal, self.disc, &drive.title()));
        }
        match self.is_it(drive, came) {
            true => Ok(None),
            false => {
                let (drive, wanted) = (drive.title(), self.unread.clone().into());
                Err(FlowError::PerhapsAnother { drive, wanted })
            }
        }
    }

    /// No disc is burned a second time only because a blank lay there: it was asked for, or a
    /// person says so.
    fn may_burn(&self, drive: &dyn Drive, came: Came) -> Result<(), FlowError> {
        if !self.has_unread || came != Came::Before {
            return Ok(());
        }
        let (drive, unread) = (drive.title(), self.unread.clone());
        let question = Question::BurnAgain { drive: drive.clone(), unread: unread.clone() };
        match says_yes(question, self.context) {
            true => Ok(()),
            false => Err(BurnFailure::NotOnceMore { drive, unread: unread.into() }.into()),
        }
    }
}

impl<'a> BurnAttempt<'a> {
    fn seeker(&self) -> Seeker<'a> {
        let order: &'a BurnOrder = self.order;
        let wanted = self.wanted();
        let any_copy = || WantedDisc::new(&self.set.facts.name, order.disc.number);
        Seeker {
            label: self.label(),
            disc: &order.disc,
            unread: wanted.first_disc().cloned().unwrap_or_else(any_copy),
            wanted,
            has_unread: self.unread.is_some(),
            copies: self.copies,
            context: self.context,
        }
    }
}

impl BurnAttempt<'_> {
    /// Whether there is something to read back before anybody is asked for anything.
    pub(super) fn lies_there(&mut self) -> Result<bool, FlowError> {
        match self.drives.have_hands() {
            true => self.is_in_drive(),
            false => self.is_at_place(),
        }
    }

    pub(super) fn take(&mut self) -> Result<Taken, FlowError> {
        let mut job = burn_job(self.staging, self.set, self.disc(), &self.order.files);
        job.image = self.order.image.clone();
        check_size(&job, self.context.stop).map_err(|error| burn_error(error, self.disc(), ""))?;
        self.prove_image(&job)?;
        self.medium_for(job)
    }

    /// Where a whole image is burned, it is verified before a blank is spent on it: what is wrong
    /// then is the staged disc, not the medium.
    fn prove_image(&mut self, job: &BurnJob) -> Result<(), FlowError> {
        let Context { monitor, stop, .. } = self.context;
        let image = make_image(job, &mut *self.drives.burner, monitor, stop)
            .map_err(|error| burn_error(error, self.disc(), ""))?;
        let Some(image) = image else { return Ok(()) };
        match self.verify(&*image)? {
            Verdict::Sound(_) => Ok(()),
            Verdict::Damaged(faults) => {
                let words: Vec<String> =
                    faults.iter().map(|fault| format!("{}: {}", fault.path, fault.what)).collect();
                let (disc, words) = (self.disc().number, words.join("; "));
                Err(BurnFailure::StagedDamaged { disc, words }.into())
            }
        }
    }

    /// A place where nobody changes media carries the image that was put there, and no other.
    fn is_at_place(&mut self) -> Result<bool, FlowError> {
        let place = self.drives.burner.medium();
        let mut here = {
            let mut copies = self.copies.now();
            let unread = std::mem::take(&mut copies.unread);
            let (here, elsewhere): (Vec<Copy>, Vec<Copy>) =
                unread.into_iter().partition(|copy| copy.medium.is_where(&place));
            copies.unread = elsewhere;
            here
        };
        match self.drives.burner.find(&self.label()).map(drop) {
            Ok(()) => self.go_on_with(here.pop()).map(|()| true),
            // A burn that was cut off left nothing.
            Err(DriveError::NotThere { .. }) => {
                for void in here {
                    self.copy = void.number;
                    self.record(CopyStep::Void)?;
                }
                Ok(false)
            }
            Err(DriveError::Gone(absence)) => Err(absence.into()),
            Err(DriveError::Stopped(stopped)) => Err(stopped.into()),
            Err(_) => Ok(false),
        }
    }

    /// Looks at what is in the drive before anything is prepared, and asks nobody.
    fn is_in_drive(&mut self) -> Result<bool, FlowError> {
        let seeker = self.seeker();
        let is_sure = !seeker.has_others() || self.drives.came == Came::AsAsked;
        let (deadline, burner) = (self.context.wait_limit.deadline(), &mut *self.drives.burner);
        if !is_sure || !when_free(self.context, &deadline, || seeker.is_there(burner))? {
            return Ok(false);
        }
        let copy = self.unread.take();
        self.go_on_with(copy).map(|()| true)
    }

    fn medium_for(&mut self, job: BurnJob) -> Result<Taken, FlowError> {
        let seeker = self.seeker();
        let mut at_first = Some(self.drives.came);
        let burner = &mut *self.drives.burner;
        let blank = with_medium(burner, self.context, &seeker.wanted, |drive, came| {
            seeker.take(&job, drive, at_first.take().unwrap_or(came))
        })?;
        if let Some(blank) = blank {
            return Ok(Taken::Blank(Box::new(job), blank));
        }
        let copy = self.unread.take();
        self.go_on_with(copy)?;
        Ok(Taken::Unread)
    }

    /// Reading back is all that is left to do. A copy that nobody recorded is recorded now.
    fn go_on_with(&mut self, copy: Option<Copy>) -> Result<(), FlowError> {
        let (disc, drive) = (self.disc().number, self.drives.burner.title());
        self.context.monitor.note(BurnNotice::AlreadyInDrive { disc, drive }.into());
        let Some(copy) = copy else {
            self.begin()?;
            return self.record_burned();
        };
        if let Err(recalled) = self.records.has_burned(copy.number) {
            // The next turn of this disc is about it.
            self.unread = Some(copy);
            return Err(recalled);
        }
        (self.copy, self.since) = (copy.number, Some(copy.burned));
        if self.drives.have_hands() {
            self.copies.now().in_work.push(copy.number);
        }
        Ok(())
    }

    fn wanted(&self) -> WantedMedium {
        let next = self.copies.now().next;
        wanted(self.set, self.disc(), self.unread.as_ref(), next, self.order.wanted)
    }

    pub(super) fn wanted_back(&self) -> WantedDisc {
        let wanted = WantedDisc::new(&self.set.facts.name, self.disc().number);
        let burned = self.since.map_or(BurnDate::JustNow, BurnDate::On);
        wanted.copy(self.shown(self.copy)).burned(burned)
    }

    pub(super) fn shown(&self, copy: CopyNo) -> Option<u32> {
        shown(copy, self.order.wanted)
    }
}

/// What to insert for the next copy of a disc: what was burned and not read back comes first.
pub fn medium_wanted(
    set: &KnownSet,
    disc: &ClosedDiscInfo,
    copies: &Copies,
    of: usize,
) -> WantedMedium {
    wanted(set, disc, copies.unread_in_drive(), copies.next, of)
}

fn wanted(
    set: &KnownSet,
    disc: &ClosedDiscInfo,
    unread: Option<&Copy>,
    next: CopyNo,
    of: usize,
) -> WantedMedium {
    let sectors = disc.closing.image;
    if let Some(unread) = unread {
        let wanted = WantedDisc::new(&set.facts.name, disc.number);
        let wanted = wanted.copy(shown(unread.number, of));
        return WantedMedium::DiscOrBlank {
            disc: wanted.burned(BurnDate::On(unread.burned)),
            sectors,
        };
    }
    WantedMedium::Blank(WantedBlank {
        set: set.facts.name.clone(),
        disc: disc.number,
        sectors,
        copy: shown(next, of),
        copies: u32::try_from(of).ok().filter(|of| next.0 <= *of),
    })
}

/// A copy's number, where there is more than one.
fn shown(copy: CopyNo, wanted: usize) -> Option<u32> {
    (wanted > 1 || copy.0 > 1).then_some(copy.0)
}
