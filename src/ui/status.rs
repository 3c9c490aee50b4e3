//! What `status` prints: the verdicts, the places, and a row a set.

use super::json::raw_text::RawText;
use super::json::status::{PlacesObject, SetStatusObject};
use super::json::{date, numbers};
use super::lines::some;
use super::safety::SafetyLine;
use super::screen::Screen;
use super::styled::Styled;
use super::table::{self, Object, Row};
use crate::model::disc::Encryption;
use crate::model::path::shown;
use crate::model::{Bytes, DiscList, DiscNo, SetName, SetUuid, SnapshotSeq};
use crate::port::clock::Moment;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What there is to say of a set at a glance.
#[derive(Clone, Debug)]
pub struct StatusLine {
    pub set: SetName,
    pub uuid: SetUuid,
    pub source: Vec<u8>,
    pub encryption: Encryption,
    pub snapshots: u64,
    /// The newest snapshot.
    pub newest: Option<(SnapshotSeq, Moment)>,
    /// Discs that were read back and verified.
    pub safe: u64,
    /// Discs that wait in the staging area.
    pub staged: u64,
    /// Files of the newest snapshot that are not on a verified disc yet, and their content.
    pub waiting: u64,
    pub waiting_size: Bytes,
    /// Differences without content (deletions, moves, modes) that go out with the next disc.
    pub rows_waiting: u64,
    /// What to insert into a drive next.
    pub wanted: Option<String>,
    /// Discs that a running coldcut burns and verifies.
    pub in_work: Vec<DiscNo>,
    pub safety: SafetyLine,
}

/// Which places are in use; `status` says so before it names the sets.
#[derive(Clone, Debug)]
pub struct PlacesInUse {
    pub catalog: PathBuf,
    /// False: no such file yet.
    pub catalog_exists: bool,
    pub staging: PathBuf,
}

impl Row for StatusLine {
    const HEADINGS: &'static [&'static str] = &[
        "SET",
        "SNAPSHOTS",
        "NEWEST",
        "SAFE DISCS",
        "STAGED",
        "FILES WAITING",
        "SIZE",
        "CHANGES WAITING",
        "ENCRYPTION",
        "SOURCE",
    ];
    const NUMBERS: &'static [usize] = &[1, 3, 4, 5, 6, 7];
    const MINOR: &'static [usize] = &[1, 8, 4, 7];

    fn cells(&self) -> Vec<String> {
        vec![
            self.set.to_string(),
            self.snapshots.to_string(),
            self.newest.map_or("-".to_owned(), |(_, date)| date.local_day()),
            self.safe.to_string(),
            some(self.staged),
            some(self.waiting),
            if self.waiting == 0 { "-".to_owned() } else { self.waiting_size.to_string() },
            some(self.rows_waiting),
            self.encryption.word().to_owned(),
            shown(&self.source),
        ]
    }
}

impl StatusLine {
    fn in_work_line(&self) -> Option<String> {
        let (discs, set) = (DiscList::of(&self.in_work), &self.set);
        match self.in_work.len() {
            0 => None,
            1 => Some(format!("in progress: disc {discs} of {set}; a running coldcut burns it\n")),
            _ => {
                Some(format!("in progress: discs {discs} of {set}; a running coldcut burns them\n"))
            }
        }
    }
}

impl Object for StatusLine {
    type Json = SetStatusObject;

    fn object(&self) -> SetStatusObject {
        SetStatusObject {
            id: self.set.to_string(),
            set: self.set.to_string(),
            uuid: self.uuid.to_string(),
            source: RawText::new("source", &self.source),
            encryption: self.encryption.into(),
            snapshots: self.snapshots,
            newest: self.newest.map(|(id, _)| id.0),
            date: date(self.newest.map(|(_, date)| date)),
            safe: self.safe,
            staged: self.staged,
            waiting: self.waiting,
            waiting_size: self.waiting_size.0,
            rows_waiting: self.rows_waiting,
            wanted: self.wanted.clone(),
            in_progress: numbers(&self.in_work),
            safety: self.safety.keys(),
        }
    }
}

impl PlacesInUse {
    pub(super) fn lines(&self) -> String {
        format!(
            "catalog  {}{}\nstaging  {}\n",
            shown(self.catalog.as_os_str().as_bytes()),
            if self.catalog_exists { "" } else { " (none yet)" },
            shown(self.staging.as_os_str().as_bytes()),
        )
    }
}

impl Object for PlacesInUse {
    type Json = PlacesObject;

