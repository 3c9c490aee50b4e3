//! The rescue of a failing disc.

use crate::model::path::shown_path;
use crate::model::plural;
use crate::port::notice::RescueNotice;
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &RescueNotice) -> String {
    match notice {
        RescueNotice::Rescued { medium, rescued, size, unreadable_sectors } => format!(
            "{medium}: {rescued} of {size} are in the image, {} cannot be read",
            plural(unreadable_sectors.0, "sector", "sectors")
        ),
        RescueNotice::ImageUnreadable { why } | RescueNotice::NoFilesFound { why } => {
            advised(why.to_string(), why)
        }
        RescueNotice::RepairedFilesIn { dir } => {
            format!(
                "the image's file system is lost; its repaired files are in {}",
                shown_path(dir)
            )
        }
        RescueNotice::ImageRepaired { size } => format!("{size} of the image was repaired"),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use crate::model::{Bytes, Sectors};

    examples!(RescueNotice {
        Rescued {
            medium: "/dev/sr0".into(),
            rescued: Bytes(24_000_000_000),
            size: Bytes(25_000_000_000),
            unreadable_sectors: Sectors(16),
        } => "/dev/sr0: 24.0 GB of 25.0 GB are in the image, 16 sectors cannot be read",
        Rescued {
            medium: "a.iso".into(),
            rescued: Bytes(2048),
            size: Bytes(4096),
            unreadable_sectors: Sectors(1),
        } => "a.iso: 2.05 kB of 4.10 kB are in the image, 1 sector cannot be read",
        ImageUnreadable { why: "it is broken".into() } => "it is broken",
        NoFilesFound { why: "it is broken".into() } => "it is broken",
        RepairedFilesIn { dir: "/srv/x.iso.files".into() } =>
            "the image's file system is lost; its repaired files are in /srv/x.iso.files",
        ImageRepaired { size: Bytes(2048) } => "2.05 kB of the image was repaired",
    })
}
