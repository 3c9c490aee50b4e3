//! Places that a drive reads at last, after many tries: nothing is lost there yet, and an ageing disc
//! begins like that.

use std::time::Duration;

use crate::drive::DiscFile;
use crate::model::{Sectors, Strain};
use crate::port::notice::VerifyNotice;

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
    pub fn notice(&self, medium: String) -> Option<VerifyNotice> {
        let (file, sector, took) = self.worst.clone()?;
        let (sector, seconds) = (sector.map(|sector| sector.0), took.as_secs());
        let places = self.places;
        Some(VerifyNotice::SlowPlaces { medium, places, file, sector, seconds })
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
        let notice = |pace: &SlowPlaces| pace.notice("/dev/sr0".to_owned());
        let slow = |places, seconds| VerifyNotice::SlowPlaces {
            medium: "/dev/sr0".to_owned(),
            places,
            file: "archives/1.tar".to_owned(),
            sector: None,
            seconds,
        };
        assert_eq!(notice(&pace), None);
        pace.add(&file, 0, Duration::from_secs(4));
        assert_eq!(notice(&pace), Some(slow(1, 4)));
        pace.add(&file, 0, Duration::from_secs(31));
        pace.add(&file, 0, Duration::from_secs(5));
        assert_eq!(notice(&pace), Some(slow(3, 31)));
        let strain = pace.strain(2);
        assert_eq!((strain.slow, strain.slowest.as_secs(), strain.unreadable), (3, 31, 2));
    }
}
