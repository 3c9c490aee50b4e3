//! The passes of a rescue. First forward, in clusters, jumping on after an error: a drive is busy
//! with a bad place for minutes, and the rest of the disc may be good. Then backwards through what
//! was jumped over. Then the clusters that failed, sector by sector; at last the sectors that were
//! bad before this drive had its turn.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::map::{BlockStatus, Map};
use crate::drive::{Absence, SectorSource};
use crate::model::Sectors;
use crate::model::size::{CLUSTER, SECTOR};
use crate::port::clock::Stopwatch;
use crate::port::monitor::Monitor;
use crate::port::stop::{Stop, Stopped};

/// Read at once where nothing fails, so that a drive keeps streaming.
const STREAM: u64 = 1 << 20;
/// The longest jump after an error; a scratch crosses the spiral once a turn, about 2 MB.
const LONGEST_JUMP: u64 = 4 << 20;
/// The map is saved so often, in seconds.
const SAVED_EVERY: u64 = 30;

#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    #[error("cannot write the image")]
    Image(#[source] io::Error),
    #[error("cannot write the map")]
    Map(#[source] io::Error),
    #[error("{0}; what was read is kept in the image: run the same command again to continue")]
    Gone(Absence),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Makes a map durable. The image is, when it is called.
pub type SaveMap<'a> = dyn Fn(&Map) -> io::Result<()> + 'a;

/// A rescue under way.
pub struct Passes<'a> {
    from: &'a dyn SectorSource,
    image: &'a File,
    map: &'a mut Map,
    save: &'a SaveMap<'a>,
    saved: Stopwatch,
    monitor: &'a Monitor,
    stop: &'a Stop,
}

impl<'a> Passes<'a> {
    pub fn new(
        from: &'a dyn SectorSource,
        image: &'a File,
        map: &'a mut Map,
        save: &'a SaveMap<'a>,
        monitor: &'a Monitor,
        stop: &'a Stop,
    ) -> Passes<'a> {
        Passes { from, image, map, save, saved: Stopwatch::start(), monitor, stop }
    }

    /// All passes. However they end, the map says what is done.
    pub fn run(mut self) -> Result<(), RescueError> {
        let bad_before = self.map.with(BlockStatus::Bad);
        let worked = self.all(&bad_before);
        self.save_now().and(worked)
    }

    fn all(&mut self, bad_before: &[Range<u64>]) -> Result<(), RescueError> {
        self.forward()?;
        self.backward()?;
        let failed =
            [BlockStatus::NotTrimmed, BlockStatus::NotScraped].map(|status| self.map.with(status));
        for range in failed.concat() {
            self.sector_by_sector(range)?;
        }
        bad_before.iter().try_for_each(|range| self.sector_by_sector(range.clone()))
    }

    fn forward(&mut self) -> Result<(), RescueError> {
        let cluster = CLUSTER.bytes().0;
        let (mut at, mut jump, mut careful_until) = (0, cluster, 0);
        while let Some(range) = next(&self.map.with(BlockStatus::Untried), at) {
            let step = if range.start < careful_until { cluster } else { STREAM };
            let piece = range.start..range.end.min(border(range.start, step));
            if self.try_read(piece.clone())? {
                (at, jump) = (piece.end, cluster);
            } else if step > cluster {
                // Some cluster of the piece failed: which?
                (at, careful_until) = (piece.start, piece.end);
            } else {
                self.map.set(piece.clone(), BlockStatus::NotTrimmed);
                (at, jump) = (piece.end + jump, (jump * 2).min(LONGEST_JUMP));
            }
        }
        Ok(())
    }

    fn backward(&mut self) -> Result<(), RescueError> {
        let cluster = CLUSTER.bytes().0;
        while let Some(range) = self.map.with(BlockStatus::Untried).pop() {
            let start = (range.end - 1) / cluster * cluster;
            let piece = start.max(range.start)..range.end;
            if !self.try_read(piece.clone())? {
                self.map.set(piece, BlockStatus::NotTrimmed);
            }
        }
        Ok(())
    }

    fn sector_by_sector(&mut self, range: Range<u64>) -> Result<(), RescueError> {
        let mut at = range.start / SECTOR * SECTOR;
        while at < range.end {
            let piece = at..(at + SECTOR).min(self.map.end());
            if !self.try_read(piece.clone())? {
                self.map.set(piece.clone(), BlockStatus::Bad);
            }
            at = piece.end;
        }
        Ok(())
    }

    /// Reads a piece into the image. Only whole sectors can be read.
    fn try_read(&mut self, piece: Range<u64>) -> Result<bool, RescueError> {
        self.stop.check()?;
        let first = piece.start / SECTOR;
        let mut buffer = vec![0; (piece.end.div_ceil(SECTOR) - first) as usize * SECTOR as usize];
        let read = self.from.read(Sectors(first), &mut buffer).is_ok();
        if read {
            self.image.write_all_at(&buffer, first * SECTOR).map_err(RescueError::Image)?;
            self.map
                .set(first * SECTOR..first * SECTOR + buffer.len() as u64, BlockStatus::Finished);
        }
        // The medium went away: the place is not bad, and whatever comes next would fail alike.
        if let (false, Some(absence)) = (read, self.from.absence()) {
            return Err(RescueError::Gone(absence));
        }
        let done = self.map.bytes(BlockStatus::Finished);
        self.monitor.done(done);
        if self.saved.elapsed().as_secs() >= SAVED_EVERY {
            self.save_now()?;
        }
        Ok(read)
    }

    fn save_now(&mut self) -> Result<(), RescueError> {
        self.image.sync_data().map_err(RescueError::Image)?;
        (self.save)(self.map).map_err(RescueError::Map)?;
        self.saved = Stopwatch::start();
        Ok(())
    }
}

