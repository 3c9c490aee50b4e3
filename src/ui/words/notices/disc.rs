//! The discs that are found at a place.

use crate::flow::base::own_list::SUMS;
use crate::model::DatedDisc;
use crate::port::clock::Moment;
use crate::port::notice::{DiscNotice, IdentifiedBy};
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &DiscNotice) -> String {
    match notice {
        DiscNotice::DiscGone { why }
        | DiscNotice::DiscUnusable { why, .. }
        | DiscNotice::ImageTruncated { why }
        | DiscNotice::WrongDisc { why } => advised(why.to_string(), why),
        DiscNotice::IdentifiedOtherwise { by, why } => format!("{why}; {}", identified(*by)),
        DiscNotice::SignedDiscRepaired { why } => {
            format!("{why}; it was repaired from its recovery data")
        }
        DiscNotice::SnapshotCorrected { set, disc, media, said, known } => format!(
            "{}: disc {disc} of {set} says that it is of snapshot {said}, but the catalog knows \
             that it is of snapshot {known}, which is used",
            media.join(", ")
        ),
        DiscNotice::SameNumber { set, disc, used, other, medium } => {
            let used = used.map_or_else(String::new, |used| used.to_string());
            format!(
                "two different discs claim to be disc {disc} of {set}: {used}, which is used, and \
                 {other} ({medium})"
            )
        }
        DiscNotice::OtherHistory { other, newest } => {
            let (other, newest) = (dated(other), dated(newest));
            format!(
                "{other} belongs to a different history of the set from {newest} and is not used"
            )
        }
        DiscNotice::ListChanged { medium, newest } => format!(
            "{medium}: {SUMS} differs from the one recorded on {}: it was damaged or changed since",
            dated(newest)
        ),
    }
}

/// `disc 2 of 2026-11-22 23:05 (7e57…)`.
fn dated(DatedDisc { disc, date, uuid }: &DatedDisc) -> String {
    format!("disc {disc} of {} ({uuid})", Moment::local_minute_of(date))
}

fn identified(by: IdentifiedBy) -> &'static str {
    match by {
        IdentifiedBy::Readme => "README.txt says which disc it is",
        IdentifiedBy::Volume => "its volume's own fields say which disc it is",
        IdentifiedBy::RecoveryData => "its recovery data says which disc it is",
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use crate::model::{DiscNo, DiscUuid, SnapshotSeq};
    use crate::port::notice::ProblemKind;
    use uuid::Uuid;

    let (set, disc, why) = super::examples::set_disc_why();
    let (one, two) = (DiscUuid(Uuid::from_u128(1)), DiscUuid(Uuid::from_u128(2)));
    let newest = DatedDisc { disc: DiscNo(5), date: "2026-11-29T00:00:00Z".into(), uuid: one };
    examples!(DiscNotice {
        DiscGone { why: why.clone() } => "it is broken",
        DiscUnusable { problem: ProblemKind::Damage, why: why.clone() } => "it is broken",
        ImageTruncated { why: why.clone() } => "it is broken",
        IdentifiedOtherwise { by: IdentifiedBy::Readme, why: why.clone() } =>
            "it is broken; README.txt says which disc it is",
        IdentifiedOtherwise { by: IdentifiedBy::Volume, why: why.clone() } =>
            "it is broken; its volume's own fields say which disc it is",
        IdentifiedOtherwise { by: IdentifiedBy::RecoveryData, why: why.clone() } =>
            "it is broken; its recovery data says which disc it is",
        SignedDiscRepaired { why: why.clone() } =>
            "it is broken; it was repaired from its recovery data",
        SnapshotCorrected {
            set: set.clone(),
            disc,
            media: vec!["a.iso".into(), "b.iso".into()],
            said: SnapshotSeq(9),
            known: SnapshotSeq(2),
        } =>
            "a.iso, b.iso: disc 3 of films says that it is of snapshot 9, but the catalog knows \
             that it is of snapshot 2, which is used",
        SameNumber { set, disc, used: Some(one), other: two, medium: "b.iso".into() } =>
            "two different discs claim to be disc 3 of films: \
             00000000-0000-0000-0000-000000000001, which is used, and \
             00000000-0000-0000-0000-000000000002 (b.iso)",
        OtherHistory {
            other: DatedDisc { disc, date: "2026-11-30T00:00:00Z".into(), uuid: two },
            newest: newest.clone(),
        } =>
            format!(
                "disc 3 of {} (00000000-0000-0000-0000-000000000002) belongs to a different history \
                 of the set from disc 5 of {} (00000000-0000-0000-0000-000000000001) and is not used",
                Moment(1_795_996_800).local_minute(),
                Moment(1_795_910_400).local_minute()
            ),
        ListChanged { medium: "a.iso".into(), newest } =>
            format!(
                "a.iso: SHA256SUMS differs from the one recorded on disc 5 of {} \
                 (00000000-0000-0000-0000-000000000001): it was damaged or changed since",
                Moment(1_795_910_400).local_minute()
            ),
        WrongDisc { why } => "it is broken",
    })
}
