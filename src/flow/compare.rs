//! Holds what the walk finds against what the catalog knows: what is to be read, what costs a row,
//! what is gone. Each path ends in exactly one count.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::catalog::{Catalog, KnownEntry, RowChange, SetId};
use crate::model::entry::Fingerprint;
use crate::model::rows::Note;
use crate::model::{Entry, Kind, RelPath, SnapshotSeq};
use crate::pack::Work;
use crate::pack::estimate::Load;
use crate::pack::queue::Queue;
use crate::port::clock::Moment;
use crate::port::monitor::{Monitor, Trouble};
use crate::scan::walk::Found;

use super::FlowError;

/// Rows are recorded in transactions of so many.
const BATCH: usize = 5_000;

/// What the comparison found.
#[derive(Default)]
pub struct Compared {
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
    pub failed: u64,
    /// Files that are read again although nothing tells that they changed (`--rehash`), and the
    /// digest that they had.
    pub rehashed: HashMap<RelPath, crate::model::Digest>,
}

impl Compared {
    /// Whether anything at all differs from the snapshot before.
    pub fn differs(&self) -> bool {
        !self.queue.is_empty() || self.rows > 0 || self.removed > 0
    }
}

/// The catalog's side; a dry run may have none, and never writes.
pub struct Known<'a> {
    pub catalog: Option<&'a mut Catalog>,
    pub set: Option<SetId>,
    /// `None`: nothing is recorded.
    pub seq: Option<SnapshotSeq>,
    /// When each snapshot was begun.
    pub begun: HashMap<SnapshotSeq, Moment>,
}

impl Known<'_> {
    fn dir(&self, dir: &RelPath) -> Result<HashMap<RelPath, KnownEntry>, FlowError> {
        let (Some(catalog), Some(set)) = (&self.catalog, self.set) else {
            return Ok(HashMap::new());
        };
        let rows = catalog.dir_rows(set, dir)?;
        Ok(rows.into_iter().map(|row| (row.path.clone(), row)).collect())
    }

    fn one(&self, path: &RelPath) -> Result<Option<KnownEntry>, FlowError> {
        match (&self.catalog, self.set) {
            (Some(catalog), Some(set)) => Ok(catalog.known(set, path)?),
            _ => Ok(None),
        }
    }

    fn put(&mut self, changes: &mut Vec<RowChange>) -> Result<(), FlowError> {
        if let (Some(catalog), Some(set), Some(seq)) = (&mut self.catalog, self.set, self.seq) {
            catalog.put_rows(set, seq, changes)?;
        }
        changes.clear();
        Ok(())
    }
}

/// Takes what the walk finds, in its order.
pub struct Comparer<'a> {
    known: Known<'a>,
    rehash: bool,
    monitor: &'a dyn Monitor,
    /// The directories from the root to the one in work, with the rows not met yet.
    open: Vec<(RelPath, HashMap<RelPath, KnownEntry>)>,
    visited: HashSet<RelPath>,
    /// Directories that could not be read: what is below stays as it is known.
    failed_dirs: Vec<RelPath>,
    gone_dirs: bool,
    /// The first name of each file that has several, and its place in the queue if it is there.
    names: HashMap<(u64, u64), (RelPath, Option<usize>)>,
    changes: Vec<RowChange>,
    result: Compared,
}

