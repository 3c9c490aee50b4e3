//! The answer of `status`: is my data safe? What is not comes first, then what may be lost, then
//! the rows that say the rest.

use super::json::raw_text::RawText;
use super::json::status::{
    DrilledAtObject, GroupObject, MissingCopyObject, PathStatusObject, SafetyKeys, UnreadableObject,
};
use super::json::{date, numbers};
use super::styled::{Styled, Tone};
use super::table::{Object, Row};
use crate::catalog::CopyNo;
use crate::flow::status::latest::{Latest, Unreadable, ago};
use crate::flow::status::safety::SafetyVerdict;
use crate::model::disc_list::named;
use crate::model::path::shown;
use crate::model::{Bytes, DiscList, DiscNo};
use crate::port::clock::Moment;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// How safe a set is.
#[derive(Clone, Debug, Default)]
pub struct SafetyLine {
    pub verdict: SafetyVerdict,
    /// What is not safe, each with what to do.
    pub dangers: Vec<String>,
    /// What nobody knows.
    pub unknown: Vec<String>,
    /// What waits, and may.
    pub allowed: Vec<String>,
    pub latest: Latest,
    /// Of the newest backup; `None`: there is none, or its date is in the future.
    pub age: Option<Duration>,
    /// Copies whose images are gone from these shelves.
    pub missing: BTreeMap<PathBuf, Vec<(DiscNo, CopyNo)>>,
    /// Good copies that were verified on a date that is in the future.
    pub misdated: Vec<(DiscNo, CopyNo, Moment)>,
    /// Files of the newest state by how many verified copies they have.
    pub by_copies: Vec<(u32, u64)>,
    /// How many each shall have.
    pub wanted: u32,
    pub may_lose: Vec<DiscNo>,
    pub only_copy: Vec<DiscNo>,
    pub no_good_copy: Vec<DiscNo>,
    /// When the good copy that was not read for the longest time was last verified.
    pub oldest: Option<Moment>,
    /// When standard tools last opened each disc that is packed, or that they never did.
    pub drilled: Vec<(DiscNo, Option<Moment>)>,
    pub groups: Vec<GroupLine>,
}

/// A group of discs with recovery discs.
#[derive(Clone, Debug)]
pub struct GroupLine {
    pub discs: Vec<DiscNo>,
    pub recovery: Vec<DiscNo>,
    /// Discs of which no good copy is left.
    pub lost: Vec<DiscNo>,
    /// How many more, whichever they are; `None`: more is lost than can be rebuilt.
    pub may_lose: Option<usize>,
}

impl GroupLine {
    fn object(&self) -> GroupObject {
        GroupObject {
            discs: numbers(&self.discs),
            recovery: numbers(&self.recovery),
            lost: numbers(&self.lost),
            may_lose: self.may_lose,
        }
    }

    /// `any 2 of discs 1-5 can be lost: recovery discs 4-5 can rebuild them`.
    fn words(&self) -> String {
        let mut all = [&self.discs[..], &self.recovery].concat();
        all.sort();
        let recovery = format!("recovery {}", named(&self.recovery));
        match self.may_lose {
            None => {
                format!("discs {}: more are lost than {recovery} can rebuild", DiscList::of(&all))
            }
            Some(0) if self.lost.is_empty() => {
                format!("discs {}: no good copy of {recovery} is left", DiscList::of(&all))
            }
            Some(0) => {
                format!(
                    "discs {}: {recovery} can rebuild what is lost, but nothing more may be lost",
                    DiscList::of(&all)
                )
            }
            Some(1) => {
                format!(
                    "any one of discs {} can be lost: {recovery} can rebuild it",
                    DiscList::of(&all)
                )
            }
            Some(more) => {
                format!(
                    "any {more} of discs {} can be lost: {recovery} can rebuild them",
                    DiscList::of(&all)
                )
            }
        }
    }
}

/// How safe a file is.
#[derive(Clone, Debug)]
pub struct FileSafetyLine {
    pub path: Vec<u8>,
    pub size: Bytes,
    pub copies: u32,
    pub discs: Vec<DiscNo>,
    pub verified: Option<Moment>,
    pub places: Vec<String>,
    /// It could not be read later, and stands as of this date.
    pub stale: Option<String>,
    pub now: Moment,
}

