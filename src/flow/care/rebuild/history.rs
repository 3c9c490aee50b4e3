//! Snapshots that no catalog knew, told again in their order: rows from INDEX, then the whole
//! listing where one is left.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::BufReader;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::catalog::{ContentId, KnownEntry, PartsId, RowChange};
use crate::drive::DiscReader;
use crate::format::members::part_id;
use crate::format::{DiscTxt, IndexReader, ListingReader};
use crate::model::entry::Fingerprint;
use crate::model::rows::{IndexRow, Note, SnapshotRow};
use crate::model::{Digest, Entry, Kind, Meta, RelPath, SnapshotSeq, SnapshotUuid, plural};
use crate::port::cause::Cause;
use crate::port::clock::Moment;
use crate::port::stop::Stopped;
use crate::restore::index::{INDEX, ListingError, SNAPSHOT, index_header, open_listing};

use crate::flow::FlowError;
use crate::flow::care::rebuild::Rebuilder;
use crate::flow::care::rebuild::archive_contents::ArchiveContents;
use crate::flow::care::rebuild::past::PastSnapshots;
use crate::flow::library::inventory::FoundDisc;
use crate::flow::library::older::Past;
use crate::flow::library::repair::Repairer;

/// Rows are recorded in transactions of so many.
const BATCH: usize = 5_000;

/// A listing that was read.
struct ReadListing {
    rows: Vec<SnapshotRow>,
    is_whole: bool,
}

/// When a run began and where its source was.
#[derive(Clone)]
struct RunOrigin {
    started: Moment,
    source: PathBuf,
    uuid: Option<SnapshotUuid>,
}

/// What a row is to say.
struct RebuiltRow {
    path: RelPath,
    kind: Kind,
    size: u64,
    meta: Meta,
    note: Note,
    content: Option<ContentId>,
}

