//! The newest backup of a set: whether it ended, could read everything, and how old it is. What is
//! not known of it is said to be unknown, for whoever watches must not take that for safe.

use std::time::Duration;

use crate::catalog::{Catalog, KnownSet, SnapshotInfo};
use crate::model::RelPath;
use crate::model::glob::rule_for;
use crate::port::clock::Moment;

use crate::flow::FlowError;
use crate::flow::base::refusal::refusal_words;
use crate::flow::status::danger::{BackupDanger, Danger, Doubt};

/// What is too old, and what may wait. `None`: it is said, and not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusLimits {
    /// Of the newest backup.
    pub max_age: Option<Duration>,
    /// Since each copy was last verified.
    pub max_check_age: Option<Duration>,
    /// In the staging area.
    pub allow_waiting: Option<Duration>,
}

/// The newest backup that ended, and what came after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// When it was begun: the source is stored as of then.
    pub date: Option<Moment>,
    /// A later run was begun and did not end, or none ever ended.
    pub unfinished: bool,
    /// Why the last run was stopped before it stored anything.
    pub stopped: Option<String>,
    /// Paths that it could not read; `None`: nobody knows.
    pub failed: Option<u64>,
    /// Paths that stand as of an older date because of that.
    pub stale: u64,
    /// Those that failed, by name; there may be more.
    pub unreadable: Vec<Unreadable>,
}

/// A path that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub path: RelPath,
    pub what: String,
    /// The pattern for `--exclude` that means it.
    pub rule: String,
}

/// How long ago something was; `None`: it is in the future, by a clock that was or is wrong.
pub fn age(then: Moment, now: Moment) -> Option<Duration> {
    u64::try_from(now.0.checked_sub(then.0)?).ok().map(Duration::from_secs)
}

/// `today`, `14 days ago`, `3 years ago`: as people count.
pub fn ago(then: Moment, now: Moment) -> String {
    let Some(age) = age(then, now) else {
        return format!("on {}, which is in the future", then.local_minute());
    };
    match age.as_secs() / (24 * 3600) {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days @ 2..=99 => format!("{days} days ago"),
        days @ 100..=729 => format!("{} months ago", days / 30),
        days => format!("{} years ago", days / 365),
    }
}

/// Whether it was longer ago than that, or nobody knows.
pub fn is_too_old(then: Option<Moment>, limit: Duration, now: Moment) -> bool {
    then.and_then(|then| age(then, now)).is_none_or(|age| age > limit)
}

impl Latest {
    pub(in crate::flow) fn look(catalog: &Catalog, set: &KnownSet) -> Result<Latest, FlowError> {
        let snapshots = catalog.snapshots(set.id)?;
        let ended = snapshots.iter().rev().find(|info| info.finished.is_some());
        let mut latest = Latest {
            date: ended.map(|info| info.started),
            unfinished: snapshots.last().is_none_or(|info| info.finished.is_none()),
            stopped: stopped(catalog, set, snapshots.last(), ended)?,
            ..Latest::default()
        };
        if let Some(ended) = ended {
            latest.failed = ended.counted.then_some(ended.counts.failed);
            latest.stale = catalog.stale_paths(set.id)?;
            let failures = catalog.failures(set.id, ended.seq)?;
            latest.unreadable = failures.into_iter().map(Unreadable::from).collect();
        }
        Ok(latest)
    }

    /// Since it was begun.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        age(self.date?, now)
    }

    /// What is wrong with it, but for its age.
    pub(in crate::flow) fn dangers(&self) -> Vec<Danger> {
        let unread = self.failed.filter(|&failed| failed > 0).map(BackupDanger::Unreadable);
        let stale = (self.stale > 0).then_some(BackupDanger::Stale(self.stale));
        self.end().into_iter().chain(unread).chain(stale).map(Danger::Backup).collect()
    }

    /// It did not come to its end.
    pub(in crate::flow) fn end_danger(&self) -> Option<Danger> {
        self.end().map(Danger::Backup)
    }

    fn end(&self) -> Option<BackupDanger> {
        match &self.stopped {
            Some(why) => Some(BackupDanger::Stopped(why.clone())),
            None if self.unfinished && self.date.is_none() => Some(BackupDanger::Missing),
            None => self.unfinished.then_some(BackupDanger::Unfinished),
        }
    }

    /// What nobody knows of it.
    pub(in crate::flow) fn unknowns(&self) -> Vec<Doubt> {
        let is_told = self.date.is_some() && self.failed.is_none();
        is_told.then_some(Doubt::Readable).into_iter().collect()
    }

    /// What is wrong with its age.
    pub(in crate::flow) fn aged(&self, limits: &StatusLimits, now: Moment) -> Option<Aged> {
        let (date, limit) = (self.date?, limits.max_age?);
        if age(date, now).is_none() {
            return Some(Aged::Unknown(Doubt::FutureBackup(date)));
        }
        is_too_old(Some(date), limit, now)
            .then_some(Aged::Old(Danger::Backup(BackupDanger::Old(date))))
    }
}

/// Older than is allowed, or of an age that nobody knows.
pub(in crate::flow) enum Aged {
    Old(Danger),
    Unknown(Doubt),
}

impl From<crate::catalog::PathFailure> for Unreadable {
    fn from(failure: crate::catalog::PathFailure) -> Unreadable {
        let rule = rule_for(&failure.path);
        Unreadable { path: failure.path, what: failure.what, rule }
    }
}

fn stopped(
    catalog: &Catalog,
    set: &KnownSet,
    newest: Option<&SnapshotInfo>,
    ended: Option<&SnapshotInfo>,
) -> Result<Option<String>, FlowError> {
    let (Some(newest), Some(ended)) = (newest, ended) else { return Ok(None) };
    let why = catalog.refusal(set.id, newest.seq)?;
    Ok(why.map(|why| refusal_words(&why, &newest.source, ended.seq, ended.started)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_as_people_count_it() {
        let told = |days: i64| ago(Moment(0), Moment(days * 24 * 3600));
        assert_eq!([told(0), told(1), told(14)], ["today", "yesterday", "14 days ago"]);
        assert_eq!([told(365), told(1000)], ["12 months ago", "2 years ago"]);
        let told = ago(Moment(100), Moment(0));
        assert_eq!(told, format!("on {}, which is in the future", Moment(100).local_minute()));
    }

    #[test]
    fn a_date_to_come_is_no_age_and_always_too_old() {
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(age(Moment(0), Moment(5)), Some(Duration::from_secs(5)));
        assert_eq!(age(Moment(6), Moment(5)), None);
        assert_eq!(age(Moment(i64::MIN), Moment(i64::MAX)), None);
        assert!(is_too_old(Some(Moment(6)), day, Moment(5)) && is_too_old(None, day, Moment(5)));
        assert!(!is_too_old(Some(Moment(0)), day, Moment(24 * 3600)));
        assert!(is_too_old(Some(Moment(0)), day, Moment(24 * 3600 + 1)));
    }
}
