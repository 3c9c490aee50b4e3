//! Fills one disc after the other to the edge: which archive a file goes into, when an archive is
//! closed, where a file is cut because the archive or the disc ends.
//!
//! Until the edge is near, room is reckoned by upper bounds, which cost nothing. When a bound says
//! "full", the true sizes are taken: frames on their way are waited for, the listings compressed
//! for real, then the open archives sealed, and packing continues with what that set free.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::codec::bzip2_frames::Bzip2Frames;
use crate::codec::openpgp::Sealer;
use crate::model::disc::Compression;
use crate::model::rows::Note;
use crate::model::{ArchiveNo, Digest, DiscNo, Entry, Format, SnapshotSeq};
use crate::port::event::Progress;
use crate::port::monitor::Monitor;
use crate::port::stop::Stop;
use crate::scan::content::{ContentReadError, Source};

use super::ahead::{FileReadAhead, NextItem, OpenedFile, Walked};
use super::archive::ArchiveBuilder;
use super::queue::{Queue, WorkItem};
use super::reader::FileReading;
use super::room::Room;
use super::sealing::Background;
use super::staged::ListingSizes;
use super::{DuplicateFile, Ledger, PackError};

/// How often a file that changed under the reader is tried again, at the end of the queue.
const TRIES: u32 = 2;

/// Files held back because their content is in an archive that is still open.
const MOST_TWINS: usize = 20_000;

/// What holds for the whole run.
pub struct PackConfig<'a> {
    pub source: &'a Source,
    pub snapshot: SnapshotSeq,
    /// For files that compress; the others are stored as they are.
    pub compression: Compression,
    pub archive_size: u64,
    pub sealer: Option<&'a Sealer>,
    /// Where scratch files are made.
    pub scratch: PathBuf,
    pub stop: &'a Stop,
}

/// The `#` lines of each listing.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    pub index: Vec<u8>,
    pub snapshot: Vec<u8>,
    pub history: Vec<u8>,
}

/// The disc that is being filled.
pub struct DiscInWork {
    pub number: DiscNo,
    /// Its directory in staging.
    pub dir: PathBuf,
    /// Capacity, and the files that are certain: texts, archives sealed before.
    pub room: Room,
    /// The first disc of a run carries SNAPSHOT and catalog whatever they take.
    pub first_of_run: bool,
    /// Whether room is kept for SNAPSHOT and catalog.
    pub carries_listings: bool,
    pub headers: Headers,
    pub format: Format,
    /// What makes its bzip2 frames.
    pub bzip2: Arc<Bzip2Frames>,
    /// What the listings took when it was reckoned last: at most, or as compressed for real.
    pub(super) sizes: Option<ListingSizes>,
    pub(super) measured: bool,
    /// What INDEX, and SNAPSHOT and catalog, may have grown since.
    pub(super) index_growth: u64,
    pub(super) members_since: u64,
}

impl DiscInWork {
    pub fn new(number: DiscNo, dir: PathBuf, room: Room, first_of_run: bool) -> DiscInWork {
        DiscInWork {
            number,
            dir,
            room,
            first_of_run,
            carries_listings: true,
            headers: Headers::default(),
            format: Format::default(),
            bzip2: Arc::default(),
            sizes: None,
            measured: false,
            index_growth: 0,
            members_since: 0,
        }
    }

    /// Whether anything of the source is on it.
    pub fn has_archives(&self) -> bool {
        self.room.files().iter().any(|(path, _)| path.starts_with("archives/"))
    }
}

/// Why [`Filler::fill`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The queue is empty.
    Done,
    /// The disc is full and something is left.
    Full,
    /// The first thing is to be put onto a disc, and the disc is not chosen yet:
    /// [`Filler::choosing`].
    Choose,
}

/// What became of one attempt to place something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    In,
    /// A piece went in, more is left.
    Piece,
    /// Nothing more goes onto this disc.
    Edge,
}

/// Which of the two open archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Compressed = 0,
    AsIs = 1,
}

/// A file on its way, maybe over several archives and discs.
pub(super) struct CurrentFile {
    pub reading: FileReading,
    pub links: Vec<Entry>,
    pub tries: u32,
    pub lane: Lane,
    /// Content before this offset is in archives.
    pub at: u64,
    pub parts: u32,
    /// Its id for its parts, if it has any.
    id: Option<u64>,
}

