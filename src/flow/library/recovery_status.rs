//! What the recovery discs of a set are still good for: which lost discs can be rebuilt, and how
//! many more may be lost.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, RecoveryGroup, SetId};
use crate::model::DiscNo;

use crate::flow::FlowError;

/// A group of discs, and what of it has a good copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryStatus {
    pub group: RecoveryGroup,
    /// Discs with files of which no good copy is left.
    pub lost: Vec<DiscNo>,
    /// Recovery discs of which one is.
    pub spare: Vec<DiscNo>,
}

/// All groups of a set. `good`: discs of which a good copy is left.
pub fn recovery_status(
    catalog: &Catalog,
    set: SetId,
    good: &BTreeSet<DiscNo>,
) -> Result<Vec<RecoveryStatus>, FlowError> {
    let groups = catalog.recovery_groups(set)?;
    Ok(groups.into_iter().map(|group| RecoveryStatus::of(group, good)).collect())
}

impl RecoveryStatus {
    fn of(group: RecoveryGroup, good: &BTreeSet<DiscNo>) -> RecoveryStatus {
        let lost = group.discs.iter().filter(|disc| !good.contains(disc)).copied().collect();
        let spare = group.recovery.iter().filter(|disc| good.contains(disc)).copied().collect();
        RecoveryStatus { group, lost, spare }
    }

    /// How many discs of the group, whichever they are, may be lost beside those that are lost
    /// already. `None`: more is lost than can be rebuilt.
    pub fn may_lose(&self) -> Option<usize> {
        self.spare.len().checked_sub(self.lost.len())
    }

    /// Whether this disc is lost, and can be rebuilt from the others.
    pub fn makes(&self, disc: DiscNo) -> bool {
        self.lost.contains(&disc) && self.may_lose().is_some()
    }

    /// All discs of the group, in order.
    pub fn members(&self) -> Vec<DiscNo> {
        let mut members = [&self.group.discs[..], &self.group.recovery].concat();
        members.sort();
        members
    }

    /// From which discs a lost one is made: all that are left, and as many recovery discs as
    /// needed.
    pub fn sources(&self) -> Vec<DiscNo> {
        let left = self.group.discs.iter().filter(|disc| !self.lost.contains(disc));
        let mut sources: Vec<DiscNo> =
            left.chain(self.spare.iter().take(self.lost.len())).copied().collect();
        sources.sort();
        sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_good(good: &[u32]) -> RecoveryStatus {
        let discs = [1, 2, 3].map(DiscNo).to_vec();
        let group = RecoveryGroup { discs, recovery: [4, 5].map(DiscNo).to_vec() };
        RecoveryStatus::of(group, &good.iter().map(|&disc| DiscNo(disc)).collect())
    }

    #[test]
    fn as_many_discs_may_be_lost_as_there_are_recovery_discs() {
        for (good, left) in [
            (&[1, 2, 3, 4, 5][..], Some(2)),
            (&[1, 2, 3, 5], Some(1)),
            (&[1, 3, 4, 5], Some(1)),
            (&[3, 4, 5], Some(0)),
            (&[1, 2, 3], Some(0)),
            (&[3, 5], None),
            (&[], None),
        ] {
            assert_eq!(with_good(good).may_lose(), left, "{good:?}");
        }
    }

    #[test]
    fn a_lost_disc_is_made_from_what_is_left() {
        let recovery_status = with_good(&[1, 3, 4, 5]);
        assert!(
            recovery_status.makes(DiscNo(2))
                && !recovery_status.makes(DiscNo(1))
                && !recovery_status.makes(DiscNo(9))
        );
        assert_eq!(recovery_status.sources(), [1, 3, 4].map(DiscNo));
        assert_eq!(recovery_status.members(), [1, 2, 3, 4, 5].map(DiscNo));
        assert!(!with_good(&[1, 5]).makes(DiscNo(2)));
    }
}
