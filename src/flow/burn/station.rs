//! From staged to safe: burn, read back, record; a disc that fails goes onto the next blank.

mod attempt;
mod drives;
mod taking;
mod turn;

use crate::catalog::{Catalog, CatalogError, ClosedDiscInfo, KnownSet, ReadOutcome};
use crate::drive::burning::{BurnError, Burned, burn};
use crate::drive::{Blank, BurnJob, DiscReader, Drive, DriveError, Pile};
use crate::format::volume::{image_name, volume_id};
use crate::model::{Carrier, DiscIdentity, DiscNo, Strain};
use crate::port::disc_count::DiscCount;
use crate::port::event::{Activity, Trouble};
use crate::port::monitor::NewTask;
use crate::port::notice::{BurnNotice, CatalogNotice};
use crate::verify::{FileFault, Proof, Verdict, damaged};

use crate::flow::base::unfulfilled::Unfulfilled;
use crate::flow::burn::dispatcher::TRIES;
use crate::flow::burn::records::{BurnOrder, CopyStep, OwnCatalog, Records, SharedCopies, waiting};
use crate::flow::burn::recovery_groups::Grouping;
use crate::flow::drill::refuse_unreadable;
use crate::flow::library::insertion::{
    give_back, is_served, note_left, put_away, reject, when_free, while_it_comes_back, with_medium,
};
use crate::flow::library::shelves::{file_id, file_of};
use crate::flow::staging::area::{Staging, label};
use crate::flow::{Context, FlowError, chain};
use attempt::{BurnAttempt, burn_error};
pub use drives::Drives;
pub use taking::medium_wanted;
use taking::{Taken, is_meant};
pub(in crate::flow) use turn::{Failed, Turn, TurnEnd};

/// Drives that make discs safe. It knows no catalog: what becomes of a disc is told to [`Records`].
pub struct Station<'a> {
    pub staging: &'a Staging,
    pub set: &'a KnownSet,
    pub drives: &'a mut Drives,
    pub context: Context<'a>,
}

