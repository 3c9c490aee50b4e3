//! A drive whose media a loader changes. To whoever burns and reads it is a drive as any other; only
//! its slot is served by a machine instead of a person.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{DiscPosition, SlotName};
use super::error::LoaderError;
use super::program::{LoadOutcome, Loader, UnloadTarget};
use super::tally::StackTally;
use crate::drive::{Blank, BurnJob, DiscReader, Discs, Drive, DriveError, News, Pile, Slot};
use crate::model::{Carrier, DiscIdentity, Sectors};
use crate::port::clock::Deadline;
use crate::port::notice::BurnNotice;
use crate::port::stop::Stop;

/// A tray that the loader has closed is noticed by then.
const CLOSING: Duration = Duration::from_secs(60);

/// What a stack is worked through for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackTask {
    /// Blanks become discs. After three rejected discs in a row no other one is taken.
    Burn,
    /// Discs are read. Where the machine can choose, a good one goes back to its slot.
    Verify,
}

/// Which discs are taken.
enum StackOrder {
    /// Whatever the machine takes next.
    Next,
    /// Those in these slots.
    Slots(VecDeque<SlotName>),
}

/// A drive and its loader.
pub struct ServedDrive {
    inner: Box<dyn Drive>,
    /// What the loader calls it.
    path: PathBuf,
    loader: Arc<Loader>,
    tally: Arc<StackTally>,
    task: StackTask,
    /// Known once the first disc is wanted.
    order: Option<StackOrder>,
    /// The number of the disc in the drive.
    inside: Option<u64>,
    /// The slot of that disc, if it goes back there.
    origin: Option<SlotName>,
}

/// After this many rejected discs in a row it is not the discs that are bad.
const MOST_REJECTS: u64 = 3;

impl ServedDrive {
    /// `inner` has a [`Slot`]; `path`: what the loader calls it.
    pub fn new(
        inner: Box<dyn Drive>,
        path: PathBuf,
        loader: Arc<Loader>,
        tally: Arc<StackTally>,
        task: StackTask,
    ) -> ServedDrive {
        let (order, inside, origin) = (None, None, None);
        ServedDrive { inner, path, loader, tally, task, order, inside, origin }
    }

    fn inner_slot(&mut self) -> Result<&mut dyn Slot, DriveError> {
        let drive = self.inner.title();
        self.inner.slot().ok_or(DriveError::Empty { drive })
    }

    /// Only discs are counted, each once.
    fn number(&mut self) -> u64 {
        *self.inside.get_or_insert_with(|| self.tally.take())
    }

    /// The loader puts away what the drive has given out.
    fn unload(&mut self, pile: Pile) -> Result<u64, DriveError> {
        let number = self.number();
        let origin = self.origin.take().filter(|_| pile == Pile::Good);
        let target = origin.as_ref().map_or(UnloadTarget::Pile(pile), UnloadTarget::Slot);
        self.loader.unload(&self.path, target)?;
        self.inside = None;
        self.tally.put(number, pile);
        Ok(number)
    }

    fn is_on_tray(&self) -> Result<bool, LoaderError> {
        Ok(self.loader.list()?.position(&self.path) == DiscPosition::Tray)
    }

    fn check_rejects(&self) -> Result<(), LoaderError> {
        let rejected = self.tally.count().in_a_row;
        match self.task {
            StackTask::Burn if rejected >= MOST_REJECTS => {
                Err(LoaderError::OnlyRejects { rejected })
            }
            StackTask::Burn | StackTask::Verify => Ok(()),
        }
    }

    /// Decided once: what goes back to its slot must not be taken again.
    fn order(&mut self) -> Result<&mut StackOrder, LoaderError> {
        let order = match self.order.take() {
            Some(order) => order,
            None if self.goes_back()? => {
                StackOrder::Slots(self.loader.list()?.inputs().cloned().collect())
            }
            None => StackOrder::Next,
        };
        Ok(self.order.insert(order))
    }

    fn goes_back(&self) -> Result<bool, LoaderError> {
        Ok(self.task == StackTask::Verify && self.loader.check()?.chooses)
    }

    /// Whether there is one.
    fn load_next(&mut self) -> Result<bool, LoaderError> {
        let slots = match self.order()? {
            StackOrder::Next => {
                return Ok(self.loader.load(&self.path, None)? != LoadOutcome::NothingLeft);
            }
            StackOrder::Slots(slots) => std::mem::take(slots),
        };
        let mut left = slots.into_iter();
        let loaded =
            left.by_ref().find_map(|slot| match self.loader.load(&self.path, Some(&slot)) {
                Ok(LoadOutcome::NothingLeft) => None,
                Ok(LoadOutcome::Loaded) => Some(Ok(slot)),
                Err(error) => Some(Err(error)),
            });
        self.order = Some(StackOrder::Slots(left.collect()));
        self.origin = loaded.transpose()?;
        Ok(self.origin.is_some())
    }
}

