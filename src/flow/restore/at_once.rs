//! Several places read at the same time: a thread for each drive, and one for each disk on which
//! discs lie as images. Two shelves on one disk are read one after the other: each would hold up the
//! other. What cannot be read so is left for the steps that ask for one disc after the other.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::codec::openpgp::{Checker, Opener};
use crate::drive::{Absence, DiscReader};
use crate::model::{DiscNo, SnapshotSeq};
use crate::port::notice::DiscNotice;
use crate::port::stop::Stopped;
use crate::port::wanted::WantedDisc;
use crate::restore::assignment::{Assignment, Place, PlaceNo, Turn};
use crate::restore::extract::Restorer;
use crate::restore::order::reading_order;
use crate::restore::plan::RestorePlan;

use crate::flow::library::inventory::{FoundDisc, FoundSet, Vetting};
use crate::flow::library::listings::{FromDiscs, KnownIn};
use crate::flow::library::repair::Repairer;
use crate::flow::restore::places::PlacedDrive;
use crate::flow::restore::{RestoreReport, RestoreSession, places_in};
use crate::flow::{Context, FlowError};

/// Between two looks whether there is something to do.
pub(in crate::flow) const LOOK: Duration = Duration::from_millis(500);

/// The disk of a store; `None`: not known.
type Disk = Option<u64>;

/// What the threads share.
pub(in crate::flow) struct AtOnce<'s> {
    pub context: Context<'s>,
    pub found_set: &'s FoundSet,
    pub restorer: &'s Restorer<'s>,
    pub repairer: &'s Repairer<'s>,
    pub signed_by: Option<&'s Checker>,
    pub vetting: Mutex<&'s mut Vetting>,
    pub board: Board,
    /// What nobody brought.
    pub in_vain: Mutex<BTreeSet<DiscNo>>,
    pub wanted: BTreeMap<DiscNo, WantedDisc>,
    opener: Option<&'s Opener>,
    known: Mutex<Option<KnownIn>>,
    scratch: &'s Path,
    plan: &'s RestorePlan,
    seq: SnapshotSeq,
}

/// Who reads what, for threads that wait for each other.
pub(in crate::flow) struct Board {
    assignment: Mutex<Assignment>,
    changed: Condvar,
}

impl Board {
    fn new(assignment: Assignment) -> Board {
        Board { assignment: Mutex::new(assignment), changed: Condvar::new() }
    }

    fn assignment(&self) -> MutexGuard<'_, Assignment> {
        // It is whole between any two calls.
        self.assignment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn turn(&self, place: PlaceNo, inside: &[DiscNo]) -> Turn {
        let turn = self.assignment().turn(place, inside);
        if matches!(turn, Turn::Read(_)) {
            self.changed.notify_all();
        }
        turn
    }

    pub fn tell<T>(&self, change: impl FnOnce(&mut Assignment) -> T) -> T {
        let told = change(&mut self.assignment());
        self.changed.notify_all();
        told
    }

    /// Until another place has something new, or a little while.
    pub fn pause(&self) {
        drop(self.changed.wait_timeout(self.assignment(), LOOK));
    }
}

