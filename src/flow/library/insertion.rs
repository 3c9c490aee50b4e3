//! Getting the right medium into a drive: look at what is there, say what is wanted, see it come
//! in, look again. Stands apart because burning, reading back, restoring and watching all do it,
//! and must say the same.

use std::time::Duration;

use crate::drive::{Absence, Drive, DriveError, Pile, Slot};
use crate::model::DiscIdentity;
use crate::port::cause::Cause;
use crate::port::clock::{Deadline, pause};
use crate::port::notice::{DiscNotice, DriveNotice};
use crate::port::question::{Answer, Question};
use crate::port::wanted::{InsertRequest, WantedMedium};

use crate::flow::base::unfulfilled::Unfulfilled;
use crate::flow::{Context, FlowError, chain};

/// So often a disc may go away while it is read before its drive is to blame.
pub const RETURNS: u32 = 3;

/// How the medium in a drive came there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It lay there before anybody was asked.
    Before,
    /// It was seen to be inserted after it was asked for; what lay there before was ejected.
    AsAsked,
    /// A machine brought it. It brings what comes next, so a blank is meant to be burned; nobody
    /// says which of several identical discs this one is, and nobody is asked.
    Loaded,
}

impl Came {
    /// The medium in a drive that nobody was asked for.
    pub fn before(drive: &mut dyn Drive) -> Came {
        match is_served(drive) {
            true => Came::Loaded,
            false => Came::Before,
        }
    }
}

/// Whether a machine changes the media.
pub fn is_served(drive: &mut dyn Drive) -> bool {
    drive.slot().is_some_and(|slot| slot.is_served())
}

/// Tries what is in the drive until `accept` takes it, and asks for another medium each time that
/// the medium is the trouble. Where nobody inserts anything, the first refusal stands.
pub fn with_medium<T>(
    drive: &mut dyn Drive,
    context: Context,
    wanted: &WantedMedium,
    mut accept: impl FnMut(&mut dyn Drive, Came) -> Result<T, FlowError>,
) -> Result<T, FlowError> {
    let deadline = context.wait_limit.deadline();
    let (mut asked, mut came) = (false, Came::before(drive));
    loop {
        context.stop.check()?;
        let attempt = || while_it_comes_back(context, || accept(drive, came));
        let refusal = match when_free(context, &deadline, attempt) {
            Err(error) if error.is_about_the_medium() => error,
            done => return done,
        };
        let call = InsertRequest { drive: drive.title(), wanted: wanted.clone() };
        let Some(slot) = drive.slot() else { return Err(refusal) };
        if may_overwrite(slot, context, &refusal)? {
            continue;
        }
        if slot.is_served() {
            fetch(slot, context, call, refusal)?;
            continue;
        }
        if deadline.is_over() {
            return Err(never_came(call, Unfulfilled::of(asked), refusal));
        }
        let is_empty = when_free(context, &deadline, || {
            hand_out(slot, context, &refusal, asked)?;
            Ok(slot.content()?.is_none())
        })?;
        context.operator.summon(&call);
        asked = true;
        let is_in = slot.await_medium(&deadline, context.stop);
        context.operator.dismiss(&call);
        if !is_in? {
            return Err(never_came(call, Unfulfilled::of(asked), refusal));
        }
        came = if is_empty { Came::AsAsked } else { Came::Before };
    }
}

/// The machine puts away what is of no use here, and brings the next medium.
fn fetch(
    slot: &mut dyn Slot,
    context: Context,
    call: InsertRequest,
    refusal: FlowError,
) -> Result<(), FlowError> {
    let deadline = context.wait_limit.deadline();
    when_free(context, &deadline, || hand_out(slot, context, &refusal, false))?;
    match slot.await_medium(&deadline, context.stop)? {
        true => Ok(()),
        false => Err(never_came(call, Unfulfilled::LoaderEmpty, refusal)),
    }
}

/// Does `work` with the disc in a drive; once more, from its beginning, if the disc is taken out
/// meanwhile. It is `work` that asks for a disc that is not there.
pub fn while_it_comes_back<T>(
    context: Context,
    mut work: impl FnMut() -> Result<T, FlowError>,
) -> Result<T, FlowError> {
    let mut returns = 0;
    loop {
        match work() {
            Err(error) if returns < RETURNS && comes_back(&error) => {
                context.monitor.note(DiscNotice::DiscGone { why: Cause::of(error) }.into());
                returns += 1;
            }
            done => return done,
        }
    }
}

