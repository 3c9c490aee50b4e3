//! Reckons whether something still fits, and takes the true sizes when the bounds say "full".

use crate::codec::frames::worst_case;
use crate::codec::spool::Spool;
use crate::format::index::index_line;
use crate::model::Format;
use crate::model::disc::{Compression, archive_path};

use super::archive::{ArchiveBuilder, SealedArchive};
use super::closing;
use super::filler::{Filler, Lane};
use super::room::sums_size;
use super::sealing::SealContext;
use super::{Ledger, PackError, PackedMember};

/// No file on a disc is 4 GiB or more, and no OpenPGP packet: an archive ends a frame or two before.
const LARGEST_ARCHIVE: u64 = u32::MAX as u64 - (4 << 20);
/// Members of one archive at most: what is known of each is held in memory until it is sealed.
const MOST_MEMBERS: usize = 50_000;
/// Learning the true sizes is worth the work from this much reckoned growth on.
const WORTH_SETTLING: u64 = 48 << 10;
/// What a stored file may add to SNAPSHOT and to the catalog: digests do not compress; its place,
/// a row of `contents` and one of `parts` do a little. What it adds to HISTORY is its new place, if
/// it was moved from an old disc; or nothing, for what the scan replaced is there already.
const SNAPSHOT_GROWTH: u64 = 90;
const HISTORY_GROWTH: u64 = 30;
const CATALOG_GROWTH: u64 = 140;
const MEMBER_GROWTH: u64 = SNAPSHOT_GROWTH + HISTORY_GROWTH + CATALOG_GROWTH;
/// Listings over a fiftieth (2 %) of a disc are left out between a run's first and last disc.
const LISTING_SHARE: u64 = 50;

/// What a member adds to INDEX at most.
pub(super) fn growth_of(member: &PackedMember) -> u64 {
    let mut line = Vec::with_capacity(512);
    index_line(&member.row, Format::Two, &mut line);
    // Numbers that are not known yet take more digits than the zeros in their places.
    line.len() as u64 + 100
}