impl RestoreSession<'_> {
    /// How many places can read at once.
    pub(in crate::flow) fn readers(&self) -> usize {
        self.places.drives.len() + self.stores().len()
    }

    /// The discs that lie on each disk, as far as they are what they should be.
    fn stores(&self) -> BTreeMap<Disk, BTreeSet<DiscNo>> {
        let mut stores: BTreeMap<Disk, BTreeSet<DiscNo>> = BTreeMap::new();
        for (number, found) in &self.found_set.discs {
            for copy in found.copies.iter().filter(|copy| !copy.is_in_a_drive()) {
                stores.entry(disk(&**copy)).or_default().insert(*number);
            }
        }
        stores
    }

    /// The disc in each drive, when it was looked at first.
    fn inside(&self) -> Vec<Option<DiscNo>> {
        let uuid = self.found_set.uuid;
        (0..self.places.drives.len()).map(|at| self.places.first_in(at, uuid)).collect()
    }

    /// Who would read what, if several places read at once; how often discs are inserted.
    pub(in crate::flow) fn foresee(&self, plan: &RestorePlan, report: &mut RestoreReport) {
        let inside = self.inside();
        let stores = self.stores();
        let lies = |disc: &DiscNo| stores.values().any(|store| store.contains(disc));
        let inserted = plan.discs.keys().filter(|disc| !lies(disc));
        report.media_changes = match (self.places.drives.len(), self.readers()) {
            (0, _) => 0,
            // The disc that is in the drive need not be inserted if it is the first one.
            (_, 1) => {
                let first = plan.discs.keys().next();
                let is_there = first.is_some_and(|number| inside[0] == Some(*number));
                plan.discs.len() as u64 - u64::from(is_there)
            }
            _ => inserted.filter(|disc| !inside.contains(&Some(**disc))).count() as u64,
        };
        if self.readers() > 1 {
            let assignment = self.assignment(plan, plan.discs.keys().copied().collect(), &stores);
            let course = assignment.foresee(|disc| plan.bytes_from(disc));
            report.bytes_of_longest = course.time.min(report.bytes_to_read);
            let paths = self.places.drives.iter().map(|at| at.path.clone());
            report.drives = paths.zip(course.discs).collect();
        }
    }

    /// Drives first, in their order; then the disks.
    fn assignment(
        &self,
        plan: &RestorePlan,
        discs: Vec<DiscNo>,
        stores: &BTreeMap<Disk, BTreeSet<DiscNo>>,
    ) -> Assignment {
        let splits: Vec<BTreeSet<DiscNo>> = plan.split_over_discs().collect();
        let order = reading_order(discs, &splits, self.readers());
        let drives = self.inside().into_iter().map(Place::Drive);
        Assignment::new(&order, drives.chain(stores.values().cloned().map(Place::Store)))
    }

    /// Discs that are needed and lie somewhere, or may be inserted.
    fn to_be_had(
        &self,
        plan: &RestorePlan,
        restorer: &Restorer,
        stores: &BTreeMap<Disk, BTreeSet<DiscNo>>,
    ) -> Result<Vec<DiscNo>, FlowError> {
        let mut discs = Vec::new();
        for disc in plan.discs.keys().copied().filter(|disc| restorer.needs(*disc)) {
            let lies = stores.values().any(|store| store.contains(&disc));
            let may_come = !self.places.drives.is_empty() && self.has_copy(disc)?;
            discs.extend((lies || may_come).then_some(disc));
        }
        Ok(discs)
    }

    /// Reads what can be had at all places at once.
    pub(in crate::flow) fn read_at_once(
        &mut self,
        plan: &RestorePlan,
        restorer: &Restorer,
        seq: SnapshotSeq,
    ) -> Result<(), FlowError> {
        if self.places.has_drives() {
            self.let_go();
        }
        let mut stores = self.stores();
        stores.values_mut().for_each(|store| store.retain(|disc| self.is_at_hand(*disc)));
        let discs = self.to_be_had(plan, restorer, &stores)?;
        let wanted = discs.iter().map(|&disc| (disc, self.wanted(disc))).collect();
        let board = Board::new(self.assignment(plan, discs, &stores));
        let RestoreSession { request, context, found_set, places, repairer, vetting, .. } = self;
        let (vetting, known) = (Mutex::new(vetting), Mutex::new(self.known.take()));
        let at_once = AtOnce {
            context: *context,
            found_set,
            restorer,
            repairer,
            signed_by: request.trust.signed_by.as_ref(),
            vetting,
            board,
            in_vain: Mutex::default(),
            wanted,
            opener: self.opener.as_ref(),
            known,
            scratch: &request.scratch,
            plan,
            seq,
        };
        let disks: Vec<Disk> = stores.into_keys().collect();
        let ended = at_once.all(&mut places.drives, &disks);
        self.known = at_once.known.into_inner().unwrap_or_else(PoisonError::into_inner);
        let in_vain = at_once.in_vain.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.asked_in_vain.extend(in_vain);
        let mut is_of_use = ended?.into_iter();
        self.places.drives.retain(|_| is_of_use.next().unwrap_or(true));
        Ok(())
    }
}

