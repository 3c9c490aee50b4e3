//! Snapshots that no catalog knew, told again in their order: rows from INDEX, then the whole
//! listing where one is left.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::BufReader;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::catalog::{ContentId, KnownEntry, PartsId, RowChange};
use crate::drive::DiscReader;
use crate::format::members::part_id;
use crate::format::{IndexReader, ListingReader};
use crate::model::entry::Fingerprint;
use crate::model::rows::{IndexRow, Note, SnapshotRow};
use crate::model::{Digest, Entry, Kind, Meta, RelPath, SnapshotSeq};
use crate::port::clock::Moment;
use crate::port::stop::Stopped;
use crate::restore::index::{INDEX, ListingError, SNAPSHOT, open_listing, packed_size};

use super::super::piles::FoundDisc;
use super::super::rows::refuse_other;
use super::super::{FlowError, chain};
use super::Rebuilder;
use super::found::Lode;

/// Rows are recorded in transactions of so many.
const BATCH: usize = 5_000;

/// A listing that was read.
struct Told {
    rows: Vec<SnapshotRow>,
    is_whole: bool,
}

/// When a run began and where its source was.
#[derive(Clone)]
struct Run {
    started: Moment,
    source: PathBuf,
}

/// What a row is to say.
struct Wanted {
    path: RelPath,
    kind: Kind,
    size: u64,
    meta: Meta,
    note: Note,
    content: Option<ContentId>,
}