impl<'a> Comparer<'a> {
    pub fn new(known: Known<'a>, rehash: bool, monitor: &'a dyn Monitor) -> Comparer<'a> {
        Comparer {
            known,
            rehash,
            monitor,
            open: Vec::new(),
            visited: HashSet::new(),
            failed_dirs: Vec::new(),
            gone_dirs: false,
            names: HashMap::new(),
            changes: Vec::new(),
            result: Compared::default(),
        }
    }

    pub fn take(&mut self, found: Found) -> Result<(), FlowError> {
        match found {
            Found::Entry(entry) => self.entry(entry),
            Found::Hollow { entry, rule } => {
                *self.result.hollow.entry(rule.to_string()).or_default() += 1;
                self.entry(entry)
            }
            // Its row, if it has one, is not met: so it leaves the snapshot.
            Found::Excluded { rule, .. } => {
                *self.result.excluded.entry(rule.to_string()).or_default() += 1;
                Ok(())
            }
            Found::Failed { path, error } => {
                let what = super::chain(&error);
                self.failed(path, what)
            }
        }
    }

    /// The walk is over: what was not met is gone.
    pub fn finish(mut self) -> Result<Compared, FlowError> {
        while let Some((_, rows)) = self.open.pop() {
            self.gone(rows)?;
        }
        if self.gone_dirs {
            self.remove_below_gone_dirs()?;
        }
        self.known.put(&mut self.changes)?;
        Ok(self.result)
    }

    fn entry(&mut self, entry: Entry) -> Result<(), FlowError> {
        self.result.load.paths += 1;
        let known = self.meet(&entry.path)?;
        // Something else stands where a directory was: what was below it is gone.
        self.gone_dirs |=
            known.as_ref().is_some_and(|row| row.kind == Kind::Dir) && entry.kind != Kind::Dir;
        if entry.kind == Kind::Dir {
            self.visited.insert(entry.path.clone());
            let rows = self.known.dir(&entry.path)?;
            self.open.push((entry.path.clone(), rows));
        }
        if entry.kind == Kind::File && entry.print.nlink > 1 {
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

    /// The row of this path, taken out of those that wait to be met.
    fn meet(&mut self, path: &RelPath) -> Result<Option<KnownEntry>, FlowError> {
        let Some(parent) = path.parent() else { return self.known.one(path) };
        while self.open.last().is_some_and(|(dir, _)| *dir != parent) {
            if let Some((_, rows)) = self.open.pop() {
                self.gone(rows)?;
            }
        }
        Ok(self.open.last_mut().and_then(|(_, rows)| rows.remove(path)))
    }

    fn file(&mut self, entry: Entry, known: Option<KnownEntry>) -> Result<(), FlowError> {
        let same = known
            .as_ref()
            .is_some_and(|row| is_unread(row, &entry) && !is_fresh(row, &self.known.begun));
        if !same || self.rehash {
            if let (true, Some(digest)) = (same, digest_of(&known)) {
                self.result.rehashed.insert(entry.path.clone(), digest);
            }
            return self.enqueue(entry, known.is_none());
        }
        self.note_name(&entry, None);
        let content = known.as_ref().and_then(|row| row.content.as_ref()).map(|c| c.id);
        self.keep_or_put(entry, known, content)
    }

    /// A file to read. A new path gets its row now, so that a listing written meanwhile has it.
    fn enqueue(&mut self, entry: Entry, is_new: bool) -> Result<(), FlowError> {
        self.note_name(&entry, Some(self.result.queue.len()));
        self.result.load.files += 1;
        if is_new {
            self.change(RowChange::Put {
                entry: Box::new(entry.clone()),
                content: None,
                note: Note::None,
            })?;
        }
        let work = Work::File { entry: Box::new(entry), links: Vec::new(), tries: 0 };
        self.result.load.bytes += work.content_bytes();
        self.result.queue.push_back(work);
        Ok(())
    }

    fn note_name(&mut self, entry: &Entry, queued: Option<usize>) {
        if entry.print.nlink > 1 {
            let key = (entry.print.dev, entry.print.inode);
            self.names.insert(key, (entry.path.clone(), queued));
        }
    }

    /// Another name of a file that was met before.
    fn other_name(
        &mut self,
        mut entry: Entry,
        known: Option<KnownEntry>,
        first: RelPath,
        queued: Option<usize>,
    ) -> Result<(), FlowError> {
        entry.kind = Kind::Hardlink;
        entry.size = 0;
        entry.meta.link = first.as_bytes().to_vec();
        if let Some(Work::File { links, .. }) = queued.and_then(|at| self.result.queue.get_mut(at))
        {
            links.push(entry.clone());
        }
        self.keep_or_put(entry, known, None)
    }

    /// Directories, links, devices, empty files: a row, and a member if an archive is made anyway.
    fn plain(&mut self, entry: Entry, known: Option<KnownEntry>) -> Result<(), FlowError> {
        self.note_name(&entry, None);
        let member = known.as_ref().is_none_or(|row| !is_same_thing(row, &entry));
        if member {
            self.result.queue.push_back(Work::Plain(Box::new(entry.clone())));
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
        self.monitor.trouble(&Trouble { thing: path.to_string(), what });
        let Some(row) = self.meet(&path)? else { return Ok(()) };
        if row.kind == Kind::Dir {
            self.failed_dirs.push(path);
        }
        let note = stale(&row, &self.known.begun);
        let content = row.content.as_ref().map(|content| content.id);
        self.change(RowChange::Put { entry: Box::new(entry_of(row)), content, note })
    }

    fn gone(&mut self, rows: HashMap<RelPath, KnownEntry>) -> Result<(), FlowError> {
        for (path, row) in rows {
            self.gone_dirs |= row.kind == Kind::Dir;
            self.remove(path)?;
        }
        Ok(())
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
            for path in self.known.dir(&dir)?.into_keys() {
                self.remove(path)?;
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

/// Nothing tells that the content changed, and all of it is stored.
fn is_unread(row: &KnownEntry, entry: &Entry) -> bool {
    row.kind == Kind::File
        && row.size == entry.size
        && row.meta.mtime == entry.meta.mtime
        && row.ctime == entry.print.ctime
        && row.inode == entry.print.inode
        && row.note != Note::Changed
        && digest_of(&Some(row.clone())).is_some()
}

/// The coarsest clock of a file system that people still use counts in two seconds (FAT).
const TICK: i64 = 2;

/// The file changed so shortly before it was stored that it could have changed once more within the
/// same tick of the file system's clock, unseen: its times prove nothing.
fn is_fresh(row: &KnownEntry, begun: &HashMap<SnapshotSeq, Moment>) -> bool {
    begun.get(&row.since).is_none_or(|moment| row.ctime.sec >= moment.0 - TICK)
}

fn digest_of(row: &Option<KnownEntry>) -> Option<crate::model::Digest> {
    row.as_ref()?.content.as_ref()?.digest
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
