//! A listing tells where files are that went onto its own disc or onto one before. Whoever has only
//! the discs inserts the first one first, which knows the least: a later one is asked for.

use crate::model::{DiscNo, Kind};
use crate::port::cause::Cause;
use crate::port::notice::RestoreNotice;
use crate::port::wanted::{DiscChoice, WantedMedium};
use crate::restore::plan::TargetState;
use crate::restore::plan::is_stored;
use crate::restore::survey::Survey;

use crate::flow::WaitLimit;
use crate::flow::library::listings::{ChosenListing, KnownIn};
use crate::flow::restore::RestoreSession;
use crate::flow::{DiscsError, FlowError};

type ListingChoice = (ChosenListing, Option<KnownIn>);

impl RestoreSession<'_> {
    /// The choice that the latest disc allows that anybody has.
    pub(in crate::flow) fn with_later_disc(
        &mut self,
        mut choice: Result<ListingChoice, FlowError>,
    ) -> Result<ListingChoice, FlowError> {
        while self.may_ask() && self.is_short(&choice)? {
            let Some(before) = self.latest() else { break };
            if !self.insert_later(before)? || self.latest() <= Some(before) {
                break;
            }
            match self.choose(None) {
                Ok(later) => choice = Ok(later),
                // What an earlier disc told is better than nothing.
                Err(error) if choice.is_ok() => {
                    let notice = RestoreNotice::LaterDiscNoHelp { why: Cause::of(error) };
                    self.context.monitor.note(notice.into());
                }
                Err(error) => choice = Err(error),
            }
        }
        choice
    }

    fn may_ask(&self) -> bool {
        let nobody = WaitLimit::AtMost(std::time::Duration::ZERO);
        !self.places.drives.is_empty() && !self.request.dry_run && self.context.wait_limit != nobody
    }

    /// Whether a later disc may tell more than this choice does.
    fn is_short(&self, choice: &Result<ListingChoice, FlowError>) -> Result<bool, FlowError> {
        let (chosen, known) = match choice {
            Ok(choice) => choice,
            Err(error) => return Ok(matches!(error, FlowError::Discs(DiscsError::NoListing(_)))),
        };
        let before = self.look_at_target(chosen.selection.root_mode())?;
        let survey = Survey::new(before.target.as_ref(), self.request.overwrite, self.context.stop);
        let is_there = |row| survey.standing(row) == TargetState::There;
        let files = chosen.selection.rows.iter().filter(|row| row.kind == Kind::File);
        Ok(known.is_none() && files.into_iter().any(|row| !is_stored(row) && !is_there(row)))
    }

    fn latest(&self) -> Option<DiscNo> {
        self.found_set.discs.keys().max().copied()
    }

    /// The disc that was there before is as good an answer: there is none that is later.
    fn insert_later(&mut self, before: DiscNo) -> Result<bool, FlowError> {
        let name = self.found_set.name.clone();
        self.context.monitor.note(RestoreNotice::LaterDiscNeeded { disc: before }.into());
        let wanted = WantedMedium::any(Some(&name), DiscChoice::NewerThan(before));
        self.insert_one(&wanted, |found_set| !found_set.discs.is_empty())
    }
}
