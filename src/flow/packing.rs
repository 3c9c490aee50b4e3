//! The discs of one run, one after the other: fill, close, hand over to the drives. Stands apart from
//! what comes before it once a run (the set, its keys, the scan).

use std::collections::HashMap;

use crate::catalog::{Catalog, Counts};
use crate::model::{Bytes, DiscNo, SnapshotSeq};
use crate::pack::filler::Config;
use crate::pack::queue::Queue;
use crate::pack::{Fill, Filler};
use crate::port::clock::Moment;
use crate::port::monitor::Phase;
use crate::port::operator::Answer;
use crate::scan::content::Source;

use super::FlowError;
use super::backup::{BackupReport, Run};
use super::burning::{Drives, Station};
use super::ledger::CatalogLedger;

/// A disc as full as this is burned without a question.
const WELL_FILLED: u64 = 95;

impl Run<'_> {
    pub(super) fn pack(
        &mut self,
        catalog: &mut Catalog,
        mut drives: Option<&mut Drives>,
        work: PackWork,
    ) -> Result<(), FlowError> {
        let PackWork { seq, mut queue, begun, rehashed, must, load } = work;
        let mut source = Source::open(&self.request.source)?;
        let texts = self.texts(catalog, seq, &queue)?;
        let (disc, new_disc, known) = self.next_disc(catalog, &texts, true)?;
        let monitor = self.desk.monitor;
        let phase = |disc: DiscNo| {
            monitor.phase(&Phase { what: "packing", disc: Some(disc.0), total: Some(load) })
        };
        let place = (new_disc, known);
        let mut ledger =
            CatalogLedger::new(catalog, self.set.id, seq, monitor, place, begun, rehashed)?;
        let config = Config {
            source: &mut source,
            snapshot: seq,
            compression: self.set.facts.compression,
            archive_size: self.request.archive_size.0,
            sealer: self.sealer.as_ref(),
            scratch: self.staging.scratch(),
            monitor,
            stop: self.desk.stop,
        };
        let mut filler = Filler::new(config, disc, must);
        let mut discs = Vec::new();
        // Whether the disc before had no room for the listings that the last one must carry.
        let mut owes_listings = false;
        loop {
            if !queue.is_empty() {
                phase(filler.disc().number);
            }
            let more = filler.fill(&mut queue, &mut ledger)? == Fill::Full;
            if !more {
                let counts = counts(&self.report, &filler, &ledger);
                ledger.catalog().finish_snapshot(self.set.id, seq, Moment::now(), &counts)?;
            }
            let flush = owes_listings || self.is_to_be_flushed(&filler, ledger.catalog())?;
            let hands = drives.as_deref_mut().is_some_and(Drives::have_hands);
            if !more && !self.is_worth_closing(&filler, flush, hands) {
                self.report.held = filler.disc().has_archives().then_some(filler.disc().number);
                break;
            }
            let closed = self.close_disc(&texts, filler.disc(), &mut ledger)?;
            discs.push((closed.number, closed.image.unwrap_or_default().bytes()));
            if let Some(drives) = drives.as_deref_mut() {
                Station { staging: &self.staging, set: &self.set, drives, desk: self.desk }
                    .burn_one(ledger.catalog(), &closed)?;
            }
            owes_listings = !closed.listings.snapshot;
            if !more && !owes_listings {
                break;
            }
            if !more && !filler.disc().has_archives() {
                let size = self.request.capacity.bytes();
                return Err(crate::pack::PackError::DiscTooSmall { size }.into());
            }
            let (disc, new_disc, known) = self.next_disc(ledger.catalog(), &texts, false)?;
            ledger.next_disc(new_disc, known);
            filler.next_disc(disc);
        }
        let packed = filler.packed;
        let (failed, rotten) = (ledger.failed, ledger.rotten);
        self.report.discs = discs;
        self.report.stored_files = packed.files;
        self.report.stored_bytes = packed.bytes;
        self.report.reused = packed.reused;
        self.report.unchanged += packed.unchanged;
        self.report.failed += failed;
        self.report.suspicious = packed.changed_while_read + rotten;
        Ok(())
    }

    /// Asked for, and there is something that is on no disc yet: archives, or rows alone.
    fn is_to_be_flushed(&self, filler: &Filler, catalog: &Catalog) -> Result<bool, FlowError> {
        let asked = self.request.flush;
        Ok(asked && (filler.disc().has_archives() || catalog.rows_pending(self.set.id)?))
    }

    /// A disc without anything new is not made; a last one that is too empty may wait for more.
    /// `hands`: a real medium would be spent on it.
    fn is_worth_closing(&self, filler: &Filler, flush: bool, hands: bool) -> bool {
        let disc = filler.disc();
        if flush || !disc.has_archives() {
            return flush;
        }
        let used = disc.room.used_percent();
        match self.request.min_fill {
            Some(least) => used >= u64::from(least),
            None if hands && used < WELL_FILLED => {
                let question = format!(
                    "disc {} is {used} % full. Burn it now? Otherwise it waits for more",
                    disc.number
                );
                self.desk.operator.confirm(&question) == Answer::Yes
            }
            None => true,
        }
    }
}

/// What the scan left to do.
pub(super) struct PackWork {
    pub seq: SnapshotSeq,
    pub queue: Queue,
    pub begun: HashMap<SnapshotSeq, Moment>,
    pub rehashed: HashMap<crate::model::RelPath, crate::model::Digest>,
    /// A disc is made even if nothing but rows differs.
    pub must: bool,
    pub load: u64,
}

fn counts(report: &BackupReport, filler: &Filler, ledger: &CatalogLedger) -> Counts {
    Counts {
        stored: filler.packed.files + filler.packed.reused + report.rows,
        unchanged: report.unchanged + filler.packed.unchanged,
        excluded: report.excluded.values().sum(),
        failed: report.failed + ledger.failed,
        bytes: Bytes(filler.packed.bytes),
    }
}