impl Station<'_> {
    /// Burns every disc that waits and is meant, the lowest number first; one after the other, in
    /// this thread.
    pub fn burn_waiting(
        &mut self,
        catalog: &mut Catalog,
        is_meant: impl Fn(DiscNo) -> bool,
    ) -> Result<Vec<ClosedDiscInfo>, FlowError> {
        self.burn_recovery_discs(catalog)?;
        let mut discs = waiting(catalog, self.set, self.staging)?;
        discs.retain(|disc| is_meant(disc.number));
        // A recovery disc is made when its group is full.
        let (more, is_estimate) = (discs.len() as u64, self.set.facts.parity_discs.is_some());
        self.context.monitor.count_discs(|count| count.expect(more, is_estimate));
        let mut burned = Vec::new();
        for disc in discs {
            if self.burn_one(catalog, &disc)? {
                burned.push(disc);
            }
        }
        Ok(burned)
    }

    /// `false`: another coldcut burns it, or fills it up.
    pub fn burn_one(
        &mut self,
        catalog: &mut Catalog,
        disc: &ClosedDiscInfo,
    ) -> Result<bool, FlowError> {
        let Some(order) = order_of(catalog, self.set, disc.number, self.context)? else {
            return Ok(false);
        };
        refuse_unreadable(catalog, self.set, &order.disc)?;
        let mut records = OwnCatalog { catalog, set: self.set.id };
        self.context.monitor.count_discs(DiscCount::begin);
        self.make_safe(&order, &mut records)?;
        self.burn_recovery_discs(catalog)?;
        Ok(true)
    }

    /// Those of groups that are full, or are to be closed; a run that was killed may have left one.
    fn burn_recovery_discs(&mut self, catalog: &mut Catalog) -> Result<(), FlowError> {
        let made = Grouping::new(self.staging, self.set, self.context).make_due(catalog)?;
        made.iter().try_for_each(|disc| self.burn_one(catalog, disc).map(drop))
    }

    /// Burns and verifies one disc until it is safe: as many copies as are wanted, one after the
    /// other. Each step is recorded before the next one is taken, so that a run that is killed
    /// anywhere is gone on with by the next.
    pub fn make_safe(
        &mut self,
        order: &BurnOrder,
        records: &mut dyn Records,
    ) -> Result<(), FlowError> {
        let copies = SharedCopies::new(order.copies.clone());
        let (mut lost, mut look) = (0, true);
        while copies.now().good.len() < order.wanted {
            match self.turn(order, &copies, Turn::Burn { look }, records)? {
                TurnEnd::Failed { why, is_blank_lost } => {
                    lost += u32::from(is_blank_lost);
                    if lost >= TRIES {
                        return Err(why.of(order.disc.number));
                    }
                    look = false;
                }
                TurnEnd::Good | TurnEnd::HandedOver(_) => (lost, look) = (0, true),
            }
        }
        self.context.monitor.count_discs(|count| count.end(true));
        Ok(())
    }

    /// One try to make one copy, or to read one back.
    pub(in crate::flow) fn turn(
        &mut self,
        order: &BurnOrder,
        shared: &SharedCopies,
        turn: Turn,
        records: &mut dyn Records,
    ) -> Result<TurnEnd, FlowError> {
        let (set, drive) = (&self.set.facts.name, self.drives.burner.title());
        let new = NewTask::new(Activity::Burning).set(set).disc(order.disc.number).drive(drive);
        let task = self.context.monitor.begin(new);
        let (copy, is_from_elsewhere) = match turn {
            Turn::Burn { .. } => {
                let good = shared.now().good.clone();
                self.turn_to_free_place(&order.disc, &good);
                (shared.now().next, false)
            }
            Turn::ReadBack(copy) => (copy, true),
        };
        let Station { staging, set, drives, context } = self;
        let context = Context { monitor: &task, ..*context };
        // Burned by a run before, in a drive that was lost while it was read back.
        let before = order.copies.unread.iter().find(|unread| unread.number == copy);
        let since = before.filter(|_| is_from_elsewhere).map(|unread| unread.burned);
        let (copies, unread) = (shared, None);
        let mut attempt = BurnAttempt {
            order,
            copies,
            unread,
            copy,
            is_from_elsewhere,
            since,
            staging,
            set,
            drives,
            context,
            records,
        };
        let end = attempt.run(turn)?;
        if end == TurnEnd::Good {
            self.count_good(order, shared)?;
        }
        Ok(end)
    }

    fn count_good(&mut self, order: &BurnOrder, shared: &SharedCopies) -> Result<(), FlowError> {
        let good = {
            let mut copies = shared.now();
            copies.good.push(self.drives.burner.medium());
            copies.good.len()
        };
        // What waited in staging is needed no more, unless another copy is to be made later.
        if good >= order.wanted && good >= self.set.copies as usize {
            self.staging.remove(self.set, order.disc.number)?;
        }
        Ok(())
    }

    /// Where a drive keeps copies apart, the first place that carries no good copy.
    fn turn_to_free_place(&mut self, disc: &ClosedDiscInfo, good: &[Carrier]) {
        let label = label(self.set, disc);
        let burner = &mut self.drives.burner;
        let mut place = 1;
        while burner.turn_to(place) && bears_one_of(&mut **burner, &label, good) {
            place += 1;
        }
    }
}

/// `None`: another coldcut burns the disc, which is told, or fills it up. That is no failure.
pub(in crate::flow) fn order_of(
    catalog: &Catalog,
    set: &KnownSet,
    disc: DiscNo,
    context: Context,
) -> Result<Option<BurnOrder>, FlowError> {
    match BurnOrder::of(catalog, set.id, disc) {
        Err(FlowError::Catalog(CatalogError::PartInUse { pid, .. })) => {
            let (set, disc) = (set.facts.name.clone(), Some(disc));
            context.monitor.note(CatalogNotice::DiscInUse { set, disc, pid }.into());
            Ok(None)
        }
        order => order,
    }
}

/// Whether one of these copies is in the drive's place; a link to its image is no other copy.
fn bears_one_of(burner: &mut dyn Drive, label: &DiscIdentity, good: &[Carrier]) -> bool {
    let medium = burner.medium();
    if good.iter().any(|copy| copy.is_where(&medium)) {
        return true;
    }
    let standard = image_name(&label.set, label.number);
    let there = match burner.find(label) {
        Ok(reader) => reader.file_id(),
        Err(DriveError::Link(path)) => file_id(&path),
        Err(_) => None,
    };
    there.is_some() && good.iter().any(|copy| file_of(copy, &standard) == there)
}