impl Rebuilder<'_> {
    /// Whether the newest snapshot had to be pieced together.
    pub fn tell_history(&mut self, archive_contents: ArchiveContents) -> Result<bool, FlowError> {
        for (id, (parts, size, digest)) in &archive_contents.ends {
            self.context.stop.check()?;
            self.catalog.complete_parts(self.set, *id, *parts, *size, digest)?;
        }
        let finished = self.catalog.newest_snapshot(self.set)?;
        let is_new = |seq: &SnapshotSeq| finished.is_none_or(|finished| *seq > finished);
        let listed = self.found_set.discs.values().filter(|found| self.has_listing(found));
        let told =
            archive_contents.rows.keys().copied().chain(listed.map(|found| found.txt.snapshot));
        let mut news: BTreeSet<SnapshotSeq> = told.filter(is_new).collect();
        let runs = self.runs();
        let past = self.past(&news, finished)?;
        news.extend(past.iter().flat_map(|past| past.snapshots.iter().copied().filter(is_new)));
        let mut is_pieced = false;
        for &seq in &news {
            if let Some(past) = past.as_ref().filter(|past| seq < past.told_by) {
                self.tell_past(seq, past, &runs)?;
                continue;
            }
            let rows = archive_contents.rows.get(&seq).map_or(&[][..], Vec::as_slice);
            let is_last = news.last() == Some(&seq);
            is_pieced = !self.tell(seq, rows, &runs, is_last)?;
        }
        self.tell_incomplete(&archive_contents)?;
        Ok(is_pieced)
    }

    /// Contents in parts of which a part, or the name, is not to be had.
    fn tell_incomplete(&mut self, archive_contents: &ArchiveContents) -> Result<(), FlowError> {
        let mut lost = 0;
        for id in archive_contents.parts() {
            self.context.stop.check()?;
            lost += u64::from(!self.catalog.has_whole(self.set, id)?);
        }
        if lost > 0 {
            let files = plural(lost, "file", "files");
            let what = format!("{files} stored in parts: some parts, or the name, are missing");
            self.trouble(format!("set {}", self.found_set.name), what);
        }
        Ok(())
    }

    /// One snapshot; true if a whole listing told it. One in the middle that has none stays
    /// unfinished, as that of a run that was killed.
    fn tell(
        &mut self,
        seq: SnapshotSeq,
        rows: &[IndexRow],
        runs: &BTreeMap<SnapshotSeq, RunOrigin>,
        is_last: bool,
    ) -> Result<bool, FlowError> {
        let run = self.begin(seq, runs)?;
        self.put_stored(seq, rows)?;
        let listing = self.listing(seq)?;
        let is_whole = listing.as_ref().is_some_and(|told| told.is_whole);
        if let Some(told) = listing {
            self.put_listed(seq, told)?;
        }
        if is_whole || is_last {
            if !is_whole {
                self.put_missing_dirs(seq)?;
            }
            self.catalog.finish_told(self.set, seq, run.started)?;
        }
        Ok(is_whole)
    }

    fn begin(
        &mut self,
        seq: SnapshotSeq,
        runs: &BTreeMap<SnapshotSeq, RunOrigin>,
    ) -> Result<RunOrigin, FlowError> {
        let run = self.run_of(seq, runs);
        if !self.catalog.snapshots(self.set)?.iter().any(|known| known.seq == seq) {
            self.catalog.adopt_snapshot(self.set, seq, run.started, &run.source, run.uuid)?;
        }
        if self.former.is_none() && !run.source.as_os_str().is_empty() {
            self.catalog.set_source(self.set, &run.source)?;
        }
        Ok(run)
    }

    /// What the newest listing tells of the snapshots before its own, if any of these are new; by
    /// the snapshots that are in the catalog by then. `None`: no disc tells of them.
    fn past(
        &mut self,
        news: &BTreeSet<SnapshotSeq>,
        finished: Option<SnapshotSeq>,
    ) -> Result<Option<PastSnapshots>, FlowError> {
        let Some(newest) = news.last() else { return Ok(None) };
        let tells = |found: &&FoundDisc| self.has_listing(found) && Past::is_told_by(&found.txt);
        let mut discs: Vec<&FoundDisc> = self.found_set.discs.values().filter(tells).collect();
        discs.retain(|found| found.txt.snapshot <= *newest && Some(found.txt.snapshot) > finished);
        discs.sort_by_key(|found| std::cmp::Reverse((found.txt.snapshot, found.txt.id.number)));
        for found in discs {
            let repairable = self.repairable(found);
            for copy in Repairer::copies(found, repairable.as_ref()) {
                match self.read_past(copy, found, finished) {
                    Ok(past) => return Ok(Some(past)),
                    Err(ListingError::Stopped(stopped)) => return Err(stopped.into()),
                    // Whoever reads the newest listing will say so.
                    Err(_) => {}
                }
            }
        }
        Ok(None)
    }

    fn read_past(
        &self,
        copy: &dyn DiscReader,
        found: &FoundDisc,
        finished: Option<SnapshotSeq>,
    ) -> Result<PastSnapshots, ListingError> {
        let index = index_header(copy, self.opener(), &found.label(), self.context.stop)?;
        let missing = || ListingError::Missing(INDEX.to_owned());
        let snapshots = index.ok_or_else(missing)?.snapshots.into_iter().map(|line| line.seq);
        let mut history = PastSnapshots::new(found.txt.snapshot, snapshots.collect(), finished);
        let first = SnapshotSeq(1);
        for listed in Past::open(copy, &found.txt, (self.opener(), self.context.reading()), first)?
        {
            self.context.stop.check()?;
            history.take(listed?);
        }
        Ok(history)
    }

    /// A snapshot that is told by a newer listing: what came to it, and what went.
    fn tell_past(
        &mut self,
        seq: SnapshotSeq,
        past: &PastSnapshots,
        runs: &BTreeMap<SnapshotSeq, RunOrigin>,
    ) -> Result<(), FlowError> {
        // One that did not end is in no listing.
        if !past.snapshots.contains(&seq) {
            return Ok(());
        }
        let run = self.begin(seq, runs)?;
        let mut changes = Vec::new();
        let came = past.came.get(&seq).map_or(&[][..], Vec::as_slice);
        let stays: HashSet<&RelPath> = came.iter().map(|row| &row.path).collect();
        let gone = past.gone.get(&seq).into_iter().flatten();
        for path in gone.filter(|path| !stays.contains(path)) {
            self.context.stop.check()?;
            changes.push(RowChange::Remove(path.clone()));
            self.put(seq, &mut changes, BATCH)?;
        }
        self.put(seq, &mut changes, 1)?;
        for row in came {
            self.context.stop.check()?;
            self.complete_by(row)?;
            let content = self.content(row.sha256, row.size, row.kind)?;
            let SnapshotRow { path, kind, size, meta, note, .. } = row.clone();
            self.want(RebuiltRow { path, kind, size, meta, note, content }, &mut changes)?;
            self.put(seq, &mut changes, BATCH)?;
        }
        self.put(seq, &mut changes, 1)?;
        Ok(self.catalog.finish_told(self.set, seq, run.started)?)
    }

    fn has_listing(&self, found: &FoundDisc) -> bool {
        found.txt.listings.snapshot && !self.doubtful.contains(&found.txt.id.number)
    }

    fn run_of(&self, seq: SnapshotSeq, runs: &BTreeMap<SnapshotSeq, RunOrigin>) -> RunOrigin {
        runs.get(&seq).cloned().unwrap_or_else(|| {
            let on = |found: &&FoundDisc| found.txt.snapshot == seq;
            let date = self.found_set.discs.values().find(on).map(|found| found.txt.date.as_str());
            let before = runs.range(..=seq).next_back().map(|(_, run)| run.source.clone());
            RunOrigin {
                started: date.and_then(Moment::parse).unwrap_or(Moment(0)),
                source: before.unwrap_or_default(),
                uuid: None,
            }
        })
    }

    /// What the listings' first lines say of runs.
    fn runs(&self) -> BTreeMap<SnapshotSeq, RunOrigin> {
        let mut runs = BTreeMap::new();
        let sound =
            self.found_set.discs.values().filter(|f| !self.doubtful.contains(&f.txt.id.number));
        for copy in sound.flat_map(|found| &found.copies) {
            let stop = self.context.stop;
            let open = |name| open_listing(&**copy, name, self.opener(), stop).ok();
            let open = |name| open(name).map(BufReader::new);
            let index = open(INDEX).and_then(|text| IndexReader::new(text, 0).ok());
            let listing = open(SNAPSHOT).and_then(|text| ListingReader::new(text, 0).ok());
            let lines = index.and_then(|index| Some(index.header()?.snapshots.clone()));
            let line = listing.and_then(|listing| Some(listing.header()?.snapshot.clone()));
            for line in lines.into_iter().flatten().chain(line) {
                let started = Moment::parse(&line.date).unwrap_or(Moment(0));
                let source = PathBuf::from(std::ffi::OsString::from_vec(line.source));
                runs.insert(line.seq, RunOrigin { started, source, uuid: line.uuid });
            }
        }
        runs
    }

    /// The listing of a snapshot; the longest of damaged ones.
    fn listing(&mut self, seq: SnapshotSeq) -> Result<Option<ReadListing>, Stopped> {
        let mut best: Option<ReadListing> = None;
        let mut why = None;
        let listed = |f: &&FoundDisc| self.has_listing(f) && f.txt.snapshot == seq;
        let discs: Vec<&FoundDisc> = self.found_set.discs.values().rev().filter(listed).collect();
        let repairable = discs.iter().filter_map(|f| Some((&f.txt, self.repairable(f)?)));
        let repairable: Vec<_> = repairable.collect();
        let repaired = repairable.iter().map(|(txt, disc)| (*txt, disc as &dyn DiscReader));
        let copies = discs.iter().flat_map(|f| f.copies.iter().map(|copy| (&f.txt, &**copy)));
        for (txt, copy) in copies.chain(repaired) {
            match self.read_listing(copy, txt) {
                Ok((told, None)) => return Ok(Some(told)),
                Ok((told, Some(error))) => {
                    why = Some((copy.title(), Cause::of(error)));
                    if best.as_ref().is_none_or(|best| told.rows.len() > best.rows.len()) {
                        best = Some(told);
                    }
                }
                Err(error) => {
                    self.context.stop.check()?;
                    why = Some((copy.title(), Cause::of(error)));
                }
            }
        }
        if let Some((title, why)) = why {
            self.trouble(title, why);
        }
        Ok(best)
    }

    fn read_listing(
        &self,
        copy: &dyn DiscReader,
        txt: &DiscTxt,
    ) -> Result<(ReadListing, Option<ListingError>), ListingError> {
        let past = Past::open(copy, txt, (self.opener(), self.context.reading()), txt.snapshot)?;
        let (mut rows, mut trouble) = (Vec::new(), None);
        for row in past {
            self.context.stop.check()?;
            match row {
                Ok(listed) => rows.push(listed.row),
                Err(error) => trouble = Some(ListingError::first(trouble, error)),
            }
        }
        let is_whole = trouble.is_none();
        Ok((ReadListing { rows, is_whole }, trouble))
    }

    /// Members of archives that this run stored.
    fn put_stored(&mut self, seq: SnapshotSeq, rows: &[IndexRow]) -> Result<(), FlowError> {
        let mut changes = Vec::new();
        for row in rows {
            self.context.stop.check()?;
            let is_nameless = row.span.part != 0 && row.path == row.member;
            let is_in_the_middle = row.span.part != 0 && row.span.parts.is_none();
            if is_nameless || is_in_the_middle {
                continue;
            }
            let size = if row.kind == Kind::File { row.span.file_size.max(row.size) } else { 0 };
            let content = self.content(row.file_sha256, size, row.kind)?;
            let wanted = RebuiltRow {
                path: row.path.clone(),
                kind: row.kind,
                size,
                meta: row.meta.clone(),
                note: row.note.clone(),
                content,
            };
            self.want(wanted, &mut changes)?;
            self.put(seq, &mut changes, BATCH)?;
        }
        self.put(seq, &mut changes, 1)
    }

    /// The whole state: what it does not list is gone.
    fn put_listed(&mut self, seq: SnapshotSeq, told: ReadListing) -> Result<(), FlowError> {
        let mut changes = Vec::new();
        let mut listed = HashSet::new();
        for row in told.rows {
            self.context.stop.check()?;
            self.complete_by(&row)?;
            let mut content = self.content(row.sha256, row.size, row.kind)?;
            if content.is_none() && row.sha256.is_none() && !row.place.complete {
                // It went onto a later disc, whose INDEX told of it.
                let known = self.catalog.known(self.set, &row.path)?;
                let is_it = |known: &KnownEntry| {
                    known.since == seq
                        && known.size == row.size
                        && known.meta.mtime == row.meta.mtime
                };
                content = known.filter(is_it).and_then(stored);
            }
            listed.insert(row.path.clone());
            let SnapshotRow { path, kind, size, meta, note, .. } = row;
            self.want(RebuiltRow { path, kind, size, meta, note, content }, &mut changes)?;
            self.put(seq, &mut changes, BATCH)?;
        }
        self.put(seq, &mut changes, 1)?;
        match told.is_whole {
            true => self.remove_others(seq, &listed),
            false => Ok(()),
        }
    }

    /// Archives that were read alone tell neither the number of a file's parts nor its sum.
    fn complete_by(&mut self, row: &SnapshotRow) -> Result<(), FlowError> {
        let id = row.place.member.as_ref().and_then(part_id);
        if let (Some(id), Some(digest), true) = (id, row.sha256, row.place.complete) {
            let parts = row.place.places.len() as u32;
            if self.catalog.content_by_digest(self.set, &digest, row.size)?.is_none() {
                self.catalog.complete_parts(self.set, PartsId(id), parts, row.size, &digest)?;
            }
        }
        Ok(())
    }

    fn content(
        &self,
        digest: Option<Digest>,
        size: u64,
        kind: Kind,
    ) -> Result<Option<ContentId>, FlowError> {
        match digest {
            Some(digest) if kind == Kind::File && size > 0 => {
                let found = self.catalog.content_by_digest(self.set, &digest, size)?;
                Ok(found.map(|content| content.id))
            }
            _ => Ok(None),
        }
    }

    /// A change, unless the row says all of it already. What only the source itself can tell, inode
    /// and ctime, is kept where it is known.
    fn want(&self, wanted: RebuiltRow, changes: &mut Vec<RowChange>) -> Result<(), FlowError> {
        let known = self.catalog.known(self.set, &wanted.path)?;
        let content = wanted.content.filter(|_| wanted.kind == Kind::File && wanted.size > 0);
        let stands = known.as_ref().is_some_and(|known| {
            known.kind == wanted.kind
                && known.size == wanted.size
                && known.meta == wanted.meta
                && known.note == wanted.note
                && known.content.as_ref().map(|content| content.id) == content
        });
        if !stands {
            let (entry, note) = entry(wanted, known.as_ref());
            changes.push(RowChange::Put { entry: Box::new(entry), content, note });
        }
        Ok(())
    }

    fn put(
        &mut self,
        seq: SnapshotSeq,
        changes: &mut Vec<RowChange>,
        at_least: usize,
    ) -> Result<(), FlowError> {
        if changes.len() >= at_least {
            self.catalog.put_rows(self.set, seq, changes)?;
            changes.clear();
        }
        Ok(())
    }

    fn remove_others(
        &mut self,
        seq: SnapshotSeq,
        listed: &HashSet<RelPath>,
    ) -> Result<(), FlowError> {
        let mut changes = Vec::new();
        for dir in self.catalog.live_dirs(self.set)? {
            let mut after = Vec::new();
            loop {
                self.context.stop.check()?;
                let page = self.catalog.dir_rows(self.set, &dir, &after)?;
                let Some((_, last)) = page.last().and_then(|last| last.path.split_last()) else {
                    break;
                };
                after = last.to_vec();
                let gone = page.into_iter().filter(|known| !listed.contains(&known.path));
                changes.extend(gone.map(|known| RowChange::Remove(known.path)));
                self.put(seq, &mut changes, BATCH)?;
            }
        }
        self.put(seq, &mut changes, 1)
    }

    /// Directories that nothing tells of but the paths in them.
    fn put_missing_dirs(&mut self, seq: SnapshotSeq) -> Result<(), FlowError> {
        let mut dirs: BTreeSet<RelPath> = BTreeSet::from([RelPath::root()]);
        for dir in self.catalog.live_dirs(self.set)? {
            let mut above = Some(dir);
            while let Some(dir) = above.filter(|dir| !dirs.contains(dir)) {
                above = dir.parent();
                dirs.insert(dir);
            }
        }
        let mut changes = Vec::new();
        for path in dirs {
            self.context.stop.check()?;
            if self.catalog.known(self.set, &path)?.is_none() {
                let meta = Meta { mode: 0o755, ..Meta::default() };
                let (kind, size, note, content) = (Kind::Dir, 0, Note::None, None);
                self.want(RebuiltRow { path, kind, size, meta, note, content }, &mut changes)?;
            }
        }
        self.put(seq, &mut changes, 1)
    }
}

/// The content of a row, if all of it is in archives.
fn stored(known: KnownEntry) -> Option<ContentId> {
    known.content.filter(|content| content.complete()).map(|content| content.id)
}

/// Zeros for what is not known: no inode has the number 0, so the next run looks into the file.
fn entry(wanted: RebuiltRow, known: Option<&KnownEntry>) -> (Entry, Note) {
    let RebuiltRow { path, kind, size, meta, note, .. } = wanted;
    let same = known.filter(|known| known.kind == kind && known.meta.mtime == meta.mtime);
    let print = Fingerprint {
        dev: 0,
        inode: same.map_or(0, |known| known.inode),
        ctime: same.map_or(meta.mtime, |known| known.ctime),
        nlink: 1,
        occupied: size,
    };
    (Entry { path, kind, size, meta, print }, note)
}
