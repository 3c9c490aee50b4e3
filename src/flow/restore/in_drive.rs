//! One drive of several that read at once: it takes every disc that is still to be read, whichever
//! drive asked for it, and asks for one that no other drive has asked for.

use std::sync::PoisonError;

use crate::drive::{DiscReader, Discs, DriveError};
use crate::model::{DiscNo, SetName};
use crate::port::cause::Cause;
use crate::port::clock::Deadline;
use crate::port::notice::{DiscNotice, DriveNotice, RestoreNotice};
use crate::port::wanted::{DiscChoice, InsertRequest, WantedMedium};
use crate::restore::assignment::{PlaceNo, Turn};

use crate::flow::base::unfulfilled::Unfulfilled;
use crate::flow::library::insertion::{RETURNS, give_back, hand_out, when_free};
use crate::flow::library::inventory::{FoundSet, Inventory};
use crate::flow::restore::at_once::{AtOnce, LOOK};
use crate::flow::restore::note_problems;
use crate::flow::restore::places::PlacedDrive;
use crate::flow::{Context, FlowError, chain};

/// What was seen in a drive.
struct Looked {
    found_set: FoundSet,
    /// Why it is of no use, if it is not.
    refusal: Option<FlowError>,
}

/// What a drive asks for, until it is inserted or no longer wanted.
struct DriveCall<'c> {
    context: Context<'c>,
    open: Option<(DiscNo, InsertRequest)>,
    /// For which disc the deadline is.
    wished: Option<DiscNo>,
    deadline: Deadline,
}

impl DriveCall<'_> {
    /// Asks for this disc, if it is not asked for already; without one, for nothing.
    fn make(&mut self, wanted: Option<(DiscNo, InsertRequest)>) {
        if self.open.as_ref().map(|(disc, _)| disc) == wanted.as_ref().map(|(disc, _)| disc) {
            return;
        }
        self.withdraw();
        if let Some((_, request)) = &wanted {
            self.context.operator.summon(request);
        }
        self.open = wanted;
    }

    /// Whether this disc has been waited for as long as that may be. Where nothing is asked for,
    /// another drive waits.
    fn is_over(&mut self, disc: Option<DiscNo>) -> bool {
        if disc != self.wished {
            (self.deadline, self.wished) = (self.context.wait_limit.deadline(), disc);
        }
        disc.is_some() && self.deadline.is_over()
    }

    /// Waits a little while for something to be inserted.
    fn has_brought_something(&self, at: &mut PlacedDrive) -> Result<bool, FlowError> {
        let drive = at.drive.title();
        // Where nobody can insert anything, there is nothing to wait for.
        let Some(slot) = at.drive.slot() else { return Err(DriveError::Empty { drive }.into()) };
        let left = self.deadline.left().filter(|_| self.wished.is_some());
        let left = left.map_or(LOOK, |left| left.min(LOOK));
        Ok(slot.await_medium(&Deadline::after(left), self.context.stop)?)
    }

    fn withdraw(&mut self) {
        if let Some((_, request)) = self.open.take() {
            self.context.operator.dismiss(&request);
        }
    }
}