impl Rebuilder<'_> {
    /// Whether the newest snapshot had to be pieced together.
    pub fn tell_history(&mut self, lode: Lode) -> Result<bool, FlowError> {
        for (id, (parts, size, digest)) in &lode.ends {
            self.desk.stop.check()?;
            self.catalog.complete_parts(self.set, *id, *parts, *size, digest)?;
        }
        let finished = self.catalog.newest_snapshot(self.set)?;
        let is_new = |seq: &SnapshotSeq| finished.is_none_or(|finished| *seq > finished);
        let listed = self.pile.discs.values().filter(|found| self.has_listing(found));
        let told = lode.rows.keys().copied().chain(listed.map(|found| found.txt.snapshot));
        let news: BTreeSet<SnapshotSeq> = told.filter(is_new).collect();
        let runs = self.runs();
        let mut is_pieced = false;
        for &seq in &news {
            let rows = lode.rows.get(&seq).map_or(&[][..], Vec::as_slice);
            let is_last = news.last() == Some(&seq);
            is_pieced = !self.tell(seq, rows, &runs, is_last)?;
        }
        self.tell_incomplete(&lode)?;
        Ok(is_pieced)
    }

    /// Contents in parts of which a part, or the name, is not to be had.
    fn tell_incomplete(&mut self, lode: &Lode) -> Result<(), FlowError> {
        let mut lost = 0;
        for id in lode.parts() {
            self.desk.stop.check()?;
            lost += u64::from(!self.catalog.has_whole(self.set, id)?);
        }
        if lost > 0 {
            let what = format!(
                "{lost} file(s) in parts are not whole here, or nothing tells what they are called"
            );
            self.trouble(format!("set {}", self.pile.name), what);
        }
        Ok(())
    }

    /// One snapshot; true if a whole listing told it. One in the middle that has none stays
    /// unfinished, as that of a run that was killed.
    fn tell(
        &mut self,
        seq: SnapshotSeq,
        rows: &[IndexRow],
        runs: &BTreeMap<SnapshotSeq, Run>,
        is_last: bool,
    ) -> Result<bool, FlowError> {
        let run = self.run_of(seq, runs);
        if !self.catalog.snapshots(self.set)?.iter().any(|known| known.seq == seq) {
            self.catalog.adopt_snapshot(self.set, seq, run.started, &run.source)?;
        }
        if self.former.is_none() && !run.source.as_os_str().is_empty() {
            self.catalog.set_source(self.set, &run.source)?;
        }
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

    fn has_listing(&self, found: &FoundDisc) -> bool {
        found.txt.listings.snapshot && !self.doubtful.contains(&found.txt.disc)
    }

    fn run_of(&self, seq: SnapshotSeq, runs: &BTreeMap<SnapshotSeq, Run>) -> Run {
        runs.get(&seq).cloned().unwrap_or_else(|| {
            let on = |found: &&FoundDisc| found.txt.snapshot == seq;
            let date = self.pile.discs.values().find(on).map(|found| found.txt.date.as_str());
            let before = runs.range(..=seq).next_back().map(|(_, run)| run.source.clone());
            Run {
                started: date.and_then(Moment::parse).unwrap_or(Moment(0)),
                source: before.unwrap_or_default(),
            }
        })
    }

    /// What the listings' first lines say of runs.
    fn runs(&self) -> BTreeMap<SnapshotSeq, Run> {
        let mut runs = BTreeMap::new();
        let sound = self.pile.discs.values().filter(|f| !self.doubtful.contains(&f.txt.disc));
        for copy in sound.flat_map(|found| &found.copies) {
            let stop = self.desk.stop;
            let open = |name| open_listing(&**copy, name, self.opener(), stop).ok();
            let open = |name| open(name).map(BufReader::new);
            let index = open(INDEX).and_then(|text| IndexReader::new(text, 0).ok());
            let listing = open(SNAPSHOT).and_then(|text| ListingReader::new(text, 0).ok());
            let lines = index.and_then(|index| Some(index.header()?.snapshots.clone()));
            let line = listing.and_then(|listing| Some(listing.header()?.snapshot.clone()));
            for line in lines.into_iter().flatten().chain(line) {
                let started = Moment::parse(&line.date).unwrap_or(Moment(0));
                let source = PathBuf::from(std::ffi::OsString::from_vec(line.source));
                runs.insert(line.seq, Run { started, source });
            }
        }
        runs
    }

    /// The listing of a snapshot; the longest of damaged ones.
    fn listing(&mut self, seq: SnapshotSeq) -> Result<Option<Told>, Stopped> {
        let mut best: Option<Told> = None;
        let mut why = None;
        let listed = |f: &&FoundDisc| self.has_listing(f) && f.txt.snapshot == seq;
        let discs: Vec<&FoundDisc> = self.pile.discs.values().rev().filter(listed).collect();
        let mendable: Vec<_> = discs.iter().filter_map(|found| self.mendable(found)).collect();
        let repaired = mendable.iter().map(|disc| disc as &dyn DiscReader);
        let copies = discs.iter().flat_map(|found| &found.copies).map(|copy| &**copy);
        for copy in copies.chain(repaired) {
            match self.read_listing(copy, seq) {
                Ok((told, None)) => return Ok(Some(told)),
                Ok((told, Some(error))) => {
                    why = Some((copy.title(), chain(&error)));
                    if best.as_ref().is_none_or(|best| told.rows.len() > best.rows.len()) {
                        best = Some(told);
                    }
                }
                Err(error) => {
                    self.desk.stop.check()?;
                    why = Some((copy.title(), chain(&error)));
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
        seq: SnapshotSeq,
    ) -> Result<(Told, Option<ListingError>), ListingError> {
        let damaged = |source| ListingError::Damaged { name: SNAPSHOT.to_owned(), source };
        let text = open_listing(copy, SNAPSHOT, self.opener(), self.desk.stop)?;
        let packed = self.desk.limits.packed(packed_size(copy, SNAPSHOT));
        let reader = ListingReader::new(BufReader::with_capacity(256 << 10, text), packed);
        let reader = reader.map_err(damaged)?;
        refuse_other(reader.header(), self.pile.uuid, seq)?;
        let (mut rows, mut trouble) = (Vec::new(), None);
        for row in reader {
            self.desk.stop.check()?;
            match row {
                Ok(row) => rows.push(row),
                Err(error) => trouble = Some(ListingError::first(trouble, damaged(error))),
            }
        }
        let is_whole = trouble.is_none();
        Ok((Told { rows, is_whole }, trouble))
    }

    /// Members of archives that this run stored.
    fn put_stored(&mut self, seq: SnapshotSeq, rows: &[IndexRow]) -> Result<(), FlowError> {
        let mut changes = Vec::new();
        for row in rows {
            self.desk.stop.check()?;
            let is_nameless = row.span.part != 0 && row.path == row.member;
            let is_in_the_middle = row.span.part != 0 && row.span.parts.is_none();
            if is_nameless || is_in_the_middle {
                continue;
            }
            let size = if row.kind == Kind::File { row.span.file_size.max(row.size) } else { 0 };
            let content = self.content(row.file_sha256, size, row.kind)?;
            let wanted = Wanted {
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
    fn put_listed(&mut self, seq: SnapshotSeq, told: Told) -> Result<(), FlowError> {
        let mut changes = Vec::new();
        let mut listed = HashSet::new();
        for row in told.rows {
            self.desk.stop.check()?;
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
            self.want(Wanted { path, kind, size, meta, note, content }, &mut changes)?;
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
    fn want(&self, wanted: Wanted, changes: &mut Vec<RowChange>) -> Result<(), FlowError> {
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
                self.desk.stop.check()?;
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
            self.desk.stop.check()?;
            if self.catalog.known(self.set, &path)?.is_none() {
                let meta = Meta { mode: 0o755, ..Meta::default() };
                let (kind, size, note, content) = (Kind::Dir, 0, Note::None, None);
                self.want(Wanted { path, kind, size, meta, note, content }, &mut changes)?;
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
fn entry(wanted: Wanted, known: Option<&KnownEntry>) -> (Entry, Note) {
    let Wanted { path, kind, size, meta, note, .. } = wanted;
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
