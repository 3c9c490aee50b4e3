//! What the drives of one `watch` work on: who asks for which disc, and who makes a copy of which.
//! Apart from the watch of a single drive, of which there are several: no two of them ask for the
//! same medium, and copies of one disc are made in several drives at once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalog::{Catalog, ClosedDiscInfo, CopyNo, Held, KnownSet, SetId};
use crate::model::{DiscNo, InUse};
use crate::port::wanted::WantedMedium;

use crate::flow::base::turn::hold_disc;
use crate::flow::burn::records::{BurnOrder, Copies, SharedCopies};
use crate::flow::burn::station::medium_wanted;
use crate::flow::{Context, FlowError};

/// A disc that waits to be burned, or to be read back.
pub(super) struct NextDisc {
    pub set: KnownSet,
    pub disc: ClosedDiscInfo,
    /// As the drives know them that work on it, else as the catalog does.
    pub copies: Copies,
}

type DiscKey = (SetId, DiscNo);

#[derive(Default)]
pub(super) struct WatchedDiscs(Mutex<InWork>);

#[derive(Default)]
struct InWork {
    discs: BTreeMap<DiscKey, WatchedDisc>,
    /// What each drive asks for.
    asked: BTreeMap<usize, DiscKey>,
}

/// A disc of which drives make copies.
struct WatchedDisc {
    order: Arc<BurnOrder>,
    copies: SharedCopies,
    is_tried: Arc<Mutex<bool>>,
    /// How many drives there are; the last one takes this with it.
    drives: usize,
    /// Blanks that were lost since the last good copy.
    lost: u32,
    _claim: Held,
}

/// What a drive that has a medium gets to do.
pub(super) enum TakenDisc<'a> {
    Share(Share<'a>),
    /// Other drives of this run make all copies that are missing.
    InWork,
    /// Another coldcut has it.
    InUse(InUse, Option<u32>),
}

/// A drive's part in making the copies of a disc; given back when dropped.
pub(super) struct Share<'a> {
    discs: &'a WatchedDiscs,
    pub order: Arc<BurnOrder>,
    pub copies: SharedCopies,
    is_tried: Arc<Mutex<bool>>,
    key: DiscKey,
}

impl NextDisc {
    fn key(&self) -> DiscKey {
        (self.set.id, self.disc.number)
    }

    /// Whether this is a share in it.
    pub fn is_of(&self, share: &Share) -> bool {
        self.key() == share.key
    }

    /// It may be on a medium already.
    fn may_be_burned(&self) -> bool {
        self.copies.unread_in_drive().is_some()
    }

    /// What to insert for it, where others ask for so many media of it.
    fn wanted(&self, others: usize) -> WantedMedium {
        let mut copies = self.copies.clone();
        for _ in 0..others {
            if copies.claim_unread().is_none() {
                copies.next = CopyNo(copies.next.0.saturating_add(1));
            }
        }
        medium_wanted(&self.set, &self.disc, &copies, self.set.copies as usize)
    }
}

impl WatchedDiscs {
    fn now(&self) -> MutexGuard<'_, InWork> {
        // Each change is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copies of a disc that is in progress.
    pub fn copies(&self, set: SetId, disc: DiscNo) -> Option<Copies> {
        let now = self.now();
        now.discs.get(&(set, disc)).map(|work| work.copies.now().clone())
    }

    /// What this drive is to ask for: the first disc that lacks more copies than other drives make
    /// and ask for. `None`: nothing of what waits.
    pub fn ask(&self, drive: usize, waiting: &[NextDisc]) -> Option<WantedMedium> {
        let mut now = self.now();
        now.asked.remove(&drive);
        let (next, others) = waiting.iter().find_map(|next| {
            let others = now.askers(next.key());
            (now.missing(next) > others).then_some((next, others))
        })?;
        now.asked.insert(drive, next.key());
        Some(next.wanted(others))
    }

    /// This drive asks for nothing any more.
    pub fn has_medium(&self, drive: usize) {
        self.now().asked.remove(&drive);
    }

