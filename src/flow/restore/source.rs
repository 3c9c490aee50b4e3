//! The disc that a restore needs next: at hand, asked for, inserted, or rebuilt from its group.

use std::collections::BTreeSet;

use crate::catalog::DiscState;
use crate::drive::DiscReader;
use crate::model::{CopyPlaces, DiscIdentity, DiscNo};
use crate::port::cause::Cause;
use crate::port::notice::{DiscNotice, DriveNotice, RestoreNotice};
use crate::port::question::{Answer, Question};
use crate::port::wanted::{WantedDisc, WantedMedium};

use crate::flow::FlowError;
use crate::flow::library::collect::{Gathered, group_of};
use crate::flow::library::insertion::{RETURNS, comes_back, give_back};
use crate::flow::library::inventory::{FoundSet, Inventory, look, look_in, wrong_disc};
use crate::flow::library::locations::places_of_disc;
use crate::flow::library::reconstruct::remake;
use crate::flow::restore::{RestoreRequest, RestoreSession, note_problems};

/// So often a person may say that a disc is there now, and it is not.
const PATIENCE: usize = 20;

impl RestoreSession<'_> {
    /// Where a person keeps the disc, if the catalog knows.
    pub(in crate::flow) fn places(&self, disc: DiscNo) -> CopyPlaces {
        let known = self.known.as_ref();
        known.map(|known| places_of_disc(&known.catalog, known.set, disc)).unwrap_or_default()
    }

    pub(in crate::flow) fn wanted(&self, number: DiscNo) -> WantedDisc {
        WantedDisc::new(&self.found_set.name, number).kept(self.places(number))
    }

    /// Whether the disc is at hand, now or after a person was asked for it.
    pub(in crate::flow) fn obtain(&mut self, number: DiscNo) -> Result<bool, FlowError> {
        if self.places.has_drives() {
            return self.obtain_in_drive(number);
        }
        for _ in 0..PATIENCE {
            if self.is_at_hand(number) || self.remake(number)? {
                return Ok(true);
            }
            self.context.stop.check()?;
            let dir = self.places.dirs.first().cloned().unwrap_or_default();
            let wanted = self.wanted(number);
            if self.context.operator.ask(Question::BringDisc { wanted, dir }) != Answer::Done {
                return Ok(false);
            }
            self.look_again()?;
        }
        Ok(false)
    }

    /// Makes a disc that is lost from the others of its group, where they are at hand.
    fn remake(&mut self, number: DiscNo) -> Result<bool, FlowError> {
        // One that is there and is not the right one was told of already.
        if self.found_set.discs.contains_key(&number) || !self.remade.insert(number) {
            return Ok(false);
        }
        let RestoreRequest { scratch, trust, .. } = self.request;
        let mut made =
            remake(&self.found_set, number, scratch, trust.signed_by.as_ref(), self.context)?;
        for found in &mut made {
            note_problems(&self.vetting.vet_disc(found), self.context);
        }
        made.retain(|found| !found.copies.is_empty());
        let is_made = made.iter().any(|found| found.txt.id.number == number);
        self.found_set.discs.extend(made.into_iter().map(|found| (found.txt.id.number, found)));
        Ok(is_made)
    }

    /// The newest listing may be on a disc that is lost, and nothing else tells of it.
    pub(in crate::flow) fn remake_newer(&mut self) -> Result<(), FlowError> {
        if self.places.has_drives() || self.request.dry_run {
            return Ok(());
        }
        let discs = self.found_set.discs.values();
        let listed = discs.clone().filter(|found| found.txt.listings.snapshot);
        let newest = listed.map(|found| found.txt.id.number).max();
        let covered = discs.filter_map(|found| found.txt.group.as_ref()).flat_map(|g| &g.discs);
        let newer: BTreeSet<DiscNo> =
            covered.copied().filter(|disc| Some(*disc) > newest).collect();
        for disc in newer {
            self.remake(disc)?;
        }
        Ok(())
    }

    /// Each disc is inserted once; the one before is ejected. One that was lost is not asked for
    /// where its group can make it again.
    fn obtain_in_drive(&mut self, number: DiscNo) -> Result<bool, FlowError> {
        if self.found_set.discs.contains_key(&number) {
            return Ok(true);
        }
        if let Some(made) = self.made.remove(&number) {
            self.found_set.discs.insert(number, made);
            return Ok(true);
        }
        let may_come = !self.places.drives.is_empty() && !self.asked_in_vain.contains(&number);
        let is_there = may_come && self.has_copy(number)? && self.insert(number)?;
        if !is_there {
            self.never_came.insert(number);
        }
        Ok(is_there || (!self.places.drives.is_empty() && self.remake_in_drive(number)?))
    }

    /// Whether a person may have the disc, for all that is known.
    pub(in crate::flow) fn has_copy(&self, number: DiscNo) -> Result<bool, FlowError> {
        let Some(known) = &self.known else { return Ok(true) };
        let disc = known.catalog.disc(known.set, number)?;
        let is_gone = disc.is_some_and(|disc| disc.state == DiscState::Gone);
        Ok(!is_gone || group_of(known, number, &self.never_came)?.is_none())
    }

    /// Has the disc put into the drive; false if it never came.
    fn insert(&mut self, number: DiscNo) -> Result<bool, FlowError> {
        let wanted = self.wanted(number).into();
        self.insert_one(&wanted, |found_set| found_set.discs.contains_key(&number))
    }

    /// Has a disc of this set put into the drive; false if none came. It is all that is at hand
    /// then.
    pub(in crate::flow) fn insert_one(
        &mut self,
        wanted: &WantedMedium,
        fits: impl Fn(&FoundSet) -> bool,
    ) -> Result<bool, FlowError> {
        self.let_go();
        let Some(at) = self.places.drives.first_mut() else { return Ok(false) };
        give_back(at.drive, self.context)?;
        let uuid = self.found_set.uuid;
        let is_it = |found_set: &FoundSet| found_set.uuid == uuid && fits(found_set);
        let found = look_in(at.drive, &at.path, wanted, self.context, |inventory| {
            inventory.sets.iter().any(is_it)
        });
        match found {
            Ok(inventory) => {
                let (trust, repairer) = (&self.request.trust, &self.repairer);
                let mend = |disc: &dyn DiscReader| repairer.repaired(disc);
                let signed_by = trust.signed_by.as_ref();
                let mut inventory =
                    inventory.must_be_signed(signed_by, &mend, self.context.stop)?;
                self.vetting.vet(&mut inventory);
                note_problems(&inventory.problems, self.context);
                let same = inventory.sets.into_iter().find(is_it);
                let came = same.map(|found_set| found_set.discs).unwrap_or_default();
                let is_there = !came.is_empty();
                self.found_set.discs.extend(came);
                Ok(is_there)
            }
            Err(error @ FlowError::NeverCame { .. }) => {
                let notice = DriveNotice::NotInserted { why: Cause::of(error) };
                self.context.monitor.note(notice.into());
                self.note_place(wanted);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing may hold a disc that is to be handed out. What lies elsewhere stays.
    pub(in crate::flow) fn let_go(&mut self) {
        let remade = &self.remade;
        self.found_set.discs.retain(|number, found| {
            found.copies.retain(|copy| !copy.is_in_a_drive());
            !found.copies.is_empty() && !remade.contains(number)
        });
        self.repairer.forget_all();
    }

    /// Where somebody may look for a disc that never came.
    pub(in crate::flow) fn note_place(&self, wanted: &WantedMedium) {
        if let Some(disc) = wanted.first_disc().filter(|disc| !disc.kept.is_empty()) {
            let (disc, places) = (disc.disc, disc.kept.clone());
            self.context.monitor.note(RestoreNotice::DiscKept { disc, places }.into());
        }
    }

    /// Makes a disc again from the others of its group, which come one after the other.
    fn remake_in_drive(&mut self, number: DiscNo) -> Result<bool, FlowError> {
        let RestoreRequest { scratch, .. } = self.request;
        let context = self.context;
        let Some(known) = &self.known else { return Ok(false) };
        let Some(recovery_status) = group_of(known, number, &self.never_came)? else {
            return Ok(false);
        };
        let sources = recovery_status.sources();
        let begun =
            Gathered::begin(known, &self.found_set.name, number, &sources, scratch, context)?;
        let Some(gathered) = begun else { return Ok(false) };
        let (here, elsewhere): (Vec<DiscNo>, Vec<DiscNo>) =
            sources.into_iter().partition(|disc| self.found_set.discs.contains_key(disc));
        for source in here.into_iter().chain(elsewhere) {
            if !self.gather(&gathered, source)? {
                return Ok(false);
            }
        }
        let lying = std::mem::take(&mut self.found_set.discs);
        self.take_discs(look(gathered.dir(), self.context.stop)?);
        let is_made = self.remake(number)?;
        let made = std::mem::replace(&mut self.found_set.discs, lying).into_iter();
        // The images go now; what was made of them stays.
        let made = made.filter(|(disc, _)| recovery_status.lost.contains(disc));
        self.made.extend(made);
        self.found_set.discs.extend(self.made.remove(&number).map(|found| (number, found)));
        Ok(is_made)
    }

    /// False: it never came, or not again after it was taken out.
    fn gather(&mut self, gathered: &Gathered, source: DiscNo) -> Result<bool, FlowError> {
        for _ in 0..=RETURNS {
            if !self.found_set.discs.contains_key(&source) && !self.insert(source)? {
                self.never_came.insert(source);
                return Ok(false);
            }
            let found = self.found_set.discs.get(&source).and_then(|found| found.copies.first());
            let Some(medium) = found else { return Ok(false) };
            match gathered.take(source, &**medium, self.context) {
                Err(error) if comes_back(&error) => {
                    let notice = DiscNotice::DiscGone { why: Cause::of(error) };
                    self.context.monitor.note(notice.into());
                    self.let_go();
                }
                taken => return taken.map(|()| true),
            }
        }
        Ok(false)
    }

    pub(in crate::flow) fn is_at_hand(&self, number: DiscNo) -> bool {
        let mut dirs = self.places.dirs.iter();
        let found = self.found_set.discs.get(&number);
        let wrong = match found {
            Some(found) => dirs.find_map(|from| found.swapped_for(from)),
            None => self
                .label_in_catalog(number)
                .and_then(|label| dirs.find_map(|from| wrong_disc(from, &label))),
        };
        let is_right = found.is_some() && wrong.is_none();
        if let Some(why) = wrong {
            self.context.monitor.note(DiscNotice::WrongDisc { why: why.into() }.into());
        }
        is_right
    }

    fn label_in_catalog(&self, number: DiscNo) -> Option<DiscIdentity> {
        let known = self.known.as_ref()?;
        let disc = known.catalog.disc(known.set, number).ok()??;
        let (set, set_uuid) = (self.found_set.name.clone(), self.found_set.uuid);
        Some(DiscIdentity { set, set_uuid, number, uuid: disc.uuid })
    }

    fn look_again(&mut self) -> Result<(), FlowError> {
        let mut inventory = self.places.look_at_dirs(self.context.stop)?;
        let signed_by = self.request.trust.signed_by.as_ref();
        if signed_by.is_none() {
            inventory.name_with(|reader| self.repairer.name(reader));
        }
        let repairer = &self.repairer;
        let mend = |disc: &dyn DiscReader| repairer.repaired(disc);
        let mut inventory = inventory.keep_signed(signed_by, &mend, self.context.stop)?;
        self.vetting.vet(&mut inventory);
        self.take_discs(inventory);
        Ok(())
    }

    /// What is there now counts: the person may have taken a disc out for another one.
    fn take_discs(&mut self, inventory: Inventory) {
        let same =
            inventory.sets.into_iter().find(|found_set| found_set.uuid == self.found_set.uuid);
        self.found_set.discs = same.map(|found_set| found_set.discs).unwrap_or_default();
    }
}