/// The first of these stretches at or behind a place, without what lies before it.
fn next(stretches: &[Range<u64>], at: u64) -> Option<Range<u64>> {
    let found = stretches.iter().find(|range| range.end > at)?;
    Some(found.start.max(at)..found.end)
}

/// Where the step ends that a place is in.
fn border(at: u64, step: u64) -> u64 {
    (at / step + 1) * step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::recorder::Recorder;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    /// A medium of numbered sectors with bad ones, which keeps a list of what was tried.
    struct ScratchedMedium {
        sectors: u64,
        bad: BTreeSet<u64>,
        tried: Mutex<Vec<Range<u64>>>,
        stop: Option<(usize, Stop)>,
        /// After so many reads it is taken out.
        gone_after: usize,
    }

    impl ScratchedMedium {
        fn new(sectors: u64, bad: impl IntoIterator<Item = u64>) -> ScratchedMedium {
            let (bad, tried) = (bad.into_iter().collect(), Mutex::default());
            ScratchedMedium { sectors, bad, tried, stop: None, gone_after: usize::MAX }
        }
    }

    fn content(sector: u64) -> [u8; SECTOR as usize] {
        [(sector % 251) as u8 + 1; SECTOR as usize]
    }

    impl SectorSource for ScratchedMedium {
        fn title(&self) -> String {
            "scratched".into()
        }
        fn sectors(&self) -> Sectors {
            Sectors(self.sectors)
        }
        fn read(&self, first: Sectors, buf: &mut [u8]) -> io::Result<()> {
            let range = first.0..first.0 + buf.len() as u64 / SECTOR;
            let mut tried = self.tried.lock().unwrap();
            tried.push(range.clone());
            if let Some((after, stop)) = &self.stop {
                if tried.len() == *after {
                    stop.ask(2);
                }
            }
            assert!(range.end <= self.sectors);
            if tried.len() > self.gone_after {
                return Err(io::ErrorKind::Other.into());
            }
            if self.bad.range(range.clone()).next().is_some() {
                return Err(io::ErrorKind::Other.into());
            }
            for (sector, piece) in range.zip(buf.chunks_mut(SECTOR as usize)) {
                piece.copy_from_slice(&content(sector));
            }
            Ok(())
        }
        fn absence(&self) -> Option<Absence> {
            let is_gone = self.tried.lock().unwrap().len() > self.gone_after;
            is_gone.then(|| Absence::TakenOut { drive: "/dev/sr0".into() })
        }
    }

    fn run(from: &ScratchedMedium, image: &File, map: &mut Map) -> Result<(), RescueError> {
        let stop = from.stop.as_ref().map(|(_, stop)| stop.clone()).unwrap_or_default();
        let (monitor, save) = (Recorder::default(), |_: &Map| Ok(()));
        Passes::new(from, image, map, &save, &monitor, &stop).run()
    }

    fn bad_sectors(map: &Map) -> Vec<u64> {
        let ranges = map.with(BlockStatus::Bad).into_iter();
        ranges.flat_map(|range| range.start / SECTOR..range.end / SECTOR).collect()
    }

    fn assert_rescued(from: &ScratchedMedium, image: &File, map: &Map) {
        assert_eq!(
            map.bytes(BlockStatus::Finished) + map.bytes(BlockStatus::Bad),
            from.sectors * SECTOR
        );
        for sector in 0..from.sectors {
            let at = sector * SECTOR;
            if map.is_finished(&(at..at + SECTOR)) {
                let mut found = [0; SECTOR as usize];
                image.read_exact_at(&mut found, at).unwrap();
                assert!(found == content(sector), "sector {sector}");
            }
        }
    }

    #[test]
    fn every_sector_that_can_be_read_is_in_the_image() {
        let patterns: [Vec<u64>; 6] = [
            vec![],
            vec![0],
            vec![4_000],
            (100..164).collect(),
            (0..4_001).step_by(97).collect(),
            (10..3_000).collect(),
        ];
        for bad in patterns {
            let from = ScratchedMedium::new(4_001, bad.clone());
            let image = tempfile::tempfile().unwrap();
            let mut map = Map::new(4_001 * SECTOR);
            run(&from, &image, &mut map).unwrap();
            assert_eq!(bad_sectors(&map), bad);
            assert_rescued(&from, &image, &map);
        }
    }

    #[test]
    fn what_is_good_is_read_before_what_is_bad_is_tried_again() {
        let from = ScratchedMedium::new(8_192, 1_000..1_040);
        let image = tempfile::tempfile().unwrap();
        run(&from, &image, &mut Map::new(8_192 * SECTOR)).unwrap();
        let tried = from.tried.lock().unwrap();
        let hurt = |range: &Range<u64>| range.start < 1_040 && 1_000 < range.end;
        let first_single = tried.iter().position(|range| range.end - range.start == 1).unwrap();
        let failed_before = tried[..first_single].iter().filter(|range| hurt(range)).count();
        assert!(failed_before <= 4, "{failed_before}");
        assert!(tried[first_single..].iter().all(|range| range.end - range.start == 1));
        // The end of the disc was read long before.
        assert!(tried[..first_single].iter().any(|range| range.end == 8_192));
    }

    #[test]
    fn another_drive_tries_only_what_is_left() {
        let image = tempfile::tempfile().unwrap();
        let mut map = Map::new(2_000 * SECTOR);
        run(&ScratchedMedium::new(2_000, 300..500), &image, &mut map).unwrap();
        let second = ScratchedMedium::new(2_000, [310, 1_000]);
        run(&second, &image, &mut map).unwrap();
        assert_eq!(bad_sectors(&map), [310]);
        assert!(second.tried.lock().unwrap().iter().all(|r| r.start >= 300 && r.end <= 500));
        let third = ScratchedMedium::new(2_000, []);
        run(&third, &image, &mut map).unwrap();
        assert_eq!(third.tried.lock().unwrap().len(), 1);
        assert_rescued(&third, &image, &map);
        assert!(map.is_finished(&(0..2_000 * SECTOR)));
    }

    #[test]
    fn a_rescue_that_is_stopped_anywhere_goes_on() {
        for after in 1..60 {
            let bad = [5, 6, 700, 701, 1_500];
            let mut from = ScratchedMedium::new(1_700, bad);
            from.stop = Some((after, Stop::new()));
            let image = tempfile::tempfile().unwrap();
            let mut map = Map::new(1_700 * SECTOR);
            let stopped = run(&from, &image, &mut map);
            assert!(matches!(stopped, Ok(()) | Err(RescueError::Stopped(_))), "{stopped:?}");
            from.stop = None;
            run(&from, &image, &mut map).unwrap();
            assert_eq!(bad_sectors(&map), bad);
            assert_rescued(&from, &image, &map);
        }
    }

    #[test]
    fn a_medium_that_is_taken_out_has_no_bad_sectors_and_ends_the_passes_at_once() {
        for after in 1..40 {
            let bad = [5, 6, 700, 701, 1_500];
            let mut from = ScratchedMedium::new(1_700, bad);
            from.gone_after = after;
            let image = tempfile::tempfile().unwrap();
            let mut map = Map::new(1_700 * SECTOR);
            match run(&from, &image, &mut map) {
                Ok(()) => assert!(from.absence().is_none(), "{after}"),
                Err(error) => assert!(matches!(error, RescueError::Gone(_)), "{error}"),
            }
            assert!(from.tried.lock().unwrap().len() <= after + 1, "{after}");
            assert!(bad_sectors(&map).iter().all(|sector| bad.contains(sector)), "{after}");
            from.gone_after = usize::MAX;
            run(&from, &image, &mut map).unwrap();
            assert_eq!(bad_sectors(&map), bad);
            assert_rescued(&from, &image, &map);
        }
    }
}