impl CurrentFile {
    pub fn id(&mut self) -> u64 {
        *self.id.get_or_insert_with(new_id)
    }
}

/// Counts for the summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packed {
    pub files: u64,
    pub bytes: u64,
    /// Files whose content was stored already: moved, copied, renamed.
    pub reused: u64,
    /// Files that were read again and turned out to be as they were.
    pub unchanged: u64,
    pub changed_while_read: u64,
    pub unreadable: u64,
}

pub struct Filler<'a> {
    pub(super) config: PackConfig<'a>,
    /// What the disc in progress is filled for.
    pub(super) task: Monitor,
    ahead: FileReadAhead,
    pub(super) disc: DiscInWork,
    pub(super) builders: [Option<ArchiveBuilder>; 2],
    /// Full archives that become files while the next ones fill.
    pub(super) sealing: Background,
    current: Option<CurrentFile>,
    /// Entries without content: they go along with the first content that is stored.
    waiting: Queue,
    /// Whether an archive is made in any case.
    pub(super) stores: bool,
    /// In which archive the first name is of an object without content that has several.
    pub(super) linked: HashMap<Vec<u8>, ArchiveNo>,
    /// Same content as something in an archive that is not sealed yet.
    pub(super) twins: Vec<DuplicateFile>,
    pub(super) unsealed: HashSet<Digest>,
    /// Files whose content is stored, and that the ledger has not heard of yet.
    pub(super) known: Vec<DuplicateFile>,
    sizes_now: HashSet<u64>,
    again: Vec<WorkItem>,
    /// Nothing is put onto the disc before [`Filler::next_disc`] was called.
    chooses: bool,
    /// Bytes that fit for certain, without computing it again.
    pub(super) slack: u64,
    pub packed: Packed,
    pub(super) done: u64,
    pub(super) written: u64,
}

impl<'a> Filler<'a> {
    /// `stores`: an archive is made even for entries without content alone.
    pub fn new(config: PackConfig<'a>, disc: DiscInWork, stores: bool) -> Filler<'a> {
        let probe = config.compression != Compression::None;
        Filler {
            ahead: FileReadAhead::new(config.source.another(), probe),
            config,
            task: Monitor::new(),
            disc,
            builders: [None, None],
            sealing: Background::default(),
            current: None,
            waiting: Queue::new(),
            stores,
            linked: HashMap::new(),
            twins: Vec::new(),
            unsealed: HashSet::new(),
            known: Vec::new(),
            sizes_now: HashSet::new(),
            again: Vec::new(),
            chooses: false,
            slack: 0,
            packed: Packed::default(),
            done: 0,
            written: 0,
        }
    }

    /// Comes back with [`Fill::Choose`] before anything is put onto a disc: files whose content is
    /// stored already need none.
    pub fn choosing(self) -> Filler<'a> {
        Filler { chooses: true, ..self }
    }

    /// The disc before is closed, or another one is chosen: continue with this one.
    pub fn next_disc(&mut self, disc: DiscInWork) -> DiscInWork {
        (self.slack, self.chooses) = (0, false);
        std::mem::replace(&mut self.disc, disc)
    }

    pub fn disc(&self) -> &DiscInWork {
        &self.disc
    }

    /// How far it has come since it was made, over all discs.
    pub fn progress(&self) -> Progress {
        Progress { done: self.done, written: Some(self.written) }
    }

    /// What comes next is read from here.
    pub fn read_from(&mut self, source: Source) {
        self.ahead = FileReadAhead::new(source, self.config.compression != Compression::None);
    }

    /// Packs until the queue is empty or the disc is full. Open archives are sealed and recorded
    /// then.
    pub fn fill(
        &mut self,
        queue: &mut Queue,
        ledger: &mut dyn Ledger,
        task: &Monitor,
    ) -> Result<Fill, PackError> {
        self.task = task.clone();
        let outcome = self.fill_open(queue, ledger)?;
        if outcome == Fill::Choose {
            return Ok(outcome);
        }
        // The next disc may have its turn hours later.
        self.ahead.give_back(queue);
        self.seal_all(ledger)?;
        if outcome == Fill::Full && !self.disc.has_archives() {
            return Err(PackError::DiscTooSmall { size: self.disc.room.capacity().bytes() });
        }
        Ok(outcome)
    }

