//! Getting the right medium into a drive: look at what is there, say what is wanted, see it come
//! in, look again. Stands apart because burning, reading back, restoring and watching all do it,
//! and must say the same.

use std::time::Duration;

use crate::catalog::DiscInfo;
use crate::drive::{Drive, DriveError, Slot};
use crate::model::SetName;
use crate::port::clock::Deadline;
use crate::port::operator::{Answer, Summons};

use super::{Desk, FlowError, chain};

/// How long to wait for a person to insert a disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Endless,
    AtMost(Duration),
}

impl Patience {
    pub fn deadline(self) -> Deadline {
        match self {
            Patience::Endless => Deadline::never(),
            Patience::AtMost(time) => Deadline::after(time),
        }
    }
}

/// What to insert for a disc that is to be burned.
pub fn blank_words(set: &SetName, disc: &DiscInfo) -> String {
    let size = disc.image.unwrap_or_default().bytes();
    format!("a blank disc for disc {} of {set}, {size} or more", disc.number)
}

/// Tries what is in the drive until `accept` takes it, and asks for another medium each time that
/// the medium is the trouble. Where nobody inserts anything, the first refusal stands.
pub fn with_medium<T>(
    drive: &mut dyn Drive,
    desk: Desk,
    wanted: &str,
    mut accept: impl FnMut(&mut dyn Drive) -> Result<T, FlowError>,
) -> Result<T, FlowError> {
    let deadline = desk.patience.deadline();
    let mut asked = false;
    loop {
        desk.stop.check()?;
        let refusal = match accept(drive) {
            Err(error) if error.is_about_the_medium() => error,
            done => return done,
        };
        let call = Summons { drive: drive.title(), wanted: wanted.to_owned() };
        let Some(slot) = drive.slot() else { return Err(refusal) };
        if may_overwrite(slot, desk, &refusal)? {
            continue;
        }
        if deadline.is_over() {
            return Err(never_came(call, refusal));
        }
        hand_out(slot, desk, &refusal, asked)?;
        desk.operator.summon(&call);
        asked = true;
        if !slot.await_medium(&deadline, desk.stop)? {
            return Err(never_came(call, refusal));
        }
    }
}

fn never_came(call: Summons, refusal: FlowError) -> FlowError {
    let Summons { drive, wanted } = call;
    FlowError::NeverCame { drive, wanted, source: Box::new(refusal) }
}

/// A medium that bears something is lost only if a person said so twice: by the option, and now
/// that its name is known.
fn may_overwrite(slot: &mut dyn Slot, desk: Desk, refusal: &FlowError) -> Result<bool, FlowError> {
    let FlowError::Drive(error @ DriveError::WouldOverwrite { .. }) = refusal else {
        return Ok(false);
    };
    if !desk.overwrite || desk.operator.confirm(&format!("{error}. Overwrite it?")) != Answer::Yes {
        return Ok(false);
    }
    slot.sacrifice()?;
    Ok(true)
}

/// A medium that is of no use here is named and handed out; an empty drive just opens.
fn hand_out(
    slot: &mut dyn Slot,
    desk: Desk,
    refusal: &FlowError,
    asked: bool,
) -> Result<(), FlowError> {
    if slot.content()?.is_some() {
        desk.monitor.note(&format!("{}; it is handed out", chain(refusal)));
        slot.eject()?;
    } else if !asked {
        slot.eject()?;
    }
    Ok(())
}
