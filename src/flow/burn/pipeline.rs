//! Burning beside packing: the drives work in a thread of their own, because a disc burns for as
//! long as the next one takes to be packed.
//!
//! The catalog stays in the packer's thread. The two talk by messages: an [`BurnOrder`] goes to the
//! drives; what becomes of it comes back, and the drives wait until it is recorded before they go
//! on. So the catalog knows at each moment what it would know if one thread did both.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::catalog::{Catalog, ClosedDiscInfo, KnownSet};
use crate::model::DiscNo;
use crate::port::cause::Cause;
use crate::port::notice::StagingNotice;

use crate::flow::burn::records::{BurnOrder, DiscEvent, OwnCatalog, Records};
use crate::flow::burn::station::{Station, order_of};
use crate::flow::{BurnFailure, Context, FlowError, chain};

/// What the drives' thread has to say.
pub(in crate::flow) enum Call {
    /// The drives go on when this is kept.
    Keep(DiscEvent, Sender<Result<(), FlowError>>),
    /// The disc is safe, or cannot become so in this run.
    Done(Result<(), FlowError>),
}

/// The drives, as the packer sees them: they take one disc at a time.
pub struct Beside<'a> {
    set: &'a KnownSet,
    context: Context<'a>,
    /// People change the media.
    pub has_hands: bool,
    /// A whole image of the disc that is burned is in staging, too.
    pub wants_image: bool,
    orders: Sender<BurnOrder>,
    calls: Receiver<Call>,
    /// The disc that the drives are busy with.
    busy: Cell<Option<DiscNo>>,
}

/// Does `work` while the station's drives wait for discs, and ends when both are done.
pub fn beside<T>(
    station: Station,
    catalog: &mut Catalog,
    work: impl FnOnce(&mut Catalog, &Beside) -> Result<T, FlowError>,
) -> Result<T, FlowError> {
    let context = station.context;
    thread::scope(|scope| {
        let set = station.set;
        let has_hands = station.drives.have_hands();
        let wants_image = station.drives.burner.wants_image();
        let (orders, ordered) = channel();
        let (called, calls) = channel();
        scope.spawn(move || serve(station, &ordered, &called));
        let busy = Cell::new(None);
        let beside = Beside { set, context, has_hands, wants_image, orders, calls, busy };
        let done = work(catalog, &beside);
        beside.end(catalog, done)
    })
}

/// The drives' thread: until nobody gives orders any more.
fn serve(mut station: Station, orders: &Receiver<BurnOrder>, calls: &Sender<Call>) {
    for order in orders {
        let done = station.make_safe(&order, &mut Messenger { calls });
        let heard = calls.send(Call::Done(done));
        if heard.is_err() {
            return;
        }
    }
}

/// Records are kept by the thread that has the catalog.
pub(in crate::flow) struct Messenger<'a> {
    pub calls: &'a Sender<Call>,
}

impl Records for Messenger<'_> {
    fn keep(&mut self, record: DiscEvent) -> Result<(), FlowError> {
        let lost = FlowError::from(BurnFailure::Unexpected(record.disc));
        let (answer, answered) = channel();
        if self.calls.send(Call::Keep(record, answer)).is_err() {
            return Err(lost);
        }
        answered.recv().unwrap_or(Err(lost))
    }
}

impl Beside<'_> {
    /// The disc that is not safe yet.
    pub fn busy_with(&self) -> Option<DiscNo> {
        self.busy.get()
    }

    /// Hands a closed disc over, as soon as the one before is safe.
    pub fn give(&self, catalog: &mut Catalog, disc: &ClosedDiscInfo) -> Result<(), FlowError> {
        self.attend(catalog)?;
        if let Some(before) = self.busy_with() {
            let disc = disc.number;
            self.context.monitor.note(StagingNotice::DiscWaits { disc, before }.into());
        }
        self.settle(catalog)?;
        let Some(order) = order_of(catalog, self.set, disc.number, self.context)? else {
            return Ok(());
        };
        self.busy.set(Some(disc.number));
        self.orders.send(order).map_err(|_| BurnFailure::Unexpected(disc.number).into())
    }

    /// Records what the drives have to say, without waiting for them. The error is theirs.
    pub fn attend(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        self.calls.try_iter().try_for_each(|call| self.hear(catalog, call))
    }

    /// Waits until the disc in the drives is safe. The error is theirs.
    pub fn settle(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        while let Some(disc) = self.busy_with() {
            let call = self.calls.recv().map_err(|_| self.lost(disc))?;
            self.hear(catalog, call)?;
        }
        Ok(())
    }

    fn hear(&self, catalog: &mut Catalog, call: Call) -> Result<(), FlowError> {
        match call {
            Call::Keep(record, answer) => {
                let kept = OwnCatalog { catalog, set: self.set.id }.keep(record);
                // What cannot be kept fails the disc over there; its end comes back as any other.
                let _ = answer.send(kept);
                Ok(())
            }
            Call::Done(done) => {
                self.busy.set(None);
                done
            }
        }
    }

    fn lost(&self, disc: DiscNo) -> FlowError {
        self.busy.set(None);
        BurnFailure::Unexpected(disc).into()
    }

    /// Where the packing failed, a disc in the drives still ends: half a burn is a lost disc.
    fn end<T>(&self, catalog: &mut Catalog, done: Result<T, FlowError>) -> Result<T, FlowError> {
        let (Err(error), Some(disc)) = (&done, self.busy_with()) else { return done };
        let monitor = self.context.monitor;
        if !matches!(error, FlowError::Stopped(_)) {
            monitor.note(StagingNotice::PackingFailed { disc, why: chain(error).into() }.into());
        }
        match self.settle(catalog) {
            Ok(()) | Err(FlowError::Stopped(_)) => {}
            Err(second) => {
                monitor.note(StagingNotice::LastDiscFailed { disc, why: Cause::of(second) }.into());
            }
        }
        done
    }
}
