//! The discs of one run, one after the other: fill, close, hand over to the drives. Stands apart
//! from what comes before it once a run (the set, its keys, the scan).

use std::collections::HashMap;

use crate::catalog::{Catalog, ClosedDiscInfo, Counts, Held, Part};
use crate::codec::bzip2_frames;
use crate::model::{Bytes, DiscNo, SnapshotSeq};
use crate::pack::estimate::{Media, discs_left};
use crate::pack::filler::PackConfig;
use crate::pack::queue::Queue;
use crate::pack::{Fill, Filler, PackError};
use crate::port::clock::Moment;
use crate::port::disc_count::DiscCount;
use crate::port::event::{Activity, Progress};
use crate::port::monitor::NewTask;
use crate::port::notice::StagingNotice;
use crate::port::question::{Answer, Question};
use crate::scan::content::Source;

use crate::flow::backup::ledger::CatalogLedger;
use crate::flow::backup::refill::{WELL_FILLED, reopen};
use crate::flow::backup::writer::DiscWriter;
use crate::flow::backup::{BackupReport, BackupRun};
use crate::flow::base::turn::unless_in_use;
use crate::flow::burn::pipeline::Beside;
use crate::flow::burn::recovery_groups::Grouping;
use crate::flow::staging::area::SetTexts;
use crate::flow::staging::holding::overdue;
use crate::flow::{Context, FlowError};

/// What the scan left to do.
pub(in crate::flow) struct PackWork {
    pub seq: SnapshotSeq,
    pub queue: Queue,
    pub begun: HashMap<SnapshotSeq, Moment>,
    pub rehashed: bool,
    /// A disc is made even if nothing but rows differs.
    pub must: bool,
    pub load: u64,
    /// How many discs it is estimated to take, recovery discs included.
    pub discs: u64,
    /// So many discs may be with the drives while the next one is packed.
    pub ahead: usize,
}

/// What came of it.
#[derive(Default)]
struct PackOutcome {
    /// Discs that were closed, with the sizes of their images.
    discs: Vec<(DiscNo, Bytes)>,
    /// The one that waits for more.
    held: Option<DiscNo>,
}

/// A run's discs in progress.
struct Packing<'a> {
    run: &'a BackupRun<'a>,
    seq: SnapshotSeq,
    texts: &'a SetTexts<'a>,
    queue: Queue,
    filler: Filler<'a>,
    ledger: CatalogLedger<'a>,
    drives: Option<&'a Beside<'a>>,
    /// A closed disc that waits and has room: opened again as soon as something is to be put on it.
    spare: Option<ClosedDiscInfo>,
    ahead: usize,
    load: u64,
    /// Nothing is left to pack, and the snapshot says so: a disc more is for listings alone.
    finished: bool,
    /// The last disc that was counted as begun.
    counted: Option<DiscNo>,
}

impl BackupRun<'_> {
    /// Packs all of it, disc by disc, and comes back when each disc that was closed is safe.
    pub(in crate::flow) fn pack(
        &mut self,
        catalog: &mut Catalog,
        drives: Option<&Beside>,
        work: PackWork,
        held: Held,
    ) -> Result<(), FlowError> {
        let PackWork { seq, queue, begun, rehashed, must, load, discs, ahead } = work;
        let spare = self.spare.take();
        let run = &*self;
        let writer = &run.writer;
        let Context { monitor, stop, .. } = writer.context;
        let source = Source::open(&run.request.source)?;
        let texts = &writer.texts(catalog, seq, &queue)?;
        let (disc, new_disc, known) = writer.next_disc(catalog, texts, true)?;
        drives.into_iter().for_each(|drives| drives.keep_room_for(ahead));
        let attend = |catalog: &mut Catalog| drives.map_or(Ok(()), |drives| drives.attend(catalog));
        let (set, place) = (writer.set.id, (new_disc, known));
        let ledger = CatalogLedger::new(catalog, set, seq, monitor, place, begun, rehashed)?
            .attending(&attend);
        let config = PackConfig {
            source: &source,
            snapshot: seq,
            compression: writer.set.facts.compression,
            archive_size: run.request.archive_size.0,
            sealer: writer.sealer.as_ref(),
            scratch: writer.staging.scratch(),
            stop,
        };
        let filler = Filler::new(config, disc, must);
        let filler = if spare.is_some() { filler.choosing() } else { filler };
        let (finished, counted) = (false, None);
        monitor.count_discs(|count| count.expect(discs, true));
        let mut packing = Packing {
            run,
            seq,
            texts,
            queue,
            filler,
            ledger,
            drives,
            spare,
            ahead,
            load,
            finished,
            counted,
        };
        let made = packing.run();
        // Frames of a disc that is not closed by this run, too.
        writer.note_recoded(packing.filler.disc().number);
        bzip2_frames::rest();
        let made = made?;
        // The last discs burn for hours; nothing of the set is changed by that.
        drop(held);
        packing.settle()?;
        packing.last_recovery_discs()?;
        let Packing { filler, ledger, .. } = packing;
        let (packed, failed, rotten) = (filler.packed, ledger.failed, ledger.rotten);
        let report = &mut self.report;
        report.discs = made.discs;
        report.held = made.held;
        report.stored_files = packed.files;
        report.stored_bytes = packed.bytes;
        report.reused = packed.reused;
        report.unchanged += packed.unchanged;
        report.failed += failed;
        report.recoded_frames = self.writer.bzip2.recoded();
        report.suspicious = packed.changed_while_read + rotten;
        Ok(())
    }
}