impl Drive for ServedDrive {
    fn title(&self) -> String {
        self.inner.title()
    }

    fn turn_to(&mut self, place: u32) -> bool {
        self.inner.turn_to(place)
    }

    fn blank_capacity(&mut self) -> Result<Option<Sectors>, DriveError> {
        self.inner.blank_capacity()
    }

    fn take_blank(&mut self, label: &DiscIdentity) -> Result<Blank, DriveError> {
        self.inner.take_blank(label)
    }

    fn wants_image(&self) -> bool {
        self.inner.wants_image()
    }

    fn make_image(
        &mut self,
        job: &BurnJob,
        watch: &dyn Fn(News),
        stop: &Stop,
    ) -> Result<Box<dyn DiscReader>, DriveError> {
        self.inner.make_image(job, watch, stop)
    }

    fn burn(&mut self, job: &BurnJob, watch: &dyn Fn(News), stop: &Stop) -> Result<(), DriveError> {
        self.inner.burn(job, watch, stop)
    }

    /// A tray that no motor closes is closed by the loader.
    fn find(&mut self, wanted: &DiscIdentity) -> Result<Box<dyn DiscReader>, DriveError> {
        match self.inner.find(wanted) {
            Err(DriveError::NotThere { .. }) if self.is_on_tray()? => {
                self.loader.load(&self.path, None)?;
                self.inner.find(wanted)
            }
            found => found,
        }
    }

    fn reject(&mut self, label: &DiscIdentity) -> Result<(), DriveError> {
        self.inner.reject(label)?;
        self.unload(Pile::Bad).map(drop)
    }

    fn discs(&mut self) -> Result<Discs, DriveError> {
        self.inner.discs()
    }

    fn medium(&mut self) -> Carrier {
        self.inner.medium()
    }

    /// What a movement of an earlier run left half done is finished: a disc on the tray is looked
    /// at; of one that the loader holds nothing is known.
    fn settle(&mut self, say: &dyn Fn(BurnNotice), stop: &Stop) -> Result<(), DriveError> {
        self.inner.settle(say, stop)?;
        match self.loader.list()?.position(&self.path) {
            DiscPosition::None | DiscPosition::Drive | DiscPosition::Unknown => Ok(()),
            DiscPosition::Tray => Ok(self.loader.load(&self.path, None).map(drop)?),
            DiscPosition::Lifted => {
                let number = self.unload(Pile::Bad)?;
                say(BurnNotice::LiftedDiscRejected { drive: self.title(), number });
                Ok(())
            }
        }
    }

    fn slot(&mut self) -> Option<&mut dyn Slot> {
        Some(self)
    }
}

impl Slot for ServedDrive {
    fn content(&mut self) -> Result<Option<String>, DriveError> {
        self.inner_slot()?.content()
    }

    fn insertion(&self) -> Option<u64> {
        None
    }

    fn is_served(&self) -> bool {
        true
    }

    /// Of a disc of which nothing else was said nobody says that it is good.
    fn eject(&mut self) -> Result<(), DriveError> {
        self.put_away(Pile::Bad).map(drop)
    }

    fn put_away(&mut self, pile: Pile) -> Result<Option<u64>, DriveError> {
        if self.inside.is_none() && self.content()?.is_none() {
            return Ok(None);
        }
        if self.origin.is_none() && self.goes_back()? {
            self.origin = self.loader.list()?.origin(&self.path).cloned();
        }
        // It is the drive that knows whether another program uses it.
        self.inner_slot()?.eject()?;
        self.unload(pile).map(Some)
    }

    /// Brings the next disc; `false`: the loader has no more. It has its own time limit, whatever
    /// the deadline.
    fn await_medium(&mut self, _: &Deadline, stop: &Stop) -> Result<bool, DriveError> {
        stop.check()?;
        self.check_rejects()?;
        if !self.load_next()? {
            return Ok(false);
        }
        if !self.inner_slot()?.await_medium(&Deadline::after(CLOSING), stop)? {
            return Err(LoaderError::DriveEmpty { drive: self.title() }.into());
        }
        self.number();
        Ok(true)
    }

    fn sacrifice(&mut self) -> Result<(), DriveError> {
        self.inner_slot()?.sacrifice()
    }
}
