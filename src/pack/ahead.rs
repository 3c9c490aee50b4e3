//! Opens files ahead of the packer, on a thread of its own: small ones are read and hashed, and
//! whether compressing is worth the time is known when their turn comes.

use std::collections::VecDeque;
use std::io;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, never, unbounded};

use crate::model::Entry;
use crate::scan::content::{ContentReadError, Source};

use super::queue::{Queue, WorkItem};
use super::reader::FileReading;

/// So many files are open or held at most,
const FILES: usize = 64;
/// and so many bytes of them, all files counted as if they were held.
const BYTES: u64 = 8 << 20;

/// A file whose turn it is.
pub struct OpenedFile {
    pub reading: FileReading,
    /// A small file did not change while it was read; a long one is not read yet.
    pub settled: bool,
    pub compressible: io::Result<bool>,
}

/// A file as the queue had it.
pub struct Walked {
    pub entry: Box<Entry>,
    pub links: Vec<Entry>,
    pub tries: u32,
}

/// What comes next.
pub enum NextItem {
    Plain(Box<Entry>),
    File { walked: Walked, opened: Box<Result<OpenedFile, ContentReadError>> },
}

/// Work in its order, with the files of its first part being opened.
pub struct FileReadAhead {
    work: VecDeque<WorkItem>,
    bytes: u64,
    /// Taken to end the thread.
    jobs: Option<Sender<Entry>>,
    opened: Receiver<Result<OpenedFile, ContentReadError>>,
    thread: Option<JoinHandle<()>>,
}

impl FileReadAhead {
    /// `probe`: it matters whether a file is compressible.
    pub fn new(source: Source, probe: bool) -> FileReadAhead {
        let (jobs, entries) = unbounded();
        let (results, opened) = unbounded();
        let thread = thread::spawn(move || open_all(source, probe, &entries, &results));
        FileReadAhead {
            work: VecDeque::new(),
            bytes: 0,
            jobs: Some(jobs),
            opened,
            thread: Some(thread),
        }
    }

    /// Whether nothing was taken from the queue that did not come out again.
    pub fn is_empty(&self) -> bool {
        self.work.is_empty()
    }

    /// The next of the queue. A file's reading is waited for.
    pub fn next(&mut self, queue: &mut Queue) -> Option<NextItem> {
        while self.work.len() < FILES && self.bytes < BYTES {
            let Some(work) = queue.pop_front() else { break };
            self.begin(work);
        }
        let work = self.work.pop_front()?;
        self.bytes -= bytes_of(&work);
        Some(match work {
            WorkItem::Plain(entry) => NextItem::Plain(entry),
            WorkItem::File { entry, links, tries } => {
                let walked = Walked { entry, links, tries };
                NextItem::File { walked, opened: Box::new(self.wait()) }
            }
        })
    }

    /// Puts what did not get its turn back: it is reopened when there is room for it.
    pub fn give_back(&mut self, queue: &mut Queue) {
        while let Some(work) = self.work.pop_back() {
            if let WorkItem::File { .. } = work {
                drop(self.wait());
            }
            queue.push_front(work);
        }
        self.bytes = 0;
    }

    fn begin(&mut self, work: WorkItem) {
        if let (WorkItem::File { entry, .. }, Some(jobs)) = (&work, &self.jobs) {
            // The thread ends only when `jobs` is dropped; if it panicked, `wait` says so.
            let _ = jobs.send((**entry).clone());
        }
        self.bytes += bytes_of(&work);
        self.work.push_back(work);
    }

    fn wait(&mut self) -> Result<OpenedFile, ContentReadError> {
        match self.opened.recv() {
            Ok(opened) => opened,
            Err(_) => self.pass_panic_on(),
        }
    }

    fn pass_panic_on(&mut self) -> ! {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => unreachable!("the thread ends only after its last job"),
        }
    }
}

impl Drop for FileReadAhead {
    fn drop(&mut self) {
        self.jobs = None;
        // With nobody to take them, results are not made any more.
        self.opened = never();
        if let Some(thread) = self.thread.take() {
            // A panic was passed on when its result was missed.
            let _ = thread.join();
        }
    }
}

fn bytes_of(work: &WorkItem) -> u64 {
    match work {
        WorkItem::File { entry, .. } => entry.size.min(BYTES),
        WorkItem::Plain(_) => 0,
    }
}

fn open_all(
    mut source: Source,
    probe: bool,
    entries: &Receiver<Entry>,
    results: &Sender<Result<OpenedFile, ContentReadError>>,
) {
    for entry in entries {
        if results.send(open(&mut source, probe, entry)).is_err() {
            return;
        }
    }
}

fn open(source: &mut Source, probe: bool, entry: Entry) -> Result<OpenedFile, ContentReadError> {
    let reading = FileReading::open(source, entry)?;
    let settled = reading.whole().is_none() || reading.is_unchanged().unwrap_or(false);
    let compressible = if probe { reading.is_compressible() } else { Ok(false) };
    Ok(OpenedFile { reading, settled, compressible })
}