impl SafetyLine {
    /// `None`: nobody knows.
    fn is_safe(&self) -> Option<bool> {
        match self.verdict {
            SafetyVerdict::Safe => Some(true),
            SafetyVerdict::NotSafe => Some(false),
            SafetyVerdict::Unknown => None,
        }
    }

    /// For the object of the set.
    pub(super) fn keys(&self) -> SafetyKeys {
        SafetyKeys {
            is_safe: self.is_safe(),
            dangers: self.dangers.clone(),
            unknown: self.unknown.clone(),
            newest_age: self.age.map(|age| age.as_secs()),
            unfinished: self.latest.unfinished,
            stopped: self.latest.stopped.clone(),
            failed_paths: self.latest.failed,
            stale_paths: self.latest.stale,
            unreadable: self.latest.unreadable.iter().map(unreadable_object).collect(),
            files_by_copies: self.by_copies.iter().copied().collect(),
            copies_wanted: self.wanted,
            may_lose: numbers(&self.may_lose),
            only_copy: numbers(&self.only_copy),
            no_good_copy: numbers(&self.no_good_copy),
            missing_copies: self.missing.values().flatten().map(missing_object).collect(),
            oldest_check: date(self.oldest_check()),
            drilled: self.drilled.iter().map(drilled_object).collect(),
            groups: self.groups.iter().map(GroupLine::object).collect(),
        }
    }

    /// The verdict on the set of this name.
    pub(super) fn verdict_on(&self, set: &str, now: Moment) -> Styled {
        let verdict = match self.verdict {
            SafetyVerdict::Safe => Styled::toned("safe", Tone::Good)
                .then(format!("      {set}: {}\n", self.safe_words(now))),
            SafetyVerdict::NotSafe => {
                Styled::toned("NOT SAFE", Tone::Bad).then(format!("  {set}\n"))
            }
            SafetyVerdict::Unknown => Styled::from(format!("UNKNOWN   {set}\n").as_str()),
        };
        verdict.then(self.reasons(now))
    }

    /// What is wrong, and how much may be lost: lines below the verdict.
    fn reasons(&self, now: Moment) -> String {
        let mut text = String::new();
        for words in self.dangers.iter().chain(&self.unknown) {
            text += &format!("          - {words}\n");
        }
        text += &self.unreadable_words();
        text += &self.missing_words();
        for words in &self.allowed {
            text += &format!("          {words}\n");
        }
        if self.verdict != SafetyVerdict::Safe {
            text += &self.latest.date.map_or(String::new(), |date| {
                format!("          the last backup that finished was {}\n", ago(date, now))
            });
        }
        if let Some(oldest) = self.oldest {
            text += &format!("          oldest successful check of a copy: {}\n", ago(oldest, now));
        }
        for (disc, copy, at) in self.misdated.iter().take(NAMED) {
            let (copy, when) = (copy.0, ago(*at, now));
            text += &format!("          disc {disc}, copy {copy}, was verified {when}\n");
        }
        text + &self.loss_words() + &self.drill_words(now)
    }

    /// Each with the rule that would leave it out.
    fn unreadable_words(&self) -> String {
        let line = |failed: &Unreadable| {
            let (path, what, rule) =
                (&failed.path, shown(failed.what.as_bytes()), quoted(&failed.rule));
            format!("            {path}: {what}; --exclude {rule} leaves it out\n")
        };
        let named: String = self.latest.unreadable.iter().take(NAMED).map(line).collect();
        let all = self.latest.failed.unwrap_or(0);
        match all.saturating_sub(NAMED as u64) {
            more @ 1.. if !named.is_empty() => format!("{named}            and {more} more\n"),
            _ => named,
        }
    }

    /// `no longer in /shelf: discs 1-3 (copy 1), disc 2 (copy 2); ...`.
    fn missing_words(&self) -> String {
        let line = |(dir, copies): (&PathBuf, &Vec<(DiscNo, CopyNo)>)| {
            let mut by_copy: BTreeMap<CopyNo, Vec<DiscNo>> = BTreeMap::new();
            copies.iter().for_each(|(disc, copy)| by_copy.entry(*copy).or_default().push(*disc));
            let words: Vec<String> = by_copy
                .iter()
                .map(|(copy, discs)| format!("{} (copy {})", named(discs), copy.0))
                .collect();
            format!(
                "          no longer in {}: {}; `coldcut verify` finds what was moved, `coldcut lost` \
                 records what is gone\n",
                shown(dir.as_os_str().as_bytes()),
                words.join(", ")
            )
        };
        self.missing.iter().map(line).collect()
    }