    fn fill_open(&mut self, queue: &mut Queue, ledger: &mut dyn Ledger) -> Result<Fill, PackError> {
        loop {
            self.config.stop.check()?;
            ledger.breathe().map_err(PackError::Ledger)?;
            self.record_finished(ledger)?;
            if self.chooses && self.is_to_put(queue) {
                return Ok(Fill::Choose);
            }
            if let Some(current) = self.current.take() {
                let last = queue.is_empty() && self.ahead.is_empty() && self.again.is_empty();
                if self.go_on(current, last, ledger)? == Fill::Full {
                    return Ok(Fill::Full);
                }
                continue;
            }
            match self.ahead.next(queue) {
                None => match self.again.pop() {
                    None => return Ok(Fill::Done),
                    Some(work) => queue.push_front(work),
                },
                Some(NextItem::Plain(entry)) => {
                    if self.plain(&entry, ledger)? == Placement::Edge {
                        self.ahead.give_back(queue);
                        if self.disc.has_archives() && !self.has_content(queue) {
                            // SNAPSHOT has their rows: no disc is made for these alone.
                            queue.clear();
                            return Ok(Fill::Done);
                        }
                        queue.push_front(WorkItem::Plain(entry));
                        return Ok(Fill::Full);
                    }
                }
                Some(NextItem::File { walked, opened }) => self.begin(walked, *opened, ledger)?,
            }
        }
    }

    /// Whether what comes next needs room on a disc, as far as it was looked at.
    fn is_to_put(&self, queue: &Queue) -> bool {
        let has_next = !queue.is_empty() || !self.ahead.is_empty() || !self.again.is_empty();
        self.current.is_some() || self.stores && has_next
    }

    fn has_content(&self, queue: &Queue) -> bool {
        !self.again.is_empty() || queue.has_files()
    }

    /// An entry without content: kept back until an archive is made anyway.
    fn plain(&mut self, entry: &Entry, ledger: &mut dyn Ledger) -> Result<Placement, PackError> {
        if !self.stores {
            self.waiting.push(entry);
            return Ok(Placement::In);
        }
        self.put_plain(entry, ledger)
    }

