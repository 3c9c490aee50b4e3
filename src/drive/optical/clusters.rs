//! Bad places cost a drive time, up to a minute for each try. So a failed stretch is tried once
//! more by clusters, and a bad cluster by sectors up to its first bad one; the rest of that cluster
//! is skipped, and read sector by sector only when somebody wants it at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::reading::DriveReads;
use crate::drive::absence::{Absence, ReadFailure};
use crate::model::size::SECTOR;

/// The error correction of BD and DVD covers 32 sectors: neighbours fail together (ECMA-267 20.5
/// has 16 for DVD; a BD cluster is 64 KiB).
const CLUSTER: u64 = 32 * SECTOR;

/// A disc's sectors, with what is known of bad ones.
pub(super) struct Clusters {
    reads: DriveReads,
    state: Mutex<ClusterState>,
}

/// In sectors, but for `careful_until`.
#[derive(Default)]
struct ClusterState {
    /// They failed alone.
    bad: BTreeSet<u64>,
    /// First and end of what lies behind a bad sector in its cluster.
    skipped: BTreeMap<u64, u64>,
    /// A long read up to this byte failed: one cluster at a time.
    careful_until: u64,
    /// What was skipped is read now, sector by sector.
    thorough: bool,
}

/// What a piece of a disc is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ClusterEffort {
    /// Behind a bad sector the rest of its cluster is skipped for now.
    Skip,
    /// Listings, and who the disc is: little of it, and the rest depends on it.
    EachSector,
}

impl ClusterState {
    /// How many bytes may be read at once; `None` where nothing is to be read.
    fn allowed(&self, position: u64, length: u64, effort: ClusterEffort) -> Option<u64> {
        let first = position / SECTOR;
        if self.bad.contains(&first) {
            return None;
        }
        if self.is_skipped(first) {
            return (self.thorough || effort == ClusterEffort::EachSector).then_some(SECTOR);
        }
        let known = self.bad.range(first..).next().into_iter();
        let known = known.chain(self.skipped.range(first..).next().map(|(first, _)| first));
        let sound = known.min().map_or(u64::MAX, |&hurt| (hurt - first) * SECTOR);
        let step = if position < self.careful_until { to_border(position) } else { u64::MAX };
        Some(length.min(sound).min(step))
    }

    fn is_skipped(&self, sector: u64) -> bool {
        let before = self.skipped.range(..=sector).next_back();
        before.is_some_and(|(_, end)| sector < *end)
    }

    fn spoil(&mut self, sector: u64) {
        self.bad.insert(sector);
        let end = (sector * SECTOR + to_border(sector * SECTOR)) / SECTOR;
        if !self.thorough && sector + 1 < end {
            self.skipped.insert(sector + 1, end);
        }
    }
}

/// Bytes up to the end of the cluster.
fn to_border(position: u64) -> u64 {
    CLUSTER - position % CLUSTER
}

impl Clusters {
    pub fn over(reads: DriveReads) -> Clusters {
        Clusters { reads, state: Mutex::default() }
    }

    pub fn look(&self) -> Option<Absence> {
        self.reads.look()
    }

    pub fn absence(&self) -> Option<Absence> {
        self.reads.absence()
    }

    /// From now on what was skipped is read. `false`: nothing was, or it is read already.
    pub fn try_skipped(&self) -> bool {
        let mut state = self.state();
        let is_new = !state.thorough && !state.skipped.is_empty();
        state.thorough |= is_new;
        is_new
    }

    /// Whole sectors into an aligned buffer; fewer than wanted before a bad one.
    pub fn read(
        &self,
        position: u64,
        buf: &mut [u8],
        effort: ClusterEffort,
    ) -> Result<usize, ReadFailure> {
        let allowed = self.state().allowed(position, buf.len() as u64, effort);
        let Some(allowed) = allowed else {
            return Err(ReadFailure::Bad(io::Error::from_raw_os_error(nix::libc::EIO)));
        };
        let piece = &mut buf[..allowed as usize];
        match self.reads.read(position, piece) {
            Err(ReadFailure::Bad(error)) => self.narrow(position, piece, error, effort),
            read => read,
        }
    }