impl<'a> Packing<'a> {
    fn writer(&self) -> &'a DiscWriter<'a> {
        &self.run.writer
    }

    /// Until nothing is left that is worth a disc.
    fn run(&mut self) -> Result<PackOutcome, FlowError> {
        let mut made = PackOutcome::default();
        // Whether the disc before had no room for the listings that the last one must carry; it may
        // be a disc of a run that was stopped.
        let mut owes_listings = self.ledger.catalog().owes_listing(self.run.writer.set.id)?;
        loop {
            let more = !self.finished && self.fill()? == Fill::Full;
            let flush = owes_listings || self.is_to_be_flushed()?;
            if !more && !self.is_worth_closing(flush)? {
                let disc = self.filler.disc();
                made.held = disc.has_archives().then_some(disc.number);
                self.leave_spare()?;
                return Ok(made);
            }
            self.use_spare()?;
            self.count_begun(self.filler.disc().number);
            let closed =
                self.writer().close_disc(self.texts, self.filler.disc(), &mut self.ledger)?;
            made.discs.push((closed.number, closed.closing.image.bytes()));
            match self.drives {
                Some(drives) => drives.give(self.ledger.catalog(), &closed)?,
                None => self.writer().context.monitor.count_discs(|count| count.end(false)),
            }
            self.recovery_discs()?;
            self.count_left();
            if self.ahead == 0 {
                self.settle()?;
            }
            owes_listings = !closed.closing.listings.snapshot;
            if !more && !owes_listings {
                return Ok(made);
            }
            if !more && !self.filler.disc().has_archives() {
                return Err(PackError::DiscTooSmall { size: self.writer().capacity.bytes() }.into());
            }
            self.next_disc(false)?;
        }
    }

    fn fill(&mut self) -> Result<Fill, FlowError> {
        let mut fill = self.fill_disc()?;
        if fill == Fill::Choose {
            self.use_spare()?;
            fill = self.fill_disc()?;
        }
        let Packing { run, seq, filler, ledger, .. } = self;
        if fill == Fill::Done {
            let counts = counts(&run.report, filler, ledger);
            ledger.catalog().finish_snapshot(run.writer.set.id, *seq, Moment::now(), &counts)?;
            self.finished = true;
        }
        Ok(fill)
    }

    fn fill_disc(&mut self) -> Result<Fill, FlowError> {
        let monitor = self.writer().context.monitor;
        let disc = self.spare.is_none().then_some(self.filler.disc().number);
        let new = NewTask { disc, ..NewTask::new(Activity::Packing).total(self.load) };
        let task = (!self.queue.is_empty()).then(|| monitor.begin(new));
        disc.filter(|_| task.is_some()).into_iter().for_each(|disc| self.count_begun(disc));
        let task = task.as_deref().unwrap_or(monitor);
        Ok(self.filler.fill(&mut self.queue, &mut self.ledger, task)?)
    }

    /// Something is to be put onto a disc: the one that waits is opened again, or burned as it is
    /// and another one begun.
    fn use_spare(&mut self) -> Result<(), FlowError> {
        let Some(spare) = &self.spare else { return Ok(()) };
        let (run, catalog) = (self.run, self.ledger.catalog());
        if reopen(&run.writer, catalog, spare, &run.request.keys)? {
            self.spare = None;
        }
        self.leave_spare()?;
        self.next_disc(true)
    }

    /// Nothing came to the disc that waits.
    fn leave_spare(&mut self) -> Result<(), FlowError> {
        match (self.spare.take(), self.drives) {
            (Some(spare), Some(drives)) => {
                self.count_begun(spare.number);
                drives.give(self.ledger.catalog(), &spare)
            }
            _ => Ok(()),
        }
    }

