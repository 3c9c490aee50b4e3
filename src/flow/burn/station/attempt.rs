//! One disc's turn in the drives: what it knows, and what it tells.

use crate::catalog::{ClosedDiscInfo, Copy, CopyNo, KnownSet};
use crate::drive::burning::BurnError;
use crate::drive::{DiscReader, DriveError};
use crate::flow::base::expected::expected;
use crate::flow::burn::records::{BurnOrder, CopyStep, DiscEvent, NewCopy, Records, SharedCopies};
use crate::flow::burn::station::drives::Drives;
use crate::flow::staging::area::{Staging, label};
use crate::flow::{BurnFailure, Context, FlowError};
use crate::model::DiscIdentity;
use crate::port::clock::Moment;
use crate::port::event::Activity;
use crate::port::monitor::NewTask;
use crate::verify::{ExpectedFile, Verdict, verify};

/// One disc's turn in the drives.
pub(super) struct BurnAttempt<'a> {
    pub(super) order: &'a BurnOrder,
    pub(super) copies: &'a SharedCopies,
    /// A copy that a run before did not read back: this turn may continue with it.
    pub(super) unread: Option<Copy>,
    /// The one in progress, or the next.
    pub(super) copy: CopyNo,
    /// It was burned in another drive.
    pub(super) is_from_elsewhere: bool,
    /// When it was burned, if a run before did that.
    pub(super) since: Option<Moment>,
    pub(super) staging: &'a Staging,
    pub(super) set: &'a KnownSet,
    pub(super) drives: &'a mut Drives,
    pub(super) context: Context<'a>,
    pub(super) records: &'a mut dyn Records,
}

impl BurnAttempt<'_> {
    pub(super) fn disc(&self) -> &ClosedDiscInfo {
        &self.order.disc
    }

    pub(super) fn label(&self) -> DiscIdentity {
        label(self.set, self.disc())
    }

    pub(super) fn begin(&mut self) -> Result<(), FlowError> {
        self.records.has_medium()?;
        let (disc, at, least) = (self.disc().number, Moment::now(), self.copies.now().next);
        let medium = self.drives.burner.medium();
        let copy = self.records.begin(NewCopy { disc, medium, at, least })?;
        (self.copy, self.since) = (copy, None);
        let has_hands = self.drives.have_hands();
        {
            let mut copies = self.copies.now();
            copies.next = CopyNo(copies.next.0.max(copy.0 + 1));
            copies.in_work.extend(has_hands.then_some(copy));
        }
        // Nobody fills it up any more.
        self.staging.drop_rows(self.set, disc)
    }

    /// The copy in progress is none of those any more that could be mixed up; `lies_about`: its
    /// medium is one from now on, for all others.
    pub(super) fn leave(&mut self, lies_about: bool) {
        let mut copies = self.copies.now();
        copies.in_work.retain(|copy| *copy != self.copy);
        copies.has_others |= lies_about;
    }

    pub(super) fn record_burned(&mut self) -> Result<(), FlowError> {
        let medium = self.drives.burner.medium();
        self.record(CopyStep::Burned { medium })
    }

    pub(super) fn record(&mut self, step: CopyStep) -> Result<(), FlowError> {
        let (disc, copy, reached) = (self.disc().number, self.copy, step.reached());
        self.records.keep(DiscEvent { disc, copy, at: Moment::now(), step })?;
        if let Some(reached) = reached {
            self.context.monitor.disc(disc, reached);
        }
        Ok(())
    }

    pub(super) fn verify(&self, reader: &dyn DiscReader) -> Result<Verdict, FlowError> {
        let expected: Vec<ExpectedFile> = self.order.files.iter().map(expected).collect();
        let Context { monitor, stop, .. } = self.context;
        let total = self.order.files.iter().map(|file| file.size.0).sum();
        let new = NewTask::new(Activity::Verifying).disc(self.disc().number).total(total);
        let task = monitor.begin(new);
        let image = Some(self.disc().closing.image);
        Ok(verify(reader, self.disc().uuid, &expected, image, &task, stop)?)
    }
}

pub(super) fn burn_error(error: BurnError, disc: &ClosedDiscInfo, drive: &str) -> FlowError {
    match error {
        BurnError::Drive(DriveError::NoMoreBlanks { drive }) => {
            BurnFailure::NoBlank { drive, disc: disc.number }.into()
        }
        BurnError::TooSmall { need, free } => BurnFailure::BlankTooSmall {
            drive: drive.to_owned(),
            disc: disc.number,
            need: need.bytes(),
            free: free.bytes(),
        }
        .into(),
        BurnError::Drive(error) => error.into(),
        error @ BurnError::Prediction { .. } => {
            BurnFailure::Unburnable { disc: disc.number, source: error }.into()
        }
    }
}
