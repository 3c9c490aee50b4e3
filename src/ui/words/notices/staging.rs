//! Discs in the staging area.

use crate::flow::FlowError;
use crate::model::path::shown_path;
use crate::model::plural;
use crate::port::notice::{FillObstacle, StagingNotice};
use crate::restore::index::INDEX;
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &StagingNotice) -> String {
    match notice {
        StagingNotice::ImagesLeftOut { dir } => {
            format!("left out: the disc images in {}", shown_path(dir))
        }
        // Whoever names such a disc is told the same.
        StagingNotice::StagedDiscLost { set, disc } => {
            let set = set.as_ref().map(|set| format!("{set}: ")).unwrap_or_default();
            format!("{set}{}", FlowError::StagingLost(*disc))
        }
        StagingNotice::StagedDiscRepacked { disc } => format!(
            "disc {disc} is no longer complete in the staging area; its files will be packed again"
        ),
        StagingNotice::FramesRecoded { disc, frames } => format!(
            "disc {disc}: {} of coldcut's own bzip2 encoder could not be used and libbz2 made them \
             instead; the disc is right. Please report this",
            plural(*frames, "frame", "frames")
        ),
        StagingNotice::HeldLongEnough { disc, since } => {
            let since = since.local_minute();
            format!("disc {disc} has waited for more files since {since}; closing it now")
        }
        StagingNotice::FillingUp { disc } => {
            format!("disc {disc} in the staging area has room; filling it first")
        }
        StagingNotice::NotFilledUp { disc, obstacle } => format!(
            "disc {disc} is not filled any further; starting another disc: {}",
            why_not(obstacle)
        ),
        StagingNotice::OneDiscAtATime { need } => format!(
            "the staging area has no room to pack one disc while another is burned ({need} \
             needed): each disc is verified before the next one is packed"
        ),
        StagingNotice::DiscsAtOnce { drives, discs, need } => format!(
            "{drives} drives burn: up to {discs} discs are in the staging area at once, {need}"
        ),
        StagingNotice::FewerAtOnce { drives, discs, wanted } => format!(
            "the staging area has no room to keep {drives} drives busy ({wanted} needed): {} at \
             once",
            plural(*discs as u64, "disc", "discs")
        ),
        StagingNotice::DiscWaits { disc, before } => {
            format!("disc {disc} is packed; it will be burned once disc {before} is verified")
        }
        StagingNotice::PackingFailed { disc, why } => {
            format!("packing failed: {why}; finishing disc {disc} first")
        }
        StagingNotice::OthersEndFirst { why } => {
            advised(format!("{why}; finishing what the other drives burn first"), why)
        }
        StagingNotice::LastDiscFailed { disc, why } => advised(format!("disc {disc}: {why}"), why),
    }
}

fn why_not(obstacle: &FillObstacle) -> String {
    match obstacle {
        FillObstacle::NoSecretKey => {
            "the rows of its INDEX are not in the staging area, and only a secret key \
             (--secret-key) can read them from the disc"
                .to_owned()
        }
        FillObstacle::BeingBurned => "another coldcut is burning it".to_owned(),
        FillObstacle::NotSigning => "it is signed, and this run does not sign (--sign)".to_owned(),
        FillObstacle::OtherSigner => "it is signed by another key".to_owned(),
        FillObstacle::NoIndex => format!("it has no {INDEX}"),
        FillObstacle::IndexChanged { path } => format!("{path} was changed after it was written"),
        FillObstacle::IndexIncomplete => format!("{INDEX} does not list all archives"),
        FillObstacle::Unreadable { why } => why.to_string(),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use crate::model::{Bytes, DiscNo};
    use crate::port::clock::Moment;

    let (set, disc, why) = super::examples::set_disc_why();
    examples!(StagingNotice {
        ImagesLeftOut { dir: "/home/discs".into() } => "left out: the disc images in /home/discs",
        StagedDiscLost { set: None, disc } =>
            "disc 3 is no longer complete in the staging area; the next backup packs its files \
             again",
        StagedDiscLost { set: Some(set), disc } =>
            "films: disc 3 is no longer complete in the staging area; the next backup packs its \
             files again",
        StagedDiscRepacked { disc } =>
            "disc 3 is no longer complete in the staging area; its files will be packed again",
        FramesRecoded { disc, frames: 2 } =>
            "disc 3: 2 frames of coldcut's own bzip2 encoder could not be used and libbz2 made them \
             instead; the disc is right. Please report this",
        HeldLongEnough { disc, since: Moment(1_795_910_400) } =>
            format!(
                "disc 3 has waited for more files since {}; closing it now",
                Moment(1_795_910_400).local_minute()
            ),
        FillingUp { disc } => "disc 3 in the staging area has room; filling it first",
        NotFilledUp { disc, obstacle: FillObstacle::NoSecretKey } =>
            "disc 3 is not filled any further; starting another disc: the rows of its INDEX are \
             not in the staging area, and only a secret key (--secret-key) can read them from the \
             disc",
        NotFilledUp { disc, obstacle: FillObstacle::BeingBurned } =>
            "disc 3 is not filled any further; starting another disc: another coldcut is burning it",
        NotFilledUp { disc, obstacle: FillObstacle::NotSigning } =>
            "disc 3 is not filled any further; starting another disc: it is signed, and this run \
             does not sign (--sign)",
        NotFilledUp { disc, obstacle: FillObstacle::OtherSigner } =>
            "disc 3 is not filled any further; starting another disc: it is signed by another key",
        NotFilledUp { disc, obstacle: FillObstacle::NoIndex } =>
            "disc 3 is not filled any further; starting another disc: it has no INDEX.tsv.bz2",
        NotFilledUp { disc, obstacle: FillObstacle::IndexChanged { path: "INDEX".into() } } =>
            "disc 3 is not filled any further; starting another disc: INDEX was changed after it \
             was written",
        NotFilledUp { disc, obstacle: FillObstacle::IndexIncomplete } =>
            "disc 3 is not filled any further; starting another disc: INDEX.tsv.bz2 does not list \
             all archives",
        NotFilledUp { disc, obstacle: FillObstacle::Unreadable { why: why.clone() } } =>
            "disc 3 is not filled any further; starting another disc: it is broken",
        OneDiscAtATime { need: Bytes(50_000_000_000) } =>
            "the staging area has no room to pack one disc while another is burned (50.0 GB \
             needed): each disc is verified before the next one is packed",
        DiscsAtOnce { drives: 2, discs: 3, need: Bytes(75_000_000_000) } =>
            "2 drives burn: up to 3 discs are in the staging area at once, 75.0 GB",
        FewerAtOnce { drives: 3, discs: 2, wanted: Bytes(100_000_000_000) } =>
            "the staging area has no room to keep 3 drives busy (100 GB needed): 2 discs at once",
        DiscWaits { disc: DiscNo(4), before: disc } =>
            "disc 4 is packed; it will be burned once disc 3 is verified",
        PackingFailed { disc, why: why.clone() } =>
            "packing failed: it is broken; finishing disc 3 first",
        OthersEndFirst { why: why.clone() } =>
            "it is broken; finishing what the other drives burn first",
        LastDiscFailed { disc, why } => "disc 3: it is broken",
    })
}
