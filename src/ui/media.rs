//! Discs and their copies in rows: where each is kept, what became of it; what the loss of one
//! takes from each snapshot.

use super::json::discs::{CopyObject, DiscObject, DueObject};
use super::json::snapshots::LossObject;
use super::json::words::CopyStateWord;
use super::json::{date, numbers};
use super::table::{Object, Row};
use crate::catalog::{CopyState, DiscState, Finding};
use crate::flow::status::latest::ago;
use crate::model::{Bytes, Carrier, DiscList, DiscNo, DiscUuid, SetName, SnapshotSeq};
use crate::port::clock::Moment;

/// A disc of a set.
#[derive(Clone, Debug)]
pub struct DiscLine {
    pub set: SetName,
    pub id: DiscNo,
    pub uuid: DiscUuid,
    pub state: DiscState,
    /// When it was packed full.
    pub date: Option<Moment>,
    pub used: Bytes,
    pub capacity: Bytes,
    /// The newest snapshot that has a member on it.
    pub snapshot: SnapshotSeq,
    pub copies: u32,
    /// When a copy was last read back without a fault.
    pub verified: Option<Moment>,
    /// When standard tools last opened a sample of it, or all of it.
    pub drilled: Option<Moment>,
    pub media: Vec<CopyLine>,
    /// The discs that it helps to make again, if it is a recovery disc.
    pub covers: Vec<DiscNo>,
}

/// A copy of a disc.
#[derive(Clone, Debug)]
pub struct CopyLine {
    pub copy: u32,
    /// As it was last found, or why it is no more.
    pub state: CopyState,
    /// Its image is no longer on its shelf.
    pub is_missing: bool,
    /// Where a person keeps it; empty if nobody said.
    pub place: String,
    pub medium: Carrier,
    pub burned: Moment,
    pub verified: Option<Moment>,
}

impl DiscLine {
    /// `shelf B; 2: office (lost)`: a copy's number where there are several.
    fn places(&self) -> String {
        let several = self.media.len() > 1;
        let said = |copy: &&CopyLine| !copy.place.is_empty() || several && !copy.is_ok();
        let words = self.media.iter().filter(said).map(|copy| {
            let number = if several { format!("{}: ", copy.copy) } else { String::new() };
            let state =
                if copy.is_ok() { String::new() } else { format!("({})", copy.state_word()) };
            let gap = if copy.place.is_empty() || state.is_empty() { "" } else { " " };
            format!("{number}{}{gap}{state}", copy.place)
        });
        let words: Vec<String> = words.collect();
        if words.is_empty() { "-".to_owned() } else { words.join("; ") }
    }
}

impl Row for DiscLine {
    const HEADINGS: &'static [&'static str] = &[
        "DISC", "STATE", "DATE", "USED", "OF", "SNAPSHOT", "COPIES", "VERIFIED", "DRILLED", "SET",
        "COVERS", "WHERE",
    ];
    const NUMBERS: &'static [usize] = &[0, 3, 4, 5, 6];
    /// All are of one set; when a disc was drilled and how large it could be says `--json`, too.
    const MINOR: &'static [usize] = &[9, 5, 8, 4];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.state.word().to_owned(),
            day(self.date),
            self.used.to_string(),
            self.capacity.to_string(),
            self.snapshot.to_string(),
            self.copies.to_string(),
            day(self.verified),
            day(self.drilled),
            self.set.to_string(),
            if self.covers.is_empty() {
                "-".to_owned()
            } else {
                DiscList::of(&self.covers).to_string()
            },
            self.places(),
        ]
    }
}

fn day(moment: Option<Moment>) -> String {
    moment.map_or("-".to_owned(), Moment::local_day)
}

impl Object for DiscLine {
    type Json = DiscObject;

    fn object(&self) -> DiscObject {
        DiscObject {
            id: self.id.0,
            set: self.set.to_string(),
            uuid: self.uuid.to_string(),
            state: self.state.into(),
            date: date(self.date),
            used: self.used.0,
            capacity: self.capacity.0,
            snapshot: self.snapshot.0,
            copies: self.copies,
            verified: date(self.verified),
            drilled: date(self.drilled),
            media: self.media.iter().map(CopyLine::object).collect(),
            covers: numbers(&self.covers),
        }
    }
}

impl CopyLine {
    /// There, and without a fault when it was last read.
    fn is_ok(&self) -> bool {
        !self.is_missing && self.state == CopyState::Found(Finding::Ok)
    }

    /// A person may still have it.
    pub(super) fn is_kept(&self) -> bool {
        self.is_missing || !matches!(self.state, CopyState::Gone(_))
    }

    /// Nothing where all is well.
    pub(super) fn state_word(&self) -> &'static str {
        match (self.is_missing, self.is_ok()) {
            (true, _) => "missing",
            (false, true) => "",
            (false, false) => self.state.word(),
        }
    }

    fn object(&self) -> CopyObject {
        CopyObject {
            copy: self.copy,
            state: match self.is_missing {
                true => CopyStateWord::Missing,
                false => CopyStateWord::recorded(self.state),
            },
            place: self.place.clone(),
            burned: self.burned.to_string(),
            verified: date(self.verified),
            carrier: (&self.medium).into(),
        }
    }
}