    fn object(&self) -> PlacesObject {
        PlacesObject {
            catalog: RawText::path("catalog", &self.catalog),
            catalog_exists: self.catalog_exists,
            staging: RawText::path("staging", &self.staging),
        }
    }
}

/// Prints the whole answer: for people the verdicts first, those of unsafe sets before the others;
/// for programs the places, then the sets by name.
pub fn print_status(
    screen: &Screen,
    places: &PlacesInUse,
    sets: &[StatusLine],
    now: Moment,
) -> io::Result<()> {
    if screen.json() {
        screen.object(&places.object())?;
        return table::print(screen, sets);
    }
    let mut judged: Vec<&StatusLine> = sets.iter().collect();
    judged.sort_by_key(|set| set.safety.verdict);
    for set in judged {
        let verdict = set.safety.verdict_on(set.set.as_str(), now);
        print_wrapped(screen, verdict)?;
    }
    screen.result(&places.lines())?;
    table::print(screen, sets)?;
    let in_work: String = sets.iter().filter_map(StatusLine::in_work_line).collect();
    let wanted = sets.iter().filter_map(|set| set.wanted.as_ref());
    let wanted: String = wanted.map(|words| format!("wanted next: {words}\n")).collect();
    print_wrapped(screen, Styled::from((in_work + &wanted).as_str()))
}

/// Sentences are broken for a terminal; elsewhere a line is a sentence.
fn print_wrapped(screen: &Screen, text: Styled) -> io::Result<()> {
    screen.styled_result(&match screen.columns() {
        Some(columns) => text.wrapped(columns),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::super::screen::testing::{screen, terminal};
    use super::*;
    use crate::flow::status::safety::SafetyVerdict;
    use uuid::Uuid;

    #[test]
    fn status_names_its_places_and_every_set() {
        let places =
            PlacesInUse { catalog: "/c".into(), catalog_exists: false, staging: "/s".into() };
        let status = StatusLine {
            set: SetName::new("photos").unwrap(),
            uuid: SetUuid(Uuid::nil()),
            source: b"/srv".to_vec(),
            encryption: Encryption::None,
            snapshots: 0,
            newest: None,
            safe: 0,
            staged: 1,
            waiting: 2,
            waiting_size: Bytes(3),
            rows_waiting: 4,
            wanted: None,
            in_work: Vec::new(),
            safety: SafetyLine {
                verdict: SafetyVerdict::NotSafe,
                dangers: vec!["alas".to_owned()],
                ..SafetyLine::default()
            },
        };
        let safe = StatusLine {
            set: SetName::new("a-safe-one").unwrap(),
            safety: SafetyLine { verdict: SafetyVerdict::Safe, ..SafetyLine::default() },
            ..status.clone()
        };
        let (people_screen, _, results) = screen(false);
        print_status(&people_screen, &places, &[safe, status.clone()], Moment(0)).unwrap();
        let text = results.text();
        assert!(
            text.starts_with("NOT SAFE  photos\n          - alas\nsafe      a-safe-one"),
            "{text}"
        );
        assert!(text.contains("\ncatalog  /c (none yet)\nstaging  /s\nSET"), "{text}");
        let (coloured, shown) = terminal(80);
        print_status(&coloured, &places, std::slice::from_ref(&status), Moment(0)).unwrap();
        assert!(shown.text().starts_with("\u{1b}[1;31mNOT SAFE\u{1b}[0m  photos\n"));
        let long =
            "the last backup did not finish, or is still running: `coldcut backup` continues";
        let dangers = vec![long.to_owned()];
        let safety = SafetyLine { dangers, ..status.safety.clone() };
        let long_one = StatusLine { safety, ..status.clone() };
        let (narrow, shown) = terminal(60);
        print_status(&narrow, &places, std::slice::from_ref(&long_one), Moment(0)).unwrap();
        let lines = shown.text();
        assert!(lines.lines().skip(1).all(|line| line.chars().count() <= 60), "{lines}");
        assert!(lines.contains("\n            running: `coldcut backup` continues\n"), "{lines}");
        let (pipe, _, results) = screen(false);
        print_status(&pipe, &places, &[long_one], Moment(0)).unwrap();
        assert!(results.text().contains(long), "{}", results.text());
        let (json_screen, _, results) = screen(true);
        print_status(&json_screen, &places, &[status], Moment(0)).unwrap();
        let text = results.text();
        assert!(text.starts_with("{\"catalog\":\"/c\",\"catalog_exists\":false,"), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}
