//! The last words of a run: what became of every path. Pure texts; who counts is the engine.

use super::json::event::{Event, Summary};
use super::json::numbers;
use super::json::restore::{
    DrivePlanObject, RestorePlanObject, RestoreSummaryObject, WithheldObject,
};
use super::json::storing::{BackupPlanObject, BackupSummaryObject, ExcludedObject, HollowObject};
use super::json::tally::TallyObject;
use crate::drive::StackCount;
use crate::model::disc_list::named;
use crate::model::path::shown;
use crate::model::{Bytes, DiscNo, SnapshotSeq, plural};
use crate::restore::privileges::Privileges;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `40 discs: 38 good, 2 on the reject pile: 17, 23`; a disc that is neither is in the drive.
pub fn stack_line(count: &StackCount) -> String {
    let StackCount { discs, good, rejected, .. } = count;
    let mut line = format!("{}: {good} good", plural(*discs, "disc", "discs"));
    if !rejected.is_empty() {
        let numbers: Vec<String> = rejected.iter().map(u64::to_string).collect();
        line += &format!(", {} on the reject pile: {}", rejected.len(), numbers.join(", "));
    }
    let left = discs.saturating_sub(good + rejected.len() as u64);
    if left > 0 {
        line += &format!(", {left} in the drive");
    }
    line
}

/// A number of paths, and the content of those that have any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathTally {
    pub count: u64,
    pub size: Bytes,
}

/// What a backup did. Every path that was walked is in exactly one of `stored`, `unchanged`,
/// `excluded`, `failed`.
#[derive(Clone, Debug, Default)]
pub struct BackupSummary {
    /// The new snapshot; `None` if there was no difference, or nothing was done (`--dry-run`).
    pub snapshot: Option<SnapshotSeq>,
    pub stored: PathTally,
    pub unchanged: PathTally,
    /// By the rule's own words, in the order of the rules.
    pub excluded: Vec<(String, PathTally)>,
    /// Directories that are stored without their content, by the rule's words; counted above.
    pub hollow: Vec<(String, u64)>,
    pub failed: PathTally,
    /// Paths of the snapshot whose content is not on a verified disc yet.
    pub waiting: PathTally,
    /// Differences without content that go out with the next disc.
    pub rows_waiting: u64,
    /// bzip2 frames that were compressed again, by the crate.
    pub recoded_frames: u64,
    /// Discs made by this run, with what they hold.
    pub discs: Vec<(DiscNo, Bytes)>,
    /// Nothing was done, only planned.
    pub dry_run: bool,
}

/// What a restore did.
#[derive(Clone, Debug, Default)]
pub struct RestoreSummary {
    pub snapshot: Option<SnapshotSeq>,
    pub restored: PathTally,
    /// There already, and kept (`--overwrite`).
    pub kept: PathTally,
    /// Could not be restored; each was named when it happened.
    pub failed: PathTally,
    /// Left out because nobody vouches for it.
    pub withheld: Privileges,
    /// Discs that were needed and never came.
    pub missing_discs: Vec<DiscNo>,
    /// Some of it is on discs that were made later than those at hand.
    pub later_discs: bool,
    pub dry_run: bool,
    /// Of a dry run.
    pub plan: Option<RestoreNeeds>,
}

/// What a restore would need.
#[derive(Clone, Debug, Default)]
pub struct RestoreNeeds {
    pub discs: Vec<DiscNo>,
    /// What is read from them, at most.
    pub bytes: Bytes,
    /// Of reading, an estimate for a drive.
    pub seconds: u64,
    /// False: from a shelf, of which nobody knows how fast it is.
    pub is_from_drive: bool,
    /// Of discs in drives.
    pub changes: u64,
    /// What each drive would read, where several places read at once.
    pub drives: Vec<(PathBuf, Vec<DiscNo>)>,
}

impl BackupSummary {
    /// All paths that the walk met.
    pub fn walked(&self) -> u64 {
        let excluded: u64 = self.excluded.iter().map(|(_, tally)| tally.count).sum();
        self.stored.count + self.unchanged.count + excluded + self.failed.count
    }