/// What the loss of discs takes from one snapshot.
#[derive(Clone, Debug)]
pub struct LossLine {
    pub set: SetName,
    pub id: SnapshotSeq,
    pub date: Moment,
    pub files: u64,
    pub size: Bytes,
    /// Of these, files whose content the newest state does not have.
    pub for_good: u64,
    pub for_good_size: Bytes,
}

impl Row for LossLine {
    const HEADINGS: &'static [&'static str] =
        &["SNAPSHOT", "DATE", "LOST", "SIZE", "GONE FOR EVER", "SIZE", "SET"];
    const NUMBERS: &'static [usize] = &[0, 2, 3, 4, 5];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.date.local_minute(),
            self.files.to_string(),
            self.size.to_string(),
            self.for_good.to_string(),
            self.for_good_size.to_string(),
            self.set.to_string(),
        ]
    }
}

impl Object for LossLine {
    type Json = LossObject;

    fn object(&self) -> LossObject {
        LossObject {
            id: self.id.0,
            set: self.set.to_string(),
            date: self.date.to_string(),
            files: self.files,
            size: self.size.0,
            for_good: self.for_good,
            for_good_size: self.for_good_size.0,
        }
    }
}

/// A copy that is to be read again.
#[derive(Clone, Debug)]
pub struct DueLine {
    pub set: SetName,
    pub disc: DiscNo,
    pub copy: u32,
    pub verified: Option<Moment>,
    /// Why it is suspect.
    pub suspect: Option<String>,
    pub place: Option<String>,
    pub medium: Carrier,
    pub now: Moment,
}

impl Row for DueLine {
    const HEADINGS: &'static [&'static str] =
        &["DISC", "COPY", "VERIFIED", "SET", "WHERE", "SUSPECT"];
    const NUMBERS: &'static [usize] = &[0, 1];
    const MINOR: &'static [usize] = &[3];

    fn cells(&self) -> Vec<String> {
        vec![
            self.disc.to_string(),
            self.copy.to_string(),
            self.verified.map_or("never".to_owned(), |moment| ago(moment, self.now)),
            self.set.to_string(),
            self.place.clone().unwrap_or_else(|| self.medium.to_string()),
            self.suspect.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }
}

impl Object for DueLine {
    type Json = DueObject;

    fn object(&self) -> DueObject {
        DueObject {
            id: self.disc.0,
            set: self.set.to_string(),
            copy: self.copy,
            verified: date(self.verified),
            suspect: self.suspect.clone(),
            place: self.place.clone(),
            carrier: (&self.medium).into(),
        }
    }
}

/// Discs for tests.
#[cfg(test)]
pub mod testing {
    use super::*;
    use uuid::Uuid;

    pub const OK: CopyState = CopyState::Found(Finding::Ok);

    pub fn copy(copy: u32, state: CopyState, place: &str) -> CopyLine {
        let medium = Carrier::found_in("a drive".to_owned());
        let (place, burned) = (place.to_owned(), Moment(0));
        CopyLine { copy, state, is_missing: false, place, medium, burned, verified: None }
    }

    pub fn disc(media: Vec<CopyLine>) -> DiscLine {
        DiscLine {
            set: SetName::new("photos").unwrap(),
            id: DiscNo(7),
            uuid: DiscUuid(Uuid::nil()),
            state: DiscState::Verified,
            date: Some(Moment(0)),
            used: Bytes(1),
            capacity: Bytes(2),
            snapshot: SnapshotSeq(3),
            copies: 1,
            drilled: None,
            verified: None,
            media,
            covers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{OK, copy, disc};
    use super::*;
    use crate::catalog::Fate;

    #[test]
    fn discs_have_ids_and_as_many_cells_as_headings() {
        let disc = disc(vec![copy(1, OK, "shelf B")]);
        assert_eq!(disc.object().id, 7);
        assert_eq!(disc.object().media[0].place, "shelf B");
        assert_eq!(disc.cells().len(), DiscLine::HEADINGS.len());
        let loss = LossLine {
            set: disc.set.clone(),
            id: SnapshotSeq(1),
            date: Moment(0),
            files: 2,
            size: Bytes(3),
            for_good: 1,
            for_good_size: Bytes(1),
        };
        assert_eq!(loss.cells().len(), LossLine::HEADINGS.len());
        assert_eq!(loss.object().for_good, 1);
    }

    #[test]
    fn places_name_the_copy_only_where_there_are_several() {
        assert_eq!(disc(vec![]).places(), "-");
        assert_eq!(disc(vec![copy(1, OK, "")]).places(), "-");
        assert_eq!(disc(vec![copy(1, OK, "shelf B")]).places(), "shelf B");
        assert_eq!(
            disc(vec![copy(1, CopyState::Found(Finding::Damaged), "shelf B")]).places(),
            "shelf B (damaged)"
        );
        let two = vec![copy(1, CopyState::Gone(Fate::Lost), ""), copy(2, OK, "office")];
        assert_eq!(disc(two).places(), "1: (lost); 2: office");
    }
}
