//! Holds what the walk finds against what the catalog knows: what is to be read, what costs a row,
//! what is gone. Each path ends in exactly one count.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::catalog::{Catalog, DIR_PAGE, KnownContent, KnownEntry, RowChange, SetId};
use crate::model::entry::Fingerprint;
use crate::model::rows::Note;
use crate::model::{Digest, Entry, Kind, RelPath, SnapshotSeq, Xattr};
use crate::pack::estimate::Load;
use crate::pack::queue::{Queue, Ticket, content_bytes};
use crate::port::clock::Moment;
use crate::port::event::Trouble;
use crate::port::monitor::Monitor;
use crate::scan::{Rule, Visitor, WalkedPath, sees_trusted};

use crate::flow::FlowError;
use crate::flow::backup::scan_log::{BATCH, ScanLog, ScanRecord, record_in};

/// What the comparison found.
#[derive(Default)]
pub struct SourceComparison {
    pub queue: Queue,
    pub load: Load,
    /// Paths that cost nothing.
    pub unchanged: u64,
    /// Paths that cost a row and no content: new directories and links, modes, times.
    pub rows: u64,
    pub removed: u64,
    /// How many paths each rule left out.
    pub excluded: BTreeMap<String, u64>,
    /// How many directories each rule left without their content; they are stored themselves.
    pub hollow: BTreeMap<String, u64>,
    /// What was stored before and is left out by a rule now; of a directory, all that is in it.
    pub left_out: HashSet<RelPath>,
    /// Directories of which disc images were left out.
    pub shelves: BTreeSet<RelPath>,
    /// The source holds nothing at all.
    pub is_empty_source: bool,
    pub failed: u64,
    /// Files are read again although nothing tells that they changed (`--rehash`).
    pub rehashed: bool,
}

impl SourceComparison {
    /// Whether anything at all differs from the snapshot before.
    pub fn differs(&self) -> bool {
        !self.queue.is_empty() || self.rows > 0 || self.removed > 0
    }
}

/// The catalog's side; a dry run may have none, and never writes.
pub struct ComparisonBase<'a> {
    pub catalog: Option<&'a mut Catalog>,
    pub set: Option<SetId>,
    /// `None`: nothing is recorded.
    pub seq: Option<SnapshotSeq>,
    /// When each snapshot was begun.
    pub begun: HashMap<SnapshotSeq, Moment>,
    /// Where all that is to be recorded goes first, if it is to be judged.
    pub log: Option<&'a mut ScanLog>,
}

impl ComparisonBase<'_> {
    /// Some rows of a directory, in order, behind `after`; an end is [`DIR_PAGE`] rows or fewer.
    fn page(&self, dir: &RelPath, after: &[u8]) -> Result<Vec<KnownEntry>, FlowError> {
        match (&self.catalog, self.set) {
            (Some(catalog), Some(set)) => Ok(catalog.dir_rows(set, dir, after)?),
            _ => Ok(Vec::new()),
        }
    }

    fn one(&self, path: &RelPath) -> Result<Option<KnownEntry>, FlowError> {
        match (&self.catalog, self.set) {
            (Some(catalog), Some(set)) => Ok(catalog.known(set, path)?),
            _ => Ok(None),
        }
    }

    fn last_trusted(&self) -> Result<SnapshotSeq, FlowError> {
        let last = match (&self.catalog, self.set) {
            (Some(catalog), Some(set)) => catalog.last_trusted(set)?,
            _ => None,
        };
        Ok(last.unwrap_or(SnapshotSeq(0)))
    }

    fn record(&mut self, record: ScanRecord) -> Result<(), FlowError> {
        if let Some(log) = &mut self.log {
            return log.put(&record);
        }
        match (&mut self.catalog, self.set, self.seq) {
            (Some(catalog), Some(set), Some(seq)) => record_in(catalog, set, seq, record),
            _ => Ok(()),
        }
    }

    fn put(&mut self, changes: &mut Vec<RowChange>) -> Result<(), FlowError> {
        if let Some(log) = &mut self.log {
            let mut rows = changes.drain(..).map(ScanRecord::Row);
            return rows.try_for_each(|row| log.put(&row));
        }
        if let (Some(catalog), Some(set), Some(seq)) = (&mut self.catalog, self.set, self.seq) {
            catalog.put_rows(set, seq, changes)?;
        }
        changes.clear();
        Ok(())
    }
}