    /// All but what failed, which is said last.
    pub fn text(&self) -> String {
        let mut text = match (self.dry_run, self.snapshot) {
            (true, _) => "Dry run, nothing was written:\n".to_owned(),
            (false, Some(id)) => format!("Snapshot {id}, {}:\n", paths(self.walked())),
            (false, None) => format!("No new snapshot, {}:\n", paths(self.walked())),
        };
        text += &tally_line(if self.dry_run { "would store" } else { "stored" }, self.stored);
        text += &tally_line("unchanged", self.unchanged);
        for (rule, tally) in &self.excluded {
            text += &tally_line(&format!("excluded ({})", shown(rule.as_bytes())), *tally);
        }
        for (rule, count) in &self.hollow {
            let dirs = plural(*count, "directory", "directories");
            text += &format!("  {dirs} stored without content: {}\n", shown(rule.as_bytes()));
        }
        text += &shout("not on a disc yet", self.waiting);
        if self.rows_waiting > 0 {
            text += &format!(
                "  {} without new data: written with the next disc, or now with --flush\n",
                plural(self.rows_waiting, "change", "changes")
            );
        }
        if self.recoded_frames > 0 {
            let frames = plural(self.recoded_frames, "frame", "frames");
            text += &format!("  {frames} compressed again, by libbz2\n");
        }
        if !self.discs.is_empty() {
            let numbers: Vec<DiscNo> = self.discs.iter().map(|(disc, _)| *disc).collect();
            let size = Bytes(self.discs.iter().map(|(_, size)| size.0).sum());
            text += &format!("  {}: {size}\n", named(&numbers));
        }
        text
    }

    /// `FAILED: 2 paths`.
    pub fn failures(&self) -> Option<String> {
        failures("FAILED", self.failed)
    }

    pub fn object(&self, plan: Option<BackupPlanObject>) -> Event {
        let excluded = self.excluded.iter().map(|(rule, tally)| ExcludedObject {
            rule: rule.clone(),
            count: tally.count,
            size: tally.size.0,
        });
        let hollow = self.hollow.iter().map(|(rule, count)| {
            let (rule, count) = (rule.clone(), *count);
            HollowObject { rule, count }
        });
        Event::Summary(Summary::Backup(BackupSummaryObject {
            dry_run: self.dry_run,
            snapshot: self.snapshot.map(|id| id.0),
            stored: self.stored.object(),
            unchanged: self.unchanged.object(),
            excluded: excluded.collect(),
            hollow: hollow.collect(),
            failed: self.failed.object(),
            waiting: self.waiting.object(),
            rows_waiting: self.rows_waiting,
            recoded_frames: self.recoded_frames,
            discs: self.discs.iter().map(|(disc, _)| disc.0).collect(),
            plan,
        }))
    }
}

impl RestoreSummary {
    /// All but what failed, which is said last.
    pub fn text(&self) -> String {
        let mut text = match (self.dry_run, self.snapshot) {
            (true, _) => "Dry run, nothing was written:\n".to_owned(),
            (false, Some(id)) => format!("From snapshot {id}:\n"),
            (false, None) => String::new(),
        };
        text += &tally_line(if self.dry_run { "would restore" } else { "restored" }, self.restored);
        if self.kept.count > 0 {
            text += &tally_line("kept as they were", self.kept);
        }
        text += &self.plan.as_ref().map_or(String::new(), RestoreNeeds::text);
        if !self.withheld.is_empty() {
            text += &format!("  LEFT OUT: {}\n", self.withheld);
        }
        text += &missing_line(&self.missing_discs);
        if self.later_discs {
            text += "  MISSING: some files are on later discs than these. Add the disc of the set \
                     with the highest number and run the same command again: what is restored is \
                     kept\n";
        }
        text
    }

    /// `NOT restored: 2 paths`.
    pub fn failures(&self) -> Option<String> {
        failures("NOT restored", self.failed)
    }