    /// Each disc is counted once, however often it is opened.
    fn count_begun(&mut self, disc: DiscNo) {
        if self.counted.replace(disc) != Some(disc) {
            self.writer().context.monitor.count_discs(DiscCount::begin);
        }
    }

    /// How many discs are left if the rest compresses like what was packed so far: the estimate
    /// before the first byte is for data that does not compress.
    fn count_left(&self) {
        let facts = &self.writer().set.facts;
        let media = Media { capacity: self.writer().capacity, parity: facts.parity };
        let left = match (self.finished, self.filler.progress()) {
            (true, _) => 0,
            (false, Progress { done: 0, .. }) => return,
            (false, packed) => discs_left(self.load, packed, media).max(1),
        };
        let recovery = facts
            .parity_discs
            .map_or(0, |ratio| left.div_ceil(u64::from(ratio.data)) * u64::from(ratio.recovery));
        self.writer().context.monitor.count_discs(|count| count.expect(left + recovery, true));
    }

    fn next_disc(&mut self, first_of_run: bool) -> Result<(), FlowError> {
        let (disc, new_disc, known) =
            self.writer().next_disc(self.ledger.catalog(), self.texts, first_of_run)?;
        self.ledger.next_disc(new_disc, known);
        self.filler.next_disc(disc);
        Ok(())
    }

    /// Of groups that are full by now. Between two discs, so that their numbers are their own. If
    /// another coldcut changes the set by now, it makes them, or the next run does.
    fn recovery_discs(&mut self) -> Result<(), FlowError> {
        let Some(drives) = self.drives else { return Ok(()) };
        let DiscWriter { staging, set, context, .. } = self.run.writer;
        let held = self.ledger.catalog().hold(Part::Set(set.id));
        let Some(_held) = unless_in_use(held)? else { return Ok(()) };
        let made = Grouping::new(staging, set, context).make(self.ledger.catalog())?;
        made.iter().try_for_each(|disc| {
            context.monitor.count_discs(DiscCount::begin);
            drives.give(self.ledger.catalog(), disc)
        })
    }

    /// When all discs are safe: the last group may be full, or is closed as it is.
    fn last_recovery_discs(&mut self) -> Result<(), FlowError> {
        let DiscWriter { staging, set, context, .. } = self.run.writer;
        if self.run.request.flush && self.drives.is_some() {
            Grouping::new(staging, set, context).close_all()?;
        }
        self.recovery_discs()?;
        self.settle()
    }

    /// Until the disc in the drives is safe.
    fn settle(&mut self) -> Result<(), FlowError> {
        match self.drives {
            Some(drives) => drives.settle(self.ledger.catalog()),
            None => Ok(()),
        }
    }

    /// Asked for, and there is something that is on no disc yet: archives, or rows alone.
    fn is_to_be_flushed(&mut self) -> Result<bool, FlowError> {
        let set = self.writer().set.id;
        let has_archives = self.filler.disc().has_archives();
        Ok(self.run.request.flush && (has_archives || self.ledger.catalog().rows_pending(set)?))
    }

    /// Whether the disc was held back as long as one may be.
    fn has_waited(&mut self, disc: DiscNo) -> Result<bool, FlowError> {
        let Some(max_hold) = self.run.request.hold.max_hold else { return Ok(false) };
        let set = self.writer().set.id;
        let since = overdue(self.ledger.catalog(), set, disc, max_hold, Moment::now())?;
        if let Some(since) = since {
            let notice = StagingNotice::HeldLongEnough { disc, since };
            self.writer().context.monitor.note(notice.into());
        }
        Ok(since.is_some())
    }

    /// A disc without anything new is not made; a last one that is too empty may wait for more.
    /// Before a person is asked, the disc before is safe: whoever answers stands at the drive then,
    /// and nothing burns unattended behind an open question.
    fn is_worth_closing(&mut self, flush: bool) -> Result<bool, FlowError> {
        let disc = self.filler.disc();
        if flush || !disc.has_archives() {
            return Ok(flush);
        }
        let (number, used) = (disc.number, disc.room.used_percent());
        if self.has_waited(number)? {
            return Ok(true);
        }
        match self.run.request.hold.min_fill {
            Some(least) => Ok(used >= u64::from(least)),
            None if used < WELL_FILLED && self.drives.is_some_and(|drives| drives.has_hands) => {
                self.settle()?;
                let question = Question::BurnNow { disc: number, used_percent: used };
                Ok(self.writer().context.operator.ask(question) == Answer::Yes)
            }
            None => Ok(true),
        }
    }
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
