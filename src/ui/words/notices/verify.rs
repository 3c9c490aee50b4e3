//! Discs that are read to be verified.

use crate::flow::base::own_list::SUMS;
use crate::model::{Against, Finding, plural};
use crate::port::notice::{DiscVerdict, OpenedFiles, Outlook, VerifyNotice};

pub(super) fn words(notice: &VerifyNotice) -> String {
    match notice {
        VerifyNotice::ComparedWithDiscCatalog { medium } => format!(
            "{medium}: checked against the newest catalog on these discs and its own checksum list \
             ({SUMS})"
        ),
        VerifyNotice::ComparedWithOwnList { medium } => {
            format!("{medium}: checked against its own checksum list only ({SUMS})")
        }
        VerifyNotice::DiscDamaged { set, disc, outlook } => {
            format!("disc {disc} of {set} is damaged: {}", prospects(*outlook))
        }
        VerifyNotice::SlowPlaces { medium, places, file, sector, seconds } => {
            let places = if *places == 1 { "1 place was" } else { "several places were" };
            let near = sector.map(|sector| format!(", near sector {sector}")).unwrap_or_default();
            format!(
                "{medium}: {places} slow to read, the slowest for {seconds} seconds ({file}{near}); \
                 all of it was read"
            )
        }
        VerifyNotice::DiscNotReadCompletely { set, disc, why } => {
            format!("disc {disc} of {set} was not read completely: {why}")
        }
        VerifyNotice::DiscNotHere { set, disc, places } => {
            let kept = if places.is_empty() { String::new() } else { format!("; it is {places}") };
            format!("disc {disc} of {set} is not here and was not read{kept}")
        }
        VerifyNotice::CopyDue { set, disc, copy, places, suspect } => {
            let why = suspect.as_ref().map(|why| format!(": suspect, because {why}"));
            let (kept, why) = (places.clause(), why.unwrap_or_default());
            format!("due: disc {disc} of {set}, copy {copy}{kept}{why}")
        }
        VerifyNotice::CopyUnusable { medium, why } => format!("{medium}: {why}"),
        VerifyNotice::DiscChecked { set, disc, verdict: found } => {
            format!("disc {disc} of {set}: {}", verdict(found))
        }
    }
}

/// What is to become of a damaged disc.
fn prospects(outlook: Outlook) -> String {
    match outlook {
        Outlook::Unhurt => "only checksums and recovery data are damaged, no files".to_owned(),
        Outlook::Unknown => {
            "NOT repairable: its recovery data is also damaged beyond use".to_owned()
        }
        Outlook::Blocks { lost, of, recovery } => {
            let not = if outlook.is_repairable() { "" } else { "NOT " };
            format!(
                "{not}repairable from its recovery data: {lost} of {of} blocks are lost; up to \
                 {recovery} can be recovered"
            )
        }
    }
}

/// What reading a disc found, and what that is worth.
pub fn verdict(verdict: &DiscVerdict) -> String {
    let (against, faults) = (verdict.against, plural(verdict.faults, "fault", "faults"));
    let found = match verdict.finding {
        Finding::Ok => agreement(against).to_owned(),
        Finding::Damaged if verdict.is_incoherent => {
            format!("NOT AS COLDCUT WRITES IT, {faults}, {}", checked(against))
        }
        Finding::Damaged => {
            let repairable = match verdict.repairable {
                Some(true) => ", repairable from its recovery data",
                Some(false) => ", NOT repairable from its recovery data",
                None => "",
            };
            format!("DAMAGED, {faults}{repairable}, {}", checked(against))
        }
        Finding::Unreadable => format!("CANNOT BE READ, {}", checked(against)),
    };
    found + &opened(verdict.encrypted_files)
}

/// Only the catalog's sums prove that the disc is the one that was written.
fn agreement(against: Against) -> &'static str {
    match against {
        Against::Catalog => "every byte matches the catalog",
        Against::Signature => "every byte is as it was signed; the catalog does not know this disc",
        Against::DiscCatalog => {
            "matches its own list and a catalog on these discs, which anyone could have made; the \
             catalog does not know this disc"
        }
        Against::OwnList => {
            "matches its own list, which anyone could have made; the catalog does not know this \
             disc"
        }
    }
}

fn checked(against: Against) -> &'static str {
    match against {
        Against::Catalog => "checked against the catalog",
        Against::Signature => "checked against its own list, which is signed",
        Against::DiscCatalog => "checked against a catalog on the discs",
        Against::OwnList => "checked against its own list only",
    }
}

