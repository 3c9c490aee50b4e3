//! The medium that a drive needs, as values for programs and as words for people: a changer must
//! not have to read English.

use std::fmt;

use super::clock::Moment;
use crate::model::{DiscNo, Sectors, SetName};

/// Which kind of medium does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediumKind {
    /// One that can be written.
    Blank,
    /// One that carries a disc.
    Disc,
    /// A disc that was burned and not read back, or a blank to burn it once more.
    Either,
}

/// The medium that a drive needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedMedium {
    pub what: MediumKind,
    pub set: Option<SetName>,
    /// `None`: any that fits the words.
    pub disc: Option<DiscNo>,
    /// `None`: any copy does.
    pub copy: Option<u32>,
    /// The room that a blank must have.
    pub sectors: Option<Sectors>,
    /// What a person should know besides, with its comma; where no disc is named, all of it.
    words: String,
}

impl WantedMedium {
    /// Not a certain disc: `any disc of the set`.
    pub fn any(words: &str) -> WantedMedium {
        let (set, disc, copy, sectors) = (None, None, None, None);
        WantedMedium { what: MediumKind::Disc, set, disc, copy, sectors, words: words.to_owned() }
    }

    /// Of this set, all the same.
    pub fn of(self, set: &SetName) -> WantedMedium {
        WantedMedium { set: Some(set.clone()), ..self }
    }

    /// `disc 3 of photos`.
    pub fn disc(set: &SetName, disc: DiscNo) -> WantedMedium {
        let (set, disc) = (Some(set.clone()), Some(disc));
        let (what, words) = (MediumKind::Disc, String::new());
        WantedMedium { what, set, disc, copy: None, sectors: None, words }
    }

    /// `a blank disc for disc 3 of photos, 25.0 GB or more`.
    pub fn blank(set: &SetName, disc: DiscNo, sectors: Sectors) -> WantedMedium {
        let sectors = Some(sectors);
        WantedMedium { what: MediumKind::Blank, sectors, ..WantedMedium::disc(set, disc) }
    }

    /// `disc 3 of photos, burned on 2026-11-29, not verified yet, or a blank disc of 25.0 GB or
    /// more`.
    pub fn either(set: &SetName, disc: DiscNo, sectors: Sectors, burned: Moment) -> WantedMedium {
        let words = format!(", burned on {}, not verified yet", burned.day());
        let (what, sectors) = (MediumKind::Either, Some(sectors));
        WantedMedium { what, sectors, words, ..WantedMedium::disc(set, disc) }
    }

    /// Without the blank that would do as well.
    pub fn disc_words(&self) -> String {
        WantedMedium { what: MediumKind::Disc, ..self.clone() }.to_string()
    }

    pub fn copy(self, copy: Option<u32>) -> WantedMedium {
        WantedMedium { copy, ..self }
    }

    /// With its comma: `, kept in shelf B`.
    pub fn with(self, words: &str) -> WantedMedium {
        WantedMedium { words: self.words + words, ..self }
    }
}

/// As in "Insert … into /dev/sr0."
impl fmt::Display for WantedMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(set), Some(disc)) = (&self.set, self.disc) else {
            return f.write_str(&self.words);
        };
        let copy = self.copy.map(|copy| format!(", copy {copy}")).unwrap_or_default();
        let size = self.sectors.unwrap_or_default().bytes();
        let words = &self.words;
        match self.what {
            MediumKind::Disc => write!(f, "disc {disc} of {set}{copy}{words}"),
            MediumKind::Blank => {
                write!(f, "a blank disc for disc {disc} of {set}, {size} or more{words}")
            }
            MediumKind::Either => {
                write!(f, "disc {disc} of {set}{copy}{words}, or a blank disc of {size} or more")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_what_a_program_reads() {
        let set = SetName::new("films").unwrap();
        let (disc, room, day) = (DiscNo(1), Sectors(12_219_392), Moment(1_795_910_400));
        let says = |wanted: WantedMedium, words: &str| assert_eq!(wanted.to_string(), words);
        says(WantedMedium::any("any disc of the set"), "any disc of the set");
        let blank = WantedMedium::blank(&set, disc, room);
        says(blank.clone(), "a blank disc for disc 1 of films, 25.0 GB or more");
        says(
            blank.copy(Some(2)).with(" (copy 2 of 2)"),
            "a blank disc for disc 1 of films, 25.0 GB or more (copy 2 of 2)",
        );
        says(
            WantedMedium::disc(&set, disc).copy(Some(2)).with(", kept in shelf B"),
            "disc 1 of films, copy 2, kept in shelf B",
        );
        says(
            WantedMedium::either(&set, disc, room, day).copy(Some(2)),
            "disc 1 of films, copy 2, burned on 2026-11-29, not verified yet, or a blank disc of \
             25.0 GB or more",
        );
    }
}
