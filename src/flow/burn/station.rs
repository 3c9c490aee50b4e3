//! From staged to safe: burn, read back, record; a disc that fails goes onto the next blank.

mod attempt;
mod drives;
mod taking;

use crate::catalog::{Catalog, CatalogError, ClosedDiscInfo, KnownSet, Part, ReadOutcome};
use crate::drive::burning::{BurnError, Burned, burn};
use crate::drive::{Blank, BurnJob, DiscReader, Drive, DriveError, Remedy};
use crate::format::volume::{image_name, volume_id};
use crate::model::{Carrier, DiscIdentity, DiscNo, Strain};
use crate::port::disc_count::DiscCount;
use crate::port::event::{Activity, Trouble};
use crate::port::monitor::NewTask;
use crate::port::notice::{BurnNotice, CatalogNotice};
use crate::verify::{FileFault, Proof, Verdict, damaged};

use crate::flow::base::turn::unless_in_use;
use crate::flow::burn::records::{BurnOrder, CopyStep, OwnCatalog, Records, waiting};
use crate::flow::burn::recovery_groups::Grouping;
use crate::flow::drill::refuse_unreadable;
use crate::flow::library::insertion::{
    Came, give_back, when_free, while_it_comes_back, with_medium,
};
use crate::flow::library::shelves::{file_id, file_of};
use crate::flow::staging::area::{Staging, label};
use crate::flow::{BurnFailure, Context, FlowError, chain};
use attempt::{BurnAttempt, burn_error};
pub use drives::Drives;
pub use taking::medium_wanted;
use taking::{Taken, is_meant};

