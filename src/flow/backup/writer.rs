//! What writes the next discs of a set into the staging area: opens one to fill, closes it, signs
//! it, and tries it before it is handed over. It knows nothing of where the files come from: a
//! backup, a flush and a migration use it alike.

use std::sync::Arc;

use uuid::Uuid;

use crate::catalog::{
    Catalog, ClosedDiscInfo, DiscInfo, DiscState, KnownSet, NewDisc, OpenDiscInfo, Part,
    SnapshotInfo,
};
use crate::codec::bzip2_frames::Bzip2Frames;
use crate::codec::openpgp::{Sealer, Signer};
use crate::format::SnapshotLine;
use crate::model::disc::Encryption;
use crate::model::rows::RunLine;
use crate::model::{DiscNo, DiscUuid, Format, Sectors, SnapshotSeq};
use crate::pack::closing::{ClosingContext, SIGNATURE, close};
use crate::pack::filler::{DiscInWork, Headers};
use crate::pack::protecting::Watchers;
use crate::pack::queue::Queue;
use crate::port::clock::Moment;
use crate::port::event::Reached;
use crate::port::notice::{SetNotice, StagingNotice};

use crate::flow::backup::ledger::CatalogLedger;
use crate::flow::base::turn::unless_in_use;
use crate::flow::burn::records::waiting;
use crate::flow::drill::{drill_staged, is_untried};
use crate::flow::staging::area::{SetTexts, Staging, archive_file, source_bytes};
use crate::flow::staging::lost::lost_discs;
use crate::flow::{Context, FlowError};

fn snapshot_line(snapshot: SnapshotInfo) -> SnapshotLine {
    SnapshotLine {
        seq: snapshot.seq,
        date: snapshot.started.to_string(),
        source: source_bytes(&snapshot.source),
        uuid: snapshot.uuid,
    }
}

/// Paths longer than this cannot be extracted by stock tar (PATH_MAX, limits.h).
const LONG_PATH: usize = 4096;

/// The writer of one set's next discs.
pub(in crate::flow) struct DiscWriter<'a> {
    pub staging: &'a Staging,
    pub set: &'a KnownSet,
    /// `None` for a plain set.
    pub sealer: Option<Sealer>,
    /// Signs the discs' `SHA256SUMS`.
    pub signer: Option<&'a Signer>,
    /// Stock tools are tried on a sample of each disc.
    pub drill: bool,
    /// Makes the bzip2 frames of the discs.
    pub bzip2: Arc<Bzip2Frames>,
    /// Of the media that new discs are planned for; one that is open keeps its own.
    pub capacity: Sectors,
    pub context: Context<'a>,
}

