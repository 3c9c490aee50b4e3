//! Reading a file of a disc to its end, past what cannot be read: the whole damage is worth knowing
//! before anybody decides what to do with the disc.

use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest as _, Sha256};

use super::Unfinished;
use super::pace::Pace;
use crate::drive::{DiscFile, DiscReader, ReadError};
use crate::model::{Bytes, Digest, Sectors};
use crate::port::clock::Stopwatch;
use crate::port::monitor::{Monitor, Progress};
use crate::port::stop::Stop;

/// Read at once: many clusters, so that a drive keeps streaming.
const BLOCK: usize = 1 << 20;
/// The error correction of a BD covers 32 sectors: neighbours fail together, and each failure costs
/// up to a minute.
const CLUSTER: Bytes = Bytes(64 << 10);
/// Blocks that are read, hashed, or wait for either.
const BLOCKS: usize = 4;
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
    /// The digest of a file, or what of it cannot be read. It is hashed on another thread, so that
    /// the drive never waits for it.
    pub fn digest(&mut self, file: &DiscFile) -> Result<Result<Digest, String>, Unfinished> {
        thread::scope(|scope| {
            let (to_hash, read) = bounded(BLOCKS);
            let (hashed, free) = bounded(BLOCKS);
            let hasher = scope.spawn(move || hash(&read, &hashed));
            let damage = self.read_all(file, Blocks { to_hash, free, made: 0 })?;
            Ok(match damage {
                Some(words) => Err(words),
                None => hasher.join().map_err(|_| "could not be hashed".to_owned()),
            })
        })
    }

    /// Reads a file to its end for another to hash; `Some` says what of it cannot be read.
    fn read_all(
        &mut self,
        file: &DiscFile,
        mut blocks: Blocks,
    ) -> Result<Option<String>, Unfinished> {
        let mut damage = Damage::default();
        let mut block = blocks.free();
        let mut at = 0;
        while at < file.size.0 {
            self.stop.check()?;
            let take = (file.size.0 - at).min(BLOCK as u64) as usize;
            let watch = Stopwatch::start();
            let read = self.reader.read_at(file, at, &mut block[..take]);
            // A disc that is away has no bad places.
            if let (Err(_), Some(absence)) = (&read, self.reader.absence()) {
                return Err(absence.into());
            }
            match read {
                Err(ReadError::Unreadable { sector, .. }) if damage.places.len() < ENOUGH => {
                    self.unreadable += 1;
                    at = damage.skip(file, at, sector);
                }
                Err(error) => return Ok(Some(damage.words(file, Some(&error.to_string())))),
                Ok(0) => {
                    let words = format!("ends after {at} of {} bytes", file.size.0);
                    return Ok(Some(damage.words(file, Some(&words))));
                }
                Ok(got) => {
                    self.pace.add(file, at, watch.elapsed());
                    block = blocks.hash(block, got);
                    at += got as u64;
                    self.done += got as u64;
                }
            }
            self.monitor.progress(Progress { done: self.done, written: None });
        }
        Ok((!damage.places.is_empty()).then(|| damage.words(file, None)))
    }
}

/// A block, and how much of it is filled.
type Filled = (Vec<u8>, usize);

/// Blocks on their way round: filled, hashed, and filled anew.
struct Blocks {
    to_hash: Sender<Filled>,
    free: Receiver<Vec<u8>>,
    made: usize,
}

impl Blocks {
    /// One that was hashed; at first a new one.
    fn free(&mut self) -> Vec<u8> {
        if self.made == BLOCKS {
            // It fails only if the hashing thread has panicked, which is found when it is joined.
            return self.free.recv().unwrap_or_else(|_| vec![0; BLOCK]);
        }
        self.made += 1;
        vec![0; BLOCK]
    }

    /// Gives a block to the other thread, for another one to be filled.
    fn hash(&mut self, block: Vec<u8>, filled: usize) -> Vec<u8> {
        let _ = self.to_hash.send((block, filled));
        self.free()
    }
}

fn hash(read: &Receiver<Filled>, hashed: &Sender<Vec<u8>>) -> Digest {
    let mut hasher = Sha256::new();
    for (block, filled) in read {
        hasher.update(&block[..filled]);
        // It fails where nothing more is read.
        let _ = hashed.send(block);
    }
    Digest(hasher.finalize().into())
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
