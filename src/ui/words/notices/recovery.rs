//! Recovery: repair of a disc, reconstruction of a lost one, groups.

use crate::model::disc_list::named;
use crate::model::plural;
use crate::port::notice::{DiscOrMedium, RecoveryNotice};

pub(super) fn words(notice: &RecoveryNotice) -> String {
    match notice {
        RecoveryNotice::Repairing { what } => {
            format!("{} is damaged; repairing it from its recovery data", whom(what))
        }
        RecoveryNotice::Repaired { what } => format!("{} is repaired", whom(what)),
        RecoveryNotice::NotRepaired { what, why } => {
            format!("{} cannot be repaired: {why}", whom(what))
        }
        RecoveryNotice::Reconstructing { set, disc } => {
            format!("reconstructing disc {disc} of {set} from the discs of its group")
        }
        RecoveryNotice::TooFewDiscs { set, disc, missing, recovery } => format!(
            "disc {disc} of {set} cannot be reconstructed: {} missing, and only {} here",
            plural(*missing, "disc of its group is", "discs of its group are"),
            plural(*recovery, "of its recovery discs is", "of its recovery discs are")
        ),
        RecoveryNotice::NotReconstructed { set, disc, why } => {
            format!("disc {disc} of {set} cannot be reconstructed: {why}")
        }
        RecoveryNotice::ReconstructedUnsigned { why } => why.to_string(),
        RecoveryNotice::NotCovered { disc } => format!(
            "disc {disc} was packed when the set had no recovery discs, or fewer: none can cover it"
        ),
        RecoveryNotice::GroupGivenUp { discs } => format!(
            "a disc failed while it was being added to its recovery group: no recovery disc covers \
             {}",
            if discs.is_empty() { "it".to_owned() } else { named(discs) }
        ),
    }
}

fn whom(what: &DiscOrMedium) -> String {
    match what {
        DiscOrMedium::Disc { set, disc } => format!("disc {disc} of {set}"),
        DiscOrMedium::Medium { medium } => medium.clone(),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use crate::model::DiscNo;

    let (set, disc, why) = super::examples::set_disc_why();
    let what = DiscOrMedium::Disc { set: set.clone(), disc };
    examples!(RecoveryNotice {
        Repairing { what: what.clone() } =>
            "disc 3 of films is damaged; repairing it from its recovery data",
        Repairing { what: DiscOrMedium::Medium { medium: "a.iso".into() } } =>
            "a.iso is damaged; repairing it from its recovery data",
        Repaired { what: what.clone() } => "disc 3 of films is repaired",
        Repaired { what: DiscOrMedium::Medium { medium: "a.iso".into() } } => "a.iso is repaired",
        NotRepaired { what, why: why.clone() } =>
            "disc 3 of films cannot be repaired: it is broken",
        NotRepaired {
            what: DiscOrMedium::Medium { medium: "a.iso".into() },
            why: why.clone(),
        } => "a.iso cannot be repaired: it is broken",
        Reconstructing { set: set.clone(), disc } =>
            "reconstructing disc 3 of films from the discs of its group",
        TooFewDiscs { set: set.clone(), disc, missing: 2, recovery: 1 } =>
            "disc 3 of films cannot be reconstructed: 2 discs of its group are missing, and only \
             1 of its recovery discs is here",
        NotReconstructed { set, disc, why: why.clone() } =>
            "disc 3 of films cannot be reconstructed: it is broken",
        ReconstructedUnsigned { why } => "it is broken",
        NotCovered { disc } =>
            "disc 3 was packed when the set had no recovery discs, or fewer: none can cover it",
        GroupGivenUp { discs: vec![DiscNo(1), DiscNo(2)] } =>
            "a disc failed while it was being added to its recovery group: no recovery disc \
             covers discs 1-2",
        GroupGivenUp { discs: vec![] } =>
            "a disc failed while it was being added to its recovery group: no recovery disc \
             covers it",
    })
}
