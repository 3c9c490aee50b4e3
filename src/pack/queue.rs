//! What is to be stored, in walk order. Names that share one file travel together.

use std::collections::{HashMap, VecDeque};

use super::compact::{self, EntryReader, OwnerTable};
use crate::model::{Entry, Kind};

/// Bytes after which the next entry opens another block: what was taken out frees its memory.
const BLOCK: usize = 64 << 10;

/// One thing to store.
#[derive(Clone, Debug)]
pub enum WorkItem {
    /// A file with content, the other names that it has in this run, and how often it changed
    /// while it was read.
    File { entry: Box<Entry>, links: Vec<Entry>, tries: u32 },
    /// Anything without content. Goes along when an archive is made anyway.
    Plain(Box<Entry>),
}

fn has_content(entry: &Entry) -> bool {
    entry.kind == Kind::File && entry.size > 0
}

/// Which file of the queue another name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// The work of a run, held in some 50 bytes a path. What goes in at its end comes out at its front.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    blocks: VecDeque<EntryBlock>,
    owners: OwnerTable,
    /// Other names of files in the queue, as rows of entries.
    links: HashMap<Ticket, EntryBlock>,
    /// Put back, the last one first.
    front: Vec<WorkItem>,
    /// How many went in, and how many came out again.
    pushed: u64,
    popped: u64,
    files: usize,
    longest: usize,
}

/// Entries, written one after the other.
#[derive(Clone, Debug, Default)]
struct EntryBlock {
    bytes: Vec<u8>,
    /// The path that was written last.
    written: Vec<u8>,
    /// How far it was read, and the path there.
    at: usize,
    read: Vec<u8>,
}

impl EntryBlock {
    fn push(&mut self, entry: &Entry, owners: &mut OwnerTable) {
        compact::write(entry, &mut self.written, owners, &mut self.bytes);
    }

    fn pop(&mut self, owners: &OwnerTable) -> Option<Entry> {
        if self.at == self.bytes.len() {
            return None;
        }
        let mut reader = EntryReader { bytes: &self.bytes, at: self.at, last: &mut self.read };
        let entry = reader.entry(owners);
        self.at = reader.at;
        Some(entry)
    }
}

impl Queue {
    pub fn new() -> Queue {
        Queue::default()
    }

    /// A file that has content is to be read; anything else only goes along.
    pub fn push(&mut self, entry: &Entry) -> Ticket {
        if self.blocks.back().is_none_or(|block| block.bytes.len() >= BLOCK) {
            self.blocks.push_back(EntryBlock::default());
        }
        if let Some(block) = self.blocks.back_mut() {
            block.push(entry, &mut self.owners);
        }
        self.files += usize::from(has_content(entry));
        self.longest = self.longest.max(entry.path.as_bytes().len());
        self.pushed += 1;
        Ticket(self.pushed - 1)
    }

    /// Another name of a file that waits here.
    pub fn add_link(&mut self, file: Ticket, link: &Entry) {
        self.longest = self.longest.max(link.path.as_bytes().len());
        self.links.entry(file).or_default().push(link, &mut self.owners);
    }

    pub fn pop_front(&mut self) -> Option<WorkItem> {
        let work = self.front.pop().or_else(|| self.unpack())?;
        self.files -= usize::from(matches!(work, WorkItem::File { .. }));
        Some(work)
    }

    fn unpack(&mut self) -> Option<WorkItem> {
        let entry = loop {
            match self.blocks.front_mut()?.pop(&self.owners) {
                Some(entry) => break entry,
                None => drop(self.blocks.pop_front()),
            }
        };
        let ticket = Ticket(self.popped);
        self.popped += 1;
        if !has_content(&entry) {
            return Some(WorkItem::Plain(Box::new(entry)));
        }
        let mut links = self.links.remove(&ticket).unwrap_or_default();
        let links = std::iter::from_fn(|| links.pop(&self.owners)).collect();
        Some(WorkItem::File { entry: Box::new(entry), links, tries: 0 })
    }

    /// Puts back what came out last.
    pub fn push_front(&mut self, work: WorkItem) {
        self.files += usize::from(matches!(work, WorkItem::File { .. }));
        self.front.push(work);
    }

    /// What is in it, in order: a copy is emptied.
    #[cfg(test)]
    pub fn works(&self) -> Vec<WorkItem> {
        let mut copy = self.clone();
        std::iter::from_fn(|| copy.pop_front()).collect()
    }

