//! Discs and their copies in rows: where each is kept, what became of it; what the loss of one
//! takes from each snapshot.

use super::lines::put_bytes;
use super::table::{Object, Row};
use crate::flow::status::latest::ago;
use crate::model::{Bytes, Carrier, DiscList, DiscNo, DiscUuid, SetName, SnapshotSeq};
use crate::port::clock::Moment;
use serde_json::{Map, Value, json};
use std::os::unix::ffi::OsStrExt;

/// A disc of a set.
#[derive(Clone, Debug)]
pub struct DiscLine {
    pub set: SetName,
    pub id: DiscNo,
    pub uuid: DiscUuid,
    /// The word of the catalog: how far this disc has come.
    pub state: String,
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
    /// The word of the catalog, as it was last found, or why it is no more; or that its image is
    /// missing.
    pub state: &'static str,
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
        let said = |copy: &&CopyLine| !copy.place.is_empty() || several && copy.state != "ok";
        let words = self.media.iter().filter(said).map(|copy| {
            let number = if several { format!("{}: ", copy.copy) } else { String::new() };
            let state =
                if copy.state == "ok" { String::new() } else { format!("({})", copy.state) };
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

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.state.clone(),
            self.date.map_or("-".to_owned(), |date| date.to_string()),
            self.used.to_string(),
            self.capacity.to_string(),
            self.snapshot.to_string(),
            self.copies.to_string(),
            self.verified.map_or("-".to_owned(), |moment| moment.to_string()),
            self.drilled.map_or("-".to_owned(), |moment| moment.to_string()),
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

impl Object for DiscLine {
    fn object(&self) -> Value {
        json!({
            "set": self.set.as_str(),
            "id": self.id.0,
            "uuid": self.uuid.to_string(),
            "state": self.state,
            "date": self.date.map(|date| date.to_string()),
            "used": self.used.0,
            "capacity": self.capacity.0,
            "snapshot": self.snapshot.0,
            "copies": self.copies,
            "verified": self.verified.map(|moment| moment.to_string()),
            "drilled": self.drilled.map(|moment| moment.to_string()),
            "media": self.media.iter().map(CopyLine::object).collect::<Vec<_>>(),
            "covers": self.covers.iter().map(|disc| disc.0).collect::<Vec<_>>(),
        })
    }
}

impl CopyLine {
    fn object(&self) -> Value {
        let mut object = Map::new();
        object.insert("copy".to_owned(), self.copy.into());
        object.insert("state".to_owned(), self.state.into());
        object.insert("place".to_owned(), self.place.clone().into());
        put_medium(&mut object, &self.medium);
        object.insert("burned".to_owned(), self.burned.to_string().into());
        let verified = self.verified.map(|moment| moment.to_string());
        object.insert("verified".to_owned(), verified.into());
        Value::Object(object)
    }
}

/// What carries a copy: in words, and each thing that is known of it.
fn put_medium(object: &mut Map<String, Value>, medium: &Carrier) {
    object.insert("medium".to_owned(), medium.to_string().into());
    let disc = medium.disc();
    for (key, value) in [
        ("kind", disc.and_then(|disc| disc.kind.as_ref())),
        ("maker", disc.and_then(|disc| disc.maker.as_ref())),
        ("drive", disc.and_then(|disc| disc.burner.as_ref())),
    ] {
        object.insert(key.to_owned(), value.cloned().into());
    }
    for (key, dir) in [("shelf", medium.shelf()), ("folder", medium.folder())] {
        match dir {
            Some(dir) => put_bytes(object, key, dir.as_os_str().as_bytes()),
            None => drop(object.insert(key.to_owned(), Value::Null)),
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
            self.date.to_string(),
            self.files.to_string(),
            self.size.to_string(),
            self.for_good.to_string(),
            self.for_good_size.to_string(),
            self.set.to_string(),
        ]
    }
}

impl Object for LossLine {
    fn object(&self) -> Value {
        json!({
            "set": self.set.as_str(),
            "id": self.id.0,
            "date": self.date.to_string(),
            "files": self.files,
            "size": self.size.0,
            "for_good": self.for_good,
            "for_good_size": self.for_good_size.0,
        })
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
    fn object(&self) -> Value {
        let mut object = Map::new();
        object.insert("set".to_owned(), self.set.as_str().into());
        object.insert("id".to_owned(), self.disc.0.into());
        object.insert("copy".to_owned(), self.copy.into());
        let verified = self.verified.map(|moment| moment.to_string());
        object.insert("verified".to_owned(), verified.into());
        object.insert("suspect".to_owned(), self.suspect.clone().into());
        object.insert("place".to_owned(), self.place.clone().into());
        put_medium(&mut object, &self.medium);
        Value::Object(object)
    }
}

/// Discs for tests.
#[cfg(test)]
pub mod testing {
    use super::*;
    use uuid::Uuid;

    pub fn copy(copy: u32, state: &'static str, place: &str) -> CopyLine {
        let medium = Carrier::found_in("a drive".to_owned());
        let (place, burned) = (place.to_owned(), Moment(0));
        CopyLine { copy, state, place, medium, burned, verified: None }
    }

    pub fn disc(media: Vec<CopyLine>) -> DiscLine {
        DiscLine {
            set: SetName::new("photos").unwrap(),
            id: DiscNo(7),
            uuid: DiscUuid(Uuid::nil()),
            state: "verified".to_owned(),
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
    use super::testing::{copy, disc};
    use super::*;

    #[test]
    fn discs_have_ids_and_as_many_cells_as_headings() {
        let disc = disc(vec![copy(1, "ok", "shelf B")]);
        assert_eq!(disc.object()["id"], 7);
        assert_eq!(disc.object()["media"][0]["place"], "shelf B");
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
        assert_eq!(loss.object()["for_good"], 1);
    }

    #[test]
    fn places_name_the_copy_only_where_there_are_several() {
        assert_eq!(disc(vec![]).places(), "-");
        assert_eq!(disc(vec![copy(1, "ok", "")]).places(), "-");
        assert_eq!(disc(vec![copy(1, "ok", "shelf B")]).places(), "shelf B");
        assert_eq!(disc(vec![copy(1, "damaged", "shelf B")]).places(), "shelf B (damaged)");
        let two = vec![copy(1, "lost", ""), copy(2, "ok", "office")];
        assert_eq!(disc(two).places(), "1: (lost); 2: office");
    }
}