/// A directory between the root and the one in progress, with its rows that were not met yet. The
/// walk comes in the same order, so a page of them is enough.
struct OpenDir {
    path: RelPath,
    rows: std::vec::IntoIter<KnownEntry>,
    /// The name of the last row that was read; `None`: there are no more.
    after: Option<Vec<u8>>,
}

impl OpenDir {
    fn new(path: RelPath) -> OpenDir {
        OpenDir { path, rows: Vec::new().into_iter(), after: Some(Vec::new()) }
    }

    /// The next row, which stays.
    fn first(&mut self, known: &ComparisonBase) -> Result<Option<&KnownEntry>, FlowError> {
        if self.rows.as_slice().is_empty() {
            if let Some(after) = self.after.take() {
                let page = known.page(&self.path, &after)?;
                let last = page.last().filter(|_| page.len() == DIR_PAGE);
                self.after = last.and_then(|row| Some(row.path.split_last()?.1.to_vec()));
                self.rows = page.into_iter();
            }
        }
        Ok(self.rows.as_slice().first())
    }

    /// Takes the next row if it stands before `path`, or anywhere if there is none. In one
    /// directory the bytes of paths are in the order of names.
    fn passed(
        &mut self,
        known: &ComparisonBase,
        path: Option<&RelPath>,
    ) -> Result<Option<KnownEntry>, FlowError> {
        let first = self.first(known)?;
        let passed =
            first.is_some_and(|row| path.is_none_or(|path| row.path.as_bytes() < path.as_bytes()));
        Ok(if passed { self.rows.next() } else { None })
    }

    fn met(
        &mut self,
        known: &ComparisonBase,
        path: &RelPath,
    ) -> Result<Option<KnownEntry>, FlowError> {
        let met = self.first(known)?.is_some_and(|row| row.path == *path);
        Ok(if met { self.rows.next() } else { None })
    }
}

/// What becomes of the first name of an object that has several.
#[derive(Clone, Copy)]
enum HardlinkTarget {
    /// A row: it was stored before.
    Row,
    /// A file with content, which its other names follow.
    File(Ticket),
    /// Anything else that is in the queue: its other names come in their own turn.
    Plain,
}

/// Takes what the walk finds, in its order.
pub struct Comparer<'a> {
    known: ComparisonBase<'a>,
    rehash: bool,
    monitor: &'a Monitor,
    /// From the root down.
    open: Vec<OpenDir>,
    /// The row of a path that the walk asked about and comes with next.
    asked: Option<(RelPath, Option<KnownEntry>)>,
    visited: HashSet<RelPath>,
    /// Directories that could not be read: what is below stays as it is known.
    failed_dirs: Vec<RelPath>,
    gone_dirs: bool,
    /// What [`trusted`](Self::trusted) says, once it was asked.
    trusted: Option<Option<SnapshotSeq>>,
    /// The first name of each object that has several, and how it is stored.
    names: HashMap<(u64, u64), (RelPath, HardlinkTarget)>,
    changes: Vec<RowChange>,
    result: SourceComparison,
}