/// The disc went away, and may be inserted again.
pub fn comes_back(error: &FlowError) -> bool {
    error.absence().is_some_and(Absence::may_be_inserted_again)
}

/// Between two looks whether another program is done with a drive.
const LOOK: Duration = Duration::from_secs(2);

/// What another program works with is left alone: tries again until the drive is free, at most as
/// long as this run waits for a person.
pub fn when_free<T>(
    context: Context,
    deadline: &Deadline,
    mut attempt: impl FnMut() -> Result<T, FlowError>,
) -> Result<T, FlowError> {
    let mut said = None;
    loop {
        let error = match attempt() {
            Err(error) if error.is_in_use() => error,
            done => return done,
        };
        if deadline.is_over() {
            return Err(error);
        }
        let notice = DriveNotice::WaitingForDrive { why: Cause::of(error) };
        if said.as_ref() != Some(&notice) {
            context.monitor.note(notice.clone().into());
            said = Some(notice);
        }
        pause(deadline.left().map_or(LOOK, |left| left.min(LOOK)), context.stop)?;
    }
}

/// Hands out a disc that is done with and is good. If another program took the drive meanwhile, the
/// disc stays where it is, and that is no failure.
pub fn give_back(drive: &mut dyn Drive, context: Context) -> Result<(), FlowError> {
    put_away(drive, Pile::Good, context)
}

/// The same of any disc that is done with.
pub fn put_away(drive: &mut dyn Drive, pile: Pile, context: Context) -> Result<(), FlowError> {
    let Some(slot) = drive.slot() else { return Ok(()) };
    match slot.put_away(pile) {
        Err(error) if error.is_in_use() => note_left(error, context),
        done => note_rejected(done?, pile, context),
    }
    Ok(())
}

/// A disc that is done with stays in the drive.
pub fn note_left(why: DriveError, context: Context) {
    context.monitor.note(DriveNotice::DiscLeftInDrive { why: Cause::of(why) }.into());
}

/// The medium with this disc proved bad: a machine puts it away, all other drives deal with it
/// themselves.
pub fn reject(
    drive: &mut dyn Drive,
    label: &DiscIdentity,
    context: Context,
) -> Result<(), FlowError> {
    match is_served(drive) {
        true => put_away(drive, Pile::Bad, context),
        false => match drive.reject(label) {
            Err(error) if error.is_in_use() => {
                note_left(error, context);
                Ok(())
            }
            done => Ok(done?),
        },
    }
}

/// `number`: of the disc in the stack of a machine.
fn note_rejected(number: Option<u64>, pile: Pile, context: Context) {
    if let (Some(number), Pile::Bad) = (number, pile) {
        context.monitor.note(DriveNotice::OnRejectPile { number }.into());
    }
}

fn never_came(call: InsertRequest, how: Unfulfilled, refusal: FlowError) -> FlowError {
    let InsertRequest { drive, wanted } = call;
    let (wanted, source) = (Box::new(wanted), Box::new(refusal));
    FlowError::NeverCame { drive, wanted, how, source }
}

/// A medium that carries something is lost only if a person said so twice: by the option, and now
/// that its name is known.
fn may_overwrite(
    slot: &mut dyn Slot,
    context: Context,
    refusal: &FlowError,
) -> Result<bool, FlowError> {
    let FlowError::Drive(DriveError::WouldOverwrite { drive, found }) = refusal else {
        return Ok(false);
    };
    let question = Question::OverwriteMedium { drive: drive.clone(), found: found.clone() };
    if !context.overwrite || context.operator.ask(question) != Answer::Yes {
        return Ok(false);
    }
    slot.sacrifice()?;
    Ok(true)
}

/// A medium that is of no use here is named and ejected; an empty drive just opens.
pub(in crate::flow) fn hand_out(
    slot: &mut dyn Slot,
    context: Context,
    refusal: &FlowError,
    asked: bool,
) -> Result<(), FlowError> {
    if slot.content()?.is_some() {
        context.monitor.note(DriveNotice::Ejecting { why: chain(refusal).into() }.into());
        let number = slot.put_away(Pile::Bad)?;
        note_rejected(number, Pile::Bad, context);
    } else if !asked && !slot.is_served() {
        slot.eject()?;
    }
    Ok(())
}
