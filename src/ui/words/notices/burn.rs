//! A disc in the drives.

use crate::port::notice::BurnNotice;

pub(super) fn words(notice: &BurnNotice) -> String {
    match notice {
        BurnNotice::EarlierBurn { drive } => format!(
            "a burn started by an earlier run is still in progress in {drive}; waiting for it"
        ),
        BurnNotice::BurnContinues { disc } => format!(
            "disc {disc}: the burn continues, so that the disc is not lost; interrupt again \
             (Ctrl-C) to abort it, which ruins the disc"
        ),
        BurnNotice::ImageContinues { disc } => format!(
            "disc {disc}: the image is finished first, so that it is not lost; interrupt again \
             (Ctrl-C) to abort it"
        ),
        BurnNotice::BurnAborted { disc } => {
            format!("disc {disc}: the burn was aborted; the disc in the drive is ruined")
        }
        BurnNotice::ClosingDisc { disc } => {
            format!("disc {disc}: closing the disc; this can take many minutes")
        }
        BurnNotice::LiftedDiscRejected { drive, number } => format!(
            "the loader of {drive} held a disc from an earlier run; it is disc {number} of the \
             stack and goes on the reject pile"
        ),
        BurnNotice::AlreadyInDrive { disc, drive } => {
            format!("disc {disc} is already in {drive}; reading it back")
        }
        BurnNotice::BurnInDoubt { why, .. } => {
            format!("{why}; reading the disc back to see whether it is good")
        }
        BurnNotice::BurnFailed { disc, why } => {
            format!("disc {disc}: {why}; retrying on the next blank")
        }
        BurnNotice::ReadBackFailed { disc } => {
            format!("disc {disc}: reading it back found damage; retrying on the next blank")
        }
        BurnNotice::DiscDone { disc, copy, label } => {
            let copy = copy.map(|copy| format!(", copy {copy}")).unwrap_or_default();
            format!("disc {disc}{copy} is verified and ejected: label it {label}{copy}")
        }
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    let disc = super::examples::disc();
    examples!(BurnNotice {
        EarlierBurn { drive: "/dev/sr0".into() } =>
            "a burn started by an earlier run is still in progress in /dev/sr0; waiting for it",
        BurnContinues { disc } =>
            "disc 3: the burn continues, so that the disc is not lost; interrupt again (Ctrl-C) \
             to abort it, which ruins the disc",
        ImageContinues { disc } =>
            "disc 3: the image is finished first, so that it is not lost; interrupt again \
             (Ctrl-C) to abort it",
        BurnAborted { disc } => "disc 3: the burn was aborted; the disc in the drive is ruined",
        ClosingDisc { disc } => "disc 3: closing the disc; this can take many minutes",
        LiftedDiscRejected { drive: "/dev/sr0".into(), number: 1 } =>
            "the loader of /dev/sr0 held a disc from an earlier run; it is disc 1 of the stack and \
             goes on the reject pile",
        AlreadyInDrive { disc, drive: "/dev/sr0".into() } =>
            "disc 3 is already in /dev/sr0; reading it back",
        BurnInDoubt { disc, why: "it failed".into() } =>
            "it failed; reading the disc back to see whether it is good",
        BurnFailed { disc, why: "it failed".into() } =>
            "disc 3: it failed; retrying on the next blank",
        ReadBackFailed { disc } =>
            "disc 3: reading it back found damage; retrying on the next blank",
        DiscDone { disc, copy: None, label: "0003_FILMS".into() } =>
            "disc 3 is verified and ejected: label it 0003_FILMS",
        DiscDone { disc, copy: Some(2), label: "0003_FILMS".into() } =>
            "disc 3, copy 2 is verified and ejected: label it 0003_FILMS, copy 2",
    })
}