impl<'a> Comparer<'a> {
    pub fn new(known: ComparisonBase<'a>, rehash: bool, monitor: &'a Monitor) -> Comparer<'a> {
        Comparer {
            known,
            rehash,
            monitor,
            open: Vec::new(),
            asked: None,
            visited: HashSet::new(),
            failed_dirs: Vec::new(),
            gone_dirs: false,
            trusted: None,
            names: HashMap::new(),
            changes: Vec::new(),
            result: SourceComparison::default(),
        }
    }

    /// The walk is over: what was not met is gone.
    pub fn finish(mut self) -> Result<SourceComparison, FlowError> {
        while let Some(dir) = self.open.pop() {
            self.close(dir)?;
        }
        if self.gone_dirs {
            self.remove_below_gone_dirs()?;
        }
        self.known.put(&mut self.changes)?;
        let SourceComparison { load, excluded, hollow, failed, .. } = &self.result;
        let is_whole = excluded.is_empty() && hollow.is_empty() && *failed == 0;
        self.result.is_empty_source = load.paths == 1 && is_whole;
        // What could not be read stands as somebody else may have read it.
        if sees_trusted() && self.result.failed == 0 {
            self.known.record(ScanRecord::SawTrusted)?;
        }
        Ok(self.result)
    }

    /// A change of attributes is a change of the inode, which its ctime tells.
    fn has_all_xattrs(&mut self, row: &KnownEntry, entry: &Entry) -> Result<bool, FlowError> {
        let same = is_same_kind(row, entry)
            && row.inode == entry.print.inode
            && row.ctime == entry.print.ctime
            && row.meta.mtime == entry.meta.mtime
            && row.note == Note::None
            && !is_fresh(row, &self.known.begun);
        Ok(same && is_complete(row.since, self.trusted()?))
    }

    /// The last run that was shown what we are; `None` if there is nothing more to be shown.
    fn trusted(&mut self) -> Result<Option<SnapshotSeq>, FlowError> {
        if self.trusted.is_none() {
            let seen = sees_trusted();
            self.trusted = Some(if seen { Some(self.known.last_trusted()?) } else { None });
        }
        Ok(self.trusted.flatten())
    }

    fn entry(&mut self, entry: Entry) -> Result<(), FlowError> {
        self.result.load.paths += 1;
        let known = self.meet(&entry.path)?;
        // Something else stands where a directory was: what was below it is gone.
        self.gone_dirs |=
            known.as_ref().is_some_and(|row| row.kind == Kind::Dir) && entry.kind != Kind::Dir;
        if entry.kind == Kind::Dir {
            self.visited.insert(entry.path.clone());
            self.open.push(OpenDir::new(entry.path.clone()));
        }
        if entry.kind != Kind::Dir && entry.print.nlink > 1 {
            let key = (entry.print.dev, entry.print.inode);
            if let Some((first, queued)) = self.names.get(&key).cloned() {
                return self.other_name(entry, known, first, queued);
            }
        }
        if entry.kind == Kind::File && entry.size > 0 {
            self.file(entry, known)
        } else {
            self.plain(entry, known)
        }
    }

    /// The row of this path. Rows that stand before it were not met: they are gone.
    fn meet(&mut self, path: &RelPath) -> Result<Option<KnownEntry>, FlowError> {
        if let Some((_, row)) = self.asked.take_if(|(asked, _)| asked == path) {
            return Ok(row);
        }
        let Some(parent) = path.parent() else { return self.known.one(path) };
        let mut dir = loop {
            match self.open.pop() {
                None => return Ok(None),
                Some(dir) if dir.path == parent => break dir,
                Some(dir) => self.close(dir)?,
            }
        };
        while let Some(row) = dir.passed(&self.known, Some(path))? {
            self.gone(row)?;
        }
        let met = dir.met(&self.known, path)?;
        self.open.push(dir);
        Ok(met)
    }

    fn file(&mut self, entry: Entry, known: Option<KnownEntry>) -> Result<(), FlowError> {
        let same = known
            .as_ref()
            .is_some_and(|row| proven_digest(row, &entry, &self.known.begun).is_some());
        if !same || self.rehash {
            self.result.rehashed |= same;
            return self.enqueue(entry, known.is_none());
        }
        self.note_name(&entry, HardlinkTarget::Row);
        let content = known.as_ref().and_then(|row| row.content.as_ref()).map(|c| c.id);
        self.keep_or_put(entry, known, content)
    }

    /// A file to read. A new path gets its row now, so that a listing written meanwhile has it.
    fn enqueue(&mut self, entry: Entry, is_new: bool) -> Result<(), FlowError> {
        let ticket = self.result.queue.push(&entry);
        self.note_name(&entry, HardlinkTarget::File(ticket));
        self.result.load.files += 1;
        self.result.load.bytes += content_bytes(&entry);
        self.result.load.span += entry.size;
        if !is_new {
            return Ok(());
        }
        self.change(RowChange::Put { entry: Box::new(entry), content: None, note: Note::None })
    }

    /// A disc that is put into the source would change it, and be a reason for another disc.
    fn shelf(&mut self, mut entry: Entry) -> Result<(), FlowError> {
        let row = self.meet(&entry.path)?;
        if let Some(row) = row.as_ref().filter(|row| row.kind == Kind::Dir) {
            entry.meta.mtime = row.meta.mtime;
        }
        self.asked = Some((entry.path.clone(), row));
        self.entry(entry)
    }

    fn note_name(&mut self, entry: &Entry, queued: HardlinkTarget) {
        if entry.print.nlink > 1 && entry.kind != Kind::Dir {
            let key = (entry.print.dev, entry.print.inode);
            self.names.insert(key, (entry.path.clone(), queued));
        }
    }

    /// Another name of something that was met before.
    fn other_name(
        &mut self,
        mut entry: Entry,
        known: Option<KnownEntry>,
        first: RelPath,
        queued: HardlinkTarget,
    ) -> Result<(), FlowError> {
        entry.kind = Kind::Hardlink;
        entry.size = 0;
        entry.meta.link = first.as_bytes().to_vec();
        entry.meta.device = None;
        match queued {
            HardlinkTarget::File(file) => self.result.queue.add_link(file, &entry),
            HardlinkTarget::Plain => drop(self.result.queue.push(&entry)),
            HardlinkTarget::Row => {}
        }
        self.keep_or_put(entry, known, None)
    }

    /// Directories, links, devices, empty files: a row, and a member if an archive is made anyway.
    fn plain(&mut self, entry: Entry, known: Option<KnownEntry>) -> Result<(), FlowError> {
        let member = known.as_ref().is_none_or(|row| !is_same_thing(row, &entry));
        self.note_name(&entry, if member { HardlinkTarget::Plain } else { HardlinkTarget::Row });
        if member {
            self.result.queue.push(&entry);
        }
        self.keep_or_put(entry, known, None)
    }

    fn keep_or_put(
        &mut self,
        entry: Entry,
        known: Option<KnownEntry>,
        content: Option<crate::catalog::ContentId>,
    ) -> Result<(), FlowError> {
        let same = known.is_some_and(|row| {
            row.kind == entry.kind
                && row.meta == entry.meta
                && row.note == Note::None
                && row.inode == entry.print.inode
        });
        if same {
            self.result.unchanged += 1;
            return Ok(());
        }
        self.result.rows += 1;
        self.change(RowChange::Put { entry: Box::new(entry), content, note: Note::None })
    }

    /// Keeps what is known of something that cannot be read.
    fn failed(&mut self, path: RelPath, what: String) -> Result<(), FlowError> {
        self.result.failed += 1;
        self.known.record(ScanRecord::Failed { path: path.clone(), what: what.clone() })?;
        self.monitor.trouble(&Trouble::new(path.to_string(), what));
        let Some(row) = self.meet(&path)? else { return Ok(()) };
        if row.kind == Kind::Dir {
            self.failed_dirs.push(path);
        }
        let note = stale(&row, &self.known.begun);
        let content = row.content.as_ref().map(|content| content.id);
        self.change(RowChange::Put { entry: Box::new(entry_of(row)), content, note })
    }

    /// Its row, if it has one, leaves the snapshot. A socket in a file's place is no rule of
    /// anybody.
    fn leave_out(&mut self, path: RelPath, rule: &Rule) -> Result<(), FlowError> {
        if *rule == Rule::Socket {
            let why = "a socket".to_owned();
            self.known.record(ScanRecord::Skipped { path: path.clone(), why })?;
        }
        let Some(row) = self.meet(&path)? else { return Ok(()) };
        if *rule != Rule::Socket {
            self.result.left_out.insert(path);
        }
        self.gone(row)
    }

    /// The walk has left this directory.
    fn close(&mut self, mut dir: OpenDir) -> Result<(), FlowError> {
        while let Some(row) = dir.passed(&self.known, None)? {
            self.gone(row)?;
        }
        Ok(())
    }

    fn gone(&mut self, row: KnownEntry) -> Result<(), FlowError> {
        self.gone_dirs |= row.kind == Kind::Dir;
        self.remove(row.path)
    }

    fn remove(&mut self, path: RelPath) -> Result<(), FlowError> {
        self.result.removed += 1;
        self.change(RowChange::Remove(path))
    }

    /// A directory that vanished took everything below it along.
    fn remove_below_gone_dirs(&mut self) -> Result<(), FlowError> {
        let (Some(catalog), Some(set)) = (&self.known.catalog, self.known.set) else {
            return Ok(());
        };
        let dirs = catalog.live_dirs(set)?;
        let gone = |dir: &RelPath| {
            !self.visited.contains(dir) && !self.failed_dirs.iter().any(|f| is_below(dir, f))
        };
        for dir in dirs.iter().filter(|dir| gone(dir)).cloned().collect::<Vec<_>>() {
            let mut dir = OpenDir::new(dir);
            while let Some(row) = dir.passed(&self.known, None)? {
                self.remove(row.path)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, change: RowChange) -> Result<(), FlowError> {
        self.changes.push(change);
        if self.changes.len() >= BATCH {
            self.known.put(&mut self.changes)?;
        }
        Ok(())
    }
}

impl Visitor<FlowError> for Comparer<'_> {
    fn known_xattrs(&mut self, entry: &Entry) -> Result<Option<Vec<Xattr>>, FlowError> {
        if self.rehash {
            return Ok(None);
        }
        let row = self.meet(&entry.path)?;
        let mut known = None;
        if let Some(row) = &row {
            known = self.has_all_xattrs(row, entry)?.then(|| row.meta.xattrs.clone());
        }
        self.asked = Some((entry.path.clone(), row));
        Ok(known)
    }

    fn take(&mut self, found: WalkedPath) -> Result<(), FlowError> {
        match found {
            WalkedPath::Entry(entry) => self.entry(entry),
            WalkedPath::Shelf(entry) => self.shelf(entry),
            WalkedPath::Hollow { entry, rule } => {
                *self.result.hollow.entry(rule.to_string()).or_default() += 1;
                self.result.left_out.insert(entry.path.clone());
                self.entry(entry)
            }
            WalkedPath::Excluded { path, rule } => {
                *self.result.excluded.entry(rule.to_string()).or_default() += 1;
                if let Rule::DiscImages(dir) = &rule {
                    self.result.shelves.insert(dir.clone());
                }
                self.leave_out(path, &rule)
            }
            WalkedPath::Failed { path, error } => {
                let what = crate::flow::chain(&error);
                self.failed(path, what)
            }
        }
    }
}

