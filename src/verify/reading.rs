//! Reading a file of a disc to its end, past what cannot be read: the whole damage is worth knowing
//! before anybody decides what to do with the disc.

use sha2::{Digest as _, Sha256};

use super::pace::Pace;
use crate::drive::{DiscFile, DiscReader, ReadError};
use crate::model::{Bytes, Digest, Sectors};
use crate::port::clock::Stopwatch;
use crate::port::monitor::{Monitor, Progress};
use crate::port::stop::{Stop, Stopped};

/// Read at once: many clusters, so that a drive keeps streaming.
const BLOCK: usize = 1 << 20;
/// The error correction of a BD covers 32 sectors: neighbours fail together, and each failure costs
/// up to a minute.
const CLUSTER: Bytes = Bytes(64 << 10);
/// After so many bad places in a file a drive would be busy with it for hours.
const ENOUGH: usize = 32;

/// A disc that is being read.
pub(super) struct Reading<'a> {
    pub reader: &'a dyn DiscReader,
    pub monitor: &'a dyn Monitor,
    pub stop: &'a Stop,
    /// Bytes read so far.
    pub done: u64,
    pub pace: Pace,
    /// Places that could not be read.
    pub unreadable: u32,
}

impl Reading<'_> {
    /// The digest of a file, or what of it cannot be read.
    pub fn digest(&mut self, file: &DiscFile) -> Result<Result<Digest, String>, Stopped> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; BLOCK];
        let mut damage = Damage::default();
        let mut at = 0;
        while at < file.size.0 {
            self.stop.check()?;
            let take = (file.size.0 - at).min(BLOCK as u64) as usize;
            let watch = Stopwatch::start();
            match self.reader.read_at(file, at, &mut buffer[..take]) {
                Err(ReadError::Unreadable { sector, .. }) if damage.places.len() < ENOUGH => {
                    self.unreadable += 1;
                    at = damage.skip(file, at, sector);
                }
                Err(error) => return Ok(Err(damage.words(file, Some(&error.to_string())))),
                Ok(0) => {
                    let words = format!("ends after {at} of {} bytes", file.size.0);
                    return Ok(Err(damage.words(file, Some(&words))));
                }
                Ok(got) => {
                    hasher.update(&buffer[..got]);
                    self.pace.add(file, at, watch.elapsed());
                    at += got as u64;
                    self.done += got as u64;
                }
            }
            self.monitor.progress(Progress { done: self.done, written: None });
        }
        Ok(match damage.places.is_empty() {
            true => Ok(Digest(hasher.finalize().into())),
            false => Err(damage.words(file, None)),
        })
    }
}

/// What of a file cannot be read.
#[derive(Default)]
struct Damage {
    places: Vec<Sectors>,
    lost: u64,
}

impl Damage {
    /// Where to go on: behind the cluster of the medium that holds the bad sector.
    fn skip(&mut self, file: &DiscFile, at: u64, sector: Sectors) -> u64 {
        let position = sector.bytes().0 + at % Sectors(1).bytes().0;
        let next = at + CLUSTER.0 - position % CLUSTER.0;
        let next = next.min(file.size.0);
        self.places.push(sector);
        self.lost += next - at;
        next
    }

    fn words(&self, file: &DiscFile, end: Option<&str>) -> String {
        let Some(first) = self.places.first() else { return end.unwrap_or_default().to_owned() };
        let places = match self.places.len() {
            1 => format!("cannot be read at sector {}", first.0),
            n => format!("cannot be read in {n} places, the first at sector {}", first.0),
        };
        let lost = format!("{places}: {} of {} bytes", self.lost, file.size.0);
        match end {
            Some(_) if self.places.len() >= ENOUGH => format!("{lost}, and more behind them"),
            Some(words) => format!("{lost}; {words}"),
            None => lost,
        }
    }
}