impl DiscWriter<'_> {
    /// What former runs left, before anything is added to it.
    pub fn take_over(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        self.miss_signer(catalog)?;
        self.forget_lost_staging(catalog)?;
        self.drill_waiting(catalog)
    }

    /// The discs so far were signed, and those of this run will not be: nobody who asks for
    /// signatures would use them.
    fn miss_signer(&self, catalog: &Catalog) -> Result<(), FlowError> {
        let set = self.set;
        let mut discs = catalog.discs(set.id)?;
        let groups = catalog.recovery_groups(set.id)?;
        let has_files =
            |disc: &DiscInfo| groups.iter().all(|group| !group.recovery.contains(&disc.number));
        discs.retain(|disc| disc.state != DiscState::Open && has_files(disc));
        let (Some(last), None) = (discs.last(), self.signer) else { return Ok(()) };
        let files = catalog.disc_files(set.id, last.number)?;
        if files.iter().any(|file| file.path == SIGNATURE) {
            let (set, disc) = (set.facts.name.clone(), last.number);
            self.context.monitor.note(SetNotice::NotSigning { set, disc }.into());
        }
        Ok(())
    }

    /// Discs whose staging was deleted by hand count as never packed: their files are stored again.
    fn forget_lost_staging(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        for disc in lost_discs(catalog, self.set, self.staging)? {
            let claim = catalog.hold(Part::Disc(self.set.id, disc.number));
            // Somebody burns it at this moment, or just made it safe.
            let Some(_claim) = unless_in_use(claim)? else { continue };
            let still = lost_discs(catalog, self.set, self.staging)?;
            if !still.iter().any(|lost| lost.number == disc.number) {
                continue;
            }
            let notice = StagingNotice::StagedDiscRepacked { disc: disc.number };
            self.context.monitor.note(notice.into());
            catalog.forget_disc_work(self.set.id, disc.number, DiscUuid(Uuid::new_v4()))?;
            self.staging.remove(self.set, disc.number)?;
        }
        // Left by a run that was killed, or kept for a disc that no run fills up any more.
        let needed = catalog.reopenable(self.set.id)?.filter(|_| keeps_rows(self.set));
        let discs = catalog.discs(self.set.id)?;
        let closed =
            discs.iter().filter(|d| matches!(d.state, DiscState::Staged | DiscState::Failed));
        let mut done = closed.map(|disc| disc.number).filter(|&number| Some(number) != needed);
        done.try_for_each(|number| self.staging.drop_rows(self.set, number))
    }

    /// Tries what a run before left, unless it did so itself.
    fn drill_waiting(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        for disc in waiting(catalog, self.set, self.staging)? {
            let claim = catalog.hold(Part::Disc(self.set.id, disc.number));
            let Some(_claim) = unless_in_use(claim)? else { continue };
            if is_untried(catalog, self.set, &disc)? {
                self.try_disc(catalog, &disc)?;
            }
        }
        Ok(())
    }

    pub fn texts(
        &self,
        catalog: &Catalog,
        seq: SnapshotSeq,
        queue: &Queue,
    ) -> Result<SetTexts<'_>, FlowError> {
        let snapshots = catalog.snapshots(self.set.id)?;
        let key_ids = self.sealer.as_ref().map(|sealer| sealer.locks().key_ids());
        Ok(SetTexts {
            set: self.set,
            seq,
            key_ids: key_ids.unwrap_or_default(),
            snapshots: snapshots
                .into_iter()
                .filter(|s| s.finished.is_some() || s.seq == seq)
                .map(snapshot_line)
                .collect(),
            long_paths: queue.longest_path() > LONG_PATH,
            signer: self.signer,
            bzip2: Arc::clone(&self.bzip2),
        })
    }

    /// The disc that is filled next: the one that a former run left, or a new one. True: the
    /// catalog has it already.
    pub fn next_disc(
        &self,
        catalog: &Catalog,
        texts: &SetTexts,
        first_of_run: bool,
    ) -> Result<(DiscInWork, NewDisc, bool), FlowError> {
        let open = catalog.open_disc(self.set.id)?;
        let known = open.is_some();
        let disc = match open {
            Some(OpenDiscInfo { number, uuid, capacity, format, .. }) => {
                NewDisc { number, uuid, capacity, format }
            }
            None => NewDisc {
                number: catalog.next_disc(self.set.id)?,
                uuid: DiscUuid(Uuid::new_v4()),
                capacity: self.capacity,
                format: Format::Two,
            },
        };
        let archives = catalog.archives_of_disc(self.set.id, disc.number)?;
        let mut work = texts.disc_in_work(self.staging, &disc, &archives, first_of_run);
        work.headers = self.headers(catalog, texts, &disc)?;
        self.staging.clear_strangers(self.set, disc.number, &archives)?;
        Ok((work, disc, known))
    }

    /// What the listings of a disc begin with, for all that is known now.
    fn headers(
        &self,
        catalog: &Catalog,
        texts: &SetTexts,
        disc: &NewDisc,
    ) -> Result<Headers, FlowError> {
        let (set, seq) = (self.set.id, texts.seq);
        let mut run = catalog.run_lines(set, seq)?;
        let failed = catalog.failures(set, seq)?.into_iter();
        run.extend(failed.map(|failed| RunLine::Skipped { path: failed.path, why: failed.what }));
        let before = catalog.closed_before(set, disc.number)?;
        let heading = texts.heading(disc, before, run);
        let (index, snapshot, history) = (heading.index(), heading.snapshot(), heading.history());
        Ok(Headers { index, snapshot, history })
    }

    /// Nothing more goes on the disc: it is staged, and standard tools have opened it.
    pub fn close_disc(
        &self,
        texts: &SetTexts,
        disc: &DiscInWork,
        ledger: &mut CatalogLedger,
    ) -> Result<ClosedDiscInfo, FlowError> {
        ledger.begin_disc()?;
        let number = disc.number;
        let none = || FlowError::NothingStaged(format!(" as disc {number}"));
        let now = Moment::now();
        let info = self.disc_info(ledger.catalog(), number)?;
        let archives = ledger.catalog().archives_of_disc(self.set.id, number)?;
        let date = now.to_string();
        let DiscInfo { uuid, capacity, format, .. } = info;
        let new = NewDisc { number, uuid, capacity, format };
        let closing = ClosingContext {
            facts: texts.facts(number, info.uuid, &date),
            disc_txt: texts.disc_txt((number, info.uuid, info.format), &date),
            headers: self.headers(ledger.catalog(), texts, &new)?,
            sealer: self.sealer.as_ref(),
            signer: self.signer.map(|signer| (signer, now)),
            scratch: &self.staging.scratch(),
            watchers: Watchers { monitor: self.context.monitor, stop: self.context.stop },
            archives: archives.iter().map(archive_file).collect(),
        };
        // From when it counts as staged, anybody may burn it: not before it was tried.
        let _claim = ledger.catalog().hold(Part::Disc(self.set.id, number))?;
        let closed = close(disc, closing, ledger)?;
        let closed = texts.closed(closed, now);
        ledger.catalog().close_disc(self.set.id, number, &closed)?;
        let keeps_rows = keeps_rows(self.set);
        if !keeps_rows {
            self.staging.drop_rows(self.set, number)?;
        }
        self.staging.keep_only(self.set, number, &closed.files, keeps_rows)?;
        self.context.monitor.disc(number, Reached::Staged);
        self.note_recoded(number);
        let closed = self.disc_info(ledger.catalog(), number)?.closed().ok_or_else(none)?;
        self.try_disc(ledger.catalog(), &closed)?;
        Ok(closed)
    }

    /// Tells of frames that were compressed again while this disc was packed.
    pub fn note_recoded(&self, disc: DiscNo) {
        let frames = self.bzip2.take_untold();
        if frames > 0 {
            self.context.monitor.note(StagingNotice::FramesRecoded { disc, frames }.into());
        }
    }

    /// Tries a disc that is staged, before a blank is spent on it.
    fn try_disc(&self, catalog: &mut Catalog, disc: &ClosedDiscInfo) -> Result<(), FlowError> {
        match self.drill {
            false => Ok(()),
            true => {
                let sealer = self.sealer.as_ref();
                drill_staged(catalog, self.staging, self.set, disc, sealer, self.context)
            }
        }
    }

    fn disc_info(&self, catalog: &Catalog, number: DiscNo) -> Result<DiscInfo, FlowError> {
        catalog
            .disc(self.set.id, number)?
            .ok_or(FlowError::NothingStaged(format!(" as disc {number}")))
    }
}

/// Whether rows of this set are kept beside a closed disc: certificates read no INDEX.
pub(in crate::flow) fn keeps_rows(set: &KnownSet) -> bool {
    set.facts.encryption == Encryption::Recipients
}
