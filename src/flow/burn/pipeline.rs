//! Burning beside packing: each drive works in a thread of its own, because a disc burns for as long
//! as the next one takes to be packed.
//!
//! The catalog stays in the packer's thread, and with it the decision which drive does what. Drives
//! get one job at a time; what becomes of it comes back, and a drive waits until it is recorded
//! before it goes on. So the catalog knows at each moment what it would know if one thread did all.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::catalog::{Catalog, ClosedDiscInfo, KnownSet, SetId};
use crate::drive::Drive;
use crate::model::{Carrier, DiscNo};
use crate::port::cause::Cause;
use crate::port::disc_count::DiscCount;
use crate::port::notice::{DriveNotice, StagingNotice};
use crate::port::stop::Recall;

use crate::flow::base::unfulfilled::Unfulfilled;
use crate::flow::burn::dispatcher::{DiscSpec, Dispatcher, DriveNo, Step, Verdict};
use crate::flow::burn::drive_thread::{Call, DriveEnd, Job, Said, serve};
use crate::flow::burn::records::{BurnOrder, Copies, CopyStep, OwnCatalog, Records, SharedCopies};
use crate::flow::burn::station::{Drives, Failed, Station, Turn, TurnEnd, order_of};
use crate::flow::staging::area::Staging;
use crate::flow::{BurnFailure, Context, FlowError, chain};

/// The drives of a run, and what they work on.
pub struct Stations<'a> {
    pub staging: &'a Staging,
    pub set: &'a KnownSet,
    pub drives: &'a mut [Drives],
    pub context: Context<'a>,
}

/// The drives, as the packer sees them: they take discs, the lowest number first.
pub struct Beside<'a> {
    pub(super) staging: &'a Staging,
    pub(super) set: &'a KnownSet,
    pub(super) context: Context<'a>,
    /// People change the media, in some drive at least.
    pub has_hands: bool,
    /// So many drives make a whole image in staging before they burn.
    pub images: usize,
    /// So many discs may be with the drives before the next one is handed over.
    room: Cell<usize>,
    lines: Vec<DriveQueue>,
    calls: Receiver<Call>,
    dispatcher: RefCell<Dispatcher>,
    discs: RefCell<BTreeMap<DiscNo, BurningDisc>>,
    /// What ended the run came from a drive.
    is_failed: Cell<bool>,
}

/// How one drive is spoken to.
struct DriveQueue {
    title: String,
    jobs: Sender<Job>,
    /// Of the job that it has.
    recall: RefCell<Recall>,
    /// Where it keeps its discs, if it does.
    places: Vec<Carrier>,
}

/// A disc that the drives have.
struct BurningDisc {
    order: Arc<BurnOrder>,
    copies: SharedCopies,
    /// Somebody counted it as begun.
    is_counted: bool,
}

/// Does `work` while the drives wait for discs, and ends when both are done.
pub fn beside<T>(
    stations: Stations,
    catalog: &mut Catalog,
    work: impl FnOnce(&mut Catalog, &Beside) -> Result<T, FlowError>,
) -> Result<T, FlowError> {
    let Stations { staging, set, drives, context } = stations;
    thread::scope(|scope| {
        let dispatcher = RefCell::new(Dispatcher::new(drives.iter_mut().map(Drives::spec)));
        let has_hands = drives.iter_mut().any(Drives::have_hands);
        let images = drives.iter().filter(|drives| drives.burner.wants_image()).count();
        let room = Cell::new(dispatcher.borrow().burners().max(1));
        let (called, calls) = channel();
        let is_one = drives.len() == 1;
        let mut lines = Vec::new();
        for (at, drives) in drives.iter_mut().enumerate() {
            let (jobs, ordered) = channel();
            let is_watched = drives.have_hands() && !is_one;
            let (title, places) = (drives.burner.title(), places(&mut *drives.burner));
            lines.push(DriveQueue { title, jobs, recall: RefCell::default(), places });
            let station = Station { staging, set, drives, context };
            let called = called.clone();
            scope.spawn(move || serve(station, DriveNo(at), is_watched, &ordered, &called));
        }
        drop(called);
        let (discs, is_failed) = (RefCell::default(), Cell::new(false));
        let beside = Beside {
            staging,
            set,
            context,
            has_hands,
            images,
            room,
            lines,
            calls,
            dispatcher,
            discs,
            is_failed,
        };
        let done = work(catalog, &beside);
        beside.end(catalog, done)
    })
}

/// Copies of a disc that a drive keeps apart, at most: more than anybody makes.
const PLACES: u32 = 9;

