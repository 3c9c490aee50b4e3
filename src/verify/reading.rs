//! Reading a file of a disc to its end, past what cannot be read: the whole damage is worth knowing
//! before anybody decides what to do with the disc.

use std::ops::Range;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest as _, Sha256};

use super::Unfinished;
use super::pace::SlowPlaces;
use super::seals::{self, Filled, Passing, Seal, is_sealed};
use crate::codec::openpgp::Opener;
use crate::drive::{DiscFile, DiscReader, ReadError};
use crate::model::size::SECTOR;
use crate::model::{Bytes, Digest, Sectors};
use crate::port::clock::Stopwatch;
use crate::port::monitor::Monitor;
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
/// So many sectors of a disc may fail when at the end what was skipped is tried: for a quarter of
/// an hour. Clusters with a bad sector or two are known to the last byte then.
const FURTHER_TRIES: u32 = 64;

/// A disc that is being read.
pub(super) struct DiscReading<'a> {
    pub reader: &'a dyn DiscReader,
    /// Opens encrypted files as they pass by.
    opener: Option<&'a Opener>,
    pub monitor: &'a Monitor,
    pub stop: &'a Stop,
    /// Bytes read so far.
    pub done: u64,
    pub pace: SlowPlaces,
    /// Places that could not be read.
    pub unreadable: u32,
    /// Sectors that may fail yet before what was skipped is left alone.
    further_tries: u32,
}

impl<'a> DiscReading<'a> {
    pub fn of(
        reader: &'a dyn DiscReader,
        opener: Option<&'a Opener>,
        monitor: &'a Monitor,
        stop: &'a Stop,
    ) -> DiscReading<'a> {
        let (pace, further_tries) = (SlowPlaces::default(), FURTHER_TRIES);
        DiscReading { reader, opener, monitor, stop, done: 0, pace, unreadable: 0, further_tries }
    }

    /// The digest of a file, or what of it cannot be read. It is hashed on another thread, and
    /// opened on a third, so that the drive never waits for either.
    pub fn digest(&mut self, file: &DiscFile) -> Result<Result<Passed, FileDamage>, Unfinished> {
        let opener = self.opener.filter(|_| is_sealed(&file.path));
        thread::scope(|scope| {
            let (to_hash, read) = bounded(BLOCKS);
            let (done, free) = bounded(BLOCKS);
            let (next, opened) = match opener {
                Some(opener) => {
                    let (to_open, hashed) = bounded(BLOCKS);
                    let passing = Passing::new(hashed, done);
                    (to_open, Some(scope.spawn(move || seals::check(opener, passing))))
                }
                None => (done, None),
            };
            let hasher = scope.spawn(move || hash(&read, &next));
            let damage = self.read_all(file, Blocks { to_hash, free, made: 0 })?;
            Ok(match damage {
                Some(damage) => Err(damage),
                None => {
                    let failed = |_| FileDamage::default().ending("could not be hashed".to_owned());
                    let sha256 = hasher.join().map_err(failed);
                    let seal = opened.map(|opened| opened.join()).transpose().map_err(failed);
                    sha256.and_then(|sha256| Ok(Passed { sha256, seal: seal? }))
                }
            })
        })
    }

    /// Reads a file to its end for another to hash; `Some` says what of it cannot be read.
    fn read_all(
        &mut self,
        file: &DiscFile,
        mut blocks: Blocks,
    ) -> Result<Option<FileDamage>, Unfinished> {
        let mut damage = FileDamage::default();
        let mut block = blocks.free();
        let mut at = 0;
        while at < file.size.0 {
            self.stop.check()?;
            let take = (file.size.0 - at).min(BLOCK as u64) as usize;
            let watch = Stopwatch::start();
            let read = self.read_at(file, at, &mut block[..take]);
            // A disc that is away has no bad places.
            if let (Err(_), Some(absence)) = (&read, self.reader.absence()) {
                return Err(absence.into());
            }
            match read {
                Err(ReadError::Unreadable { sector, .. }) if damage.places.len() < ENOUGH => {
                    self.unreadable += 1;
                    at = damage.skip(file, at, sector);
                }
                Err(error) => return Ok(Some(damage.ending(error.to_string()))),
                Ok(0) => {
                    let words = format!("ends after {at} of {} bytes", file.size.0);
                    return Ok(Some(damage.ending(words)));
                }
                Ok(got) => {
                    self.pace.add(file, at, watch.elapsed());
                    block = blocks.hash(block, got);
                    at += got as u64;
                    self.done += got as u64;
                }
            }
            self.monitor.done(self.done);
        }
        Ok((!damage.places.is_empty()).then_some(damage))
    }

    /// A file may begin in a cluster of which a bad sector of the file before it is known: only
    /// what fails by itself is damage.
    fn read_at(&self, file: &DiscFile, at: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        match self.reader.read_at(file, at, buf) {
            Err(ReadError::Unreadable { .. }) => self.reader.read_each_sector(file, at, buf),
            read => read,
        }
    }

    /// Comes back to what was skipped behind bad sectors, when all else is read.
    pub fn try_skipped(
        &mut self,
        file: &DiscFile,
        damage: &mut FileDamage,
    ) -> Result<(), Unfinished> {
        if damage.end.is_some() {
            return Ok(());
        }
        let mut sector = [0; SECTOR as usize];
        for skipped in &mut damage.skipped {
            while !skipped.is_empty() && self.further_tries > 0 {
                self.stop.check()?;
                let next = skipped.end.min(skipped.start + SECTOR - skipped.start % SECTOR);
                let wanted = (next - skipped.start) as usize;
                match self.reader.read_each_sector(file, skipped.start, &mut sector[..wanted]) {
                    Ok(1..) => self.done += wanted as u64,
                    _ => {
                        if let Some(absence) = self.reader.absence() {
                            return Err(absence.into());
                        }
                        damage.lost += wanted as u64;
                        self.further_tries -= 1;
                    }
                }
                skipped.start = next;
                self.monitor.done(self.done);
            }
        }
        Ok(())
    }
}

