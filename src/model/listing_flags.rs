//! Which listings a disc carries: DISC.txt says it, and the catalog keeps it.

/// Which of the listings a disc carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListingFlags {
    pub index: bool,
    pub snapshot: bool,
    pub history: bool,
    pub catalog: bool,
}

/// How DISC.txt and the catalog call them, in the order of the fields.
const NAMES: [&str; 4] = ["INDEX", "SNAPSHOT", "HISTORY", "catalog"];

impl ListingFlags {
    /// `INDEX SNAPSHOT catalog`.
    pub fn to_text(self) -> String {
        let here = [self.index, self.snapshot, self.history, self.catalog];
        let names = NAMES.iter().zip(here).filter(|(_, is_here)| *is_here);
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    }

    /// Reads it again. Words that are no listing's name are passed over: a later format may have more.
    pub fn from_text(text: &str) -> ListingFlags {
        let [index, snapshot, history, catalog] =
            NAMES.map(|name| text.split(' ').any(|word| word == name));
        ListingFlags { index, snapshot, history, catalog }
    }

    /// The same, strictly; `None` if a word is no listing's name.
    pub fn from_known(text: &str) -> Option<ListingFlags> {
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        words.all(|word| NAMES.contains(&word)).then(|| ListingFlags::from_text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for bits in 0..16_u8 {
            let [index, snapshot, history, catalog] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
            let flags = ListingFlags { index, snapshot, history, catalog };
            let text = flags.to_text();
            assert_eq!(ListingFlags::from_text(&text), flags, "{text}");
            assert_eq!(ListingFlags::from_known(&text), Some(flags), "{text}");
        }
    }

    #[test]
    fn an_unknown_word_is_passed_over_by_a_reader_and_refused_where_all_are_known() {
        let index = ListingFlags { index: true, ..ListingFlags::default() };
        assert_eq!(ListingFlags::from_text("INDEX TREE"), index);
        assert_eq!(ListingFlags::from_known("INDEX TREE"), None);
        assert_eq!(ListingFlags::from_known("index"), None);
    }
}