/// A row of before the last run that was shown everything was compared by it.
pub(in crate::flow) fn is_complete(since: SnapshotSeq, trusted: Option<SnapshotSeq>) -> bool {
    trusted.is_none_or(|trusted| since <= trusted)
}

/// Other names of an object are told of as what it is.
fn is_same_kind(row: &KnownEntry, entry: &Entry) -> bool {
    row.kind == entry.kind || row.kind == Kind::Hardlink && entry.kind != Kind::Dir
}

/// The digest that a file must still have, as far as its dates tell.
pub(in crate::flow) fn proven_digest(
    row: &KnownEntry,
    entry: &Entry,
    begun: &HashMap<SnapshotSeq, Moment>,
) -> Option<Digest> {
    let proven = is_unread(row, entry) && !is_fresh(row, begun);
    proven.then(|| row.content.as_ref()?.digest)?
}

/// Nothing tells that the content changed, and all of it is stored.
fn is_unread(row: &KnownEntry, entry: &Entry) -> bool {
    row.kind == Kind::File
        && row.size == entry.size
        && row.meta.mtime == entry.meta.mtime
        && row.ctime == entry.print.ctime
        && row.inode == entry.print.inode
        && row.note != Note::Changed
        && row.content.as_ref().is_some_and(KnownContent::complete)
}