impl Filler<'_> {
    /// The open archive of a lane; opens one if there is none.
    pub(super) fn builder(
        &mut self,
        lane: Lane,
        ledger: &mut dyn Ledger,
    ) -> Result<&mut ArchiveBuilder, PackError> {
        let slot = lane as usize;
        if self.builders[slot].is_none() {
            let number = ledger.next_archive().map_err(PackError::Ledger)?;
            let spool = Spool::new(&self.config.scratch, self.config.sealer.is_some())?;
            let compression = self.compression(lane);
            self.builders[slot] =
                Some(ArchiveBuilder::new(number, compression, &self.disc.bzip2, spool));
            self.slack = 0;
        }
        // It was made just now if it was missing.
        self.builders[slot].as_mut().ok_or_else(|| PackError::Ledger("no open archive".into()))
    }

    fn compression(&self, lane: Lane) -> Compression {
        match lane {
            Lane::Compressed => self.config.compression,
            Lane::AsIs => Compression::None,
        }
    }

    /// Closes the lane's archive if `content` more bytes would take it past its size.
    pub(super) fn make_way(
        &mut self,
        lane: Lane,
        content: u64,
        ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        let full = self.builders[lane as usize].as_ref().is_some_and(|b| {
            let passed = b.content() > 0 && b.content() + content > self.config.archive_size;
            passed || b.len() >= MOST_MEMBERS || b.bound() + b.cost(content) > LARGEST_ARCHIVE
        });
        if full { self.seal(lane, ledger) } else { Ok(()) }
    }

    /// Bytes of content that the lane's archive still takes.
    pub(super) fn archive_room(&self, lane: Lane) -> u64 {
        let used = self.builders[lane as usize].as_ref().map_or(0, ArchiveBuilder::content);
        self.config.archive_size.saturating_sub(used)
    }

    pub(super) fn cost(&self, lane: Lane, tar: u64) -> u64 {
        let frame = crate::codec::frames::FRAME_BYTES as u64;
        let compression = self.compression(lane);
        tar / frame * worst_case(compression, frame) + worst_case(compression, tar % frame)
    }

    /// Whether a member of `tar` bytes, with `growth` bytes of INDEX, fits for certain.
    pub(super) fn ensure(
        &mut self,
        lane: Lane,
        tar: u64,
        growth: u64,
        ledger: &mut dyn Ledger,
    ) -> Result<bool, PackError> {
        let need = self.cost(lane, tar) + growth + MEMBER_GROWTH;
        if self.slack >= need + self.disc.room.doubt() && self.builders[lane as usize].is_some() {
            return Ok(true);
        }
        if self.disc.sizes.is_none() {
            self.bound(ledger)?;
        }
        if self.fits(lane, tar, growth, ledger)? {
            return Ok(true);
        }
        for builder in self.builders.iter_mut().flatten() {
            builder.settle()?;
        }
        if self.fits(lane, tar, growth, ledger)? {
            return Ok(true);
        }
        if !self.disc.measured || self.reckoned_growth() > WORTH_SETTLING {
            let (index, members) = self.open_growth();
            if self.growth(index, members) > WORTH_SETTLING {
                self.seal_all(ledger)?;
            }
            self.measure(ledger)?;
            if self.fits(lane, tar, growth, ledger)? {
                return Ok(true);
            }
        }
        self.drop_listings();
        self.fits(lane, tar, growth, ledger)
    }

    fn fits(
        &mut self,
        lane: Lane,
        tar: u64,
        growth: u64,
        ledger: &mut dyn Ledger,
    ) -> Result<bool, PackError> {
        let cost = self.cost(lane, tar);
        let room = self.room_in(lane, growth, ledger)?;
        self.slack = room.unwrap_or(0);
        Ok(room.is_some_and(|room| room >= cost))
    }

    /// Bytes by which the lane's archive may grow, with one more row of `growth` bytes in INDEX.
    pub(super) fn room_in(
        &mut self,
        lane: Lane,
        growth: u64,
        ledger: &mut dyn Ledger,
    ) -> Result<Option<u64>, PackError> {
        self.builder(lane, ledger)?;
        Ok(self.disc.room.left_with(&self.open_files(growth, 1)))
    }

    /// A member went in: what its bounds said is used up.
    pub(super) fn spend(
        &mut self,
        lane: Lane,
        tar: u64,
        growth: u64,
        _ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        self.disc.index_growth += growth;
        self.disc.members_since += 1;
        let used = self.cost(lane, tar) + growth + MEMBER_GROWTH;
        self.slack = self.slack.saturating_sub(used);
        Ok(())
    }

    /// The files whose sizes are not certain yet, as large as they can become.
    fn open_files(&self, growth: u64, members: u64) -> Vec<(String, u64)> {
        let sizes = self.disc.sizes.unwrap_or_default();
        let members = self.disc.members_since + members;
        let encrypted = self.config.sealer.is_some();
        let mut files: Vec<(String, u64)> = self
            .builders
            .iter()
            .flatten()
            .map(|b| {
                let path = archive_path(b.number(), b.compression(), encrypted);
                (path, self.sealed_size(b.bound()))
            })
            .collect();
        let gpg = if encrypted { ".gpg" } else { "" };
        let index = sizes.index + self.disc.index_growth + growth;
        files.push((format!("INDEX.tsv.bz2{gpg}"), self.sealed_size(index)));
        if self.disc.carries_listings {
            let snapshot = sizes.snapshot + members * SNAPSHOT_GROWTH;
            let catalog = sizes.catalog + members * CATALOG_GROWTH;
            if sizes.history > 0 {
                let history = sizes.history + members * HISTORY_GROWTH;
                files.push((format!("HISTORY.tsv.bz2{gpg}"), self.sealed_size(history)));
            }
            files.push((format!("SNAPSHOT.tsv.bz2{gpg}"), self.sealed_size(snapshot)));
            files.push((format!("catalog.sqlite.bz2{gpg}"), self.sealed_size(catalog)));
        }
        let sums = sums_size(self.disc.room.files()) + sums_size(&files);
        files.push(("SHA256SUMS".to_owned(), sums));
        files
    }

    fn sealed_size(&self, plain: u64) -> u64 {
        self.config.sealer.map_or(plain, |sealer| sealer.sealed_size(plain))
    }

    fn reckoned_growth(&self) -> u64 {
        self.growth(self.disc.index_growth, self.disc.members_since)
    }

    /// What so many members add to all listings.
    fn growth(&self, index: u64, members: u64) -> u64 {
        match self.disc.carries_listings {
            true => index + members * MEMBER_GROWTH,
            false => index,
        }
    }

    /// Reckons what the listings take at most as they would be now.
    fn bound(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        self.tell_known(ledger)?;
        self.disc.sizes = Some(closing::bounds(&self.disc, ledger, self.config.stop)?);
        Ok(())
    }

    /// Compresses the listings as they would be now. Archives that are open are not in them: what
    /// these add is reckoned on.
    pub(super) fn measure(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        self.record_all(ledger)?;
        let (scratch, stop) = (&self.config.scratch, self.config.stop);
        self.disc.sizes = Some(closing::measure(&self.disc, scratch, ledger, stop)?);
        self.disc.measured = true;
        (self.disc.index_growth, self.disc.members_since) = self.open_growth();
        Ok(())
    }

    /// What the members of open archives add to INDEX, and how many they are.
    fn open_growth(&self) -> (u64, u64) {
        let open = || self.builders.iter().flatten();
        let index = open().flat_map(ArchiveBuilder::members).map(growth_of).sum();
        (index, open().map(|builder| builder.len() as u64).sum())
    }

    /// Between the first and the last disc of a run, listings over 2 % are left out.
    fn drop_listings(&mut self) {
        let sizes = self.disc.sizes.unwrap_or_default();
        let share = sizes.of_the_set() * LISTING_SHARE;
        if !self.disc.first_of_run && share > self.disc.room.capacity().bytes().0 {
            self.disc.carries_listings = false;
        }
    }

    /// Ends the open archives and waits until all that were ended are durable and recorded.
    pub(super) fn seal_all(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        self.seal(Lane::Compressed, ledger)?;
        self.seal(Lane::AsIs, ledger)?;
        self.record_all(ledger)
    }

    /// Waits until all archives that were ended are durable and recorded.
    fn record_all(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        while !self.sealing.is_empty() {
            self.record_oldest(ledger)?;
        }
        self.tell_known(ledger)
    }

    /// Ends the lane's archive. Its size is certain at once; its file is made in the background,
    /// and the ledger hears of it when it is durable.
    fn seal(&mut self, lane: Lane, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        let Some(builder) = self.builders[lane as usize].take() else { return Ok(()) };
        self.slack = 0;
        if builder.is_empty() {
            return Ok(());
        }
        let full = builder.finish()?;
        let size = self.sealed_size(full.spool.len());
        self.disc.room.put(&full.path(self.config.sealer.is_some()), size);
        self.written += size;
        // In staging, room for one archive is kept beside the disc itself.
        while self.sealing.spooled() + full.spool.len() > self.config.archive_size
            && !self.sealing.is_empty()
        {
            self.record_oldest(ledger)?;
        }
        let seals = SealContext {
            dir: self.disc.dir.clone(),
            sealer: self.config.sealer.cloned(),
            stop: self.config.stop.clone(),
            format: self.disc.format,
        };
        self.sealing.begin(seals, full);
        self.report();
        Ok(())
    }

    fn record_oldest(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        let archive = self.sealing.oldest()?;
        self.record(archive, ledger)
    }

    /// Records what became durable in the meantime: a run that is stopped loses nothing of it.
    pub(super) fn record_finished(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        let archive = self.sealing.finished()?;
        self.record(archive, ledger)
    }

    fn record(
        &mut self,
        archive: Option<SealedArchive>,
        ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        let Some(archive) = archive else { return Ok(()) };
        self.disc.room.put(&archive.path, archive.size);
        for member in &archive.members {
            if let Some(digest) = member.row.file_sha256 {
                self.unsealed.remove(&digest);
            }
        }
        ledger.sealed(archive).map_err(PackError::Ledger)?;
        self.settle_twins(ledger)
    }

    /// Files that equal one in an archive that is recorded now.
    fn settle_twins(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        let twins = std::mem::take(&mut self.twins).into_iter();
        let (open, settled) = twins.partition(|twin| self.unsealed.contains(&twin.digest));
        self.twins = open;
        self.known.extend::<Vec<_>>(settled);
        self.tell_known(ledger)
    }
}