    /// What goes onto a blank in this drive, in this order: what it asked for; what no other drive
    /// asks for; discs that may be on a medium already come last.
    pub fn for_blank<'n>(&self, drive: usize, waiting: &'n [NextDisc]) -> Vec<&'n NextDisc> {
        let now = self.now();
        let mut order: Vec<&NextDisc> = waiting.iter().collect();
        order.sort_by_key(|next| {
            let is_own = now.asked.get(&drive) == Some(&next.key());
            let is_left = now.missing(next) > now.askers(next.key());
            (next.may_be_burned(), !is_own, !is_left)
        });
        order
    }

    /// The first of these discs that lacks a copy which nobody makes.
    pub fn take(
        &self,
        catalog: &Catalog,
        discs: &[&NextDisc],
        context: Context,
    ) -> Result<TakenDisc<'_>, FlowError> {
        let mut in_use = None;
        for next in discs {
            let mut now = self.now();
            let work = match now.discs.entry(next.key()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => match begin(catalog, next, context) {
                    Err(FlowError::OthersTurn { what, pid }) => {
                        in_use = in_use.or(Some(TakenDisc::InUse(what, pid)));
                        continue;
                    }
                    begun => match begun? {
                        Some(work) => place.insert(work),
                        None => continue,
                    },
                },
            };
            if work.missing() > 0 {
                work.drives += 1;
                return Ok(TakenDisc::Share(work.share(self, next.key())));
            }
        }
        Ok(in_use.unwrap_or(TakenDisc::InWork))
    }
}

/// `None`: another coldcut made it safe meanwhile, or fills it up.
fn begin(
    catalog: &Catalog,
    next: &NextDisc,
    context: Context,
) -> Result<Option<WatchedDisc>, FlowError> {
    let claim = hold_disc(catalog, &next.set, next.disc.number, context)?;
    let order = BurnOrder::of(catalog, next.set.id, next.disc.number)?;
    let order = order.filter(|order| order.copies.good.len() < order.wanted);
    Ok(order.map(|order| WatchedDisc::new(order, claim)))
}

impl InWork {
    /// Copies that no drive makes.
    fn missing(&self, next: &NextDisc) -> usize {
        match self.discs.get(&next.key()) {
            Some(work) => work.missing(),
            // One that failed is to be made again, whatever is wanted by now.
            None => (next.set.copies as usize).saturating_sub(next.copies.good.len()).max(1),
        }
    }

    fn askers(&self, disc: DiscKey) -> usize {
        self.asked.values().filter(|asked| **asked == disc).count()
    }
}

impl WatchedDisc {
    fn new(order: BurnOrder, claim: Held) -> WatchedDisc {
        WatchedDisc {
            copies: SharedCopies::new(order.copies.clone()),
            order: Arc::new(order),
            is_tried: Arc::default(),
            drives: 0,
            lost: 0,
            _claim: claim,
        }
    }

    fn missing(&self) -> usize {
        self.order.wanted.saturating_sub(self.copies.now().good.len() + self.drives)
    }

    fn share<'a>(&self, discs: &'a WatchedDiscs, key: DiscKey) -> Share<'a> {
        let (order, copies) = (self.order.clone(), self.copies.clone());
        Share { discs, order, copies, is_tried: self.is_tried.clone(), key }
    }
}

impl Share<'_> {
    /// Does this for one of the drives; the others wait for it.
    pub fn once(&self, work: impl FnOnce() -> Result<(), FlowError>) -> Result<(), FlowError> {
        let mut is_tried = self.is_tried.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_tried {
            work()?;
            *is_tried = true;
        }
        Ok(())
    }

    pub fn is_safe(&self) -> bool {
        self.copies.now().good.len() >= self.order.wanted
    }

    /// A blank was lost on it: how many were since the last good copy.
    pub fn lose(&self, is_lost: bool) -> u32 {
        let mut now = self.discs.now();
        let Some(work) = now.discs.get_mut(&self.key) else { return 0 };
        work.lost += u32::from(is_lost);
        work.lost
    }

    /// There is a good copy more.
    pub fn is_good(&self) {
        if let Some(work) = self.discs.now().discs.get_mut(&self.key) {
            work.lost = 0;
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut now = self.discs.now();
        let Some(work) = now.discs.get_mut(&self.key) else { return };
        work.drives -= 1;
        if work.drives == 0 {
            now.discs.remove(&self.key);
        }
    }
}