/// The coarsest clock of a file system that people still use counts in two seconds (FAT).
const TICK: i64 = 2;

/// The file changed so shortly before it was stored that it could have changed once more within the
/// same tick of the file system's clock, unseen: its times prove nothing.
fn is_fresh(row: &KnownEntry, begun: &HashMap<SnapshotSeq, Moment>) -> bool {
    begun.get(&row.since).is_none_or(|moment| row.ctime.sec >= moment.0 - TICK)
}

/// The same directory, link or device, whatever its metadata.
fn is_same_thing(row: &KnownEntry, entry: &Entry) -> bool {
    row.kind == entry.kind
        && row.size == entry.size
        && row.meta.link == entry.meta.link
        && row.meta.device == entry.meta.device
}

/// The note of something that stands as it was stored before.
pub fn stale(row: &KnownEntry, begun: &HashMap<SnapshotSeq, Moment>) -> Note {
    match &row.note {
        Note::Stale(since) => Note::Stale(since.clone()),
        _ => Note::Stale(begun.get(&row.since).map_or("unknown".to_owned(), Moment::to_string)),
    }
}

/// A row as an entry again, to be put once more.
pub fn entry_of(row: KnownEntry) -> Entry {
    Entry {
        path: row.path,
        kind: row.kind,
        size: row.size,
        meta: row.meta,
        print: Fingerprint {
            dev: 0,
            inode: row.inode,
            ctime: row.ctime,
            nlink: 1,
            occupied: row.size,
        },
    }
}

fn is_below(path: &RelPath, dir: &RelPath) -> bool {
    path == dir
        || dir.components().zip(path.components()).all(|(a, b)| a == b)
            && dir.components().count() <= path.components().count()
}
