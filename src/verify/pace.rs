//! Places that a drive reads at last, after many tries: nothing is lost there yet, and an ageing disc
//! begins like that.

use std::time::Duration;

use crate::drive::DiscFile;
use crate::model::{Sectors, Strain};

/// A megabyte takes a quarter of a second at 1x; a drive that tries again takes seconds.
const SLOW: Duration = Duration::from_secs(3);

/// The slow places of a disc.
#[derive(Default)]
pub(super) struct SlowPlaces {
    places: u32,
    /// The slowest: file, sector, time.
    worst: Option<(String, Option<Sectors>, Duration)>,
}

impl SlowPlaces {
    /// The megabyte at this offset of the file took so long.
    pub fn add(&mut self, file: &DiscFile, at: u64, took: Duration) {
        if took < SLOW {
            return;
        }
        self.places += 1;
        if self.worst.as_ref().is_none_or(|(.., worst)| *worst < took) {
            self.worst = Some((file.path.clone(), file.sector_at(at), took));
        }
    }

    /// In numbers, with how many places could not be read at all.
    pub fn strain(&self, unreadable: u32) -> Strain {
        let slowest = self.worst.as_ref().map_or(Duration::ZERO, |&(.., took)| took);
        Strain { slow: self.places, slowest, unreadable }
    }

    /// For a person, if there is anything to say.
    pub fn words(&self) -> Option<String> {
        let (path, sector, took) = self.worst.as_ref()?;
        let place = match sector {
            Some(sector) => format!("{path}, near sector {}", sector.0),
            None => path.clone(),
        };
        let places = if self.places == 1 { "1 place was" } else { "several places were" };
        Some(format!(
            "{places} slow to read, the slowest for {} seconds ({place}); all of it was read",
            took.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Bytes;

    #[test]
    fn only_slow_places_are_worth_a_word_and_the_slowest_is_named() {
        let file = DiscFile::without_place("archives/1.tar", Bytes(9));
        let mut pace = SlowPlaces::default();
        pace.add(&file, 0, Duration::from_millis(2900));
        assert_eq!(pace.words(), None);
        pace.add(&file, 0, Duration::from_secs(4));
        assert!(pace.words().unwrap().starts_with("1 place was slow"));
        pace.add(&file, 0, Duration::from_secs(31));
        pace.add(&file, 0, Duration::from_secs(5));
        let words = pace.words().unwrap();
        assert!(words.contains("31 seconds (archives/1.tar)"), "{words}");
        let strain = pace.strain(2);
        assert_eq!((strain.slow, strain.slowest.as_secs(), strain.unreadable), (3, 31, 2));
    }
}