    pub fn object(&self) -> Event {
        Event::Summary(Summary::Restore(RestoreSummaryObject {
            dry_run: self.dry_run,
            snapshot: self.snapshot.map(|id| id.0),
            restored: self.restored.object(),
            kept: self.kept.object(),
            failed: self.failed.object(),
            missing_discs: numbers(&self.missing_discs),
            later_discs: self.later_discs,
            withheld: WithheldObject {
                set_id: self.withheld.set_id,
                attributes: self.withheld.attributes,
                devices: self.withheld.devices,
            },
            plan: self.plan.as_ref().map(RestoreNeeds::object),
        }))
    }
}

impl RestoreNeeds {
    /// `Needs discs 1-3: 61.2 GB, about 38 minutes, 3 disc changes.`
    fn text(&self) -> String {
        if self.discs.is_empty() {
            return "No disc is needed.\n".to_owned();
        }
        let changes = match self.changes {
            0 => String::new(),
            more => format!(", {}", plural(more, "disc change", "disc changes")),
        };
        let time = match self.is_from_drive {
            true => format!(", {}", time_words(self.seconds)),
            false => String::new(),
        };
        let mut text = format!("Needs {}: {}{time}{changes}.\n", named(&self.discs), self.bytes);
        for (drive, discs) in self.drives.iter().filter(|(_, discs)| !discs.is_empty()) {
            let drive = shown(drive.as_os_str().as_bytes());
            text += &format!("  {drive}: {}\n", named(discs));
        }
        text
    }

    fn object(&self) -> RestorePlanObject {
        RestorePlanObject {
            discs: numbers(&self.discs),
            bytes: self.bytes.0,
            seconds: self.seconds,
            changes: self.changes,
            drives: self.drives.iter().map(drive_object).collect(),
        }
    }
}

fn drive_object((drive, discs): &(PathBuf, Vec<DiscNo>)) -> DrivePlanObject {
    let drive = String::from_utf8_lossy(drive.as_os_str().as_bytes()).into_owned();
    DrivePlanObject { drive, discs: numbers(discs) }
}

/// An estimate is not more exact than that.
fn time_words(seconds: u64) -> String {
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..7200 => format!("about {}", plural(seconds.div_ceil(60), "minute", "minutes")),
        _ => format!("about {}", plural(seconds.div_ceil(3600), "hour", "hours")),
    }
}

impl PathTally {
    fn object(self) -> TallyObject {
        TallyObject { count: self.count, size: self.size.0 }
    }
}

fn paths(count: u64) -> String {
    plural(count, "path", "paths")
}

fn tally_line(what: &str, tally: PathTally) -> String {
    format!("  {what}: {}, {}\n", paths(tally.count), tally.size)
}

/// A line that is there only where there is something to worry about.
fn shout(what: &str, tally: PathTally) -> String {
    if tally.count == 0 { String::new() } else { tally_line(what, tally) }
}

/// Only the number: nobody knows how much content that is.
fn failures(what: &str, failed: PathTally) -> Option<String> {
    (failed.count > 0).then(|| format!("{what}: {}", paths(failed.count)))
}