/// Blanks that one disc may cost in one run.
const TRIES: u32 = 3;

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
        let made = self.make_recovery_discs(catalog)?;
        made.iter().try_for_each(|disc| self.burn_one(catalog, disc).map(drop))
    }

    /// If another coldcut changes the set now, it makes them, or the next run does.
    fn make_recovery_discs(&self, catalog: &mut Catalog) -> Result<Vec<ClosedDiscInfo>, FlowError> {
        let Some(_held) = unless_in_use(catalog.hold(Part::Set(self.set.id)))? else {
            return Ok(Vec::new());
        };
        let grouping = Grouping::new(self.staging, self.set, self.context);
        if grouping.is_to_close() {
            grouping.close_with(catalog)?;
        }
        grouping.make(catalog)
    }

    /// Burns and verifies one disc until it is safe: as many copies as are wanted. Each step is
    /// recorded before the next one is taken, so that a run that is killed anywhere is gone on
    /// with by the next.
    pub fn make_safe(
        &mut self,
        order: &BurnOrder,
        records: &mut dyn Records,
    ) -> Result<(), FlowError> {
        let (set, drive) = (&self.set.facts.name, self.drives.burner.title());
        let new = NewTask::new(Activity::Burning).set(set).disc(order.disc.number).drive(drive);
        let task = self.context.monitor.begin(new);
        let mut copies = order.copies.clone();
        while copies.good.len() < order.wanted {
            self.turn_to_free_place(&order.disc, &copies.good);
            let Station { staging, set, drives, context } = self;
            let copy = copies.next;
            let mut turn = BurnAttempt {
                order,
                copies: &mut copies,
                copy,
                since: None,
                staging,
                set,
                drives,
                context: Context { monitor: &task, ..*context },
                records,
            };
            turn.run()?;
            copies.good.push(self.drives.burner.medium());
        }
        // What waited in staging is needed no more, unless another copy is to be made later.
        if copies.good.len() >= self.set.copies as usize {
            self.staging.remove(self.set, order.disc.number)?;
        }
        self.context.monitor.count_discs(|count| count.end(true));
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

/// Why an attempt did not make a safe disc, though another may.
enum Failed {
    Burn(Option<Remedy>),
    ReadBack,
}

impl BurnAttempt<'_> {
    fn run(&mut self) -> Result<(), FlowError> {
        let monitor = self.context.monitor;
        self.drives.burner.settle(&|notice| monitor.note(notice.into()), self.context.stop)?;
        let (mut failed, mut burned) = (Failed::Burn(None), 0);
        let mut lies_there = self.lies_there()?;
        while burned < TRIES {
            let taken = if lies_there { Taken::Unread } else { self.take()? };
            lies_there = false;
            let done = match taken {
                Taken::Unread => self.read_back()?,
                Taken::Blank(job, blank) => {
                    burned += 1;
                    self.burn(&job, blank)?
                }
            };
            match done {
                Ok(()) => return self.end(),
                Err(why) => failed = why,
            }
        }
        let (disc, tries) = (self.disc().number, TRIES);
        let failure = match failed {
            Failed::Burn(remedy) => BurnFailure::NotBurned { disc, tries, remedy },
            Failed::ReadBack => BurnFailure::ReadBackDamaged { disc, tries },
        };
        Err(failure.into())
    }

    /// The copy has its number before the first byte is written.
    fn burn(&mut self, job: &BurnJob, blank: Blank) -> Result<Result<(), Failed>, FlowError> {
        self.begin()?;
        match burn(job, blank, &mut *self.drives.burner, self.context.monitor, self.context.stop) {
            Ok(Burned) => {
                self.record_burned()?;
                self.read_back()
            }
            Err(BurnError::Drive(error @ DriveError::Write { .. })) => self.doubt(&error),
            Err(error) => {
                self.record(CopyStep::Void)?;
                Err(burn_error(error, self.disc(), &self.drives.burner.title()))
            }
        }
    }

    /// The burning program says that it failed. It neither blesses nor condemns: if the disc can be
    /// read, what is on it decides. One that the drive gave away on the way is asked for.
    fn doubt(&mut self, error: &DriveError) -> Result<Result<(), Failed>, FlowError> {
        let (label, deadline) = (self.label(), self.context.wait_limit.deadline());
        let burner = &mut self.drives.burner;
        let found = when_free(self.context, &deadline, || Ok(burner.find(&label).map(drop)?));
        let may_be_whole = match found {
            Ok(()) => true,
            Err(FlowError::Drive(DriveError::NotThere { .. })) => self.drives.have_hands(),
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
        let (disc, why) = (self.disc().number, chain(error).into());
        self.context.monitor.note(BurnNotice::BurnFailed { disc, why }.into());
        give_back(&mut *self.drives.burner, self.context)?;
        Ok(Err(Failed::Burn(error.remedy())))
    }

    /// Reads the newest copy back. Only what comes out of this counts. A disc that is taken out
    /// meanwhile is no bad disc: it is asked for again, here or by the next run.
    fn read_back(&mut self) -> Result<Result<(), Failed>, FlowError> {
        let context = self.context;
        let mut tries = 0;
        let examined = while_it_comes_back(context, || {
            tries += 1;
            self.examine(tries > 1)
        })?;
        let faults = match examined {
            Ok(proof) => return self.bless(&proof).map(Ok),
            Err(faults) => faults,
        };
        self.condemn(&faults)?;
        Ok(Err(Failed::ReadBack))
    }

    fn examine(&mut self, went_away: bool) -> Result<Result<Proof, Vec<FileFault>>, FlowError> {
        let reader = match self.obtain(went_away)? {
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
        if self.copies.good.is_empty() && !self.order.is_covered {
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
        let is_sure = (self.drives.reader.is_none() && !went_away) || !self.copies.has_others;
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
        self.copies.has_others |= self.drives.have_hands();
        let label = self.label();
        self.drives.reader().reject(&label)?;
        self.context.monitor.note(BurnNotice::ReadBackFailed { disc: self.disc().number }.into());
        Ok(())
    }

    fn record_read_back(&mut self, outcome: ReadOutcome) -> Result<(), FlowError> {
        let drive = self.drives.reader().title();
        self.record(CopyStep::ReadBack { drive, outcome })
    }

    /// There is a verified copy more.
    fn end(&mut self) -> Result<(), FlowError> {
        // What comes next must not be taken for this one.
        self.copies.has_others |= self.drives.have_hands();
        self.drives.came = Came::Before;
        let disc = self.disc().number;
        if self.drives.reader().slot().is_none() {
            return Ok(());
        }
        give_back(self.drives.reader(), self.context)?;
        let (copy, label) = (self.shown(self.copy), volume_id(disc, &self.set.facts.name));
        self.context.monitor.note(BurnNotice::DiscDone { disc, copy, label }.into());
        Ok(())
    }
}