/// A file that was read to its end.
pub(super) struct Passed {
    pub sha256: Digest,
    /// `None`: it is not encrypted, or nobody wanted to know.
    pub seal: Option<Seal>,
}

/// Blocks on their way round: filled, hashed, opened, and filled again.
struct Blocks {
    to_hash: Sender<Filled>,
    free: Receiver<Filled>,
    made: usize,
}

impl Blocks {
    /// One that was hashed; at first a new one.
    fn free(&mut self) -> Vec<u8> {
        if self.made == BLOCKS {
            // It fails only if the hashing thread has panicked, which is found when it is joined.
            return self.free.recv().map_or_else(|_| vec![0; BLOCK], |(block, _)| block);
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

fn hash(read: &Receiver<Filled>, next: &Sender<Filled>) -> Digest {
    let mut hasher = Sha256::new();
    for (block, filled) in read {
        hasher.update(&block[..filled]);
        // It fails where nothing more is read.
        let _ = next.send((block, filled));
    }
    Digest(hasher.finalize().into())
}

/// What of a file cannot be read.
#[derive(Debug, Default)]
pub(super) struct FileDamage {
    /// The first bad sector of each bad cluster.
    places: Vec<Sectors>,
    /// Bytes that were tried and cannot be read.
    lost: u64,
    /// What lies behind bad sectors in their clusters, in bytes of the file, as far as it was not
    /// tried.
    skipped: Vec<Range<u64>>,
    /// Why it was not read to its end.
    end: Option<String>,
}

impl FileDamage {
    fn ending(self, why: String) -> FileDamage {
        FileDamage { end: Some(why), ..self }
    }

    /// Where to go on: after the cluster of the medium that holds the bad sector.
    fn skip(&mut self, file: &DiscFile, at: u64, sector: Sectors) -> u64 {
        let position = sector.bytes().0 + at % SECTOR;
        let next = at + CLUSTER.0 - position % CLUSTER.0;
        let (bad, next) = (at + SECTOR - at % SECTOR, next.min(file.size.0));
        let bad = bad.min(next);
        self.places.push(sector);
        self.lost += bad - at;
        self.skipped.push(bad..next);
        next
    }

    pub fn words(&self, file: &DiscFile) -> String {
        let Some(first) = self.places.first() else { return self.end.clone().unwrap_or_default() };
        let is_given_up = self.end.is_some() && self.places.len() >= ENOUGH;
        let places = match self.places.len() {
            1 => format!("cannot be read at sector {}", first.0),
            n if is_given_up => {
                format!("cannot be read in more than {n} places, the first at sector {}", first.0)
            }
            n => format!("cannot be read in {n} places, the first at sector {}", first.0),
        };
        let mut words = format!("{places}: {} of {} bytes", self.lost, file.size.0);
        let untried: u64 = self.skipped.iter().map(|skipped| skipped.end - skipped.start).sum();
        if untried > 0 {
            words += &format!(", and {untried} bytes next to them were not tried");
        }
        match &self.end {
            Some(_) if is_given_up => words + "; the rest of the file was not read",
            Some(why) => format!("{words}; {why}"),
            None => words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ExpectedFile, Verdict, examine};
    use super::*;
    use crate::drive::ScratchedDisc;
    use crate::model::DiscUuid;
    use crate::port::recorder::Recorder;
    use uuid::Uuid;

    type Files<'a> = &'a [(&'a str, Range<u64>)];

    /// What is wrong with the files of a disc with these bad sectors, and how many tries failed.
    fn faults(files: Files, bad: &[u64]) -> (Vec<(String, String)>, usize) {
        let scratched = ScratchedDisc::new(files, bad);
        let expected = |(path, sectors): &(&str, Range<u64>)| {
            let content = ScratchedDisc::content(sectors.clone());
            let sha256 = Digest(Sha256::digest(&content).into());
            ExpectedFile { path: (*path).to_owned(), size: content.len() as u64, sha256 }
        };
        let expected: Vec<ExpectedFile> = files.iter().map(expected).collect();
        let (uuid, monitor) = (DiscUuid(Uuid::nil()), Recorder::default());
        let disc = &scratched.disc;
        let examined = examine(disc, uuid, &expected, None, None, &monitor, &Stop::new()).unwrap();
        let faults = match examined.verdict {
            Verdict::Sound(_) => Vec::new(),
            Verdict::Damaged(faults) => faults.into_iter().map(|f| (f.path, f.what)).collect(),
        };
        (faults, scratched.failures())
    }

    fn only(faults: Vec<(String, String)>) -> String {
        let [(_, what)] = &faults[..] else { panic!("{faults:?}") };
        what.clone()
    }

    #[test]
    fn only_sectors_that_cannot_be_read_count_as_lost() {
        let (found, failures) = faults(&[("archives/1.tar", 64..500)], &[100, 105, 330]);
        assert_eq!(
            only(found),
            "cannot be read in 2 places, the first at sector 100: 6144 of 892928 bytes"
        );
        assert_eq!(failures, 3 + 2 + 1, "a place, one near it, and 105 alone");
    }

    #[test]
    fn a_file_that_begins_behind_a_bad_sector_of_another_is_sound() {
        let files = [("archives/1.tar", 64..105), ("archives/2.tar", 105..300)];
        let (found, _) = faults(&files, &[104]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "archives/1.tar");
        let (found, _) = faults(&files, &[104, 106]);
        assert_eq!(found[1].1, "cannot be read at sector 106: 2048 of 399360 bytes");
    }

    #[test]
    fn a_disc_on_which_much_is_lost_is_not_tried_for_hours_and_what_was_not_tried_is_said() {
        let dead: Vec<u64> = (320..480).collect();
        let (found, failures) = faults(&[("archives/1.tar", 64..600)], &dead);
        let tried = (5 + 64) * 2048;
        let rest = 5 * 31 * 2048 - 64 * 2048;
        assert_eq!(
            only(found),
            format!(
                "cannot be read in 5 places, the first at sector 320: {tried} of 1097728 bytes, \
                 and {rest} bytes next to them were not tried"
            )
        );
        assert_eq!(failures, 1 + 5 * 2 + 64);
        let worn: Vec<u64> = (0..2_000).step_by(32).collect();
        let (found, failures) = faults(&[("archives/1.tar", 0..2_000)], &worn);
        let found = only(found);
        assert!(found.starts_with("cannot be read in more than 32 places"), "{found}");
        assert!(found.ends_with("the rest of the file was not read"), "{found}");
        assert!(failures < 120, "{failures}");
    }
}