    pub fn len(&self) -> usize {
        (self.pushed - self.popped) as usize + self.front.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether anything in it is to be read.
    pub fn has_files(&self) -> bool {
        self.files > 0
    }

    /// Bytes of the longest path that ever was in it.
    pub fn longest_path(&self) -> usize {
        self.longest
    }

    pub fn clear(&mut self) {
        *self = Queue { longest: self.longest, ..Queue::default() };
    }
}

/// Bytes of a file that are really there: a sparse one occupies less than its size.
pub fn content_bytes(entry: &Entry) -> u64 {
    match has_content(entry) {
        true => entry.size.min(entry.print.occupied.max(1)),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Fingerprint;
    use crate::model::{Meta, Mtime, RelPath, Xattr};

    fn entry(path: &str, kind: Kind, size: u64) -> Entry {
        Entry {
            path: RelPath::new(path.as_bytes()).unwrap(),
            kind,
            size,
            meta: Meta { mode: 0o644, user: b"me".to_vec(), ..Meta::default() },
            print: Fingerprint { inode: size, nlink: 1, ..Fingerprint::default() },
        }
    }

    fn rich(path: &str) -> Entry {
        let mut rich = entry(path, Kind::File, u64::MAX);
        rich.meta.mtime = Mtime { sec: i64::MIN, nsec: 999_999_999 };
        rich.meta.link = b"a/b".to_vec();
        rich.meta.device = Some((u32::MAX, 0));
        rich.meta.xattrs = vec![
            Xattr { name: b"user.a".to_vec(), value: vec![0; 300] },
            Xattr { name: b"user.b".to_vec(), value: vec![] },
        ];
        rich.print = Fingerprint {
            dev: u64::MAX,
            inode: 1 << 63,
            ctime: Mtime { sec: -1, nsec: 1 },
            nlink: 3,
            occupied: 0,
        };
        rich
    }

    fn all(mut queue: Queue) -> Vec<Entry> {
        let entry = |work| match work {
            WorkItem::File { entry, .. } | WorkItem::Plain(entry) => *entry,
        };
        std::iter::from_fn(|| queue.pop_front()).map(entry).collect()
    }

    #[test]
    fn what_comes_out_is_what_went_in_to_the_last_field() {
        let mut entries = vec![
            entry(".", Kind::Dir, 0),
            rich("a/b"),
            entry("a/bc", Kind::Symlink, 0),
            rich("b"),
            entry("c", Kind::File, 0),
        ];
        // Enough for several blocks, with paths that share much and nothing.
        entries.extend((0..9000).map(|n| entry(&format!("dir/{n:04}/{}", n % 7), Kind::File, n)));
        let mut queue = Queue::new();
        for entry in &entries {
            queue.push(entry);
        }
        assert_eq!(queue.len(), entries.len());
        assert!(queue.blocks.len() > 1);
        assert_eq!(all(queue), entries);
    }

    #[test]
    fn other_names_come_with_their_file_and_with_no_other() {
        let mut queue = Queue::new();
        let (one, two) = (entry("a", Kind::File, 1), entry("b", Kind::File, 2));
        let first = queue.push(&one);
        queue.push(&two);
        let links = [entry("c", Kind::Hardlink, 0), entry("c/d", Kind::Hardlink, 0)];
        links.iter().for_each(|link| queue.add_link(first, link));
        let Some(WorkItem::File { entry, links: found, .. }) = queue.pop_front() else { panic!() };
        assert_eq!((*entry, &found[..]), (one, &links[..]));
        assert!(
            matches!(queue.pop_front(), Some(WorkItem::File { links, .. }) if links.is_empty())
        );
        assert!(queue.is_empty() && queue.pop_front().is_none());
    }

    #[test]
    fn what_is_put_back_comes_out_next_and_files_are_counted() {
        let mut queue = Queue::new();
        let (plain, file) = (entry("a", Kind::Dir, 0), entry("a/long", Kind::File, 7));
        queue.push(&plain);
        queue.push(&file);
        let taken = queue.pop_front().unwrap();
        queue.push_front(taken);
        assert_eq!((queue.len(), queue.has_files(), queue.longest_path()), (2, true, 6));
        assert_eq!(all(queue.clone()), [plain, file]);
        queue.pop_front();
        queue.pop_front();
        assert!(queue.is_empty() && !queue.has_files());
    }

    #[test]
    fn a_million_small_files_wait_in_little_memory() {
        let mut queue = Queue::new();
        for number in 0..10_000 {
            let mut entry = entry(
                &format!("photos/2019/album-{}/IMG_{number:06}.jpg", number / 30),
                Kind::File,
                3_000_000,
            );
            entry.meta.mtime = Mtime { sec: 1_700_000_000, nsec: 123_456_789 };
            entry.print = Fingerprint {
                dev: 0xfe00,
                inode: 9_000_000 + number,
                occupied: 3_002_368,
                ..entry.print
            };
            queue.push(&entry);
        }
        let bytes: usize = queue.blocks.iter().map(|block| block.bytes.len()).sum();
        assert!(bytes < 60 * 10_000, "{bytes}");
    }
}