impl Drop for DriveCall<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl AtOnce<'_> {
    /// Reads in this drive until nothing is left for it. False: the drive is of no use any more,
    /// and its disc goes to another one.
    pub fn through_drive(&self, place: PlaceNo, at: &mut PlacedDrive) -> Result<bool, FlowError> {
        let error = match self.read_in(place, at) {
            Ok(()) => return Ok(true),
            Err(error) => error,
        };
        self.board.tell(|assignment| assignment.leave(place));
        self.context.stop.check()?;
        if !matches!(error, FlowError::Drive(_)) {
            return Err(error);
        }
        let (drive, why) = (at.drive.title(), chain(&error));
        self.context.monitor.note(DriveNotice::GoesOnWithout { drive, why: why.into() }.into());
        Ok(false)
    }

    fn read_in(&self, place: PlaceNo, at: &mut PlacedDrive) -> Result<(), FlowError> {
        let mut returns = 0;
        while let Some((number, found_set)) = self.next_in(place, at)? {
            let Some(found) = found_set.discs.get(&number) else { continue };
            let in_drive = |copy: &dyn DiscReader| copy.is_in_a_drive();
            let gone = self.read(found, &found_set, Some(at.drive.title()), &in_drive)?;
            let Some(absence) = gone else {
                self.board.tell(|assignment| assignment.done(place));
                continue;
            };
            returns += 1;
            if !absence.may_be_inserted_again() || returns > RETURNS {
                return Err(absence.into());
            }
            self.context
                .monitor
                .note(DiscNotice::DiscGone { why: absence.to_string().into() }.into());
            self.board.tell(|assignment| assignment.put_back(place));
        }
        Ok(())
    }

    /// The next disc for this drive, when it is there; `None` when nothing is left for it.
    fn next_in(
        &self,
        place: PlaceNo,
        at: &mut PlacedDrive,
    ) -> Result<Option<(DiscNo, FoundSet)>, FlowError> {
        let context = self.context;
        let deadline = context.wait_limit.deadline();
        let mut call = DriveCall { context, open: None, wished: None, deadline };
        let mut looked = self.look_into(at, None)?;
        let mut is_open = false;
        loop {
            context.stop.check()?;
            let inside: Vec<DiscNo> = looked.found_set.discs.keys().copied().collect();
            let disc = match self.step(place, &inside) {
                Turn::Read(number) => return Ok(Some((number, looked.found_set))),
                Turn::End => return Ok(None),
                Turn::Ask(disc) => Some(disc),
                Turn::Watch => None,
                Turn::Wait => {
                    call.withdraw();
                    self.board.pause();
                    continue;
                }
            };
            let wanted = disc.and_then(|disc| Some((disc, self.request(disc, at)?)));
            if call.is_over(disc) {
                self.give_up(place, wanted, &mut call, looked.refusal.take());
                continue;
            }
            if !is_open {
                // Nothing may hold a disc that is to be handed out.
                looked.found_set.discs.clear();
                self.open_drive(at, looked.refusal.as_ref(), &call)?;
                is_open = true;
            }
            call.make(wanted);
            if call.has_brought_something(at)? {
                looked = self.look_into(at, Some(&call))?;
                is_open = false;
            }
        }
    }

    /// The drive's turn, without discs of which nothing is needed any more.
    fn step(&self, place: PlaceNo, inside: &[DiscNo]) -> Turn {
        loop {
            match self.board.turn(place, inside) {
                Turn::Ask(disc) if !self.restorer.needs(disc) => {
                    self.board.tell(|assignment| assignment.never_came(place));
                }
                turn => return turn,
            }
        }
    }

    fn request(&self, disc: DiscNo, at: &PlacedDrive) -> Option<InsertRequest> {
        let wanted = WantedMedium::Disc(self.wanted.get(&disc)?.clone());
        Some(InsertRequest { drive: at.drive.title(), wanted })
    }

    fn open_drive(
        &self,
        at: &mut PlacedDrive,
        refusal: Option<&FlowError>,
        call: &DriveCall,
    ) -> Result<(), FlowError> {
        let (context, is_asked) = (self.context, call.open.is_some());
        let (Some(refusal), Some(slot)) = (refusal, at.drive.slot()) else {
            return give_back(at.drive, context);
        };
        when_free(context, &call.deadline, || hand_out(slot, context, refusal, is_asked))
    }

    /// Nobody brought the disc, and no other drive waits for it.
    fn give_up(
        &self,
        place: PlaceNo,
        wanted: Option<(DiscNo, InsertRequest)>,
        call: &mut DriveCall,
        refusal: Option<FlowError>,
    ) {
        let asked = call.open.is_some();
        call.withdraw();
        let Some((disc, InsertRequest { drive, wanted })) = wanted else { return };
        self.board.tell(|assignment| assignment.never_came(place));
        self.in_vain.lock().unwrap_or_else(PoisonError::into_inner).insert(disc);
        let kept = wanted.first_disc().map(|disc| disc.kept.clone()).unwrap_or_default();
        let empty = DriveError::Empty { drive: drive.clone() };
        let source = Box::new(refusal.unwrap_or_else(|| empty.into()));
        let error = FlowError::NeverCame {
            drive,
            wanted: Box::new(wanted),
            how: Unfulfilled::of(asked),
            source,
        };
        let monitor = self.context.monitor;
        monitor.note(DriveNotice::NotInserted { why: Cause::of(error) }.into());
        if !kept.is_empty() {
            monitor.note(RestoreNotice::DiscKept { disc, places: kept }.into());
        }
    }

    /// What is in the drive. `call`: it was inserted while that was asked for, or (an empty one)
    /// while another drive asked.
    fn look_into(
        &self,
        at: &mut PlacedDrive,
        call: Option<&DriveCall>,
    ) -> Result<Looked, FlowError> {
        let (context, deadline) = (self.context, self.context.wait_limit.deadline());
        let found = when_free(context, &deadline, || Ok(at.drive.discs()?));
        let refusal = match found {
            Ok(found) if found.discs.is_empty() => self.other_medium(at, found, call)?,
            Ok(found) => {
                let mut inventory = Inventory::at(&at.path);
                inventory.take(found);
                if let Some(absence) = inventory.absence().filter(|a| a.may_be_inserted_again()) {
                    absence.into()
                } else {
                    return self.of_this_set(at, inventory, call);
                }
            }
            Err(error) if error.is_about_the_medium() => error,
            Err(error) => return Err(error),
        };
        Ok(Looked { found_set: self.empty_set(), refusal: Some(refusal) })
    }

    fn empty_set(&self) -> FoundSet {
        let (name, uuid) = (self.found_set.name.clone(), self.found_set.uuid);
        let (discs, twins, unnamed) = Default::default();
        FoundSet { name, uuid, discs, twins, unnamed }
    }

    fn other_medium(
        &self,
        at: &mut PlacedDrive,
        mut found: Discs,
        call: Option<&DriveCall>,
    ) -> Result<FlowError, FlowError> {
        let drive = at.drive.title();
        if let Some(problem) = found.problems.pop() {
            return Ok(problem.into());
        }
        let content = at.drive.slot().map(|slot| slot.content()).transpose()?.flatten();
        Ok(match content {
            Some(found) => self.refused(drive, found, call),
            None => DriveError::Empty { drive }.into(),
        })
    }

    fn refused(&self, drive: String, found: String, call: Option<&DriveCall>) -> FlowError {
        let asked = call.and_then(|call| call.open.as_ref()).map(|(_, asked)| asked.wanted.clone());
        let set: &SetName = &self.found_set.name;
        let wanted = asked.unwrap_or_else(|| WantedMedium::any(Some(set), DiscChoice::Next));
        FlowError::OtherDisc { drive, found, wanted: wanted.into() }
    }

    /// The discs of this set that count. One that is not needed is of no use; one that was in the
    /// drive before anybody was asked is handed out without a word.
    fn of_this_set(
        &self,
        at: &PlacedDrive,
        inventory: Inventory,
        call: Option<&DriveCall>,
    ) -> Result<Looked, FlowError> {
        let words = inventory.words();
        let mend = |disc: &dyn DiscReader| self.repairer.repaired(disc);
        let mut inventory = inventory.keep_signed(self.signed_by, &mend, self.context.stop)?;
        self.vetting.lock().unwrap_or_else(PoisonError::into_inner).vet(&mut inventory);
        note_problems(&inventory.problems, self.context);
        let same = inventory.sets.into_iter().find(|set| set.uuid == self.found_set.uuid);
        let mut found_set = same.unwrap_or_else(|| self.empty_set());
        let is_needed = |number: &DiscNo| self.wanted.contains_key(number);
        found_set.discs.retain(|number, _| is_needed(number) && self.restorer.needs(*number));
        let is_of_no_use = found_set.discs.is_empty() && call.is_some();
        let refusal = is_of_no_use.then(|| self.refused(at.drive.title(), words, call));
        Ok(Looked { found_set, refusal })
    }
}