fn missing_line(discs: &[DiscNo]) -> String {
    if discs.is_empty() {
        return String::new();
    }
    format!("  MISSING: {}\n", named(discs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    fn tally(count: u64, size: u64) -> PathTally {
        PathTally { count, size: Bytes(size) }
    }

    #[test]
    fn every_disc_of_a_stack_is_accounted_for() {
        let line = |discs, good, rejected: &[u64]| {
            stack_line(&StackCount { discs, good, rejected: rejected.to_vec(), in_a_row: 0 })
        };
        assert_eq!(line(40, 38, &[17, 23]), "40 discs: 38 good, 2 on the reject pile: 17, 23");
        assert_eq!(line(1, 1, &[]), "1 disc: 1 good");
        assert_eq!(line(2, 0, &[1]), "2 discs: 0 good, 1 on the reject pile: 1, 1 in the drive");
    }

    #[test]
    fn a_backup_accounts_for_every_path() {
        let summary = BackupSummary {
            snapshot: Some(SnapshotSeq(2)),
            stored: tally(3, 3_000_000),
            unchanged: tally(1, 500),
            recoded_frames: 2,
            excluded: vec![("--exclude *.o\x1b".to_owned(), tally(2, 10))],
            hollow: vec![("holds .nobackup".to_owned(), 1)],
            failed: tally(1, 7),
            waiting: tally(1, 7),
            rows_waiting: 1,
            discs: vec![(DiscNo(4), Bytes(3_100_000)), (DiscNo(5), Bytes(2_000_000))],
            dry_run: false,
        };
        assert_eq!(
            summary.text(),
            "Snapshot 2, 7 paths:\n\
             \x20 stored: 3 paths, 3.00 MB\n\
             \x20 unchanged: 1 path, 500 B\n\
             \x20 excluded (--exclude *.o\\u{1b}): 2 paths, 10 B\n\
             \x20 1 directory stored without content: holds .nobackup\n\
             \x20 not on a disc yet: 1 path, 7 B\n\
             \x20 1 change without new data: written with the next disc, or now with --flush\n\
             \x20 2 frames compressed again, by libbz2\n\
             \x20 discs 4-5: 5.10 MB\n"
        );
        assert_eq!(summary.failures().as_deref(), Some("FAILED: 1 path"));
        let object = to_value(summary.object(None)).unwrap();
        assert_eq!(object["excluded"][0]["count"], 2);
        assert_eq!(object["failed"]["size"], 7);
    }

    #[test]
    fn nothing_to_worry_about_is_not_mentioned() {
        let text = BackupSummary { unchanged: tally(2, 0), ..Default::default() }.text();
        assert_eq!(
            text,
            "No new snapshot, 2 paths:\n  stored: 0 paths, 0 B\n  unchanged: 2 paths, 0 B\n"
        );
    }

    #[test]
    fn a_dry_run_of_a_restore_says_what_it_needs() {
        let of = |discs: &[u32], seconds, is_from_drive, changes| {
            let discs = discs.iter().copied().map(DiscNo).collect();
            let (bytes, drives) = (Bytes(61_200_000_000), Vec::new());
            let plan = RestoreNeeds { discs, bytes, seconds, is_from_drive, changes, drives };
            let summary =
                RestoreSummary { dry_run: true, plan: Some(plan), ..RestoreSummary::default() };
            summary.text().lines().last().unwrap().to_owned()
        };
        let text = |discs: &[u32], seconds, changes| of(discs, seconds, true, changes);
        assert_eq!(text(&[], 0, 0), "No disc is needed.");
        assert_eq!(of(&[1, 2], 7201, false, 0), "Needs discs 1-2: 61.2 GB.");
        assert_eq!(
            text(&[1, 2, 3], 2269, 3),
            "Needs discs 1-3: 61.2 GB, about 38 minutes, 3 disc changes."
        );
        assert_eq!(text(&[2], 59, 1), "Needs disc 2: 61.2 GB, less than a minute, 1 disc change.");
        assert_eq!(text(&[1, 2], 7201, 0), "Needs discs 1-2: 61.2 GB, about 3 hours.");
    }

    #[test]
    fn a_restore_names_what_is_missing() {
        let summary = RestoreSummary {
            snapshot: Some(SnapshotSeq(1)),
            restored: tally(5, 100),
            failed: tally(2, 50),
            withheld: Privileges::default(),
            missing_discs: vec![DiscNo(2), DiscNo(3)],
            ..Default::default()
        };
        assert_eq!(
            summary.text(),
            "From snapshot 1:\n  restored: 5 paths, 100 B\n  MISSING: discs 2-3\n"
        );
        assert_eq!(summary.failures().as_deref(), Some("NOT restored: 2 paths"));
        let object = to_value(summary.object()).unwrap();
        assert_eq!(object["missing_discs"], json!([2, 3]));
    }
}
