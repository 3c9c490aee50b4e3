//! A drive and what is in it.

use crate::port::notice::DriveNotice;

pub(super) fn words(notice: &DriveNotice) -> String {
    match notice {
        DriveNotice::WaitingForDrive { why } => format!("{why}; waiting until it is free"),
        DriveNotice::DriveInUse { why } | DriveNotice::NotInserted { why } => why.clone(),
        DriveNotice::DiscLeftInDrive { why } => format!("{why}; the disc stays in the drive"),
        DriveNotice::Ejecting { why } => format!("{why}; ejecting it"),
        DriveNotice::PerhapsOtherCopy { drive } => format!(
            "the disc in {drive} may be a different copy from the one that is due; ejecting it"
        ),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    let why = || "/dev/sr0 is in use by brasero".to_owned();
    examples!(DriveNotice {
        WaitingForDrive { why: why() } =>
            "/dev/sr0 is in use by brasero; waiting until it is free",
        DriveInUse { why: why() } => "/dev/sr0 is in use by brasero",
        DiscLeftInDrive { why: why() } =>
            "/dev/sr0 is in use by brasero; the disc stays in the drive",
        Ejecting { why: "it is broken".into() } => "it is broken; ejecting it",
        NotInserted { why: "no disc came".into() } => "no disc came",
        PerhapsOtherCopy { drive: "/dev/sr0".into() } =>
            "the disc in /dev/sr0 may be a different copy from the one that is due; ejecting it",
    })
}