    /// Takes a file that was opened, and finds out whether its content is stored already.
    fn begin(
        &mut self,
        walked: Walked,
        opened: Result<OpenedFile, ContentReadError>,
        ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        let Walked { entry, links, tries } = walked;
        let OpenedFile { reading, settled, compressible } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.count(entry.size);
                return self.unreadable(&entry, &links, &words(&error), ledger);
            }
        };
        if !settled && tries < TRIES {
            self.again.push(WorkItem::File { entry, links, tries: tries + 1 });
            return Ok(());
        }
        match self.stored_already(&reading, ledger) {
            Err(LookupError::Failed(error)) => {
                return self.unreadable(&entry, &links, &error, ledger);
            }
            Err(LookupError::Stop(error)) => return Err(error),
            Ok(Some(digest)) => return self.reuse(reading, links, digest, ledger),
            Ok(None) => {}
        }
        let lane = match compressible {
            Ok(true) => Lane::Compressed,
            Ok(false) => Lane::AsIs,
            Err(error) => return self.unreadable(&entry, &links, &words(&error), ledger),
        };
        self.sizes_now.insert(reading.size());
        self.stores = true;
        let (at, parts, id) = (0, 0, None);
        self.current = Some(CurrentFile { reading, links, tries, lane, at, parts, id });
        Ok(())
    }

    /// The digest, if this content is stored. Files are hashed ahead only where one of the same
    /// size is known.
    fn stored_already(
        &mut self,
        reading: &FileReading,
        ledger: &mut dyn Ledger,
    ) -> Result<Option<Digest>, LookupError> {
        let size = reading.size();
        if !ledger.knows_size(size) && !self.sizes_now.contains(&size) {
            return Ok(None);
        }
        let digest = reading
            .digest_ahead(|at| {
                self.config.stop.check()?;
                ledger.breathe().map_err(PackError::Ledger)?;
                self.report_ahead(at);
                Ok(())
            })
            .map_err(LookupError::Stop)?
            .map_err(|error| LookupError::Failed(words(&error)))?;
        let Some(digest) = digest else { return Ok(None) };
        let known = self.unsealed.contains(&digest)
            || ledger.knows(&digest, size).map_err(|e| LookupError::Stop(PackError::Ledger(e)))?;
        Ok(known.then_some(digest))
    }

    fn reuse(
        &mut self,
        reading: FileReading,
        links: Vec<Entry>,
        digest: Digest,
        ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        self.count(reading.size());
        let twin = DuplicateFile { entry: reading.entry, digest, note: Note::None };
        if self.unsealed.contains(&digest) {
            self.twins.push(twin);
            if self.twins.len() >= MOST_TWINS {
                self.seal_all(ledger)?;
            }
        } else {
            self.known.push(twin);
        }
        if is_batch(&self.known) {
            self.tell_known(ledger)?;
        }
        // Other names are rows already; they point at this one.
        drop(links);
        Ok(())
    }

    /// Tells the ledger of the files whose content is stored.
    pub(super) fn tell_known(&mut self, ledger: &mut dyn Ledger) -> Result<(), PackError> {
        if self.known.is_empty() {
            return Ok(());
        }
        let known = std::mem::take(&mut self.known);
        let reused = ledger.reuse(&known).map_err(PackError::Ledger)?;
        self.packed.reused += reused;
        self.packed.unchanged += known.len() as u64 - reused;
        Ok(())
    }

    /// Other names of a file that cannot be read cannot be had either.
    pub(super) fn unreadable(
        &mut self,
        entry: &Entry,
        links: &[Entry],
        why: &str,
        ledger: &mut dyn Ledger,
    ) -> Result<(), PackError> {
        for entry in [entry].into_iter().chain(links) {
            self.packed.unreadable += 1;
            ledger.unreadable(entry, why).map_err(PackError::Ledger)?;
        }
        Ok(())
    }

    /// Places (more of) the current file; what is waiting goes before it.
    fn go_on(
        &mut self,
        mut current: CurrentFile,
        last: bool,
        ledger: &mut dyn Ledger,
    ) -> Result<Fill, PackError> {
        while let Some(work) = self.waiting.pop_front() {
            let (WorkItem::Plain(entry) | WorkItem::File { entry, .. }) = &work;
            if self.put_plain(entry, ledger)? == Placement::Edge {
                self.waiting.push_front(work);
                self.current = Some(current);
                return Ok(Fill::Full);
            }
        }
        match self.put_file(&mut current, last, ledger)? {
            Placement::In => {}
            Placement::Piece => self.current = Some(current),
            Placement::Edge => {
                self.current = Some(current);
                return Ok(Fill::Full);
            }
        }
        Ok(Fill::Done)
    }

    /// Takes a file that changed under the reader to the end of the queue, unless it was there
    /// too often already.
    pub(super) fn try_again(&mut self, current: &CurrentFile) -> bool {
        if current.tries >= TRIES {
            return false;
        }
        self.again.push(WorkItem::File {
            entry: Box::new(current.reading.entry.clone()),
            links: current.links.clone(),
            tries: current.tries + 1,
        });
        true
    }

    pub(super) fn count(&mut self, bytes: u64) {
        self.done += bytes;
        self.report();
    }

    pub(super) fn report(&self) {
        self.report_ahead(0);
    }

    /// Tells of so many bytes more, of a file that may have to be read once more.
    fn report_ahead(&self, more: u64) {
        let open: u64 = self.builders.iter().flatten().map(ArchiveBuilder::bound).sum();
        let (done, written) = (self.done + more, Some(self.written + open));
        self.task.progress(Progress { done, written });
    }
}

/// One transaction for many files, but not so many that a run which is stopped would have to read
/// much again.
fn is_batch(known: &[DuplicateFile]) -> bool {
    const FILES: usize = 1000;
    const BYTES: u64 = 256 << 20;
    known.len() >= FILES || known.iter().map(|twin| twin.entry.size).sum::<u64>() >= BYTES
}

/// An error with all that it came from.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let more = std::iter::successors(error.source(), |inner| inner.source());
    more.fold(error.to_string(), |text, inner| format!("{text}: {inner}"))
}

/// Why it could not be told whether a content is stored.
enum LookupError {
    Failed(String),
    Stop(PackError),
}

/// A file's id for its parts. Random, so that it says nothing of the file.
fn new_id() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness an id from the address space's layout would do: it only has to be unique
    // within a set, and the catalog refuses a second one.
    if getrandom::fill(&mut bytes).is_err() {
        return std::ptr::from_ref(&bytes) as u64;
    }
    u64::from_le_bytes(bytes)
}
