//! A drive and what is in it.

use crate::port::notice::DriveNotice;
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &DriveNotice) -> String {
    match notice {
        DriveNotice::WaitingForDrive { why } => {
            advised(format!("{why}; waiting until it is free"), why)
        }
        DriveNotice::DriveInUse { why } | DriveNotice::NotInserted { why } => {
            advised(why.to_string(), why)
        }
        DriveNotice::DiscLeftInDrive { why } => {
            advised(format!("{why}; the disc stays in the drive"), why)
        }
        DriveNotice::Ejecting { why } => format!("{why}; ejecting it"),
        DriveNotice::OnRejectPile { number } => {
            format!("disc {number} of the stack is on the reject pile")
        }
        DriveNotice::PerhapsOtherCopy { drive } => format!(
            "the disc in {drive} may be a different copy from the one that is due; ejecting it"
        ),
        DriveNotice::GoesOnWithout { drive, why } => {
            format!("{drive} is not used any more: {why}; continuing without it")
        }
        DriveNotice::BurnsKeepFailing { drive } => format!(
            "{drive} is not used any more: too many burns in a row failed in it; continuing \
             without it"
        ),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use crate::port::cause::Cause;

    let why = || Cause::from("/dev/sr0 is in use by brasero");
    examples!(DriveNotice {
        WaitingForDrive { why: why() } =>
            "/dev/sr0 is in use by brasero; waiting until it is free",
        DriveInUse { why: why() } => "/dev/sr0 is in use by brasero",
        DiscLeftInDrive { why: why() } =>
            "/dev/sr0 is in use by brasero; the disc stays in the drive",
        Ejecting { why: "it is broken".into() } => "it is broken; ejecting it",
        OnRejectPile { number: 17 } => "disc 17 of the stack is on the reject pile",
        NotInserted { why: "no disc came".into() } => "no disc came",
        PerhapsOtherCopy { drive: "/dev/sr0".into() } =>
            "the disc in /dev/sr0 may be a different copy from the one that is due; ejecting it",
        GoesOnWithout { drive: "/dev/sr0".into(), why: "it was unplugged".into() } =>
            "/dev/sr0 is not used any more: it was unplugged; continuing without it",
        BurnsKeepFailing { drive: "/dev/sr0".into() } =>
            "/dev/sr0 is not used any more: too many burns in a row failed in it; continuing \
             without it",
    })
}