    /// When a date is in the future nobody knows which check is the oldest.
    fn oldest_check(&self) -> Option<Moment> {
        self.oldest.filter(|_| self.misdated.is_empty())
    }

    /// Discs that were drilled as long ago are told as one.
    fn drill_words(&self, now: Moment) -> String {
        let mut told: Vec<(Option<String>, Vec<DiscNo>)> = Vec::new();
        for &(disc, drilled) in &self.drilled {
            let when = drilled.map(|moment| ago(moment, now));
            match told.iter_mut().find(|(known, _)| *known == when) {
                Some((_, discs)) => discs.push(disc),
                None => told.push((when, vec![disc])),
            }
        }
        // What is wanted of a person comes first.
        told.sort_by_key(|(when, _)| when.is_some());
        let line = |(when, discs): &(Option<String>, Vec<DiscNo>)| {
            let discs = named(discs);
            match when {
                None => format!(
                    "not known to be readable with standard tools (`coldcut drill`): {discs}\n"
                ),
                Some(when) => {
                    format!("readable with standard tools (tested {when}): {discs}\n")
                }
            }
        };
        told.iter().map(|told| "          ".to_owned() + &line(told)).collect()
    }

    /// `every file has a verified copy, as of the last backup, 2 years ago`.
    fn safe_words(&self, now: Moment) -> String {
        let when = self.latest.date.map_or(String::new(), |date| format!(", {}", ago(date, now)));
        let backup = format!("the last backup{when}");
        match self.by_copies.iter().map(|(copies, _)| *copies).min() {
            None => format!("{backup}{} found no files", if when.is_empty() { "" } else { "," }),
            Some(0) => {
                format!("every file that is not waiting has a verified copy, as of {backup}")
            }
            Some(1) => format!("every file has a verified copy, as of {backup}"),
            Some(least) => format!("every file has {least} verified copies, as of {backup}"),
        }
    }

    fn loss_words(&self) -> String {
        let mut text = String::new();
        if !self.may_lose.is_empty() {
            let any = if self.may_lose.len() > 1 {
                "a copy of any one of discs"
            } else {
                "a copy of disc"
            };
            text += &format!("          {any} {} can be lost\n", DiscList::of(&self.may_lose));
        }
        if !self.only_copy.is_empty() {
            let discs = named(&self.only_copy);
            text += &format!("          only one good copy, which must not be lost: {discs}\n");
        }
        for group in &self.groups {
            text += &format!("          {}\n", group.words());
        }
        text
    }
}

/// So many paths, or copies, are named; `--json` has more.
const NAMED: usize = 10;

fn unreadable_object(failed: &Unreadable) -> UnreadableObject {
    UnreadableObject {
        path: RawText::new("path", failed.path.as_bytes()),
        what: failed.what.clone(),
        rule: failed.rule.clone(),
    }
}

/// For a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn missing_object((disc, copy): &(DiscNo, CopyNo)) -> MissingCopyObject {
    MissingCopyObject { disc: disc.0, copy: copy.0 }
}

fn drilled_object((disc, at): &(DiscNo, Option<Moment>)) -> DrilledAtObject {
    DrilledAtObject { disc: disc.0, at: date(*at) }
}

impl Row for FileSafetyLine {
    const HEADINGS: &'static [&'static str] =
        &["COPIES", "VERIFIED", "SIZE", "DISCS", "PATH", "WHERE"];
    const NUMBERS: &'static [usize] = &[0, 2];

    fn cells(&self) -> Vec<String> {
        let copies = if self.copies == 0 { "NONE".to_owned() } else { self.copies.to_string() };
        let discs = if self.discs.is_empty() {
            "-".to_owned()
        } else {
            DiscList::of(&self.discs).to_string()
        };
        vec![
            copies,
            self.verified.map_or("-".to_owned(), |moment| ago(moment, self.now)),
            self.size.to_string(),
            discs,
            match &self.stale {
                None => shown(&self.path),
                Some(date) => {
                    let date = Moment::local_minute_of(date);
                    let date = shown(date.as_bytes());
                    format!("{} (could not be read; as of {date})", shown(&self.path))
                }
            },
            self.places.join("; "),
        ]
    }
}

impl Object for FileSafetyLine {
    type Json = PathStatusObject;

