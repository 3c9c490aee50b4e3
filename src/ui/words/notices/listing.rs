//! The listings of discs.

use crate::port::notice::ListingNotice;
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &ListingNotice) -> String {
    match notice {
        ListingNotice::ListingContradicted { why, .. } => {
            format!("{why}; its listings are not used")
        }
        ListingNotice::ListingUnreadable { medium, why } => {
            advised(format!("{medium}: {why}; another listing is used, if there is one"), why)
        }
        ListingNotice::IndexUnreadable { medium, why } => {
            advised(format!("{medium}: {why}; some of what it contains may not be found"), why)
        }
        ListingNotice::CatalogUnreadable { medium, why } => {
            advised(format!("{medium}: {why}; another catalog is used, if there is one"), why)
        }
        ListingNotice::ArchivesRead { medium, why } => {
            advised(format!("{medium}: {why}; reading its archives completely"), why)
        }
        ListingNotice::IndexDamaged { medium, why } => advised(format!("{medium}: {why}"), why),
        ListingNotice::OlderSnapshotUsed { wanted, used } => format!(
            "no listing of snapshot {wanted} can be read from these discs: snapshot {used} is used \
             instead"
        ),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use crate::model::SnapshotSeq;

    let (set, disc, why) = super::examples::set_disc_why();
    let medium = "a.iso".to_owned();
    examples!(ListingNotice {
        ListingContradicted { set, disc, why: why.clone() } =>
            "it is broken; its listings are not used",
        ListingUnreadable { medium: medium.clone(), why: why.clone() } =>
            "a.iso: it is broken; another listing is used, if there is one",
        IndexUnreadable { medium: medium.clone(), why: why.clone() } =>
            "a.iso: it is broken; some of what it contains may not be found",
        CatalogUnreadable { medium: medium.clone(), why: why.clone() } =>
            "a.iso: it is broken; another catalog is used, if there is one",
        ArchivesRead { medium: medium.clone(), why: why.clone() } =>
            "a.iso: it is broken; reading its archives completely",
        IndexDamaged { medium, why } => "a.iso: it is broken",
        OlderSnapshotUsed { wanted: SnapshotSeq(3), used: SnapshotSeq(2) } =>
            "no listing of snapshot 3 can be read from these discs: snapshot 2 is used instead",
    })
}
