//! `coldcut lost` and `coldcut retire`: copies that are no more. First what that takes from every
//! snapshot, then, if a person agrees, the record; what is then missing is stored again by the next
//! backup.

use std::collections::HashMap;
use std::path::Path;

use crate::catalog::{Catalog, Copy, CopyNo, DiscInfo, DiscLoss, DiscState, Fate, Held, KnownSet};
use crate::model::{DiscList, DiscNo, SetName, SnapshotSeq};
use crate::port::clock::Moment;

use crate::flow::base::sets::no_disc;
use crate::flow::base::turn::{hold_chosen, hold_disc, open_to_record};
use crate::flow::burn::records::is_staged;
use crate::flow::library::recovery_status::{RecoveryStatus, recovery_status};
use crate::flow::staging::area::Staging;
use crate::flow::{Context, FlowError, SelectionError};

/// The copies of one disc that are given up, and what is left of it.
#[derive(Clone, Debug)]
pub struct GivenUp {
    pub disc: DiscNo,
    pub copies: Vec<CopyNo>,
    /// Copies that stay and were right when they were last read.
    pub good: Vec<Copy>,
    /// Copies that stay and are not known to be right or wrong.
    pub unread: u32,
    /// It waits in the staging area, whole, and can be burned again.
    pub staged: bool,
}

impl GivenUp {
    /// Nothing is left that could be right.
    pub fn takes_all(&self) -> bool {
        self.good.is_empty() && self.unread == 0 && !self.staged
    }
}

/// What is to be given up, not recorded yet. Nobody else changes the set or burns these discs
/// meanwhile.
pub struct GivingUp {
    catalog: Catalog,
    _held: Vec<Held>,
    pub set: KnownSet,
    fate: Fate,
    pub discs: Vec<GivenUp>,
    /// Of all the discs of which nothing is left.
    pub loss: DiscLoss,
    /// Those of them that can be rebuilt from the discs of their group.
    pub made_again: Vec<(DiscNo, RecoveryStatus)>,
}

impl GivingUp {
    pub fn weigh(
        catalog: &Path,
        staging: &Path,
        name: Option<&SetName>,
        discs: &DiscList,
        copy: Option<CopyNo>,
        fate: Fate,
        context: Context,
    ) -> Result<GivingUp, FlowError> {
        let catalog = open_to_record(catalog, context)?;
        let (set, held) = hold_chosen(&catalog, name, context)?;
        let mut held = vec![held];
        let staging = Staging::open(staging)?;
        let known = catalog.discs(set.id)?;
        let mut given_up = Vec::new();
        for number in discs.iter() {
            let disc = known.iter().find(|disc| disc.number == number);
            let disc = disc.ok_or_else(|| no_disc(&set, number))?;
            held.push(hold_disc(&catalog, &set, number, context)?);
            given_up.push(given(&catalog, &staging, &set, disc, copy)?);
        }
        let gone: Vec<DiscNo> =
            given_up.iter().filter(|disc| disc.takes_all()).map(|disc| disc.disc).collect();
        let mut loss = catalog.loss(set.id, &gone)?;
        let finished = catalog.snapshots(set.id)?;
        loss.snapshots
            .retain(|at| finished.iter().any(|s| s.seq == at.seq && s.finished.is_some()));
        let made_again = made_again(&catalog, &set, &known, &gone)?;
        Ok(GivingUp { catalog, _held: held, set, fate, discs: given_up, loss, made_again })
    }

    /// When each snapshot was made.
    pub fn dates(&self) -> Result<HashMap<SnapshotSeq, Moment>, FlowError> {
        let snapshots = self.catalog.snapshots(self.set.id)?;
        Ok(snapshots.into_iter().map(|snapshot| (snapshot.seq, snapshot.started)).collect())
    }

    pub fn record(mut self) -> Result<(), FlowError> {
        for disc in &self.discs {
            self.catalog.give_up(self.set.id, disc.disc, &disc.copies, self.fate, disc.staged)?;
        }
        Ok(())
    }
}

/// Which of these discs their groups can make again when they are gone.
fn made_again(
    catalog: &Catalog,
    set: &KnownSet,
    discs: &[DiscInfo],
    gone: &[DiscNo],
) -> Result<Vec<(DiscNo, RecoveryStatus)>, FlowError> {
    let is_good = |disc: &&DiscInfo| disc.safe_copies() > 0 && !gone.contains(&disc.number);
    let good = discs.iter().filter(is_good).map(|disc| disc.number).collect();
    let groups = recovery_status(catalog, set.id, &good)?;
    let made = |&disc: &DiscNo| {
        let makes = groups.iter().find(|recovery_status| recovery_status.makes(disc));
        makes.map(|recovery_status| (disc, recovery_status.clone()))
    };
    Ok(gone.iter().filter_map(made).collect())
}

fn given(
    catalog: &Catalog,
    staging: &Staging,
    set: &KnownSet,
    disc: &DiscInfo,
    copy: Option<CopyNo>,
) -> Result<GivenUp, FlowError> {
    let number = disc.number;
    let copies = catalog.copies(set.id, number)?;
    // A disc that is known from others alone is on a medium that nobody described.
    let was_never = copies.is_empty() && disc.state != DiscState::Burned;
    if was_never || disc.state == DiscState::Open {
        return Err(SelectionError::NoCopyYet(number).into());
    }
    let is_meant = |c: &Copy| copy.is_none_or(|wanted| c.number == wanted);
    let (gone, left): (Vec<Copy>, Vec<Copy>) = copies.into_iter().partition(is_meant);
    if let (Some(wanted), true) = (copy, gone.is_empty()) {
        let known: Vec<String> = left.iter().map(|c| c.number.0.to_string()).collect();
        let known = known.join(", ");
        return Err(SelectionError::NoSuchCopy { disc: number, copy: wanted.0, known }.into());
    }
    let unread = left.iter().filter(|c| c.state == crate::catalog::CopyState::Burned).count();
    Ok(GivenUp {
        disc: number,
        copies: gone.iter().filter(|copy| copy.is_kept()).map(|copy| copy.number).collect(),
        good: left.into_iter().filter(Copy::is_good).collect(),
        unread: u32::try_from(unread).unwrap_or(u32::MAX),
        staged: is_staged(catalog, set, staging, number)?,
    })
}
