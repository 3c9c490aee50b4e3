//! Restoring, and migrating, which reads the same way.

use crate::model::disc_list::named;
use crate::model::path::shown_path;
use crate::model::plural;
use crate::port::notice::RestoreNotice;
use crate::restore::privileges::Privileges;
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &RestoreNotice) -> String {
    match notice {
        RestoreNotice::RestorePlan { set, snapshot, files, size, discs } => {
            let from = match &discs[..] {
                [] => "no disc is needed".to_owned(),
                discs => format!("from {}", named(discs)),
            };
            let files = plural(*files, "file", "files");
            format!("set {set}, snapshot {snapshot}: {files}, {size}, {from}")
        }
        RestoreNotice::DiscsMissing { from, discs } => {
            format!("not in {}: {}", shown_path(from), named(discs))
        }
        RestoreNotice::DiscKept { disc, places } => format!("disc {disc}{}", places.clause()),
        RestoreNotice::TargetRead => "an earlier restore into this directory was interrupted: the \
                                      files that are there are read and compared"
            .to_owned(),
        RestoreNotice::FilesThere { files } => {
            format!("{} already in the target", plural(*files, "file is", "files are"))
        }
        RestoreNotice::ListingDamaged => "the listing is damaged and may lack paths".to_owned(),
        RestoreNotice::NotRestorable { paths } => {
            format!("{} cannot be restored", plural(*paths, "path", "paths"))
        }
        RestoreNotice::SnapshotEmpty { snapshot, earlier, date, files } => format!(
            "snapshot {snapshot} has no file; snapshot {earlier}, of {}, has {}: --snapshot \
             {earlier} restores it",
            date.local_minute(),
            plural(*files, "file", "files")
        ),
        RestoreNotice::LaterDiscNeeded { disc } => format!(
            "disc {disc} was written before the whole snapshot was on discs: a later disc lists \
             where the rest is"
        ),
        RestoreNotice::LaterDiscNoHelp { why } => advised(why.to_string(), why),
        RestoreNotice::RightsLeftOut { set_id, attributes, devices, is_doubt } => left_out(
            Privileges { set_id: *set_id, attributes: *attributes, devices: *devices },
            *is_doubt,
        ),
        RestoreNotice::NotMigrated { discs } => format!(
            "not migrated, because not known to have been verified: {}; run `coldcut verify`",
            named(discs)
        ),
    }
}

fn left_out(what: Privileges, is_doubt: bool) -> String {
    let why = match is_doubt {
        true => {
            "; neither the catalog nor a signature vouches for these discs (--trust-metadata \
             restores them, --no-trust-metadata leaves them out)"
        }
        false => "",
    };
    format!("left out: {what}{why}")
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use super::examples::places;
    use crate::model::{Bytes, DiscNo, SnapshotSeq};
    use crate::port::clock::Moment;

    let (set, disc, why) = super::examples::set_disc_why();
    examples!(RestoreNotice {
        RestorePlan {
            set: set.clone(),
            snapshot: SnapshotSeq(2),
            files: 1,
            size: Bytes(1000),
            discs: vec![disc],
        } => "set films, snapshot 2: 1 file, 1.00 kB, from disc 3",
        RestorePlan { set, snapshot: SnapshotSeq(2), files: 0, size: Bytes(0), discs: vec![] } =>
            "set films, snapshot 2: 0 files, 0 B, no disc is needed",
        DiscsMissing { from: "/srv".into(), discs: vec![disc, DiscNo(4)] } =>
            "not in /srv: discs 3-4",
        DiscKept { disc, places: places() } =>
            "disc 3, kept in shelf B (copy 1) or office (copy 2)",
        TargetRead =>
            "an earlier restore into this directory was interrupted: the files that are there are \
             read and compared",
        FilesThere { files: 1 } => "1 file is already in the target",
        ListingDamaged => "the listing is damaged and may lack paths",
        NotRestorable { paths: 2 } => "2 paths cannot be restored",
        SnapshotEmpty {
            snapshot: SnapshotSeq(3),
            earlier: SnapshotSeq(2),
            date: Moment(1_795_910_400),
            files: 5,
        } =>
            format!(
                "snapshot 3 has no file; snapshot 2, of {}, has 5 files: --snapshot 2 restores it",
                Moment(1_795_910_400).local_minute()
            ),
        LaterDiscNeeded { disc } =>
            "disc 3 was written before the whole snapshot was on discs: a later disc lists where \
             the rest is",
        LaterDiscNoHelp { why } => "it is broken",
        RightsLeftOut { set_id: 1, attributes: 0, devices: 2, is_doubt: false } =>
            "left out: 1 set-id program, 2 devices",
        RightsLeftOut { set_id: 1, attributes: 0, devices: 0, is_doubt: true } =>
            "left out: 1 set-id program; neither the catalog nor a signature vouches for these \
             discs (--trust-metadata restores them, --no-trust-metadata leaves them out)",
        NotMigrated { discs: vec![disc] } =>
            "not migrated, because not known to have been verified: disc 3; run `coldcut verify`",
    })
}