impl BurnAttempt<'_> {
    fn run(&mut self, turn: Turn) -> Result<TurnEnd, FlowError> {
        let monitor = self.context.monitor;
        self.drives.burner.settle(&|notice| monitor.note(notice.into()), self.context.stop)?;
        let look = match turn {
            Turn::ReadBack(_) => return self.read_back_here(self.since.is_none()),
            Turn::Burn { look } => look,
        };
        self.unread = self.copies.now().claim_unread();
        let end = self.make(look);
        // It was not the one that was continued with.
        self.copies.now().unread.extend(self.unread.take());
        end
    }

    fn make(&mut self, look: bool) -> Result<TurnEnd, FlowError> {
        let taken = if look && self.lies_there()? { Taken::Unread } else { self.take()? };
        match taken {
            Taken::Unread => self.read_back_here(false),
            Taken::Blank(job, blank) => self.burn(&job, blank),
        }
    }

    /// The copy has its number before the first byte is written.
    fn burn(&mut self, job: &BurnJob, blank: Blank) -> Result<TurnEnd, FlowError> {
        self.begin()?;
        match burn(job, blank, &mut *self.drives.burner, self.context.monitor, self.context.stop) {
            Ok(Burned) => {
                self.record_burned()?;
                self.read_back()
            }
            Err(BurnError::Drive(error @ DriveError::Write { .. })) => self.doubt(&error),
            Err(error) => {
                self.record(CopyStep::Void)?;
                self.leave(false);
                Err(burn_error(error, self.disc(), &self.drives.burner.title()))
            }
        }
    }

    /// The burning program says that it failed. It neither blesses nor condemns: if the disc can be
    /// read, what is on it decides. One that the drive gave away on the way is asked for.
    fn doubt(&mut self, error: &DriveError) -> Result<TurnEnd, FlowError> {
        let (label, deadline) = (self.label(), self.context.wait_limit.deadline());
        let burner = &mut self.drives.burner;
        let found = when_free(self.context, &deadline, || Ok(burner.find(&label).map(drop)?));
        let may_be_whole = match found {
            Ok(()) => true,
            Err(FlowError::Drive(DriveError::NotThere { .. })) => self.drives.have_people(),
            // Nothing is known of it: the next run looks.
            Err(stopped @ FlowError::Stopped(_)) => return Err(stopped),
            Err(_) => false,
        };
        if may_be_whole {
            let (disc, why) = (self.disc().number, chain(error).into());
            self.context.monitor.note(BurnNotice::BurnInDoubt { disc, why }.into());
            self.record_burned()?;
            return self.read_back();
        }
        self.record(CopyStep::Failed)?;
        self.leave(false);
        let (disc, why) = (self.disc().number, chain(error).into());
        self.context.monitor.note(BurnNotice::BurnFailed { disc, why }.into());
        put_away(&mut *self.drives.burner, Pile::Bad, self.context)?;
        Ok(TurnEnd::Failed { why: Failed::Burn(error.remedy()), is_blank_lost: true })
    }

    /// Has the copy that was just burned read back, here or elsewhere.
    fn read_back(&mut self) -> Result<TurnEnd, FlowError> {
        if self.records.reads_here()? {
            return self.read_back_here(true);
        }
        give_back(&mut *self.drives.burner, self.context)?;
        Ok(TurnEnd::HandedOver(self.copy))
    }

    /// Reads the copy in progress back. Only what comes out of this counts. A disc that is taken out
    /// meanwhile is no bad disc: it is asked for again, here or by the next run.
    fn read_back_here(&mut self, is_blank_lost: bool) -> Result<TurnEnd, FlowError> {
        let context = self.context;
        let mut tries = 0;
        let examined = while_it_comes_back(context, || {
            tries += 1;
            self.examine(tries > 1)
        })?;
        match examined {
            Ok(proof) => {
                self.bless(&proof)?;
                self.end()?;
                Ok(TurnEnd::Good)
            }
            Err(faults) => {
                self.condemn(&faults)?;
                Ok(TurnEnd::Failed { why: Failed::ReadBack, is_blank_lost })
            }
        }
    }

    fn examine(&mut self, went_away: bool) -> Result<Result<Proof, Vec<FileFault>>, FlowError> {
        let obtained = self.obtain(went_away)?;
        self.records.has_medium()?;
        let reader = match obtained {
            Ok(reader) => reader,
            Err(error) => {
                return Ok(Err(vec![FileFault {
                    path: "the disc".to_owned(),
                    what: chain(&error),
                }]));
            }
        };
        let proof = match self.verify(&*reader)? {
            Verdict::Sound(proof) => proof,
            Verdict::Damaged(faults) => return Ok(Err(faults)),
        };
        // Before it counts as safe: afterwards nobody comes back to it.
        let is_first = self.copies.now().good.is_empty();
        if is_first && !self.order.is_covered {
            let group = Grouping::new(self.staging, self.set, self.context);
            group.take(self.disc(), &self.order.files, &*reader)?;
        }
        Ok(Ok(proof))
    }

    /// The disc that was just burned, in the drive that reads it back; or why it cannot be read.
    /// A medium that is not there can be inserted again; one that cannot be read is judged.
    fn obtain(
        &mut self,
        went_away: bool,
    ) -> Result<Result<Box<dyn DiscReader>, DriveError>, FlowError> {
        if self.drives.reader.is_some() {
            give_back(&mut *self.drives.burner, self.context)?;
        }
        let label = self.label();
        let wanted = self.wanted_back();
        // What is in the burner was burned, or looked at, a moment ago.
        let is_served = is_served(self.drives.reader());
        let is_here = self.drives.reader.is_none() && !went_away && !self.is_from_elsewhere;
        let is_sure = is_served || is_here || !self.copies.now().has_others_than(Some(self.copy));
        let context = self.context;
        let medium = wanted.clone().into();
        with_medium(self.drives.reader(), context, &medium, |drive, came| {
            match drive.find(&label) {
                Ok(_) if !is_sure && !is_meant(drive, came, &wanted, context) => {
                    let (drive, wanted) = (drive.title(), wanted.clone().into());
                    Err(FlowError::PerhapsAnother { drive, wanted })
                }
                Ok(reader) => Ok(Ok(reader)),
                Err(error) if error.condemns_the_medium() => Ok(Err(error)),
                Err(error) if is_served && error.is_about_the_medium() => {
                    let (drive, wanted) = (drive.title(), Box::new(wanted.clone().into()));
                    let (how, source) = (Unfulfilled::NotBroughtBack, Box::new(error.into()));
                    Err(FlowError::NeverCame { drive, wanted, how, source })
                }
                // A shelf has nobody who could bring the right disc.
                Err(error @ (DriveError::WrongDisc { .. } | DriveError::Foreign(_)))
                    if drive.slot().is_none() =>
                {
                    Ok(Err(error))
                }
                Err(error) => Err(error.into()),
            }
        })
    }

    fn bless(&mut self, proof: &Proof) -> Result<(), FlowError> {
        assert_eq!(proof.disc(), self.disc().uuid, "a proof of one disc makes no other one safe");
        self.record_read_back(proof.outcome())
    }

    fn condemn(&mut self, faults: &[FileFault]) -> Result<(), FlowError> {
        for fault in faults {
            let thing = format!("disc {}: {}", self.disc().number, fault.path);
            self.context.monitor.trouble(&Trouble::new(thing, fault.what.clone()));
        }
        self.record_read_back(damaged(faults, Strain::default()))?;
        let lies_about = self.drives.have_hands();
        self.leave(lies_about);
        let label = self.label();
        self.context.monitor.note(BurnNotice::ReadBackFailed { disc: self.disc().number }.into());
        reject(self.drives.reader(), &label, self.context)?;
        Ok(())
    }

    fn record_read_back(&mut self, outcome: ReadOutcome) -> Result<(), FlowError> {
        let drive = self.drives.reader().title();
        self.record(CopyStep::ReadBack { drive, outcome })
    }

    /// The copy is verified and recorded: a tray that does not open, or a drive that is gone by now,
    /// changes nothing of that.
    fn give_back_safe(&mut self) -> Result<(), FlowError> {
        match give_back(self.drives.reader(), self.context) {
            Err(FlowError::Drive(error)) if !matches!(error, DriveError::Stopped(_)) => {
                note_left(error, self.context);
                Ok(())
            }
            done => done,
        }
    }

    /// There is a verified copy more.
    fn end(&mut self) -> Result<(), FlowError> {
        // What comes next must not be taken for this one.
        let lies_about = self.drives.have_hands();
        self.leave(lies_about);
        self.drives.forget_how_it_came();
        let disc = self.disc().number;
        if self.drives.reader().slot().is_none() {
            return Ok(());
        }
        self.give_back_safe()?;
        let (copy, label) = (self.shown(self.copy), volume_id(disc, &self.set.facts.name));
        self.context.monitor.note(BurnNotice::DiscDone { disc, copy, label }.into());
        Ok(())
    }
}