fn disk(copy: &dyn DiscReader) -> Disk {
    copy.file_id().map(|id| id.device)
}

impl AtOnce<'_> {
    /// Which drives are of use still.
    fn all(&self, drives: &mut [PlacedDrive], disks: &[Disk]) -> Result<Vec<bool>, FlowError> {
        let first_disk = drives.len();
        thread::scope(|scope| {
            let through: Vec<_> = drives
                .iter_mut()
                .enumerate()
                .map(|(place, at)| scope.spawn(move || self.through_drive(place, at)))
                .collect();
            let lying: Vec<_> = disks
                .iter()
                .enumerate()
                .map(|(at, disk)| scope.spawn(move || self.on_disk(first_disk + at, *disk)))
                .collect();
            let ended: Vec<_> = through.into_iter().map(joined).collect();
            let lying: Vec<_> = lying.into_iter().map(joined).collect();
            lying.into_iter().collect::<Result<Vec<()>, _>>()?;
            ended.into_iter().collect()
        })
    }

    fn on_disk(&self, place: PlaceNo, on: Disk) -> Result<(), FlowError> {
        loop {
            self.context.stop.check()?;
            let number = match self.board.turn(place, &[]) {
                Turn::Read(number) => number,
                Turn::End => return Ok(()),
                _ => {
                    self.board.pause();
                    continue;
                }
            };
            let Some(found) = self.found_set.discs.get(&number) else {
                self.board.tell(|assignment| assignment.lost(place));
                continue;
            };
            let first = |copy: &dyn DiscReader| disk(copy) == on;
            match self.read(found, self.found_set, None, &first)? {
                None => self.board.tell(|assignment| assignment.done(place)),
                Some(absence) => {
                    let notice = DiscNotice::DiscGone { why: absence.to_string().into() };
                    self.context.monitor.note(notice.into());
                    self.board.tell(|assignment| assignment.lost(place));
                }
            }
        }
    }

    /// Reads a disc from its copies, those that are `first` before others. `at_hand`: whose
    /// listings may help.
    pub fn read(
        &self,
        found: &FoundDisc,
        at_hand: &FoundSet,
        drive: Option<String>,
        first: &dyn Fn(&dyn DiscReader) -> bool,
    ) -> Result<Option<Absence>, Stopped> {
        let label = found.label();
        if !self.restorer.needs(label.number) {
            return Ok(None);
        }
        let lying = self
            .found_set
            .discs
            .get(&label.number)
            .filter(|lying| !std::ptr::eq(*lying, found) && lying.txt.id.uuid == label.uuid);
        let repairable = self.repairer.offer(found);
        let mut copies = Repairer::copies(found, None);
        copies.extend(lying.into_iter().flat_map(|lying| Repairer::copies(lying, None)));
        copies.sort_by_key(|copy| !first(*copy));
        copies.extend(repairable.as_ref().map(|repairable| repairable as &dyn DiscReader));
        let elsewhere = OnceCell::new();
        let locate = |disc: DiscNo, content: usize| {
            let places = |known: &KnownIn| places_in(known, self.seq, self.plan, disc, content);
            if let Some(known) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
                return places(known);
            }
            let known = elsewhere.get_or_init(|| self.listings(at_hand).catalogs().next());
            known.as_ref().map_or_else(Vec::new, places)
        };
        let read = self.restorer.disc(&label, drive, &copies, self.opener, &locate);
        self.repairer.forget(found);
        read
    }

    fn listings<'f>(&'f self, found_set: &'f FoundSet) -> FromDiscs<'f> {
        let (opener, scratch, context) = (self.opener, self.scratch, self.context);
        let repairer = Some(self.repairer);
        FromDiscs { found_set, opener, scratch, context, repairer, doubts: Default::default() }
    }
}

/// A thread that panicked takes the run with it.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