/// Sums that anybody can make do not tell what the integrity checks of encrypted files do.
fn opened(files: Option<OpenedFiles>) -> String {
    match files {
        None => String::new(),
        Some(OpenedFiles { locked: 0, .. }) => "; its encrypted files were opened".to_owned(),
        Some(OpenedFiles { opened: 0, .. }) => {
            "; its encrypted files were not opened: no key was given".to_owned()
        }
        Some(OpenedFiles { locked, .. }) => format!(
            "; {locked} of its encrypted files were not opened: they are encrypted for another key"
        ),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use super::examples::places;

    let (set, disc, why) = super::examples::set_disc_why();
    let medium = "a.iso".to_owned();
    let verdict = DiscVerdict {
        finding: Finding::Ok,
        faults: 0,
        is_incoherent: false,
        against: Against::Catalog,
        repairable: None,
        encrypted_files: None,
    };
    let damaged = DiscVerdict { finding: Finding::Damaged, faults: 2, ..verdict };
    let own_list = DiscVerdict {
        against: Against::OwnList,
        encrypted_files: Some(OpenedFiles { opened: 1, locked: 2 }),
        ..verdict
    };
    examples!(VerifyNotice {
        ComparedWithDiscCatalog { medium: medium.clone() } =>
            "a.iso: checked against the newest catalog on these discs and its own checksum list \
             (SHA256SUMS)",
        ComparedWithOwnList { medium: medium.clone() } =>
            "a.iso: checked against its own checksum list only (SHA256SUMS)",
        DiscDamaged { set: set.clone(), disc, outlook: Outlook::Unhurt } =>
            "disc 3 of films is damaged: only checksums and recovery data are damaged, no files",
        DiscDamaged { set: set.clone(), disc, outlook: Outlook::Unknown } =>
            "disc 3 of films is damaged: NOT repairable: its recovery data is also damaged beyond \
             use",
        DiscDamaged {
            set: set.clone(),
            disc,
            outlook: Outlook::Blocks { lost: 3, of: 900, recovery: 40 },
        } =>
            "disc 3 of films is damaged: repairable from its recovery data: 3 of 900 blocks are \
             lost; up to 40 can be recovered",
        DiscDamaged {
            set: set.clone(),
            disc,
            outlook: Outlook::Blocks { lost: 41, of: 900, recovery: 40 },
        } =>
            "disc 3 of films is damaged: NOT repairable from its recovery data: 41 of 900 blocks \
             are lost; up to 40 can be recovered",
        SlowPlaces {
            medium: medium.clone(),
            places: 1,
            file: "archives/1.tar".into(),
            sector: None,
            seconds: 4,
        } =>
            "a.iso: 1 place was slow to read, the slowest for 4 seconds (archives/1.tar); all of \
             it was read",
        SlowPlaces {
            medium: medium.clone(),
            places: 3,
            file: "archives/1.tar".into(),
            sector: Some(400),
            seconds: 31,
        } =>
            "a.iso: several places were slow to read, the slowest for 31 seconds (archives/1.tar, \
             near sector 400); all of it was read",
        DiscNotReadCompletely { set: set.clone(), disc, why: why.clone() } =>
            "disc 3 of films was not read completely: it is broken",
        DiscNotHere { set: set.clone(), disc, places: places() } =>
            "disc 3 of films is not here and was not read; it is kept in shelf B (copy 1) or \
             office (copy 2)",
        DiscNotHere { set: set.clone(), disc, places: Default::default() } =>
            "disc 3 of films is not here and was not read",
        CopyDue { set: set.clone(), disc, copy: 1, places: places(), suspect: None } =>
            "due: disc 3 of films, copy 1, kept in shelf B (copy 1) or office (copy 2)",
        CopyDue {
            set: set.clone(),
            disc,
            copy: 1,
            places: Default::default(),
            suspect: Some("disc 2 of films, on BD-R of X, failed".into()),
        } => "due: disc 3 of films, copy 1: suspect, because disc 2 of films, on BD-R of X, failed",
        CopyUnusable { medium, why } => "a.iso: it is broken",
        DiscChecked { set: set.clone(), disc, verdict } =>
            "disc 3 of films: every byte matches the catalog",
        DiscChecked { set: set.clone(), disc, verdict: damaged } =>
            "disc 3 of films: DAMAGED, 2 faults, checked against the catalog",
        DiscChecked {
            set: set.clone(),
            disc,
            verdict: DiscVerdict { repairable: Some(false), ..damaged },
        } =>
            "disc 3 of films: DAMAGED, 2 faults, NOT repairable from its recovery data, checked \
             against the catalog",
        DiscChecked {
            set: set.clone(),
            disc,
            verdict: DiscVerdict { is_incoherent: true, against: Against::OwnList, ..damaged },
        } =>
            "disc 3 of films: NOT AS COLDCUT WRITES IT, 2 faults, checked against its own list \
             only",
        DiscChecked { set, disc, verdict: own_list } =>
            "disc 3 of films: matches its own list, which anyone could have made; the catalog \
             does not know this disc; 2 of its encrypted files were not opened: they are \
             encrypted for another key",
    })
}