    fn object(&self) -> PathStatusObject {
        PathStatusObject {
            path: RawText::new("path", &self.path),
            size: self.size.0,
            copies: self.copies,
            discs: numbers(&self.discs),
            verified: date(self.verified),
            places: self.places.clone(),
            stale: self.stale.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_what_is_wrong_before_what_is_right() {
        let unsafe_set = SafetyLine {
            verdict: SafetyVerdict::NotSafe,
            dangers: vec!["not on a disc yet: 3 files".to_owned()],
            may_lose: vec![DiscNo(1), DiscNo(2)],
            only_copy: vec![DiscNo(3)],
            ..SafetyLine::default()
        };
        assert_eq!(
            unsafe_set.verdict_on("photos", Moment(0)).rendered(false),
            "NOT SAFE  photos\n          - not on a disc yet: 3 files\n          \
             a copy of any one of discs 1-2 can be lost\n          \
             only one good copy, which must not be lost: disc 3\n"
        );
        let by_copies = vec![(2, 5), (3, 1)];
        let latest = Latest { date: Some(Moment(0)), ..Latest::default() };
        let safe = SafetyLine {
            verdict: SafetyVerdict::Safe,
            by_copies,
            latest,
            oldest: Some(Moment(0)),
            ..SafetyLine::default()
        };
        assert_eq!(
            safe.verdict_on("films", Moment(14 * 24 * 3600)).rendered(false),
            "safe      films: every file has 2 verified copies, as of the last backup, 14 days ago\n\
             \x20         oldest successful check of a copy: 14 days ago\n"
        );
    }

    #[test]
    fn images_that_are_gone_are_named_as_ranges() {
        let gone = (1..=247).map(|disc| (DiscNo(disc), CopyNo(1))).chain([(DiscNo(3), CopyNo(2))]);
        let missing = BTreeMap::from([(PathBuf::from("/shelf"), gone.collect())]);
        let words = SafetyLine { missing, ..SafetyLine::default() }.missing_words();
        assert!(words.contains("in /shelf: discs 1-247 (copy 1), disc 3 (copy 2); "), "{words}");
    }

    #[test]
    fn discs_are_told_by_when_they_were_drilled() {
        let day = |days: i64| Some(Moment(days * 24 * 3600));
        let discs = [(1, day(9)), (2, day(9)), (3, None), (4, day(8)), (5, day(9))];
        let drilled = discs.map(|(disc, at)| (DiscNo(disc), at)).to_vec();
        let line = SafetyLine { drilled, ..SafetyLine::default() };
        assert_eq!(
            line.drill_words(Moment(9 * 24 * 3600)),
            "          not known to be readable with standard tools (`coldcut drill`): disc 3\n\
             \x20         readable with standard tools (tested today): discs 1-2, 5\n\
             \x20         readable with standard tools (tested yesterday): disc 4\n"
        );
        let third = &line.keys().drilled[2];
        assert_eq!((third.disc, &third.at), (3, &None));
    }

    #[test]
    fn a_group_says_how_many_of_its_discs_may_be_lost() {
        let with_lost = |may_lose, lost: &[DiscNo]| {
            let (discs, recovery) = ([1, 2, 3].map(DiscNo).to_vec(), [4, 5].map(DiscNo).to_vec());
            GroupLine { discs, recovery, lost: lost.to_vec(), may_lose }.words()
        };
        let told = |may_lose| with_lost(may_lose, &[DiscNo(1), DiscNo(2)]);
        assert!(with_lost(Some(0), &[]).ends_with("no good copy of recovery discs 4-5 is left"));
        assert_eq!(
            told(Some(2)),
            "any 2 of discs 1-5 can be lost: recovery discs 4-5 can rebuild them"
        );
        assert!(told(Some(1)).starts_with("any one of discs 1-5 can be lost"));
        assert!(
            told(Some(0)).contains("nothing more may be lost")
                && told(None).contains("more are lost")
        );
    }

    #[test]
    fn a_file_without_a_copy_shouts() {
        let mut line = FileSafetyLine {
            path: b"a".to_vec(),
            size: Bytes(1),
            copies: 0,
            discs: vec![],
            verified: None,
            places: vec![],
            stale: None,
            now: Moment(0),
        };
        assert_eq!(line.cells()[..2], ["NONE", "-"]);
        line.copies = 2;
        assert_eq!(line.cells()[0], "2");
        assert_eq!(line.cells().len(), FileSafetyLine::HEADINGS.len());
        assert_eq!(line.object().path, RawText::new("path", b"a"));
    }
}