/// Where a drive keeps discs. It is turned to the first of them.
fn places(drive: &mut dyn Drive) -> Vec<Carrier> {
    if drive.slot().is_some() {
        return Vec::new();
    }
    let mut places = vec![drive.medium()];
    for place in 2..=PLACES {
        if drive.turn_to(place) {
            places.push(drive.medium());
        }
    }
    drive.turn_to(1);
    places
}

impl Beside<'_> {
    /// Discs that are not safe yet.
    fn in_flight(&self) -> usize {
        self.dispatcher.borrow().unsafe_discs().count()
    }

    /// The disc with the lowest number that is not safe yet.
    pub fn busy_with(&self) -> Option<DiscNo> {
        self.dispatcher.borrow().unsafe_discs().next()
    }

    /// Whether they still have this disc.
    pub fn has(&self, disc: DiscNo) -> bool {
        self.dispatcher.borrow().unsafe_discs().any(|unsafe_disc| unsafe_disc == disc)
    }

    /// Whether this is where one of them keeps its discs.
    pub fn keeps(&self, medium: &Carrier) -> bool {
        self.keeper(medium).is_some()
    }

    fn keeper(&self, medium: &Carrier) -> Option<DriveNo> {
        let keeps = |line: &DriveQueue| line.places.iter().any(|place| place.is_where(medium));
        self.lines.iter().position(keeps).map(DriveNo)
    }

    /// How many drives burn.
    pub fn burners(&self) -> usize {
        self.dispatcher.borrow().burners()
    }

    /// Not more discs than this are with the drives while another one is packed.
    pub fn keep_room_for(&self, discs: usize) {
        self.room.set(discs.max(1));
    }

    /// Hands a closed disc over, as soon as there is a drive for it.
    pub fn give(&self, catalog: &mut Catalog, disc: &ClosedDiscInfo) -> Result<(), FlowError> {
        self.attend(catalog)?;
        let room = self.room.get();
        if let Some(before) = self.busy_with().filter(|_| self.in_flight() >= room) {
            let disc = disc.number;
            self.context.monitor.note(StagingNotice::DiscWaits { disc, before }.into());
        }
        // A disc that nobody brings to be read back must not keep this one from a free drive.
        self.add(catalog, disc, true)?;
        self.settle_to(catalog, room)
    }

    /// The same, however many they have: it is staged already. `false`: another coldcut burns it, or
    /// fills it up.
    pub(super) fn add(
        &self,
        catalog: &Catalog,
        disc: &ClosedDiscInfo,
        is_counted: bool,
    ) -> Result<bool, FlowError> {
        match order_of(catalog, self.set, disc.number, self.context)? {
            Some(order) => self.add_order(order, is_counted).map(|()| true),
            None => Ok(false),
        }
    }

    /// So many copies as the order says, of this disc.
    pub(in crate::flow) fn add_order(
        &self,
        order: BurnOrder,
        is_counted: bool,
    ) -> Result<(), FlowError> {
        let (disc, spec) = (order.disc.number, self.spec_of(&order));
        if spec.lacking == 0 {
            return Ok(());
        }
        let copies = SharedCopies::new(order.copies.clone());
        let in_work = BurningDisc { order: Arc::new(order), copies, is_counted };
        self.discs.borrow_mut().insert(disc, in_work);
        self.dispatcher.borrow_mut().add(disc, spec);
        self.hand_out()
    }

    fn spec_of(&self, order: &BurnOrder) -> DiscSpec {
        let lacking = order.wanted.saturating_sub(order.copies.good.len()) as u32;
        let Copies { good, unread, .. } = &order.copies;
        let kept = good.iter().filter_map(|medium| self.keeper(medium)).collect();
        let unread = unread.iter().filter_map(|copy| self.keeper(&copy.medium)).collect();
        DiscSpec { lacking, kept, unread }
    }

    /// Records what the drives have to say, without waiting for them. The error is theirs.
    pub fn attend(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        self.calls.try_iter().try_for_each(|call| self.hear(catalog, call))
    }

    /// Waits until all discs in the drives are safe. The error is theirs.
    pub fn settle(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        self.settle_to(catalog, 0)
    }

    /// The same until no more than so many are not safe.
    pub fn settle_to(&self, catalog: &mut Catalog, discs: usize) -> Result<(), FlowError> {
        if self.in_flight() <= discs {
            return Ok(());
        }
        self.dispatcher.borrow_mut().waits_for_discs(discs == 0);
        let done = self.hand_out().and_then(|()| self.wait_for(catalog, discs));
        self.dispatcher.borrow_mut().waits_for_discs(false);
        done
    }

    fn wait_for(&self, catalog: &mut Catalog, discs: usize) -> Result<(), FlowError> {
        while self.in_flight() > discs {
            let Some(disc) = self.busy_with() else { return Ok(()) };
            if self.dispatcher.borrow().is_stuck() && !self.asks_for_the_rest()? {
                return self.fail(BurnFailure::Unexpected(disc).into());
            }
            let call = self.calls.recv().map_err(|_| BurnFailure::Unexpected(disc))?;
            self.hear(catalog, call)?;
        }
        Ok(())
    }

    /// Nothing is left but discs of drives that are gone, which are else asked for last.
    fn asks_for_the_rest(&self) -> Result<bool, FlowError> {
        self.dispatcher.borrow_mut().waits_for_discs(true);
        self.hand_out()?;
        Ok(!self.dispatcher.borrow().is_stuck())
    }

    fn hear(&self, catalog: &mut Catalog, Call { drive, said }: Call) -> Result<(), FlowError> {
        let set = self.set.id;
        match said {
            Said::Looked { is_ready } => self.dispatcher.borrow_mut().looked_at(drive, is_ready),
            Said::HasMedium => self.dispatcher.borrow_mut().begun(drive),
            Said::HasBurned(copy) => {
                self.dispatcher.borrow_mut().begun(drive);
                self.dispatcher.borrow_mut().burned(drive, copy);
            }
            // What cannot be kept fails the disc over there; its end comes back as any other.
            Said::Begin(copy, answer) => {
                let _ = answer.send(own(catalog, set).begin(copy));
            }
            Said::Keep(record, answer) => {
                let (copy, step) = (record.copy, record.step.clone());
                let kept = own(catalog, set).keep(record);
                match step {
                    CopyStep::Burned { .. } => self.dispatcher.borrow_mut().burned(drive, copy),
                    _ if kept.is_ok() => self.dispatcher.borrow_mut().judged(drive),
                    _ => {}
                }
                let _ = answer.send(kept);
            }
            Said::ReadsHere(answer) => {
                let _ = answer.send(self.dispatcher.borrow().reads_here(drive));
            }
            Said::Done(end) => self.hear_end(drive, end)?,
        }
        self.hand_out()
    }

    fn hear_end(&self, drive: DriveNo, end: DriveEnd) -> Result<(), FlowError> {
        match end {
            DriveEnd::Turn(TurnEnd::Good) => {
                let disc = self.dispatcher.borrow().disc_of(drive);
                if self.dispatcher.borrow_mut().good(drive) {
                    // Nobody's any more.
                    disc.and_then(|disc| self.discs.borrow_mut().remove(&disc));
                    self.context.monitor.count_discs(|count| count.end(true));
                }
            }
            DriveEnd::Turn(TurnEnd::HandedOver(copy)) => {
                self.dispatcher.borrow_mut().handed_over(drive, copy);
            }
            DriveEnd::Turn(TurnEnd::Failed { why, is_blank_lost }) => {
                return self.count_failure(drive, why, is_blank_lost);
            }
            DriveEnd::Recalled => self.dispatcher.borrow_mut().recalled(drive),
            DriveEnd::NobodyCame => self.dispatcher.borrow_mut().nobody_came(drive),
            DriveEnd::Failed(error) => return self.lose(drive, error),
        }
        Ok(())
    }

    fn count_failure(&self, drive: DriveNo, why: Failed, is_lost: bool) -> Result<(), FlowError> {
        let disc = self.dispatcher.borrow().disc_of(drive);
        let verdict = self.dispatcher.borrow_mut().failed(drive, is_lost);
        match (verdict, disc) {
            (Verdict::DiscFailed, Some(disc)) => self.fail(why.of(disc)),
            (Verdict::DriveFailed(drive), _) => {
                let drive = self.lines[drive.0].title.clone();
                self.context.monitor.note(DriveNotice::BurnsKeepFailing { drive }.into());
                Ok(())
            }
            (Verdict::NextBlank | Verdict::DiscFailed, _) => Ok(()),
        }
    }

    /// A job ended with an error. Where it is the drive's, the others go on without it.
    fn lose(&self, drive: DriveNo, error: FlowError) -> Result<(), FlowError> {
        let error = self.nobody_brought_it(drive, error);
        if !is_of_the_drive(&error) {
            self.dispatcher.borrow_mut().recalled(drive);
            return self.fail(error);
        }
        self.dispatcher.borrow_mut().lost(drive);
        if !self.dispatcher.borrow().can_go_on() {
            return self.fail(error);
        }
        let (drive, why) = (self.lines[drive.0].title.clone(), chain(&error));
        self.context.monitor.note(DriveNotice::GoesOnWithout { drive, why: why.into() }.into());
        Ok(())
    }

    /// What a drive burned that is gone did not come: no other drive would get it, either.
    fn nobody_brought_it(&self, drive: DriveNo, error: FlowError) -> FlowError {
        let dispatcher = self.dispatcher.borrow();
        let disc = dispatcher.disc_of(drive).filter(|_| dispatcher.is_of_gone_drive(drive));
        match (disc, error) {
            (Some(disc), FlowError::NeverCame { how, .. }) => {
                let is_asked = how != Unfulfilled::NobodyToAsk;
                let drive = self.lines[drive.0].title.clone();
                BurnFailure::NeverReadBack { disc, drive, is_asked }.into()
            }
            (_, error) => error,
        }
    }

    /// Nothing more is begun.
    fn fail<T>(&self, error: FlowError) -> Result<T, FlowError> {
        self.is_failed.set(true);
        self.dispatcher.borrow_mut().halt();
        self.hand_out()?;
        Err(error)
    }

    /// Gives the drives what they are to do now.
    fn hand_out(&self) -> Result<(), FlowError> {
        loop {
            let next = self.dispatcher.borrow_mut().next();
            let Some((drive, step)) = next else { return Ok(()) };
            let (disc, turn, is_patient) = match step {
                Step::Recall => {
                    self.lines[drive.0].recall.borrow().ask();
                    continue;
                }
                Step::Burn { disc, look } => (disc, Turn::Burn { look }, true),
                Step::ReadBack { disc, copy, is_last } => (disc, Turn::ReadBack(copy), is_last),
            };
            self.send(drive, disc, turn, is_patient)?;
        }
    }

    fn send(
        &self,
        drive: DriveNo,
        disc: DiscNo,
        turn: Turn,
        is_patient: bool,
    ) -> Result<(), FlowError> {
        let lost = || FlowError::from(BurnFailure::Unexpected(disc));
        let mut discs = self.discs.borrow_mut();
        let work = discs.get_mut(&disc).ok_or_else(lost)?;
        if !std::mem::replace(&mut work.is_counted, true) {
            self.context.monitor.count_discs(DiscCount::begin);
        }
        let (order, copies) = (work.order.clone(), work.copies.clone());
        let (line, recall) = (&self.lines[drive.0], Recall::default());
        line.recall.replace(recall.clone());
        let job = Job { order, copies, turn, is_patient, recall };
        line.jobs.send(job).map_err(|_| lost())
    }

    /// Where the packing failed, the discs in the drives still end: half a burn is a lost disc.
    fn end<T>(&self, catalog: &mut Catalog, done: Result<T, FlowError>) -> Result<T, FlowError> {
        let (Err(error), Some(disc)) = (&done, self.busy_with()) else { return done };
        let (monitor, why) = (self.context.monitor, Cause::from(chain(error)));
        match (error, self.is_failed.get()) {
            (FlowError::Stopped(_), _) => self.dispatcher.borrow_mut().halt(),
            (_, true) if self.dispatcher.borrow().is_busy() => {
                monitor.note(StagingNotice::OthersEndFirst { why }.into());
            }
            (_, true) => {}
            (_, false) => monitor.note(StagingNotice::PackingFailed { disc, why }.into()),
        }
        let _ = self.hand_out();
        while let Some(disc) = self.unfinished() {
            let Ok(call) = self.calls.recv() else { break };
            match self.hear(catalog, call) {
                Ok(()) | Err(FlowError::Stopped(_)) => {}
                Err(second) => {
                    let why = Cause::of(second);
                    monitor.note(StagingNotice::LastDiscFailed { disc, why }.into());
                }
            }
        }
        done
    }

    /// A disc that the drives are still to end with, though the run failed.
    fn unfinished(&self) -> Option<DiscNo> {
        let dispatcher = self.dispatcher.borrow();
        let goes_on = dispatcher.is_busy() || !(dispatcher.is_halted() || dispatcher.is_stuck());
        dispatcher.unsafe_discs().next().filter(|_| goes_on)
    }
}

fn own(catalog: &mut Catalog, set: SetId) -> OwnCatalog<'_> {
    OwnCatalog { catalog, set }
}

/// Whether another drive may do what this one could not.
fn is_of_the_drive(error: &FlowError) -> bool {
    match error {
        FlowError::Drive(_) | FlowError::NeverCame { .. } => true,
        FlowError::Burn(failure) => failure.is_about_the_medium(),
        _ => false,
    }
}