    /// After an error: up to the cluster's end, and if that fails by sectors.
    fn narrow(
        &self,
        position: u64,
        buf: &mut [u8],
        error: io::Error,
        effort: ClusterEffort,
    ) -> Result<usize, ReadFailure> {
        let length = buf.len() as u64;
        let border = to_border(position);
        if length > border {
            let mut state = self.state();
            state.careful_until = state.careful_until.max(position + length);
            drop(state);
            self.read(position, &mut buf[..border as usize], effort)
        } else if length > SECTOR && self.absence().is_none() {
            self.by_sectors(position, buf)
        } else {
            // Where the drive was reset, which takes minutes, sectors are not told apart.

            self.state().spoil(position / SECTOR);
            Err(ReadFailure::Bad(error))
        }
    }

    fn by_sectors(&self, position: u64, buf: &mut [u8]) -> Result<usize, ReadFailure> {
        let mut done = 0;
        for piece in buf.chunks_mut(SECTOR as usize) {
            let at = position + done as u64;
            match self.reads.read(at, piece) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(ReadFailure::Bad(error)) => {
                    self.state().spoil(at / SECTOR);
                    return if done == 0 { Err(ReadFailure::Bad(error)) } else { Ok(done) };
                }
                Err(gone) => return Err(gone),
            }
        }
        Ok(done)
    }

    fn state(&self) -> MutexGuard<'_, ClusterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::inquiry::tests::{ScriptedDrive, sense};
    use super::super::reading::tests::Platter;
    use super::super::sg::ScsiError;
    use super::*;
    use std::ops::Range;
    use std::sync::Arc;

    struct ClusterBench {
        clusters: Clusters,
        tried: Arc<Mutex<Vec<Range<u64>>>>,
        bad: BTreeSet<u64>,
    }

    fn bench(bad: impl IntoIterator<Item = u64>) -> ClusterBench {
        let platter = Platter::new(bad);
        let (tried, bad) = (platter.tried.clone(), platter.bad.clone());
        let clusters = Clusters::over(DriveReads::over("/dev/sr0", Box::new(platter)));
        ClusterBench { clusters, tried, bad }
    }

    impl ClusterBench {
        /// Reads all sectors up to `end` by pieces of 1 MiB; gives those that could not be read.
        /// What is read has the right content.
        fn read_all(&self, end: u64) -> Vec<u64> {
            self.read_with(end, ClusterEffort::Skip)
        }

        fn read_with(&self, end: u64, effort: ClusterEffort) -> Vec<u64> {
            let (mut at, mut lost) = (0, Vec::new());
            let mut buf = vec![0; 1 << 20];
            while at < end {
                let wanted = ((end - at) * SECTOR).min(buf.len() as u64) as usize;
                match self.clusters.read(at * SECTOR, &mut buf[..wanted], effort) {
                    Ok(read) => {
                        for piece in buf[..read].chunks(SECTOR as usize) {
                            assert!(piece.iter().all(|&byte| byte == at as u8), "sector {at}");
                            at += 1;
                        }
                    }
                    Err(ReadFailure::Bad(_)) => {
                        lost.push(at);
                        at += 1;
                    }
                    Err(gone) => panic!("{gone:?}"),
                }
            }
            lost
        }

        fn failures(&self) -> usize {
            let tried = std::mem::take(&mut *self.tried.lock().unwrap());
            tried.iter().filter(|range| self.bad.range((*range).clone()).next().is_some()).count()
        }
    }

    #[test]
    fn a_bad_cluster_costs_three_tries_and_the_rest_of_it_is_skipped() {
        let bench = bench(320..352);
        assert_eq!(bench.read_all(2_000), (320..352).collect::<Vec<_>>());
        assert_eq!(bench.failures(), 3, "the piece, the cluster, its first sector");
        let many = super::tests::bench(320..416);
        assert_eq!(many.read_all(2_000).len(), 96);
        assert_eq!(many.failures(), 7, "two for each further cluster");
        assert_eq!(many.read_all(2_000).len(), 96);
        assert_eq!(many.failures(), 0, "what is known to be bad is not tried again");
    }

    #[test]
    fn sectors_before_the_bad_one_are_read_and_those_behind_it_only_when_asked_for() {
        let bench = bench([330, 335]);
        assert_eq!(bench.read_all(600), (330..352).collect::<Vec<_>>());
        assert_eq!(bench.failures(), 3);
        assert!(bench.clusters.try_skipped());
        assert!(!bench.clusters.try_skipped(), "once");
        assert_eq!(bench.read_all(600), [330, 335]);
        assert_eq!(bench.failures(), 1, "335 alone");
        assert_eq!(bench.read_all(600), [330, 335]);
        assert_eq!(bench.failures(), 0);
    }

    #[test]
    fn of_what_the_rest_depends_on_each_sector_is_tried_once() {
        let bench = bench([330, 335]);
        assert_eq!(bench.read_with(600, ClusterEffort::EachSector), [330, 335]);
        assert_eq!(bench.failures(), 4);
        assert_eq!(bench.read_with(600, ClusterEffort::EachSector), [330, 335]);
        assert_eq!(bench.failures(), 0);
    }

    #[test]
    fn whatever_is_bad_all_the_rest_is_read_in_the_end() {
        let patterns: [Vec<u64>; 6] = [
            vec![],
            vec![0],
            vec![31, 32, 33],
            (100..164).collect(),
            (0..2_000).step_by(97).collect(),
            (10..1_500).collect(),
        ];
        for bad in patterns {
            let bench = bench(bad.clone());
            let skipped = bench.read_all(2_000);
            assert!(bad.iter().all(|sector| skipped.contains(sector)));
            let is_near = |sector: &u64| bad.iter().any(|bad| bad / 32 == sector / 32);
            assert!(skipped.iter().all(is_near));
            bench.clusters.try_skipped();
            assert_eq!(bench.read_all(2_000), bad);
        }
    }

    /// The kernel has waited for minutes by then.
    #[test]
    fn a_drive_that_hung_in_a_read_and_does_not_answer_is_asked_at_once_and_read_no_more() {
        let silent = [ScsiError::Host(3), ScsiError::Host(3), ScsiError::Host(3)];
        let platter =
            Platter { vanishes_at: 100, told: ScriptedDrive::new(&silent), ..Platter::new([]) };
        let tried = platter.tried.clone();
        let clusters = Clusters::over(DriveReads::over("/dev/sr0", Box::new(platter)));
        let mut buf = vec![0; 1 << 20];
        for position in [0, 64 * SECTOR, 0] {
            let failed = clusters.read(position, &mut buf, ClusterEffort::EachSector).unwrap_err();
            assert!(matches!(failed, ReadFailure::Gone(Absence::NoAnswer { .. })), "{failed:?}");
        }
        assert_eq!(tried.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_place_that_resets_the_drive_is_not_read_sector_by_sector() {
        let platter = Platter::new(320..352);
        let tried = platter.tried.clone();
        let resets = || Err(sense(6, 0x29, 0));
        *platter.told.answers.lock().unwrap() =
            [resets(), Ok(()), resets(), Ok(()), resets(), Ok(())].into();
        let clusters = Clusters::over(DriveReads::over("/dev/sr0", Box::new(platter)));
        let mut buf = vec![0; 32 * SECTOR as usize];
        let failed = clusters.read(320 * SECTOR, &mut buf, ClusterEffort::Skip).unwrap_err();
        assert!(matches!(failed, ReadFailure::Bad(_)), "{failed:?}");
        assert!(matches!(clusters.absence(), Some(Absence::Reset { .. })));
        assert_eq!(tried.lock().unwrap().len(), 2, "the cluster, twice");
        assert!(clusters.read(330 * SECTOR, &mut buf, ClusterEffort::Skip).is_err());
        assert_eq!(tried.lock().unwrap().len(), 2, "the rest of it is skipped");
        assert!(clusters.read(352 * SECTOR, &mut buf, ClusterEffort::Skip).is_ok());
    }

    #[test]
    fn a_disc_that_is_gone_is_not_narrowed_down() {
        let told = ScriptedDrive::new(&[sense(2, 0x3a, 2)]);
        let platter = Platter { vanishes_at: 100, told, ..Platter::new([]) };
        let tried = platter.tried.clone();
        let clusters = Clusters::over(DriveReads::over("/dev/sr0", Box::new(platter)));
        let mut buf = vec![0; 1 << 20];
        assert!(matches!(
            clusters.read(0, &mut buf, ClusterEffort::Skip),
            Err(ReadFailure::Gone(_))
        ));
        assert!(matches!(
            clusters.read(0, &mut buf, ClusterEffort::Skip),
            Err(ReadFailure::Gone(_))
        ));
        assert_eq!(tried.lock().unwrap().len(), 1);
        assert!(clusters.absence().unwrap().may_be_inserted_again());
    }
}
