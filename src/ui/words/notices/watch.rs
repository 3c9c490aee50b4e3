//! What a watch sees in its drive.

use crate::port::notice::WatchNotice;
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &WatchNotice) -> String {
    match notice {
        WatchNotice::NothingStaged => "nothing is staged; the blank stays in the drive".to_owned(),
        WatchNotice::NothingToLoad => "nothing is staged; the loader waits".to_owned(),
        WatchNotice::LoaderEmpty { drive } => {
            format!("{drive}: its loader has no more discs; waiting for more")
        }
        WatchNotice::TurnFailed { why } => advised(why.to_string(), why),
        WatchNotice::NotVerified { content, why } => {
            advised(format!("{content}: {why}; ejecting it"), why)
        }
        WatchNotice::OfNoUse { content } => format!("{content}: it cannot be used"),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    examples!(WatchNotice {
        NothingStaged => "nothing is staged; the blank stays in the drive",
        NothingToLoad => "nothing is staged; the loader waits",
        LoaderEmpty { drive: "/dev/sr0".into() } =>
            "/dev/sr0: its loader has no more discs; waiting for more",
        TurnFailed { why: "it is broken".into() } => "it is broken",
        NotVerified { content: "a BD-R".into(), why: "it is broken".into() } =>
            "a BD-R: it is broken; ejecting it",
        OfNoUse { content: "a BD-R".into() } => "a BD-R: it cannot be used",
    })
}
